package sim_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/sim"
)

// untouchable is every end of a Config; a simulation must not use it.
type untouchable struct{ t *testing.T }

func (u untouchable) touched(what string) { u.t.Helper(); u.t.Errorf("%s was called", what) }

func (u untouchable) Probe(context.Context) (autoscale.Sample, error) {
	u.touched("Probe")
	return autoscale.Sample{}, errors.New("touched")
}

func (u untouchable) Capacity(context.Context) (autoscale.Capacity, error) {
	u.touched("Capacity")
	return autoscale.Capacity{}, errors.New("touched")
}

func (u untouchable) Scale(context.Context, int) error {
	u.touched("Scale")
	return errors.New("touched")
}

func (u untouchable) Run(context.Context) error {
	u.touched("Elector.Run")
	return errors.New("touched")
}

func (u untouchable) Current() (autoscale.Term, bool) {
	u.touched("Elector.Current")
	return autoscale.Term{}, false
}

func (u untouchable) Notify(context.Context, autoscale.Event) error {
	u.touched("Notify")
	return errors.New("touched")
}

func (u untouchable) Enabled(context.Context, slog.Level) bool {
	u.touched("Logger")
	return true
}

func (u untouchable) Handle(context.Context, slog.Record) error {
	u.touched("Logger")
	return nil
}

func (u untouchable) WithAttrs([]slog.Attr) slog.Handler { return u }
func (u untouchable) WithGroup(string) slog.Handler      { return u }

// TestNoRealEnd: a Config runs through a simulation, scales there, and not one
// of its own ends is touched.
func TestNoRealEnd(t *testing.T) {
	u := untouchable{t}
	cfg := autoscale.Config{
		Prober: u, Scaler: u, Elector: u, Notifiers: []autoscale.Notifier{u}, NotifyOn: autoscale.AllKinds,
		Observe: func(autoscale.Event) { u.touched("Observe") }, Logger: slog.New(u),
		Max: autoscale.Fixed(10), DryRun: true,
	}
	r := run(t, sim.Options{Load: steady(t, 60, 2*time.Hour), Controller: sim.Autoscaler(cfg, sim.Signals{}), Initial: 1, Utilization: .6})
	if r.Changes == 0 || r.MaxSize < 3 {
		t.Errorf("%d changes up to %d processes: the autoscaler did not work", r.Changes, r.MaxSize)
	}
}

// TestDeterministic: the same seed gives the same report, and another one does
// not. Every Controller gets the same requests.
func TestDeterministic(t *testing.T) {
	options := func(seed uint64, c sim.Controller) sim.Options {
		return sim.Options{Load: steady(t, 60, time.Hour), Controller: c, Utilization: .6, Seed: seed}
	}
	auto := func() sim.Controller {
		return sim.Autoscaler(autoscale.Config{Max: autoscale.Fixed(10)}, sim.Signals{})
	}
	first, again := run(t, options(1, auto())), run(t, options(1, auto()))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the same seed gives another report:\n%s", diff)
	}
	if other := run(t, options(2, auto())); other.Requests == first.Requests {
		t.Error("another seed gives the same requests")
	}
	constant := run(t, options(1, sim.Constant(3)))
	for i := range first.Series.Points {
		if a, b := first.Series.Points[i].Requests, constant.Series.Points[i].Requests; a != b {
			t.Fatalf("minute %d has %d requests under one controller and %d under another", i, a, b)
		}
	}
}

// script is a Controller that orders sizes at times.
type script struct {
	t    *testing.T
	tick func(at time.Duration, v *sim.View) int
}

func (s script) Interval() time.Duration { return time.Second }

func (s script) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	return s.tick(v.Elapsed, v), nil
}

