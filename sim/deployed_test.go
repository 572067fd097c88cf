package sim_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/sim"
	"github.com/autoscalebot/autoscale/traffic"
)

// shown is what an Autoscaler shows its rule.
type shown struct {
	at     time.Duration // since the start
	sample autoscale.Sample
}

// watched returns a Controller whose sizes are those of size, and what its rule is
// shown by the time that the simulation is over.
func watched(interval time.Duration, signals sim.Signals, prober autoscale.Prober, size func(at time.Duration) int) (sim.Controller, *[]shown) {
	seen := new([]shown)
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	var last time.Time
	cfg := autoscale.Config{
		Prober: prober, Interval: interval, Min: autoscale.Fixed(0), Max: autoscale.Fixed(5000),
		Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			at := o.Now.Sub(start)
			if s := o.Samples[len(o.Samples)-1]; s.Time.After(last) {
				last = s.Time
				*seen = append(*seen, shown{s.Time.Sub(start), s})
			}
			return autoscale.Decision{Act: true, Size: size(at)}
		}),
	}
	return sim.Autoscaler(cfg, signals), seen
}

func always(n int) func(time.Duration) int { return func(time.Duration) int { return n } }

// TestDeployedIsTrue: under a steady load what the rule is shown is the truth on
// average, and as noisy as the number of requests that were counted makes it.
func TestDeployedIsTrue(t *testing.T) {
	slowly(t)
	board := &sim.MetricsBoard{Delay: time.Second}
	for name, tt := range map[string]struct {
		processes int
		service   sim.Service
		board     *sim.MetricsBoard
		requests  [2]float64 // counted in a sample
	}{
		"alone":             {1, sim.Service{}, nil, [2]float64{149, 151}},
		"one share":         {6, sim.Service{}, nil, [2]float64{148, 152}},
		"board":             {6, sim.Service{}, board, [2]float64{500, 720}},
		"sharing":           {6, sim.Service{Discipline: sim.ProcessorSharing}, nil, [2]float64{148, 152}},
		"sharing, board":    {6, sim.Service{Discipline: sim.ProcessorSharing}, board, [2]float64{500, 720}},
		"dependency":        {6, sim.Service{Dependency: sim.Dependency{Connections: 100, Share: .5}}, nil, [2]float64{148, 152}},
		"dependency, board": {6, sim.Service{Dependency: sim.Dependency{Connections: 100, Share: .5}}, board, [2]float64{500, 720}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const interval, length = 15 * time.Second, 8 * time.Hour
			rate := 10 * float64(tt.processes)
			c, seen := watched(interval, sim.Signals{View: sim.DeployedView, MetricsBoard: tt.board}, nil, always(tt.processes))
			r := run(t, sim.Options{Load: steady(t, rate, length), Controller: c, Initial: tt.processes, Utilization: .6, Service: inFront(tt.service)})

			var n, arrivals, squares, throughput, busy, requests, service, queue, latency float64
			for _, s := range *seen {
				v := s.sample
				if s.at < time.Minute {
					continue
				}
				if !v.Signals.Has(autoscale.SignalArrivals|autoscale.SignalBusy|autoscale.SignalServiceTime|autoscale.SignalQueueTime|autoscale.SignalLatency) || v.Signals.Has(autoscale.SignalUtilization) {
					t.Fatalf("at %v it measured %v", s.at, v.Signals)
				}
				if math.Abs(v.Ready-float64(tt.processes)) > 1e-9 {
					t.Fatalf("at %v %v processes served", s.at, v.Ready)
				}
				if ago := interval - s.at%interval; ago == interval || ago >= time.Second {
					t.Fatalf("a sample ended at %v, want less than a second before the tick", s.at)
				}
				if tt.service.Discipline == sim.FIFO && v.Peak > sim.DefaultSlots {
					t.Fatalf("at %v a process had %v requests in work at once", s.at, v.Peak)
				}
				n++
				arrivals += v.Arrivals
				squares += v.Arrivals * v.Arrivals
				throughput += v.Throughput
				busy += v.Busy
				requests += v.Requests
				service += v.ServiceTime.Seconds()
				queue += v.QueueTime.Seconds()
				latency += v.Latency.Seconds()
			}
			if want := float64(length/interval) - 6; n < want {
				t.Fatalf("%v samples, want %v", n, want)
			}
			truth := float64(r.Requests) / length.Seconds()
			mean, counted := arrivals/n, requests/n
			within(t, "the mean of the arrivals", mean, truth, .01)
			within(t, "the mean of the throughput", throughput/n, truth, .01)
			if counted < tt.requests[0] || counted > tt.requests[1] {
				t.Errorf("a sample has %.1f requests, want %v", counted, tt.requests)
			}
			within(t, "the standard deviation of the arrivals", math.Sqrt(squares/n-mean*mean), truth/math.Sqrt(counted), .1)
			if tt.service.Discipline == sim.FIFO {
				within(t, "the service time", service/n, .1, .02)
				within(t, "the requests in progress", busy/n, truth*.1, .02)
				within(t, "the latency", latency/n, .1*math.Log(20), .06)
			} else {
				// Two slots at half of what they can do: 1/(1-ρ²) times the work.
				within(t, "the service time", service/n, .1/.75, .03)
				if queue/n > 2e-5 { // half of the first slot
					t.Errorf("requests waited %v s, and they share at once", queue/n)
				}
			}
		})
	}
}

