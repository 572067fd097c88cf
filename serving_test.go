package autoscale_test

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// A course is a load and the processes that share it, by tenths of a second.
type course struct {
	rate  []float64 // requests a second
	ready []int
}

const tenth = 100 * time.Millisecond

// draw makes a course of steps and ramps, of processes that boot one by one or all at
// once, and that are stopped and killed. A number that goes down and up again between
// two looks at it cannot be seen, so that its direction lasts for longer than quiet.
func draw(rng *rand.Rand, length, quiet time.Duration, constant bool) (c course) {
	last, rising := -quiet, true
	rate, slope, ready, booting := 20+200*rng.Float64(), 0.0, 1+rng.IntN(12), 0
	for k := range length / tenth {
		at := k * tenth
		switch chance := rng.Float64(); {
		case constant:
		case chance < .002:
			rate, slope = 5+300*rng.Float64(), 0
		case chance < .004:
			slope = 4 * (rng.Float64() - .5)
		}
		rate = max(5, rate+slope*tenth.Seconds())
		before := ready
		switch chance := rng.Float64(); {
		case at-last < quiet:
		case chance < .0015:
			ready += 1 + rng.IntN(2*ready) // a boot
		case chance < .003 && ready > 1:
			ready -= 1 + rng.IntN(ready-1) // a stop
		case chance < .0035 && ready > 1:
			ready-- // a kill
		case chance < .004:
			booting = 1 + rng.IntN(8) // some that boot in turn
		}
		if booting > 0 && rng.Float64() < .03 && (at-last >= quiet || rising) {
			ready, booting = ready+1, booting-1
		}
		if ready != before {
			last, rising = at, ready > before
		}
		c.rate, c.ready = append(c.rate, rate), append(c.ready, min(ready, 60))
	}
	return c
}

// sample is what processes of the course count in the window up to a moment: as many
// of them as there are, up to the given number. Nothing is random in it.
func (c course) sample(at time.Duration, window, of int, byTheSecond bool) (s autoscale.Sample) {
	s = autoscale.Sample{
		Signals: autoscale.SignalArrivals | autoscale.SignalThroughput | autoscale.SignalBusy,
		Time:    start.Add(at), Span: time.Duration(window) * time.Second, Processes: of,
	}
	parts := &autoscale.Breakdown{}
	for i := window; i > 0; i-- {
		end := at - time.Duration(i-1)*time.Second
		var counted float64
		for t := end - time.Second; t < end; t += tenth {
			k := t / tenth
			counted += c.rate[k] * tenth.Seconds() * float64(min(of, c.ready[k])) / float64(c.ready[k])
		}
		parts.Pieces = append(parts.Pieces, autoscale.Piece{
			Time: start.Add(end), Span: time.Second, Processes: of,
			Arrivals: counted, Throughput: counted, Busy: counted,
		})
		s.Arrivals += counted / float64(window)
	}
	s.Throughput, s.Busy = s.Arrivals, s.Arrivals
	if byTheSecond {
		s.Breakdown = parts
	}
	return s
}

// A rule is shown the whole service, whatever the load and the processes do: the
// estimate lies within the true rates of the window, and has no bias. This holds for
// one process of many and for some of them, measured as one piece and by the second.
func TestWholeService(t *testing.T) {
	const window, length = 15, 6 * time.Minute
	for _, tt := range []struct {
		name        string
		every       time.Duration
		of          int
		byTheSecond bool
		low         float64 // how far below the window's lowest rate it may be
		bias        float64 // how far off its mean may be under a constant load
	}{
		{"one by the second, tick 5s", 5 * time.Second, 1, true, .5, .01},
		{"one by the second, tick 10s", 10 * time.Second, 1, true, .05, .02},
		{"one as one piece, tick 5s", 5 * time.Second, 1, false, .05, .05},
		{"one, tick 30s", 30 * time.Second, 1, true, .02, 0},
		{"some, tick 5s", 5 * time.Second, 4, true, .3, .01},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sum, n float64
			for seed := range uint64(120) {
				rng := rand.New(rand.NewPCG(seed, 1))
				constant := seed%2 == 0
				c := draw(rng, length, tt.every+time.Second, constant)
				var at time.Duration
				var shown autoscale.Sample
				a := autoscale.New(autoscale.Config{
					Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
						return c.sample(at.Truncate(time.Second), window, tt.of, tt.byTheSecond), nil
					}),
					Scaler: scalerFunc(func() int { return c.ready[at/tenth-1] }),
					Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
						shown = o.Samples[len(o.Samples)-1]
						return autoscale.Decision{}
					}),
					Max: autoscale.Fixed(100), DryRun: true, Logger: slog.New(slog.DiscardHandler),
				})
				for at = 20 * time.Second; at < length; at += tt.every {
					if _, err := a.Tick(t.Context(), start.Add(at)); err != nil {
						t.Fatal(err)
					}
					if at < 40*time.Second {
						continue // it has not looked for a whole window yet
					}
					if !shown.Signals.Has(autoscale.SignalArrivals) {
						if at > 20*time.Second+2*tt.every {
							t.Fatalf("seed %d, at %v: no rate is known", seed, at)
						}
						continue
					}
					lowest, highest := math.Inf(1), 0.0
					for k := (at.Truncate(time.Second) - window*time.Second) / tenth; k < at.Truncate(time.Second)/tenth; k++ {
						lowest, highest = min(lowest, c.rate[k]), max(highest, c.rate[k])
					}
					for _, got := range []float64{shown.Arrivals, shown.Throughput, shown.Busy} {
						if got > highest*1.13 || got < lowest*tt.low {
							t.Fatalf("seed %d, at %v: %.1f/s, true rates are %.1f to %.1f, processes by the second %v", seed, at, got, lowest, highest, everySecond(c.ready[at/tenth-200:at/tenth]))
						}
					}
					if constant && tt.every < 30*time.Second {
						sum, n = sum+shown.Arrivals/lowest, n+1
					}
				}
			}
			if bias := sum/n - 1; n > 0 && math.Abs(bias) > tt.bias {
				t.Errorf("the mean of the estimate is off by %.1f%% under a constant load", 100*bias)
			}
		})
	}
}

func everySecond(ready []int) (out []int) {
	for i := 0; i < len(ready); i += int(time.Second / tenth) {
		out = append(out, ready[i])
	}
	return out
}

// scalerFunc is a platform that says how many processes serve.
type scalerFunc func() int

func (f scalerFunc) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: f(), PendingKnown: true}, nil
}

func (scalerFunc) Scale(context.Context, int) error { return nil }
