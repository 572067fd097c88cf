package calls

import (
	"context"
	"sync"
	"time"
)

const (
	// earliest is the longest time before the end of a value at which the value is renewed.
	earliest = 5 * time.Minute

	// renewPause is the shortest time from a failed renewal to the next one, while the
	// value is still valid.
	renewPause = 10 * time.Second

	// longestLife is the time after which a value is renewed at the latest.
	longestLife = 24 * time.Hour
)

// A Renewed keeps a value that ends, such as a token, until it ends. When a tenth of its
// life is left, at most five minutes, one caller renews it, and the others go on with the
// value, which is still valid. If the renewal fails, that caller does so too. It is safe
// for concurrent use.
type Renewed[T any] struct {
	get  func(ctx context.Context) (value T, life time.Duration, err error)
	turn chan struct{} // holds an element while a value is fetched

	mu      sync.Mutex // guards the fields below; not held during a call
	value   T
	got     time.Time
	due     time.Time // when to renew it
	until   time.Time // when it ends
	tries   int       // how many tries have ended
	failure error     // the error of the last try
}

// NewRenewed returns a Renewed. get fetches a value, and returns for how long it is valid,
// counted from the call of get. A value whose life is not above 0 is valid for one call.
func NewRenewed[T any](get func(ctx context.Context) (value T, life time.Duration, err error)) *Renewed[T] {
	return &Renewed[T]{get: get, turn: make(chan struct{}, 1)}
}

// Get returns a valid value, and fetches one if there is none.
func (r *Renewed[T]) Get(ctx context.Context) (T, error) {
	value, good, due, tries, _ := r.look()
	if good && !due {
		return value, nil
	}
	if good {
		select {
		case r.turn <- struct{}{}:
			defer func() { <-r.turn }()
		default: // another caller renews it
			return value, nil
		}
		var cancel context.CancelFunc
		ctx, cancel = Aside(ctx)
		defer cancel()
	} else {
		select {
		case r.turn <- struct{}{}:
			defer func() { <-r.turn }()
		case <-ctx.Done():
			return value, Ended(ctx, nil)
		}
	}
	// In the meantime, another caller may have fetched it, or may have failed for all
	// callers that waited.
	value, good, due, now, failure := r.look()
	switch {
	case good && !due:
		return value, nil
	case !good && now != tries && failure != nil:
		return value, failure
	}
	start := time.Now()
	next, life, err := r.get(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch now := time.Now(); {
	case err != nil && good && now.Before(r.until):
		r.due = now.Add(max(renewPause, r.until.Sub(now)/4))
		return value, nil
	case err != nil:
		r.tries, r.failure = r.tries+1, err
		if ctx.Err() != nil { // that is not a failure for the others
			r.failure = nil
		}
		return value, err
	}
	r.value, r.got, r.until, r.failure = next, start, start.Add(life), nil
	r.due = start.Add(min(life-min(life/10, earliest), longestLife))
	return next, nil
}

// look returns the value, whether it is valid, whether to renew it, how many tries have
// ended, and the error of the last.
func (r *Renewed[T]) look() (value T, good, due bool, tries int, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	return r.value, now.Before(r.until), !now.Before(r.due), r.tries, r.failure
}

// Last returns the last value, valid or not, and how long ago it was fetched.
func (r *Renewed[T]) Last() (value T, age time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.value, time.Since(r.got)
}

// Drop drops the last value, if refused reports that it was refused.
func (r *Renewed[T]) Drop(refused func(T) bool) (dropped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if dropped = refused(r.value); dropped {
		r.until = time.Time{}
	}
	return dropped
}
