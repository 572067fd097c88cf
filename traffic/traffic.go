// Package traffic measures the load of a web service from inside it. [Traffic] is a
// middleware that counts the requests of this process. It is also the [autoscale.Prober]
// that returns the counts.
//
//	t := traffic.New(nil)
//	go autoscale.New(autoscale.Config{
//		Prober: t,
//		// …
//	}).Run(ctx)
//	http.ListenAndServe(addr, t.Handler(mux))
//
// # What is measured
//
// Every measurement covers one window, by default the last 15 complete seconds. Seconds
// count from the call of [New], by the monotonic clock.
//
//   - Arrivals and Throughput: the requests that began, and those that ended, per second.
//     A request whose handler panicked has ended.
//   - Busy: the mean number of requests in progress. It is an exact integral over time, not
//     a sample: a request counts for as long as it ran within the window, even if it is
//     still running.
//   - ServiceTime: the mean time in the handler of the requests that ended.
//   - Latency: the 95th percentile of these times, or the one that Options.Percentile sets.
//     It comes from a histogram of 160 slots, and is off by at most 6.25 % or 8.2 µs,
//     whichever is more. It leaves out the time before the handler, which is QueueTime.
//   - QueueTime: the median wait of the requests that began, from the router's time stamp
//     to the handler. It is off by at most an eighth. A few wrong time stamps do not move a
//     median, as they would move a mean. See [Traffic.Handler].
//
// A window without requests is a measurement too. Arrivals, Throughput and Busy are then 0.
// The three times are not measured, so a rule that needs them holds the size.
//
// A process measures from its first request on, because before that the router may not have
// known of it. It is warming up until it has counted for five seconds, or, without a
// request, for one window. The error of Probe then wraps [autoscale.ErrWarmingUp], which is
// not a failure. [autoscale.Sample.Span] is the length of the window.
//
// # One process, or all
//
// Arrivals, Throughput and Busy of a Traffic are those of its own process.
// [autoscale.Sample.Breakdown] has them second by second. The Autoscaler knows how many
// processes served in each second, and computes the rates of the whole service from that.
// This has no bias if the router spreads the requests at random, as Heroku's does. But it
// is noisy: a count of N requests is off by √N. [Shared] adds up the counts of all
// processes instead, through a metrics board in a database.
//
// Take a service with n processes, k slots in each, a utilization of u, a service time of S
// seconds and a window of W seconds. The number of processes needed then has a standard
// deviation of n·√(S/(k·u·W)) by the counts of one process, and of √(n·S/(k·u·W)) by the
// counts of all. For 100 ms, 2 slots, 0.5 and 15 s these are 0.8 and 0.3 processes at n =
// 10, and 3.3 and 0.5 at n = 40. TestNoise measures it. The rule
// [github.com/autoscalebot/autoscale/rule.TargetTracking] knows this noise. It leaves the
// size alone while a difference is within the noise, and so acts later. A board pays off
// from about ten processes on, or if a process has fewer than about ten requests a second.
//
// [CPU] measures how busy the processors are; [autoscale.Merge] joins the two.
//
// # What is left out
//
// The answer decides whether a request is left out. The request's headers do not: a client
// can send any headers, and they do not change what is counted.
//
// Connections that are kept open to wait are not counted:
//
//   - a connection that the handler hijacked, such as a WebSocket,
//   - an answer with status 101,
//   - an event stream: an answer whose Content-Type is text/event-stream,
//   - a CONNECT answered with 2xx, such as a WebSocket over HTTP/2.
//
// Such a request counts as in progress until the answer shows what it is, at the first
// WriteHeader, Write, Flush or Hijack. From then on it is neither an arrival nor in
// progress, and it has no service time.
//
// The heartbeats of package heartbeat are not counted: their answers have the header
// Autoscale-Heartbeat. The requests of a probe.HTTP to another page count like those of any
// client. Requests that Options.Skip reports are not counted either, and keep their
// [http.ResponseWriter].
//
// A request that took longer than Options.Longest, such as a large download or another kind
// of stream, counts in Arrivals, Throughput and Busy, but not in the times.
//
// # Cost
//
// The middleware adds 0.1 to 0.2 µs to a request, and one allocation of 48 bytes for the
// [http.ResponseWriter] that sees the answer. It takes no lock except once a second. The
// ResponseWriter has the same optional interfaces as the server's, so that files are still
// sent by sendfile. A Traffic takes less than 80 KiB, however many requests there are.
// BenchmarkMiddleware compares it with BenchmarkBare, and BenchmarkServed compares whole
// requests. The types of the ResponseWriters add about half a megabyte to the program.
package traffic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/count"
	"github.com/autoscalebot/autoscale/rule"
)

// The defaults of [Options].
const (
	DefaultWindow     = 15 * time.Second
	DefaultPercentile = 95
	DefaultLongest    = time.Minute
)

const maxWindow = time.Minute

// Options are the settings of a [Traffic]. The zero value is right for most services.
type Options struct {
	// Window is the time over which a sample is measured: whole seconds, from 1 s to 1 min.
	// A longer window is less noisy if there are few requests, but it reacts later. 0:
	// DefaultWindow.
	Window time.Duration

	// Percentile is the percentile that Latency is, above 0 and below 100.
	// 0: DefaultPercentile.
	Percentile float64

	// Longest is the most that a request may take and still count in ServiceTime and
	// Latency, from 1 ms to 1 min. A request that takes longer counts as a stream, because
	// it would weigh as much as thousands of requests. 0: DefaultLongest.
	Longest time.Duration

	// Concurrency is how many requests a process works on at once: its workers or threads,
	// or the number that its processors or its pool of connections allow. It does not
	// change what is measured. A Config without a Decider gives it to rule.TargetTracking.
	// 0: GOMAXPROCS. That is right if requests use the processor. If they mostly wait for
	// other services, it orders too many processes.
	Concurrency float64

	// Skip reports whether not to count a request, such as one for a static file or a
	// health check. It is called before the handler, for each request, concurrently. Nil:
	// none.
	Skip func(r *http.Request) bool
}

