// Package sim replays a load against an autoscaler on a simulated service, so that you can
// try settings before they go live.
//
//	report, err := sim.Run(ctx, sim.Options{
//		Load:       load,
//		Controller: sim.Autoscaler(cfg, sim.Signals{}),
//	})
//
// [Autoscaler] makes a [Controller] of the autoscale.Config that a host runs. It never
// calls the Config's Prober, Scaler or Notifiers. Any other rule can be a Controller too.
// All Controllers see the same requests. The result of a simulation depends on its
// [Options] alone, which include the Seed, and not on the machine or the time of day.
//
// # The model
//
// Requests arrive at random and independently (a Poisson process) at the rate of the
// [Load]. Each request goes to one process that serves: to a random one, as with Heroku's
// routers, or to the one that is free first. The work on a request takes a random time. A
// process has a number of slots. It works on its requests first in, first out, or on all of
// them at once. A process that is ordered serves after its boot time. When the size falls,
// the newest processes stop first, and finish the requests that they have. A request that
// takes longer than the timeout fails, and the process works on it to the end. A request
// that finds no process, or a full backlog, fails at once.
//
// A [Controller] is called at its interval. Its [View] has the true numbers of the whole
// service, up to the last whole second. An [Autoscaler] sees these in an [IdealView]. In a
// [DeployedView] it sees what it would see in production. Each process counts its own
// requests with the code of package traffic, one process leads, and the Autoscaler computes
// the load of the whole service from the leader's counts. A [Report] names its view.
//
// # Its limits
//
// The model is simpler than reality, and mostly kinder:
//
//   - Requests are independent and alike. Real ones come in bursts that a trace of minutes
//     does not show, are light and heavy, and are repeated when they fail.
//   - A process is as fast just after its boot as later, and as fast beside many others as
//     alone.
//   - In an IdealView metrics are exact, and known at the end of each second. In a
//     DeployedView they are as noisy and as late as in production. But the process that
//     leads takes no time to read the board, and the saved state of the Autoscaler is never
//     lost or late.
//   - A process that is killed finishes the requests that it has.
//   - The platform accepts every order at once and never fails.
//
// Compare settings under several seeds and loads. Do not trust a single number.
package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// ErrOptions is wrapped by every error that says what is wrong with [Options].
var ErrOptions = errors.New("sim: bad options")

// A Controller decides the size. [Autoscaler] makes one from a Config, and any other rule
// can be one. A Controller is used by one Run, on one goroutine.
type Controller interface {
	// Interval is the time from the start of one tick to the start of the next.
	Interval() time.Duration

	// Tick returns how many processes to order now. An error ends the simulation.
	Tick(ctx context.Context, now time.Time, v *View) (size int, err error)
}

// A Heartbeater is a [Controller] that needs a heartbeat. The simulation sends one at the
// start of each tick, and calls Tick when it is answered.
type Heartbeater interface {
	// Heartbeat returns how long to wait for an answer, and how long a process works on a
	// heartbeat. A timeout of 0 sends none.
	Heartbeat() (timeout, work time.Duration)
}

// A planner is a [Controller] that knows the options, the load included.
type planner interface{ plan(o Options) error }

// Discipline is the order in which a process works on its requests.
type Discipline uint8

const (
	// FIFO works on as many requests as there are slots, in their order of arrival. The
	// others wait. Puma, Gunicorn and Unicorn work like this.
	FIFO Discipline = iota
	// ProcessorSharing works on all requests at once, as a server in Go does. The requests
	// share the slots, which are the cores.
	ProcessorSharing
)

// Routing is how a request finds its process.
type Routing uint8

const (
	// Random picks any process that serves, as Heroku's routers do.
	Random Routing = iota
	// LeastBusy picks the process that is free first, or with ProcessorSharing the one that
	// has the fewest requests. No load balancer can do better.
	LeastBusy
)

// The defaults of a [Service].
const (
	DefaultMean    = 100 * time.Millisecond
	DefaultSlots   = 2
	DefaultBacklog = 1000
	DefaultTimeout = 30 * time.Second
	DefaultBoot    = 30 * time.Second
)

