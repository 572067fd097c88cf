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
	"time"

	"github.com/autoscalebot/autoscale"
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
	if o.Longest < time.Millisecond || o.Longest > maxLongest {
		errs = append(errs, fmt.Errorf("traffic: Longest is %v: it must be from 1ms to %v, or 0 for %v", o.Longest, maxLongest, DefaultLongest))
	}
	return errors.Join(errs...)
}

// Traffic counts the requests of this process. Make one with [New]. It is safe for
// concurrent use.
type Traffic struct {
	opts  Options
	fault error
	counter
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
	t := &Traffic{opts: o.withDefaults(), fault: o.Validate()}
	if len(options) > 1 {
		t.fault = errors.Join(t.fault, fmt.Errorf("traffic: New was given %d Options: give one", len(options)))
	}
	if t.fault != nil {
		t.opts.Window, t.opts.Longest = DefaultWindow, DefaultLongest // to count by, as nothing is told
	}
	t.start(int(t.opts.Window / time.Second))
	return t
}

// Validate returns the faults of the options.
func (t *Traffic) Validate() error { return t.fault }

// Probe returns what was measured in the window that ended with the last complete
// second. It does no I/O. An error says that there was no whole window yet.
func (t *Traffic) Probe(context.Context) (autoscale.Sample, error) {
	m, err := t.measure()
	if err != nil {
		return autoscale.Sample{}, err
	}
	var s sum
	s.add(m)
	return s.sample(t.opts.Percentile, m.ended), nil
}

// measure returns what was counted in the last window.
func (t *Traffic) measure() (measurement, error) {
	if t.fault != nil {
		return measurement{}, t.fault
	}
	now := time.Now()
	before, after, since := t.window(now.Sub(t.base))
	switch {
	case before == nil:
		return measurement{}, fmt.Errorf("traffic: nothing is measured yet: it takes a whole window of %v, and %v have passed", t.opts.Window, since.Truncate(time.Second))
	case before.begun == 0 && after.begun > 0:
		return measurement{}, fmt.Errorf("traffic: nothing is measured yet: the first request came within the last %v: only from a whole window after it is the traffic known", t.opts.Window)
	}
	m := before.until(after, t.opts.Window)
	m.ended = now.Add(since.Truncate(time.Second) - since)
	return m, nil
}