// TestBoot: a process serves when it has booted, and the newest go first, those
// that boot before those that serve.
func TestBoot(t *testing.T) {
	sizes := map[time.Duration]int{5 * time.Second: 4, 10 * time.Second: 5, 15 * time.Second: 4, 50 * time.Second: 1}
	want := map[time.Duration][2]int{ // desired and ready
		4 * time.Second: {2, 2}, 6 * time.Second: {4, 2}, 12 * time.Second: {5, 2}, 16 * time.Second: {4, 2}, 24 * time.Second: {4, 2},
		25 * time.Second: {4, 4}, 31 * time.Second: {4, 4}, 50 * time.Second: {4, 4}, 51 * time.Second: {1, 1},
	}
	size := 2
	run(t, sim.Options{
		Load: steady(t, 1, time.Minute), Initial: 2, Utilization: .6, Service: sim.Service{Boot: 20 * time.Second},
		Controller: script{t, func(at time.Duration, v *sim.View) int {
			if w, ok := want[at]; ok && w != [2]int{v.Desired, v.Ready} {
				t.Errorf("at %v: %d ordered, %d ready, want %v", at, v.Desired, v.Ready, w)
			}
			if n, ok := sizes[at]; ok {
				size = n
			}
			if at == 51*time.Second {
				if got := v.Processes(5 * time.Second); len(got) != 1 || got[0].Age != 51*time.Second {
					t.Errorf("%+v is left, want the oldest", got)
				}
			}
			return size
		}},
	})
}

// TestBootJitter: boots end within the jitter's share of the mean, not together.
func TestBootJitter(t *testing.T) {
	ready := map[int]bool{}
	run(t, sim.Options{
		Load: steady(t, 1, 3*time.Minute), Initial: 1, Utilization: .6, Service: sim.Service{Boot: 60 * time.Second, BootJitter: .5},
		Controller: script{t, func(at time.Duration, v *sim.View) int {
			ready[v.Ready] = true
			if at <= 30*time.Second && v.Ready > 1 || at > 92*time.Second && v.Ready < 21 {
				t.Errorf("at %v %d processes serve", at, v.Ready)
			}
			return 21
		}},
	})
	if len(ready) < 10 {
		t.Errorf("only %d numbers of processes were seen while they booted one by one", len(ready))
	}
}

// TestFailures: requests fail where nobody serves, where the backlog is full and
// when they take too long, and nowhere else.
func TestFailures(t *testing.T) {
	for _, discipline := range []sim.Discipline{sim.FIFO, sim.ProcessorSharing} {
		none := run(t, sim.Options{
			Load: steady(t, 10, time.Minute), Utilization: .6, Service: sim.Service{Discipline: discipline, Mean: time.Millisecond},
			Controller: script{t, func(at time.Duration, _ *sim.View) int {
				if at >= 30*time.Second {
					return 0
				}
				return 1
			}},
		})
		within(t, "failures without a process", float64(none.Failed), 300, .2)
		if none.Over != none.Failed {
			t.Errorf("%d requests are over, %d failed", none.Over, none.Failed)
		}

		// One process that can do 10 a second gets 20. Without a bound the wait
		// grows by a second each second, and requests time out from 10 s on. A
		// process that shares itself is done with the short ones only.
		s := sim.Service{Discipline: discipline, Mean: 100 * time.Millisecond, CV: -1, Slots: 1, Backlog: -1, Timeout: 10 * time.Second}
		late := run(t, sim.Options{Load: steady(t, 20, time.Minute), Controller: sim.Constant(1), Initial: 1, Utilization: .6, Service: s})
		if discipline == sim.FIFO {
			within(t, "time-outs", float64(late.Failed), 20*50, .1)
		}
		// With room for 50 the longest wait is 5 s, so that half are refused
		// and none times out.
		s.Backlog = 50
		full := run(t, sim.Options{Load: steady(t, 20, time.Minute), Controller: sim.Constant(1), Initial: 1, Utilization: .6, Service: s})
		within(t, "refusals", float64(full.Failed), 10*60-50, .15)
		if full.P99 > 6*time.Second {
			t.Errorf("the latency's 99th percentile is %v with a backlog of at most 5s", full.P99)
		}
	}
}

