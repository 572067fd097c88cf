package part_test

import (
	"fmt"
	"testing"

	"github.com/autoscalebot/autoscale/internal/part"
)

// Speaker is the interface that the tests wrap.
type Speaker interface{ Speak() string }

type namer interface{ Name() string }

type dog struct{ name string }

func (dog) Speak() string  { return "woof" }
func (d dog) Name() string { return d.name }

type cat struct{}

func (cat) Speak() string { return "meow" }

type wrapper struct{ inner Speaker }

func (w wrapper) Speak() string   { return w.inner.Speak() }
func (w wrapper) Unwrap() Speaker { return w.inner }

type loud struct {
	Speaker
	volume int
}

func (l *loud) Speak() string { return l.Speaker.Speak() + "!" }

type titled struct{ Speaker }

func (titled) Name() string { return "title" }

// hidden wraps without saying so.
type hidden struct{ inner Speaker }

func (h hidden) Speak() string { return h.inner.Speak() }

type circular struct{ cat }

func (c circular) Unwrap() Speaker { return c }

type several struct {
	fmt.Stringer // another interface
	Speaker
}

type named func() string

func (f named) Speak() string { return f() }

func TestAs(t *testing.T) {
	rex := dog{"Rex"}
	for _, tt := range []struct {
		name string
		part Speaker
		want string // "": not found
	}{
		{"itself", rex, "Rex"},
		{"a pointer", &rex, "Rex"},
		{"without the method", cat{}, ""},
		{"nil", nil, ""},
		{"a func", named(func() string { return "" }), ""},
		{"Unwrap", wrapper{rex}, "Rex"},
		{"Unwrap twice", wrapper{wrapper{rex}}, "Rex"},
		{"Unwrap of nil", wrapper{}, ""},
		{"Unwrap of one without the method", wrapper{cat{}}, ""},
		{"an anonymous struct", struct{ Speaker }{rex}, "Rex"},
		{"a pointer to one", &struct{ Speaker }{rex}, "Rex"},
		{"an embedded field among others", &loud{rex, 11}, "Rex"},
		{"an embedded field after others", several{Speaker: rex}, "Rex"},
		{"an embedded nil", struct{ Speaker }{}, ""},
		{"a nil pointer to a struct", (*loud)(nil), ""},
		{"all in one another", struct{ Speaker }{wrapper{&loud{Speaker: rex}}}, "Rex"},
		{"the outermost wins", titled{rex}, "title"},
		{"a field that is not embedded", hidden{rex}, ""},
		{"a wrapper of itself", circular{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := part.As[namer](tt.part)
			if ok != (tt.want != "") || ok && got.Name() != tt.want {
				t.Errorf("got %v, %t; want %q", got, ok, tt.want)
			}
		})
	}
}

func TestName(t *testing.T) {
	for _, tt := range []struct {
		part Speaker
		want string
	}{
		{dog{}, "dog"},
		{&dog{}, "dog"},
		{wrapper{dog{}}, "wrapper"},
		{struct{ Speaker }{&dog{}}, "dog"},
		{struct{ Speaker }{struct{ Speaker }{cat{}}}, "cat"},
		{struct{ cat }{}, "struct { part_test.cat }"},
		{named(nil), "named"},
	} {
		if got := part.Name(tt.part); got != tt.want {
			t.Errorf("%T: got %q, want %q", tt.part, got, tt.want)
		}
	}
}
