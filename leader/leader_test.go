package leader_test

import (
	"cmp"
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/leader"
)

var (
	_ autoscale.Elector  = (*leader.Elector)(nil)
	_ autoscale.Store    = (*leader.Elector)(nil)
	_ autoscale.Resigner = (*leader.Elector)(nil)
)

// node is a process in a bubble.
type node struct {
	*leader.Elector
	link *fakeLink
	stop context.CancelFunc
	done chan error
}

// join starts an elector, which ends with the test.
func join(t *testing.T, s *fakeStore, o leader.Options) *node {
	if o.Logger == nil {
		o.Logger = quiet
	}
	o.Name = cmp.Or(o.Name, "web")
	link := &fakeLink{fakeStore: s}
	n := &node{Elector: leader.New(link, &o), link: link, done: make(chan error, 1)}
	ctx, stop := context.WithCancel(t.Context())
	n.stop = stop
	go func() {
		defer close(n.done)
		n.done <- n.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		for range n.done {
		}
	})
	synctest.Wait()
	return n
}

func (n *node) leads() bool { _, ok := n.Current(); return ok }

func (n *node) number() int64 { term, _ := n.Current(); return term.Number }

// until lets time pass until ok, and returns how long that took.
func until(t *testing.T, limit time.Duration, ok func() bool) time.Duration {
	t.Helper()
	for start := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		synctest.Wait()
		if took := time.Since(start); ok() {
			return took
		} else if took > limit {
			t.Fatalf("not so after %v", limit)
		}
	}
}

// A leader that is cut off trusts itself for 25 seconds from when it began to
// ask for its last renewal, and nobody else leads before 30 seconds have passed.
func TestTrustEndsBeforeTheLease(t *testing.T) {
	for name, fault := range map[string]func(context.Context, string) error{"refused": cut, "swallowed": hang} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				first := join(t, s, leader.Options{})
				second := join(t, s, leader.Options{})
				start := time.Now()
				first.link.disturb(fault, nil)
				until(t, time.Minute, func() bool { return !first.leads() })
				if took := time.Since(start); took < 24900*time.Millisecond || took > 25100*time.Millisecond {
					t.Errorf("it trusted itself for %v", took)
				}
				until(t, time.Minute, second.leads)
				if took := time.Since(start); took < 30*time.Second || took > 40*time.Second {
					t.Errorf("another leads after %v", took)
				}
			})
		})
	}
}

// A process that is frozen with a request under way gets the answer when its
// trust is over.
func TestAnswerAfterTheTrust(t *testing.T) {
	for _, method := range []string{"acquire", "renew"} {
		t.Run(method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				link := &fakeLink{fakeStore: s}
				frozen := false
				link.disturb(nil, func(_ context.Context, m string) error {
					if m == method && !frozen {
						frozen = true
						time.Sleep(2 * time.Minute)
					}
					return nil
				})
				first := leader.New(link, &leader.Options{Name: "web", Logger: quiet})
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- first.Run(ctx) }()
				synctest.Wait()
				second := join(t, s, leader.Options{})
				until(t, time.Minute, second.leads)
				term := second.number()
				time.Sleep(3 * time.Minute)
				synctest.Wait()
				if _, ok := first.Current(); ok || second.number() != term {
					t.Errorf("after the freeze the first leads: %v, the second in term %d after %d", ok, second.number(), term)
				}
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// An attempt whose answer is lost leaves a lease of which the winner does not
// know. It does not wait until it expires.
func TestAnswerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		link := &fakeLink{fakeStore: s}
		lost := 0
		link.disturb(nil, func(_ context.Context, m string) error {
			if m == "acquire" && lost < 2 {
				lost++
				return errCut
			}
			return nil
		})
		e := leader.New(link, &leader.Options{Name: "web", Logger: quiet})
		go e.Run(t.Context())
		took := until(t, time.Minute, func() bool { _, ok := e.Current(); return ok })
		if term, _ := e.Current(); term.Number != 3 || took > 10*time.Second {
			t.Errorf("it leads in term %d after %v, want 3, soon", term.Number, took)
		}
	})
}

// Who resigns while its attempt is under way does not lead by it.
func TestResignDuringAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		link := &fakeLink{fakeStore: s}
		link.disturb(nil, func(_ context.Context, m string) error {
			if m == "acquire" {
				time.Sleep(time.Second)
			}
			return nil
		})
		e := leader.New(link, &leader.Options{Name: "web", Logger: quiet})
		go e.Run(t.Context())
		time.Sleep(time.Second / 2)
		e.Resign(time.Minute)
		led := false
		until(t, time.Minute, func() bool { _, ok := e.Current(); led = led || ok; return s.count("release") == 1 })
		other := join(t, s, leader.Options{})
		if led || !other.leads() {
			t.Errorf("who resigned leads: %v; another: %v", led, other.leads())
		}
	})
}

