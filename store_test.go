package autoscale_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/rule"
)

func TestTheNextLeaderGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, _ := two(t, func(c *autoscale.Config) {
			c.Limits.Up.Cooldown = 10 * time.Minute
			c.Max = autoscale.Fixed(2)
		})
		sa.lead()
		a.gauge.latency(slow)
		b.gauge.latency(slow)
		for range 3 {
			a.pass()
		}
		if got := a.platform.takeOrders(); !slices.Equal(got, []int{2}) {
			t.Fatalf("the first ordered %v, want [2]", got)
		}
		for range 3 {
			a.pass()
		}
		if got, want := a.take(), []string{"needs_above_max began"}; !slices.Equal(got, want) {
			t.Fatalf("the first notified of %v, want %v", got, want)
		}

		// It is killed, and another leads.
		sb.lead()
		a.platform.set(1) // somebody else removes one, meanwhile
		b.pass()
		if got := b.has(autoscale.Changed); got != 1 {
			t.Errorf("the next leader notified of %d changes by others, want 1", got)
		}
		for range 10 {
			b.pass()
		}
		if got := b.platform.takeOrders(); got != nil {
			t.Errorf("the next leader forgot the cooldown: ordered %v", got)
		}
		if got, want := b.take(), []string{"needs_above_max ended"}; !slices.Equal(got, want) {
			t.Errorf("the next leader notified of %v, want %v and not its beginning again", got, want)
		}
		s := b.a.Status()
		if !s.Leading || s.Term.Number != 2 || len(s.Events) < 3 {
			t.Errorf("status of the next leader: %+v", s)
		}

		// The former leader finds out when it records, and notifies of nothing.
		a.gauge.broken(errors.New("no"))
		for range 5 {
			a.pass()
		}
		if got := a.take(); got != nil {
			t.Errorf("the former leader notified of %v", got)
		}
		if _, err := a.pass(); !errors.Is(err, autoscale.ErrNotLeader) {
			t.Errorf("Tick = %v, want ErrNotLeader", err)
		}
		// Its Status is the leader's.
		s = a.a.Status()
		if s.Leading || s.Term.Holder != "web.2" || s.Age != 3*time.Minute || s.Last.Limit != limit.ByCooldown || s.Capacity.Desired != 1 || s.Counters.Scales != 1 {
			t.Errorf("status of a follower: %+v", s)
		}
	})
}

func TestAStreakOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, _ := two(t, nil)
		sa.lead()
		a.gauge.latency(slow)
		b.gauge.latency(slow)
		a.pass()
		a.pass()
		sb.lead()
		b.pass()
		if got := b.platform.takeOrders(); !slices.Equal(got, []int{2}) {
			t.Errorf("the third too slow in a row: ordered %v, want [2]", got)
		}
	})
}

// TestKilledWhileOrdering dies at the worst moment: the platform has taken the
// order, and nobody was notified.
func TestKilledWhileOrdering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, reg := two(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Scaled | autoscale.Changed })
		sa.lead()
		a.gauge.latency(slow)
		a.pass()
		a.pass()
		// The record of the intent is the last thing that reaches the store.
		intent := reg.saves + 1
		killed := &dying{seat: sa, after: intent}
		dead := newRig(t, func(c *autoscale.Config) {
			c.Elector, c.Scaler, c.Decider = killed, a.platform, autoscale.Consecutive{UpAfter: 1}
		})
		dead.gauge.latency(slow)
		dead.a.Tick(t.Context(), time.Now())
		if a.platform.size != 2 || len(dead.notified) != 0 {
			t.Fatalf("size %d, notified of %v", a.platform.size, dead.notified)
		}
		sb.lead()
		b.pass()
		if got, want := b.take(), []string{"scaled"}; !slices.Equal(got, want) {
			t.Errorf("the next leader notified of %v, want %v: the order was ours", got, want)
		}
	})
}

// dying is a seat whose process dies after so many saves.
type dying struct {
	*seat
	after int
}

func (d *dying) Save(ctx context.Context, term int64, state []byte) error {
	if d.saves >= d.after {
		return errors.New("killed")
	}
	return d.seat.Save(ctx, term, state)
}

func TestNothingIsSentBeforeItIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, sa, _, reg := two(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Changed | autoscale.Scaled })
		sa.lead()
		a.pass()
		reg.broken = errors.New("connection refused")
		a.platform.set(2)
		a.pass()
		if got := a.take(); got != nil {
			t.Errorf("notified of %v before it was recorded", got)
		}
		if got := a.has(autoscale.Changed); got != 1 {
			t.Errorf("Observe got %d events, want them at once", got)
		}
		reg.broken = nil
		a.pass()
		if got, want := a.take(), []string{"changed"}; !slices.Equal(got, want) {
			t.Errorf("notified of %v, want %v", got, want)
		}

		// No size is ordered that could not be recorded before.
		reg.broken = errors.New("connection refused")
		a.gauge.latency(slow)
		for range 3 {
			a.pass()
		}
		if got := a.platform.takeOrders(); got != nil {
			t.Errorf("ordered %v", got)
		}
	})
}

func TestALeaderThatReachesNoPlatformResigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, sa, _, _ := two(t, nil)
		sa.lead()
		a.platform.readErr = errors.New("no route to host")
		for i := range 3 {
			if sa.rested != 0 {
				t.Fatalf("it resigned after %d failures", i)
			}
			a.pass()
		}
		if sa.rested != 30*time.Second {
			t.Errorf("it rests for %v, want 30s", sa.rested)
		}
		if _, err := a.pass(); !errors.Is(err, autoscale.ErrNotLeader) {
			t.Errorf("Tick = %v", err)
		}
	})
}

// TestStateIsBounded fills the state with the longest there is.
func TestStateIsBounded(t *testing.T) {
	reg := new(registry)
	s := reg.seat("web.1")
	s.lead()
	long := strings.Repeat("\x00\"é<", 10_000)
	var r *rig
	flip := 0
	r = newRig(t, func(c *autoscale.Config) {
		c.Elector = s
		c.Max = autoscale.Fixed(math.MaxInt)
		c.NotifyDiff = autoscale.Diff{Threshold: 1, Period: 1000 * time.Hour}
		c.Decider = autoscale.Highest(windowed{}, rule.Average{N: 5000}, autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			flip++
			if flip%50 == 0 {
				panic(long)
			}
			return autoscale.Decision{
				Act: true, Size: math.MaxInt/2 + flip%7,
				Reason: autoscale.Reason{Code: autoscale.ReasonCode(long), Detail: autoscale.ReasonText(long)},
			}
		}))
	})
	r.gauge.sample = autoscale.Sample{Signals: 255, Detail: long, Latency: math.MaxInt64, Throughput: math.MaxFloat64, Busy: math.MaxFloat64, Utilization: math.MaxFloat64, Backlog: math.MaxFloat64, Value: math.MaxFloat64}
	r.platform.set(1)
	for i := range 400 {
		r.platform.failing = nil
		if i%3 == 0 {
			r.platform.failing = errors.New(long)
		}
		r.now = r.now.Add(time.Second)
		r.a.Tick(t.Context(), r.now)
		if s.term == 0 {
			s.lead()
		}
	}
	var last struct{ Ticked time.Time }
	if err := json.Unmarshal(reg.state, &last); err != nil || !last.Ticked.Equal(r.now) {
		t.Errorf("saved last at %v, and the last tick was at %v: %v", last.Ticked, r.now, err)
	}
	if n := len(reg.state); n == 0 || n > autoscale.MaxState {
		t.Errorf("the state has %d bytes", n)
	} else {
		t.Logf("the fullest state has %d bytes", n)
	}
}

func TestAStateFromElsewhere(t *testing.T) {
	for name, state := range map[string]string{
		"nothing": "", "not JSON": "{", "of another version": `{"version": 99}`, "of the wrong shape": `{"version":1,"samples":[{"latency":"x"}]}`, "empty": `{"version":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			reg := &registry{state: []byte(state), saved: time.Now()}
			s := reg.seat("web.1")
			s.lead()
			r := newRig(t, func(c *autoscale.Config) { c.Elector = s })
			r.gauge.latency(slow)
			if got := r.ticks(3); !slices.Equal(got, []int{2}) {
				t.Errorf("ordered %v, want [2]: a leader that cannot read the state starts empty", got)
			}
			if _, err := json.Marshal(r.a.Status()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestClocksThatDiffer has a leader whose clock is an hour ahead: the next one
// must not wait an hour longer for the end of a cooldown.
func TestClocksThatDiffer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b, _, sb, reg := two(t, func(c *autoscale.Config) {
			c.Limits.Up.Cooldown, c.Decider = 5*time.Minute, autoscale.Consecutive{UpAfter: 1}
		})
		ahead := func(d time.Duration) string { return time.Now().Add(time.Hour + d).Format(time.RFC3339Nano) }
		reg.state = fmt.Appendf(nil, `{"version":1,"saved":%q,"ticked":%q,"known":true,"capacity":{"Desired":2},"changed":%q,"added":%q}`, ahead(0), ahead(0), ahead(-time.Minute), ahead(-time.Minute))
		reg.saved = time.Now()
		sb.lead()
		b.platform.set(2)
		b.gauge.latency(slow)
		for range 7 {
			b.pass()
		}
		if got := b.platform.takeOrders(); got != nil {
			t.Errorf("four and a half minutes after the change: ordered %v", got)
		}
		b.pass()
		if got := b.platform.takeOrders(); !slices.Equal(got, []int{3}) {
			t.Errorf("five minutes after the change: ordered %v, want [3]", got)
		}
	})
}
