package autoscale_test

import (
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
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

func ExampleDemand() {
	rule := autoscale.Demand{Slots: 2} // each process has two workers
	s := autoscale.Sample{
		Signals:    autoscale.SignalThroughput | autoscale.SignalServiceTime,
		Throughput: 60, ServiceTime: 100 * time.Millisecond,
	}
	show(rule.Decide(seen(3, s)))
	show(rule.Decide(seen(5, s)))
	show(rule.Decide(seen(9, s)))
	// Output:
	// 5: 6 requests at work at once, at 1.2 a process, need 5
	// hold: 6 requests at work at once, at 1.2 a process, need 5
	// 5: 6 requests at work at once, at 1.2 a process, need 5
}

func ExampleDemand_utilization() {
	rule := autoscale.Demand{Target: 0.7} // of each process's CPU
	s := autoscale.Sample{Signals: autoscale.SignalUtilization, Utilization: 0.9}
	show(rule.Decide(seen(7, s)))
	// Output:
	// 9: 6.3 processes' full utilization, at 0.7 each, needs 9
}

func ExampleExceedance() {
	rule := autoscale.Exceedance{Baseline: 40 * time.Millisecond}
	s := autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 300 * time.Millisecond}
	show(rule.Decide(seen(4, s)))
	s.Latency = 45 * time.Millisecond
	show(rule.Decide(seen(4, s)))
	// Output:
	// 5: 6 of the last 6 samples are above 170ms (3 needed)
	// 3: 0 of the last 60 samples are above 73ms (fewer than 9 needed)
}

func ExampleBacklog() {
	rule := autoscale.Backlog{Drain: 2 * time.Minute, Slots: 10} // each process has ten threads
	s := autoscale.Sample{
		Signals: autoscale.SignalBacklog | autoscale.SignalServiceTime,
		Backlog: 1000, ServiceTime: 3 * time.Second,
	}
	show(rule.Decide(seen(1, s)))
	show(rule.Decide(seen(1, autoscale.Sample{Signals: autoscale.SignalBacklog})))
	// Output:
	// 3: 1000 jobs waiting, at 400 a process, need 3
	// 0: no job was waiting or under way for 5m00s (5m00s needed)
}

func ExampleHighest_each() {
	rule := autoscale.Highest(
		autoscale.Demand{Slots: 2},
		autoscale.Backlog{PerProcess: 10},
	)
	o := seen(5, autoscale.Sample{
		Signals:    autoscale.SignalThroughput | autoscale.SignalServiceTime | autoscale.SignalBacklog,
		Throughput: 60, ServiceTime: 100 * time.Millisecond, Backlog: 65,
	})
	show(rule.Decide(o))

	// What each of them wishes.
	rule.(interface {
		Each(autoscale.Observation, func(name string, d autoscale.Decision))
	}).Each(o, func(name string, d autoscale.Decision) {
		fmt.Print(name, " ")
		show(d)
	})
	// Output:
	// 7: 65 jobs waiting, at 10 a process, need 7
	// Demand hold: 6 requests at work at once, at 1.2 a process, need 5
	// Backlog 7: 65 jobs waiting, at 10 a process, need 7
}