// inFront has requests wait in front of the handler.
func inFront(s sim.Service) sim.Service {
	s.QueueInFront = true
	return s
}

// TestDeployedQueue: the queue time is the median of how long requests waited for
// one of two slots. Where 0.9 of them are in use, a request waits for longer than t
// with the probability C·exp(−0.2·t/S).
func TestDeployedQueue(t *testing.T) {
	slowly(t)
	for _, s := range []sim.Service{{}, {Dependency: sim.Dependency{Connections: 1000, Share: .5}}} {
		c, seen := watched(15*time.Second, sim.Signals{View: sim.DeployedView, MetricsBoard: &sim.MetricsBoard{}}, nil, always(20))
		s.Mean, s.CV = 100*time.Millisecond, 1
		if s.Dependency.Connections > 0 {
			s.Dependency.Share = .999999 // one exponential time, and no second one
		}
		run(t, sim.Options{Load: steady(t, 20*18, 2*time.Hour), Controller: c, Initial: 20, Utilization: .6, Service: inFront(s)})
		var sum float64
		for _, s := range *seen {
			sum += s.sample.QueueTime.Seconds()
		}
		within(t, "the queue time", sum/float64(len(*seen)), math.Log(erlangC(2, 1.8)/.5)/2, .1)
	}
}

// TestDeployedFailure: a failed heartbeat is reported beside the counts.
func TestDeployedFailure(t *testing.T) {
	c, seen := watched(5*time.Second, sim.Signals{View: sim.DeployedView, Heartbeat: true, Timeout: 2 * time.Second}, nil, always(1))
	run(t, sim.Options{Load: steady(t, 100, 10*time.Minute), Controller: c, Initial: 1, Utilization: .6, Service: sim.Service{Backlog: -1, QueueInFront: true}})
	last := (*seen)[len(*seen)-1].sample
	if last.Failure != autoscale.Timeout || last.Latency != 2*time.Second || !last.Signals.Has(autoscale.SignalArrivals|autoscale.SignalLatency) {
		t.Errorf("an overloaded process is shown as %v", last)
	}
	// Its slots begin no more than 20 requests a second.
	within(t, "the arrivals", last.Arrivals, 20, .25)
}

