package autoscale

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// flushTimeout is how long Run waits at its end until the notifiers have got the queued
// events. Platforms give a process 10 to 30 seconds to stop.
const flushTimeout = 8 * time.Second

// queue stands between the loop and the notifiers. While it is empty it has no goroutine
// and no memory: a process may run thousands of Autoscalers.
type queue struct {
	outbox     *outbox
	ctx        context.Context // of the notifiers
	abort      context.CancelFunc
	delivering sync.WaitGroup

	mu     sync.Mutex
	events []Event // oldest first
	busy   bool    // a goroutine delivers
}

// newQueue returns a queue. The end of ctx does not stop it: close does, after it has
// waited long enough.
func newQueue(ctx context.Context, o *outbox) *queue {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	return &queue{outbox: o, ctx: ctx, abort: cancel}
}

// put queues e. If the queue is full, the oldest event is dropped. It never blocks.
func (q *queue) put(e Event) {
	if !q.outbox.wanted(e) {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == queueSize {
		q.events = append(q.events[:0], q.events[1:]...)
		q.outbox.mail.dropped(1)
	}
	q.events = append(q.events, e)
	if !q.busy {
		q.busy = true
		q.delivering.Go(q.deliver)
	}
}

// deliver calls the notifiers until the queue is empty.
func (q *queue) deliver() {
	for {
		e, ok := q.take()
		switch {
		case !ok:
			return
		case q.ctx.Err() != nil:
			q.outbox.mail.dropped(1)
		default:
			q.outbox.deliver(q.ctx, e, notifyTimeout)
		}
	}
}

// take returns the oldest event. It returns false if there is none.
func (q *queue) take() (e Event, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == 0 {
		q.events, q.busy = nil, false
		return e, false
	}
	e, q.events[0] = q.events[0], Event{}
	q.events = q.events[1:]
	return e, true
}

// close passes on what is queued, for at most flushTimeout. Nothing may be put after it.
func (q *queue) close() {
	timer := time.AfterFunc(flushTimeout, q.abort)
	q.delivering.Wait()
	timer.Stop()
	q.abort()
	if pending, _, _ := q.outbox.mail.peek(); pending.Dropped > 0 {
		q.outbox.log(context.Background(), slog.LevelWarn, fmt.Sprintf("autoscale: %s: stopped with %d notifications unsent", q.outbox.cfg.Name, pending.Dropped))
	}
}
