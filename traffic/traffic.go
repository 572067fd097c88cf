// Package traffic measures the load of a web service from inside it: [Traffic]
// is a middleware that counts the requests of this process, and an
// [autoscale.Prober] of what it counted.
//
//	t := traffic.New()
//	go autoscale.New(autoscale.Config{
//		Prober: t,
//		…
//	}).Run(ctx)
//	http.ListenAndServe(addr, t.Handler(mux))
//
// # What is measured
//
// Everything is of one window, by default the last 15 complete seconds, as seconds
// are counted from [New] by the monotonic clock:
//
//   - Arrivals and Throughput: the requests that began, and those that ended, per
//     second. One whose handler panicked has ended.
//   - Busy: the mean number of requests in progress. It is the integral over
//     time, to the nanosecond, and no sampling: a request counts for just as long
//     as it ran within the window, also while it still runs.
//   - ServiceTime: the mean time in the handler, of the requests that ended.
//   - Latency: the 95th percentile of the same, or another. It comes from a
//     histogram of 160 slots, and is off by at most 6.25 % or 8.2 µs, whichever
//     is more. It leaves out the time before the handler, which is QueueTime.
//   - QueueTime: the mean time from the header X-Request-Start, in which the
//     platform's router says when it took the request up, to the handler, of the
//     requests that began. See [Traffic.Handler].
//
// No request at all is a measurement: Arrivals, Throughput and Busy are 0, and the
// three times are not measured, so that rules which need them hold. Before the
// first whole window nothing is measured, nor in a window that holds the first
// request of all: until then the router may not have known of this process, and
// little traffic would say nothing about the load.
//
// The three rates are those of this process; [autoscale.Sample.Processes] is 1, and
// the Autoscaler multiplies them up to the processes that serve. That is unbiased
// where a router spreads the requests at random, as Heroku's does, and noisy where
// they are few. [Shared] adds up what all processes measured instead, through a
// board in a database that they share.
//
// [CPU] measures how busy the processors are; [autoscale.Merge] joins the two.
//
// # What is left out
//
// The requests of an [autoscale.HTTPProber], which have the header
// [autoscale.HeaderTimeout], and what Options.Skip names, are not counted at all.
// Nor are connections that are kept open to wait: a WebSocket (a request with
// Upgrade: websocket, or the CONNECT of HTTP/2), and an event stream (a GET with
// Accept: text/event-stream, as browsers' EventSource sends it). A request that
// took longer than Options.Longest, such as a large download or a stream of another
// kind, counts in Arrivals, Throughput and Busy, and not in the times.
//
// # Cost
//
// The middleware adds no allocation, no lock except once a second, and hands the
// [http.ResponseWriter] through as it is: whatever that can do, it still can. A
// Traffic takes less than 64 KiB, however many requests there are. BenchmarkMiddleware
// compares it with BenchmarkBare.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/count"
)

// What Options are unless they say otherwise.
const (
	DefaultWindow     = 15 * time.Second
	DefaultPercentile = 95
	DefaultLongest    = time.Minute
)

const maxWindow = time.Minute

// Options are the settings of a [Traffic]. The zero value is right for most services.
type Options struct {
	// Window is over how long it is measured: whole seconds, from 1 s to 1 min. A
	// longer window is less noisy where requests are few, and later.
	// 0: DefaultWindow.
	Window time.Duration

	// Percentile is which one Latency is, above 0 and below 100.
	// 0: DefaultPercentile.
	Percentile float64

	// Longest is how long a request may take to count in ServiceTime and Latency,
	// at most 1 min: what takes longer is taken for a stream, one of which
	// would weigh as much as thousands of requests. 0: DefaultLongest.
	Longest time.Duration

	// Skip reports which requests are not to be counted, such as those for static
	// files or a health check. It is called before the handler, for each
	// request, concurrently. Nil: none.
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
	return errors.Join(errs...)
}

// Traffic counts the requests of this process. Make one with [New]. It is safe for
// concurrent use.
type Traffic struct {
	opts  Options
	fault error
	base  time.Time      // when it began; since then, moments are nanoseconds
	epoch atomic.Int64   // base by the wall clock, in ns since 1970, as of the last second
	count *count.Counter // by the second
}

// New returns a Traffic that has counted nothing yet. It starts nothing. At most
// one Options may be given. Those that [Options.Validate] refuses are reported by
// Probe, and by the Validate of an [autoscale.Config] with this Prober; the
// handler serves all the same.
func New(options ...Options) *Traffic {
	var o Options
	if len(options) > 0 {
		o = options[0]
	}
	t := &Traffic{opts: o.withDefaults(), fault: o.Validate(), base: time.Now()}
	if len(options) > 1 {
		t.fault = errors.Join(t.fault, fmt.Errorf("traffic: New was given %d Options: give one", len(options)))
	}
	if t.fault != nil {
		t.opts.Window, t.opts.Longest = DefaultWindow, DefaultLongest // to count by, as nothing is told
	}
	t.epoch.Store(t.base.UnixNano())
	t.count = count.New(t.opts.Longest, 0)
	return t
}

// Options returns the options, with the defaults filled in.
func (t *Traffic) Options() Options { return t.opts }

// Validate returns the faults of the options.
func (t *Traffic) Validate() error { return t.fault }

// now returns the present moment, in a second whose beginning has been recorded.
func (t *Traffic) now() int64 {
	now := int64(time.Since(t.base))
	if t.count.Advance(now) {
		wall := time.Now() // which may have been set since
		t.epoch.Store(wall.UnixNano() - int64(wall.Sub(t.base)))
	}
	return now
}

type shard = count.Shard

// begin counts a request that begins, with the queue time that its header says.
func (t *Traffic) begin(h http.Header) (*shard, int64) {
	now := t.now()
	// Asking for the wall clock would take as long as all the rest.
	waited, ok := queueTimeOf(h, t.epoch.Load()+now)
	if !ok {
		waited = -1
	}
	return t.count.Begin(now, waited), now
}

// end counts the end of a request.
func (t *Traffic) end(s *shard, began int64) { t.count.End(s, began, t.now()) }

// leave takes back a request that turned out to be a connection which waits.
func (t *Traffic) leave(s *shard, _ int64) { t.count.Leave(s, t.now()) }

// Probe returns what was measured in the window that ended with the last complete
// second. It does no I/O. Its error wraps [autoscale.ErrWarmingUp] until there was
// enough to measure.
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
