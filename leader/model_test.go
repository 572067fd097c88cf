package leader_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/leader"
)

// TestModel runs many seeds of what FuzzElection runs.
func TestModel(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 30
	}
	for seed := range seeds {
		r := rand.New(rand.NewPCG(uint64(seed), 3))
		script := make([]byte, 40+r.IntN(160))
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		if !t.Run(fmt.Sprint(seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { play(t, script) }) }) {
			return
		}
	}
}

// FuzzElection reads its input as a script of faults, and holds what three
// electors make of it against the specification.
func FuzzElection(f *testing.F) {
	f.Add([]byte{0, 0, 200, 3, 0, 255, 3, 1, 255})
	f.Add([]byte{6, 10, 40, 6, 200, 40, 7, 0, 255, 4, 0, 99})
	f.Fuzz(func(t *testing.T, script []byte) {
		synctest.Test(t, func(t *testing.T) { play(t, script[:min(len(script), 600)]) })
	})
}

// model is the specification: what may be seen of an election.
//
//   - A term has one holder, and each term that begins is above those before.
//   - No two lead at once; save for as long as a TTL after the store's clock was
//     set forward, when the old leader trusts a lease that it has lost.
//   - What is saved is never of a term before that of what was saved before.
//   - When the faults are over one leads, within two TTL and two renewals.
//   - A store that forgot is waited for: a process that remembers a term leads only when
//     the last leader cannot trust itself any more.
type model struct {
	t        *testing.T
	store    *fakeStore
	links    []*fakeLink
	electors []*leader.Elector
	stops    []context.CancelFunc // nil: it does not run
	ended    []chan error

	tolerant time.Time // until when two may lead
	holders  map[int64]string
	terms    int   // of the store's that were looked at
	begun    int64 // the greatest term
	saved    int64 // the greatest term that was saved under
}

const modelTTL, modelRenew = 30 * time.Second, 10 * time.Second

func play(t *testing.T, script []byte) {
	m := &model{t: t, store: newFakeStore(), holders: map[int64]string{}}
	for i := range 3 {
		link := &fakeLink{fakeStore: m.store}
		m.links = append(m.links, link)
		m.electors = append(m.electors, leader.New(link, &leader.Options{Name: "web", Holder: fmt.Sprint("process-", i), Logger: quiet}))
		m.stops, m.ended = append(m.stops, nil), append(m.ended, nil)
		m.start(i)
	}
	for ; len(script) >= 3 && !t.Failed(); script = script[3:] {
		m.do(script[0], script[1])
		m.pass(time.Duration(script[2]) * 100 * time.Millisecond)
	}
	for i := range m.links {
		m.links[i].disturb(nil, nil)
		m.electors[i].Resign(0) // ends a rest
		m.start(i)
	}
	for end := time.Now().Add(2*modelTTL + 2*modelRenew); m.leads() != 1 && time.Now().Before(end); {
		m.pass(time.Second)
	}
	if m.leads() != 1 {
		t.Errorf("%d lead when the faults are over", m.leads())
	}
	m.pass(2 * modelTTL)
	if m.leads() != 1 {
		t.Errorf("%d lead in peace", m.leads())
	}
	for i := range m.stops {
		m.stop(i)
	}
}

