package autoscale_test

import (
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

func TestOutsideChange(t *testing.T) {
	t.Run("is seen, reported, and restarts the sample count", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.Max, c.NotifyOn = autoscale.Fixed(9), autoscale.Changed })
		r.gauge.latency(slow)
		r.ticks(2)
		r.platform.set(5)
		if got := r.ticks(3); got != nil {
			t.Errorf("ordered %v before three new samples", got)
		}
		if got, want := r.take(), []string{"changed"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
		if got := r.ticks(1); !slices.Equal(got, []int{6}) {
			t.Errorf("ordered %v, want [6]", got)
		}
		if got := r.a.Status().Counters.Changes; got != 1 {
			t.Errorf("counted %d changes, want 1", got)
		}
	})
	t.Run("outside the bounds is corrected at once", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Min = autoscale.Fixed(2)
			c.Limits.Up.Step, c.Limits.Down.Step = 1, 1
			c.Limits.Up.Cooldown, c.Limits.Down.Cooldown = time.Hour, time.Hour
		})
		for _, size := range []int{1, 9, 4} {
			r.platform.set(size)
			want := min(max(size, 2), 3)
			if got := r.ticks(2); !slices.Equal(got, []int{want}) {
				t.Errorf("at %d: ordered %v, want [%d]", size, got, want)
			}
		}
	})
	t.Run("0 by hand is a pause", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Paused })
		r.ticks(1)
		r.platform.set(0)
		r.gauge.fails(autoscale.Refused)
		if got := r.ticks(50); got != nil {
			t.Errorf("ordered %v", got)
		}
		if s := r.a.Status(); s.Last.Limit != limit.ByPause {
			t.Errorf("limit %v, want paused", s.Last.Limit)
		}
		r.platform.set(1)
		r.gauge.latency(fine)
		r.ticks(1)
		if got, want := r.take(), []string{"paused began", "paused ended"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
	})
	t.Run("0 of our own is none", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Min = autoscale.Daily(time.UTC, map[string]int{"0:00": 0, "6:00": 2})
			c.Decider = autoscale.Consecutive{DownAfter: 1}
		})
		r.gauge.latency(fast)
		if got := r.ticks(3); !slices.Equal(got, []int{0}) {
			t.Fatalf("ordered %v, want [0]", got)
		}
		r.now = start.Add(6 * time.Hour)
		if got := r.ticks(1); !slices.Equal(got, []int{2}) {
			t.Errorf("in the morning: ordered %v, want [2]", got)
		}
	})
	t.Run("maintenance holds", func(t *testing.T) {
		r := newRig(t, nil)
		r.platform.size, r.platform.maint = 9, true
		r.gauge.latency(slow)
		if got := r.ticks(20); got != nil {
			t.Errorf("ordered %v", got)
		}
		r.platform.maint = false
		if got := r.ticks(1); !slices.Equal(got, []int{3}) {
			t.Errorf("afterwards: ordered %v, want [3]", got)
		}
	})
}
