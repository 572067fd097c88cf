package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/names"
)

const (
	// resignAfter is how many ticks in a row may fail to read or set the size
	// before a leader lets another process try, which may reach the platform.
	resignAfter = 3
	// leastRest is how long a leader that resigned leaves the lease to others.
	leastRest = 30 * time.Second
	// maxUnsent bounds the events that wait until they could be recorded.
	maxUnsent = 64
	// storeSilence is for how long a store may say nothing before it counts as
	// failing. Electors look into it several times a minute.
	storeSilence = 2 * time.Minute
)

// watch looks whether the store answers.
func (a *Autoscaler) watch(now time.Time) {
	if a.store == nil {
		return
	}
	record := a.record()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.state
	silence := time.Since(record.Read)
	if a.unsaved < failingAfter && (record.Read.IsZero() || silence < storeSilence) {
		if e, over := s.conditions.over(StoreFailing, now); over {
			a.push(e)
		}
		return
	}
	e := Event{Kind: StoreFailing, Time: now, Name: a.cfg.Name, From: s.capacity.Desired, To: s.capacity.Desired, Err: a.saveErr}
	if silence >= storeSilence {
		e.Detail = "it last answered " + names.Duration(silence) + " ago"
	}
	a.holds(e, "")
}

// save records the state under the term. A tick costs one round trip for it,
// and one more before it orders a size.
func (a *Autoscaler) save(ctx context.Context) error {
	if a.store == nil {
		return nil
	}
	a.mu.Lock()
	data, err := a.state.encode(time.Now())
	term := a.state.term
	a.mu.Unlock()
	if err != nil {
		return err
	}
	// The term may have been renewed since the tick began.
	if fresh, leads := a.lead(); leads && fresh.Number == term.Number {
		term = fresh
	}
	deadline := time.Now().Add(a.cfg.Timeout)
	if !term.Until.IsZero() && term.Until.Before(deadline) {
		deadline = term.Until
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := guard.Do(func() error { return a.store.Save(ctx, term.Number, data) }); err != nil {
		return fmt.Errorf("autoscale: %s: record the state: %w", a.cfg.Name, err)
	}
	return nil
}

// intend records which size is about to be ordered: if this process dies before
// it can say that it was, the next leader still knows whose order it was. It is
// also the fence: a process whose term is over finds out here.
func (a *Autoscaler) intend(ctx context.Context, r *report) error {
	if a.store == nil || a.cfg.DryRun {
		return nil
	}
	a.mu.Lock()
	s := &a.state
	before := s.orders
	s.orders.give(r.at, r.size, true)
	a.mu.Unlock()
	err := a.save(ctx)
	if err != nil {
		a.mu.Lock()
		s.orders = before
		a.mu.Unlock()
	}
	return err
}

// keep records a tick before anything of it is told, so that a process that
// dies may lose a notice but never leaves the next leader to repeat it. It
// reports whether the notifiers may be told.
func (a *Autoscaler) keep(ctx context.Context, acted bool) bool {
	if !a.state.leading {
		a.unsent = a.unsent[:0] // who leads now tells what is so now
		return false
	}
	err := a.save(ctx)
	switch {
	case err == nil:
		a.unsaved, a.saveErr = 0, nil
		return true
	case errors.Is(err, ErrNotLeader):
		a.log(ctx, slog.LevelWarn, err.Error()+"; another process leads, and tells what is to be told")
		return false
	case ctx.Err() != nil:
		return false
	}
	a.unsaved++
	a.saveErr = err
	a.log(ctx, slog.LevelWarn, err.Error()+"; what is to be told waits until it can be recorded")
	if acted {
		// Nobody else knows what was ordered, unless they read it from the
		// platform: let somebody lead who can record it.
		a.resign(ctx)
	}
	return false
}

// resign gives the term up, if the elector can.
func (a *Autoscaler) resign(ctx context.Context) {
	r, ok := a.cfg.Elector.(Resigner)
	if !ok {
		return
	}
	rest := max(a.cfg.Interval, leastRest)
	a.log(ctx, slog.LevelWarn, fmt.Sprintf("autoscale: %s: this process resigns, and does not campaign for %v", a.cfg.Name, rest))
	if err := guard.Do(func() error { r.Resign(rest); return nil }); err != nil {
		a.note("Elector", err)
	}
}

// restore takes over what the leader before saved. The caller holds the lock.
func (s *state) restore(r Record, name string) error {
	if r.State == nil {
		return nil
	}
	old, err := decode(r, name)
	if err != nil {
		return err
	}
	old.counters, old.leading, old.term = s.counters, s.leading, s.term
	old.samples.window, old.samples.number = s.samples.window, s.samples.number
	*s = *old
	return nil
}
