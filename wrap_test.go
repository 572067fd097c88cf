package autoscale_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// The wrappers of a host: one that embeds, and one that unwraps.
type (
	embedsElector  struct{ autoscale.Elector }
	unwrapsElector struct{ elector autoscale.Elector }

	embedsNotifier  struct{ autoscale.Notifier }
	unwrapsNotifier struct{ notifier autoscale.Notifier }

	embedsProber  struct{ autoscale.Prober }
	unwrapsProber struct{ prober autoscale.Prober }

	embedsScaler  struct{ autoscale.Scaler }
	unwrapsScaler struct{ scaler autoscale.Scaler }
)

func (u unwrapsElector) Run(ctx context.Context) error   { return u.elector.Run(ctx) }
func (u unwrapsElector) Current() (autoscale.Term, bool) { return u.elector.Current() }
func (u unwrapsElector) Unwrap() autoscale.Elector       { return u.elector }

func (u unwrapsNotifier) Notify(ctx context.Context, e autoscale.Event) error {
	return u.notifier.Notify(ctx, e)
}
func (u unwrapsNotifier) Unwrap() autoscale.Notifier { return u.notifier }

func (u unwrapsProber) Probe(ctx context.Context) (autoscale.Sample, error) {
	return u.prober.Probe(ctx)
}
func (u unwrapsProber) Unwrap() autoscale.Prober { return u.prober }

func (u unwrapsScaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	return u.scaler.Capacity(ctx)
}
func (u unwrapsScaler) Scale(ctx context.Context, n int) error { return u.scaler.Scale(ctx, n) }
func (u unwrapsScaler) Unwrap() autoscale.Scaler               { return u.scaler }

// subscriber wants changes alone.
type subscriber struct{ got []autoscale.EventKind }

func (s *subscriber) Kinds() autoscale.EventKind { return autoscale.Changed }
func (s *subscriber) Notify(_ context.Context, e autoscale.Event) error {
	s.got = append(s.got, e.Kind)
	return nil
}

type closingProber struct {
	gauge
	closed int
}

func (c *closingProber) CloseIdleConnections() { c.closed++ }

type closingScaler struct {
	platform
	closed int
}

func (c *closingScaler) CloseIdleConnections() { c.closed++ }

// Wrapping a part, as one does to log or to measure it, loses nothing of what it is.
func TestWrappedParts(t *testing.T) {
	for name, wrap := range map[string]struct {
		elector  func(autoscale.Elector) autoscale.Elector
		notifier func(autoscale.Notifier) autoscale.Notifier
		prober   func(autoscale.Prober) autoscale.Prober
		scaler   func(autoscale.Scaler) autoscale.Scaler
	}{
		"embedded": {
			func(e autoscale.Elector) autoscale.Elector { return embedsElector{e} },
			func(n autoscale.Notifier) autoscale.Notifier { return &embedsNotifier{n} },
			func(p autoscale.Prober) autoscale.Prober { return embedsProber{p} },
			func(s autoscale.Scaler) autoscale.Scaler { return &embedsScaler{s} },
		},
		"unwrapped": {
			func(e autoscale.Elector) autoscale.Elector { return unwrapsElector{e} },
			func(n autoscale.Notifier) autoscale.Notifier { return unwrapsNotifier{n} },
			func(p autoscale.Prober) autoscale.Prober { return unwrapsProber{p} },
			func(s autoscale.Scaler) autoscale.Scaler { return unwrapsScaler{s} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			reg := new(registry)
			seat := reg.seat("web.1")
			seat.lead()
			notifier, prober, scaler := &subscriber{}, &closingProber{}, &closingScaler{}
			prober.latency(slow)
			scaler.set(1)
			a := autoscale.New(autoscale.Config{
				Prober: wrap.prober(prober), Scaler: wrap.scaler(scaler), Elector: wrap.elector(seat),
				Notifiers: []autoscale.Notifier{wrap.notifier(notifier)}, NotifyOn: autoscale.Scaled,
				Decider: autoscale.Consecutive{UpAfter: 1}, Logger: silent,
			})
			now := start
			tick := func() {
				now = now.Add(30 * time.Second)
				a.Tick(t.Context(), now)
			}
			tick()
			if reg.saves != 2 {
				t.Errorf("an order through a wrapped Store: saved %d times, want before and after it", reg.saves)
			}
			scaler.set(3)
			tick()
			if len(notifier.got) != 1 || notifier.got[0] != autoscale.Changed {
				t.Errorf("a wrapped Subscriber to changes got %v", notifier.got)
			}
			scaler.readErr = errors.New("no")
			for range 3 {
				tick()
			}
			if seat.rested == 0 {
				t.Error("a wrapped Resigner did not resign")
			}

			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := a.Run(ctx); err != nil {
				t.Fatal(err)
			}
			if prober.closed != 1 || scaler.closed != 1 {
				t.Errorf("closed the idle connections of a wrapped Prober %d times and of a wrapped Scaler %d times, want once", prober.closed, scaler.closed)
			}
		})
	}
}

// plainElector is not a Store.
type plainElector struct{}

func (plainElector) Run(ctx context.Context) error   { <-ctx.Done(); return nil }
func (plainElector) Current() (autoscale.Term, bool) { return autoscale.Term{Number: 1}, true }

func TestElectorWithoutStore(t *testing.T) {
	var log bytes.Buffer
	a := autoscale.New(autoscale.Config{Prober: &gauge{}, Scaler: &platform{}, Elector: plainElector{}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a.Run(ctx)
	if !strings.Contains(log.String(), "Config.Store is nil") {
		t.Errorf("no warning that orders have no fence:\n%s", &log)
	}
}