// Who resigns and is stopped at once gives the lease back all the same, after a
// save that is under way.
func TestResignAndStopDuringASave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		first := join(t, s, leader.Options{})
		second := join(t, s, leader.Options{})
		first.link.disturb(func(_ context.Context, m string) error {
			if m == "release" && s.count("save") == 0 {
				t.Error("released before the save that was under way had ended")
			}
			time.Sleep(time.Second)
			return nil
		}, nil)
		saved := make(chan error, 1)
		go func() { saved <- first.Save(t.Context(), first.number(), []byte("last words")) }()
		time.Sleep(time.Second / 2)
		first.Resign(time.Minute)
		first.stop()
		if err := <-first.done; err != nil || first.leads() {
			t.Errorf("Run: %v; it leads: %v", err, first.leads())
		}
		if err := <-saved; err != nil {
			t.Errorf("Save: %v", err)
		}
		if n := s.count("release"); n != 1 {
			t.Errorf("released %d times", n)
		}
		took := until(t, time.Minute, second.leads)
		if r, _ := second.Record(); string(r.State) != "last words" || took > 12*time.Second {
			t.Errorf("after %v another starts from %q", took, r.State)
		}
	})
}

// A command that this process gave is part of its record from then on: a Save
// makes the record new, and must not make an older command look new with it.
func TestCommandBeforeASave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := join(t, newFakeStore(), leader.Options{})
		if err := e.Command(t.Context(), []byte("pause")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		resume := []byte("resume")
		if err := e.Command(t.Context(), resume); err != nil {
			t.Fatal(err)
		}
		copy(resume, "XXXXXX")
		if err := e.Save(t.Context(), e.number(), []byte("state")); err != nil {
			t.Fatal(err)
		}
		if r, ok := e.Record(); !ok || string(r.Command) != "resume" || string(r.State) != "state" {
			t.Errorf("the record has the command %q and the state %q", r.Command, r.State)
		}
	})
}

// Resigning ends the term at once, though the store cannot be told.
func TestResignWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		first := join(t, s, leader.Options{})
		second := join(t, s, leader.Options{})
		first.link.disturb(cut, nil)
		first.Resign(5 * time.Minute)
		if first.leads() {
			t.Error("it leads although it resigned")
		}
		time.Sleep(5 * time.Second)
		first.link.disturb(nil, nil)
		if took := until(t, time.Minute, second.leads); took > 20*time.Second {
			t.Errorf("another leads %v after the store could be told", took)
		}
	})
}

// A term only grows, though the store forgets: it was replaced by an empty one,
// or by a copy that was behind.
func TestStoreForgets(t *testing.T) {
	for name, forget := range map[string]func(row *fakeRow){
		"all":     nil,
		"a while": func(row *fakeRow) { row.Term, row.Holder, row.Renewal, row.expires = 2, "an old one", 7, time.Time{} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFakeStore()
				first := join(t, s, leader.Options{})
				for range 4 {
					first.Resign(0)
					until(t, time.Minute, first.leads)
				}
				was := first.number()
				s.mu.Lock()
				if forget == nil {
					delete(s.rows, "web")
				} else {
					forget(s.rows["web"])
				}
				s.mu.Unlock()
				until(t, time.Minute, func() bool { return first.leads() && first.number() > was })
				if err := first.Save(t.Context(), was, nil); !errors.Is(err, autoscale.ErrNotLeader) {
					t.Errorf("saved under the forgotten term: %v", err)
				}
			})
		})
	}
}

// A save that the store refuses ends the term at once.
func TestRefusedSaveEndsTheTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		e := join(t, s, leader.Options{})
		was := e.number()
		s.step(time.Hour)
		if err := e.Save(t.Context(), was, []byte("late")); !errors.Is(err, autoscale.ErrNotLeader) || !strings.Contains(err.Error(), e.Holder()) {
			t.Errorf("got %v", err)
		}
		if e.leads() {
			t.Error("it leads although the store says that its term is over")
		}
		until(t, time.Second, func() bool { return e.number() > was })
	})
}

// slowSave is a Lease of which one Save is on its way for so long that it is given
// up, and arrives later.
type slowSave struct {
	leader.Lease
	slow   bool
	arrive func() (bool, error)
}

