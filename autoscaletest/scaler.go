package autoscaletest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// ScalerOptions are the options of [Scaler].
type ScalerOptions struct {
	// Sizes are the sizes that the suite orders in turn. Defaults to 2, 1, 3, 3, 1.
	Sizes []int

	// Fail, if set, makes the platform refuse to answer if fail is true, or answer again.
	Fail func(fail bool)

	// Within is how long the platform may take until Capacity shows an order. Defaults to
	// one minute.
	Within time.Duration
}

// Scaler tests a scaler whose size may change: it orders sizes, and reads them back. It
// fails t if an order is not an absolute number, if a call ignores that its context has
// ended, or if a call returns no error although the platform does not answer.
func Scaler(t *testing.T, s autoscale.Scaler, o ScalerOptions) {
	t.Helper()
	if o.Sizes == nil {
		o.Sizes = []int{2, 1, 3, 3, 1}
	}
	if o.Within == 0 {
		o.Within = time.Minute
	}
	if err := validate(s); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	ctx := context.Background()
	reads := func(t *testing.T, size int) {
		t.Helper()
		eventually(t, o.Within, 10*time.Millisecond, fmt.Sprintf("Capacity shows %d", size), func() bool {
			c, err := s.Capacity(ctx)
			if err != nil {
				t.Fatalf("Capacity: %v", err)
			}
			if c.Pending < 0 || c.Pending > max(c.Desired, 0) {
				t.Errorf("of %d processes %d are pending", c.Desired, c.Pending)
			}
			return c.Desired == size
		})
	}
	order := func(t *testing.T, size int) {
		t.Helper()
		if err := s.Scale(ctx, size); err != nil {
			t.Fatalf("Scale(%d): %v", size, err)
		}
	}
	t.Run("Absolute", func(t *testing.T) {
		for _, size := range o.Sizes {
			order(t, size)
			order(t, size) // the same as once
			reads(t, size)
		}
	})
	size := o.Sizes[len(o.Sizes)-1]
	t.Run("Context", func(t *testing.T) {
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if c, err := s.Capacity(ended); err == nil {
			t.Errorf("Capacity with a context that has ended: %+v", c)
		}
		if err := s.Scale(ended, size+1); err == nil {
			t.Error("Scale with a context that has ended returned nil")
		}
		reads(t, size)
	})
	t.Run("Negative", func(t *testing.T) {
		if err := s.Scale(ctx, -1); err == nil {
			t.Error("Scale(-1) returned nil")
		}
		reads(t, size)
	})
	t.Run("Failure", func(t *testing.T) {
		if o.Fail == nil {
			t.Skip("ScalerOptions.Fail is not set")
		}
		o.Fail(true)
		if c, err := s.Capacity(ctx); err == nil {
			t.Errorf("the platform does not answer, and Capacity returned %+v", c)
		}
		if err := s.Scale(ctx, size+1); err == nil {
			t.Error("the platform does not answer, and Scale returned nil")
		}
		o.Fail(false)
		order(t, size)
		reads(t, size)
	})
}

// validate calls the Validate method of a part, if it has one.
func validate(part any) error {
	if v, ok := part.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}
