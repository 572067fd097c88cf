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

// A Recorder is a notifier for tests that remembers the events that it got. Its zero
// value is ready to use. It keeps the last 1,000 events. It must not be copied after
// first use.
type Recorder struct {
	mu     sync.Mutex
	events []autoscale.Event
	total  int           // events recorded, including those no longer kept
	fail   []error       // the errors of the next calls of Notify
	more   chan struct{} // closed at the next event; nil: nobody waits
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
// calls add up: each makes one more call fail. A nil err does nothing.
func (r *Recorder) FailNext(err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = append(r.fail, err)
}

// Events returns a copy of the recorded events, oldest first.
func (r *Recorder) Events() []autoscale.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// Wait returns nil as soon as n events have been recorded since the Recorder was
// made. If ctx ends first, it returns an error that wraps the error of ctx.
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
