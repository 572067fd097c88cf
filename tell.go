package autoscale

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// heed takes up what the notifiers reported since the last tick.
func (a *Autoscaler) heed(now time.Time) {
	a.now = now
	_, failed, dropped, err, panicked := a.collect()
	if failed+dropped == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	e := Event{Kind: NotifyFailed, Time: now, Name: a.cfg.Name, Count: failed + dropped, Err: err}
	a.push(e)
	if panicked != nil {
		a.panicked(e, "Notifiers", panicked)
	}
}

// note takes up a panic outside of commit.
func (a *Autoscaler) note(part string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.panicked(Event{Time: a.now, Name: a.cfg.Name, From: a.state.capacity.Desired, To: a.state.capacity.Desired}, part, err)
}

// emit logs the events of a tick and tells them to Observe, and, if this
// process leads, to the notifiers. No lock is held: Observe may call Status.
//
// An event that could not be recorded waits until it can be.
func (a *Autoscaler) emit(ctx context.Context, recorded bool, tell func(Event)) {
	if recorded {
		for _, e := range a.unsent {
			tell(e)
		}
		clear(a.unsent)
		a.unsent = a.unsent[:0]
	}
	observe := a.cfg.Observe
	for i := 0; i < len(a.events); i++ { // it grows if Observe panics
		e := a.events[i]
		a.logEvent(ctx, &e)
		if observe != nil {
			if err := call(observe, e); err != nil {
				observe = nil // for the rest of this tick
				a.note("Observe", err)
			}
		}
		switch {
		case !a.state.leading || !a.wanted(e):
		case recorded:
			tell(e)
		case len(a.unsent) < maxUnsent:
			a.unsent = append(a.unsent, e)
		default:
			a.drop(1)
		}
	}
	clear(a.events) // its errors and texts need not live until the next tick
}

func call(observe func(Event), e Event) (err error) {
	defer guard.Catch(&err)
	observe(e)
	return nil
}

// logEvent writes e to the logger, if that wants its level.
func (a *Autoscaler) logEvent(ctx context.Context, e *Event) {
	level := e.Level()
	if !a.enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("name", e.Name), slog.String("kind", e.Kind.String()),
		slog.Int("from", e.From), slog.Int("to", e.To), slog.Int("min", e.Min), slog.Int("max", e.Max),
	}
	if e.Phase != Occurred {
		attrs = append(attrs, slog.String("phase", e.Phase.String()))
	}
	var p *guard.Panic
	if e.Kind == Panicked && errors.As(e.Err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	a.log(ctx, level, "autoscale: "+e.String(), attrs...)
}

// enabled asks the logger. One that panics here will be asked to log, which
// counts the panic.
func (a *Autoscaler) enabled(ctx context.Context, level slog.Level) (enabled bool) {
	defer func() {
		if recover() != nil {
			enabled = true
		}
	}()
	return a.cfg.Logger.Enabled(ctx, level)
}
