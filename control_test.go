package autoscale_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// panicsInCurrent is an Elector without a Store.
type panicsInCurrent struct{}

func (panicsInCurrent) Run(ctx context.Context) error   { <-ctx.Done(); return nil }
func (panicsInCurrent) Current() (autoscale.Term, bool) { panic("no term") }

// People command from any goroutine while the loop ticks. Whatever a part does, they touch
// nothing of the loop's. The race detector is the judge.
func TestControlBesideTheLoop(t *testing.T) {
	a := autoscale.New(autoscale.Config{
		Prober: &gauge{sample: latency(slow)}, Scaler: &platform{size: 1}, Elector: panicsInCurrent{}, Logger: silent,
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			a.Tick(ctx, start.Add(time.Duration(i)*time.Minute))
		}
	})
	for range 4 {
		wg.Go(func() {
			for range 100 {
				if err := a.Pause(ctx); !errors.Is(err, autoscale.ErrNotLeader) {
					t.Errorf("Pause = %v, want ErrNotLeader", err)
				}
				a.Resume(ctx)
				a.Override(ctx, 2, time.Now().Add(time.Hour))
				a.Status()
			}
		})
	}
	wg.Wait()
	if n := a.Status().Counters.Panics; n == 0 {
		t.Error("the panics of Current are not counted")
	}
}
