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
