package autoscale_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

func TestScaleFails(t *testing.T) {
	no := errors.New("503 try again")
	t.Run("changes no state", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.Limits.Up.Cooldown = time.Hour })
		r.gauge.latency(slow)
		r.platform.failing = no
		r.ticks(2)
		for range 5 {
			d, err := r.tick()
			if !errors.Is(err, no) || d.Act {
				t.Fatalf("Tick = %+v, %v", d, err)
			}
			if want := "scale web from 1 to 2"; !strings.Contains(err.Error(), want) {
				t.Errorf("error %q does not say %q", err, want)
			}
		}
		if got := r.platform.takeOrders(); !slices.Equal(got, []int{2, 2, 2, 2, 2}) {
			t.Errorf("tried %v, want 2 in each tick", got)
		}
		if got, want := r.take(), []string{"scale_failing began"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
		r.platform.failing = nil
		if got := r.ticks(1); !slices.Equal(got, []int{2}) {
			t.Errorf("ordered %v, want [2] in the first tick that can", got)
		}
	})
	t.Run("seemed to fail, and is ours", func(t *testing.T) {
		r := newRig(t, nil)
		r.gauge.latency(slow)
		r.ticks(2)
		r.platform.lost = no // the answer is lost; the order was carried out
		if _, err := r.tick(); !errors.Is(err, no) {
			t.Fatal(err)
		}
		r.platform.lost = nil
		r.ticks(1)
		if got := r.has(autoscale.Changed); got != 0 {
			t.Errorf("our own order was reported as somebody else's change")
		}
		if got := r.has(autoscale.Scaled); got != 1 {
			t.Errorf("notified of %d scaled, want 1", got)
		}
	})
	t.Run("takes effect after a later order, and is ours", func(t *testing.T) {
		r := newRecommender(t, 1, nil)
		r.recommend(5)
		r.platform.failing = no // no answer, and no effect yet
		_, _ = r.tick()
		r.platform.failing = nil
		r.recommend(6)
		r.ticks(1)
		r.platform.set(5)
		r.ticks(1)
		if r.has(autoscale.Changed) != 0 || r.has(autoscale.Scaled) != 3 || r.platform.size != 6 {
			t.Errorf("size %d; notified of %v", r.platform.size, r.seen)
		}
		r.now = r.now.Add(time.Hour)
		r.platform.set(5)
		r.ticks(1)
		if r.has(autoscale.Changed) != 1 {
			t.Error("an hour later it is still taken for ours")
		}
	})
	t.Run("unreadable size is not 0", func(t *testing.T) {
		r := newRig(t, nil)
		r.gauge.latency(slow)
		r.platform.readErr = no
		for range 10 {
			if _, err := r.tick(); !errors.Is(err, no) {
				t.Fatal(err)
			}
		}
		r.platform.readErr, r.platform.size = nil, -1
		if _, err := r.tick(); err == nil {
			t.Error("-1 processes were believed")
		}
		if got := r.platform.takeOrders(); got != nil {
			t.Errorf("ordered %v", got)
		}
	})
	t.Run("the platform's limit is learned, clamped to once, and reported", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Max = autoscale.Fixed(50)
			c.Decider = autoscale.Consecutive{UpAfter: 1, Increment: 20}
		})
		r.platform.limit = 10
		r.gauge.latency(slow)
		if got := r.ticks(1); !slices.Equal(got, []int{21, 10}) {
			t.Errorf("ordered %v, want [21 10]", got)
		}
		if got := r.ticks(100); got != nil {
			t.Errorf("at the limit: ordered %v", got)
		}
		if got, want := r.take(), []string{"limit_reached", "needs_above_max began"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
		r.platform.limit = 0
		if got := r.ticks(25); !slices.Equal(got, []int{30, 50}) {
			t.Errorf("an hour later, with the limit raised: ordered %v, want [30 50]", got)
		}
	})
	t.Run("the platform's limit is below the size", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Max = autoscale.Fixed(50)
			c.Decider = autoscale.Consecutive{UpAfter: 1}
		})
		r.platform.set(12)
		r.platform.limit = 10
		r.gauge.latency(slow)
		if got := r.ticks(3); !slices.Equal(got, []int{13}) {
			t.Errorf("ordered %v, want [13] and no fewer than run", got)
		}
		if n, failed := r.has(autoscale.LimitReached), r.has(autoscale.ScaleFailed); n != 1 || failed != 0 {
			t.Errorf("reported the limit %d times and %d failures, want 1 and 0", n, failed)
		}
	})
	t.Run("a limit that passes within minutes", func(t *testing.T) {
		r := newRecommender(t, 1, nil)
		r.recommend(9)
		r.platform.limit, r.platform.limitFor = 4, 5*time.Minute
		if got := r.ticks(1); !slices.Equal(got, []int{9, 4}) {
			t.Errorf("ordered %v, want [9 4]", got)
		}
		until := r.now.Add(5 * time.Minute)
		for tick := range 2 { // that of the refusal, and one that knows of it
			last := r.a.Status().Last
			if last.Limit != limit.ByPlatform || !last.Until.Equal(until) || !last.NextUp.Equal(until) || !last.NextDown.IsZero() {
				t.Errorf("tick %d: by %v until %v, next up %v, next down %v", tick, last.Limit, last.Until, last.NextUp, last.NextDown)
			}
			if tick == 0 {
				r.ticks(1)
			}
		}
		if got, want := r.a.Status().String(), "web: stay at 4: 9 are needed; 9 recommended, but the platform permits no more. It will be asked for more in 4m30s"; got != want {
			t.Errorf("Status says %q, want %q", got, want)
		}
		// It is asked every five minutes, and reported every hour.
		if got := r.ticks(119); len(got) != 12 || slices.Min(got) != 9 {
			t.Errorf("within an hour ordered %v", got)
		}
		if n, failed := r.has(autoscale.LimitReached), r.has(autoscale.ScaleFailed); n != 2 || failed != 0 {
			t.Errorf("reported the limit %d times and %d failures, want 2 and 0", n, failed)
		}
		if got, want := r.take(), []string{"limit_reached", "needs_above_max began", "limit_reached"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
		r.platform.limit = 0
		if got := r.ticks(10); !slices.Equal(got, []int{9}) {
			t.Errorf("with room: ordered %v, want [9]", got)
		}
	})
	t.Run("Min above the platform's limit", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.Min, c.Max = autoscale.Fixed(20), autoscale.Fixed(30) })
		r.platform.limit = 10
		if got := r.ticks(5); !slices.Equal(got, []int{20, 10}) {
			t.Errorf("ordered %v, want [20 10] and no more", got)
		}
	})
}