// A Service is the model of the service that is scaled.
type Service struct {
	// Mean is how long a process works on a request, on average. 0: DefaultMean.
	Mean time.Duration

	// CV is the coefficient of variation of that time: the standard deviation divided by
	// the mean. 0 or 1: an exponential distribution. Negative: every request takes the same
	// time. Other values: a lognormal distribution.
	CV float64

	// Slots is how many requests a process works on at a time. 0: DefaultSlots.
	Slots int

	// Discipline is the order of the work. 0: FIFO.
	Discipline Discipline

	// Routing is how a request finds its process. 0: Random.
	Routing Routing

	// QueueInFront says where requests wait for a slot. It matters in a DeployedView with
	// FIFO.
	//
	// False: they wait in the handler, as in a server in Go, which starts a handler for
	// each request at once. A process then counts every arrival, and its service times
	// include the wait. True: they wait in front of the handler, as in Puma and Gunicorn. A
	// process then counts a request when the work on it begins, with the wait as its queue
	// time.
	QueueInFront bool

	// Backlog is how many requests may wait in a process. It refuses any more, and those
	// fail. 0: DefaultBacklog. Negative: any number.
	Backlog int

	// Timeout is the time after which a request fails, at most five minutes. The process
	// goes on working on it, as on Heroku (H12). 0: DefaultTimeout.
	Timeout time.Duration

	// Boot is the time from when a process is ordered until it serves. 0: DefaultBoot.
	// Negative: none.
	Boot time.Duration

	// BootJitter is how much earlier or later a process may serve, at random, as a share
	// of Boot, 0 to 1.
	BootJitter float64

	// MTBF is how long a process serves on average before it is killed at random. It then
	// finishes its requests, and another process boots in its place. 0: none is killed.
	MTBF time.Duration

	// Dependency is a resource that all processes use. It works with FIFO only.
	Dependency Dependency
}

// An Objective says which requests are fast enough, and which minutes are good.
type Objective struct {
	Latency time.Duration `json:"latency_ns"` // a request that takes longer is over. 0: DefaultLatency
	Share   float64       `json:"share"`      // the share of requests that may be over or fail; a minute with more is bad. 0: DefaultShare
}

// Options describe a simulation. Load and Controller are required.
type Options struct {
	Load       Load
	Controller Controller
	Service    Service
	Objective  Objective

	// Initial is how many processes serve at the start. 0: as many as the first rate
	// demands.
	Initial int

	// Utilization is the highest utilization at which a process meets the Objective. The
	// demand follows from it. 0: [Calibrate] finds it.
	Utilization float64

	// Price is what a process costs in an hour, in any currency.
	Price float64

	// Seed is the seed of the random numbers. The same seed gives the same report, and the
	// same requests to every Controller.
	Seed uint64

	// Name is the name of the report.
	Name string

	// Progress, if set, is called now and then with the share that is done, 0 to 1.
	Progress func(done float64)
}

func (s Service) withDefaults() Service {
	s.Mean = cmp.Or(s.Mean, DefaultMean)
	s.CV = cmp.Or(s.CV, 1)
	s.Slots = cmp.Or(s.Slots, DefaultSlots)
	s.Backlog = max(-1, cmp.Or(s.Backlog, DefaultBacklog))
	s.Timeout = cmp.Or(s.Timeout, DefaultTimeout)
	s.Boot = cmp.Or(s.Boot, DefaultBoot)
	return s
}

// The defaults of an [Objective].
const (
	DefaultLatency = 500 * time.Millisecond
	DefaultShare   = .05
)

func (o Objective) withDefaults() Objective {
	o.Latency = cmp.Or(o.Latency, DefaultLatency)
	o.Share = cmp.Or(o.Share, DefaultShare)
	return o
}

func (o Options) withDefaults() Options {
	o.Service = o.Service.withDefaults()
	o.Objective = o.Objective.withDefaults()
	return o
}

// maxSize is the most processes that can be simulated.
const maxSize = 100_000

// faults returns what is wrong with s, and with o for this service.
func (s Service) faults(o Objective) (errs []error) {
	s, o = s.withDefaults(), o.withDefaults()
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if s.Mean < time.Microsecond {
		bad("Service.Mean is %v: it must be 1µs or more, or 0 for %v", s.Mean, DefaultMean)
	}
	if math.IsNaN(s.CV) || s.CV > 10 {
		bad("Service.CV is %v: it must be at most 10, 0 for 1, or negative for none", s.CV)
	}
	if s.Slots < 1 || s.Slots > 10_000 {
		bad("Service.Slots is %d: it must be 1 to 10000, or 0 for %d", s.Slots, DefaultSlots)
	}
	if s.Backlog > 1_000_000 {
		bad("Service.Backlog is %d: it must be at most 1000000, 0 for %d, or negative for any number", s.Backlog, DefaultBacklog)
	}
	if s.Discipline > ProcessorSharing {
		bad("Service.Discipline is %d: it must be FIFO or ProcessorSharing", s.Discipline)
	}
	if s.Routing > LeastBusy {
		bad("Service.Routing is %d: it must be Random or LeastBusy", s.Routing)
	}
	if s.Timeout < time.Second || s.Timeout > maxTimeout*time.Second {
		bad("Service.Timeout is %v: it must be 1s to %v, or 0 for %v", s.Timeout, maxTimeout*time.Second, DefaultTimeout)
	}
	if s.Boot > 24*time.Hour {
		bad("Service.Boot is %v: it must be a day at most, 0 for %v, or negative for none", s.Boot, DefaultBoot)
	}
	if !(s.BootJitter >= 0 && s.BootJitter <= 1) {
		bad("Service.BootJitter is %v: it must be 0 to 1", s.BootJitter)
	}
	if s.MTBF < 0 || s.MTBF > 0 && s.MTBF < time.Second {
		bad("Service.MTBF is %v: it must be 1s or more, or 0 for none", s.MTBF)
	}
	if d := s.Dependency; d.Connections < 0 || !(d.Share >= 0 && d.Share <= 1) {
		bad("Service.Dependency is %d connections for a share of %v: give both, the share from 0 to 1, or neither", d.Connections, d.Share)
	} else if d.Connections > 0 && s.Discipline != FIFO {
		bad("Service.Dependency is given with ProcessorSharing: it is simulated under FIFO only")
	}
	if o.Latency < time.Microsecond || o.Latency >= s.Timeout {
		bad("Objective.Latency is %v: it must be above 0 and below the Service's Timeout of %v, or 0 for %v", o.Latency, s.Timeout, DefaultLatency)
	}
	if !(o.Share > 0 && o.Share < 1) {
		bad("Objective.Share is %v: it must be between 0 and 1, or 0 for %v", o.Share, DefaultShare)
	}
	return errs
}

