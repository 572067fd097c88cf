package sim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/sim"
)

// show prints the rates of a load at some of its hours.
func show(load sim.Load, err error, hours ...float64) {
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%v:", load.Duration())
	for _, h := range hours {
		fmt.Printf(" %.0f", load.Rate(time.Duration(h*float64(time.Hour))))
	}
	fmt.Println(" requests per second")
}

func ExampleNewLoad() {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	load, err := sim.NewLoad(start, time.Hour, []float64{10, 30, 20})
	show(load, err, 0.5, 1, 1.5)
	// Output: 3h0m0s: 10 20 30 requests per second
}

func ExampleSteady() {
	load, err := sim.Steady(50, 2*time.Hour)
	show(load, err, 0, 1, 2)
	// Output: 2h0m0s: 50 50 50 requests per second
}

func ExampleStep() {
	load, err := sim.Step(20, 80, time.Hour, 2*time.Hour)
	show(load, err, 0, 0.9, 1.1, 2)
	// Output: 2h0m0s: 20 20 80 80 requests per second
}

func ExampleRamp() {
	load, err := sim.Ramp(0, 100, 4*time.Hour)
	show(load, err, 1, 2, 3)
	// Output: 4h0m0s: 25 50 75 requests per second
}

func ExampleFlashCrowd() {
	load, err := sim.FlashCrowd(10, 5, time.Hour, 3*time.Hour)
	show(load, err, 0.9, 1.05, 1.5, 3)
	// Output: 3h0m0s: 10 47 16 10 requests per second
}

func ExampleDay() {
	load, err := sim.Day(100, 1)
	show(load, err, 4, 11, 20)
	// Output: 24h0m0s: 22 74 95 requests per second
}

func ExampleWeek() {
	load, err := sim.Week(100, 1)
	show(load, err, 20, 5*24+20)
	// Output: 168h0m0s: 95 57 requests per second
}

// try runs a Controller on a load that quadruples at once. At the start, initial processes
// serve, or for 0 as many as are demanded.
func try(c sim.Controller, initial int) {
	load, err := sim.Step(20, 80, 30*time.Minute, time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := sim.Run(context.Background(), sim.Options{Load: load, Controller: c, Initial: initial, Utilization: .65, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.1f %% too slow or failed, %.1f process-hours\n", 100*r.BadShare, r.ProcessHours)
}

func ExampleAutoscaler() {
	try(sim.Autoscaler(autoscale.Config{Decider: autoscale.Consecutive{}, Max: autoscale.Fixed(10)}, sim.Signals{Traffic: true}), 0)
	// Output: 19.3 % too slow or failed, 4.1 process-hours
}

func ExampleConstant() {
	try(sim.Constant(2), 2)
	try(sim.Constant(7), 7)
	// Output:
	// 80.3 % too slow or failed, 2.0 process-hours
	// 2.3 % too slow or failed, 7.0 process-hours
}

func ExampleClairvoyant() {
	try(sim.Clairvoyant(0), 0)
	try(sim.Clairvoyant(.5), 0)
	// Output:
	// 2.5 % too slow or failed, 4.5 process-hours
	// 1.8 % too slow or failed, 5.1 process-hours
}

func ExamplePresentRate() {
	try(sim.PresentRate(0), 0)
	// Output: 5.0 % too slow or failed, 4.5 process-hours
}

func ExampleForesight() {
	try(sim.Foresight(0), 0)
	// Output: 2.7 % too slow or failed, 4.5 process-hours
}
