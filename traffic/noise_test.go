package traffic_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/count"
)

// TestNoise measures how far off the processes needed are that one share, and the sum
// of all, call for, under a constant load that is spread at random. The words of the
// package say what to expect of it, and the log has the table.
func TestNoise(t *testing.T) {
	const (
		service = .1 // seconds
		window  = 15
		use     = .5 // of the slots
		probes  = 300
	)
	t.Logf("processes  requests/s each  one share (theory)  the sum (theory)")
	for _, n := range []int{3, 10, 40} {
		for _, each := range []float64{1, 10, 100} {
			slots := each * service / use // so that each process is as busy as it should be
			random := rand.New(rand.NewPCG(uint64(n), uint64(each)))
			share, sum := needs(random, n, each, service, window, probes, slots*use)
			off := func(of []float64) float64 {
				mean, sd := 0., 0.
				for _, v := range of {
					mean += v / float64(len(of))
				}
				for _, v := range of {
					sd += (v - mean) * (v - mean) / float64(len(of)-1)
				}
				if math.Abs(mean/float64(n)-1) > .1 {
					t.Errorf("%d processes with %v/s each: a mean of %.2f are called for", n, each, mean)
				}
				return math.Sqrt(sd)
			}
			oneSD, sumSD := off(share), off(sum)
			oneTheory := float64(n) * math.Sqrt(service/(slots*use*window))
			sumTheory := math.Sqrt(float64(n) * service / (slots * use * window))
			t.Logf("%9d  %15v  %9.2f (%.2f)  %9.2f (%.2f)", n, each, oneSD, oneTheory, sumSD, sumTheory)
			for name, v := range map[string][2]float64{"one share": {oneSD, oneTheory}, "the sum": {sumSD, sumTheory}} {
				if ratio := v[0] / v[1]; ratio < .85 || ratio > 1.15 {
					t.Errorf("%d processes with %v/s each: %s is off by %.2f processes, theory says %.2f", n, each, name, v[0], v[1])
				}
			}
		}
	}
}

// needs returns the processes that one share and the sum call for, at each of some
// probes a window apart, as a rule is shown them.
func needs(random *rand.Rand, n int, each, service float64, window, probes int, perProcess float64) (share, sum []float64) {
	counters := make([]*count.Counter, n)
	for i := range counters {
		counters[i] = count.New(time.Minute, 1)
	}
	var sample autoscale.Sample
	var shown float64
	see := autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
		shown = o.Samples[len(o.Samples)-1].Arrivals * service / perProcess
		return autoscale.Decision{}
	})
	shows := func() *autoscale.Autoscaler {
		return autoscale.New(autoscale.Config{
			Prober:  autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { return sample, nil }),
			Scaler:  steady(n),
			Decider: see, Max: autoscale.Fixed(1000), Logger: slog.New(slog.DiscardHandler),
		})
	}
	one, all := shows(), shows()
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	next := make([]float64, n)
	for probe := range probes + 2 {
		now := float64((probe + 1) * window)
		var total count.Sum
		for i, c := range counters {
			// The requests last no time here: when they end changes no arrival.
			for next[i] < now {
				at := int64(next[i] * 1e9)
				c.Advance(at)
				c.End(c.Begin(at, -1), at, at)
				next[i] += random.ExpFloat64() / each
			}
			r, ok := c.Report(int64(now*1e9), time.Duration(window)*time.Second)
			if !ok {
				panic(fmt.Sprint("no report at ", now))
			}
			total.Add(&r, 0, true)
			if i == 0 {
				var own count.Sum
				own.Add(&r, 0, true)
				sample = own.Sample(time.Duration(window)*time.Second, 95, start.Add(time.Duration(now)*time.Second))
			}
		}
		_, _ = one.Tick(context.Background(), sample.Time)
		share = append(share, shown)
		sample = total.Sample(time.Duration(window)*time.Second, 95, sample.Time)
		_, _ = all.Tick(context.Background(), sample.Time)
		sum = append(sum, shown)
	}
	return slices.Clone(share[2:]), sum[2:]
}

// steady is a platform that runs so many processes.
type steady int

func (s steady) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: int(s), PendingKnown: true}, nil
}

func (steady) Scale(context.Context, int) error { return nil }
