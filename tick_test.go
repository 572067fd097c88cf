package autoscale_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// TestAutoscalebot has a case for each row of autoscalebot's table of settings
// that the root package answers for.
func TestAutoscalebot(t *testing.T) {
	t.Run("three too slow add one", func(t *testing.T) {
		r := newRig(t, nil)
		r.gauge.latency(slow)
		if got := r.ticks(2); got != nil {
			t.Errorf("after two: ordered %v", got)
		}
		if got := r.ticks(1); !slices.Equal(got, []int{2}) {
			t.Errorf("after three: ordered %v, want [2]", got)
		}
		if got := r.ticks(2); got != nil {
			t.Errorf("the sample count did not restart after the change: ordered %v", got)
		}
		if got := r.ticks(1); !slices.Equal(got, []int{3}) {
			t.Errorf("after three more: ordered %v, want [3]", got)
		}
		if got := r.ticks(9); got != nil {
			t.Errorf("at the maximum: ordered %v", got)
		}
	})
	t.Run("five too fast remove one", func(t *testing.T) {
		r := newRig(t, nil)
		r.platform.set(3)
		r.gauge.latency(fast)
		if got := r.ticks(4); got != nil {
			t.Errorf("after four: ordered %v", got)
		}
		if got := r.ticks(6); !slices.Equal(got, []int{2, 1}) {
			t.Errorf("after ten: ordered %v, want [2 1]", got)
		}
		if got := r.ticks(20); got != nil {
			t.Errorf("at the minimum: ordered %v", got)
		}
	})
	t.Run("the limits themselves are just right", func(t *testing.T) {
		r := newRig(t, nil)
		r.platform.set(2)
		for _, d := range []time.Duration{200 * time.Millisecond, time.Second} {
			r.gauge.latency(d)
			if got := r.ticks(10); got != nil {
				t.Errorf("at %v: ordered %v", d, got)
			}
		}
		r.gauge.latency(time.Second + 1)
		if got := r.ticks(3); !slices.Equal(got, []int{3}) {
			t.Errorf("above the limit: ordered %v, want [3]", got)
		}
		r.gauge.latency(200*time.Millisecond - 1)
		if got := r.ticks(5); !slices.Equal(got, []int{2}) {
			t.Errorf("below the limit: ordered %v, want [2]", got)
		}
	})
	t.Run("one in between breaks the streak", func(t *testing.T) {
		r := newRig(t, nil)
		for range 4 {
			r.gauge.latency(slow)
			r.ticks(2)
			r.gauge.latency(fine)
			if got := r.ticks(1); got != nil {
				t.Fatalf("ordered %v", got)
			}
		}
	})
	t.Run("failures are too slow, or nothing", func(t *testing.T) {
		for _, f := range []autoscale.Failure{autoscale.Timeout, autoscale.Refused, autoscale.ServerError} {
			r := newRig(t, nil)
			r.gauge.fails(f)
			if got := r.ticks(3); !slices.Equal(got, []int{2}) {
				t.Errorf("%v: ordered %v, want [2]", f, got)
			}
			r = newRig(t, func(c *autoscale.Config) { c.Decider = autoscale.Consecutive{Failures: autoscale.Ignore} })
			r.gauge.fails(f)
			want := []int{2}
			if f != autoscale.Timeout {
				want = nil
			}
			if got := r.ticks(3); !slices.Equal(got, want) {
				t.Errorf("%v as nothing: ordered %v, want %v", f, got, want)
			}
		}
	})
	t.Run("increment, then clamped", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Decider = autoscale.Consecutive{Increment: 4, UpAfter: 1, DownAfter: 1}
			c.Max = autoscale.Fixed(6)
		})
		r.gauge.latency(slow)
		if got := r.ticks(2); !slices.Equal(got, []int{5, 6}) {
			t.Errorf("ordered %v, want [5 6]", got)
		}
		r.gauge.latency(fast)
		if got := r.ticks(2); !slices.Equal(got, []int{2, 1}) {
			t.Errorf("ordered %v, want [2 1]", got)
		}
	})
	t.Run("bounds by time of day", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Min = autoscale.Daily(time.UTC, map[string]int{"0:00": 2, "9:00": 5, "17:30": 2})
			c.Max = autoscale.Fixed(9)
		})
		if got := r.ticks(2); !slices.Equal(got, []int{2}) {
			t.Errorf("at midnight: ordered %v, want [2]", got)
		}
		r.now = start.Add(9*time.Hour - 31*time.Second)
		if got := r.ticks(1); got != nil {
			t.Errorf("at 8:59:59: ordered %v", got)
		}
		if got := r.ticks(1); !slices.Equal(got, []int{5}) {
			t.Errorf("at 9:00: ordered %v, want [5]", got)
		}
	})
}

