// Demo shows an autoscaler at work, on this machine alone and in a minute and a
// half:
//
//	go -C examples run ./demo
//
// It starts a small platform, where an order of web dynos starts and stops
// processes of the operating system, each of them the web service of service.go,
// and lets a load rise and fall. The service scales itself, as it would on Heroku:
// every dyno counts its own requests and publishes the counts in the database of
// the service. One dyno leads, and orders dynos from the Platform API. What is fake
// is Heroku: its Platform API is that of the package herokutest, and its router
// and its dynos are those of the package pool.
//
// With -release a release is under way as the load rises: Heroku takes no order, and the
// autoscaler holds the size without an alarm until the release has ended.
//
// With -heartbeat it goes by the latency of a heartbeat instead, and by
// autoscalebot's rule.
//
// On a terminal it shows what happens as it happens; elsewhere, and with -plain,
// it writes lines. It fails if the service was not scaled up and down again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if os.Getenv(serviceEnv) != "" {
		if err := serve(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := demo(ctx, os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errStopped):
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(130) // as a shell says it of what Ctrl-C ended
	default:
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

var errStopped = errors.New("stopped before it was over")

// A script is what a run is made of.
type script struct {
	seed      uint64
	heartbeat bool          // goes by a heartbeat, and not by the traffic
	release   bool          // as the load rises, a release is under way, and no order is taken
	duration  time.Duration // until the load has risen and fallen and the service has had time to follow
	patience  time.Duration // beyond that, until the service is back at its least

	min, max  int
	interval  time.Duration // between two measurements
	boot      time.Duration // from the start of a process until it listens
	low, high time.Duration // the limits of the rule for heartbeats

	window        time.Duration // in which requests are counted
	stabilization time.Duration // for how long fewer dynos must be enough

	quiet, peak float64       // requests a second, before and after, and at the highest
	least, more time.Duration // what a page takes at least, and by chance in the mean
	slow        time.Duration // a page that takes longer took too long
	giveUp      time.Duration // after which the router waits no longer; Heroku's waits 30 s
}

const (
	fullLength  = 90 * time.Second
	leastLength = 15 * time.Second
	mostLength  = 15 * time.Minute
)

// newScript returns the script of a run of the given length. In one that is
// shorter than fullLength everything is faster, so that it tells much the same
// story; the service less so, because its requests cost this machine something.
// In one that is longer the load alone changes more slowly.
//
// A dyno works on four pages at a time, 200 ms each, so that it manages 20 a
// second: the peak takes three dynos, and better five.
func newScript(length time.Duration, seed uint64, heartbeat bool) script {
	speed := max(1, fullLength.Seconds()/length.Seconds())
	pace := math.Sqrt(speed)
	faster := func(d time.Duration, by float64) time.Duration {
		return time.Duration(float64(d) / by).Round(time.Millisecond)
	}
	s := script{
		seed:          seed,
		heartbeat:     heartbeat,
		duration:      length,
		patience:      time.Minute,
		min:           1,
		max:           5,
		interval:      faster(time.Second, speed),
		boot:          faster(1500*time.Millisecond, speed),
		low:           faster(40*time.Millisecond, pace),
		high:          faster(200*time.Millisecond, pace),
		window:        max(time.Second, faster(3*time.Second, speed).Round(time.Second)),
		stabilization: faster(5*time.Second, speed),
		quiet:         4 * pace,
		peak:          55 * pace,
		least:         faster(120*time.Millisecond, pace),
		more:          faster(80*time.Millisecond, pace),
		slow:          faster(time.Second, pace),
		giveUp:        faster(3*time.Second, pace),
	}
	if heartbeat {
		// Three must be slow in a row, and a slow service is what they measure.
		s.interval, s.peak = faster(500*time.Millisecond, speed), 75*pace
	}
	return s
}

func demo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	length := flags.Duration("duration", fullLength, "how long it lasts")
	heartbeat := flags.Bool("heartbeat", false, "go by the latency of a heartbeat, and not by the traffic")
	release := flags.Bool("release", false, "as the load rises, a release is under way, and Heroku takes no order")
	plain := flags.Bool("plain", false, "write lines, on a terminal too")
	seed := flags.Uint64("seed", 0, "of the arrivals of the load, the choices of the router and the lengths of the pages; 0: a random one")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unknown argument %q: see -help", flags.Arg(0))
	}
	if *length < leastLength || *length > mostLength {
		return fmt.Errorf("-duration is %v: it must be between %v and %v", *length, leastLength, mostLength)
	}
	if *seed == 0 {
		*seed = rand.Uint64()%1_000_000 + 1
	}
	s := newScript(*length, *seed, *heartbeat)
	s.release = *release
	return play(ctx, s, newView(stdout, *plain))
}
