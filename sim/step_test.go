package sim_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/sim"
)

// ordering notes the sizes that a rule has ordered.
type ordering struct {
	autoscale.Decider
	seen []order
}

type order struct {
	at   time.Time
	size int
}

func (o *ordering) Decide(v autoscale.Observation) autoscale.Decision {
	// The size that is now was ordered after the look before.
	if n := len(o.seen); n > 0 {
		o.seen[n-1].size = v.Capacity.Desired
	}
	o.seen = append(o.seen, order{v.Now, v.Capacity.Desired})
	return o.Decider.Decide(v)
}

// TestStepUp: the load grows 25 times at one moment, and requests wait in the handlers
// of the one process that serves, for as long as a boot takes. What is ordered is what
// the load needs and little more. From a metrics board the size then stays. One share of a
// service in which requests wait for each other is noisier than its count says, and
// changes the size now and then.
func TestStepUp(t *testing.T) {
	const (
		low, high = 4., 100.
		step      = 10 * time.Minute
		length    = 40 * time.Minute
		seeds     = 4
	)
	// 100/s of 100 ms, and 30 % more for the wait in the handlers, which a process
	// cannot tell from work.
	needed := int(math.Ceil(1.3 * high * .1 / (2 * rule.DefaultTarget)))
	load := jump(t, low, high, step, length)
	for _, view := range []struct {
		name    string
		board   *sim.MetricsBoard
		most    int
		changes float64 // in the last ten minutes, on average
	}{
		{"board", &sim.MetricsBoard{}, int(math.Ceil(1.2*float64(needed) + 1)), 1},
		{"one share", nil, 2 * needed, 4},
	} {
		for _, every := range []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second} {
			t.Run(fmt.Sprintf("tick %v, %s", every, view.name), func(t *testing.T) {
				t.Parallel()
				var runs, peak, changes int
				var reached time.Duration
				for _, boot := range []time.Duration{-1, 10 * time.Second, 30 * time.Second, 60 * time.Second} {
					for seed := range seeds {
						if raced && seed > 0 {
							continue
						}
						o := &ordering{Decider: rule.TargetTracking{Concurrency: 2}}
						r, err := sim.Run(context.Background(), sim.Options{
							Load: load, Initial: 1, Utilization: .6, Service: sim.Service{Boot: boot}, Seed: uint64(seed + 1),
							Controller: sim.Autoscaler(
								autoscale.Config{Decider: o, Max: autoscale.Fixed(100), Interval: every},
								sim.Signals{View: sim.DeployedView, MetricsBoard: view.board},
							),
						})
						if err != nil {
							t.Fatal(err)
						}
						runs++
						peak = max(peak, r.MaxSize)
						size, last := 1, load.Start().Add(length-10*time.Minute)
						enough := time.Duration(math.MaxInt64)
						for _, s := range o.seen {
							if s.size >= 9 {
								enough = min(enough, s.at.Sub(load.Start().Add(step)))
							}
							if s.size != size && s.at.After(last) {
								changes++
							}
							size = s.size
						}
						reached = max(reached, enough)
						if size < 9 || size > view.most {
							t.Errorf("boot %v, seed %d: %d processes serve in the end, and 9 to %d are needed", boot, seed+1, size, needed)
						}
					}
				}
				mean := float64(changes) / float64(runs)
				t.Logf("at most %d processes, 9 after %v at most, %.1f changes in the last ten minutes", peak, reached, mean)
				if peak > view.most {
					t.Errorf("%d processes were ordered at most, want no more than %d", peak, view.most)
				}
				if mean > view.changes {
					t.Errorf("the size changed %.1f times in the last ten minutes, want at most %v", mean, view.changes)
				}
			})
		}
	}
}

// jump is a load that is at one rate and, from a moment on, at another.
func jump(t *testing.T, from, to float64, at, length time.Duration) sim.Load {
	t.Helper()
	rates := make([]float64, length/time.Second)
	for i := range rates {
		rates[i] = from
		if time.Duration(i)*time.Second >= at {
			rates[i] = to
		}
	}
	load, err := sim.NewLoad(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Second, rates)
	if err != nil {
		t.Fatal(err)
	}
	return load
}
