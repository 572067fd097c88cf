package autoscale_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

func TestADryRunNeverScales(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.DryRun, c.Min = true, autoscale.Fixed(2) })
	r.gauge.latency(slow)
	if got := r.ticks(9); got != nil || r.platform.size != 1 {
		t.Errorf("ordered %v", got)
	}
	r.platform.set(2)
	if got := r.ticks(9); got != nil || r.platform.size != 2 {
		t.Errorf("ordered %v", got)
	}
}

// undo adds a process and takes it away again, as another autoscaler would.
func (r *rig) undo(times int) {
	for range times {
		r.gauge.latency(slow)
		r.ticks(1)
		r.gauge.latency(fine)
		r.platform.set(r.platform.size - 1)
		r.ticks(1)
	}
}

func upAtOnce(c *autoscale.Config) {
	c.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: -1}
	c.Max = autoscale.Fixed(9)
}

// TestResumeIsObeyedOnce resumes, and is undone three times after that.
func TestResumeIsObeyedOnce(t *testing.T) {
	r := newRig(t, upAtOnce)
	r.ticks(1)
	if err := r.a.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.ticks(1)
	r.undo(3)
	if got := r.a.Status().Last.Limit; got != limit.ByYielding {
		t.Errorf("limit %v: the Resume of some ticks ago ends the yielding", got)
	}
}

// TestResumeIsObeyedOnceWhoeverLeads changes the leader after a Resume was obeyed.
func TestResumeIsObeyedOnceWhoeverLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, _ := two(t, upAtOnce)
		sa.lead()
		a.ticks(1)
		if err := a.a.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.ticks(1)
		a.undo(3)
		sb.lead()
		b.now = a.now
		b.ticks(2)
		if got := b.a.Status().Last.Limit; got != limit.ByYielding {
			t.Errorf("limit %v: the next leader obeys the Resume again", got)
		}
	})
}

// TestALateOrderIsNotAgainstUs removes a process three times, and adds it again by an
// order whose answer is lost.
func TestALateOrderIsNotAgainstUs(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: 1}
	})
	r.platform.set(3)
	for range 4 {
		r.gauge.latency(fast)
		r.ticks(1)
		r.gauge.latency(slow)
		r.platform.lost = errors.New("connection reset")
		if _, err := r.tick(); err == nil {
			t.Fatal("the order did not seem to fail")
		}
		r.platform.lost = nil
		r.gauge.latency(fine)
		r.ticks(1)
	}
	if n := r.has(autoscale.Yielding); n > 0 {
		t.Error("it yields to itself")
	}
	if n := r.has(autoscale.Changed); n > 1 {
		t.Errorf("%d orders of ours count as changes by others", n)
	}
}

// TestTheCooldownOfARemovalBeforeUs begins beside a platform that says when the size last
// changed.
func TestTheCooldownOfARemovalBeforeUs(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{DownAfter: 1}
		c.Limits.Down.Cooldown = 5 * time.Minute
	})
	r.platform.set(3)
	r.platform.changed = start
	r.gauge.latency(fast)
	if got := r.ticks(9); got != nil {
		t.Errorf("ordered %v within the cooldown", got)
	}
	if got := r.ticks(1); !slices.Equal(got, []int{2}) {
		t.Errorf("ordered %v after it", got)
	}
}

// TestAnOrderCutShortIsOurs stops while the order is under way, and the platform takes it
// all the same.
func TestAnOrderCutShortIsOurs(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{UpAfter: 1}
		c.Scaler = stopsAfter{c.Scaler.(*platform), stop}
	})
	r.ticks(1)
	r.gauge.latency(slow)
	r.platform.lost = context.Canceled
	r.now = r.now.Add(30 * time.Second)
	if _, err := r.a.Tick(ctx, r.now); err == nil || r.platform.size != 2 {
		t.Fatalf("the tick was not cut short: size %d, %v", r.platform.size, err)
	}
	r.gauge.latency(fine)
	r.ticks(1)
	if got := r.a.Status().Counters; got.Changes != 0 {
		t.Errorf("its order counts as a change by others: %+v", got)
	}
}

// stopsAfter is a platform that takes an order and ends the process's context.
type stopsAfter struct {
	*platform
	stop func()
}

func (s stopsAfter) Scale(ctx context.Context, size int) error {
	err := s.platform.Scale(ctx, size)
	s.stop()
	return err
}

// TestAnOrderThatWasOvertaken gives an order that fails. Others then set another size,
// and later the one that was ordered.
func TestAnOrderThatWasOvertaken(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{UpAfter: 1}
		c.Max = autoscale.Fixed(9)
	})
	r.gauge.latency(slow)
	r.platform.failing = errors.New("out of memory")
	if _, err := r.tick(); err == nil {
		t.Fatal("the order did not fail")
	}
	r.gauge.latency(fine)
	for _, size := range []int{5, 2} {
		r.platform.set(size)
		r.ticks(1)
	}
	if got := r.a.Status().Counters; got.Changes != 2 || got.Scales != 0 {
		t.Errorf("%d changes and %d scales, want 2 and 0", got.Changes, got.Scales)
	}
}

