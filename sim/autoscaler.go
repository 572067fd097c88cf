package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// Autoscaler returns a Controller that runs the real autoscale.Autoscaler of cfg. It uses
// the Decider, the bounds and the Limits of cfg. It never calls the Prober, Elector,
// Notifiers, Observe or Logger, and it ignores DryRun. Of the Scaler it only asks whether
// it is an autoscale.Redeployer. signals says what the simulated Prober measures. Zero
// fields follow cfg's Prober: see [AutoView].
//
// If cfg or signals is invalid, the first tick returns the error.
func Autoscaler(cfg autoscale.Config, signals Signals) Controller {
	signals = signals.of(cfg.Prober)
	c := &controller{signals: signals.withDefaults(), fault: signals.Validate(), interval: cmp.Or(cfg.Interval, autoscale.DefaultInterval)}
	// A Scaler that panics is not a Redeployer.
	_ = guard.Do(func() error {
		if r, ok := part.As[autoscale.Redeployer](cfg.Scaler); ok {
			c.redeploys = r.Redeploys()
		}
		return nil
	})
	c.follows = cfg.RecommendOnly
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

	view   *View
	size   int
	silent error // why nothing was measured in this tick

	redeploys bool // each order of the Config's Scaler is a deployment
	follows   bool // another autoscaler carries out what is published
}

func (c *controller) Interval() time.Duration { return c.interval }

func (c *controller) Heartbeat() (timeout, work time.Duration) {
	if !c.signals.Heartbeat {
		return 0, 0
	}
	return c.signals.Timeout, c.signals.Work
}

func (c *controller) seen() (name string, deployed *Signals) {
	if c.fault == nil && c.signals.View == DeployedView {
		deployed = &c.signals
	}
	return c.signals.name(), deployed
}

func (c *controller) Tick(ctx context.Context, _ time.Time, v *View) (int, error) {
	if c.fault != nil {
		return 0, fmt.Errorf("%w: %w", ErrOptions, c.fault)
	}
	if c.signals.View == DeployedView {
		f := v.e.fleet
		if f == nil {
			return 0, fmt.Errorf("%w: the Controller of a DeployedView is wrapped in another: give Run the one that Autoscaler returned", ErrOptions)
		}
		if !f.lead(v.e.now, v.e.members) {
			return v.Desired, nil
		}
	}
	c.view, c.size, c.silent = v, v.Desired, nil
	_, err := c.autoscaler.Tick(ctx, v.Started)
	var busy *autoscale.BusyError
	var partial *autoscale.PartialError
	if c.silent != nil && errors.Is(err, c.silent) || errors.As(err, &busy) || errors.As(err, &partial) {
		err = nil // the Autoscaler holds the size, or tries the rest later
	}
	if c.follows && err == nil {
		c.size = c.signals.Platform.follow(v.Desired, c.autoscaler.Status().Last.Decision.Size)
	}
	return c.size, err
}

// errOutage is what a simulated Prober returns during one of Signals.Outages.
var errOutage = errors.New("sim: the metrics are missing")

// probe measures the simulated service.
func (c *controller) probe(context.Context) (autoscale.Sample, error) {
	s, err := c.measure()
	c.silent = err
	return s, err
}

func (c *controller) measure() (autoscale.Sample, error) {
	if out(c.signals.Outages, c.view.e.now) {
		return autoscale.Sample{}, errOutage
	}
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
	switch {
	case c.signals.View == DeployedView:
		if err := c.share(&s); err != nil {
			return s, err
		}
	case c.signals.Traffic:
		c.traffic(&s)
	}
	if c.signals.Backlog {
		w := v.Recent(time.Second)
		s.Signals |= autoscale.SignalBacklog
		s.Backlog = max(0, w.InFlight-w.Busy)
	}
	return s, nil
}

// share adds what the process that leads measures. The heartbeat takes precedence, like the
// first Prober in autoscale.Merge.
func (c *controller) share(s *autoscale.Sample) error {
	v := c.view
	share, err := v.e.fleet.sample(v.e.now, v.Now)
	if err != nil {
		if v.Heartbeat != nil {
			s.Detail = err.Error()
			return nil
		}
		return err
	}
	if v.Heartbeat != nil {
		share.Time, share.Failure = s.Time, s.Failure
		share.Signals |= autoscale.SignalLatency
		share.Latency = s.Latency
	}
	*s = share
	return nil
}

// traffic adds the measurements of the window. If there was no request, the times are not
// measured.
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
