package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

const (
	// notifyTimeout is how long a notifier has for one event.
	notifyTimeout = 10 * time.Second
	// notifyGrace is how long deliver waits for a notifier after its timeout. A notifier
	// that obeys its context returns within it.
	notifyGrace = time.Second
	// queueSize bounds the events that wait for notifiers.
	queueSize = 256
	// maxUnsent bounds the events that wait until they can be recorded.
	maxUnsent = 64
)

// outbox logs events, and passes them to Observe and to the notifiers. It sends notices
// of an event only after the Store has recorded it.
type outbox struct {
	cfg        *Config
	mail       *mailbox
	log        func(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr)
	recipients []*recipient
	unsent     []Event // until they can be recorded
	term       int64   // of unsent
}

// recipient is a notifier, with the kinds of event that it gets.
type recipient struct {
	notifier Notifier
	part     string // its name, such as Notifiers[0]
	kinds    EventKind
	busy     atomic.Bool // a call is under way, or never returned
}

func newRecipients(cfg *Config) []*recipient {
	recipients := make([]*recipient, len(cfg.Notifiers))
	for i, n := range cfg.Notifiers {
		r := &recipient{notifier: n, part: fmt.Sprintf("Notifiers[%d]", i), kinds: cfg.NotifyOn}
		_ = guard.Do(func() error {
			if own, ok := part.As[Subscriber](n); ok {
				r.kinds = own.Kinds()
			}
			return nil
		})
		recipients[i] = r
	}
	return recipients
}

// errBusy is recorded for a notifier that is still busy with an earlier event.
var errBusy = errors.New("it has not returned from an earlier event: it must return when its context ends")

// put takes the events of a tick. No lock is held: Observe may call Status. Notifiers
// are called by send, and only if this process leads.
func (o *outbox) put(ctx context.Context, events []Event, d done, recorded bool, send func(Event)) {
	if !d.leads || d.term != o.term {
		// The leader of this term sends notices of what holds now.
		clear(o.unsent)
		o.unsent, o.term = o.unsent[:0], d.term
	}
	if recorded {
		for _, e := range o.unsent {
			send(e)
		}
		clear(o.unsent)
		o.unsent = o.unsent[:0]
	}
	observe := o.cfg.Observe
	for i := range events {
		e := events[i]
		o.logEvent(ctx, &e)
		if observe != nil {
			if err := guard.Do(func() error { observe(e); return nil }); err != nil {
				observe = nil // for the rest of this tick
				o.mail.fault("Observe", err)
			}
		}
		switch {
		case !d.leads || !o.wanted(e):
		case recorded:
			send(e)
		case len(o.unsent) < maxUnsent:
			o.unsent = append(o.unsent, e)
		default:
			o.mail.dropped(1)
		}
	}
}

// wanted reports whether any notifier gets e.
func (o *outbox) wanted(e Event) bool {
	if e.Phase == Ongoing || e.Kind == NotifyFailed {
		return false
	}
	for _, r := range o.recipients {
		if r.kinds&e.Kind != 0 {
			return true
		}
	}
	return false
}

// deliver passes e to the notifiers that want it, all at once. It waits until they have
// returned, or a little longer than timeout for those that ignore their context. A
// notifier that has not returned gets no further event, so it holds one goroutine at most.
func (o *outbox) deliver(ctx context.Context, e Event, timeout time.Duration) {
	if !o.wanted(e) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	finished := make(chan struct{}, len(o.recipients))
	waiting := 0
	for _, r := range o.recipients {
		if r.kinds&e.Kind == 0 {
			continue
		}
		if !r.busy.CompareAndSwap(false, true) {
			o.report(ctx, r, e, errBusy)
			continue
		}
		waiting++
		go func() {
			defer func() { finished <- struct{}{} }()
			err := guard.Do(func() error { return r.notifier.Notify(ctx, e) })
			r.busy.Store(false)
			o.report(ctx, r, e, err)
		}()
	}
	var late <-chan time.Time
	expired := ctx.Done()
	for waiting > 0 {
		select {
		case <-finished:
			waiting--
		case <-expired:
			expired = nil
			timer := time.NewTimer(notifyGrace)
			defer timer.Stop()
			late = timer.C
		case <-late:
			return
		}
	}
}

// report counts and logs the result of a notification.
func (o *outbox) report(ctx context.Context, r *recipient, e Event, err error) {
	if err == nil {
		o.mail.delivered(r.part, nil)
		return
	}
	attrs := []slog.Attr{slog.String("notifier", r.part), slog.String("kind", e.Kind.String()), slog.Any("error", err)}
	if p := guard.Of(err); p != nil {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	o.log(ctx, slog.LevelWarn, fmt.Sprintf("autoscale: %s: %s could not notify of %v", o.cfg.Name, r.part, e.Kind), attrs...)
	o.mail.delivered("Notifiers", fmt.Errorf("%s: %w", r.part, err))
}

// logEvent writes e to the logger, if that wants its level.
func (o *outbox) logEvent(ctx context.Context, e *Event) {
	level := e.Level()
	if !enabled(ctx, o.cfg.Logger, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("name", e.Name), slog.String("kind", e.Kind.String()),
		slog.Int("from", e.From), slog.Int("to", e.To), slog.Int("min", e.Min), slog.Int("max", e.Max),
	}
	if e.Phase != Occurred {
		attrs = append(attrs, slog.String("phase", e.Phase.String()))
	}
	if p := guard.Of(e.Err); e.Kind == Panicked && p != nil {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	o.log(ctx, level, "autoscale: "+e.String(), attrs...)
}

// enabled asks the logger whether it wants a level. If the logger panics here, it is
// asked to log, which counts the panic.
func enabled(ctx context.Context, logger *slog.Logger, level slog.Level) (enabled bool) {
	defer func() {
		if recover() != nil {
			enabled = true
		}
	}()
	return logger.Enabled(ctx, level)
}
