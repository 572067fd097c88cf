// Package guard calls what a host supplied, and turns a panic into an error. The
// library runs inside the host's service, and a panic in its own goroutine would end
// that service.
package guard

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
)

// A Panic is a panic that was recovered, with the stack of the place where it happened.
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

// Recovered returns a Panic for the value that recover returned. A Panic stays unchanged,
// because it was carried over from another goroutine. A value whose text is longer than
// [MaxText] is replaced by its text, cut.
func Recovered(value any) *Panic {
	if p, ok := value.(*Panic); ok {
		return p
	}
	if text := fmt.Sprint(value); len(text) > MaxText {
		value = Cut(text, MaxText)
	}
	return &Panic{value, debug.Stack()}
}

// Catch sets err if there is a panic. Defer it around a call to the host's code.
func Catch(err *error) {
	if p := recover(); p != nil {
		*err = Recovered(p)
	}
}

// MaxText is how many bytes of the text of an error are kept.
const MaxText = 2000

// maxKept is the longest text of an error that is kept to be found by errors.Is and
// errors.As. An error with a longer text uses too much memory.
const maxKept = 64 << 10

// Cut returns s. If s has more than most bytes, it returns the beginning of s and an
// ellipsis, together in most bytes.
func Cut(s string, most int) string {
	const end = "…"
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len(end)], "") + end
}

// short is an error whose text was cut.
type short struct {
	text string
	err  error // nil: too long to be kept
}

func (s *short) Error() string { return s.text }
func (s *short) Unwrap() error { return s.err }

// Do calls f, and returns a panic in f as an error.
func Do(f func() error) (err error) {
	defer Catch(&err)
	return Check(f())
}

// errNone is an error that matches no other one. errors.Is asks an error only about
// another one, and not about nil.
var errNone = errors.New("no error")

// Check calls the methods of err that will be called later, while a panic is still
// caught. An error that holds a nil pointer, a common mistake, panics only when it is
// read. Check also cuts the text of err at [MaxText].
func Check(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	_ = errors.Is(err, errNone)
	p := Of(err)
	switch {
	case len(text) > maxKept && p != nil:
		return &short{Cut(text, MaxText), p}
	case len(text) > maxKept:
		return &short{text: Cut(text, MaxText)}
	case len(text) > MaxText:
		return &short{Cut(text, MaxText), err}
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
