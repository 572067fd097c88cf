package rule_test

import (
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

// seen makes an Observation of the present size and one sample every ten
// seconds, for ten minutes.
func seen(size int, s autoscale.Sample) autoscale.Observation {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	o := autoscale.Observation{Now: now, Capacity: autoscale.Capacity{Desired: size}, Min: 1, Max: 20}
	for ago := 10 * time.Minute; ago >= 0; ago -= 10 * time.Second {
		s.Time = now.Add(-ago)
		o.Samples = append(o.Samples, s)
	}
	return o
}

func show(d autoscale.Decision) {
	if !d.Act {
		fmt.Println("hold:", d.Reason)
		return
	}
	fmt.Printf("%d: %v\n", d.Size, d.Reason)
}

func ExampleTargetTracking() {
	r := rule.TargetTracking{Concurrency: 2} // each process has two workers
	s := autoscale.Sample{
		Signals:    autoscale.SignalThroughput | autoscale.SignalServiceTime,
		Throughput: 60, ServiceTime: 100 * time.Millisecond,
	}
	show(r.Decide(seen(3, s)))
	show(r.Decide(seen(5, s)))
	show(r.Decide(seen(9, s)))
	// Output:
	// 5: 6 requests in flight, at 1.2 a process, need 5
	// hold: 6 requests in flight, at 1.2 a process, need 5
	// 5: 6 requests in flight, at 1.2 a process, need 5
}

func ExampleTargetTracking_utilization() {
	r := rule.TargetTracking{Target: 0.7} // of each process's CPU
	s := autoscale.Sample{Signals: autoscale.SignalUtilization, Utilization: 0.9}
	show(r.Decide(seen(7, s)))
	// Output:
	// 9: 6.3 processes in full use, at 0.7 each, need 9
}

func ExampleMOfN() {
	r := rule.MOfN{Baseline: 40 * time.Millisecond}
	s := autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 300 * time.Millisecond}
	show(r.Decide(seen(4, s)))
	s.Latency = 45 * time.Millisecond
	show(r.Decide(seen(4, s)))
	// Output:
	// 5: 6 of the last 6 samples are above 170ms (3 needed)
	// 3: 0 of the last 60 samples are above 73ms (fewer than 9 needed)
}

func ExampleBacklog() {
	r := rule.Backlog{Drain: 2 * time.Minute, Concurrency: 10} // each process has ten threads
	s := autoscale.Sample{
		Signals: autoscale.SignalBacklog | autoscale.SignalServiceTime,
		Backlog: 1000, ServiceTime: 3 * time.Second,
	}
	show(r.Decide(seen(1, s)))
	show(r.Decide(seen(1, autoscale.Sample{Signals: autoscale.SignalBacklog})))
	// Output:
	// 3: 1000 jobs waiting, at 400 a process, need 3
	// 0: no job was waiting or under way for 5m00s (5m00s needed)
}

func ExampleAverage() {
	r := rule.Average{N: 2}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	d := r.Decide(autoscale.Observation{
		Capacity: autoscale.Capacity{Desired: 4},
		Samples: []autoscale.Sample{
			{Time: at, Signals: autoscale.SignalLatency, Latency: 300 * time.Millisecond},
			{Time: at.Add(time.Second), Signals: autoscale.SignalLatency, Latency: 1900 * time.Millisecond},
		},
	})
	fmt.Println(d.Act, d.Size, d.Reason)
	// Output: true 5 mean latency 1.1s of 2 samples is above 1s
}

// The largest size that one of several rules recommends.
func Example_highest() {
	r := autoscale.Highest(
		rule.TargetTracking{Concurrency: 2},
		rule.Backlog{PerProcess: 10},
	)
	o := seen(5, autoscale.Sample{
		Signals:    autoscale.SignalThroughput | autoscale.SignalServiceTime | autoscale.SignalBacklog,
		Throughput: 60, ServiceTime: 100 * time.Millisecond, Backlog: 65,
	})
	show(r.Decide(o))

	// What each of them recommends.
	r.(autoscale.Composite).Each(o, func(name string, d autoscale.Decision) {
		fmt.Print(name, " ")
		show(d)
	})
	// Output:
	// 7: 65 jobs waiting, at 10 a process, need 7
	// TargetTracking hold: 6 requests in flight, at 1.2 a process, need 5
	// Backlog 7: 65 jobs waiting, at 10 a process, need 7
}
