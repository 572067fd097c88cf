package sim_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/sim"
)

// counted is a trace of Poisson counts, by the minute, of the given rates a second.
func counted(t *testing.T, rates []float64) sim.Load {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 7))
	counts := make([]float64, len(rates))
	for i, rate := range rates {
		for at := random.ExpFloat64() / rate; at < 60; at += random.ExpFloat64() / rate {
			counts[i]++
		}
		counts[i] /= 60
	}
	load, err := sim.NewLoad(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), time.Minute, counts)
	if err != nil {
		t.Fatal(err)
	}
	return load
}

// arrivals plays a load and returns how many requests came in each minute.
func arrivals(t *testing.T, load sim.Load) (counts []float64) {
	t.Helper()
	c := &perMinute{}
	_, err := sim.Run(context.Background(), sim.Options{Load: load, Controller: c, Initial: 50, Utilization: .6, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	return c.counts
}

type perMinute struct{ counts []float64 }

func (*perMinute) Interval() time.Duration { return time.Minute }

func (c *perMinute) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	c.counts = append(c.counts, v.Recent(time.Minute).Arrivals*60)
	return v.Desired, nil
}

// A constant rate that was counted sparsely and is scaled up comes out with the
// variance of a Poisson process. Without smoothing it is hundreds of times that.
func TestSmoothConstant(t *testing.T) {
	rates := make([]float64, 2*24*60)
	for i := range rates {
		rates[i] = 3. / 60
	}
	raw := counted(t, rates)
	ratio := func(load sim.Load) float64 {
		scaled, err := load.Scale(400)
		if err != nil {
			t.Fatal(err)
		}
		counts := arrivals(t, scaled)
		var mean, variance float64
		for _, n := range counts {
			mean += n / float64(len(counts))
		}
		// Between minutes that follow each other, so that a slow drift does not count.
		for i := 1; i < len(counts); i++ {
			variance += (counts[i] - counts[i-1]) * (counts[i] - counts[i-1]) / 2 / float64(len(counts)-1)
		}
		return variance / mean
	}
	smooth, err := raw.Smooth(400)
	if err != nil {
		t.Fatal(err)
	}
	before, after := ratio(raw), ratio(smooth)
	t.Logf("variance over mean: %.1f as counted, %.2f smoothed", before, after)
	if before < 100 || after < .8 || after > 1.3 {
		t.Errorf("variance over mean: %.1f as counted and %.2f smoothed, want above 100 and about 1", before, after)
	}
	if off := smooth.Mean()/raw.Mean() - 1; math.Abs(off) > 1e-9 {
		t.Errorf("the mean is off by %v", off)
	}
}

// A step that many requests show stays, and bins that hold enough are not touched.
func TestSmoothKeeps(t *testing.T) {
	rates := make([]float64, 240)
	for i := range rates {
		rates[i] = 10
		if i >= 120 {
			rates[i] = 40
		}
	}
	load := counted(t, rates)
	smooth, err := load.Smooth(400)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Duration{0, 30 * time.Minute, 119*time.Minute + 30*time.Second, 120*time.Minute + 30*time.Second, 4 * time.Hour} {
		if got, want := smooth.Rate(at), load.Rate(at); math.Abs(got-want) > 1e-9 {
			t.Errorf("after %v: %v a second, want %v", at, got, want)
		}
	}
	if smooth, _ = load.Smooth(1e12); math.Abs(smooth.Peak()-load.Mean()) > 1e-9 {
		t.Errorf("over more requests than there are: a peak of %v, want the mean of %v", smooth.Peak(), load.Mean())
	}
	for _, n := range []float64{0, -1, .5, math.NaN()} {
		if _, err := load.Smooth(n); err == nil {
			t.Errorf("smoothed over %v requests", n)
		}
	}
}