// TestDeployedLeader: another process leads when it is time and when the one that
// led stops, and the rule is shown the whole service all the while.
func TestDeployedLeader(t *testing.T) {
	slowly(t)
	for name, tt := range map[string]struct {
		signals sim.Signals
		mtbf    time.Duration
		size    func(at time.Duration) int
		leaders [2]int
		kills   [2]int
	}{
		"the oldest leads": {sim.Signals{}, 0, always(6), [2]int{1, 1}, [2]int{}},
		"scaling down leaves the oldest": {sim.Signals{}, 0, func(at time.Duration) int {
			return 6 - 4*int(at/(10*time.Minute)%2)
		}, [2]int{1, 1}, [2]int{}},
		"forced":             {sim.Signals{LeaderEvery: time.Minute}, 0, always(6), [2]int{58, 60}, [2]int{}},
		"forced, on a board": {sim.Signals{LeaderEvery: time.Minute, MetricsBoard: &sim.MetricsBoard{}}, 0, always(6), [2]int{58, 60}, [2]int{}},
		"forced, and scaled down": {sim.Signals{LeaderEvery: 9 * time.Minute}, 0, func(at time.Duration) int {
			return 6 - 4*int(at/(10*time.Minute)%2)
		}, [2]int{7, 10}, [2]int{}},
		"killed":             {sim.Signals{}, 5 * time.Minute, always(6), [2]int{5, 20}, [2]int{45, 90}},
		"killed, on a board": {sim.Signals{MetricsBoard: &sim.MetricsBoard{}}, 5 * time.Minute, always(6), [2]int{5, 20}, [2]int{45, 90}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.signals.View = sim.DeployedView
			for _, s := range []sim.Service{{}, {Discipline: sim.ProcessorSharing}, {Dependency: sim.Dependency{Connections: 100, Share: .5}}} {
				s.MTBF, s.Mean = tt.mtbf, 20*time.Millisecond
				c, seen := watched(5*time.Second, tt.signals, nil, tt.size)
				r := run(t, sim.Options{Load: steady(t, 120, time.Hour), Controller: c, Initial: 6, Utilization: .6, Service: s, Seed: 1})
				if r.Leaders < tt.leaders[0] || r.Leaders > tt.leaders[1] {
					t.Errorf("%d processes led, want %v", r.Leaders, tt.leaders)
				}
				if r.Kills < tt.kills[0] || r.Kills > tt.kills[1] {
					t.Errorf("%d processes were killed, want %v", r.Kills, tt.kills)
				}
				var sum float64
				for _, s := range *seen {
					sum += s.sample.Arrivals
					if s.sample.Arrivals < 60 || s.sample.Arrivals > 200 {
						t.Errorf("at %v the rule is shown %.4g of 120 requests a second", s.at, s.sample.Arrivals)
					}
				}
				if len(*seen) < 650 {
					t.Errorf("%d samples of 720", len(*seen))
				}
				within(t, "the mean of the arrivals", sum/float64(len(*seen)), 120, .04)
			}
		})
	}
}

// TestDeployedNobody: there is no tick while no process serves.
func TestDeployedNobody(t *testing.T) {
	c, seen := watched(5*time.Second, sim.Signals{View: sim.DeployedView}, nil, func(at time.Duration) int {
		if at > 10*time.Minute {
			return 0
		}
		return 2
	})
	r := run(t, sim.Options{Load: steady(t, 10, 20*time.Minute), Controller: c, Initial: 2, Utilization: .6})
	if last := (*seen)[len(*seen)-1].at; last > 10*time.Minute+5*time.Second || r.Changes != 1 {
		t.Errorf("%d changes, and a rule is asked at %v", r.Changes, last)
	}
}