func TestTold(t *testing.T) {
	t.Run("needs above max: begin, repeat, end", func(t *testing.T) {
		r := newRig(t, nil)
		r.platform.set(3)
		r.gauge.latency(slow)
		r.ticks(2)
		if got := r.take(); got != nil {
			t.Errorf("before the streak is long enough: %v", got)
		}
		r.ticks(1)
		if got, want := r.take(), []string{"needs_above_max began"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
		r.ticks(119)
		if got := r.take(); got != nil {
			t.Errorf("within the hour: notified of %v", got)
		}
		r.ticks(1)
		if got, want := r.take(), []string{"needs_above_max repeated"}; !slices.Equal(got, want) {
			t.Errorf("after an hour: notified of %v, want %v", got, want)
		}
		r.gauge.latency(fine)
		r.ticks(9)
		if got := r.take(); got != nil {
			t.Errorf("before five quiet minutes: notified of %v", got)
		}
		r.ticks(1)
		if got, want := r.take(), []string{"needs_above_max ended"}; !slices.Equal(got, want) {
			t.Errorf("at last: notified of %v, want %v", got, want)
		}
	})
	t.Run("needs below min, only above 1", func(t *testing.T) {
		for min, want := range map[int][]string{1: nil, 2: {"needs_below_min began"}} {
			r := newRig(t, func(c *autoscale.Config) {
				c.Min, c.NotifyOn = autoscale.Fixed(min), autoscale.NeedsBelowMin
			})
			r.platform.set(min)
			r.gauge.latency(fast)
			r.ticks(20)
			if got := r.take(); !slices.Equal(got, want) {
				t.Errorf("Min %d: notified of %v, want %v", min, got, want)
			}
		}
	})
	t.Run("each kind when asked for", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.NotifyOn = autoscale.Scaled | autoscale.ScaleFailed | autoscale.Probed | autoscale.Changed
		})
		r.gauge.latency(slow)
		r.ticks(3)
		if got, want := r.take(), []string{"probed", "probed", "probed", "scaled"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
		r.platform.failing = errors.New("no")
		for range 3 {
			r.tick()
		}
		if got, want := r.take(), []string{"probed", "probed", "probed", "scale_failed"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
	})
	t.Run("nothing by default when all is well", func(t *testing.T) {
		r := newRig(t, nil)
		r.gauge.latency(slow)
		r.ticks(6)
		r.gauge.latency(fast)
		r.ticks(20)
		if got := r.take(); got != nil {
			t.Errorf("notified of %v", got)
		}
	})
	t.Run("no kinds", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.NoKinds })
		r.platform.set(3)
		r.gauge.latency(slow)
		r.ticks(10)
		if got := r.take(); got != nil {
			t.Errorf("notified of %v", got)
		}
	})
	t.Run("a size that moves far", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Max = autoscale.Fixed(20)
			c.Decider = autoscale.Consecutive{UpAfter: 1, Increment: 2}
			c.NotifyOn = autoscale.DiffExceeded
			c.NotifyDiff = autoscale.Diff{Threshold: 5, Period: 10 * time.Minute}
		})
		r.gauge.latency(slow)
		r.ticks(2) // 1 to 5: by four
		if got := r.take(); got != nil {
			t.Errorf("by four: notified of %v", got)
		}
		r.ticks(1) // to 7
		if got, want := r.take(), []string{"diff_exceeded began"}; !slices.Equal(got, want) {
			t.Fatalf("by six: notified of %v, want %v", got, want)
		}
		e := r.a.Status().Conditions[0]
		if e.From != 1 || e.To != 7 || !strings.Contains(e.String(), "moved by 6, from 1 to 7") {
			t.Errorf("event %v", e)
		}
		r.gauge.latency(fine)
		r.ticks(21)
		if got, want := r.take(), []string{"diff_exceeded ended"}; !slices.Equal(got, want) {
			t.Errorf("ten minutes later: notified of %v, want %v", got, want)
		}
	})
	t.Run("a notifier's own kinds", func(t *testing.T) {
		n := &picky{kinds: autoscale.Scaled}
		r := newRig(t, func(c *autoscale.Config) { c.Notifiers = append(c.Notifiers, n) })
		r.platform.set(2)
		r.gauge.latency(slow)
		r.ticks(6)
		if got, want := r.take(), []string{"needs_above_max began"}; !slices.Equal(got, want) {
			t.Errorf("the first got %v, want %v", got, want)
		}
		if !slices.Equal(n.got, []autoscale.EventKind{autoscale.Scaled}) {
			t.Errorf("the picky one got %v, want [scaled]", n.got)
		}
	})
}

type picky struct {
	kinds autoscale.EventKind
	got   []autoscale.EventKind
}

func (p *picky) Kinds() autoscale.EventKind { return p.kinds }

