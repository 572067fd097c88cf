package rules_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/bench/rules"
	"github.com/autoscalebot/autoscale/sim"
)

type recorded struct {
	sim.Controller
	sizes []int
}

func (r *recorded) Tick(ctx context.Context, now time.Time, v *sim.View) (int, error) {
	n, err := r.Controller.Tick(ctx, now, v)
	r.sizes = append(r.sizes, n)
	return n, err
}

// sizes returns what a rule orders under a load of one rate for each half of an hour.
func sizes(t *testing.T, c sim.Controller, initial int, rates ...float64) []int {
	t.Helper()
	load, err := sim.NewLoad(time.Unix(0, 0), time.Minute, slices.Concat(slices.Repeat(rates[:1], 30), slices.Repeat(rates[1:], 30)))
	if err != nil {
		t.Fatal(err)
	}
	r := &recorded{Controller: c}
	if _, err := sim.Run(t.Context(), sim.Options{Load: load, Controller: r, Initial: initial, Utilization: .65, Service: sim.Service{Boot: -1}}); err != nil {
		t.Fatal(err)
	}
	return r.sizes
}

// Each rule adds when 5 processes get what 8 do well, and removes when the load
// is gone; none does so faster than it may.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name     string
		rule     sim.Controller
		perTick  int // most that may be added at once
		downFrom time.Duration
		downRest time.Duration // least between two that go
	}{
		{"Heroku", rules.Heroku(500 * time.Millisecond), 1, 3 * time.Minute, 3 * time.Minute},
		{"HireFire", rules.HireFire(500 * time.Millisecond), 1, 10 * time.Minute, 10 * time.Minute},
		{"Judoscale", &rules.Judoscale{High: 250 * time.Millisecond, Low: 100 * time.Millisecond, UpEvery: 30 * time.Second, DownEvery: 10 * time.Minute}, 1, 10 * time.Minute, 10 * time.Minute},
		{"AWS", &rules.AWS{Target: .6}, 100, 15 * time.Minute, 15 * time.Minute},
		{"React", rules.React{High: .65, Low: .4}, 1, time.Minute, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := sizes(t, c.rule, 5, 110, 20)
			half := len(got) / 2
			if n := got[half-1]; n < 7 || n > 14 {
				t.Errorf("%d processes for a load that takes about 8: %v", n, got)
			}
			if n := got[len(got)-1]; n >= got[half-1] {
				t.Fatalf("none was removed in half an hour without a load: %v", got)
			}
			var downs []int
			for i := 1; i < len(got); i++ {
				if got[i]-got[i-1] > c.perTick {
					t.Errorf("from %d to %d at once", got[i-1], got[i])
				}
				if i > half && got[i] < got[i-1] {
					downs = append(downs, i)
				}
			}
			if d := time.Duration(downs[0]-half) * c.rule.Interval(); d < c.downFrom-2*time.Minute {
				t.Errorf("down %v after the load fell: %v", d, got)
			}
			for i := 1; i < len(downs); i++ {
				if d := time.Duration(downs[i]-downs[i-1]) * c.rule.Interval(); d < c.downRest {
					t.Errorf("down %v after a down: %v", d, got)
				}
			}
		})
	}
}

// The percentile of the wait that Judoscale's rule works out is that of M/M/2.
func TestQueueP95(t *testing.T) {
	const slots, utilization, rate = 2, .8, 16.0 // of two that do ten a second
	// Erlang's C of two servers is 2ρ²/(1+ρ).
	c := 2 * utilization * utilization / (1 + utilization)
	mean := c / (20 - rate)
	want := math.Log(c/.05) / (20 - rate)
	got := rules.QueueP95(time.Duration(mean*1e9), utilization, slots).Seconds()
	if math.Abs(got-want) > 1e-6 {
		t.Errorf("the 95th percentile is %v s, want %v s", got, want)
	}
}
