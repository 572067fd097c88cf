package notify

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/autoscalebot/autoscale"
)

// maxRecorded is how many events a Recorder keeps.
const maxRecorded = 1000

// A Recorder is a notifier for tests, which remembers the events that it got. Its zero
// value is ready to be used. It keeps the last 1,000 events. It must not be
// copied after it was first used.
type Recorder struct {
	mu     sync.Mutex
	events []autoscale.Event
	total  int           // events recorded, those no longer kept included
	fail   []error       // of the next calls of Notify
	more   chan struct{} // closed with the next event; nil: nobody waits
}

// Notify records e, or returns the error that was given to FailNext.
func (r *Recorder) Notify(_ context.Context, e autoscale.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.fail) > 0 {
		err := r.fail[0]
		r.fail = r.fail[1:]
		return err
	}
	if len(r.events) == maxRecorded {
		r.events = slices.Delete(r.events, 0, 1)
	}
	r.events = append(r.events, e)
	r.total++
	if r.more != nil {
		close(r.more)
		r.more = nil
	}
	return nil
}

// FailNext makes the next call of Notify return err and record nothing. Several
// calls add up: each fails one more. A nil err does nothing.
func (r *Recorder) FailNext(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = append(r.fail, err)
}

// Events returns a copy of what was recorded, oldest first.
func (r *Recorder) Events() []autoscale.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Wait returns nil once n events were recorded since the Recorder was made, at
// once if they were already, and an error that wraps ctx's if that ends before.
func (r *Recorder) Wait(ctx context.Context, n int) error {
	for {
		r.mu.Lock()
		total := r.total
		if total < n && r.more == nil {
			r.more = make(chan struct{})
		}
		more := r.more
		r.mu.Unlock()
		if total >= n {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("notify: waited for %d events, and %d came: %w", n, total, context.Cause(ctx))
		}
	}
}

// Format shows how many events were recorded.
func (r *Recorder) Format(f fmt.State, _ rune) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(f, "notify.Recorder(%d events)", r.total)
}
