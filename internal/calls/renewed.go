package calls

import (
	"context"
	"sync"
	"time"
)

const (
	// earliest is the longest time before its end at which a value is renewed.
	earliest = 5 * time.Minute

	// renewPause is how long a renewal that failed waits at least for the next one, while
	// the value is good.
	renewPause = 10 * time.Second

	// longestLife is after how long a value is renewed at the latest.
	longestLife = 24 * time.Hour
)

// A Renewed keeps a value that ends, such as a token, until it ends. When a tenth of its
// life is left, at most five minutes, one caller renews it, and the others go on with the
// value that is still good. So does that caller if it fails. It is safe for concurrent use.
type Renewed[T any] struct {
	get  func(ctx context.Context) (value T, life time.Duration, err error)
	turn chan struct{} // holds a value while one is got

	mu      sync.Mutex // guards what follows, and is not held during a call
	value   T
	got     time.Time
	due     time.Time // when it is to be renewed
	until   time.Time // when it ends
	tries   int       // how many have ended
	failure error     // of the last of them
}

// NewRenewed returns a Renewed. get gets a value, and says for how long it is good, counted
// from its call. A value whose life is not above 0 is good for one call.
func NewRenewed[T any](get func(ctx context.Context) (value T, life time.Duration, err error)) *Renewed[T] {
	return &Renewed[T]{get: get, turn: make(chan struct{}, 1)}
}

// Get returns a value that is good, and gets one if there is none.
func (r *Renewed[T]) Get(ctx context.Context) (T, error) {
	value, good, due, tries, _ := r.look()
	if good && !due {
		return value, nil
	}
	if good {
		select {
		case r.turn <- struct{}{}:
			defer func() { <-r.turn }()
		default: // somebody renews it
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
	// Somebody else may have got it meanwhile, or have failed on behalf of all who waited.
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
		if ctx.Err() != nil { // which is nobody else's failure
			r.failure = nil
		}
		return value, err
	}
	r.value, r.got, r.until, r.failure = next, start, start.Add(life), nil
	r.due = start.Add(min(life-min(life/10, earliest), longestLife))
	return next, nil
}

// look returns the value, whether it is good, whether it is to be renewed, how many tries
// have ended, and the failure of the last.
func (r *Renewed[T]) look() (value T, good, due bool, tries int, failure error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	return r.value, now.Before(r.until), !now.Before(r.due), r.tries, r.failure
}

// Last returns the last value, good or not, and how long ago it was got.
func (r *Renewed[T]) Last() (value T, age time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.value, time.Since(r.got)
}

// Drop ends the last value, if it is one that refused says was refused.
func (r *Renewed[T]) Drop(refused func(T) bool) (dropped bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if dropped = refused(r.value); dropped {
		r.until = time.Time{}
	}
	return dropped
}
