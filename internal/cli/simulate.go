package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/settings"
	"github.com/autoscalebot/autoscale/sim"
)

// simulation is the arguments of simulate.
type simulation struct {
	trace, against, html string
	scale                float64
	service              sim.Service
	objective            sim.Objective
	price                float64
	seed                 uint64
}

// flags defines those that simulate alone has.
func (s *simulation) flags(flags *flag.FlagSet) {
	flags.StringVar(&s.trace, "trace", "", "")
	flags.StringVar(&s.against, "against", "", "")
	flags.StringVar(&s.html, "html", "", "")
	flags.Float64Var(&s.scale, "scale", 1, "")
	flags.DurationVar(&s.service.Mean, "service-time", sim.DefaultMean, "")
	flags.IntVar(&s.service.Slots, "slots", sim.DefaultSlots, "")
	flags.DurationVar(&s.service.Boot, "boot", sim.DefaultBoot, "")
	flags.DurationVar(&s.objective.Latency, "objective", sim.DefaultLatency, "")
	flags.Float64Var(&s.price, "price", 0, "")
	flags.Uint64Var(&s.seed, "seed", 1, "")
}

// simulate replays a load against one or two settings, and prints what they
// would have done. It calls nobody.
func (c *command) simulate(ctx context.Context) int {
	s := c.simulation
	files := []string{c.settings}
	if s.against != "" {
		files = append(files, s.against)
	}
	if err := s.validate(files); err != nil {
		return c.fail(ctx, err, exitUsage)
	}
	all := make([]*settings.Settings, 0, len(files))
	offline := *c
	offline.offline = true
	for _, file := range files {
		offline.settings = file
		loaded, _, ok := offline.load()
		if !ok {
			return exitUsage
		}
		all = append(all, loaded)
	}
	if s.service.Boot <= 0 {
		s.service.Boot = -1 // none
	}
	utilization, err := sim.Calibrate(ctx, s.service, s.objective)
	if err != nil {
		return c.fail(ctx, err, exitUsage)
	}
	load, err := s.load(all[0], utilization)
	if err != nil {
		return c.fail(ctx, err, exitUsage)
	}
	fmt.Fprintf(c.stdout, "%v of %.4g requests per second on average and %.4g at the peak, %v of work each in %d slots a process, from %s\n\n",
		load.Duration(), load.Mean(), load.Peak(), s.service.Mean, s.service.Slots, cmp.Or(s.trace, "a generated day"))

	var reports []*sim.Report
	for i, loaded := range all {
		bar := newBar(c.stderr, fmt.Sprintf("%d of %d", i+1, len(all)))
		r, err := sim.Run(ctx, sim.Options{
			Name: reportName(files[i], files[len(files)-1-i]), Load: load, Controller: sim.Autoscaler(simulated(loaded.Config)),
			Service: s.service, Objective: s.objective, Utilization: utilization, Price: s.price, Seed: s.seed, Progress: bar.show,
		})
		bar.end()
		if err != nil {
			return c.fail(ctx, err, exitFailed)
		}
		reports = append(reports, r)
	}
	fmt.Fprint(c.stdout, sim.Markdown(reports...))
	for i, r := range reports {
		if text := advice(r, all[i].Config); text != "" {
			fmt.Fprintf(c.stdout, "\n%s: %s\n", r.Name, text)
		}
	}
	if s.html != "" {
		if err := writeFile(s.html, func(w io.Writer) error { return sim.HTML(w, reports...) }); err != nil {
			return c.fail(ctx, err, exitFailed)
		}
	}
	return exitOK
}

// The bounds of flags.
const (
	maxScale = 1e6 // the rates have a bound of their own
	maxSlots = 1e4
)

// flagOf names the flags of the fields in the errors of package sim.
var flagOf = strings.NewReplacer("sim: bad options: ", "", "Service.Mean", "--service-time", "Service.Slots", "--slots", "Service.Boot", "--boot", "Objective.Latency", "--objective", "the Service's Timeout", "the timeout of a request")

