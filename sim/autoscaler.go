package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale"
)

// Signals is what the simulated Prober of an [Autoscaler] measures. The zero
// value is a heartbeat, as autoscalebot's.
type Signals struct {
	// Heartbeat sends one request to one process at each tick, as
	// autoscale.HTTPProber does: it measures Latency, and the failures Timeout
	// and ServerError. It is on where nothing else is.
	Heartbeat bool

	// Timeout is how long the heartbeat waits. 0: that of the Config's Prober
	// if it is an autoscale.HTTPProber, or autoscale.DefaultProbeTimeout.
	Timeout time.Duration

	// Work is how long a process works on a heartbeat. 0: DefaultBeatWork.
	Work time.Duration

	// Traffic measures the requests from inside the service: Latency (if the
	// heartbeat does not), QueueTime, ServiceTime, Throughput, Arrivals, Busy
	// and Utilization.
	Traffic bool

	// Window is over how long Traffic measures. 0: DefaultWindow.
	Window time.Duration

	// Percentile is which one of the latencies Traffic gives, between 0 and 1.
	// 0: DefaultPercentile.
	Percentile float64

	// Backlog measures the requests that wait, in the last second.
	Backlog bool
}

// The defaults of [Signals].
const (
	DefaultBeatWork   = 20 * time.Millisecond
	DefaultWindow     = 15 * time.Second
	DefaultPercentile = .95
)

func (s Signals) withDefaults() Signals {
	s.Heartbeat = s.Heartbeat || !s.Traffic && !s.Backlog
	s.Timeout = cmp.Or(s.Timeout, autoscale.DefaultProbeTimeout)
	s.Work = cmp.Or(s.Work, DefaultBeatWork)
	s.Window = cmp.Or(s.Window, DefaultWindow)
	s.Percentile = cmp.Or(s.Percentile, DefaultPercentile)
	return s
}

// Validate reports what is wrong with s.
func (s Signals) Validate() error {
	s = s.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Timeout < time.Millisecond {
		bad("Signals.Timeout is %v: it must be 1ms or more, or 0 for %v", s.Timeout, autoscale.DefaultProbeTimeout)
	}
	if s.Work < time.Microsecond {
		bad("Signals.Work is %v: it must be 1µs or more, or 0 for %v", s.Work, DefaultBeatWork)
	}
	if s.Window < time.Second || s.Window > MaxWindow {
		bad("Signals.Window is %v: it must be 1s to %v, or 0 for %v", s.Window, MaxWindow, DefaultWindow)
	}
	if !(s.Percentile > 0 && s.Percentile < 1) {
		bad("Signals.Percentile is %v: it must be between 0 and 1, or 0 for %v", s.Percentile, DefaultPercentile)
	}
	return errors.Join(errs...)
}

// Autoscaler returns a Controller that is the autoscale.Autoscaler of cfg itself,
// in a simulated world: the Decider, the bounds, the Cooldown and the Step are
// cfg's, and its Prober, Scaler, Elector, Notifiers, Observe and Logger are
// never called. DryRun does not count. The Prober measures what signals says.
//
// What is wrong with cfg or signals is reported by the first tick.
func Autoscaler(cfg autoscale.Config, signals Signals) Controller {
	if p, ok := cfg.Prober.(*autoscale.HTTPProber); ok && p != nil {
		signals.Timeout = cmp.Or(signals.Timeout, p.Timeout)
	}
	c := &controller{signals: signals.withDefaults(), fault: signals.Validate(), interval: cmp.Or(cfg.Interval, autoscale.DefaultInterval)}
	cfg.Prober, cfg.Scaler = autoscale.ProberFunc(c.probe), (*simulated)(c)
	cfg.Elector, cfg.Notifiers, cfg.Observe, cfg.DryRun = nil, nil, nil, false
	cfg.Logger = slog.New(slog.DiscardHandler)
	c.autoscaler = autoscale.New(cfg)
	return c
}

type controller struct {
	autoscaler *autoscale.Autoscaler
	signals    Signals
	interval   time.Duration
	fault      error

	view *View
	size int
}

func (c *controller) Interval() time.Duration { return c.interval }

func (c *controller) Heartbeat() (timeout, work time.Duration) {
	if !c.signals.Heartbeat {
		return 0, 0
	}
	return c.signals.Timeout, c.signals.Work
}

func (c *controller) Tick(ctx context.Context, _ time.Time, v *View) (int, error) {
	if c.fault != nil {
		return 0, fmt.Errorf("%w: %w", ErrOptions, c.fault)
	}
	c.view, c.size = v, v.Desired
	_, err := c.autoscaler.Tick(ctx, v.Started)
	return c.size, err
}

// probe measures the simulated service.
func (c *controller) probe(context.Context) (autoscale.Sample, error) {
	v, s := c.view, autoscale.Sample{Time: c.view.Now}
	if beat := v.Heartbeat; beat != nil {
		s.Signals |= autoscale.SignalLatency
		s.Latency = beat.Latency
		switch {
		case beat.Timeout:
			s.Failure = autoscale.Timeout
		case beat.Refused: // Heroku's routers answer with a status of 503
			s.Failure = autoscale.ServerError
		}
	}
	if c.signals.Traffic {
		c.traffic(&s)
	}
	if c.signals.Backlog {
		w := v.Recent(time.Second)
		s.Signals |= autoscale.SignalBacklog
		s.Backlog = max(0, w.InFlight-w.Busy)
	}
	return s, nil
}

// traffic adds what the requests of the window show. What no request was there
// to show is not measured.
func (c *controller) traffic(s *autoscale.Sample) {
	w := c.view.Recent(c.signals.Window)
	s.Signals |= autoscale.SignalThroughput | autoscale.SignalArrivals | autoscale.SignalBusy
	s.Throughput, s.Arrivals, s.Busy = w.Completions, w.Arrivals, w.Busy
	if w.Ready > 0 {
		s.Signals |= autoscale.SignalUtilization
		s.Utilization = w.Utilization
	}
	if w.Completions > 0 {
		s.Signals |= autoscale.SignalQueueTime | autoscale.SignalServiceTime
		s.QueueTime, s.ServiceTime = w.QueueTime, w.ServiceTime
	}
	if latency, ok := c.view.Latency(c.signals.Window, c.signals.Percentile); ok && !s.Signals.Has(autoscale.SignalLatency) {
		s.Signals |= autoscale.SignalLatency
		s.Latency = latency
	}
}

// simulated is the Scaler.
type simulated controller

func (s *simulated) Capacity(context.Context) (autoscale.Capacity, error) {
	v := s.view
	return autoscale.Capacity{Desired: v.Desired, Pending: max(0, v.Desired-v.Ready), Changed: v.Changed}, nil
}

func (s *simulated) Scale(_ context.Context, size int) error {
	s.size = size
	return nil
}
