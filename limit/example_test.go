package limit_test

import (
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

// Processes are added quickly and removed slowly.
func ExampleLimits() {
	limits := limit.Limits{
		Up:        limit.Behavior{Rate: limit.Rate{Processes: 4, Share: 1, Period: time.Minute}},
		Down:      limit.Behavior{Stabilization: 5 * time.Minute, Step: 1},
		Tolerance: 0.1,
	}
	fmt.Println(limits.Validate(30*time.Second, 1))
	// Output: <nil>
}

func ExampleLimits_Validate() {
	limits := limit.Limits{Up: limit.Behavior{Cooldown: -time.Minute}, Tolerance: 10}
	fmt.Println(limits.Validate(30*time.Second, 1))
	// Output:
	// Limits.Up.Cooldown is -1m0s: it must be above 0, or 0 for none
	// Limits.Tolerance is 10: it must be from 0 to below 1, a share of the size
}

// Thirty processes are recommended, three run, and two limits lower the increase.
func ExampleLimits_Apply() {
	limits := limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Processes: 9, Period: time.Minute}, Step: 5}}
	var memory limit.Memory
	out := limits.Apply(&memory, limit.Input{
		Now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Size: 3, Min: 1, Max: 40,
		Measured: true, Change: true, Recommendation: 30,
	})
	fmt.Println(out.Size, out.By)
	for _, a := range out.Adjustments {
		fmt.Println(a.By, a.From, a.To)
	}
	// Output:
	// 8 step
	// rate 30 12
	// step 12 8
}

// Min must fit in the budget.
func ExampleBudget() {
	limits := limit.Limits{Budget: limit.Budget{Hours: 40}}
	fmt.Println(limits.Validate(30*time.Second, 2))
	// Output: Limits.Budget.Hours is 40, and Min alone, 2 processes around the clock, takes 48: raise Hours or lower Min
}

// At this rate a service of three processes loses one a minute, because a share permits
// at least one process.
func ExampleRate() {
	limits := limit.Limits{Down: limit.Behavior{Rate: limit.Rate{Share: 0.1, Period: time.Minute}}}
	var memory limit.Memory
	out := limits.Apply(&memory, limit.Input{
		Now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Size: 3, Max: 40,
		Measured: true, Change: true, Recommendation: 0,
	})
	fmt.Println(out.Size, out.By)
	// Output: 2 rate
}

func ExampleKind() {
	text, err := limit.ByDiminishingReturns.MarshalText()
	fmt.Println(string(text), err)
	// Output: diminishing_returns <nil>
}