// validate reports a flag that is wrong, before anything is done.
func (s *simulation) validate(files []string) error {
	number := func(name string, value, least, most float64) error {
		if value >= least && value <= most { // not NaN
			return nil
		}
		return fmt.Errorf("--%s is %v: it must be %.10g to %.10g", name, value, least, most)
	}
	span := func(name string, value, least time.Duration) error {
		if value >= least {
			return nil
		}
		return fmt.Errorf("--%s is %v: it must be %v or more", name, value, least)
	}
	if s.trace != "" {
		if info, err := os.Stat(s.trace); err != nil {
			return fmt.Errorf("--trace is %q: it cannot be read: %w", s.trace, err)
		} else if info.IsDir() {
			return fmt.Errorf("--trace is %q, which is a folder: give a file", s.trace)
		}
	}
	for _, name := range append([]string{s.trace}, files...) {
		if s.html != "" && name != "" && sameFile(s.html, name) {
			return fmt.Errorf("--html is %q, which is also read and would be lost: give another file", s.html)
		}
	}
	return errors.Join(
		number("scale", s.scale, 0, maxScale), number("price", s.price, 0, maxScale), number("slots", float64(s.service.Slots), 1, maxSlots),
		span("service-time", s.service.Mean, time.Microsecond), span("boot", s.service.Boot, 0), span("objective", s.objective.Latency, time.Millisecond),
		writable(s.html),
	)
}

// sameFile reports whether two names are of one file that is there.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	two, err := os.Stat(b)
	return err == nil && os.SameFile(one, two)
}

func (c *command) fail(ctx context.Context, err error, status int) int {
	fmt.Fprintln(c.stderr, "autoscalebot: simulate:", flagOf.Replace(strings.ReplaceAll(err.Error(), "\n", "; ")))
	if ctx.Err() != nil {
		return exitFailed
	}
	return status
}

// reportName is what the report on a settings file is called, beside another.
func reportName(file, other string) string {
	if file == "" {
		return "the environment"
	}
	if name := filepath.Base(file); file == other || name != filepath.Base(other) {
		return name
	}
	return file
}

// load reads the trace, or generates a day in the time zone of the settings that
// at its peak nearly needs as many processes as they permit.
func (s simulation) load(first *settings.Settings, utilization float64) (sim.Load, error) {
	var load sim.Load
	var err error
	if s.trace == "" {
		perProcess := utilization * float64(s.service.Slots) / s.service.Mean.Seconds()
		load, err = sim.Day(.8*perProcess*float64(most(first.Config.Max)), s.seed)
		if err == nil {
			y, m, d := load.Start().Date()
			load = load.StartingAt(time.Date(y, m, d, 0, 0, 0, 0, first.Zone))
		}
	} else {
		load, err = readTrace(s.trace)
	}
	if err == nil && s.scale != 1 {
		load, err = load.Scale(s.scale)
	}
	return load, err
}

// most returns the largest size of a schedule.
func most(s autoscale.Schedule) int {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	size := 1
	for at := start; at.Before(start.AddDate(0, 0, 8)); {
		size = max(size, s.At(at))
		if at = s.Next(at); at.IsZero() {
			break
		}
	}
	return size
}

// readTrace reads a CSV trace, or what an autoscaler recorded in lines of JSON.
func readTrace(name string) (sim.Load, error) {
	f, err := os.Open(name)
	if err != nil {
		return sim.Load{}, err
	}
	defer f.Close()
	read := sim.ReadCSV
	if ext := filepath.Ext(name); ext == ".json" || ext == ".jsonl" {
		read = func(r io.Reader) (sim.Load, error) { return sim.ReadSamples(r, time.Minute) }
	}
	load, err := read(f)
	if err != nil {
		return sim.Load{}, fmt.Errorf("%s: %w", name, err)
	}
	return load, nil
}

// writable reports before a simulation that its page could not be written.
func writable(name string) error {
	if name == "" {
		return nil
	}
	folder := filepath.Dir(name)
	switch info, err := os.Stat(folder); {
	case err != nil:
		return fmt.Errorf("--html is %q: the folder %s cannot be used: create it first, or give another one: %w", name, folder, err)
	case !info.IsDir():
		return fmt.Errorf("--html is %q: %s is not a folder", name, folder)
	}
	_, missing := os.Stat(name)
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return fmt.Errorf("--html is %q: it cannot be written: %w", name, err)
	}
	_ = f.Close()
	if missing != nil {
		_ = os.Remove(name) // nothing is left behind if the simulation fails
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// bar shows how far a simulation is, where somebody watches.
type bar struct {
	w    io.Writer // nil: nobody does
	name string
}

func newBar(w io.Writer, name string) *bar {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return &bar{w, name}
		}
	}
	return &bar{}
}

const barWidth = 40

func (b *bar) show(done float64) {
	if b.w != nil {
		n := int(done * barWidth)
		fmt.Fprintf(b.w, "\r%s [%s%s] %3.0f %%", b.name, strings.Repeat("=", n), strings.Repeat(" ", barWidth-n), 100*done)
	}
}

// end wipes the bar.
func (b *bar) end() {
	if b.w != nil {
		fmt.Fprintf(b.w, "\r%s\r", strings.Repeat(" ", len(b.name)+barWidth+10))
	}
}
