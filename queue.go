package autoscale

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// flushTimeout is how long Run waits, when it ends, until the notifiers have got what is
// queued. Platforms give a process 10 to 30 seconds to stop.
const flushTimeout = 8 * time.Second

// queue stands between the loop and the notifiers.
type queue struct {
	outbox *outbox
	events chan Event
	done   chan struct{}
	abort  context.CancelFunc
}

// newQueue starts the goroutine that calls the notifiers. The end of ctx does not stop
// it: close does, after it has waited long enough.
func newQueue(ctx context.Context, o *outbox) *queue {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	q := &queue{outbox: o, events: make(chan Event, queueSize), done: make(chan struct{}), abort: cancel}
	go func() {
		defer close(q.done)
		for e := range q.events {
			if ctx.Err() != nil {
				o.mail.dropped(1)
				continue
			}
			o.deliver(ctx, e, notifyTimeout)
		}
	}()
	return q
}

// put queues e. If the queue is full, the oldest event is dropped. It never blocks.
func (q *queue) put(e Event) {
	if !q.outbox.wanted(e) {
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
			q.outbox.mail.dropped(1)
		default:
		}
	}
}

// close passes on what is queued, for at most flushTimeout, and ends the goroutine.
func (q *queue) close() {
	close(q.events)
	timer := time.AfterFunc(flushTimeout, q.abort)
	<-q.done
	timer.Stop()
	q.abort()
	if pending, _, _ := q.outbox.mail.peek(); pending.Dropped > 0 {
		q.outbox.log(context.Background(), slog.LevelWarn, fmt.Sprintf("autoscale: %s: stopped with %d notifications unsent", q.outbox.cfg.Name, pending.Dropped))
	}
}