// TestOnlyThePast: what a View shows of an overloaded service is what has
// happened by then.
func TestOnlyThePast(t *testing.T) {
	for _, discipline := range []sim.Discipline{sim.FIFO, sim.ProcessorSharing} {
		run(t, sim.Options{
			Load: steady(t, 20, 2*time.Minute), Initial: 1, Utilization: .6,
			Service: sim.Service{Discipline: discipline, Mean: 100 * time.Millisecond, CV: -1, Slots: 1, Backlog: -1},
			Controller: script{t, func(at time.Duration, v *sim.View) int {
				w := v.Recent(10 * time.Second)
				if at < 10*time.Second {
					return 1
				}
				if w.Completions > 10.1 || w.Busy > 1 || w.Utilization > 1 {
					t.Errorf("at %v: %+v is more than one process can do", at, w)
				}
				if at == 80*time.Second {
					within(t, "Arrivals", w.Arrivals, 20, .15)
				}
				if at == 80*time.Second && discipline == sim.FIFO {
					within(t, "InFlight", w.InFlight, 750, .15) // 10 a second, for 75 s
				}
				if at == 20*time.Second && w.Failures > 0 || at == 100*time.Second && discipline == sim.FIFO && w.Failures == 0 {
					t.Errorf("at %v: %v failures a second", at, w.Failures)
				}
				if longest, ok := v.Latency(10*time.Second, 100); !ok || longest > at*21/20 {
					t.Errorf("at %v a latency of %v", at, longest)
				}
				return 1
			}},
		})
	}
}

// TestProcesses: the utilisation of single processes adds up to that of all.
func TestProcesses(t *testing.T) {
	for _, discipline := range []sim.Discipline{sim.FIFO, sim.ProcessorSharing} {
		run(t, sim.Options{
			Load: steady(t, 60, 5*time.Minute), Initial: 5, Utilization: .6, Service: sim.Service{Discipline: discipline},
			Controller: script{t, func(at time.Duration, v *sim.View) int {
				if at%(20*time.Second) != 0 {
					return 5
				}
				var sum float64
				for _, p := range v.Processes(20 * time.Second) {
					sum += p.Utilization / 5
				}
				within(t, "utilisation", sum, v.Recent(20*time.Second).Utilization, .001)
				return 5
			}},
		})
	}
}

// TestHeartbeat: it costs what it costs, times out, and is refused.
func TestHeartbeat(t *testing.T) {
	for _, discipline := range []sim.Discipline{sim.FIFO, sim.ProcessorSharing} {
		service := sim.Service{Discipline: discipline, Mean: 100 * time.Millisecond, CV: -1, Slots: 1, Backlog: -1}
		beats := func(rate float64, n int, check func(v *sim.View)) {
			o := &observer{size: n, interval: 5 * time.Second, beat: 2 * time.Second}
			o.look = func(v *sim.View) int { check(v); return n }
			run(t, sim.Options{Load: steady(t, rate, 2*time.Minute), Initial: 1, Utilization: .6, Service: service, Controller: o})
		}
		beats(0, 1, func(v *sim.View) {
			if b := v.Heartbeat; b.Latency < time.Microsecond || b.Latency > 2*time.Microsecond || b.Timeout || b.Refused {
				t.Errorf("an idle process answers %+v", *b)
			}
		})
		beats(0, 0, func(v *sim.View) {
			if b := v.Heartbeat; v.Ready == 0 && (b.Timeout || !b.Refused) {
				t.Errorf("no process answers %+v", *b)
			}
		})
		beats(30, 1, func(v *sim.View) {
			b := v.Heartbeat
			if v.Elapsed > 20*time.Second && !b.Timeout && discipline == sim.FIFO {
				t.Errorf("after %v of overload it answers %+v", v.Elapsed, *b)
			}
			if b.Timeout && (b.Latency != 2*time.Second || v.Now.Sub(v.Started) != 2*time.Second) {
				t.Errorf("a timeout is %+v at %v after the start", *b, v.Now.Sub(v.Started))
			}
		})
	}
}