// Validate reports everything that is wrong with o, in one error that wraps
// [ErrOptions].
func (o Options) Validate() error {
	errs := o.Service.faults(o.Objective)
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.Load.rates) == 0 {
		bad("Load is empty: read a trace or generate one")
	}
	if o.Controller == nil {
		bad("Controller is nil: give one, as Autoscaler(cfg, Signals{})")
	} else if i := o.Controller.Interval(); i < time.Millisecond {
		bad("Controller: its Interval is %v: it must be 1ms or more", i)
	}
	if o.Initial < 0 || o.Initial > maxSize {
		bad("Initial is %d: it must be 0 to %d", o.Initial, maxSize)
	}
	if !(o.Utilization >= 0 && o.Utilization <= 1) {
		bad("Utilization is %v: it must be above 0 and at most 1, or 0 to have it found", o.Utilization)
	}
	if !(o.Price >= 0) || math.IsInf(o.Price, 1) {
		bad("Price is %v: it must be 0 or more", o.Price)
	}
	if errs == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrOptions, errors.Join(errs...))
}

// Run replays o.Load against o.Controller, and returns a report. It fails if the options
// are invalid (the error then wraps [ErrOptions]), if the Controller fails or orders an
// impossible size, or if ctx ends.
func Run(ctx context.Context, o Options) (*Report, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if o.Utilization == 0 {
		var err error
		if o.Utilization, err = o.calibrate(ctx); err != nil {
			return nil, err
		}
	}
	if p, ok := o.Controller.(planner); ok {
		if err := p.plan(o); err != nil {
			return nil, err
		}
	}
	if o.Initial == 0 {
		o.Initial = o.demand(o.Load.rate(0))
	}
	if err := tooMany(o.demand(o.Load.Peak())); err != nil {
		return nil, fmt.Errorf("sim: the load's peak of %.6g requests per second: %w", o.Load.Peak(), err)
	}
	if err := o.tooMany(o.Initial); err != nil {
		return nil, fmt.Errorf("sim: at the start: %w", err)
	}
	return newEngine(o).run(ctx)
}

// calibrate returns the utilization for a service whose processes are never killed.
func (o Options) calibrate(ctx context.Context) (float64, error) {
	s := o.Service
	s.MTBF = 0
	return Calibrate(ctx, s, o.Objective)
}

// tooMany returns an error if size processes cannot be simulated.
func (o Options) tooMany(size int) error {
	if v, ok := o.Controller.(viewer); ok && size > maxDeployed {
		if _, deployed := v.seen(); deployed != nil {
			return fmt.Errorf("%d processes cannot be simulated in a DeployedView: it must be at most %d, as each of them counts its requests", size, maxDeployed)
		}
	}
	return tooMany(size)
}

func tooMany(size int) error {
	if size < 0 || size > maxSize {
		return fmt.Errorf("%d processes cannot be simulated: it must be 0 to %d", size, maxSize)
	}
	return nil
}

// demand returns the fewest processes that meet the objective at a rate.
func (o Options) demand(rate float64) int {
	return processes(rate, o.Service, o.Utilization)
}

// processes returns how many processes it takes to serve a rate at a utilization.
func processes(rate float64, s Service, utilization float64) int {
	return int(math.Max(1, math.Ceil(rate*s.Mean.Seconds()/(float64(s.Slots)*utilization)-1e-9)))
}
