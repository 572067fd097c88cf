package autoscale_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

type nilErr struct{ inner error }

func (e *nilErr) Error() string { return e.inner.Error() }
func (e *nilErr) Unwrap() error { return e.inner }

type nilErr2 struct{ s string }

func (e *nilErr2) Error() string { return e.s }

func TestErrorThatPanics(t *testing.T) {
	for name, mk := range map[string]func() error{
		"with Unwrap": func() error { var e *nilErr; return e },
		"plain":       func() error { var e *nilErr2; return e },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic escaped Tick: %v", p)
				}
			}()
			r := newRig(t, func(c *autoscale.Config) {
				c.Prober = autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { return autoscale.Sample{}, mk() })
			})
			r.tick()
		})
	}
}

type windowPanics struct{}

func (windowPanics) Decide(autoscale.Observation) autoscale.Decision { return autoscale.Decision{} }
func (windowPanics) Window() time.Duration                           { panic("boom") }

func TestWindowThatPanics(t *testing.T) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic escaped Tick: %v", p)
		}
	}()
	r := newRig(t, func(c *autoscale.Config) { c.Decider = windowPanics{} })
	r.tick()
}

func TestPanicsAreHeld(t *testing.T) {
	boom := func() { panic("boom s") }
	for name, change := range map[string]func(*autoscale.Config, *bool){
		"Prober": func(c *autoscale.Config, on *bool) {
			inner := c.Prober
			c.Prober = autoscale.ProberFunc(func(ctx context.Context) (autoscale.Sample, error) {
				if *on {
					boom()
				}
				return inner.Probe(ctx)
			})
		},
		"a Prober in Merge": func(c *autoscale.Config, on *bool) {
			c.Prober = autoscale.Merge(c.Prober, autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				if *on {
					boom()
				}
				return autoscale.Sample{}, nil
			}))
		},
		"Decider": func(c *autoscale.Config, on *bool) {
			c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
				if *on {
					boom()
				}
				return autoscale.Decision{Act: true, Size: o.Capacity.Desired}
			})
		},
		"Scaler": func(c *autoscale.Config, on *bool) {
			c.Scaler = &panicScaler{Scaler: c.Scaler, on: on}
		},
		"Observe": func(c *autoscale.Config, on *bool) {
			inner := c.Observe
			c.Observe = func(e autoscale.Event) {
				inner(e)
				if *on {
					boom()
				}
			}
		},
		"Notifier": func(c *autoscale.Config, on *bool) {
			c.NotifyOn |= autoscale.Probed | autoscale.DefaultKinds
			c.Notifiers = append(c.Notifiers, autoscale.NotifierFunc(func(context.Context, autoscale.Event) error {
				if *on {
					boom()
				}
				return nil
			}))
		},
		"Elector": func(c *autoscale.Config, on *bool) { c.Elector = &panicElector{on: on} },
		"Logger": func(c *autoscale.Config, on *bool) {
			c.Logger = slog.New(&panicHandler{Handler: slog.DiscardHandler, on: on})
		},
	} {
		t.Run(name, func(t *testing.T) {
			on := false
			r := newRig(t, func(c *autoscale.Config) { change(c, &on) })
			r.platform.set(2)
			r.ticks(1)
			on = true
			for range 5 {
				r.tick()
			}
			s := r.a.Status()
			if s.Counters.Panics == 0 {
				t.Error("no panic was counted")
			}
			if got := r.platform.takeOrders(); got != nil {
				t.Errorf("ordered %v while a part panicked", got)
			}
			if name == "Logger" {
				return // there is nothing left to report to
			}
			on = false
			r.tick()
			// A process whose elector panics does not lead, and so notifies nobody
			// but Observe.
			if got := r.take(); name != "Elector" && !slices.Contains(got, "panicked began") {
				t.Errorf("notified of %v, and nothing of a panic", got)
			}
			i := slices.IndexFunc(s.Conditions, func(e autoscale.Event) bool { return e.Kind == autoscale.Panicked })
			if i < 0 || !strings.Contains(s.Conditions[i].String(), "boom s") {
				t.Errorf("conditions %v", s.Conditions)
			}
		})
	}
}

type panicScaler struct {
	autoscale.Scaler
	on *bool
}

func (p *panicScaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	if *p.on {
		panic("boom s")
	}
	return p.Scaler.Capacity(ctx)
}

type panicElector struct{ on *bool }

func (*panicElector) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (p *panicElector) Current() (autoscale.Term, bool) {
	if *p.on {
		panic("boom s")
	}
	return autoscale.Term{Number: 1}, true
}

type panicHandler struct {
	slog.Handler
	on *bool
}

func (p *panicHandler) Enabled(context.Context, slog.Level) bool {
	if *p.on {
		panic("boom s")
	}
	return true
}

func (p *panicHandler) Handle(context.Context, slog.Record) error { panic("boom s") }
