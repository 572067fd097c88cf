package autoscaletest

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// arena is where the electors of one part of the suite contend. Whatever the part
// does, a watch looks for two leaders at once.
type arena struct {
	t         *testing.T
	ttl, poll time.Duration
	bubble    bool // time is fake, so nothing is slow
	contest   Contest
	processes []*process
	tolerant  atomic.Bool // two may lead at once for now

	watch   sync.WaitGroup
	quit    chan struct{}
	mu      sync.Mutex // guards the fields below
	watched []*process
	holders map[int64]string // the holders of the terms that were seen
}

// process is an elector and the goroutine that runs it.
type process struct {
	autoscale.Elector
	a      *arena
	name   string
	cancel context.CancelFunc // nil: it does not run
	done   chan struct{}      // closed when Run has returned
	err    error              // what it returned
}

func (a *arena) add(name string) *process {
	a.t.Helper()
	p := &process{Elector: a.contest.New(name), a: a, name: name}
	if v, ok := p.Elector.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			a.t.Fatalf("Validate: %v", err)
		}
	}
	a.processes = append(a.processes, p)
	a.mu.Lock()
	a.watched = append(a.watched, p)
	a.mu.Unlock()
	if a.quit == nil {
		a.quit = make(chan struct{})
		a.watch.Go(a.look)
	}
	return p
}

func (a *arena) launch(name string) *process {
	a.t.Helper()
	p := a.add(name)
	a.start(p)
	return p
}

func (a *arena) start(p *process) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	p.cancel, p.done = cancel, done
	go func() {
		defer close(done)
		p.err = p.Run(ctx)
	}()
}

// end stops the process as its host would, and waits for it.
func (p *process) end() {
	p.a.t.Helper()
	if p.cancel == nil {
		return
	}
	p.cancel()
	p.cancel = nil
	select {
	case <-p.done:
		if p.err != nil {
			p.a.t.Errorf("Run of %s: %v", p.name, p.err)
		}
	case <-time.After(p.a.patience()):
		p.a.t.Errorf("Run of %s has not returned %v after its context ended", p.name, p.a.patience())
	}
}

func (a *arena) stop() {
	a.t.Helper()
	for _, p := range a.processes {
		if a.contest.Cut != nil {
			a.contest.Cut(p.name, false)
		}
	}
	for _, p := range a.processes {
		p.end()
	}
	if a.quit != nil {
		close(a.quit)
		a.watch.Wait()
	}
}

func (a *arena) cut(p *process, cut bool) { a.contest.Cut(p.name, cut) }

func (p *process) leads() bool {
	_, ok := p.Current()
	return ok
}

// led waits until p leads, and returns its term.
func (a *arena) led(p *process) (term autoscale.Term) {
	a.t.Helper()
	a.until(p.name+" leads", func() (ok bool) {
		term, ok = p.Current()
		select {
		case <-p.done:
			a.t.Fatalf("Run of %s returned: %v", p.name, p.err)
		default:
		}
		return ok
	})
	return term
}

// patience is generous, because a slow machine is not the fault of the elector.
func (a *arena) patience() time.Duration { return 30*a.ttl + 30*time.Second }

func (a *arena) until(what string, ok func() bool) {
	a.t.Helper()
	eventually(a.t, a.patience(), a.poll, what, ok)
}

// can calls f until it returns nil. In a bubble, the first error fails the test.
func (a *arena) can(what string, f func() error) {
	a.t.Helper()
	for end := time.Now().Add(a.patience()); ; time.Sleep(a.poll) {
		err := f()
		if err == nil {
			return
		}
		if a.bubble || time.Now().After(end) {
			a.t.Fatalf("%s: %v", what, err)
		}
	}
}

// steady waits until a term lasts for as long as a lease may take to change hands. In a
// bubble it must be the present term, of that number.
func (a *arena) steady(number int64) {
	a.t.Helper()
	since := time.Now()
	a.until("a term lasts", func() bool {
		if now := a.newest(); now != number || len(a.leaders()) != 1 {
			if a.bubble {
				a.t.Fatalf("term %d did not last: %v lead, in term %d", number, a.leaders(), now)
			}
			number, since = now, time.Now()
		}
		return time.Since(since) >= 2*a.ttl
	})
}

// while calls f again and again, for as long as a lease may take to change hands.
func (a *arena) while(f func()) {
	a.t.Helper()
	ticker := time.NewTicker(a.poll)
	defer ticker.Stop()
	for end := time.Now().Add(2 * a.ttl); time.Now().Before(end) && !a.t.Failed(); {
		f()
		<-ticker.C
	}
}

// leaders returns the names of the processes that lead.
func (a *arena) leaders() (names []string) {
	for _, p := range a.processes {
		if p.leads() {
			names = append(names, p.name)
		}
	}
	return names
}

// newest returns the greatest term in which a process leads.
func (a *arena) newest() (n int64) {
	for _, p := range a.processes {
		if term, ok := p.Current(); ok {
			n = max(n, term.Number)
		}
	}
	return n
}

// look looks for two leaders at once, until the part ends.
func (a *arena) look() {
	ticker := time.NewTicker(a.poll)
	defer ticker.Stop()
	for {
		a.inspect()
		select {
		case <-a.quit:
			return
		case <-ticker.C:
		}
	}
}

func (a *arena) inspect() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, p := range a.watched {
		term, ok := p.Current()
		if !ok {
			continue
		}
		if holder, known := a.holders[term.Number]; known && holder != term.Holder {
			a.t.Errorf("term %d belongs to both %q and %q", term.Number, holder, term.Holder)
		}
		a.holders[term.Number] = term.Holder
		for _, q := range a.watched[i+1:] {
			other, ok := q.Current()
			if !ok || a.tolerant.Load() {
				continue
			}
			// The first process may have stopped leading in the meantime. If it still
			// leads in the same term, both led when the second answered.
			if again, ok := p.Current(); ok && again.Number == term.Number {
				a.t.Errorf("%s leads in term %d and %s in term %d at the same time", p.name, term.Number, q.name, other.Number)
			}
		}
	}
}