// TestDeployedBoard: a report is on the board after its delay, and while the board
// fails the leader has only its own counts.
func TestDeployedBoard(t *testing.T) {
	watch := func(board sim.MetricsBoard) *[]shown {
		c, seen := watched(10*time.Second, sim.Signals{View: sim.DeployedView, MetricsBoard: &board}, nil, always(6))
		run(t, sim.Options{Load: steady(t, 120, time.Hour), Controller: c, Initial: 6, Utilization: .6})
		return seen
	}
	seen := watch(sim.MetricsBoard{Interval: 5 * time.Second, Outages: []sim.Outage{{20 * time.Minute, 30*time.Minute + 9900*time.Millisecond}}})
	slow := watch(sim.MetricsBoard{Interval: 5 * time.Second, Delay: time.Minute})

	mean := func(seen []shown, from, to time.Duration) float64 {
		var n, sum float64
		for _, s := range seen {
			if s.at >= from && s.at < to {
				n++
				sum += s.sample.Requests
			}
		}
		return sum / n
	}
	own := 20. * 15
	before, during, after := mean(*seen, 10*time.Minute, 20*time.Minute), mean(*seen, 20*time.Minute, 30*time.Minute), mean(*seen, 31*time.Minute, time.Hour)
	if before < 4.2*own || after < 4.2*own {
		t.Errorf("%.4g requests are counted before the outage and %.4g after it, want most of %v", before, after, 6*own)
	}
	// The board was up for 0.1 s: what did not arrive meanwhile is lost.
	if first := mean(*seen, 30*time.Minute+9*time.Second, 30*time.Minute+10*time.Second); !(first < 2*own) {
		t.Errorf("%.4g requests are counted right after the outage, want about %v", first, own)
	}
	within(t, "the requests counted in the outage", during, own, .05)
	if first, then := mean(*slow, 30*time.Second, 59*time.Second), mean(*slow, 80*time.Second, time.Hour); first > 1.3*own || then < 4.2*own {
		t.Errorf("with a delay of a minute %.4g requests are counted in the first minute and then %.4g, want %v and most of %v", first, then, own, 6*own)
	}
	for _, s := range *seen {
		if failed := s.at >= 20*time.Minute && s.at < 30*time.Minute-time.Second; failed && !strings.Contains(s.sample.Detail, "board") {
			t.Fatalf("at %v the sample says %q", s.at, s.sample.Detail)
		}
	}
}

// TestDeployedScaledDown: the reports of processes that stopped are not
// added up, and the load is neither over- nor underestimated.
func TestDeployedScaledDown(t *testing.T) {
	c, seen := watched(5*time.Second, sim.Signals{View: sim.DeployedView, MetricsBoard: &sim.MetricsBoard{}}, nil, func(at time.Duration) int {
		if at < 10*time.Minute {
			return 20
		}
		return 5
	})
	run(t, sim.Options{Load: steady(t, 100, 20*time.Minute), Controller: c, Initial: 20, Utilization: .6, Service: sim.Service{Mean: 20 * time.Millisecond}})
	for _, s := range *seen {
		if s.at > 10*time.Minute && s.at < 10*time.Minute+5*time.Second && s.sample.Requests > 500 {
			t.Errorf("at %v %v requests are counted: those that stopped are among them", s.at, s.sample.Requests)
		}
		if s.at > time.Minute && (s.sample.Arrivals < 70 || s.sample.Arrivals > 135) {
			t.Errorf("at %v the rule is shown %.4g of 100 requests a second", s.at, s.sample.Arrivals)
		}
	}
}

// TestDeployedDeterministic: the same seed gives the same report, and the requests
// are those of the other views.
func TestDeployedDeterministic(t *testing.T) {
	auto := func(signals sim.Signals) sim.Options {
		c := sim.Autoscaler(autoscale.Config{Decider: rule.TargetTracking{Concurrency: 2}, Max: autoscale.Fixed(50), Interval: 5 * time.Second}, signals)
		return sim.Options{Load: steady(t, 60, time.Hour), Controller: c, Utilization: .6, Seed: 3, Service: sim.Service{MTBF: 10 * time.Minute, BootJitter: .2}}
	}
	deployed := sim.Signals{View: sim.DeployedView, MetricsBoard: &sim.MetricsBoard{Delay: time.Second}, LeaderEvery: 5 * time.Minute}
	first, again := run(t, auto(deployed)), run(t, auto(deployed))
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the same seed gives another report:\n%s", diff)
	}
	if ideal := run(t, auto(sim.Signals{Traffic: true})); ideal.Requests != first.Requests || ideal.Kills == 0 || ideal.Leaders != 0 {
		t.Errorf("%d requests, and %d in the ideal view, of %d kills and %d leaders", first.Requests, ideal.Requests, ideal.Kills, ideal.Leaders)
	}
}

