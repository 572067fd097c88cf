//go:build linux

package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale"

	"github.com/autoscalebot/autoscale/internal/servertest/chaos/journal"
)

// An Elector is one of package leader, or of a store with an Elector of its own.
type Elector interface {
	autoscale.Elector
	autoscale.Store
	autoscale.HistoryStore
	autoscale.Resigner
	autoscale.DefaultNamer
	Validate() error
}

// elector is the elector under trial. It reports to the journal.
type elector struct {
	Elector
	journal *journal.Journal
	rest    time.Duration

	mu   sync.Mutex
	term autoscale.Term // as last seen; zero: it did not lead
	seen int64          // when it last led for sure

	knows  int64       // the term that it read last
	gaveUp atomic.Bool // its Run failed for good
}

// Run is the elector's own.
func (e *elector) Run(ctx context.Context) error {
	err := e.Elector.Run(ctx)
	if err != nil && ctx.Err() == nil {
		e.gaveUp.Store(true)
		e.journal.Add(journal.Line{What: journal.GaveUp, Detail: err.Error()})
	}
	return err
}

// Current is the elector's own.
func (e *elector) Current() (autoscale.Term, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.journal.Now()
	term, leads := e.Elector.Current()
	if e.term.Number != 0 && (!leads || term.Number != e.term.Number) {
		e.journal.Add(journal.Line{What: journal.Ended, Term: e.term.Number, Seen: e.seen})
	}
	if leads && term != e.term {
		e.journal.Add(journal.Line{What: journal.Trusted, Term: term.Number, Until: e.journal.At(term.Until)})
	}
	e.term = term
	if leads {
		e.seen = before
	}
	return term, leads
}

// Resign rests for a shorter time than it is asked to, because everything in the
// trial is faster.
func (e *elector) Resign(rest time.Duration) {
	before := e.journal.Now()
	e.Elector.Resign(min(rest, e.rest))
	e.journal.Add(journal.Line{What: journal.Resigned, At: before, Until: e.journal.At(time.Now().Add(min(rest, e.rest)))})
}

// watch looks often enough to see each renewal.
func (e *elector) watch(ctx context.Context) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		e.Current()
		if r, ok := e.Record(); ok && r.Term != e.knows {
			e.knows = r.Term
			e.journal.Add(journal.Line{What: journal.Knows, Term: r.Term})
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
