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

	// Fail, if set, makes the platform refuse to answer. If fail is false, it makes the
	// platform answer again.
	Fail func(fail bool)

	// Busy, if set, makes the platform refuse orders for a reason that ends by itself, such
	// as an operation under way. If busy is false, it makes the platform take orders again.
	Busy func(busy bool)

	// Deploying, if set, begins or ends a deployment during which the platform takes no
	// order.
	Deploying func(deploying bool)

	// Rival, if set, switches another autoscaler of the platform on or off. The Scaler may
	// take a while to show that: see Within.
	Rival func(on bool)

	// Limit, if set, makes the platform permit at most this many processes. 0: any number.
	Limit func(most int)

	// Partial, if set, makes the platform carry out only part of the next order that adds
	// processes.
	Partial func()

	// Within is how long the platform may take until Capacity shows an order. Defaults to
	// one minute.
	Within time.Duration
}

// Scaler tests a scaler whose size may change: it orders sizes, and reads them back. It
// fails t if an order is not an absolute number, if a call ignores that its context has
// ended, or if a call returns no error although the platform does not answer. Each option
// that is set adds a test of one more thing that a platform may do.
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
	p := &platform{ScalerOptions: o, scaler: s, size: o.Sizes[len(o.Sizes)-1]}
	t.Run("Absolute", p.testAbsolute)
	t.Run("Context", p.testContext)
	t.Run("Negative", p.testNegative)
	for _, tt := range []struct {
		option string
		set    bool
		test   func(t *testing.T)
	}{
		{"Busy", o.Busy != nil, p.testBusy},
		{"Deploying", o.Deploying != nil, p.testDeploying},
		{"Rival", o.Rival != nil, p.testRival},
		{"Limit", o.Limit != nil, p.testLimit},
		{"Partial", o.Partial != nil, p.testPartial},
		{"Fail", o.Fail != nil, p.testFail},
	} {
		t.Run(tt.option, func(t *testing.T) {
			if !tt.set {
				t.Skipf("ScalerOptions.%s is not set", tt.option)
			}
			tt.test(t)
		})
	}
}

// A platform is the platform of a Scaler under test. Each test leaves its size as it
// was.
type platform struct {
	ScalerOptions
	scaler autoscale.Scaler
	size   int // between two tests, after testAbsolute
}

// shows waits until ok returns true for what Capacity returns.
func (p *platform) shows(t *testing.T, what string, ok func(c autoscale.Capacity) bool) {
	t.Helper()
	eventually(t, p.Within, 10*time.Millisecond, "Capacity shows "+what, func() bool {
		c, err := p.scaler.Capacity(context.Background())
		if err != nil {
			t.Fatalf("Capacity: %v", err)
		}
		if c.Pending < 0 || c.Pending > max(c.Desired, 0) {
			t.Errorf("of %d processes %d are pending", c.Desired, c.Pending)
		}
		return ok(c)
	})
}

func (p *platform) reads(t *testing.T, size int) {
	t.Helper()
	p.shows(t, fmt.Sprint(size), func(c autoscale.Capacity) bool { return c.Desired == size })
}

func (p *platform) order(t *testing.T, size int) {
	t.Helper()
	if err := p.scaler.Scale(context.Background(), size); err != nil {
		t.Fatalf("Scale(%d): %v", size, err)
	}
}

func (p *platform) testAbsolute(t *testing.T) {
	for _, size := range p.Sizes {
		p.order(t, size)
		p.order(t, size) // the second order must change nothing
		p.reads(t, size)
	}
}

func (p *platform) testContext(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if c, err := p.scaler.Capacity(ended); err == nil {
		t.Errorf("Capacity with a context that has ended: %+v", c)
	}
	if err := p.scaler.Scale(ended, p.size+1); err == nil {
		t.Error("Scale with a context that has ended returned nil")
	}
	p.reads(t, p.size)
}

func (p *platform) testNegative(t *testing.T) {
	if err := p.scaler.Scale(context.Background(), -1); err == nil {
		t.Error("Scale(-1) returned nil")
	}
	p.reads(t, p.size)
}

func (p *platform) testBusy(t *testing.T) {
	p.Busy(true)
	var busy *autoscale.BusyError
	if err := p.scaler.Scale(context.Background(), p.size+1); !errors.As(err, &busy) || busy.RetryAfter < 0 {
		t.Errorf("the platform is busy, and Scale returned %v, which is not a BusyError", err)
	}
	p.Busy(false)
	p.reads(t, p.size)
	p.order(t, p.size)
}

func (p *platform) testDeploying(t *testing.T) {
	p.Deploying(true)
	p.shows(t, "a deployment", func(c autoscale.Capacity) bool { return c.Deploying })
	var busy *autoscale.BusyError
	if err := p.scaler.Scale(context.Background(), p.size+1); err != nil && !errors.As(err, &busy) {
		t.Errorf("during a deployment Scale returned %v, which is not a BusyError", err)
	} else if err == nil {
		p.order(t, p.size)
	}
	p.Deploying(false)
	p.shows(t, "no deployment", func(c autoscale.Capacity) bool { return !c.Deploying })
	p.order(t, p.size)
	p.reads(t, p.size)
}

func (p *platform) testRival(t *testing.T) {
	p.Rival(true)
	p.shows(t, "another autoscaler", func(c autoscale.Capacity) bool { return c.ExternalAutoscaler != "" })
	p.Rival(false)
	p.shows(t, "no other autoscaler", func(c autoscale.Capacity) bool { return c.ExternalAutoscaler == "" })
}

func (p *platform) testLimit(t *testing.T) {
	most, above := p.size+1, p.size+5
	p.Limit(most)
	var limit *autoscale.LimitError
	err := p.scaler.Scale(context.Background(), above)
	if !errors.As(err, &limit) {
		t.Errorf("above the limit Scale returned %v, which is not a LimitError", err)
	} else if limit.Size != above || limit.Limit >= above || limit.Limit < p.size || !limit.Guessed && limit.Limit != most {
		t.Errorf("above the limit of %d Scale(%d) returned %+v", most, above, *limit)
	}
	p.reads(t, p.size)
	p.order(t, most)
	p.reads(t, most)
	p.Limit(0)
	p.order(t, p.size)
	p.reads(t, p.size)
}

func (p *platform) testPartial(t *testing.T) {
	all := p.size + 3
	p.Partial()
	var partial *autoscale.PartialError
	err := p.scaler.Scale(context.Background(), all)
	if !errors.As(err, &partial) || partial.Size != all || partial.Reached <= p.size || partial.Reached >= all {
		t.Fatalf("of an order of %d for %d part was carried out, and Scale returned %v (%+v)", all, p.size, err, partial)
	}
	p.reads(t, partial.Reached)
	p.order(t, all)
	p.reads(t, all)
	p.order(t, p.size)
	p.reads(t, p.size)
}

func (p *platform) testFail(t *testing.T) {
	p.Fail(true)
	if c, err := p.scaler.Capacity(context.Background()); err == nil {
		t.Errorf("the platform does not answer, and Capacity returned %+v", c)
	}
	if err := p.scaler.Scale(context.Background(), p.size+1); err == nil {
		t.Error("the platform does not answer, and Scale returned nil")
	}
	p.Fail(false)
	p.order(t, p.size)
	p.reads(t, p.size)
}

// validate calls the Validate method of a part, if it has one.
func validate(part any) error {
	if v, ok := part.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}
