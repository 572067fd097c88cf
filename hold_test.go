package autoscale_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// A platform that asked to wait gets no order before that, and raises no alarm.
func TestBusyUntil(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = recommends(4), autoscale.Fixed(9) })
	r.platform.failing = &autoscale.BusyError{RetryAfter: 100 * time.Second, Err: errors.New("a deployment is in flight")}
	r.tryTicks(1) // NextUp is known as soon as the platform has said so
	if last := r.a.Status().Last; last.NextUp != r.now.Add(100*time.Second) || last.NextDown != last.NextUp {
		t.Errorf("at %v the platform asked to wait for 100 s, and NextUp is %v, NextDown %v", r.now, last.NextUp, last.NextDown)
	}
	if orders := r.tryTicks(7); !cmp.Equal(orders, []int{4}) {
		t.Errorf("in the four minutes after that %v were ordered, want one order after 100 s or in the tick after", orders)
	}
	last := r.a.Status().Last
	if last.Limit != limit.ByBusy || last.Until.Before(r.now) || last.NextUp != last.Until {
		t.Errorf("held by %v until %v, next up %v, at %v", last.Limit, last.Until, last.NextUp, r.now)
	}
	if text := r.a.Status().String(); !strings.Contains(text, "the platform is busy") {
		t.Errorf("Status says %q", text)
	}
	if r.has(autoscale.ScaleFailing) != 0 || r.has(autoscale.ScaleFailed) != 1 || r.a.Status().ScaleFailures != 0 {
		t.Errorf("%d failed, %d failing", r.has(autoscale.ScaleFailed), r.has(autoscale.ScaleFailing))
	}
	r.platform.failing = nil
	if orders := r.tryTicks(4); !cmp.Equal(orders, []int{4}) {
		t.Errorf("after the hold %v were ordered", orders)
	}
}

// An absurd time to wait does not silence the autoscaler.
func TestBusyForAges(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = recommends(4), autoscale.Fixed(9) })
	r.platform.failing = &autoscale.BusyError{RetryAfter: 1000 * time.Hour}
	if orders := r.tryTicks(20); len(orders) != 1 {
		t.Errorf("within ten minutes %v were ordered", orders)
	}
	r.tryTicks(10)
	if r.has(autoscale.ScaleFailing) == 0 {
		t.Error("after a quarter of an hour nobody was told")
	}
	r.platform.failing = nil
	if orders := r.tryTicks(2); len(orders) == 0 {
		t.Error("nothing was ordered after the platform could again")
	}
}

// A tick in which nothing is ordered does not end the wait.
func TestBusyWaitLasts(t *testing.T) {
	want, n := 4, 0
	r := newRig(t, func(c *autoscale.Config) {
		c.Max = autoscale.Fixed(9)
		c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			if n++; n%4 == 0 {
				return autoscale.Decision{Act: true, Size: o.Capacity.Desired}
			}
			return autoscale.Decision{Act: true, Size: want}
		})
	})
	r.platform.failing = &autoscale.BusyError{RetryAfter: 5 * time.Minute}
	if orders := r.tryTicks(20); len(orders) > 2 {
		t.Errorf("in ten minutes %v were ordered, although the platform asked to wait for five each time", orders)
	}
	r.tryTicks(20)
	if r.has(autoscale.ScaleFailing) == 0 {
		t.Error("a platform that is busy for twenty minutes was not reported")
	}
}

// After part of a decrease, another decrease than its rest has its cooldown.
func TestPartialOrderHasACooldown(t *testing.T) {
	to := 20
	r := newRig(t, func(c *autoscale.Config) {
		c.Max, c.Limits.Down.Cooldown, c.Limits.Up.Cooldown = autoscale.Fixed(50), time.Hour, time.Hour
		c.Decider = autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: to} })
	})
	r.platform.size = 2
	r.platform.failing = &autoscale.PartialError{Size: 20, Reached: 12, Err: &autoscale.BusyError{Err: errors.New("no room")}}
	r.tryTicks(1)
	r.platform.failing = nil
	r.platform.set(12)
	to = 3
	if orders := r.ticks(3); orders != nil {
		t.Errorf("right after an increase in parts %v were ordered", orders)
	}
	to = 20
	if orders := r.ticks(1); !cmp.Equal(orders, []int{20}) {
		t.Errorf("the rest: %v were ordered", orders)
	}
	if r.has(autoscale.ScaleFailed) != 0 {
		t.Error("part of an order was reported as a failure")
	}
}