func (o Options) withDefaults() Options {
	if o.Window == 0 {
		o.Window = DefaultWindow
	}
	if o.Percentile == 0 {
		o.Percentile = DefaultPercentile
	}
	if o.Longest == 0 {
		o.Longest = DefaultLongest
	}
	return o
}

// Validate reports what is wrong with the options, all at once.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	if o.Window < time.Second || o.Window > maxWindow || o.Window%time.Second != 0 {
		errs = append(errs, fmt.Errorf("traffic: Window is %v: it must be whole seconds from 1s to %v, or 0 for %v", o.Window, maxWindow, DefaultWindow))
	}
	if !(o.Percentile > 0 && o.Percentile < 100) {
		errs = append(errs, fmt.Errorf("traffic: Percentile is %v: it must be above 0 and below 100, as in 95, or 0 for %d", o.Percentile, DefaultPercentile))
	}
	if o.Longest < time.Millisecond || o.Longest > count.MaxLongest {
		errs = append(errs, fmt.Errorf("traffic: Longest is %v: it must be from 1ms to %v, or 0 for %v", o.Longest, count.MaxLongest, DefaultLongest))
	}
	if !(o.Concurrency >= 0 && o.Concurrency < 1e9) {
		errs = append(errs, fmt.Errorf("traffic: Concurrency is %v: it must be above 0, the requests that a process works on at once, or 0 for GOMAXPROCS", o.Concurrency))
	}
	return errors.Join(errs...)
}

// Traffic counts the requests of this process. Make one with [New]. It is safe for
// concurrent use.
type Traffic struct {
	opts  Options
	fault error
	base  time.Time      // when it began; moments are nanoseconds since then
	epoch atomic.Int64   // base by the wall clock, in ns since 1970, as of the last second
	count *count.Counter // by the second
}

// New returns a Traffic that has counted nothing yet. It starts nothing. If opts is
// nil, the default options are used. Later changes of *opts have no effect.
//
// If [Options.Validate] refuses the options, Probe reports that, and so does Validate of
// an [autoscale.Config] with this Prober. The handler serves the host's requests in any
// case.
func New(opts *Options) *Traffic {
	var o Options
	if opts != nil {
		o = *opts
	}
	t := &Traffic{opts: o.withDefaults(), fault: o.Validate(), base: time.Now()}
	if t.fault != nil {
		t.opts.Window, t.opts.Longest = DefaultWindow, DefaultLongest // the handler counts all the same
	}
	t.epoch.Store(t.base.UnixNano())
	t.count = count.New(t.opts.Longest, 0)
	return t
}

// Options returns the options, with the defaults filled in.
func (t *Traffic) Options() Options { return t.opts }

// Rule returns [rule.TargetTracking] with [Options.Concurrency], which a Config without a
// Decider uses.
func (t *Traffic) Rule() autoscale.Decider {
	return rule.TargetTracking{Concurrency: cmp.Or(t.opts.Concurrency, float64(runtime.GOMAXPROCS(0)))}
}

// Validate returns the faults of the options.
func (t *Traffic) Validate() error { return t.fault }

// now returns the present moment. It first records the beginning of the present second, if
// that has not been done.
func (t *Traffic) now() int64 {
	now := int64(time.Since(t.base))
	if t.count.Advance(now) {
		wall := time.Now() // the wall clock may have been set since
		t.epoch.Store(wall.UnixNano() - int64(wall.Sub(t.base)))
	}
	return now
}

type shard = count.Shard

// begin counts a request that begins, with the queue time in its headers.
func (t *Traffic) begin(h http.Header) (*shard, int64) {
	now := t.now()
	// Reading the wall clock would take as long as all the rest.
	waited, ok := queueTimeOf(h, t.epoch.Load()+now)
	if !ok {
		waited = -1
	}
	return t.count.Begin(now, waited), now
}

// end counts the end of a request.
func (t *Traffic) end(s *shard, began int64) { t.count.End(s, began, t.now()) }

// leave takes back a request that turned out to be a waiting connection.
func (t *Traffic) leave(s *shard, _ int64) { t.count.Leave(s, t.now()) }

// Probe returns what was measured in the window that ended with the last complete
// second. It does no I/O. Its error wraps [autoscale.ErrWarmingUp] until there is enough to
// measure.
func (t *Traffic) Probe(context.Context) (autoscale.Sample, error) {
	r, ended, err := t.report()
	if err != nil {
		return autoscale.Sample{}, err
	}
	var s count.Sum
	s.Add(&r, 0, true)
	return s.Sample(t.opts.Window, t.opts.Percentile, ended), nil
}

// report returns what was counted, and when its last second ended.
func (t *Traffic) report() (r count.Report, ended time.Time, err error) {
	if t.fault != nil {
		return r, ended, t.fault
	}
	now := time.Now()
	since := now.Sub(t.base)
	r, ok := t.count.Report(int64(since), t.opts.Window)
	if !ok {
		return r, ended, fmt.Errorf("traffic: %w: it takes a few seconds from the first request, or %v without one; %v have passed since New", autoscale.ErrWarmingUp, t.opts.Window, since.Truncate(time.Second))
	}
	return r, now.Add(r.Ended - since), nil
}
