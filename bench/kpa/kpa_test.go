package kpa_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/bench/kpa"
	"github.com/autoscalebot/autoscale/sim"
)

// sizes returns the sizes that the controller orders at its ticks, under a load
// given as the requests per second of each second.
func sizes(t *testing.T, target float64, initial int, rates []float64) []int {
	t.Helper()
	load, err := sim.NewLoad(time.Unix(0, 0), time.Second, rates)
	if err != nil {
		t.Fatal(err)
	}
	c := &recorded{Controller: kpa.New(target)}
	defer c.Stop()
	// The free process first and work that is always as long: the concurrency is
	// the rate times a tenth of a second.
	_, err = sim.Run(t.Context(), sim.Options{
		Load: load, Controller: c, Initial: initial, Utilization: .6,
		Service: sim.Service{CV: -1, Routing: sim.LeastBusy, Boot: -1},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.sizes
}

type recorded struct {
	*kpa.Controller
	sizes []int
}

func (r *recorded) Tick(ctx context.Context, now time.Time, v *sim.View) (int, error) {
	n, err := r.Controller.Tick(ctx, now, v)
	r.sizes = append(r.sizes, n)
	return n, err
}

// load gives seconds at one rate and then seconds at another.
func load(rate float64, seconds int, then float64, more int) []float64 {
	return slices.Concat(slices.Repeat([]float64{rate}, seconds), slices.Repeat([]float64{then}, more))
}

// A concurrency of 10 at a target of half of two slots takes ten pods.
func TestStable(t *testing.T) {
	got := sizes(t, .5, 10, load(100, 300, 0, 0))
	for i, n := range got[60:] {
		if n < 9 || n > 12 {
			t.Fatalf("%d pods at tick %d for a concurrency of 10, one a pod", n, 60+i)
		}
	}
}

// What twice as many pods as are ready would do shows within seconds, long before
// the stable window shows it, and the size does not fall while there is panic.
func TestPanic(t *testing.T) {
	got := sizes(t, .25, 5, append(load(25, 120, 60, 20), load(25, 100, 0, 0)...))
	if at := got[60+5]; at < 11 {
		t.Errorf("ten seconds after the load rose from 5 pods to 12 the size is %d", at)
	}
	if !slices.IsSorted(got[65:89]) { // the panic lasts for 60 s after its last breach
		t.Errorf("the size falls in panic: %v", got[65:89])
	}
	if last := got[len(got)-1]; last > 8 {
		t.Errorf("%d pods, of which 5 are needed, 100 s after the peak", last)
	}
}

// It never falls by more than half at once.
func TestMaxScaleDownRate(t *testing.T) {
	got := sizes(t, .5, 40, load(1, 60, 0, 0))
	if want := []int{20, 10, 5, 2, 1}; !slices.Equal(got[:5], want) {
		t.Errorf("40 pods without a load become %v, want %v", got[:5], want)
	}
}

// Both seconds between two ticks count, and each for itself.
func TestEverySecond(t *testing.T) {
	got := sizes(t, .25, 10, slices.Repeat([]float64{0, 100}, 100))
	for i, n := range got[30:] {
		if n < 9 || n > 12 {
			t.Fatalf("%d pods at tick %d for a concurrency of 0 and 10 by turns, a half a pod", n, 30+i)
		}
	}
}

// Requests that wait are concurrency too, as in Knative's queue proxy. At random routing
// each process is a queue of its own with two servers, M/M/2, which holds 2ρ/(1-ρ²)
// requests: the size is where that is the target.
func TestWaitingCounts(t *testing.T) {
	const rate, busy = 320., 32.
	for _, target := range []float64{.45, .6, .8} {
		load, err := sim.NewLoad(time.Unix(0, 0), time.Hour, []float64{rate})
		if err != nil {
			t.Fatal(err)
		}
		c := &recorded{Controller: kpa.New(target)}
		_, err = sim.Run(t.Context(), sim.Options{Load: load, Controller: c, Utilization: .66, Seed: 1})
		c.Stop()
		if err != nil {
			t.Fatal(err)
		}
		var mean float64
		for _, n := range c.sizes[100:] {
			mean += float64(n) / float64(len(c.sizes)-100)
		}
		rho := (math.Sqrt(1+4*target*target) - 1) / (2 * target) // 2ρ/(1-ρ²) = 2·target
		// Half a process comes of rounding up.
		if want := busy/2/rho + .5; math.Abs(mean/want-1) > .03 {
			t.Errorf("at %v it keeps %.2f processes, want %.2f", target, mean, want)
		}
	}
}
