package autoscale_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
)

// stuck is every part at once, one of which ignores its context until it is released.
type stuck struct {
	part     string
	released chan struct{}
	armed    bool
}

func (s *stuck) wait(part string) {
	if s.armed && s.part == part {
		<-s.released
	}
}

func (s *stuck) Probe(context.Context) (autoscale.Sample, error) {
	s.wait("Prober.Probe")
	return latency(slow), nil
}

func (s *stuck) Capacity(context.Context) (autoscale.Capacity, error) {
	s.wait("Scaler.Capacity")
	return autoscale.Capacity{Desired: 1}, nil
}

func (s *stuck) Scale(context.Context, int) error { s.wait("Scaler.Scale"); return nil }

func (s *stuck) Decide(autoscale.Observation) autoscale.Decision {
	s.wait("Decider.Decide")
	return autoscale.Decision{Act: true, Size: 2}
}

// A part that ignores its context holds the loop. That is logged, sent and shown, once,
// and the loop goes on when the part returns.
func TestStalled(t *testing.T) {
	for _, part := range []string{"Prober.Probe", "Scaler.Capacity", "Scaler.Scale", "Decider.Decide", "Observe"} {
		t.Run(part, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &stuck{part: part, released: make(chan struct{}), armed: true}
				var got []autoscale.Event
				var log bytes.Buffer
				a := autoscale.New(autoscale.Config{
					Prober: s, Scaler: s, Decider: s, Logger: slog.New(slog.NewTextHandler(&log, nil)),
					Observe: func(autoscale.Event) { s.wait("Observe") },
					Notifiers: []autoscale.Notifier{autoscale.NotifierFunc(func(_ context.Context, e autoscale.Event) error {
						got = append(got, e)
						return nil
					})},
				})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- a.Run(ctx) }()

				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if got != nil || a.Status().Stalled != "" {
					t.Fatalf("after two minutes, which six calls may take: %v, %q", got, a.Status().Stalled)
				}
				time.Sleep(8 * time.Minute)
				synctest.Wait()
				if len(got) != 1 || got[0].Kind != autoscale.Stalled || !strings.Contains(got[0].String(), part+" has not returned") {
					t.Errorf("notified of %v, want of one stall", got)
				}
				if s := a.Status().Stalled; !strings.Contains(s, part+" has not returned for 10m") {
					t.Errorf("Status says %q", s)
				}
				if n := strings.Count(log.String(), "has not returned"); n != 1 {
					t.Errorf("logged %d times, want once:\n%s", n, &log)
				}

				s.armed = false
				close(s.released)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				if s := a.Status(); s.Stalled != "" || s.Counters.Ticks < 2 {
					t.Errorf("the loop did not go on: %q after %d ticks", s.Stalled, s.Counters.Ticks)
				}
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
