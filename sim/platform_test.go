package sim_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/sim"
)

// What a platform does with an order shows in the sizes of a run: the load grows once,
// after ten minutes, and the rule asks for six.
func TestPlatform(t *testing.T) {
	const step = 10 * time.Minute
	load := jump(t, 10, 60, step, 40*time.Minute)
	six := autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
		n := 1
		if o.Samples[len(o.Samples)-1].Arrivals > 30 {
			n = 6
		}
		return autoscale.Decision{Act: true, Size: n}
	})
	counting := autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
		return autoscale.Decision{Act: true, Size: min(o.Capacity.Desired+1, 6)}
	})
	eleven := autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
		n := 11
		if o.Capacity.Desired == 1 {
			n = 10
		}
		return autoscale.Decision{Act: true, Size: n}
	})
	for _, tt := range []struct {
		name      string
		platform  sim.Platform
		rule      autoscale.Decider
		recommend bool
		sizes     []int         // one after the other
		after     time.Duration // the last one at the earliest
		by        time.Duration // and at the latest
	}{
		{"at once", sim.Platform{}, six, false, []int{1, 6}, step, step + 2*time.Minute},
		{"a deployment", sim.Platform{Deployments: []sim.Outage{{From: 9 * time.Minute, To: 15 * time.Minute}}}, six, false, []int{1, 6}, 14 * time.Minute, 16 * time.Minute},
		{"busy", sim.Platform{Busy: []sim.Outage{{From: 9 * time.Minute, To: 25 * time.Minute}}}, six, false, []int{1, 6}, 24 * time.Minute, 26 * time.Minute},
		{"in parts", sim.Platform{AtOnce: 2}, six, false, []int{1, 3, 5, 6}, step, step + 3*time.Minute},
		{"each order is a deployment", sim.Platform{Redeploys: true}, counting, false, []int{1, 2, 3, 4, 5}, 29 * time.Minute, 35 * time.Minute},
		{"recommended", sim.Platform{}, six, true, []int{1, 6}, step, step + 2*time.Minute},
		{"recommended within the tolerance", sim.Platform{Tolerance: 0.1}, eleven, true, []int{1, 10}, 0, time.Minute},
		{"recommended without a tolerance", sim.Platform{}, eleven, true, []int{1, 10, 11}, 0, 2 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := &ordering{Decider: tt.rule}
			_, err := sim.Run(t.Context(), sim.Options{
				Load: load, Service: sim.Service{Mean: 100 * time.Millisecond}, Initial: 1, Utilization: 0.7,
				Controller: sim.Autoscaler(autoscale.Config{
					Decider: seen, Max: autoscale.Fixed(20), RecommendOnly: tt.recommend,
				}, sim.Signals{Traffic: true, Platform: tt.platform}),
			})
			if err != nil {
				t.Fatal(err)
			}
			var sizes []int
			var last time.Duration
			for _, o := range seen.seen[:len(seen.seen)-1] {
				if n := len(sizes); n == 0 || sizes[n-1] != o.size {
					sizes, last = append(sizes, o.size), o.at.Sub(seen.seen[0].at)
				}
			}
			if sizes[0] != 1 {
				sizes = append([]int{1}, sizes...)
			}
			if !slices.Equal(sizes, tt.sizes) || last < tt.after || last > tt.by {
				t.Errorf("the sizes were %v, the last one at %v; want %v, from %v to %v", sizes, last, tt.sizes, tt.after, tt.by)
			}
		})
	}
}

func TestBadPlatform(t *testing.T) {
	for name, p := range map[string]sim.Platform{
		"Signals.Platform.AtOnce is -1":   {AtOnce: -1},
		"Signals.Platform.Tolerance is 1": {Tolerance: 1},
		"Signals.Platform.Busy[0]":        {Busy: []sim.Outage{{From: 2, To: 1}}},
		"Signals.Platform.Deployments[0]": {Deployments: []sim.Outage{{From: 2, To: 1}}},
	} {
		err := sim.Signals{Platform: p}.Validate()
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: %v, want %q", p, err, name)
		}
	}
}
