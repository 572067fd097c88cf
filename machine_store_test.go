package autoscale_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
)

// clocked is a seat whose terms end at times that a test sets.
type clocked struct {
	*seat
	terms     []autoscale.Term // what Current answers, one after the other. The last one stays
	deadlines []time.Time      // of each Save
	read      time.Time        // of the Record. Zero: now
}

func (c *clocked) Current() (autoscale.Term, bool) {
	t := c.terms[0]
	if len(c.terms) > 1 {
		c.terms = c.terms[1:]
	}
	return t, true
}

func (c *clocked) Save(ctx context.Context, term int64, state []byte) error {
	deadline, _ := ctx.Deadline()
	c.deadlines = append(c.deadlines, deadline)
	return c.seat.Save(ctx, term, state)
}

func (c *clocked) Record() (autoscale.Record, bool) {
	record, ok := c.seat.Record()
	if !c.read.IsZero() {
		record.Read = c.read
	}
	return record, ok
}

func newClocked(t *testing.T) (*rig, *clocked) {
	c := &clocked{seat: new(registry).seat("web.1")}
	c.lead()
	r := newRig(t, func(cfg *autoscale.Config) { cfg.Elector = c })
	return r, c
}

// TestASaveEndsWithTheTerm looks at the deadlines of the calls to the Store.
func TestASaveEndsWithTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := newClocked(t)
		soon, late := time.Now().Add(10*time.Second), time.Now().Add(time.Hour)
		for _, tt := range []struct {
			name  string
			terms []autoscale.Term
			want  time.Time // zero: the Timeout decides
		}{
			{"the term ends soon", []autoscale.Term{{Number: 1, Until: soon}}, soon},
			{"it was renewed meanwhile", []autoscale.Term{{Number: 1, Until: soon}, {Number: 1, Until: late}}, time.Time{}},
			{"another term began meanwhile", []autoscale.Term{{Number: 1, Until: soon}, {Number: 2, Until: late}}, soon},
			{"the term has no end", []autoscale.Term{{Number: 1}}, time.Time{}},
		} {
			c.terms, c.deadlines = tt.terms, nil
			r.now = time.Now()
			r.a.Tick(t.Context(), r.now)
			if len(c.deadlines) != 1 {
				t.Errorf("%s: saved %d times", tt.name, len(c.deadlines))
			}
			for _, got := range c.deadlines {
				if !tt.want.IsZero() && !got.Equal(tt.want) || tt.want.IsZero() && (got.Equal(soon) || got.Equal(late)) {
					t.Errorf("%s: the deadline is in %v, want %v", tt.name, time.Until(got), time.Until(tt.want))
				}
			}
			time.Sleep(time.Second)
		}
	})
}

// TestASilentStoreIsSeen has a Store that takes what is saved, and was last read long ago.
func TestASilentStoreIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := newClocked(t)
		c.terms = []autoscale.Term{{Number: 1}}
		r.pass()
		c.read = time.Now()
		for range 3 {
			r.pass()
		}
		if n := r.has(autoscale.StoreFailing); n != 0 {
			t.Errorf("after 90 s it fails: %d events", n)
		}
		r.pass()
		if n := r.has(autoscale.StoreFailing); n != 1 || !strings.Contains(r.seen[len(r.seen)-1].String()+fmt.Sprint(r.a.Status().Conditions), "last answered 2m00s ago") {
			t.Errorf("after two minutes %d events: %v", n, r.a.Status().Conditions)
		}
		c.read = time.Time{}
		r.pass()
		if got := r.a.Status().Conditions; len(got) != 0 {
			t.Errorf("it answers, and %v", got)
		}
	})
}

// TestAStoreThatNeverAnswersIsSeen has a process that does not lead, and does not know whether
// another one does.
func TestAStoreThatNeverAnswersIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := new(registry)
		r := newRig(t, func(cfg *autoscale.Config) { cfg.Elector = reg.seat("web.1") })
		for range 4 {
			_, err := r.a.Tick(t.Context(), time.Now())
			if !errors.Is(err, autoscale.ErrStoreSilent) || !errors.Is(err, autoscale.ErrNotLeader) || strings.Contains(err.Error(), "another one acts") {
				t.Fatalf("Tick = %v", err)
			}
			if s := r.a.Status(); !errors.Is(s.Last.Err, autoscale.ErrStoreSilent) || len(s.Conditions) > 0 {
				t.Fatalf("it says %v, and %v holds", s, s.Conditions)
			}
			time.Sleep(30 * time.Second)
		}
		_, _ = r.a.Tick(t.Context(), time.Now())
		if s := r.a.Status(); len(s.Conditions) != 1 || s.Conditions[0].Kind != autoscale.StoreFailing || !strings.Contains(s.Conditions[0].String(), "has not answered yet, 2m00s after") {
			t.Errorf("after two minutes %v holds", s.Conditions)
		}
		reg.seat("web.2").lead() // the Store answers
		if got := r.a.Status().String(); got != "web: no tick yet" {
			t.Errorf("before its next tick it says %q", got)
		}
		time.Sleep(30 * time.Second)
		_, err := r.a.Tick(t.Context(), time.Now())
		if s := r.a.Status(); err != autoscale.ErrNotLeader || len(s.Conditions) > 0 {
			t.Errorf("it answers: %v, and %v holds", err, s.Conditions)
		}
	})
}

