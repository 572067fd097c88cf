package autoscaletest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// A Contest is a lease for which the electors of several processes contend.
type Contest struct {
	// New returns the elector of one more process, whose name is holder. All electors of a
	// Contest contend for the same lease. Required.
	New func(holder string) autoscale.Elector

	// Cut, if set, disconnects the process of that name from the store. If cut is false, it
	// connects the process again.
	Cut func(holder string, cut bool)

	// Step, if set, sets the store's clock forward by d, or back if d is negative.
	Step func(d time.Duration)
}

// ElectorOptions are the options of [Elector].
type ElectorOptions struct {
	// TTL is the longest time from the loss of the leader until another process leads. It
	// is how long a lease lasts, plus the time until another process looks. The suite waits
	// many times as long before it reports a failure. Required.
	TTL time.Duration

	// Bubble runs each part within [testing/synctest]. The Contest must then use no network
	// and no goroutines from outside the bubble. In real time a slow machine may lose a
	// term, or a call may time out. The suite then waits for a term that lasts, and repeats
	// the call.
	Bubble bool
}

// Elector tests an elector. If it is also an [autoscale.Store], an [autoscale.HistoryStore]
// or an [autoscale.Resigner], Elector tests that too. At the start of each of its parts it
// calls begin, which must return a new Contest. It fails t if two processes lead at once,
// if the number of a new term is not greater than the one before, if no process leads after
// the last fault, or if the store loses something.
//
// If a store's clock is set forward, a new term may begin while the old leader still trusts
// its own term. In that case the suite only requires that nothing is saved under two terms.
func Elector(t *testing.T, o ElectorOptions, begin func(t *testing.T) Contest) {
	t.Helper()
	if o.TTL <= 0 {
		t.Fatalf("ElectorOptions.TTL is %v: say how long a lease lasts", o.TTL)
	}
	r := runner{t, o.Bubble}
	part := func(name string, f func(*arena)) {
		r.run(name, func(t *testing.T) {
			a := &arena{t: t, ttl: o.TTL, poll: max(o.TTL/50, time.Millisecond), bubble: o.Bubble, contest: begin(t), holders: map[int64]string{}}
			defer a.stop()
			f(a)
		})
	}
	part("Election", testElection)
	part("Release", testRelease)
	part("Again", testAgain)
	part("Crowd", testCrowd)
	part("Resign", testResign)
	part("Store", testStore)
	part("Bounds", testBounds)
	part("History", testHistory)
	part("Partition", testPartition)
	part("PartitionOfAll", testPartitionOfAll)
	part("ClockBack", testClockBack)
	part("ClockForward", testClockForward)
}

func testElection(a *arena) {
	first := a.add("first")
	if term, leads := first.Current(); leads {
		a.t.Errorf("before Run it leads: %+v", term)
	}
	a.start(first)
	term := a.led(first)
	a.launch("second")
	a.launch("third")
	a.steady(term.Number)
}

func testRelease(a *arena) {
	first := a.launch("first")
	was := a.led(first)
	second := a.launch("second")
	first.end()
	if first.leads() {
		a.t.Error("it leads although Run has ended")
	}
	if now := a.led(second); now.Number <= was.Number || now.Holder == was.Holder {
		a.t.Errorf("after term %d of %q comes %d of %q", was.Number, was.Holder, now.Number, now.Holder)
	}
}

