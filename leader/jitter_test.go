package leader_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/leader"
)

// TestJitter looks at the pauses between two calls of one process. Processes that were
// started together must not go on to ask together, so the pauses must differ.
func TestJitter(t *testing.T) {
	const renew = 10 * time.Second
	for _, tt := range []struct {
		name           string
		fails          error
		shortest, most time.Duration
	}{
		{"a follower", nil, renew, renew + renew/8},
		{"a store that fails", errCut, renew / 2, renew},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				join(t, s, leader.Options{Renew: renew})
				n := join(t, s, leader.Options{Renew: renew})
				time.Sleep(time.Minute)
				var mu sync.Mutex
				var last time.Time
				pauses := make(map[time.Duration]int)
				n.link.disturb(func(context.Context, string) error {
					mu.Lock()
					defer mu.Unlock()
					if !last.IsZero() {
						pauses[time.Since(last)]++
					}
					last = time.Now()
					return tt.fails
				}, nil)
				time.Sleep(time.Minute)
				mu.Lock()
				clear(pauses) // a store that begins to fail is asked more often
				mu.Unlock()
				time.Sleep(30 * time.Minute)
				n.link.disturb(nil, nil)
				mu.Lock()
				defer mu.Unlock()
				if len(pauses) < 50 {
					t.Errorf("%d different pauses in 30 minutes", len(pauses))
				}
				for pause := range pauses {
					if pause < tt.shortest || pause > tt.most {
						t.Errorf("a pause of %v", pause)
					}
				}
			})
		})
	}
}
