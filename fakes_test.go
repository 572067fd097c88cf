package autoscale_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// platform is a Scaler that keeps its size in memory and records every order.
type platform struct {
	mu       sync.Mutex
	size     int
	changed  time.Time
	pending  int
	maint    bool
	deploys  bool
	rival    string
	until    time.Time // the deadline of the last order
	orders   []int
	reads    int
	readErr  error
	failing  error         // of Scale, which then changes nothing
	lost     error         // of Scale, which then changes the size all the same
	limit    int           // 0: none
	limitFor time.Duration // for how long the platform says that it can be believed
	atOnce   int           // no more are added or removed in an order. 0: any number
	short    error         // why not
}

func (p *platform) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	if err := ctx.Err(); err != nil {
		return autoscale.Capacity{}, err
	}
	return autoscale.Capacity{Desired: p.size, Pending: p.pending, Changed: p.changed, Maintenance: p.maint, Deploying: p.deploys, ExternalAutoscaler: p.rival}, p.readErr
}

func (p *platform) Scale(ctx context.Context, size int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	p.until, _ = ctx.Deadline()
	p.orders = append(p.orders, size)
	if p.failing != nil {
		return p.failing
	}
	if p.limit > 0 && size > p.limit {
		return &autoscale.LimitError{Size: size, Limit: p.limit, RetryAfter: p.limitFor, Err: errors.New("422 cannot_run_above_limit")}
	}
	if reached := p.size + max(-p.atOnce, min(size-p.size, p.atOnce)); p.atOnce > 0 && reached != size {
		p.size = reached
		return &autoscale.PartialError{Size: size, Reached: reached, Err: p.short}
	}
	p.size = size
	return p.lost
}

func (p *platform) set(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = size
}

// takeOrders returns the orders since it was last called.
func (p *platform) takeOrders() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	orders := p.orders
	p.orders = nil
	return orders
}

// gauge is a Prober whose answer a test sets.
type gauge struct {
	mu     sync.Mutex
	sample autoscale.Sample
	err    error
	probes int
}

func (g *gauge) Probe(context.Context) (autoscale.Sample, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.probes++
	return g.sample, g.err
}

func (g *gauge) latency(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sample, g.err = latency(d), nil
}

func (g *gauge) fails(f autoscale.Failure) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sample, g.err = autoscale.Sample{Signals: autoscale.SignalLatency, Failure: f, Latency: time.Millisecond}, nil
}

func (g *gauge) broken(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sample, g.err = autoscale.Sample{}, err
}

func latency(d time.Duration) autoscale.Sample {
	return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: d}
}

const (
	slow = 2 * time.Second
	fine = 500 * time.Millisecond
	fast = 50 * time.Millisecond
)

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

// start is when the tests' clocks begin: a Monday, at midnight UTC.
var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// rig is an Autoscaler with all its ends in the test's hands. Each tick is 30
// seconds after the one before.
type rig struct {
	t        *testing.T
	platform *platform
	gauge    *gauge
	now      time.Time
	seen     []autoscale.Event // all that Observe got
	notified []autoscale.Event // all that the notifier got
	a        *autoscale.Autoscaler
}

func newRig(t *testing.T, change func(*autoscale.Config)) *rig {
	t.Helper()
	r := &rig{t: t, platform: &platform{size: 1}, gauge: &gauge{}, now: start}
	r.gauge.latency(fine)
	cfg := autoscale.Config{
		Prober: r.gauge, Scaler: r.platform, Logger: silent,
		Observe: func(e autoscale.Event) { r.seen = append(r.seen, e) },
		Notifiers: []autoscale.Notifier{autoscale.NotifierFunc(func(_ context.Context, e autoscale.Event) error {
			r.notified = append(r.notified, e)
			return nil
		})},
	}
	if change != nil {
		change(&cfg)
	}
	r.a = autoscale.New(cfg)
	return r
}

// tick lets half a minute pass and ticks.
func (r *rig) tick() (autoscale.Decision, error) {
	r.now = r.now.Add(30 * time.Second)
	return r.a.Tick(r.t.Context(), r.now)
}

// ticks ticks n times and returns the orders that were given.
func (r *rig) ticks(n int) []int {
	r.t.Helper()
	for range n {
		if _, err := r.tick(); err != nil {
			r.t.Fatalf("Tick at %v: %v", r.now, err)
		}
	}
	return r.platform.takeOrders()
}

// tryTicks is like ticks, and the ticks may fail.
func (r *rig) tryTicks(n int) []int {
	for range n {
		_, _ = r.tick()
	}
	return r.platform.takeOrders()
}

// take returns the kinds and phases of the notifications since the last take.
func (r *rig) take() []string {
	var out []string
	for _, e := range r.notified {
		s := e.Kind.String()
		if e.Phase != autoscale.Occurred {
			s += " " + e.Phase.String()
		}
		out = append(out, s)
	}
	r.notified = nil
	return out
}

// has counts the events of a kind that Observe got.
func (r *rig) has(kind autoscale.EventKind) int {
	n := 0
	for _, e := range r.seen {
		if e.Kind == kind {
			n++
		}
	}
	return n
}
