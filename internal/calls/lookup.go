package calls

import (
	"context"
	"sync"
	"time"
)

// A Lookup keeps an answer of a platform other than the size, such as whether the
// platform's own autoscaler is on. After a failed lookup, the last answer is used for a
// while. It is safe for concurrent use.
type Lookup[T any] struct {
	Age   time.Duration // the time after which an answer is looked up again
	Trust time.Duration // for how long an answer is used

	// Retry returns the time after which a failed lookup is tried again. Nil: at the next
	// Get.
	Retry func(err error) time.Duration

	mu    sync.Mutex // not held during a lookup
	value T
	read  time.Time // when value was looked up. Zero: never
	next  time.Time
}

// Get returns the last answer. It calls look first if the answer is due to be looked up
// again. Without an answer that may be used, Get returns the zero value, and the error of
// look if it called look.
func (l *Lookup[T]) Get(ctx context.Context, look func(ctx context.Context) (T, error)) (T, error) {
	now := time.Now()
	l.mu.Lock()
	due := !now.Before(l.next)
	if due {
		l.next = now.Add(l.Age) // others do not look in the meantime
	}
	l.mu.Unlock()
	var value T
	var err error
	if due {
		value, err = look(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case due && err == nil:
		l.value, l.read = value, now
	case due && l.Retry != nil:
		l.next = now.Add(l.Retry(err))
	case due:
		l.next = now
	}
	if !l.read.IsZero() && now.Sub(l.read) < l.Trust {
		return l.value, nil
	}
	var none T
	return none, err
}

// Ever reports whether there has ever been an answer.
func (l *Lookup[T]) Ever() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.read.IsZero()
}

// Forget drops the last answer. The next Get looks.
func (l *Lookup[T]) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var none T
	l.value, l.read, l.next = none, time.Time{}, time.Time{}
}