// do does one thing to one of the processes or to the store. A frozen process
// is one whose calls return late, whatever has become of their context.
func (m *model) do(what, how byte) {
	i, arg := int(how)%len(m.links), time.Duration(how)
	freeze := func(context.Context, string) error { time.Sleep(arg * time.Second / 2); return nil }
	lose := func(context.Context, string) error { return errCut }
	switch what % 16 {
	case 0:
		m.links[i].disturb(cut, nil)
	case 1:
		m.links[i].disturb(hang, nil)
	case 2:
		m.links[i].disturb(freeze, nil)
	case 3:
		m.links[i].disturb(nil, freeze)
	case 4:
		m.links[i].disturb(nil, lose)
	case 5, 6, 7:
		m.links[i].disturb(nil, nil)
	case 8:
		m.store.step(arg * time.Second)
		m.tolerant = time.Now().Add(modelTTL)
	case 9:
		m.store.step(-arg * 10 * time.Second)
	case 10:
		m.electors[i].Resign(arg * time.Second / 4)
	case 11:
		m.stop(i)
	case 12:
		m.start(i)
	case 13:
		// The store forgets. Processes that saw the last term remember it; a
		// process that did not cannot know.
		for _, e := range m.electors {
			if r, ok := e.Record(); !ok || r.Term != m.begun {
				return
			}
		}
		m.store.mu.Lock()
		delete(m.store.rows, "web")
		m.store.mu.Unlock()
	case 14:
		// A right is revoked, or the table is away. For a process that never had it that
		// is permanent. A leader had it.
		if _, leads := m.electors[i].Current(); leads {
			m.links[i].disturb(denied, nil)
		}
	case 15:
		m.links[i].disturb(func(context.Context, string) error { panic("of the driver") }, nil)
	}
}

func denied(context.Context, string) error { return leader.Permanent(errors.New("permission denied")) }

func (m *model) start(i int) {
	if m.stops[i] != nil {
		return
	}
	ctx, stop := context.WithCancel(m.t.Context())
	done := make(chan error, 1)
	m.stops[i], m.ended[i] = stop, done
	e := m.electors[i] // the list still grows when the first of them runs
	go func() { done <- e.Run(ctx) }()
}

func (m *model) stop(i int) {
	if m.stops[i] == nil {
		return
	}
	m.stops[i]()
	m.stops[i] = nil
	if err := <-m.ended[i]; err != nil {
		m.t.Errorf("Run: %v", err)
	}
}

// pass lets time pass, and looks.
func (m *model) pass(d time.Duration) {
	for end := time.Now().Add(d); ; time.Sleep(250 * time.Millisecond) {
		synctest.Wait()
		m.look()
		if !time.Now().Before(end) {
			return
		}
	}
}

func (m *model) leads() (n int) {
	for _, e := range m.electors {
		if _, ok := e.Current(); ok {
			n++
		}
	}
	return n
}

func (m *model) look() {
	terms := m.store.terms()
	for _, term := range terms[m.terms:] {
		if term.Number <= m.begun {
			m.t.Errorf("term %d begins after %d", term.Number, m.begun)
		}
		m.begun = term.Number
	}
	m.terms = len(terms)
	for i, e := range m.electors {
		term, ok := e.Current()
		if !ok {
			continue
		}
		if h, known := m.holders[term.Number]; known && h != term.Holder {
			m.t.Errorf("term %d is both %q's and %q's", term.Number, h, term.Holder)
		}
		m.holders[term.Number] = term.Holder
		if r, known := e.Record(); !known || r.Term < term.Number {
			m.t.Errorf("a leader in term %d has the record of term %d, %v", term.Number, r.Term, known)
		}
		// Only a way that is free now, or the look itself would be held up.
		if m.links[i].free() {
			m.save(e, term)
		}
	}
	if n := m.leads(); n > 1 && time.Now().After(m.tolerant) {
		m.t.Errorf("%d lead at once", n)
	}
}

// save saves under a term, as a tick would.
func (m *model) save(e *leader.Elector, term autoscale.Term) {
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Millisecond) // another call may be under way
	defer cancel()
	err := e.Save(ctx, term.Number, fmt.Append(nil, term.Number))
	switch {
	case err == nil && term.Number < m.saved:
		m.t.Errorf("saved under term %d after %d", term.Number, m.saved)
	case err == nil:
		m.saved = term.Number
	case !errors.Is(err, autoscale.ErrNotLeader) && !errors.Is(err, context.DeadlineExceeded):
		m.t.Errorf("Save: %v", err)
	}
}

// free reports whether nothing disturbs the link.
func (l *fakeLink) free() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.before == nil && l.after == nil
}