func (p *picky) Notify(_ context.Context, e autoscale.Event) error {
	p.got = append(p.got, e.Kind)
	return nil
}

func TestNothingMeasured(t *testing.T) {
	down := errors.New("dial tcp: lookup db: no such host")
	t.Run("holds the size for ever, and notifies once it lasts", func(t *testing.T) {
		r := newRig(t, nil)
		r.platform.set(2)
		r.gauge.broken(down)
		for i := range 100 {
			if _, err := r.tick(); !errors.Is(err, down) {
				t.Fatalf("tick %d: error %v, want %v", i, err, down)
			}
		}
		if got := r.platform.takeOrders(); got != nil {
			t.Errorf("ordered %v", got)
		}
		if got, want := r.take(), []string{"probe_failing began"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
		if s := r.a.Status(); s.Last.Limit != limit.ByUndecided || s.ProbeFailures != 100 || !errors.Is(s.Last.Err, down) {
			t.Errorf("status %+v", s)
		}
	})
	t.Run("a streak neither grows nor breaks", func(t *testing.T) {
		r := newRig(t, nil)
		r.gauge.latency(slow)
		r.ticks(2)
		r.gauge.broken(down)
		for range 200 {
			r.tick()
		}
		if got := r.platform.takeOrders(); got != nil {
			t.Fatalf("ordered %v while nothing was measured", got)
		}
		r.gauge.latency(slow)
		if got := r.ticks(1); !slices.Equal(got, []int{2}) {
			t.Errorf("the third too slow: ordered %v, want [2]", got)
		}
	})
	t.Run("comes back into bounds all the same", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.Limits.Up.Cooldown, c.Limits.Down.Cooldown = time.Hour, time.Hour })
		r.platform.set(7)
		r.gauge.broken(down)
		if d, err := r.tick(); err == nil || !d.Act || d.Size != 3 {
			t.Errorf("Tick = %+v, %v: want an order of 3 and the probe's error", d, err)
		}
		if got := r.platform.takeOrders(); !slices.Equal(got, []int{3}) {
			t.Errorf("ordered %v, want [3]", got)
		}
	})
}

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
	t.Run("Min above the platform's limit", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.Min, c.Max = autoscale.Fixed(20), autoscale.Fixed(30) })
		r.platform.limit = 10
		if got := r.ticks(5); !slices.Equal(got, []int{20, 10}) {
			t.Errorf("ordered %v, want [20 10] and no more", got)
		}
	})
}

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

func TestDryRun(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.DryRun, c.NotifyOn = true, autoscale.Scaled
		c.Min = autoscale.Fixed(2)
		c.Limits.Up.Cooldown = time.Hour
	})
	r.gauge.latency(slow)
	d, err := r.tick()
	if err != nil || !d.Act || d.Size != 2 {
		t.Errorf("Tick = %+v, %v: want 2 without an error", d, err)
	}
	r.platform.set(2)
	r.ticks(200)
	if got := r.platform.takeOrders(); got != nil {
		t.Errorf("a dry run ordered %v", got)
	}
	if len(r.notified) == 0 || !r.notified[0].DryRun || !strings.Contains(r.notified[0].String(), "would have scaled from 1 to 2") {
		t.Errorf("notified of %v", r.notified)
	}
	if got := r.a.Status().Counters.Scales; got != 0 {
		t.Errorf("counted %d scales", got)
	}
}

func TestStatus(t *testing.T) {
	r := newRig(t, nil)
	if got, want := r.a.Status().String(), "web: no tick yet"; got != want {
		t.Errorf("explanation %q, want %q", got, want)
	}
	r.gauge.latency(slow)
	for range 500 {
		r.tick()
	}
	s := r.a.Status()
	if len(s.Samples) != 40 || len(s.Events) > 32 {
		t.Errorf("%d samples, %d events: want the 40 that the rule asks for, and 32 at most", len(s.Samples), len(s.Events))
	}
	want := autoscale.Counters{Ticks: 500, Probes: 500, Scales: 2, Notified: 5}
	if diff := cmp.Diff(want, s.Counters); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	if got, want := s.String(), "web: stay at 3: latency 2s is above 1s, 40 times in a row (3 needed); 4 recommended, but that is above the maximum"; got != want {
		t.Errorf("explanation %q, want %q", got, want)
	}
}