func (l *slowSave) Save(ctx context.Context, c leader.Claim, state []byte, version int64) (bool, error) {
	if !l.slow {
		return l.Lease.Save(ctx, c, state, version)
	}
	l.slow = false
	l.arrive = func() (bool, error) { return l.Lease.Save(context.WithoutCancel(ctx), c, state, version) }
	<-ctx.Done()
	return false, ctx.Err()
}

func TestASaveThatComesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowSave{Lease: &fakeLink{fakeStore: newFakeStore()}}
		e := leader.New(store, &leader.Options{Name: "web", Holder: "web.1", Logger: quiet})
		go e.Run(t.Context())
		synctest.Wait()
		term, _ := e.Current()
		store.slow = true
		if err := e.Save(t.Context(), term.Number, []byte("older")); err == nil {
			t.Fatal("a Save that was given up returned nil")
		}
		if err := e.Save(t.Context(), term.Number, []byte("newer")); err != nil {
			t.Fatal(err)
		}
		if saved, err := store.arrive(); saved || err != nil {
			t.Errorf("it was saved after the newer one: %v, %v", saved, err)
		}
		next := leader.New(store, &leader.Options{Name: "web", Holder: "web.2", Logger: quiet})
		go next.Run(t.Context())
		synctest.Wait()
		if r, _ := next.Record(); string(r.State) != "newer" {
			t.Errorf("the next leader would start from %q", r.State)
		}
	})
}

// Names are apart, and holders of the same name are.
func TestNamesAndHolders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		web, worker := join(t, s, leader.Options{Holder: "web.1"}), join(t, s, leader.Options{Name: "worker", Holder: "web.1"})
		again := join(t, s, leader.Options{Holder: "web.1"})
		time.Sleep(time.Minute)
		if !web.leads() || !worker.leads() || again.leads() {
			t.Errorf("web leads: %v; worker: %v; one of the same name as web's: %v", web.leads(), worker.leads(), again.leads())
		}
		if !strings.HasPrefix(web.Holder(), "web.1/") || web.Holder() == again.Holder() {
			t.Errorf("the holders are %q and %q", web.Holder(), again.Holder())
		}
	})
}

// TestCost counts calls: one for each process in each renewal, of which those of
// followers only read; one call of a process at a time.
func TestCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		var busy [4]atomic.Int32
		var nodes []*node
		for i := range busy {
			n := join(t, s, leader.Options{})
			n.link.disturb(func(context.Context, string) error {
				if busy[i].Add(1) > 1 {
					t.Error("two calls of one process at the same time")
				}
				time.Sleep(10 * time.Millisecond)
				return nil
			}, func(context.Context, string) error { busy[i].Add(-1); return nil })
			nodes = append(nodes, n)
		}
		time.Sleep(time.Minute)
		reads, renewals, attempts := s.count("read"), s.count("renew"), s.count("acquire")
		for range 20 { // ticks of 30 seconds
			if err := nodes[0].Save(t.Context(), nodes[0].number(), []byte("state")); err != nil {
				t.Error(err)
			}
			time.Sleep(30 * time.Second)
		}
		reads, renewals, attempts = s.count("read")-reads, s.count("renew")-renewals, s.count("acquire")-attempts
		if renewals < 59 || renewals > 61 || reads < 3*60*8/9-3 || reads > 3*60 || attempts != 0 || s.count("save") != 20 {
			t.Errorf("in ten minutes: %d renewals, %d reads by 3 followers, %d attempts, %d saves", renewals, reads, attempts, s.count("save"))
		}
	})
}

func BenchmarkCurrent(b *testing.B) {
	s := newFakeStore()
	ctx, stop := context.WithCancel(context.Background())
	first := leader.New(&fakeLink{fakeStore: s}, &leader.Options{Name: "web", Logger: quiet})
	done := make(chan error)
	go func() { done <- first.Run(ctx) }()
	for {
		if _, ok := first.Current(); ok {
			break
		}
		time.Sleep(time.Millisecond)
	}
	second := leader.New(&fakeLink{fakeStore: s}, &leader.Options{Name: "web"})
	b.Run("leader", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			first.Current()
		}
	})
	b.Run("follower", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			second.Current()
		}
	})
	// What the clock of the machine takes of it.
	b.Run("clock", func(b *testing.B) {
		end := time.Now().Add(time.Hour)
		for b.Loop() {
			_ = time.Until(end)
		}
	})
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

func TestMain(m *testing.M) {
	os.Unsetenv("DYNO")
	os.Exit(m.Run())
}
