package sim_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/sim"
)

// observer is a Controller that keeps the size and lets a test look.
type observer struct {
	size     int
	interval time.Duration
	beat     time.Duration // the timeout of a heartbeat
	look     func(v *sim.View) int
}

func (o *observer) Interval() time.Duration { return o.interval }

func (o *observer) Heartbeat() (timeout, work time.Duration) { return o.beat, time.Microsecond }

func (o *observer) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	if o.look == nil {
		return o.size, nil
	}
	return o.look(v), nil
}

func steady(t testing.TB, rate float64, length time.Duration) sim.Load {
	t.Helper()
	load, err := sim.NewLoad(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), length, []float64{rate})
	if err != nil {
		t.Fatal(err)
	}
	return load
}

func run(t testing.TB, o sim.Options) *sim.Report {
	t.Helper()
	r, err := sim.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func within(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*math.Abs(want) {
		t.Errorf("%s is %.5g, want %.5g within %g%%; it is off by %.1f%%", what, got, want, 100*share, 100*(got/want-1))
	}
}

// erlangC is the probability that a request waits in an M/M/k queue.
func erlangC(k int, offered float64) float64 {
	b := 1.0 // Erlang's B
	for i := 1; i <= k; i++ {
		b = offered * b / (float64(i) + offered*b)
	}
	rho := offered / float64(k)
	return b / (1 - rho*(1-b))
}

// slowly is for tests of one goroutine and many millions of requests.
func slowly(t *testing.T) {
	if raced {
		t.Skip("the race detector makes it ten times as slow, and finds nothing in one goroutine: it runs without")
	}
}

// TestFIFO holds processes with exponential work against the theory: under
// random routing each is an M/M/k queue of its own.
func TestFIFO(t *testing.T) {
	slowly(t)
	const mean, processes = .01, 10
	for _, k := range []int{1, 2, 4} {
		for _, rho := range []float64{.5, .7, .9} {
			t.Run(fmt.Sprintf("k=%d rho=%.1f", k, rho), func(t *testing.T) {
				t.Parallel()
				lambda, mu := rho*float64(k)/mean, 1/mean // of one process
				length := 5000 * time.Second / time.Duration(k)
				if rho > .8 {
					length *= 3
				}
				var queue, done, waited, beats float64
				limit := .25 / (float64(k)*mu - lambda)
				// A heartbeat that outlasts the interval puts off the next one, so
				// that long waits would be met too rarely.
				interval := time.Duration(5 / (float64(k)*mu - lambda) * float64(time.Second))
				o := &observer{size: processes, interval: interval, beat: time.Minute}
				var next time.Duration
				o.look = func(v *sim.View) int {
					beats++
					if v.Heartbeat.Latency.Seconds() > limit {
						waited++
					}
					if v.Elapsed >= next {
						if w := v.Recent(100 * time.Second); w.Duration == 100*time.Second {
							queue += w.QueueTime.Seconds() * w.Completions
							done += w.Completions
						}
						next = v.Elapsed.Truncate(100*time.Second) + 100*time.Second
					}
					return processes
				}
				r := run(t, sim.Options{
					Load: steady(t, processes*lambda, length), Controller: o, Initial: processes, Utilization: 1, Seed: uint64(k),
					Service:   sim.Service{Mean: 10 * time.Millisecond, Slots: k, Backlog: -1},
					Objective: sim.Objective{Latency: 50 * time.Millisecond},
				})
				c, theta := erlangC(k, rho*float64(k)), float64(k)*mu-lambda
				within(t, "E[W]", queue/done, c/theta, .03)
				within(t, "P(W>t)", waited/beats, c*math.Exp(-theta*limit), .03)
				x := .05
				over := (1-c)*math.Exp(-mu*x) + c*(theta*math.Exp(-mu*x)-mu*math.Exp(-theta*x))/(theta-mu)
				if theta == mu {
					over = (1-c)*math.Exp(-mu*x) + c*math.Exp(-mu*x)*(1+mu*x)
				}
				within(t, "P(T>t)", r.BadShare, over, .03)
				within(t, "requests", float64(r.Requests), processes*lambda*length.Seconds(), .005)
			})
		}
	}
}

// TestProcessorSharing: the mean response time of M/G/1-PS depends on the mean
// of the work alone.
func TestProcessorSharing(t *testing.T) {
	slowly(t)
	const mean, processes = .01, 10
	for _, cv := range []float64{-1, 1, 2} {
		for _, rho := range []float64{.5, .7, .9} {
			t.Run(fmt.Sprintf("cv=%g rho=%.1f", cv, rho), func(t *testing.T) {
				t.Parallel()
				length := 2000 * time.Second
				if rho > .8 {
					length *= 4
				}
				var stay, done float64
				o := &observer{size: processes, interval: 100 * time.Second}
				o.look = func(v *sim.View) int {
					w := v.Recent(100 * time.Second)
					stay += (w.QueueTime + w.ServiceTime).Seconds() * w.Completions
					done += w.Completions
					return processes
				}
				run(t, sim.Options{
					Load: steady(t, processes*rho/mean, length), Controller: o, Initial: processes, Utilization: 1, Seed: 7,
					Service: sim.Service{Mean: 10 * time.Millisecond, CV: cv, Slots: 1, Backlog: -1, Discipline: sim.ProcessorSharing},
				})
				within(t, "E[T]", stay/done, mean/(1-rho), .03)
			})
		}
	}
}

// TestProcessorSharingSlots: with k slots and exponential work, sharing has the
// same mean number of requests as a queue.
func TestProcessorSharingSlots(t *testing.T) {
	slowly(t)
	const mean, processes, k, rho = .01, 10, 4, .8
	var stay, done float64
	o := &observer{size: processes, interval: 100 * time.Second}
	o.look = func(v *sim.View) int {
		w := v.Recent(100 * time.Second)
		stay += (w.QueueTime + w.ServiceTime).Seconds() * w.Completions
		done += w.Completions
		return processes
	}
	run(t, sim.Options{
		Load: steady(t, processes*k*rho/mean, 3000*time.Second), Controller: o, Initial: processes, Utilization: 1, Seed: 7,
		Service: sim.Service{Mean: 10 * time.Millisecond, Slots: k, Backlog: -1, Discipline: sim.ProcessorSharing},
	})
	within(t, "E[T]", stay/done, mean+erlangC(k, k*rho)/(k/mean*(1-rho)), .03)
}

// TestLeastBusy: to give each request to the process that is free first makes
// one queue of all, an M/M/(nk).
func TestLeastBusy(t *testing.T) {
	const mean, processes, k, rho = .01, 4, 2, .85
	var queue, done float64
	o := &observer{size: processes, interval: 100 * time.Second}
	o.look = func(v *sim.View) int {
		w := v.Recent(100 * time.Second)
		queue += w.QueueTime.Seconds() * w.Completions
		done += w.Completions
		return processes
	}
	run(t, sim.Options{
		Load: steady(t, processes*k*rho/mean, 6000*time.Second), Controller: o, Initial: processes, Utilization: 1, Seed: 7,
		Service: sim.Service{Mean: 10 * time.Millisecond, Slots: k, Backlog: -1, Routing: sim.LeastBusy},
	})
	within(t, "E[W]", queue/done, erlangC(processes*k, processes*k*rho)/(processes*k/mean*(1-rho)), .03)
}

// TestSpread: the Pollaczek-Khinchine formula for M/G/1 holds for the lognormal
// and the constant work.
func TestSpread(t *testing.T) {
	const mean, processes, rho = .01, 10, .6
	for _, cv := range []float64{-1, .5, 1.5} {
		var queue, done float64
		o := &observer{size: processes, interval: 100 * time.Second}
		o.look = func(v *sim.View) int {
			w := v.Recent(100 * time.Second)
			queue += w.QueueTime.Seconds() * w.Completions
			done += w.Completions
			return processes
		}
		run(t, sim.Options{
			Load: steady(t, processes*rho/mean, 5000*time.Second), Controller: o, Initial: processes, Utilization: 1, Seed: 7,
			Service: sim.Service{Mean: 10 * time.Millisecond, CV: cv, Slots: 1, Backlog: -1},
		})
		square := max(cv, 0) * max(cv, 0)
		within(t, fmt.Sprintf("E[W] for a CV of %g", cv), queue/done, mean*rho/(1-rho)*(1+square)/2, .03)
	}
}

// TestDependency: a dependency with more connections than are ever needed is no
// dependency; one that is narrow limits what any number of processes serve.
func TestDependency(t *testing.T) {
	options := func(processes, connections int, rate float64, s sim.Service) (sim.Options, *float64) {
		done := new(float64)
		o := &observer{size: processes, interval: 100 * time.Second}
		o.look = func(v *sim.View) int {
			*done = v.Recent(100 * time.Second).Completions
			return processes
		}
		s.Dependency = sim.Dependency{Connections: connections, Share: .5}
		return sim.Options{Load: steady(t, rate, 1000*time.Second), Controller: o, Initial: processes, Utilization: 1, Seed: 3, Service: s}, done
	}
	wide, _ := options(5, 1000, 60, sim.Service{})
	none := wide
	none.Service.Dependency = sim.Dependency{}
	a, b := run(t, wide), run(t, none)
	if a.Requests != b.Requests || a.Over != b.Over || a.P95 != b.P95 || a.P50 != b.P50 {
		t.Errorf("with a wide dependency %d requests, %d over, %v; without one %d, %d, %v", a.Requests, a.Over, a.P95, b.Requests, b.Over, b.P95)
	}
	// Two connections, 50 ms each: 40 requests a second.
	for _, processes := range []int{5, 50} {
		narrow, done := options(processes, 2, 60, sim.Service{})
		r := run(t, narrow)
		within(t, "completions", *done, 40, .05)
		if r.BadShare < .5 {
			t.Errorf("%d processes overcome a dependency: %.2f of the requests are over", processes, r.BadShare)
		}
	}
	// All of the work in it, and more slots than it is ever waited with: M/M/c.
	queue := sim.Service{Mean: 10 * time.Millisecond, Slots: 1000, Backlog: -1, Dependency: sim.Dependency{Connections: 2, Share: 1}}
	var stay, n float64
	o := &observer{size: 1, interval: 100 * time.Second}
	o.look = func(v *sim.View) int {
		w := v.Recent(100 * time.Second)
		stay += w.ServiceTime.Seconds() * w.Completions
		n += w.Completions
		return 1
	}
	run(t, sim.Options{Load: steady(t, 140, 5000*time.Second), Controller: o, Initial: 1, Utilization: 1, Seed: 3, Service: queue})
	within(t, "E[T]", stay/n, .01+erlangC(2, 1.4)/(200-140), .03)
}