// TestTheDeciderGetsNoFutureTime has a Prober whose clock is an hour ahead.
func TestTheDeciderGetsNoFutureTime(t *testing.T) {
	var last autoscale.Observation
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			last = o
			return autoscale.Decision{}
		})
	})
	r.gauge.sample.Time = start.Add(time.Hour)
	r.ticks(1)
	if !last.Now.Equal(r.now) || !last.Samples[0].Time.Equal(r.now) {
		t.Errorf("at %v the Decider gets %v and a sample of %v", r.now, last.Now, last.Samples[0].Time)
	}
}

// TestARemovalTakesNoTime has a Prober that measures one process of five. One is removed,
// and four share the work from then on.
func TestARemovalTakesNoTime(t *testing.T) {
	size := 5
	var last autoscale.Sample
	r := newRig(t, func(c *autoscale.Config) {
		c.Max = autoscale.Fixed(9)
		c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			last = o.Samples[len(o.Samples)-1]
			return autoscale.Decision{Act: true, Size: size}
		})
	})
	r.platform.set(5)
	r.gauge.sample = autoscale.Sample{Signals: autoscale.SignalThroughput, Throughput: 2, Processes: 1, Span: 30 * time.Second}
	r.ticks(2)
	if last.Throughput != 10 {
		t.Errorf("of five processes: %v/s, want 10", last.Throughput)
	}
	size = 4
	r.ticks(2)
	if last.Throughput < 7.999 || last.Throughput > 8.001 {
		t.Errorf("of four processes: %v/s, want 8", last.Throughput)
	}
}

// TestOurOwnZeroIsRaised has a Min of 0 at night. The 0 of the night is not a pause by hand
// in the morning.
func TestOurOwnZeroIsRaised(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Min = autoscale.Daily(time.UTC, map[string]int{"0:00": 0, "6:00": 2})
	})
	r.platform.set(0)
	r.now = start.Add(6 * time.Hour)
	if got := r.ticks(1); !slices.Equal(got, []int{2}) {
		t.Errorf("ordered %v, limit %v", got, r.a.Status().Last.Limit)
	}
}

// TestRefusedOrders has an order refused, and then its size set by somebody else. What the
// platform refused for sure is no order of ours. Any other failure may be.
func TestRefusedOrders(t *testing.T) {
	busy := &autoscale.BusyError{Err: errors.New("a deployment is in flight")}
	for _, tt := range []struct {
		name  string
		fails []error // of one order after another
		ours  bool
		to    int // what is set then. 0: what was ordered
	}{
		{"no answer", []error{errors.New("connection reset")}, true, 0},
		{"no answer, and another size", []error{errors.New("connection reset")}, false, 3},
		{"perhaps part of it, machine by machine", []error{&autoscale.PartialError{Size: 4, Reached: 1}}, true, 3},
		{"perhaps part of it, and more than it", []error{&autoscale.PartialError{Size: 4, Reached: 1}}, false, 5},
		{"perhaps part of it, which is nonsense", []error{&autoscale.PartialError{Size: 4, Reached: 7}}, false, 6},
		{"busy", []error{busy}, false, 0},
		{"busy, to come back later", []error{&autoscale.BusyError{RetryAfter: time.Minute}}, false, 0},
		{"busy, after an attempt without an answer", []error{&autoscale.BusyError{Unsure: true}}, true, 0},
		{"a limit that is reached", []error{&autoscale.LimitError{Size: 4, Limit: 1}}, false, 0},
		{"a limit that explains nothing", []error{&autoscale.LimitError{Size: 4, Limit: 9}}, true, 0},
		{"no answer, and then busy", []error{errors.New("connection reset"), busy}, true, 0},
		{"part of it, which is none", []error{&autoscale.PartialError{Size: 4, Reached: 1, Err: busy}}, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = recommends(4), autoscale.Fixed(9) })
			for _, err := range tt.fails {
				r.platform.failing = err
				_, _ = r.tick()
			}
			if r.platform.size != 1 {
				t.Fatalf("the size is %d", r.platform.size)
			}
			r.platform.failing = nil
			r.platform.set(cmp.Or(tt.to, 4))
			r.ticks(1)
			c := r.a.Status().Counters
			if ours := c.Changes == 0; ours != tt.ours {
				t.Errorf("%d orders of its own took effect, and %d changes by others", c.Scales, c.Changes)
			}
		})
	}
}
