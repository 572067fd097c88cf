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
	ratio := func(load sim.Load) (between, all float64) {
		scaled, err := load.Scale(400)
		if err != nil {
			t.Fatal(err)
		}
		counts := arrivals(t, scaled)
		var mean float64
		for _, n := range counts {
			mean += n / float64(len(counts))
		}
		var variance, differences float64
		for i, n := range counts {
			variance += (n - mean) * (n - mean) / float64(len(counts)-1)
			if i > 0 {
				differences += (n - counts[i-1]) * (n - counts[i-1]) / 2 / float64(len(counts)-1)
			}
		}
		return differences / mean, variance / mean
	}
	smooth, err := raw.Smooth(400)
	if err != nil {
		t.Fatal(err)
	}
	before, beforeAll := ratio(raw)
	after, afterAll := ratio(smooth)
	t.Logf("variance over mean: %.1f as counted, %.2f smoothed; between minutes that follow each other: %.1f and %.2f", beforeAll, afterAll, before, after)
	// From minute to minute nothing is left. Over the days the rate drifts by the 5 % that
	// it may be off, which for 1200 a minute is a variance of 3 times the mean.
	if before < 100 || after < .9 || after > 1.1 {
		t.Errorf("variance over mean from minute to minute: %.1f as counted and %.2f smoothed, want above 100, and 1 to within a tenth", before, after)
	}
	if beforeAll < 100 || afterAll < .9 || afterAll > 1+1.5*3 {
		t.Errorf("variance over mean: %.1f as counted and %.2f smoothed, want above 100, and 1 and a drift of 3", beforeAll, afterAll)
	}
	if off := smooth.Mean()/raw.Mean() - 1; math.Abs(off) > 1e-9 {
		t.Errorf("the mean is off by %v", off)
	}
}

// A step that sparse counts show is still there: both its levels, to within the tenth that
// 400 requests may be off, and it takes no longer than 400 requests do.
func TestSmoothStep(t *testing.T) {
	for _, c := range []struct {
		name       string
		low, high  float64 // requests a minute
		transition int     // minutes before or after the step
	}{
		{"3 to 12 a minute", 3, 12, 70},
		{"40 to 160 a minute", 40, 160, 6},
		{"160 to 40 a minute", 160, 40, 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			const minutes = 1000
			rates := make([]float64, minutes)
			for i := range rates {
				rates[i] = c.low / 60
				if i >= minutes/2 {
					rates[i] = c.high / 60
				}
			}
			smooth, err := counted(t, rates).Smooth(400)
			if err != nil {
				t.Fatal(err)
			}
			for i := range minutes {
				want, off := rates[i], smooth.Rate(time.Duration(i)*time.Minute+30*time.Second)
				if i >= minutes/2-c.transition && i < minutes/2+c.transition {
					continue
				}
				if math.Abs(off/want-1) > .25 {
					t.Fatalf("minute %d: %.3f a second, want about %.3f", i, off, want)
				}
			}
		})
	}
}

// A burst that holds enough by itself stays where it is and as high, and the quiet around
// it gets nothing of it.
func TestSmoothBurst(t *testing.T) {
	rates := make([]float64, 101)
	for i := range rates {
		rates[i] = 1 + float64(i%2) // 60 and 120 a minute
	}
	rates[50] = 100
	load, err := sim.NewLoad(time.Unix(0, 0), time.Minute, rates)
	if err != nil {
		t.Fatal(err)
	}
	smooth, err := load.Smooth(400)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rates {
		got := smooth.Rate(time.Duration(i)*time.Minute + 30*time.Second)
		if i == 50 && got != 100 || i != 50 && (got < 1.2 || got > 1.8) {
			t.Errorf("minute %d: %v a second, want 100 in minute 50 and else about 1.5", i, got)
		}
	}
	if math.Abs(smooth.Mean()/load.Mean()-1) > 1e-9 {
		t.Errorf("the mean is %v, want %v", smooth.Mean(), load.Mean())
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