// A busy platform may also not say its size.
func TestBusyToRead(t *testing.T) {
	r := newRig(t, nil)
	r.ticks(1)
	r.platform.readErr = &autoscale.BusyError{Err: errors.New("429 Too Many Requests")}
	r.tryTicks(10)
	if r.has(autoscale.ScaleFailing) != 0 || r.has(autoscale.ScaleFailed) != 1 {
		t.Errorf("%d failed, %d failing", r.has(autoscale.ScaleFailed), r.has(autoscale.ScaleFailing))
	}
	r.tryTicks(15)
	if r.has(autoscale.ScaleFailing) == 0 {
		t.Error("after ten minutes nobody was told")
	}
}

func TestDeploying(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = recommends(4), autoscale.Fixed(9) })
	r.platform.deploys = true
	if orders := r.ticks(10); orders != nil {
		t.Errorf("%v were ordered during a deployment", orders)
	}
	s := r.a.Status()
	if s.Last.Limit != limit.ByDeployment || !strings.HasSuffix(s.String(), "4 recommended, but a deployment is under way") {
		t.Errorf("held by %v: %s", s.Last.Limit, s)
	}
	if len(s.Samples) != 10 {
		t.Errorf("%d samples of 10 count: the service serves during a deployment", len(s.Samples))
	}
	if told := r.take(); told != nil {
		t.Errorf("a deployment raised %v", told)
	}
	r.platform.deploys = false
	if orders := r.ticks(1); !cmp.Equal(orders, []int{4}) {
		t.Errorf("after the deployment %v were ordered", orders)
	}
}

// A deployment that never ends does not hold the size for ever, nor does a new one have to
// wait for an old one.
func TestDeployingForAges(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = recommends(4), autoscale.Fixed(9) })
	r.platform.deploys = true
	if orders := r.ticks(20); orders != nil {
		t.Errorf("within ten minutes %v were ordered", orders)
	}
	if orders := r.ticks(2); !cmp.Equal(orders, []int{4}) {
		t.Errorf("after ten minutes %v were ordered", orders)
	}
	r.platform.deploys = false
	r.ticks(1)
	r.platform.set(2)
	r.platform.deploys = true
	if orders := r.ticks(5); orders != nil {
		t.Errorf("during the second deployment %v were ordered", orders)
	}
}

// Part of an order counts as ours, and the rest follows without a cooldown.
func TestPartialOrder(t *testing.T) {
	for _, tt := range []struct {
		name                   string
		from, to, reached, now int // now is what the platform runs in the next tick
		failed                 int
	}{
		{"more", 2, 20, 7, 7, 0},
		{"more, and some of the rest came late", 2, 20, 7, 9, 0},
		{"fewer", 20, 5, 12, 12, 0},
		{"nothing", 2, 20, 2, 2, 1},
		{"nonsense", 2, 20, 90, 2, 1},
		{"the other way", 5, 9, 3, 5, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *autoscale.Config) {
				c.Decider, c.Max, c.Limits.Up.Cooldown, c.Limits.Down.Cooldown = recommends(tt.to), autoscale.Fixed(50), time.Hour, time.Hour
			})
			r.platform.size = tt.from
			r.platform.failing = &autoscale.PartialError{Size: tt.to, Reached: tt.reached, Err: errors.New("too many requests")}
			d, err := r.tick()
			if err == nil || !strings.Contains(err.Error(), "part of the order was carried out") {
				t.Errorf("the tick's error is %v", err)
			}
			if want := tt.failed == 0; d.Act != want || want && d.Size != tt.reached {
				t.Errorf("the tick came to %+v", d)
			}
			if n := r.a.Status().ScaleFailures; n != tt.failed {
				t.Errorf("%d failures, want %d", n, tt.failed)
			}
			r.platform.failing = nil
			r.platform.set(tt.now)
			r.platform.takeOrders()
			if orders := r.ticks(1); !cmp.Equal(orders, []int{tt.to}) {
				t.Errorf("the rest: %v were ordered, want %d", orders, tt.to)
			}
			if n := r.has(autoscale.Changed); n != 0 {
				t.Errorf("what came of the order was taken for a change by somebody else %d times", n)
			}
		})
	}
}

type redeploying struct{ *platform }

func (redeploying) Redeploys() bool { return true }

type wrapped struct{ autoscale.Scaler }

type panickingScaler struct{ *platform }

func (panickingScaler) Redeploys() bool { panic("bad scaler") }

type orderTimer struct {
	*platform
	longest time.Duration
}

func (o orderTimer) OrderTime() time.Duration {
	if o.longest == 0 {
		panic("bad scaler")
	}
	return o.longest
}

