package guard_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/autoscalebot/autoscale/internal/guard"
)

var errBoom = errors.New("boom")

func TestDo(t *testing.T) {
	for _, tt := range []struct {
		name  string
		f     func() error
		want  string
		panic bool
		is    error
	}{
		{"nothing", func() error { return nil }, "<nil>", false, nil},
		{"an error", func() error { return errBoom }, "boom", false, errBoom},
		{"a panic", func() error { panic("oh") }, "panic: oh", true, nil},
		{"a panic with an error", func() error { panic(errBoom) }, "panic: boom", true, errBoom},
		{"a panic of another goroutine", func() error { panic(&guard.Panic{Value: "far", Stack: []byte("away")}) }, "panic: far", true, nil},
		{"an error with a panic", func() error { return fmt.Errorf("it failed: %w", &guard.Panic{Value: 7}) }, "it failed: panic: 7", true, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := guard.Do(tt.f)
			if got := fmt.Sprint(err); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if got := guard.Of(err) != nil; got != tt.panic {
				t.Errorf("a panic: %v, want %v", got, tt.panic)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

func TestRecoveredKeepsTheStack(t *testing.T) {
	first := guard.Recovered("oh")
	if !strings.Contains(string(first.Stack), "TestRecoveredKeepsTheStack") {
		t.Errorf("the stack is %s", first.Stack)
	}
	if again := guard.Recovered(first); again != first {
		t.Errorf("%v became %v", first, again)
	}
}

// A broken error is an error that panics when it is read.
type broken struct{ method string }

func (b *broken) Error() string {
	if b.method == "Error" {
		panic(b.method)
	}
	return "broken"
}

func (b *broken) Is(error) bool {
	if b.method == "Is" {
		panic(b.method)
	}
	return false
}

func (b *broken) As(any) bool {
	if b.method == "As" {
		panic(b.method)
	}
	return false
}

func TestAnErrorThatPanics(t *testing.T) {
	for _, method := range []string{"Error", "Is", "As"} {
		err := guard.Do(func() error { return &broken{method} })
		if p := guard.Of(err); p == nil || p.Value != method {
			t.Errorf("%s panics, and it is not found before it is read", method)
		}
	}
	var none *broken
	if err := guard.Do(func() error { return none }); guard.Of(err) == nil {
		t.Error("an error that holds a nil pointer is not found")
	}
}

func TestTogether(t *testing.T) {
	for _, n := range []int{0, 1, 7} {
		var called [7]atomic.Int32
		guard.Together(n, func(i int) { called[i].Add(1) })
		for i := range called {
			want := int32(0)
			if i < n {
				want = 1
			}
			if got := called[i].Load(); got != want {
				t.Errorf("of %d, number %d was called %d times", n, i, got)
			}
		}
	}
}

// All calls meet, so they run at the same time.
func TestTogetherIsConcurrent(t *testing.T) {
	a, b := make(chan int), make(chan int)
	guard.Together(2, func(i int) {
		if i == 0 {
			a <- 1
			<-b
		} else {
			<-a
			b <- 1
		}
	})
}

func TestTogetherCarriesAPanicOver(t *testing.T) {
	var done atomic.Int32
	err := guard.Do(func() error {
		guard.Together(5, func(i int) {
			if i == 2 {
				whereItHappens()
			}
			done.Add(1)
		})
		return nil
	})
	p := guard.Of(err)
	if p == nil || p.Value != "oh" || !strings.Contains(string(p.Stack), "whereItHappens") {
		t.Errorf("%v, and not the panic with its stack", err)
	}
	if n := done.Load(); n != 4 {
		t.Errorf("%d of 4 others returned before it", n)
	}
}

func whereItHappens() { panic("oh") }

// Long texts are cut. What errors.Is and errors.As find stays, unless it is very long.
func TestLongTexts(t *testing.T) {
	long := strings.Repeat("é", 2000)
	for name, tt := range map[string]struct {
		f     func() error
		is    bool
		panic bool
	}{
		"an error":            {func() error { return fmt.Errorf("%s: %w", long, errBoom) }, true, false},
		"a very long error":   {func() error { return fmt.Errorf("%s: %w", strings.Repeat(long, 20), errBoom) }, false, false},
		"a panic":             {func() error { panic(long) }, false, true},
		"a very long panic":   {func() error { panic(strings.Repeat(long, 20)) }, false, true},
		"a panic in an error": {func() error { return fmt.Errorf("%s: %w", strings.Repeat(long, 20), guard.Recovered("oh")) }, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			err := guard.Do(tt.f)
			if text := err.Error(); len(text) > guard.MaxText+len("panic: ") || !strings.HasSuffix(text, "é…") {
				t.Errorf("%d bytes: %.40q", len(text), text)
			}
			if errors.Is(err, errBoom) != tt.is || (guard.Of(err) != nil) != tt.panic {
				t.Errorf("it is %v: %v; it is a panic: %v", errBoom, errors.Is(err, errBoom), guard.Of(err) != nil)
			}
		})
	}
	if got := guard.Cut("short", 5); got != "short" {
		t.Error(got)
	}
}
