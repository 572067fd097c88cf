package autoscale_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

func TestRivals(t *testing.T) {
	rule := func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: -1}
		c.Max = autoscale.Fixed(9)
		c.NotifyOn = autoscale.Yielding
	}
	t.Run("three changes against us", func(t *testing.T) {
		r := newRig(t, rule)
		r.gauge.latency(slow)
		r.ticks(1)
		for range 3 {
			r.ticks(1)
			r.platform.set(r.platform.size - 1)
			r.ticks(1)
		}
		r.platform.takeOrders()
		if got, want := r.take(), []string{"yielding began"}; !slices.Equal(got, want) {
			t.Fatalf("notified of %v, want %v", got, want)
		}
		r.platform.set(15) // not even the bounds are enforced
		if got := r.ticks(119); got != nil {
			t.Errorf("ordered %v while standing down", got)
		}
		if s := r.a.Status(); s.Last.Limit != limit.ByYielding || s.Last.Until.IsZero() {
			t.Errorf("limit %v until %v", s.Last.Limit, s.Last.Until)
		}
		if got := r.ticks(3); !slices.Equal(got, []int{9}) {
			t.Errorf("after an hour without a change by others: ordered %v, want [9]", got)
		}
		if got, want := r.take(), []string{"yielding repeated", "yielding ended"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}
	})
	t.Run("a person who scales now and then is not an autoscaler", func(t *testing.T) {
		r := newRig(t, rule)
		r.gauge.latency(slow)
		for range 5 {
			r.ticks(2)
			r.platform.set(3)
			r.gauge.latency(fine)
			r.ticks(60) // half an hour
			r.gauge.latency(slow)
		}
		for range 5 { // nor is a person who helps
			r.ticks(1)
			r.platform.set(min(r.platform.size+1, 9))
		}
		if got := r.take(); got != nil {
			t.Errorf("notified of %v", got)
		}
	})
	t.Run("ended by Resume", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, rule)
			r.gauge.latency(slow)
			r.pass()
			for range 3 {
				r.pass()
				r.platform.set(r.platform.size - 1)
				r.pass()
			}
			r.pass()
			r.platform.takeOrders()
			if r.a.Status().Last.Limit != limit.ByYielding {
				t.Fatal("it does not stand down")
			}
			if err := r.a.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.pass()
			if got := r.platform.takeOrders(); len(got) != 1 {
				t.Errorf("ordered %v", got)
			}
		})
	})
	t.Run("one that the platform knows of", func(t *testing.T) {
		p := &platform{size: 1}
		external := &withExternal{platform: p, name: "Heroku's own autoscaling"}
		r := newRig(t, func(c *autoscale.Config) { rule(c); c.Scaler = external })
		r.gauge.latency(slow)
		r.ticks(10)
		if got := p.takeOrders(); got != nil {
			t.Errorf("ordered %v", got)
		}
		if len(r.notified) != 1 || !strings.Contains(r.notified[0].String(), "Heroku's own autoscaling") {
			t.Errorf("notified of %v", r.notified)
		}
		external.name = ""
		r.ticks(1)
		if got := p.takeOrders(); !slices.Equal(got, []int{2}) {
			t.Errorf("when it is off: ordered %v, want [2]", got)
		}
	})
}

type withExternal struct {
	*platform
	name string
}

func (r *withExternal) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	c, err := r.platform.Capacity(ctx)
	c.ExternalAutoscaler = r.name
	return c, err
}
