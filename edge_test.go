package autoscale_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
)

type nilErr struct{ inner error }

func (e *nilErr) Error() string { return e.inner.Error() }
func (e *nilErr) Unwrap() error { return e.inner }

type nilErr2 struct{ s string }

func (e *nilErr2) Error() string { return e.s }

func TestAnErrorThatPanics(t *testing.T) {
	for name, mk := range map[string]func() error{
		"with Unwrap": func() error { var e *nilErr; return e },
		"plain":       func() error { var e *nilErr2; return e },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("panic escaped Tick: %v", p)
				}
			}()
			r := newRig(t, func(c *autoscale.Config) {
				c.Prober = autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { return autoscale.Sample{}, mk() })
			})
			r.tick()
		})
	}
}

type windowPanics struct{}

func (windowPanics) Decide(autoscale.Observation) autoscale.Decision { return autoscale.Decision{} }
func (windowPanics) Window() time.Duration                           { panic("boom") }

func TestAWindowThatPanics(t *testing.T) {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("panic escaped Tick: %v", p)
		}
	}()
	r := newRig(t, func(c *autoscale.Config) { c.Decider = windowPanics{} })
	r.tick()
}

// A LimitError without a Limit, then Override: orders 0.
func TestALimitOfNothing(t *testing.T) {
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

// The limit equals or exceeds what was asked: told each tick.
func TestALimitThatExplainsNothing(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Max = autoscale.Fixed(90) })
	r.platform.failing = &autoscale.LimitError{Size: 2, Limit: 100}
	r.gauge.latency(slow)
	for range 20 {
		r.tick()
	}
	if n := r.has(autoscale.LimitReached); n > 1 {
		t.Errorf("told %d times", n)
	}
}

// save uses the term's end as of the beginning of the tick.
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

func TestATermRenewedDuringATick(t *testing.T) {
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
			t.Errorf("never ordered; last error %v; told %v", r.a.Status().Last.Err, r.take())
		}
	})
}

// The term changes within the tick.
type changing struct {
	office
	n int64
}

func (c *changing) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: "web.1", Number: c.n, Until: time.Now().Add(time.Minute)}, true
}

func TestATermThatChangesDuringATick(t *testing.T) {
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

// A command from another process is not obeyed if this one's clock was ahead.
func TestTheStoresOrderOfCommandsCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, sa, _, reg := two(t, nil)
		sa.lead()
		a.pass()
		// A, whose clock is 10 minutes ahead, is told to pause.
		time.Sleep(10 * time.Minute)
		if err := a.a.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		// B, whose clock is right, is told to resume 5 minutes after.
		given := time.Now().Add(-5 * time.Minute).Format(time.RFC3339Nano)
		reg.command = []byte(`{"kind":"resume","given":"` + given + `"}`)
		a.platform.set(9)
		for range 8 {
			a.pass()
		}
		if got := a.platform.takeOrders(); got == nil {
			t.Errorf("the leader is still paused: %q", a.a.Status().Command)
		}
	})
}

// One glitch of a prober's Time.
func TestASampleFromTheFuture(t *testing.T) {
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

// Passed-over samples push the others out.
func TestPassedOverSamplesPushOutNone(t *testing.T) {
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

func TestMaintenanceIsNoMeasurement(t *testing.T) {
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

func TestATickShorterThanTheProbe(t *testing.T) {
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

func TestParseScheduleReadsItAll(t *testing.T) {
	for _, s := range []string{`{"0:00": 2}, "9:00": 50}`, `{"0:00": 2}, {"9:00": 50}`, `{"0:00": 2}}`, `{"0:00": 2} nonsense`} {
		if got, err := autoscale.ParseSchedule(s, time.UTC); err == nil {
			t.Errorf("%s: read as %v", s, got)
		}
	}
}

func TestOverrideSaysWhy(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Scaled })
	r.a.Override(t.Context(), 3, time.Now().Add(time.Hour*24*3650))
	r.tick()
	if !strings.Contains(r.told[0].String(), "set to 3 until") {
		t.Errorf("%v", r.told[0])
	}
}

func TestADryRunOutsideTheBoundsIsToldOnce(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.DryRun, c.NotifyOn = true, autoscale.Scaled })
	r.platform.set(9)
	r.ticks(100)
	if n := len(r.told); n > 2 {
		t.Errorf("told %d times", n)
	}
}

