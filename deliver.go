package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

const (
	// notifyTimeout is how long a notifier has for one event.
	notifyTimeout = 10 * time.Second
	// notifyGrace is how long past its timeout a notifier is waited for: one
	// that heeds its context returns well within it.
	notifyGrace = time.Second
	// queueSize bounds the events that wait for notifiers.
	queueSize = 256
)

// teller is a notifier with what it is told of.
type teller struct {
	notifier Notifier
	part     string // how it is named: Notifiers[0]
	kinds    EventKind
	stuck    atomic.Bool // a call is under way, or never returned
}

func newTellers(cfg Config) []*teller {
	tellers := make([]*teller, len(cfg.Notifiers))
	for i, n := range cfg.Notifiers {
		t := &teller{notifier: n, part: fmt.Sprintf("Notifiers[%d]", i), kinds: cfg.NotifyOn}
		if own, ok := n.(interface{ Kinds() EventKind }); ok {
			if guard.Do(func() error { t.kinds = own.Kinds(); return nil }) != nil {
				t.kinds = cfg.NotifyOn
			}
		}
		tellers[i] = t
	}
	return tellers
}

// errStuck is what a notifier gets counted that has not returned from the event before.
var errStuck = errors.New("it has not returned from an earlier event: it must return when its context ends")

// wanted reports whether any notifier is told of e.
func (a *Autoscaler) wanted(e Event) bool {
	if e.Phase == Ongoing || e.Kind == NotifyFailed {
		return false
	}
	for _, t := range a.tells {
		if t.kinds&e.Kind != 0 {
			return true
		}
	}
	return false
}

// deliver tells e to the notifiers that want it, all at once, and waits until
// they have returned, or for a little longer than timeout for those that ignore
// their context: such a one is passed over until it returns, so that it pins
// one goroutine and no more.
func (a *Autoscaler) deliver(ctx context.Context, e Event, timeout time.Duration) {
	if a.wanted(e) {
		a.send(ctx, e, timeout)
	}
}

func (a *Autoscaler) send(ctx context.Context, e Event, timeout time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan struct{}, len(a.tells))
	waiting := 0
	for _, t := range a.tells {
		if t.kinds&e.Kind == 0 {
			continue
		}
		if !t.stuck.CompareAndSwap(false, true) {
			a.report(ctx, t, e, errStuck)
			continue
		}
		waiting++
		go func() {
			defer func() { done <- struct{}{} }()
			err := guard.Do(func() error { return t.notifier.Notify(ctx, e) })
			t.stuck.Store(false)
			a.report(ctx, t, e, err)
		}()
	}
	var late <-chan time.Time
	expired := ctx.Done()
	for waiting > 0 {
		select {
		case <-done:
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

// report counts and logs what became of a notification.
func (a *Autoscaler) report(ctx context.Context, t *teller, e Event, err error) {
	if err == nil {
		a.desk.mu.Lock()
		a.desk.told++
		a.desk.mu.Unlock()
		return
	}
	attrs := []slog.Attr{slog.String("notifier", t.part), slog.String("kind", e.Kind.String()), slog.Any("error", err)}
	var p *guard.Panic
	if errors.As(err, &p) {
		attrs = append(attrs, slog.String("stack", string(p.Stack)))
	}
	a.log(ctx, slog.LevelWarn, fmt.Sprintf("autoscale: %s: %s was not told of %v", a.cfg.Name, t.part, e.Kind), attrs...)

	a.desk.mu.Lock()
	defer a.desk.mu.Unlock()
	a.desk.failed++
	a.desk.err = fmt.Errorf("%s: %w", t.part, err)
	if p != nil {
		a.desk.panicked = a.desk.err
	}
}

// desk is where notifiers, on their goroutines, leave word for the loop.
type desk struct {
	mu       sync.Mutex
	told     uint64
	failed   int
	dropped  int
	err      error // the last failure
	panicked error // the last panic
}

// clear returns what was left and starts anew.
func (d *desk) clear() (told uint64, failed, dropped int, err, panicked error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	told, failed, dropped, err, panicked = d.told, d.failed, d.dropped, d.err, d.panicked
	d.told, d.failed, d.dropped, d.err, d.panicked = 0, 0, 0, nil, nil
	return
}

// queue stands between the loop and the notifiers.
type queue struct {
	a      *Autoscaler
	events chan Event
	done   chan struct{}
	abort  context.CancelFunc
}

// newQueue starts the goroutine that tells the notifiers. What it tells is not
// cut short when ctx ends, but when close has waited long enough.
func newQueue(ctx context.Context, a *Autoscaler) *queue {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	q := &queue{a: a, events: make(chan Event, queueSize), done: make(chan struct{}), abort: cancel}
	go func() {
		defer close(q.done)
		for e := range q.events {
			if ctx.Err() != nil {
				a.drop(1)
				continue
			}
			a.deliver(ctx, e, notifyTimeout)
		}
	}()
	return q
}

// put queues e, in the place of the oldest where the queue is full. It never blocks.
func (q *queue) put(e Event) {
	if !q.a.wanted(e) {
		return
	}
	for {
		select {
		case q.events <- e:
			return
		default:
		}
		select {
		case <-q.events:
			q.a.drop(1)
		default:
		}
	}
}

// close tells what is queued, for at most flushTimeout, and ends the goroutine.
func (q *queue) close() {
	close(q.events)
	timer := time.AfterFunc(flushTimeout, q.abort)
	<-q.done
	timer.Stop()
	q.abort()
	_, _, dropped, _, _ := q.a.collect()
	if dropped > 0 {
		q.a.log(context.Background(), slog.LevelWarn, fmt.Sprintf("autoscale: %s: stopped with %d notifications untold", q.a.cfg.Name, dropped))
	}
}

func (a *Autoscaler) drop(n int) {
	a.desk.mu.Lock()
	a.desk.dropped += n
	a.desk.mu.Unlock()
}

// collect moves what the notifiers left at the desk into the counters.
func (a *Autoscaler) collect() (told uint64, failed, dropped int, err, panicked error) {
	told, failed, dropped, err, panicked = a.desk.clear()
	if told == 0 && failed == 0 && dropped == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.counters.Notified += told
	a.state.counters.NotifyFailures += uint64(failed)
	a.state.counters.Dropped += uint64(dropped)
	return
}
