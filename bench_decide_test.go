package autoscale_test

import (
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// steady makes an Observation of 120 samples, three seconds apart, the newest
// of them now: a little more than the six minutes that Demand looks back.
func steady(size int, s autoscale.Sample) autoscale.Observation {
	o := autoscale.Observation{Now: start.Add(time.Hour), Capacity: autoscale.Capacity{Desired: size}, Min: 1, Max: 100}
	for i := range 120 {
		s.Time = o.Now.Add(time.Duration(i-119) * 3 * time.Second)
		o.Samples = append(o.Samples, s)
	}
	return o
}

var (
	requests = autoscale.Sample{
		Signals: autoscale.SignalThroughput | autoscale.SignalServiceTime | autoscale.SignalQueueTime,
		// 60 a second of 100 ms each are 6 at work at once.
		Throughput: 60, ServiceTime: 100 * ms, QueueTime: 50 * ms,
	}
	overload = autoscale.Sample{
		Signals:    requests.Signals | autoscale.SignalArrivals | autoscale.SignalBusy,
		Throughput: 60, Arrivals: 70, ServiceTime: 100 * ms, QueueTime: 50 * ms, Busy: 6,
	}
	used  = autoscale.Sample{Signals: autoscale.SignalUtilization, Utilization: 0.6}
	beats = autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 40 * ms}
	jobs  = autoscale.Sample{Signals: autoscale.SignalBacklog | autoscale.SignalBusy, Backlog: 20, Busy: 4}
)

// ruleCases are the rules on 120 samples, in each kind of decision: to go down
// is the longest, because the whole window must agree.
var ruleCases = []struct {
	rule, name string
	decider    autoscale.Decider
	o          autoscale.Observation
}{
	{"Demand", "up", autoscale.Demand{Slots: 2}, steady(2, requests)},
	{"Demand", "down", autoscale.Demand{Slots: 2}, steady(20, requests)},
	{"Demand", "down by all signals", autoscale.Demand{Slots: 2}, steady(20, overload)},
	{"Demand", "down by utilization", autoscale.Demand{Target: 0.8}, steady(20, used)},
	{"Exceedance", "hold", autoscale.Exceedance{}, steady(1, beats)},
	{"Exceedance", "down", autoscale.Exceedance{}, steady(5, beats)},
	{"Exceedance", "down with a baseline", autoscale.Exceedance{Baseline: 40 * ms}, steady(5, beats)},
	{"Backlog", "up", autoscale.Backlog{}, steady(1, jobs)},
	{"Backlog", "down", autoscale.Backlog{}, steady(20, jobs)},
	{"Backlog", "down by time", autoscale.Backlog{Drain: time.Minute}, steady(20, jobs)},
	{"Highest", "down", autoscale.Highest(autoscale.Demand{Slots: 2}, autoscale.Backlog{}), steady(20, both(requests, jobs))},
}

func both(a, b autoscale.Sample) autoscale.Sample {
	a.Signals |= b.Signals
	a.Backlog, a.Busy = b.Backlog, b.Busy
	return a
}

func BenchmarkDemand(b *testing.B)     { benchmarkRule(b, "Demand") }
func BenchmarkExceedance(b *testing.B) { benchmarkRule(b, "Exceedance") }
func BenchmarkBacklog(b *testing.B)    { benchmarkRule(b, "Backlog") }

func benchmarkRule(b *testing.B, rule string) {
	for _, c := range ruleCases {
		if c.rule != rule {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.decider.Decide(c.o)
			}
		})
	}
}

// TestRulesAllocateNothing also holds that each case decides what its name says,
// so that the benchmarks measure that.
func TestRulesAllocateNothing(t *testing.T) {
	for _, c := range ruleCases {
		d := c.decider.Decide(c.o)
		size := c.o.Capacity.Desired
		switch c.name {
		case "up":
			if !d.Act || d.Size <= size {
				t.Errorf("%s %s: %+v", c.rule, c.name, d)
			}
		case "hold":
			if d.Act {
				t.Errorf("%s %s: %+v", c.rule, c.name, d)
			}
		default:
			// Without a time that a job takes, nothing may go down.
			if c.name != "down by time" && (!d.Act || d.Size >= size) {
				t.Errorf("%s %s: %+v", c.rule, c.name, d)
			}
		}
		if n := testing.AllocsPerRun(100, func() { c.decider.Decide(c.o) }); n != 0 {
			t.Errorf("%s %s: %v allocations a decision", c.rule, c.name, n)
		}
	}
}