func TestOptionsFaults(t *testing.T) {
	o := sim.Options{
		Service:   sim.Service{Mean: -1, CV: 11, Slots: -1, Backlog: 1e7, Timeout: time.Hour, Boot: 48 * time.Hour, BootJitter: 2, Discipline: 9, Routing: 9, Dependency: sim.Dependency{Connections: -1}},
		Objective: sim.Objective{Latency: -1, Share: 2}, Initial: -1, Utilization: 2, Price: -1,
	}
	_, err := sim.Run(t.Context(), o)
	if !errors.Is(err, sim.ErrOptions) {
		t.Fatalf("the error is %v", err)
	}
	for _, field := range []string{
		"Mean", "CV", "Slots", "Backlog", "Timeout", "Boot", "BootJitter", "Discipline", "Routing", "Dependency",
		"Objective.Latency", "Objective.Share", "Load", "Controller", "Initial", "Utilization", "Price",
	} {
		if !strings.Contains(err.Error(), field+" is") {
			t.Errorf("nothing is said of %s:\n%v", field, err)
		}
	}
}

// TestControllerFaults: what a controller does wrong ends the simulation and is
// told.
func TestControllerFaults(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		controller sim.Controller
		want       error
		text       string
	}{
		"error":   {failing{broken}, broken, "the tick after 1s"},
		"size":    {script{t, func(time.Duration, *sim.View) int { return -1 }}, nil, "-1 processes"},
		"config":  {sim.Autoscaler(autoscale.Config{Min: autoscale.Fixed(9)}, sim.Signals{}), autoscale.ErrConfig, "bounds cross"},
		"signals": {sim.Autoscaler(autoscale.Config{}, sim.Signals{Percentile: 100}), sim.ErrOptions, "Percentile is 100: it must be above 0 and below 100"},
		"panic": {sim.Autoscaler(autoscale.Config{Decider: autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision {
			panic("oops")
		})}, sim.Signals{}), nil, "oops"},
	} {
		_, err := sim.Run(t.Context(), sim.Options{Load: steady(t, 1, time.Minute), Controller: tt.controller, Utilization: .6})
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: the error is %v, want %q", name, err, tt.text)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sim.Run(ctx, sim.Options{Load: steady(t, 1, time.Hour), Controller: sim.Constant(1), Utilization: .6}); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context ended Run returns %v", err)
	}
}

type failing struct{ err error }

func (f failing) Interval() time.Duration { return time.Second }

func (f failing) Tick(context.Context, time.Time, *sim.View) (int, error) { return 0, f.err }

// TestCalibrate: for one slot and exponential work P(T>t) = exp(-(1-ρ)t/S), so
// that the utilisation is known.
func TestCalibrate(t *testing.T) {
	got, err := sim.Calibrate(t.Context(), sim.Service{Slots: 1}, sim.Objective{})
	if err != nil {
		t.Fatal(err)
	}
	// exp(-(1-ρ)·5) = 0.05
	within(t, "the utilisation", got, 1-.2*2.9957, .03)
	if _, err := sim.Calibrate(t.Context(), sim.Service{}, sim.Objective{Latency: 10 * time.Millisecond}); !errors.Is(err, sim.ErrOptions) {
		t.Errorf("an objective that cannot be met: %v", err)
	}
}

// TestClairvoyant: who knows the load is never short of processes at what it
// aims for, with hardly more than are demanded.
func TestClairvoyant(t *testing.T) {
	rates := make([]float64, 120)
	for i := range rates {
		rates[i] = 100
		if i >= 40 && i < 80 {
			rates[i] = 400
		}
	}
	load, err := sim.NewLoad(time.Time{}, time.Minute, rates)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, sim.Options{Load: load, Controller: sim.Clairvoyant(0), Service: sim.Service{BootJitter: .3}})
	if r.Elasticity.TauU > 0 || r.BadShare > .06 || r.CostRatio > 1.06 {
		t.Errorf("short of processes in %v%% of the time, %v of the requests over, at %v of the demand", r.Elasticity.TauU, r.BadShare, r.CostRatio)
	}
	if _, err := sim.Run(t.Context(), sim.Options{Load: load, Controller: sim.Clairvoyant(2)}); !errors.Is(err, sim.ErrOptions) {
		t.Errorf("a utilisation of 2: %v", err)
	}
}
