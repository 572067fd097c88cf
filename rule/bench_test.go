package rule_test

import (
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

// steady makes an Observation of 120 samples, three seconds apart, the newest
// of them now: a little more than the six minutes that TargetTracking looks back.
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
		// 60 a second of 100 ms each are 6 in flight.
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
	{"TargetTracking", "up", rule.TargetTracking{Concurrency: 2}, steady(2, requests)},
	{"TargetTracking", "down", rule.TargetTracking{Concurrency: 2}, steady(20, requests)},
	{"TargetTracking", "down by all signals", rule.TargetTracking{Concurrency: 2}, steady(20, overload)},
	{"TargetTracking", "down by utilization", rule.TargetTracking{Target: 0.8}, steady(20, used)},
	{"MOfN", "hold", rule.MOfN{}, steady(1, beats)},
	{"MOfN", "down", rule.MOfN{}, steady(5, beats)},
	{"MOfN", "down with a baseline", rule.MOfN{Baseline: 40 * ms}, steady(5, beats)},
	{"Backlog", "up", rule.Backlog{}, steady(1, jobs)},
	{"Backlog", "down", rule.Backlog{}, steady(20, jobs)},
	{"Backlog", "down by time", rule.Backlog{Drain: time.Minute}, steady(20, jobs)},
	{"Average", "down", rule.Average{N: 120}, steady(5, beats)},
	{"Highest", "down", autoscale.Highest(rule.TargetTracking{Concurrency: 2}, rule.Backlog{}), steady(20, both(requests, jobs))},
}

func both(a, b autoscale.Sample) autoscale.Sample {
	a.Signals |= b.Signals
	a.Backlog, a.Busy = b.Backlog, b.Busy
	return a
}

func BenchmarkTargetTracking(b *testing.B) { benchmarkRule(b, "TargetTracking") }
func BenchmarkMOfN(b *testing.B)           { benchmarkRule(b, "MOfN") }
func BenchmarkAverage(b *testing.B)        { benchmarkRule(b, "Average") }
func BenchmarkBacklog(b *testing.B)        { benchmarkRule(b, "Backlog") }

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

// TestRulesAllocateOnce allows one allocation a decision, for the detail of its reason.
// It also holds that each case decides what its name says, so that the benchmarks
// measure that.
func TestRulesAllocateOnce(t *testing.T) {
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
		most := 1.0
		if c.rule == "Highest" {
			most = 2 // one of each
		}
		if n := testing.AllocsPerRun(100, func() { c.decider.Decide(c.o) }); n > most {
			t.Errorf("%s %s: %v allocations a decision, more than %v", c.rule, c.name, n, most)
		}
	}
}
