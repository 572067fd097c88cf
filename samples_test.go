package autoscale_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

// One Sample with a Time in the future must not hide the later ones.
func TestSampleFromTheFuture(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Max = autoscale.Fixed(9) })
	r.gauge.latency(slow)
	r.ticks(2)
	r.gauge.sample.Time = r.now.AddDate(0, 0, 7)
	r.ticks(1)
	r.gauge.sample.Time = time.Time{}
	if got := r.ticks(2000); got == nil {
		t.Errorf("16 hours of too slow: no order; %s", r.a.Status().String())
	}
}

// Samples that a rule skips must not push out those that it needs.
func TestSkippedSamplesTakeNoRoom(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = rule.Average{N: 5, Failures: autoscale.Ignore}
	})
	for i := range 500 {
		if i%5 == 0 {
			r.gauge.fails(autoscale.ServerError)
		} else {
			r.gauge.latency(slow)
		}
		r.tick()
	}
	if got := r.platform.takeOrders(); got == nil {
		t.Errorf("Average: 400 of 500 samples too slow: no order; %s", r.a.Status().String())
	}
	r = newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{UpAfter: 6, Failures: autoscale.Ignore}
	})
	for i := range 500 {
		if i%4 == 0 {
			r.gauge.fails(autoscale.ServerError)
		} else {
			r.gauge.latency(slow)
		}
		r.tick()
	}
	if got := r.platform.takeOrders(); got == nil {
		t.Errorf("Consecutive: no order; %s", r.a.Status().String())
	}
	r = newRig(t, func(c *autoscale.Config) { // default lengths: down
		c.Decider = autoscale.Consecutive{Failures: autoscale.Ignore}
	})
	r.platform.set(3)
	for i := range 500 {
		if i%5 == 0 {
			r.gauge.fails(autoscale.ServerError)
		} else {
			r.gauge.latency(fast)
		}
		r.tick()
	}
	if got := r.platform.takeOrders(); got == nil {
		t.Errorf("Consecutive down: no order; %s", r.a.Status().String())
	}
}

func TestTimeThatCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, sa, _, _ := two(t, nil)
		sa.lead()
		a.gauge.latency(slow)
		a.gauge.sample.Time = time.Unix(time.Now().UnixMilli(), 0)
		for range 10 {
			a.pass()
			if sa.term == 0 {
				sa.lead()
			}
		}
		if got := a.platform.takeOrders(); got == nil {
			t.Errorf("none; %v; notified of %v", a.a.Status().Last.Err, a.take())
		}
	})
}

// A clock that is put back by a day must not stop the rule.
func TestClockPutBack(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Max = autoscale.Fixed(9) })
	r.platform.changed = start
	r.gauge.latency(slow)
	r.ticks(1)
	// the host's clock is set back by a day
	r.now = r.now.AddDate(0, 0, -1)
	if got := r.ticks(2000); got == nil {
		t.Errorf("no order in 16 h of too slow: %s", r.a.Status().String())
	}
}
