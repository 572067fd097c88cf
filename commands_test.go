package autoscale_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// The later command in the Store counts, even if its clock says that it is earlier.
func TestCommandsInOrderOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, _, sa, _, reg := two(t, nil)
		sa.lead()
		a.pass()
		// A, whose clock is 10 minutes ahead, takes a Pause.
		time.Sleep(10 * time.Minute)
		if err := a.a.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		// B, whose clock is right, takes a Resume 5 minutes later.
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

func TestOverrideReason(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Scaled })
	r.a.Override(t.Context(), 3, time.Now().Add(time.Hour*24*3650))
	r.tick()
	if !strings.Contains(r.notified[0].String(), "set to 3 until") {
		t.Errorf("%v", r.notified[0])
	}
}

// Resume ends yielding even if ticks run in simulated time.
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
		t.Fatalf("limit %v, want yielding", r.a.Status().Last.Limit)
	}
	r.platform.takeOrders()
	r.a.Resume(t.Context())
	if got := r.ticks(10); got == nil {
		t.Errorf("Resume is ignored: %v", r.a.Status().Last.Limit)
	}
}

// A pause with an end ends by itself. Status and events say who asked for it.
func TestPauseUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, _, _ := two(t, func(c *autoscale.Config) {
			c.Decider = autoscale.Consecutive{UpAfter: 1}
			c.NotifyOn = autoscale.Paused
		})
		sa.lead()
		a.gauge.latency(slow)
		end := time.Now().Add(time.Hour)
		if err := b.a.PauseUntil(autoscale.WithActor(t.Context(), "Ada\x1b[31m L."), end); err != nil {
			t.Fatal(err)
		}
		a.pass()
		s := a.a.Status()
		if orders := a.platform.takeOrders(); orders != nil || s.Last.Limit != limit.ByPause || !s.Last.Until.Equal(end) {
			t.Errorf("paused: ordered %v, %v until %v", orders, s.Last.Limit, s.Last.Until)
		}
		want := "paused until " + end.UTC().Format(time.RFC3339)
		if s.Command != want+" (by Ada[31m L.)" || !strings.Contains(s.String(), "the autoscaler is "+want) {
			t.Errorf("command %q, sentence %q", s.Command, s)
		}
		if n := a.notified; len(n) != 1 || !strings.Contains(n[0].String(), "by Ada") {
			t.Errorf("notified of %v", n)
		}
		time.Sleep(time.Hour)
		a.pass()
		if orders := a.platform.takeOrders(); !slices.Equal(orders, []int{2}) || a.a.Status().Command != "" {
			t.Errorf("after its end: ordered %v, command %q", orders, a.a.Status().Command)
		}
		if err := a.a.PauseUntil(t.Context(), time.Now()); err == nil || !strings.Contains(err.Error(), "is past") {
			t.Errorf("PauseUntil now = %v", err)
		}
		long := autoscale.WithActor(t.Context(), strings.Repeat("\u2028<é", 1000))
		if err := a.a.PauseUntil(long, end.Add(time.Hour)); err != nil {
			t.Errorf("with a long name: %v", err)
		}
		if by := a.a.Status().Command; len(by) > 200 || !utf8.ValidString(by) {
			t.Errorf("the command is %q", by)
		}
	})
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

// Who gave a Resume is shown as who gave a Pause: in the Status of every process for a day,
// and in the notice that the pause is over.
func TestResumeSaysWho(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, sa, _, _ := two(t, func(c *autoscale.Config) { c.NotifyOn = autoscale.Paused })
		sa.lead()
		if err := a.a.Pause(autoscale.WithActor(t.Context(), "ada")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		a.pass()
		if s := a.a.Status(); !strings.HasSuffix(s.Command, "(by ada)") || s.Resumed != "" {
			t.Errorf("paused: %q, %q", s.Command, s.Resumed)
		}
		time.Sleep(time.Second)
		if err := b.a.Resume(autoscale.WithActor(t.Context(), "eve")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		a.pass()
		for name, x := range map[string]*rig{"leader": a, "follower": b} {
			s := x.a.Status()
			if s.Command != "" || !strings.HasPrefix(s.Resumed, "resumed at ") || !strings.HasSuffix(s.Resumed, "(by eve)") {
				t.Errorf("%s, resumed: %q, %q", name, s.Command, s.Resumed)
			}
		}
		events := a.a.Status().Events
		last := events[len(events)-1]
		if last.Kind != autoscale.Paused || last.Phase != autoscale.Ended || !strings.Contains(last.String(), "(by eve)") || strings.Contains(last.String(), "ada") {
			t.Errorf("the end of the pause is %q", last)
		}
		time.Sleep(25 * time.Hour)
		if s := a.a.Status(); s.Resumed != "" {
			t.Errorf("a day later: %q", s.Resumed)
		}
	})
}