// wrapped hides what a Controller is.
type wrapped struct{ sim.Controller }

// TestDeployedFaults: what cannot be simulated is refused, and says what to do.
func TestDeployedFaults(t *testing.T) {
	deployed := func(s sim.Signals) sim.Controller {
		s.View = sim.DeployedView
		return sim.Autoscaler(autoscale.Config{}, s)
	}
	grow, _ := watched(5*time.Second, sim.Signals{View: sim.DeployedView}, nil, always(2001))
	for _, tt := range []struct {
		options sim.Options
		want    string
	}{
		{sim.Options{Controller: sim.Autoscaler(autoscale.Config{}, sim.Signals{View: 9})}, "Signals.View is 9"},
		{sim.Options{Controller: sim.Autoscaler(autoscale.Config{}, sim.Signals{Traffic: true, MetricsBoard: &sim.MetricsBoard{}})}, "set View"},
		{sim.Options{Controller: deployed(sim.Signals{LeaderEvery: -1})}, "Signals.LeaderEvery is -1ns"},
		{sim.Options{Controller: deployed(sim.Signals{Window: 1500 * time.Millisecond})}, "Window is 1.5s"},
		{sim.Options{Controller: deployed(sim.Signals{Longest: time.Hour})}, "Longest is 1h0m0s"},
		{sim.Options{Controller: deployed(sim.Signals{MetricsBoard: &sim.MetricsBoard{Interval: time.Millisecond}})}, "Signals.MetricsBoard.Interval is 1ms"},
		{sim.Options{Controller: deployed(sim.Signals{MetricsBoard: &sim.MetricsBoard{Delay: time.Hour}})}, "Signals.MetricsBoard.Delay is 1h0m0s"},
		{sim.Options{Controller: deployed(sim.Signals{MetricsBoard: &sim.MetricsBoard{Outages: []sim.Outage{{2, 1}}}})}, "Signals.MetricsBoard.Outages[0]"},
		{sim.Options{Controller: deployed(sim.Signals{Outages: []sim.Outage{{1, 2}, {-1, 2}}})}, "Signals.Outages[1]"},
		{sim.Options{Controller: wrapped{deployed(sim.Signals{})}}, "wrapped"},
		{sim.Options{Controller: deployed(sim.Signals{}), Initial: 2001}, "2001 processes"},
		{sim.Options{Controller: grow}, "2001 processes"},
		{sim.Options{Controller: sim.Constant(1), Service: sim.Service{MTBF: -1}}, "Service.MTBF is -1ns"},
	} {
		tt.options.Load, tt.options.Utilization = steady(t, 1, time.Minute), .6
		if _, err := sim.Run(t.Context(), tt.options); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("the error is %v, want %q", err, tt.want)
		}
	}
}

// A wrapped Prober is simulated like the one within.
func TestWrappedProber(t *testing.T) {
	type wrapped struct{ autoscale.Prober }
	counter := traffic.New(&traffic.Options{Window: 10 * time.Second})
	load, err := sim.Steady(20, 10*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for want, prober := range map[string]autoscale.Prober{
		"deployed: one process":   wrapped{counter},
		"deployed: metrics board": wrapped{wrapped{&traffic.Shared{Traffic: counter}}},
	} {
		report, err := sim.Run(t.Context(), sim.Options{
			Load:       load,
			Controller: sim.Autoscaler(autoscale.Config{Prober: prober, Max: autoscale.Fixed(20)}, sim.Signals{}),
		})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(report.View, want) {
			t.Errorf("the view is %q, want %q", report.View, want)
		}
	}
}
