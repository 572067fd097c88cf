package hpa_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/autoscalebot/autoscale/bench/hpa"
	"github.com/autoscalebot/autoscale/sim"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// sizes returns the sizes that the controller orders at its ticks, under a load
// given as the requests per second of each step of 15 seconds.
func sizes(t *testing.T, target int32, initial int, boot time.Duration, rates ...float64) []int {
	t.Helper()
	load, err := sim.NewLoad(time.Unix(0, 0), hpa.SyncPeriod, rates)
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	synctest.Test(t, func(t *testing.T) {
		c := &recorded{Controller: hpa.New(target)}
		defer c.Stop()
		// Work that is always as long, and the free process first: the CPU is
		// as busy as the rate says.
		_, err := sim.Run(t.Context(), sim.Options{
			Load: load, Controller: c, Initial: initial, Utilization: .6,
			Service: sim.Service{CV: -1, Routing: sim.LeastBusy, Boot: boot},
		})
		if err != nil {
			t.Fatal(err)
		}
		out = c.sizes
	})
	return out
}

type recorded struct {
	*hpa.Controller
	sizes []int
}

func (r *recorded) Tick(ctx context.Context, now time.Time, v *sim.View) (int, error) {
	n, err := r.Controller.Tick(ctx, now, v)
	r.sizes = append(r.sizes, n)
	return n, err
}

func repeat(rate float64, n int) []float64 { return slices.Repeat([]float64{rate}, n) }

// A process does 20 requests per second.

func TestDoublesAtTwiceTheTarget(t *testing.T) {
	got := sizes(t, 40, 5, -1, repeat(80, 3)...)
	if got[0] < 10 || got[0] > 11 {
		t.Errorf("5 processes at 80%% of their CPU and a target of 40%% become %d, not 10", got[0])
	}
}

func TestTolerance(t *testing.T) {
	for _, n := range sizes(t, 50, 10, -1, repeat(105, 8)...) {
		if n != 10 {
			t.Errorf("10 processes at 52.5%% of their CPU and a target of 50%% become %d, within the tolerance of a tenth", n)
		}
	}
}

func TestPolicies(t *testing.T) {
	got := sizes(t, 10, 1, -1, repeat(19.5, 4)...)
	if got[0] != 5 {
		t.Errorf("1 process of which 10 are needed becomes %d: four pods more in 15 seconds are allowed", got[0])
	}
	if got[1] < 9 || got[1] > 10 {
		t.Errorf("then %d, not the 10 that are needed", got[1])
	}
}

func TestDownscaleStabilization(t *testing.T) {
	got := sizes(t, 50, 10, -1, append(repeat(100, 4), repeat(20, 30)...)...)
	for i, n := range got {
		// The load falls from the middle of the fourth step on.
		if n < 10 && i < 2+20 {
			t.Errorf("down to %d at tick %d, within five minutes of a recommendation of 10", n, i)
		}
	}
	if last := got[len(got)-1]; last > 3 {
		t.Errorf("still %d, of which 2 are needed, after seven minutes", last)
	}
}

// While five pods start, what the other five do counts as that of all ten, so
// that a little more than they will do is within the tolerance.
func TestPodsThatAreNotReady(t *testing.T) {
	for _, n := range sizes(t, 40, 5, time.Minute, 80, 84, 84, 84) {
		if n != 10 {
			t.Errorf("5 processes with the work of 10 at their target, of which 5 start, become %d", n)
		}
	}
}