// A platform that is at work is waited for once: for as long as its Scaler says, and whether it
// says so in its capacity, in its answer to an order, or in both.
func TestOrderTime(t *testing.T) {
	busy, fault := &autoscale.BusyError{Err: errors.New("a deployment is in flight")}, errors.New("409 Conflict")
	for _, tt := range []struct {
		name   string
		scaler func(*platform) autoscale.Scaler
		want   time.Duration
	}{
		{"not known", func(p *platform) autoscale.Scaler { return p }, 10 * time.Minute},
		{"shorter", func(p *platform) autoscale.Scaler { return orderTimer{p, time.Minute} }, 10 * time.Minute},
		{"negative", func(p *platform) autoscale.Scaler { return orderTimer{p, -time.Hour} }, 10 * time.Minute},
		{"longer", func(p *platform) autoscale.Scaler { return orderTimer{p, 15 * time.Minute} }, 15 * time.Minute},
		{"in a wrapper", func(p *platform) autoscale.Scaler { return wrapped{orderTimer{p, 15 * time.Minute}} }, 15 * time.Minute},
		{"too long", func(p *platform) autoscale.Scaler { return orderTimer{p, 24 * time.Hour} }, time.Hour},
		{"panics", func(p *platform) autoscale.Scaler { return orderTimer{p, 0} }, 10 * time.Minute},
	} {
		for _, says := range []struct {
			name    string
			deploys bool
			answer  error
		}{{"answers", false, busy}, {"deploys", true, fault}, {"deploys and answers", true, busy}} {
			t.Run(tt.name+"/"+says.name, func(t *testing.T) {
				r := newRig(t, func(c *autoscale.Config) {
					c.Scaler, c.Decider, c.Max = tt.scaler(c.Scaler.(*platform)), recommends(4), autoscale.Fixed(9)
				})
				r.platform.deploys, r.platform.failing = says.deploys, says.answer
				r.tryTicks(int(tt.want / (30 * time.Second)))
				if r.has(autoscale.ScaleFailing) != 0 || r.a.Status().ScaleFailures != 0 {
					t.Errorf("within %v there was an alarm", tt.want)
				}
				r.tryTicks(3)
				if r.has(autoscale.ScaleFailing) == 0 {
					t.Errorf("in the third tick after %v nobody was told", tt.want)
				}
			})
		}
	}
}

// Where an order costs a deployment, the cooldowns are longer by default.
func TestRedeploys(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scaler func(*platform) autoscale.Scaler
		limits limit.Limits
		ticks  int // between two orders
	}{
		{"no", func(p *platform) autoscale.Scaler { return p }, limit.Limits{}, 1},
		{"yes", func(p *platform) autoscale.Scaler { return redeploying{p} }, limit.Limits{}, 20},
		{"in a wrapper", func(p *platform) autoscale.Scaler { return wrapped{redeploying{p}} }, limit.Limits{}, 20},
		{"with a cooldown of the user", func(p *platform) autoscale.Scaler { return redeploying{p} }, limit.Limits{Up: limit.Behavior{Cooldown: time.Minute}}, 2},
		{"panics", func(p *platform) autoscale.Scaler { return panickingScaler{p} }, limit.Limits{}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			size := 1
			r := newRig(t, func(c *autoscale.Config) {
				c.Scaler, c.Limits, c.Max = tt.scaler(c.Scaler.(*platform)), tt.limits, autoscale.Fixed(9)
				c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
					return autoscale.Decision{Act: true, Size: o.Capacity.Desired + 1}
				})
			})
			var at []int
			for i := range 50 {
				if orders := r.ticks(1); orders != nil {
					at, size = append(at, i), size+1
				}
			}
			if len(at) < 2 || at[1]-at[0] != tt.ticks {
				t.Errorf("orders in the ticks %v, want %d between them", at, tt.ticks)
			}
		})
	}
}

// An order that was taken ends the hold: a busy platform later has its ten minutes again.
func TestBusyStartsAgain(t *testing.T) {
	size := 4
	r := newRig(t, func(c *autoscale.Config) {
		c.Max = autoscale.Fixed(9)
		c.Decider = autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: size} })
	})
	for range 2 {
		r.platform.failing = &autoscale.BusyError{}
		r.tryTicks(16)
		r.platform.failing = nil
		r.ticks(1)
		size++
	}
	if r.has(autoscale.ScaleFailing) != 0 {
		t.Error("two releases of eight minutes were taken for one")
	}
}

// After part of an order, the rest waits for as long as the platform asked to.
func TestPartialOrderWaits(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = recommends(20), autoscale.Fixed(50) })
	r.platform.size = 2
	r.platform.failing = &autoscale.PartialError{Size: 20, Reached: 12, Err: &autoscale.BusyError{RetryAfter: 2 * time.Minute}}
	r.tryTicks(1)
	r.platform.failing = nil
	r.platform.set(12)
	if orders := r.ticks(3); orders != nil {
		t.Errorf("before the platform was ready for the rest, %v were ordered", orders)
	}
	if orders := r.ticks(2); !cmp.Equal(orders, []int{20}) {
		t.Errorf("after two minutes %v were ordered", orders)
	}
}

