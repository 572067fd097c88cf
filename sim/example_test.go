package sim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/sim"
)

// Two settings on the same hour, in which the load grows fivefold.
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

// A Controller can be any rule: here, one process for each two requests that
// are in flight.
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