// TestSmallPrint has the cases that the tests above would not notice.
func TestSmallPrint(t *testing.T) {
	no := errors.New("no")
	t.Run("back to the size that we last ordered, by somebody else", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.Max = autoscale.Fixed(9) })
		r.gauge.latency(slow)
		r.ticks(3) // to 2
		r.gauge.latency(fine)
		r.platform.set(5)
		r.ticks(1)
		r.platform.set(2)
		r.ticks(1)
		if got := r.has(autoscale.Changed); got != 2 {
			t.Errorf("notified of %d changes, want 2", got)
		}
	})
	t.Run("a sample without signals is no measurement", func(t *testing.T) {
		r := newRig(t, nil)
		r.gauge.sample = autoscale.Sample{Latency: slow}
		if _, err := r.tick(); err == nil || !strings.Contains(err.Error(), "set Sample.Signals") {
			t.Errorf("Tick = %v", err)
		}
	})
	t.Run("pending below 0 is not believed", func(t *testing.T) {
		r := newRig(t, nil)
		r.platform.pending = -1
		if _, err := r.tick(); err == nil {
			t.Error("it was")
		}
	})
	t.Run("a sample that ended after the tick began belongs before the change", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) { c.Decider = autoscale.Consecutive{UpAfter: 2} })
		for i, want := range [][]int{nil, {2}, nil, {3}} {
			r.gauge.latency(slow)
			r.gauge.sample.Time = r.now.Add(31 * time.Second)
			if got := r.ticks(1); !slices.Equal(got, want) {
				t.Errorf("tick %d: ordered %v, want %v", i+1, got, want)
			}
		}
	})
	t.Run("Status in the middle of a tick shows the one before", func(t *testing.T) {
		var r *rig
		var seen []int
		r = newRig(t, func(c *autoscale.Config) {
			c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
				s := r.a.Status()
				seen = append(seen, len(o.Samples), len(s.Samples), int(s.Counters.Ticks))
				return autoscale.Decision{}
			})
		})
		r.ticks(2)
		if want := []int{1, 0, 0, 2, 1, 1}; !slices.Equal(seen, want) {
			t.Errorf("saw %v, want %v", seen, want)
		}
	})
	t.Run("failures count in a row", func(t *testing.T) {
		r := newRig(t, nil)
		for range 5 {
			r.platform.readErr = no
			r.tick()
			r.tick()
			r.platform.readErr = nil
			r.gauge.broken(no)
			r.tick()
			r.tick()
			r.gauge.latency(fine)
			r.tick()
		}
		if got := r.take(); got != nil {
			t.Errorf("notified of %v", got)
		}
	})
	t.Run("needs are reported at the bounds only", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Min, c.Max = autoscale.Fixed(4), autoscale.Fixed(6)
			c.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: 1, Increment: 9}
			c.NotifyOn = autoscale.NeedsAboveMax | autoscale.NeedsBelowMin
		})
		r.platform.set(5)
		r.gauge.latency(slow)
		r.ticks(1)
		r.platform.set(5)
		r.ticks(1)
		r.gauge.latency(fast)
		r.ticks(1)
		if got := r.take(); got != nil {
			t.Errorf("notified of %v", got)
		}
	})
	t.Run("changes by others move the size too", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Max, c.NotifyOn = autoscale.Fixed(20), autoscale.DiffExceeded
			c.NotifyDiff = autoscale.Diff{Threshold: 5, Period: time.Hour}
		})
		r.ticks(1)
		r.platform.set(9)
		r.ticks(1)
		if got, want := r.take(), []string{"diff_exceeded began"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
	})
	t.Run("two parts that panic are two conditions", func(t *testing.T) {
		r := newRig(t, func(c *autoscale.Config) {
			c.Prober = autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { panic("probe") })
			on := true
			c.Scaler = &panicScaler{Scaler: c.Scaler, on: &on}
		})
		r.tick()
		if got := len(r.a.Status().Conditions); got != 2 {
			t.Errorf("%d conditions: %v", got, r.a.Status().Conditions)
		}
	})
}

// TestTerms leads, does not, and leads again: what happened in between was
// somebody else's doing.
func TestTerms(t *testing.T) {
	o := &office{}
	o.leads.Store(true)
	r := newRig(t, func(c *autoscale.Config) { c.Elector, c.Timeout = o, time.Hour })
	r.gauge.latency(slow)
	r.ticks(3)
	if left := time.Until(r.platform.until); left > time.Minute {
		t.Errorf("an order had %v, which is longer than the term", left)
	}
	r.ticks(2)
	o.leads.Store(false)
	r.tick()
	r.platform.set(3)
	o.leads.Store(true)
	r.platform.set(2)
	if got := r.ticks(2); got != nil {
		t.Errorf("samples of an earlier term counted: ordered %v", got)
	}
	r.platform.set(1)
	o.leads.Store(false)
	r.tick()
	o.leads.Store(true)
	r.ticks(1)
	if got := r.has(autoscale.Changed); got != 0 {
		t.Errorf("notified of %d changes by others, which happened while another process led", got)
	}
	if got := r.a.Status().Counters.ScaleFailures; got != 0 {
		t.Errorf("counted %d failures to scale", got)
	}
}
