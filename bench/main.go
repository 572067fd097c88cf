// The command bench compares autoscale with other autoscalers, on the same simulated service
// with the same requests:
//
//	go run . -traces DIR -seeds 5 -boot 30s -out .
//
// Kubernetes' HorizontalPodAutoscaler and Knative's autoscaler run their real code, in the
// packages hpa and kpa. Package rules has rewritten rules. File candidates.go lists all
// candidates.
//
// bench prints tables. With -out it also writes RESULTS.md and front.svg. DIR is a folder of
// traces, which are CSV files with the header "time,requests". Its default is the
// environment variable AUTOSCALE_TRACES. Without traces, bench generates loads. The results
// depend on the flags and the traces alone.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// settings are the flags.
type settings struct {
	traces   string
	seeds    int
	boots    []time.Duration
	days     float64
	peak     float64
	rank     int
	cv       float64
	smooth   float64
	only     *regexp.Regexp
	out      string
	workers  int
	page     io.Writer // the tables
	progress io.Writer
}

func parse(args []string) (settings, error) {
	s := settings{page: os.Stdout, progress: os.Stderr}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&s.traces, "traces", os.Getenv("AUTOSCALE_TRACES"), "the folder of the traces; empty: generated loads")
	flags.IntVar(&s.seeds, "seeds", 3, "how many times each simulation is done, with other random numbers")
	flags.Float64Var(&s.days, "days", 1, "of each trace, the busiest ones in a row")
	flags.Float64Var(&s.peak, "peak", 36, "processes that the peak of each load demands: it is scaled so")
	flags.IntVar(&s.rank, "rank", 1, "which of the busiest days of each trace: 1 is the busiest, 2 the next, and so on")
	flags.Float64Var(&s.cv, "cv", 1, "how much the work of a request varies: its standard deviation over its mean")
	flags.Float64Var(&s.smooth, "smooth", smoothing, "requests of a trace that each rate rests on at least; 0: as counted")
	flags.StringVar(&s.out, "out", "", "the folder to write RESULTS.md and front.svg to; empty: none")
	flags.IntVar(&s.workers, "workers", runtime.GOMAXPROCS(0), "simulations at the same time")
	boots := flags.String("boot", "30s", "how long a process takes to serve; several with commas make several tables")
	only := flags.String("only", "", "only the candidates whose name matches this regular expression")
	if err := flags.Parse(args); err != nil {
		return s, err
	}
	for boot := range strings.SplitSeq(*boots, ",") {
		d, err := time.ParseDuration(boot)
		if err != nil {
			return s, fmt.Errorf("bench: -boot: %w", err)
		}
		s.boots = append(s.boots, d)
	}
	var err error
	if s.only, err = regexp.Compile(*only); err != nil {
		return s, fmt.Errorf("bench: -only: %w", err)
	}
	if s.seeds < 1 || s.workers < 1 || s.rank < 1 || !(s.days > 0) || !(s.peak > 0) || !(s.cv > 0) {
		return s, fmt.Errorf("bench: -seeds is %d, -workers %d, -rank %d, -days %v, -peak %v and -cv %v: all must be above 0", s.seeds, s.workers, s.rank, s.days, s.peak, s.cv)
	}
	return s, nil
}

func main() {
	klog.SetLogger(logr.Discard())
	s, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	// Kubernetes' controller reads the real clock. Only testing/synctest can replace that,
	// and only within a test.
	command := commandLine(os.Args[1:])
	os.Args = os.Args[:1]
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "bench", F: func(t *testing.T) {
		if err := run(context.Background(), t, s, command); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}}}, nil, nil)
}

// commandLine returns the command that gives these results again, without the path of the
// traces.
func commandLine(args []string) string {
	out := []string{"go", "run", "."}
	for i := 0; i < len(args); i++ {
		switch name, _, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "="); {
		case name != "traces":
			out = append(out, quoted(args[i]))
			continue
		case !joined:
			i++
		}
		out = append(out, "-traces", "DIR")
	}
	return strings.Join(out, " ")
}

// quoted quotes an argument for a shell.
func quoted(arg string) string {
	if strings.ContainsAny(arg, " |()*^$") {
		return "'" + arg + "'"
	}
	return arg
}

// run simulates, prints and writes.
func run(ctx context.Context, t *testing.T, s settings, command string) error {
	scene, err := newScene(ctx, s)
	if err != nil {
		return err
	}
	var page strings.Builder
	heading(&page, scene, s, command)
	for i, boot := range s.boots {
		list := pick(candidates(), s.only)
		results, err := simulate(ctx, t, scene, list, boot, s)
		if err != nil {
			return err
		}
		section(&page, results, boot)
		if i == 0 && s.out != "" {
			if err := os.WriteFile(s.out+"/front.svg", chart(results), 0o644); err != nil {
				return fmt.Errorf("bench: %w", err)
			}
		}
	}
	if _, err := io.WriteString(s.page, page.String()); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if s.out == "" {
		return nil
	}
	if err := os.WriteFile(s.out+"/RESULTS.md", []byte(page.String()), 0o644); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
