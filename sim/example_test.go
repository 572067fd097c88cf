package sim_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/sim"
)

// Two settings are compared on the same hour, in which the load grows fivefold.
func Example() {
	start := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	load, err := sim.NewLoad(start, 15*time.Minute, []float64{20, 50, 100, 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	patient := autoscale.Config{Max: autoscale.Fixed(20)}
	eager := patient
	eager.Decider = autoscale.Consecutive{UpAfter: 1, DownAfter: 20, Increment: 2}
	for name, cfg := range map[string]autoscale.Config{"patient": patient, "eager": eager} {
		r, err := sim.Run(context.Background(), sim.Options{
			Name: name, Load: load, Controller: sim.Autoscaler(cfg, sim.Signals{}), Seed: 1,
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%-8s %4.1f%% too slow or failed, %.1f times the processes it takes\n", r.Name, 100*r.BadShare, r.CostRatio)
	}
	// Unordered output:
	// patient  50.6% too slow or failed, 0.7 times the processes it takes
	// eager     6.1% too slow or failed, 1.0 times the processes it takes
}

// Any rule can be a Controller. This one orders one process for every two requests in
// flight.
func ExampleController() {
	load, err := sim.NewLoad(time.Time{}, time.Hour, []float64{50})
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := sim.Run(context.Background(), sim.Options{Load: load, Controller: inFlight{}, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d requests, %.1f process-hours\n", r.Requests, r.ProcessHours)
	// Output: 179731 requests, 5.5 process-hours
}

type inFlight struct{}

func (inFlight) Interval() time.Duration { return 10 * time.Second }

func (inFlight) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	return max(1, int(v.Recent(30*time.Second).InFlight/2)), nil
}

func ExampleReadCSV() {
	load, err := sim.ReadCSV(strings.NewReader("time,requests\n2026-03-02T09:00:00Z,1200\n2026-03-02T09:01:00Z,1800\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(load.Duration(), load.Mean(), load.Peak())

	_, err = sim.ReadCSV(strings.NewReader("time,requests\n2026-03-02T09:00:00Z,1200\n2026-03-02T09:01:00Z,lots\n"))
	fmt.Println(err)
	// Output:
	// 2m0s 25 30
	// sim: read a trace: line 3: "lots" is not a number of requests
}

func ExampleReadSamples() {
	recorded := `{"time":"2026-03-02T09:00:10Z","arrivals":20}
{"time":"2026-03-02T09:00:40Z","arrivals":30}
{"time":"2026-03-02T09:01:10Z","arrivals":50}
`
	load, err := sim.ReadSamples(strings.NewReader(recorded), time.Minute)
	fmt.Println(load.Duration(), load.Mean(), err)
	// Output: 2m0s 37.5 <nil>
}

func ExampleCalibrate() {
	utilization, err := sim.Calibrate(context.Background(), sim.Service{Slots: 1}, sim.Objective{Latency: 500 * time.Millisecond, Share: .05})
	fmt.Printf("%.2f %v\n", utilization, err)
	// Output: 0.40 <nil>
}

func ExampleMeasure() {
	demand := []int{2, 2, 4, 4, 2}
	supply := []int{2, 2, 2, 4, 4}
	e := sim.Measure(demand, supply)
	fmt.Printf("θU %.0f %%, θO %.0f %%, τU %.0f %%, τO %.0f %%\n", e.ThetaU, e.ThetaO, e.TauU, e.TauO)
	// Output: θU 10 %, θO 20 %, τU 20 %, τO 20 %
}

// The distance from foresight is how many times as many process-hours a rule takes as a
// Clairvoyant does for as few bad requests.
func ExampleNewFront() {
	load, err := sim.FlashCrowd(50, 4, time.Hour, 3*time.Hour)
	if err != nil {
		fmt.Println(err)
		return
	}
	o := sim.Options{Load: load, Utilization: .65, Controller: sim.Constant(14), Seed: 1}
	front, err := sim.NewFront(context.Background(), o)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := sim.Run(context.Background(), o)
	if err != nil {
		fmt.Println(err)
		return
	}
	distance, _ := front.Distance(r)
	fmt.Printf("%.1f\n", distance)
	// Output: 1.8
}
