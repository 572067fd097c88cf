package autoscale_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
)

// lease is a seat whose term ends ttl from now.
type lease struct {
	*seat
	ttl time.Duration
}

func (l *lease) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: "x", Number: l.term, Until: time.Now().Add(l.ttl)}, l.term > 0
}

func (l *lease) Save(ctx context.Context, term int64, state []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.seat.Save(ctx, term, state)
}

func TestTermRenewedDuringTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := new(registry)
		s := reg.seat("web.1")
		s.lead()
		r := newRig(t, func(c *autoscale.Config) {
			c.Elector = &lease{s, 10 * time.Second}
			c.Prober = autoscale.ProberFunc(func(ctx context.Context) (autoscale.Sample, error) {
				time.Sleep(12 * time.Second) // the service hangs; the lease is renewed meanwhile
				return autoscale.Sample{Signals: autoscale.SignalLatency, Failure: autoscale.Timeout, Latency: 12 * time.Second}, nil
			})
		})
		for range 10 {
			r.pass()
			if s.term == 0 {
				s.lead()
			}
		}
		if got := r.platform.takeOrders(); got == nil {
			t.Errorf("never ordered; last error %v; notified of %v", r.a.Status().Last.Err, r.take())
		}
	})
}

// changing is an Elector whose term changes within a tick.
type changing struct {
	office
	n int64
}

func (c *changing) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: "web.1", Number: c.n, Until: time.Now().Add(time.Minute)}, true
}

func TestTermChangesDuringTick(t *testing.T) {
	c := &changing{n: 5}
	var r *rig
	r = newRig(t, func(cfg *autoscale.Config) {
		cfg.Elector = c
		cfg.Max = autoscale.Fixed(9)
		cfg.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			c.n = 7 // frozen here; lost; 6 led and ordered 8; we won again
			r.platform.size = 8
			return autoscale.Decision{Act: true, Size: o.Capacity.Desired + 1}
		})
	})
	r.tick()
	if got := r.platform.takeOrders(); got != nil {
		t.Errorf("ordered %v in term 7 on what was read in term 5: size was 8", got)
	}
}

func TestNeverLed(t *testing.T) {
	o := &office{} // returns Number 1 with false
	r := newRig(t, func(c *autoscale.Config) { c.Elector = o })
	r.tick()
	if r.has(autoscale.LeaderChanged) > 0 {
		t.Errorf("%v", r.seen[0])
	}
}

func TestUnsentEventsOfFormerLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, reg := two(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Changed })
		sa.lead()
		a.pass()
		reg.broken = errors.New("down")
		a.platform.set(2)
		a.pass() // sees the change, cannot record it
		reg.broken = nil
		sb.lead() // another leads
		b.pass()  // sees it, records it, notifies of it
		sa.lead() // and back, between two ticks of a
		a.pass()
		if n := len(a.notified) + len(b.notified); n != 1 {
			t.Errorf("notified of %d times: %v %v", n, a.notified, b.notified)
		}
	})
}

func TestStoreFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, sa, _, reg := two(t, nil)
		sa.lead()
		a.pass()
		reg.broken = errors.New("the server is read-only")
		for range 4 {
			a.pass()
		}
		failing := func() bool {
			return slices.ContainsFunc(a.a.Status().Conditions, func(e autoscale.Event) bool {
				return e.Kind == autoscale.StoreFailing && strings.Contains(e.String(), "read-only")
			})
		}
		if !failing() || a.has(autoscale.StoreFailing) == 0 {
			t.Errorf("conditions %v", a.a.Status().Conditions)
		}
		reg.broken = nil
		a.pass()
		a.pass()
		if failing() {
			t.Error("it works again, and the condition still holds")
		}
	})
}

func TestResignIfOrderNotRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := new(registry)
		s := reg.seat("web.1")
		s.lead()
		a := newRig(t, func(c *autoscale.Config) {
			c.Decider = autoscale.Consecutive{UpAfter: 1}
			c.Elector = &dying{seat: s, after: 1} // the intent is recorded, what came of it is not
		})
		a.gauge.latency(slow)
		a.pass()
		if got := a.platform.takeOrders(); len(got) != 1 || s.rested == 0 {
			t.Errorf("ordered %v, rests for %v", got, s.rested)
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