func testAgain(a *arena) {
	first := a.launch("first")
	was := a.led(first)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	second := make(chan error, 1)
	go func() { second <- first.Elector.Run(ctx) }()
	select {
	case err := <-second:
		if err == nil {
			a.t.Error("a second Run at the same time returned nil before its context ended")
		}
	case <-time.After(a.patience()):
		a.t.Error("a second Run at the same time was not refused")
		cancel()
		<-second
	}
	first.end()
	a.start(first)
	if now := a.led(first); now.Number <= was.Number {
		a.t.Errorf("run again, it leads in term %d after %d", now.Number, was.Number)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	first.end()
	if err := first.Elector.Run(canceled); err != nil {
		a.t.Errorf("Run with a context that has ended: %v", err)
	}
}

func testCrowd(a *arena) {
	for i := range 8 {
		a.launch(fmt.Sprint("process-", i))
	}
	var last int64
	for range 4 {
		var leader *process
		a.until("one of them leads", func() bool {
			for _, p := range a.processes {
				if p.leads() {
					leader = p
				}
			}
			return leader != nil
		})
		if term, ok := leader.Current(); ok {
			if term.Number <= last {
				a.t.Errorf("after term %d comes %d", last, term.Number)
			}
			last = term.Number
		}
		leader.end()
	}
}

func testResign(a *arena) {
	first := a.add("first")
	resigner, ok := first.Elector.(autoscale.Resigner)
	if !ok {
		a.t.Skip("it is not a Resigner")
	}
	a.start(first)
	was := a.led(first)
	second := a.launch("second")
	resigner.Resign(1000 * a.ttl)
	if first.leads() {
		a.t.Error("it leads although it resigned")
	}
	now := a.led(second)
	if now.Number <= was.Number {
		a.t.Errorf("after term %d comes %d", was.Number, now.Number)
	}
	second.end()
	a.while(func() {
		if first.leads() {
			a.t.Error("it leads before its time to resign is over")
		}
	})
	resigner.Resign(0)
	a.led(first)
}

func testStore(a *arena) {
	first, second := a.add("first"), a.add("second")
	one, ok := first.Elector.(autoscale.Store)
	if !ok {
		a.t.Skip("it is not a Store")
	}
	two := second.Elector.(autoscale.Store)
	ctx := context.Background()
	if r, ok := one.Record(); ok {
		a.t.Errorf("before the first round trip there is a record: %+v", r)
	}
	a.start(first)
	term := a.led(first)
	if r, ok := one.Record(); !ok || r.Term < term.Number || r.Holder != term.Holder || r.State != nil || r.Command != nil {
		a.t.Errorf("a new leader's record is %+v, %v; its term %+v", r, ok, term)
	}
	// The second process does not campaign for now, so that the first leads again if it
	// loses a term.
	resigner, rests := second.Elector.(autoscale.Resigner)
	if rests {
		resigner.Resign(1000 * a.ttl)
	}
	a.start(second)
	see := func(what string, s autoscale.Store, ok func(autoscale.Record) bool) {
		a.t.Helper()
		a.until(what, func() bool { r, known := s.Record(); return known && ok(r) })
	}
	see("a follower sees who leads", two, func(r autoscale.Record) bool { return r.Term >= term.Number && r.Holder == term.Holder })

	// State, from the leader to followers.
	for _, state := range []string{"one", "", "two \x00\xff'\\", "two"} {
		term = a.save(first, []byte(state))
		see(fmt.Sprintf("a follower sees the state %q", state), two, func(r autoscale.Record) bool { return r.State != nil && string(r.State) == state && r.Age >= 0 })
		see("the leader sees it as well", one, func(r autoscale.Record) bool { return r.State != nil && string(r.State) == state })
	}
	// A process that does not lead saves nothing.
	for _, n := range []int64{term.Number, term.Number + 1, 0} {
		if err := two.Save(ctx, n, []byte("false")); !errors.Is(err, autoscale.ErrNotLeader) {
			a.t.Errorf("a follower saved under term %d: %v", n, err)
		}
	}
	if err := one.Save(ctx, term.Number-1, []byte("false")); !errors.Is(err, autoscale.ErrNotLeader) {
		a.t.Errorf("saved under a term before its own: %v", err)
	}
	// Commands, from any process to all.
	for _, c := range []struct {
		by      autoscale.Store
		command string
	}{{two, "pause"}, {one, "resume"}, {two, "override"}} {
		a.can("Command", func() error { return c.by.Command(ctx, []byte(c.command)) })
		for _, s := range []autoscale.Store{one, two} {
			see("every process sees the command "+c.command, s, func(r autoscale.Record) bool { return string(r.Command) == c.command && string(r.State) == "two" })
		}
	}
	// The caller may change what Record returned.
	if r, ok := two.Record(); ok {
		r.State[0], r.Command[0] = 'X', 'X'
		if again, _ := two.Record(); again.State[0] == 'X' || again.Command[0] == 'X' {
			a.t.Error("Record returned the memory of the elector itself")
		}
	}
	// The next leader starts from what the last one saved at the very end.
	term = a.save(first, []byte("last words"))
	first.end()
	if rests {
		resigner.Resign(0)
	}
	next := a.led(second)
	if r, _ := two.Record(); string(r.State) != "last words" || string(r.Command) != "override" || r.Term < next.Number {
		a.t.Errorf("the new leader starts from %q, %q, term %d of %d", r.State, r.Command, r.Term, next.Number)
	}
	if err := one.Save(ctx, term.Number, []byte("from the grave")); !errors.Is(err, autoscale.ErrNotLeader) {
		a.t.Errorf("saved under a term that is over: %v", err)
	}
	a.save(second, []byte("next"))
}

// save saves in the term in which p leads, and returns it.
func (a *arena) save(p *process, state []byte) (term autoscale.Term) {
	a.t.Helper()
	a.can("Save", func() error {
		term = a.led(p)
		return p.Elector.(autoscale.Store).Save(context.Background(), term.Number, state)
	})
	return term
}

func testBounds(a *arena) {
	p := a.add("first")
	s, ok := p.Elector.(autoscale.Store)
	if !ok {
		a.t.Skip("it is not a Store")
	}
	ctx := context.Background()
	command := bytes.Repeat([]byte{0xfe}, autoscale.MaxCommand)
	a.can("Command of MaxCommand bytes", func() error { return s.Command(ctx, command) }) // before any process has led
	if err := s.Command(ctx, append(command, 0)); err == nil || errors.Is(err, autoscale.ErrNotLeader) {
		a.t.Errorf("Command of more than MaxCommand bytes: %v", err)
	}
	a.start(p)
	state := bytes.Repeat([]byte{0xfd, 0}, autoscale.MaxState/2)
	term := a.save(p, state)
	if err := s.Save(ctx, term.Number, append(state, 0)); err == nil || errors.Is(err, autoscale.ErrNotLeader) {
		a.t.Errorf("Save of more than MaxState bytes: %v", err)
	}
	late := a.launch("late")
	a.until("another process sees state and command in full", func() bool {
		r, _ := late.Elector.(autoscale.Store).Record()
		return bytes.Equal(r.State, state) && bytes.Equal(r.Command, command)
	})
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Command(canceled, nil); err == nil {
		a.t.Error("Command with a context that has ended returned nil")
	}
}