// TestNotificationsThatWaitAreBounded has a Store that cannot be written, and more events
// than wait for it.
func TestNotificationsThatWaitAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, sa, _, reg := two(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Changed })
		sa.lead()
		a.pass()
		reg.broken = errors.New("connection refused")
		const changes = 100
		for i := range changes {
			a.platform.set(1 + (i+1)%2)
			a.pass()
		}
		if len(a.notified) > 0 {
			t.Fatalf("notified of %d changes before they were recorded", len(a.notified))
		}
		reg.broken = nil
		a.pass()
		a.pass()
		const most = 64
		if n, dropped := len(a.notified), a.a.Status().Counters.Dropped; n != most || dropped != changes-most {
			t.Errorf("notified of %d changes, and %d dropped; want %d and %d", n, dropped, most, changes-most)
		}
	})
}

// TestWhatThePlatformPermitsRemovesNothing has a platform that permits fewer processes
// than run already.
func TestWhatThePlatformPermitsRemovesNothing(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = autoscale.Consecutive{UpAfter: 1}, autoscale.Fixed(9) })
	r.platform.set(5)
	r.platform.limit = 3
	r.gauge.latency(slow)
	r.tick()
	if got := r.platform.takeOrders(); !slices.Equal(got, []int{6}) || r.platform.size != 5 {
		t.Errorf("ordered %v, and %d run", got, r.platform.size)
	}
}

// TestARefusalThatPermitsMore has a platform that refuses 2, and says that it permits 8.
func TestARefusalThatPermitsMore(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Decider, c.Max = autoscale.Consecutive{UpAfter: 1}, autoscale.Fixed(9) })
	r.platform.failing = &autoscale.LimitError{Size: 2, Limit: 8, Err: errors.New("422")}
	r.gauge.latency(slow)
	if _, err := r.tick(); err == nil {
		t.Error("no error")
	}
	if got := r.platform.takeOrders(); !slices.Equal(got, []int{2}) {
		t.Errorf("ordered %v", got)
	}
}

// TestALeaderThatResignsRests has an Interval that is shorter than the rest.
func TestALeaderThatResignsRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(registry).seat("web.1")
		s.lead()
		r := newRig(t, func(c *autoscale.Config) {
			c.Decider, c.Interval = autoscale.Consecutive{UpAfter: 1}, 5*time.Second
			c.Elector = &dying{seat: s, after: 1}
		})
		r.gauge.latency(slow)
		r.pass()
		if s.rested != 30*time.Second {
			t.Errorf("it rests for %v", s.rested)
		}
	})
}

// TestAStateOfAnotherVersionIsNotRead changes the version of what the leader before saved.
func TestAStateOfAnotherVersionIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, reg := two(t, nil)
		sa.lead()
		a.pass()
		reg.state = []byte(strings.Replace(string(reg.state), `"version":1,`, `"version":7,`, 1))
		sb.lead()
		b.pass()
		if e := b.seen[0]; e.Kind != autoscale.LeaderChanged || e.Err == nil || !strings.Contains(e.Err.Error(), "has version 7, and this release reads version 1") {
			t.Errorf("%v: %v", e, e.Err)
		}
	})
}

// TestRulesAndPanicsAreBounded has a rule of twenty rules and twenty notifiers that panic.
func TestRulesAndPanicsAreBounded(t *testing.T) {
	var rules []autoscale.Decider
	var notifiers []autoscale.Notifier
	for range 20 {
		rules = append(rules, autoscale.Consecutive{})
		notifiers = append(notifiers, autoscale.NotifierFunc(func(context.Context, autoscale.Event) error { panic("no") }))
	}
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider, c.Notifiers, c.NotifyOn = autoscale.Highest(rules...), notifiers, autoscale.Changed
	})
	r.ticks(1)
	r.platform.set(2)
	r.ticks(2)
	status := r.a.Status()
	if n := len(status.Last.Rules); n != 16 {
		t.Errorf("%d rules are kept", n)
	}
	if c := status.Counters; c.Panics != 16 || c.NotifyFailures != 20 {
		t.Errorf("%d panics and %d failures, want 16 and 20", c.Panics, c.NotifyFailures)
	}
}

// TestObservePanicsOnceATick has an Observe that always panics, and events for it.
func TestObservePanicsOnceATick(t *testing.T) {
	calls := 0
	r := newRig(t, func(c *autoscale.Config) {
		c.Observe = func(autoscale.Event) { calls++; panic("no") }
	})
	r.ticks(1)
	r.platform.set(2)
	calls = 0
	r.ticks(1)
	if calls != 1 {
		t.Errorf("called %d times in the tick in which it panicked", calls)
	}
}

// TestAsManySamplesAsAreKept has a rule that looks back a week, at two ticks a minute.
func TestAsManySamplesAsAreKept(t *testing.T) {
	most := 0
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = week{autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			most = max(most, len(o.Samples))
			return autoscale.Decision{}
		})}
	})
	r.ticks(autoscale.MaxSamples + 10)
	if most != autoscale.MaxSamples {
		t.Errorf("a rule gets %d samples, want %d", most, autoscale.MaxSamples)
	}
}

type week struct{ autoscale.Decider }

func (week) Window() time.Duration { return 7 * 24 * time.Hour }

// TestTheCourseOfTheSizeIsBounded changes how many processes serve every second for five
// minutes.
func TestTheCourseOfTheSizeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, sa, _, reg := two(t, nil)
		sa.lead()
		a.platform.set(3)
		for i := range 300 {
			a.platform.pending = 1 + i%2
			time.Sleep(time.Second)
			a.now = time.Now()
			a.a.Tick(t.Context(), a.now)
		}
		var saved struct {
			Serving []json.RawMessage `json:"serving"`
		}
		if err := json.Unmarshal(reg.state, &saved); err != nil || len(saved.Serving) != 64 {
			t.Errorf("%d changes are kept, %v", len(saved.Serving), err)
		}
	})
}
