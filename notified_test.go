package autoscale_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

func TestNotified(t *testing.T) {
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
