package calls

import (
	"context"
	"sync"
	"time"
)

// A Lookup keeps what a platform says beside the size, such as whether an autoscaler of its
// own is on. A failed look leaves the last answer standing for a while. It is safe for
// concurrent use.
type Lookup[T any] struct {
	Age   time.Duration // after how long an answer is looked up again
	Trust time.Duration // for how long an answer stands

	// Retry returns after how long a look that failed is tried again. Nil: at the next Get.
	Retry func(err error) time.Duration

	mu    sync.Mutex // not held during a look
	value T
	read  time.Time // when value was looked up. Zero: never
	next  time.Time
}

// Get returns the last answer, and calls look first if it is time to. If there is no answer
// that stands, it returns the zero value, and the error of look if that was called.
func (l *Lookup[T]) Get(ctx context.Context, look func(ctx context.Context) (T, error)) (T, error) {
	now := time.Now()
	l.mu.Lock()
	due := !now.Before(l.next)
	if due {
		l.next = now.Add(l.Age) // others do not look meanwhile
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

// Ever reports whether there ever was an answer.
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
