// Package part finds the optional methods of what a host supplied, through the
// wrappers around it.
//
// A wrapper has the methods of the interface that it wraps, and loses the optional
// ones. [Unwrapper] is the cure of net/http's ResponseController: a wrapper says what
// it wraps. A struct that embeds the interface needs no method, because the embedded
// field can be found by reflection.
package part

import "reflect"

// An Unwrapper is a wrapper around an I.
type Unwrapper[I any] interface{ Unwrap() I }

// deepest bounds how many wrappers are looked through: one may wrap itself.
const deepest = 100

// As returns p as a T, or else the outermost part within p that is one. I is the
// interface that is wrapped, as autoscale.Decider.
//
// It reflects, so call it once and keep what it returns. It calls the Unwrap methods
// of the host, which may panic.
func As[T, I any](p I) (T, bool) {
	for range deepest {
		if t, ok := any(p).(T); ok {
			return t, true
		}
		inner, ok := Unwrap(p)
		if !ok {
			break
		}
		p = inner
	}
	var none T
	return none, false
}

// Unwrap returns what p wraps: what its method Unwrap returns, or else the first
// embedded field of the struct p, or of the struct that p points to, that is an
// exported interface and holds an I. It returns false if p wraps nothing.
func Unwrap[I any](p I) (inner I, ok bool) {
	if u, ok := any(p).(Unwrapper[I]); ok {
		inner = u.Unwrap()
		return inner, any(inner) != nil
	}
	v := reflect.ValueOf(p)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return inner, false
	}
	for i := range v.NumField() {
		field, value := v.Type().Field(i), v.Field(i)
		if !field.Anonymous || !field.IsExported() || field.Type.Kind() != reflect.Interface || value.IsNil() {
			continue
		}
		if inner, ok := value.Interface().(I); ok {
			return inner, true
		}
	}
	return inner, false
}

// Name returns the name of p's type. A wrapper without a name, which is an anonymous
// struct, has the name of what it wraps.
func Name[I any](p I) string {
	t := reflect.TypeOf(p)
	for range deepest {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Name() != "" {
			break
		}
		inner, ok := Unwrap(p)
		if !ok {
			return t.String()
		}
		p, t = inner, reflect.TypeOf(inner)
	}
	return t.Name()
}
