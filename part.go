package autoscale

import (
	"fmt"
	"reflect"
)

// validatePart reports that a part is nil or holds a nil pointer, and what its own
// Validate reports.
func validatePart(field string, part any, required bool) (err error) {
	if part == nil {
		if required {
			return fmt.Errorf("%s is nil: it is required", field)
		}
		return nil
	}
	switch v := reflect.ValueOf(part); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan:
		if v.IsNil() {
			return fmt.Errorf("%s is a nil %T: give one that was made", field, part)
		}
	}
	v, ok := part.(interface{ Validate() error })
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: its Validate panicked: %v", field, p)
		}
	}()
	if err := v.Validate(); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}
