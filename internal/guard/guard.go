// Package guard calls what a host supplied, and turns a panic into an error. The
// library runs inside the host's service, and a panic in its own goroutine would end
// that service.
package guard

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// A Panic is a panic that was recovered, with the stack of where it happened.
type Panic struct {
	Value any
	Stack []byte
}

// Error says what the value was.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// Recovered returns a Panic for what recover returned. A Panic stays what it is: it
// was carried over from another goroutine.
func Recovered(value any) *Panic {
	if p, ok := value.(*Panic); ok {
		return p
	}
	return &Panic{value, debug.Stack()}
}

// Catch sets err if there is a panic. Defer it around a call to the host's code.
func Catch(err *error) {
	if p := recover(); p != nil {
		*err = Recovered(p)
	}
}

// Do calls f, and returns a panic of it as an error.
func Do(f func() error) (err error) {
	defer Catch(&err)
	return Check(f())
}

// errNone is an error that no other one is. errors.Is asks an error only about another
// one, and not about nil.
var errNone = errors.New("no error")

// Check calls the methods of err that will be called later, while a panic is still
// caught. An error that holds a nil pointer, a common slip, panics only when it is read.
func Check(err error) error {
	if err != nil {
		_ = err.Error()
		_ = errors.Is(err, errNone)
		_ = Of(err)
	}
	return err
}

// Of returns the Panic in err, or nil. Most calls have no error, and errors.As would
// allocate even then.
func Of(err error) *Panic {
	if err == nil {
		return nil
	}
	var p *Panic
	errors.As(err, &p)
	return p
}

// Together calls f n times at the same time, with 0 to n-1, and waits until all have
// returned. A panic on a goroutine of its own would end the host: Together carries it to
// the goroutine of its caller.
func Together(n int, f func(i int)) {
	panics := make([]*Panic, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panics[i] = Recovered(p)
				}
			}()
			f(i)
		})
	}
	wg.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
}
