package autoscaletest

import (
	"context"
	"errors"

	"github.com/autoscalebot/autoscale"
)

func testPartition(a *arena) {
	if a.contest.Cut == nil {
		a.t.Skip("Contest.Cut is not set")
	}
	first := a.launch("first")
	was := a.led(first)
	second := a.launch("second")
	a.cut(first, true)
	now := a.led(second) // the watch checks that the first process stepped down before
	if first.leads() || now.Number <= was.Number {
		a.t.Errorf("after term %d comes %d; the first leads: %v", was.Number, now.Number, first.leads())
	}
	if s, ok := first.Elector.(autoscale.Store); ok {
		ctx, cancel := context.WithTimeout(context.Background(), a.ttl)
		if err := s.Save(ctx, was.Number, []byte("late")); err == nil {
			a.t.Error("a process that is cut off saved")
		}
		cancel()
	}
	a.cut(first, false)
	a.steady(now.Number)
	second.end()
	if again := a.led(first); again.Number <= now.Number {
		a.t.Errorf("after term %d comes %d", now.Number, again.Number)
	}
}

func testPartitionOfAll(a *arena) {
	if a.contest.Cut == nil {
		a.t.Skip("Contest.Cut is not set")
	}
	first := a.launch("first")
	a.led(first)
	second := a.launch("second")
	for range 2 {
		for _, p := range a.processes {
			a.cut(p, true)
		}
		a.until("nobody leads", func() bool { return len(a.leaders()) == 0 })
		for _, p := range a.processes {
			a.cut(p, false)
		}
		a.until("somebody leads again", func() bool { return len(a.leaders()) > 0 })
	}
	// A process that is cut off can be stopped too.
	for _, p := range a.processes {
		a.cut(p, true)
	}
	first.end()
	second.end()
}

func testClockBack(a *arena) {
	if a.contest.Step == nil {
		a.t.Skip("Contest.Step is not set")
	}
	first := a.launch("first")
	was := a.led(first)
	second := a.launch("second")
	a.contest.Step(-100 * a.ttl)
	a.steady(was.Number)
	if a.contest.Cut == nil {
		return
	}
	// A leader that is lost must not keep the lease for as long as the clock was
	// ahead.
	a.cut(first, true)
	a.contest.Step(-1000 * a.ttl)
	if now := a.led(second); now.Number <= was.Number {
		a.t.Errorf("after term %d comes %d", was.Number, now.Number)
	}
}

func testClockForward(a *arena) {
	if a.contest.Step == nil {
		a.t.Skip("Contest.Step is not set")
	}
	first := a.launch("first")
	was := a.led(first)
	a.launch("second")
	a.tolerant.Store(true)
	a.contest.Step(100 * a.ttl)
	s, stored := first.Elector.(autoscale.Store)
	a.until("one leads, and the other knows", func() bool { return len(a.leaders()) == 1 && a.newest() > was.Number })
	if stored {
		if err := s.Save(context.Background(), was.Number, []byte("late")); !errors.Is(err, autoscale.ErrNotLeader) {
			a.t.Errorf("saved under a term that another has ended: %v", err)
		}
	}
	a.tolerant.Store(false)
	a.steady(a.newest())
}
