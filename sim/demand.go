package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Calibration tries calibrateSteps utilizations, with calibrateRequests requests each.
const (
	calibrateRequests = 200_000
	calibrateSteps    = 9
	calibratePool     = 8 // processes, if their number matters
)

// Calibrate returns the highest utilization at which a service meets an objective under a
// steady load, to within half a percent. The fewest processes for a rate follow from it.
// Calibrate simulates about two million requests, which takes about a second.
//
// With Random routing the latency depends on the utilization alone. With LeastBusy it also
// depends on the number of processes. The result is then for eight processes. It is too
// high for fewer, and too low for more. Calibrate ignores a Dependency, because no number
// of processes makes up for one. If the objective is too strict for the service, no
// utilization meets it, and Calibrate fails.
func Calibrate(ctx context.Context, s Service, o Objective) (float64, error) {
	if errs := s.faults(o); errs != nil {
		return 0, fmt.Errorf("%w: %w", ErrOptions, errors.Join(errs...))
	}
	s, o = s.withDefaults(), o.withDefaults()
	s.Boot, s.Backlog, s.Dependency = -1, -1, Dependency{}
	n := 1
	if s.Routing == LeastBusy {
		n = calibratePool
	}
	low, high := 0.0, 1.0
	for range calibrateSteps {
		utilization := (low + high) / 2
		rate := utilization * float64(s.Slots*n) / s.Mean.Seconds()
		length := max(60, math.Ceil(calibrateRequests/rate))
		load := Load{step: time.Duration(length) * time.Second, rates: []float64{rate}}
		options := Options{Load: load, Controller: constant(n), Service: s, Objective: o, Initial: n, Utilization: 1, Seed: 1}
		r, err := newEngine(options).run(ctx)
		if err != nil {
			return 0, err
		}
		if r.BadShare <= o.Share {
			low = utilization
		} else {
			high = utilization
		}
	}
	if low == 0 {
		return 0, fmt.Errorf("%w: Objective: %.4g%% of the requests over %v at most cannot be met, whatever the number of processes, by a Service whose work takes %v on average: make it longer", ErrOptions, 100*o.Share, o.Latency, s.Mean)
	}
	return low, nil
}

// constant is a Controller that never changes the size.
type constant int

func (c constant) Interval() time.Duration { return time.Hour }

func (c constant) Tick(context.Context, time.Time, *View) (int, error) { return int(c), nil }

// Constant returns a Controller that keeps n processes, like a service without an
// autoscaler. Its first order comes after an hour, so set Options.Initial to n too.
func Constant(n int) Controller { return constant(n) }

// Clairvoyant returns a Controller that knows the load and the boot time. utilization is
// from 0 to 1. The Controller looks at each moment from now until an order of the next tick
// would serve. It orders the most processes that the load demands in that time at the given
// utilization. No rule without this knowledge can be as good at a lower cost. Run at
// several utilizations, Clairvoyant gives a [Front]. A utilization of 0 is the calibrated
// one.
func Clairvoyant(utilization float64) Controller { return &clairvoyant{utilization: utilization} }

// PresentRate returns a Controller that knows the true rate of this moment. It orders the
// processes that this rate demands at a utilization, down as well as up. It has no noise
// and no foresight. The difference between a rule and PresentRate is the cost of noise and
// of coming down slowly. The difference between PresentRate and [Clairvoyant] is the value
// of knowing the future. A utilization of 0 is the calibrated one.
func PresentRate(utilization float64) Controller {
	return &clairvoyant{utilization: utilization, knows: present}
}

// Foresight returns a Controller that knows the true rate now and one boot time ahead. It
// orders the processes that the higher of the two demands at a utilization. A process takes
// a boot time to start, and no time to stop. Unlike [Clairvoyant], Foresight does not know
// the rates in between, how much boot times differ, or that its next tick comes later. A
// utilization of 0 is the calibrated one.
func Foresight(utilization float64) Controller {
	return &clairvoyant{utilization: utilization, knows: ahead}
}

// The kinds of knowledge of a clairvoyant.
const (
	everything = iota
	present
	ahead
)

type clairvoyant struct {
	utilization float64
	knows       int
	load        Load
	service     Service
}

// clairvoyantEvery is the interval of these Controllers.
const clairvoyantEvery = 10 * time.Second

func (c *clairvoyant) Interval() time.Duration { return clairvoyantEvery }

func (c *clairvoyant) plan(o Options) error {
	if !(c.utilization >= 0 && c.utilization <= 1) {
		return fmt.Errorf("%w: Clairvoyant, PresentRate or Foresight: the utilization is %v: it must be above 0 and at most 1, or 0 for the calibrated one", ErrOptions, c.utilization)
	}
	if c.utilization == 0 {
		c.utilization = o.Utilization
	}
	c.load, c.service = o.Load, o.Service
	return nil
}

func (c *clairvoyant) Tick(_ context.Context, _ time.Time, v *View) (int, error) {
	from := v.Elapsed.Seconds()
	boot := max(0, c.service.Boot).Seconds()
	switch c.knows {
	case present:
		return processes(c.load.rate(from), c.service, c.utilization), nil
	case ahead:
		return processes(max(c.load.rate(from), c.load.rate(from+boot)), c.service, c.utilization), nil
	}
	to := from + boot*(1+c.service.BootJitter) + clairvoyantEvery.Seconds()
	return processes(c.load.most(from, to), c.service, c.utilization), nil
}

// most returns the highest rate between two times. The highest rate is at one of these
// times, or in the middle of a step.
func (l Load) most(from, to float64) float64 {
	rate := max(l.rate(from), l.rate(to))
	step := l.step.Seconds()
	for i := max(0, int(math.Ceil(from/step-.5))); i < len(l.rates) && (float64(i)+.5)*step <= to; i++ {
		rate = max(rate, l.rates[i])
	}
	return rate
}