func TestWhoNeverLedDoesNotCease(t *testing.T) {
	o := &office{} // returns Number 1 with false
	r := newRig(t, func(c *autoscale.Config) { c.Elector = o })
	r.tick()
	if r.has(autoscale.LeaderChanged) > 0 {
		t.Errorf("%v", r.seen[0])
	}
}

func TestAStopIsNoFailure(t *testing.T) {
	r := newRig(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	r2 := newRig(t, func(c *autoscale.Config) {
		c.Scaler = stopScaler{r.platform, cancel}
		c.Decider = autoscale.Consecutive{UpAfter: 1}
		c.NotifyOn = autoscale.ScaleFailed
	})
	r2.gauge.latency(slow)
	_, err := r2.a.Tick(ctx, start)
	if s := r2.a.Status(); s.ScaleFailures != 0 {
		t.Errorf("%d failures counted for a stop: %v; seen %d", s.ScaleFailures, err, r2.has(autoscale.ScaleFailed))
	}
}

type stopScaler struct {
	autoscale.Scaler
	stop func()
}

func (s stopScaler) Scale(ctx context.Context, _ int) error {
	s.stop()
	<-ctx.Done()
	return ctx.Err()
}

func TestNoKindsReadsBack(t *testing.T) {
	text, _ := autoscale.NoKinds.MarshalText()
	var k autoscale.EventKind
	if err := k.UnmarshalText(text); err != nil || k != autoscale.NoKinds {
		t.Errorf("%s reads as %d, %v: NotifyOn is then DefaultKinds", text, k, err)
	}
}

func TestAnIntervalWithoutAUnit(t *testing.T) {
	c := autoscale.Config{Prober: &gauge{}, Scaler: &platform{}, Interval: 30}
	if c.Validate() == nil {
		t.Error("Interval: 30 (ns) is accepted")
	}
}

func TestWhatWaitsIsNotToldByTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, reg := two(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Changed })
		sa.lead()
		a.pass()
		reg.broken = errors.New("down")
		a.platform.set(2)
		a.pass() // sees the change, cannot record it
		reg.broken = nil
		sb.lead() // another leads
		b.pass()  // sees it, records, tells
		sa.lead() // and back, between two ticks of a
		a.pass()
		if n := len(a.told) + len(b.told); n != 1 {
			t.Errorf("told %d times: %v %v", n, a.told, b.told)
		}
	})
}

func TestATimeThatCannotBeStored(t *testing.T) {
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
			t.Errorf("none; %v; told %v", a.a.Status().Last.Err, a.take())
		}
	})
}

// Commands by real time, ticks by simulated time.
func TestResumeInSimulatedTime(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: -1}
		c.Max = autoscale.Fixed(9)
	})
	r.now = time.Now().AddDate(1, 0, 0)
	r.gauge.latency(slow)
	r.ticks(1)
	for range 3 {
		r.ticks(1)
		r.platform.set(r.platform.size - 1)
		r.ticks(1)
	}
	r.ticks(1)
	if r.a.Status().Last.Limit != limit.ByYielding {
		t.Fatal("no")
	}
	r.platform.takeOrders()
	r.a.Resume(t.Context())
	if got := r.ticks(10); got == nil {
		t.Errorf("Resume is ignored: %v", r.a.Status().Last.Limit)
	}
}

// rival beside the bounds; person corrects in the opposite direction of ours, etc.
func TestAClockThatIsPutBack(t *testing.T) {
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

func TestAStoreThatFailsIsSeen(t *testing.T) {
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
			t.Error("it fails no more, and is still said to")
		}
	})
}

func TestALeaderThatCannotRecordAnOrderResigns(t *testing.T) {
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

func TestRivalry(t *testing.T) {
	rule := func(c *autoscale.Config) {
		c.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: -1}
		c.Max = autoscale.Fixed(9)
	}
	t.Run("what is undone late is not against us", func(t *testing.T) {
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
			t.Error("it stood down")
		}
	})
	t.Run("one order is undone once", func(t *testing.T) {
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
			t.Error("it stood down")
		}
	})
	t.Run("outlives its leader", func(t *testing.T) {
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

func TestAnOrderThatSucceededIsNotUnsure(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.Max = autoscale.Fixed(9) })
	r.gauge.latency(slow)
	r.ticks(3) // to 2, for sure
	r.gauge.latency(fine)
	r.platform.set(5)
	r.ticks(1)
	r.platform.set(2) // by somebody else
	r.ticks(1)
	if got := r.has(autoscale.Scaled); got != 1 {
		t.Errorf("told %d orders of ours, want 1", got)
	}
}
