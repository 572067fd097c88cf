package sim

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/part"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/traffic"
)

// A ViewKind says how exact the numbers of Signals.Traffic are.
type ViewKind uint8

const (
	// AutoView is DeployedView if the Prober of the Config is a *traffic.Traffic or a
	// *traffic.Shared, and IdealView otherwise.
	AutoView ViewKind = iota

	// IdealView has the true numbers of the whole service, up to the last second.
	IdealView

	// DeployedView has what the process that leads measures in production: its own
	// requests, as traffic.Traffic counts them, and the reports that the other processes
	// publish on Signals.MetricsBoard. The Autoscaler computes the load of the whole
	// service from them, as it does in production.
	//
	// The oldest process leads. If it is stopped or killed, the oldest of the others runs
	// the next tick, with its own counts. There is no tick while no process serves. The
	// Autoscaler's own state goes on, as it does with a Store that never fails.
	DeployedView
)

// Signals is what the simulated Prober of an [Autoscaler] measures. If the Prober of the
// Config is a *traffic.Traffic or a *traffic.Shared, the zero value measures the same as
// that Prober. Otherwise it is a heartbeat like autoscalebot's.
type Signals struct {
	// Heartbeat sends one request to one process at each tick, as probe.HTTP does. It
	// measures Latency, and the failures Timeout and ServerError. It is on if nothing else
	// is.
	Heartbeat bool

	// Timeout is how long the heartbeat waits. 0: the Timeout of the Config's Prober if
	// that is a probe.HTTP, or else probe.DefaultTimeout.
	Timeout time.Duration

	// Work is how long a process works on a heartbeat. 0: DefaultBeatWork.
	Work time.Duration

	// Traffic measures the requests from inside the service: Latency (if the heartbeat does
	// not), QueueTime, ServiceTime, Throughput, Arrivals and Busy, and in the IdealView
	// Utilization. In a DeployedView it is always on.
	Traffic bool

	// View says how exact the numbers of Traffic are. 0: AutoView.
	View ViewKind

	// Window is the time over which Traffic measures. 0: the Window of the Config's Prober,
	// or DefaultWindow.
	Window time.Duration

	// Percentile is the percentile of the latencies that Traffic measures, above 0 and
	// below 100. 0: the Percentile of the Config's Prober, or DefaultPercentile.
	Percentile float64

	// Longest is how long a request may take to have a service time, in the
	// DeployedView. 0: the Longest of the Config's Prober, or traffic.DefaultLongest.
	Longest time.Duration

	// MetricsBoard is where the processes of a DeployedView publish their reports. Nil: one
	// like that of the Config's Prober if it is a *traffic.Shared, or else none. Without a
	// board the process that leads sees only its own counts.
	MetricsBoard *MetricsBoard

	// LeaderEvery is the time after which another process leads in the DeployedView, chosen
	// at random. 0: the leader changes only if it stops.
	LeaderEvery time.Duration

	// Backlog measures the requests that wait, in the last second.
	Backlog bool

	// Outages are the times in which nothing can be measured.
	Outages []Outage

	// Platform is how the platform takes orders. Zero: at once and in full.
	Platform Platform
}

// The defaults of [Signals].
const (
	DefaultBeatWork   = 20 * time.Millisecond
	DefaultWindow     = traffic.DefaultWindow
	DefaultPercentile = traffic.DefaultPercentile
)

// of returns s with its zero fields taken from a Prober.
func (s Signals) of(p autoscale.Prober) Signals {
	if p == nil {
		return s
	}
	if h, ok := part.As[*probe.HTTP](p); ok && h != nil {
		s.Timeout = cmp.Or(s.Timeout, h.Timeout)
	}
	counter, _ := part.As[*traffic.Traffic](p)
	if shared, ok := part.As[*traffic.Shared](p); ok && shared != nil && shared.Traffic != nil {
		counter = shared.Traffic
		if s.MetricsBoard == nil && s.View != IdealView {
			s.MetricsBoard = &MetricsBoard{Interval: shared.Interval}
		}
	}
	if counter == nil || s.View == IdealView {
		return s
	}
	o := counter.Options()
	s.View = DeployedView
	s.Window = cmp.Or(s.Window, o.Window)
	s.Percentile = cmp.Or(s.Percentile, o.Percentile)
	s.Longest = cmp.Or(s.Longest, o.Longest)
	return s
}

func (s Signals) withDefaults() Signals {
	s.View = cmp.Or(s.View, IdealView)
	s.Traffic = s.Traffic || s.View == DeployedView
	s.Heartbeat = s.Heartbeat || !s.Traffic && !s.Backlog
	s.Timeout = cmp.Or(s.Timeout, probe.DefaultTimeout)
	s.Work = cmp.Or(s.Work, DefaultBeatWork)
	s.Window = cmp.Or(s.Window, DefaultWindow)
	s.Percentile = cmp.Or(s.Percentile, DefaultPercentile)
	s.Longest = cmp.Or(s.Longest, traffic.DefaultLongest)
	return s
}

// traffic returns the options that the processes count with.
func (s Signals) traffic() traffic.Options {
	return traffic.Options{Window: s.Window, Percentile: s.Percentile, Longest: s.Longest}
}

// Validate reports what is wrong with s.
func (s Signals) Validate() error {
	s = s.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Timeout < time.Millisecond {
		bad("Signals.Timeout is %v: it must be 1ms or more, or 0 for %v", s.Timeout, probe.DefaultTimeout)
	}
	if s.Work < time.Microsecond {
		bad("Signals.Work is %v: it must be 1µs or more, or 0 for %v", s.Work, DefaultBeatWork)
	}
	if s.View > DeployedView {
		bad("Signals.View is %d: it must be AutoView, IdealView or DeployedView", s.View)
	}
	if s.Window < time.Second || s.Window > MaxWindow {
		bad("Signals.Window is %v: it must be 1s to %v, or 0 for %v", s.Window, MaxWindow, DefaultWindow)
	}
	if !(s.Percentile > 0 && s.Percentile < 100) {
		bad("Signals.Percentile is %v: it must be above 0 and below 100, as in 95, or 0 for %d", s.Percentile, DefaultPercentile)
	}
	if s.LeaderEvery < 0 {
		bad("Signals.LeaderEvery is %v: it must be 0 or more", s.LeaderEvery)
	}
	errs = append(errs, validOutages("Signals.Outages", s.Outages), s.Platform.validate())
	switch {
	case s.View == DeployedView:
		if errs := errors.Join(errs...); errs == nil {
			if err := s.traffic().Validate(); err != nil {
				bad("Signals: %w", err)
			}
		}
		if s.MetricsBoard != nil {
			errs = append(errs, s.MetricsBoard.validate())
		}
	case s.MetricsBoard != nil || s.LeaderEvery > 0:
		bad("Signals.MetricsBoard and Signals.LeaderEvery are of a DeployedView: set View to it")
	}
	return errors.Join(errs...)
}

// name returns the name of the view in a report.
func (s Signals) name() string {
	switch {
	case !s.Traffic && !s.Backlog:
		return "heartbeat"
	case s.View != DeployedView:
		return "ideal"
	case s.MetricsBoard == nil:
		return "deployed: one process"
	}
	return "deployed: metrics board every " + s.MetricsBoard.withDefaults().Interval.String()
}