// Part of an order is progress: a platform that is busy later has its ten minutes again.
func TestPartialOrderEndsAHold(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = recommends(20), autoscale.Fixed(50) })
	r.platform.size = 2
	for range 4 {
		r.platform.failing = &autoscale.BusyError{}
		r.tryTicks(16)
		r.platform.failing, r.platform.atOnce = nil, 3
		r.tryTicks(1)
	}
	if r.platform.size != 14 {
		t.Errorf("%d processes run, want 14", r.platform.size)
	}
	if n := r.has(autoscale.ScaleFailing); n != 0 || r.has(autoscale.ScaleFailed) != 4 {
		t.Errorf("releases of eight minutes, between which the platform took orders, failed %d times, want 4, and were taken for one: %d", r.has(autoscale.ScaleFailed), n)
	}
}

// A platform that is busy says nothing of the fault before, which is over when it takes an order.
func TestBusyEndsNoAlarm(t *testing.T) {
	for _, wait := range []time.Duration{0, 7 * time.Minute} {
		r := newRig(t, func(c *autoscale.Config) {
			c.Decider, c.Max, c.NotifyOn = recommends(4), autoscale.Fixed(9), autoscale.ScaleFailing
		})
		r.platform.failing = errors.New("503 Service Unavailable")
		r.tryTicks(4)
		r.platform.failing = &autoscale.BusyError{RetryAfter: wait}
		r.tryTicks(16)
		r.platform.failing = errors.New("503 Service Unavailable")
		r.tryTicks(4)
		if told := r.take(); !cmp.Equal(told, []string{"scale_failing began"}) {
			t.Errorf("wait of %v: %v, want that it began, once", wait, told)
		}
		r.platform.failing = nil
		r.tryTicks(20)
		if told := r.take(); !cmp.Equal(told, []string{"scale_failing ended"}) || r.platform.size != 4 {
			t.Errorf("wait of %v: after an order that was taken %v, size %d", wait, told, r.platform.size)
		}
	}
}

// A fault between two busy answers does not begin the ten minutes again: no order was taken.
func TestFaultsDoNotRenewPatience(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = recommends(4), autoscale.Fixed(9) })
	answers := []error{&autoscale.BusyError{RetryAfter: 20 * time.Minute}, errors.New("503 Service Unavailable")}
	orders := 0
	for range 120 {
		r.platform.failing = answers[orders%2]
		orders += len(r.tryTicks(1))
	}
	if r.has(autoscale.ScaleFailing) == 0 {
		t.Errorf("in an hour the platform took none of %d orders, and nobody was told", orders)
	}
}

// Where more is recommended meanwhile, the rest of an order has no cooldown, and what goes
// beyond it has.
func TestRestOfAnOrderIsNotOutgrown(t *testing.T) {
	for _, tt := range []struct {
		name          string
		from, to, now int // now is recommended after part of the order
		orders        []int
	}{
		{"more", 2, 20, 25, []int{20}},
		{"less than the rest", 2, 20, 15, []int{15}},
		{"fewer", 20, 5, 3, []int{5}},
		{"the other way", 2, 20, 3, nil},
		{"what runs", 2, 20, 9, nil},
	} {
		want := tt.to
		r := newRig(t, func(c *autoscale.Config) {
			c.Max, c.Limits.Up.Cooldown, c.Limits.Down.Cooldown = autoscale.Fixed(50), time.Hour, time.Hour
			c.Decider = autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: want} })
		})
		r.platform.size, r.platform.atOnce, r.platform.short = tt.from, 7, errors.New("too many requests")
		r.tryTicks(1)
		want, r.platform.atOnce = tt.now, 0
		if orders := r.ticks(3); !cmp.Equal(orders, tt.orders) {
			t.Errorf("%s: after %d of %d were reached, %d are recommended, and %v were ordered, want %v", tt.name, r.platform.size, tt.to, tt.now, orders, tt.orders)
		}
	}
}

// An order of an hour ago has no rest.
func TestOldOrderHasNoRest(t *testing.T) {
	want := 20
	r := newRig(t, func(c *autoscale.Config) {
		c.Max = autoscale.Fixed(50)
		c.Decider = autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: want} })
	})
	r.platform.size, r.platform.atOnce = 2, 7
	r.tryTicks(1)
	want, r.platform.atOnce = 9, 0
	r.ticks(120)
	want = 40
	if orders := r.ticks(1); !cmp.Equal(orders, []int{40}) {
		t.Errorf("%v were ordered, want 40", orders)
	}
}
