package autoscale

import (
	"fmt"
	"reflect"

	"github.com/autoscalebot/autoscale/internal/part"
)

// validatePart returns an error if a required part is nil, or if any part is an
// interface that holds a nil pointer or func. It also calls Validate of the part, or of
// the part that it wraps.
func validatePart[I any](field string, p I, required bool) (err error) {
	if any(p) == nil {
		if required {
			return fmt.Errorf("%s is nil: it is required", field)
		}
		return nil
	}
	switch v := reflect.ValueOf(p); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan:
		if v.IsNil() {
			return fmt.Errorf("%s is a nil %T: give one that was made", field, p)
		}
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: its Validate or Unwrap panicked: %v", field, r)
		}
	}()
	v, ok := part.As[Validator](p)
	if !ok {
		return nil
	}
	if err := v.Validate(); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

// A Validator is a part of a [Config] that can check its settings. Validate is called
// before the first tick, and may be called by several goroutines at once.
type Validator interface {
	Validate() error
}
