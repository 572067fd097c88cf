package platformsuite

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/part"
	"github.com/autoscalebot/autoscale/internal/patience"
)

// Waits fails t if an autoscaler of s raises an alarm, or gives up, while the platform is at
// work for as long as s says that an order may take, or if it is silent for ever after that.
func Waits(t *testing.T, s autoscale.Scaler) {
	t.Helper()
	longest := patience.Hold
	if o, ok := part.As[autoscale.OrderTimer](s); ok {
		longest = max(longest, o.OrderTime())
	}
	if longest > patience.Longest {
		t.Errorf("an order may take %v, and an autoscaler waits for %v at most", longest, patience.Longest)
	}
	for _, every := range []time.Duration{30 * time.Second, 2 * time.Second} {
		for name, p := range map[string]*working{
			"deploys":               {deploys: true, most: 0},
			"takes no order":        {refuses: true, most: 1},
			"does not say its size": {unreadable: true, most: 1},
		} {
			start := time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)
			p.Scaler, p.until = s, start.Add(longest)
			failed, failing := 0, 0
			a := autoscale.New(autoscale.Config{
				Name: "web", Scaler: p, Max: autoscale.Fixed(9), Interval: every, Logger: slog.New(slog.DiscardHandler),
				Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
					return autoscale.Sample{Signals: autoscale.SignalValue, Value: 4}, nil
				}),
				Decider: autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision {
					return autoscale.Decision{Act: true, Size: 4, Reason: autoscale.Reason{Code: "test"}}
				}),
				Observe: func(e autoscale.Event) {
					switch e.Kind {
					case autoscale.ScaleFailed:
						failed++
					case autoscale.ScaleFailing:
						failing++
					}
				},
			})
			for p.now = start; p.now.Before(p.until); p.now = p.now.Add(every) {
				_, _ = a.Tick(t.Context(), p.now)
			}
			if failed > p.most || failing > 0 || a.Status().ScaleFailures > 0 || p.ordered != 0 {
				t.Errorf("%s for %v, a tick every %v: %d failures and %d alarms were reported, and %d was ordered", name, longest, every, failed, failing, p.ordered)
			}
			// It never ends.
			p.until = start.Add(1000 * time.Hour)
			for range 5 {
				_, _ = a.Tick(t.Context(), p.now)
				p.now = p.now.Add(every)
			}
			if failing == 0 {
				t.Errorf("%s for more than %v, a tick every %v: nobody was told", name, longest, every)
			}
			p.until = start
			if _, _ = a.Tick(t.Context(), p.now); p.ordered != 4 {
				t.Errorf("%s no more, a tick every %v: %d was ordered", name, every, p.ordered)
			}
		}
	}
}

// working is a platform that is at work until a time, with the words of another one's
// Scaler.
type working struct {
	autoscale.Scaler
	now, until                   time.Time
	deploys, refuses, unreadable bool
	most                         int // failures that are reported
	ordered                      int
}

// Unwrap returns the Scaler that it speaks for.
func (w *working) Unwrap() autoscale.Scaler { return w.Scaler }

func (w *working) busy() bool { return w.now.Before(w.until) }

func (w *working) Capacity(context.Context) (autoscale.Capacity, error) {
	if w.unreadable && w.busy() {
		return autoscale.Capacity{}, &autoscale.BusyError{Err: errors.New("at work")}
	}
	return autoscale.Capacity{Desired: max(w.ordered, 1), Deploying: w.deploys && w.busy()}, nil
}

func (w *working) Scale(_ context.Context, size int) error {
	switch {
	case w.busy() && w.deploys:
		return errors.New("a deployment is under way")
	case w.busy():
		return &autoscale.BusyError{Err: errors.New("at work")}
	}
	w.ordered = size
	return nil
}
