package autoscale_test

import (
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

func TestCooldownAndStep(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Max = autoscale.Fixed(10)
		c.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: 1, Increment: 4}
		c.Limits.Up.Cooldown, c.Limits.Down.Cooldown = 2*time.Minute, 5*time.Minute
		c.Limits.Up.Step, c.Limits.Down.Step = 3, 2
	})
	// One row a minute, which is two ticks.
	for i, step := range []struct {
		latency time.Duration
		orders  []int
		limit   limit.Kind
	}{
		{slow, []int{4}, limit.ByCooldown},
		{slow, nil, limit.ByCooldown},
		{slow, []int{7}, limit.ByCooldown}, // two minutes after the first
		{fast, nil, limit.ByCooldown},      // the added ones may begin to serve
		{fast, []int{5}, limit.ByCooldown}, // and then some may go
		{slow, []int{8}, limit.ByCooldown}, // adding does not wait for Down
		{fast, nil, limit.ByCooldown},
		{fast, nil, limit.ByCooldown}, // removed at minute 4: not before minute 9
		{fast, nil, limit.ByCooldown},
		{fast, []int{6}, limit.ByCooldown},
	} {
		r.gauge.latency(step.latency)
		if got := r.ticks(2); !slices.Equal(got, step.orders) {
			t.Errorf("minute %d: ordered %v, want %v", i, got, step.orders)
		}
		if got := r.a.Status(); got.Last.Limit != step.limit || got.Last.Until.IsZero() {
			t.Errorf("minute %d: limit %v until %v, want %v", i, got.Last.Limit, got.Last.Until, step.limit)
		}
	}
	// The cooldown that ends last counts: here that of the one added now, not
	// that of the one removed four minutes ago.
	r.now = r.now.Add(time.Hour)
	r.gauge.latency(fine)
	r.platform.set(5)
	r.ticks(1)
	r.now = r.now.Add(4 * time.Minute)
	r.platform.set(6)
	r.ticks(1)
	r.gauge.latency(fast)
	r.ticks(1)
	if s := r.a.Status(); s.Last.Limit != limit.ByCooldown || s.Last.Until.Sub(r.now) != 90*time.Second {
		t.Errorf("limit %v for %v, want the rest of the two minutes of Up", s.Last.Limit, s.Last.Until.Sub(r.now))
	}
	r.now = r.now.Add(time.Hour)
	r.gauge.latency(fine)
	r.platform.set(6)
	r.ticks(1)
	r.now = r.now.Add(time.Hour)
	r.gauge.latency(fast)
	if d, _ := r.tick(); !d.Act || d.Size != 4 || r.a.Status().Last.Limit != limit.ByStep {
		t.Errorf("Tick = %+v, limit %v: want 4 by the step", d, r.a.Status().Last.Limit)
	}
}

// TestCooldownOfAPredecessor starts beside a platform that was changed a minute
// ago, by a leader that saved nothing.
func TestCooldownOfAPredecessor(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Limits.Up.Cooldown = 5 * time.Minute
		c.Decider = autoscale.Consecutive{UpAfter: 1}
	})
	r.platform.changed = start.Add(-time.Minute)
	r.gauge.latency(slow)
	if got := r.ticks(7); got != nil {
		t.Errorf("within the cooldown: ordered %v", got)
	}
	if got := r.ticks(1); !slices.Equal(got, []int{2}) {
		t.Errorf("after it: ordered %v, want [2]", got)
	}
	// A platform whose clock is an hour ahead must not hold us for an hour.
	r = newRig(t, func(c *autoscale.Config) { c.Decider = autoscale.Consecutive{UpAfter: 1} })
	r.platform.changed = start.Add(time.Hour)
	r.gauge.latency(slow)
	if got := r.ticks(2); !slices.Equal(got, []int{2}) {
		t.Errorf("with a fast clock: ordered %v, want [2]", got)
	}
}
