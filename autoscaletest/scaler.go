package autoscaletest

import (
	"context"
	"errors"
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

	// Busy, if set, makes the platform refuse orders for a reason that ends by itself, such
	// as an operation under way, or take orders again.
	Busy func(busy bool)

	// Deploying, if set, begins or ends a deployment during which the platform takes no
	// order.
	Deploying func(deploying bool)

	// Rival, if set, switches another autoscaler of the platform on or off. A Scaler may
	// show that after a while: see Within.
	Rival func(on bool)

	// Limit, if set, has the platform permit no more than most processes. 0: any number.
	Limit func(most int)

	// Partial, if set, has the platform carry out part of the next order that adds
	// processes.
	Partial func()

	// Within is how long the platform may take until Capacity shows an order. Defaults to
	// one minute.
	Within time.Duration
}

// Scaler tests a scaler whose size may change: it orders sizes, and reads them back. It
// fails t if an order is not an absolute number, if a call ignores that its context has
// ended, or if a call returns no error although the platform does not answer. What else a
// platform may do is tested if the option for it is set.
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
	t.Run("Busy", func(t *testing.T) {
		if o.Busy == nil {
			t.Skip("ScalerOptions.Busy is not set")
		}
		o.Busy(true)
		var busy *autoscale.BusyError
		if err := s.Scale(ctx, size+1); !errors.As(err, &busy) || busy.RetryAfter < 0 {
			t.Errorf("the platform is busy, and Scale returned %v, which is not a BusyError", err)
		}
		o.Busy(false)
		reads(t, size)
		order(t, size)
	})
	t.Run("Deploying", func(t *testing.T) {
		if o.Deploying == nil {
			t.Skip("ScalerOptions.Deploying is not set")
		}
		shows := func(deploying bool) {
			eventually(t, o.Within, 10*time.Millisecond, fmt.Sprintf("Capacity.Deploying is %v", deploying), func() bool {
				c, err := s.Capacity(ctx)
				if err != nil {
					t.Fatalf("Capacity: %v", err)
				}
				return c.Deploying == deploying
			})
		}
		o.Deploying(true)
		shows(true)
		var busy *autoscale.BusyError
		if err := s.Scale(ctx, size+1); err != nil && !errors.As(err, &busy) {
			t.Errorf("during a deployment Scale returned %v, which is not a BusyError", err)
		} else if err == nil {
			order(t, size)
		}
		o.Deploying(false)
		shows(false)
		order(t, size)
		reads(t, size)
	})
	t.Run("Rival", func(t *testing.T) {
		if o.Rival == nil {
			t.Skip("ScalerOptions.Rival is not set")
		}
		shows := func(on bool) {
			eventually(t, o.Within, 10*time.Millisecond, fmt.Sprintf("Capacity names another autoscaler: %v", on), func() bool {
				c, err := s.Capacity(ctx)
				if err != nil {
					t.Fatalf("Capacity: %v", err)
				}
				return (c.ExternalAutoscaler != "") == on
			})
		}
		o.Rival(true)
		shows(true)
		o.Rival(false)
		shows(false)
	})
	t.Run("Limit", func(t *testing.T) {
		if o.Limit == nil {
			t.Skip("ScalerOptions.Limit is not set")
		}
		o.Limit(size + 1)
		var limit *autoscale.LimitError
		err := s.Scale(ctx, size+5)
		if !errors.As(err, &limit) {
			t.Errorf("above the limit Scale returned %v, which is not a LimitError", err)
		} else if limit.Size != size+5 || limit.Limit >= size+5 || limit.Limit < size || !limit.Guessed && limit.Limit != size+1 {
			t.Errorf("above the limit of %d Scale(%d) returned %+v", size+1, size+5, *limit)
		}
		reads(t, size)
		order(t, size+1)
		reads(t, size+1)
		o.Limit(0)
		order(t, size)
		reads(t, size)
	})
	t.Run("Partial", func(t *testing.T) {
		if o.Partial == nil {
			t.Skip("ScalerOptions.Partial is not set")
		}
		o.Partial()
		var partial *autoscale.PartialError
		err := s.Scale(ctx, size+3)
		if !errors.As(err, &partial) || partial.Size != size+3 || partial.Reached <= size || partial.Reached >= size+3 {
			t.Fatalf("of an order of %d for %d part was carried out, and Scale returned %v (%+v)", size+3, size, err, partial)
		}
		reads(t, partial.Reached)
		order(t, size+3)
		reads(t, size+3)
		order(t, size)
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
