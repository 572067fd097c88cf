package autoscale_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/rule"
)

// registry is what the seats of one process type share, as a table would.
type registry struct {
	mu      sync.Mutex
	holder  string
	term    int64
	state   []byte
	saved   time.Time
	command []byte
	saves   int
	broken  error // of each round trip
}

// seat is an Elector and Store in one process. A test says which seat leads.
type seat struct {
	*registry
	name   string
	term   int64 // in which it believes to lead; 0: none
	rested time.Duration
}

func (r *registry) seat(name string) *seat { return &seat{registry: r, name: name} }

// lead makes s the leader. Who led before does not learn of it.
func (s *seat) lead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registry.term++
	s.registry.holder = s.name
	s.term = s.registry.term
}

func (s *seat) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (s *seat) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: s.name, Number: s.term}, s.term > 0
}

func (s *seat) Resign(rest time.Duration) { s.term, s.rested = 0, rest }

func (s *seat) Record() (autoscale.Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return autoscale.Record{
		Holder: s.holder, Term: s.registry.term, State: s.state, Age: time.Since(s.saved),
		Command: s.command, Read: time.Now(),
	}, s.registry.term > 0
}

func (s *seat) Save(_ context.Context, term int64, state []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	switch {
	case s.broken != nil:
		return s.broken
	case len(state) > autoscale.MaxState:
		return fmt.Errorf("%d bytes", len(state))
	case term != s.registry.term || s.holder != s.name:
		s.term = 0
		return fmt.Errorf("term %d is over: %w", term, autoscale.ErrNotLeader)
	}
	s.state, s.saved = slices.Clone(state), time.Now()
	return nil
}

func (s *seat) Command(_ context.Context, command []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.command = slices.Clone(command)
	return nil
}

// two returns rigs of two processes beside one platform and one registry, in
// the bubble's time.
func two(t *testing.T, change func(*autoscale.Config)) (a, b *rig, sa, sb *seat, reg *registry) {
	reg = new(registry)
	sa, sb = reg.seat("web.1"), reg.seat("web.2")
	a = newRig(t, func(c *autoscale.Config) {
		c.Elector = sa
		if change != nil {
			change(c)
		}
	})
	b = newRig(t, func(c *autoscale.Config) {
		c.Elector = sb
		if change != nil {
			change(c)
		}
		c.Scaler = a.platform
	})
	b.platform = a.platform
	a.now, b.now = time.Now(), time.Now()
	return a, b, sa, sb, reg
}

// pass lets half a minute pass and ticks, at the bubble's time.
func (r *rig) pass() (autoscale.Decision, error) {
	time.Sleep(30 * time.Second)
	r.now = time.Now()
	return r.a.Tick(r.t.Context(), r.now)
}

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

func TestNothingIsToldBeforeItIsRecorded(t *testing.T) {
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

func TestCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, sb, reg := two(t, func(c *autoscale.Config) {
			c.Max = autoscale.Fixed(6)
			c.Limits.Up.Cooldown, c.Limits.Down.Cooldown = time.Hour, time.Hour
			c.Limits.Up.Step, c.Limits.Down.Step = 1, 1
			c.Decider = autoscale.Consecutive{UpAfter: 1}
			c.NotifyOn = autoscale.Paused
		})
		sa.lead()
		orders := func(r *rig) []int {
			time.Sleep(time.Second)
			r.pass()
			return a.platform.takeOrders()
		}
		// A follower takes the command, and the leader obeys.
		if err := b.a.Override(t.Context(), 4, time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if got := orders(a); !slices.Equal(got, []int{4}) {
			t.Errorf("override to 4: ordered %v, want [4], past cooldown and step", got)
		}
		if s := a.a.Status(); s.Last.Limit != limit.ByOverride || !strings.Contains(s.Command, "set to 4 until") {
			t.Errorf("status %v %q", s.Last.Limit, s.Command)
		}
		a.platform.set(2)
		if got := orders(a); !slices.Equal(got, []int{4}) {
			t.Errorf("changed by hand meanwhile: ordered %v, want [4]", got)
		}
		time.Sleep(time.Second)
		b.a.Override(t.Context(), 99, time.Now().Add(time.Hour))
		if got := orders(a); !slices.Equal(got, []int{6}) {
			t.Errorf("override to 99: ordered %v, want [6], which is Max", got)
		}
		// The next leader obeys too.
		sb.lead()
		a.platform.set(3)
		if got := orders(b); !slices.Equal(got, []int{6}) {
			t.Errorf("the next leader: ordered %v, want [6]", got)
		}
		time.Sleep(2 * time.Hour)
		b.gauge.latency(fine)
		a.platform.set(3)
		if got := orders(b); got != nil || b.a.Status().Command != "" {
			t.Errorf("after its end: ordered %v, command %q", got, b.a.Status().Command)
		}

		a.a.Pause(t.Context())
		a.platform.set(20)
		if got := orders(b); got != nil {
			t.Errorf("paused: ordered %v", got)
		}
		if got := b.take(); !slices.Equal(got, []string{"paused began"}) {
			t.Errorf("notified of %v", got)
		}
		time.Sleep(time.Second)
		a.a.Resume(t.Context())
		if got := orders(b); !slices.Equal(got, []int{6}) {
			t.Errorf("resumed: ordered %v, want [6]", got)
		}

		err := a.a.Override(t.Context(), -1, time.Now().Add(-time.Hour))
		for _, want := range []string{"the size is -1", "which is past"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v does not say %q", err, want)
			}
		}
		reg.broken = errors.New("connection refused")
		if err := a.a.Pause(t.Context()); !errors.Is(err, reg.broken) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("Pause without the store = %v", err)
		}
		if a.a.Status().Command != "" {
			t.Error("a command that failed is obeyed here")
		}
	})
}

func TestCommandWithoutAStore(t *testing.T) {
	r := newRig(t, nil)
	r.platform.set(9)
	if err := r.a.Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.ticks(3); got != nil {
		t.Errorf("paused: ordered %v", got)
	}
	r.a.Resume(t.Context())
	if got := r.ticks(1); !slices.Equal(got, []int{3}) {
		t.Errorf("resumed: ordered %v, want [3]", got)
	}
	o := &office{}
	r = newRig(t, func(c *autoscale.Config) { c.Elector = o })
	if err := r.a.Pause(t.Context()); !errors.Is(err, autoscale.ErrNotLeader) {
		t.Errorf("Pause of a follower without a store = %v: it would be obeyed by nobody", err)
	}
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
