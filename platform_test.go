package autoscale_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
)

// A LimitError without a Limit must not lead to an order of 0.
func TestLimitErrorWithoutLimit(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Max = autoscale.Fixed(9); c.Min = autoscale.Fixed(2) })
	r.platform.set(3)
	r.platform.failing = &autoscale.LimitError{Size: 5}
	if err := r.a.Override(t.Context(), 5, time.Now().Add(time.Hour*24*3650)); err != nil {
		t.Fatal(err)
	}
	r.tick()
	r.platform.failing = nil
	r.tick()
	if got := r.platform.takeOrders(); slices.Contains(got, 0) {
		t.Errorf("ordered %v", got)
	}
}

// A LimitError whose Limit is not below the order is reported once at most.
func TestLimitErrorAboveTheOrder(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Max = autoscale.Fixed(90) })
	r.platform.failing = &autoscale.LimitError{Size: 2, Limit: 100}
	r.gauge.latency(slow)
	for range 20 {
		r.tick()
	}
	if n := r.has(autoscale.LimitReached); n > 1 {
		t.Errorf("notified of %d times", n)
	}
}

func TestMaintenance(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider = rule.Average{} })
	r.platform.maint = true
	r.gauge.fails(autoscale.ServerError)
	r.ticks(20)
	r.platform.maint = false
	r.gauge.latency(fast)
	if got := r.ticks(1); got != nil {
		t.Errorf("ordered %v on the first, fast, sample after maintenance", got)
	}
}

func TestTimeoutShorterThanProbe(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer srv.Close()
	r := newRig(t, func(c *autoscale.Config) {
		c.Prober = &probe.HTTP{URL: srv.URL} // 2 s
		c.Timeout = 100 * time.Millisecond
	})
	for range 10 {
		r.tick()
	}
	if got := r.platform.takeOrders(); got == nil {
		t.Errorf("a service that hangs is never scaled: %v", r.a.Status().Last.Err)
	}
}

func TestYielding(t *testing.T) {
	rule := func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: -1}
		c.Max = autoscale.Fixed(9)
	}
	t.Run("an order undone late does not count", func(t *testing.T) {
		r := newRig(t, rule)
		for range 4 {
			r.gauge.latency(slow)
			r.ticks(1)
			r.gauge.latency(fine)
			r.now = r.now.Add(16 * time.Minute)
			r.platform.set(r.platform.size - 1)
			r.ticks(1)
			r.now = r.now.Add(time.Minute)
		}
		if got := r.has(autoscale.Yielding); got != 0 {
			t.Error("it yields")
		}
	})
	t.Run("one order is undone only once", func(t *testing.T) {
		r := newRig(t, rule)
		r.platform.set(8)
		r.gauge.latency(slow)
		r.ticks(1)
		r.gauge.latency(fine)
		for range 4 {
			r.platform.set(r.platform.size - 1)
			r.ticks(1)
		}
		if got := r.has(autoscale.Yielding); got != 0 {
			t.Error("it yields")
		}
	})
	t.Run("the next leader yields too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b, sa, sb, _ := two(t, rule)
			sa.lead()
			a.gauge.latency(slow)
			b.gauge.latency(slow)
			a.pass()
			for range 3 {
				a.pass()
				a.platform.set(a.platform.size - 1)
				a.pass()
			}
			a.pass()
			a.platform.takeOrders()
			sb.lead()
			for range 10 {
				b.pass()
			}
			if got := b.platform.takeOrders(); got != nil || b.a.Status().Last.Limit != limit.ByYielding {
				t.Errorf("the next leader ordered %v, limit %v", got, b.a.Status().Last.Limit)
			}
			time.Sleep(time.Hour)
			b.pass()
			if got := b.platform.takeOrders(); len(got) != 1 {
				t.Errorf("an hour later: ordered %v", got)
			}
		})
	})
}

func TestOrderThatSucceeded(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Max = autoscale.Fixed(9) })
	r.gauge.latency(slow)
	r.ticks(3) // to 2, for sure
	r.gauge.latency(fine)
	r.platform.set(5)
	r.ticks(1)
	r.platform.set(2) // by somebody else
	r.ticks(1)
	if got := r.has(autoscale.Scaled); got != 1 {
		t.Errorf("notified of %d orders of ours, want 1", got)
	}
}
