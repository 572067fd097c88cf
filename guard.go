package autoscale

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// panicError is a panic of something that the host supplied. It carries the
// stack of where it was recovered.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// Unwrap returns the panic's value where that is an error.
func (e *panicError) Unwrap() error {
	err, _ := e.value.(error)
	return err
}

// isPanic reports whether err comes of a panic. Most often there is no error,
// and errors.As would allocate even then.
func isPanic(err error) bool {
	if err == nil {
		return false
	}
	var p *panicError
	return errors.As(err, &p)
}

// recovered makes an error of what recover returned.
func recovered(p any) *panicError {
	if e, ok := p.(*panicError); ok { // carried over from another goroutine
		return e
	}
	return &panicError{p, debug.Stack()}
}

// catch is deferred around everything that the host supplied, and turns its
// panic into an error. We live inside the host's service, and our loop must not
// be what ends it.
func catch(err *error) {
	if p := recover(); p != nil {
		*err = recovered(p)
	}
}

// guard calls f, and turns its panic into an error.
func guard(f func() error) (err error) {
	defer catch(&err)
	return sound(f())
}

// sound asks err all that will be asked of it, where a panic is still caught: a
// nil pointer in an error, a usual slip, panics only when it is read.
func sound(err error) error {
	if err != nil {
		_ = err.Error()
		_ = errors.Is(err, nil)
		_ = isPanic(err)
	}
	return err
}
