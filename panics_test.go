package autoscale_test

import (
	"context"
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
