package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The loads below begin on a Monday at midnight, UTC. Rates are in requests per second. The
// functions fail as [NewLoad] does.

var generatedStart = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Steady returns a load with a constant rate, in requests per second.
func Steady(rate float64, length time.Duration) (Load, error) {
	return generate(length, func(float64) float64 { return rate })
}

// Step returns a load that changes from one rate to another. The time of the change, at, is
// given from the start of the load.
func Step(from, to float64, at, length time.Duration) (Load, error) {
	return generate(length, func(t float64) float64 {
		if t < at.Seconds() {
			return from
		}
		return to
	})
}

// Ramp returns a load that goes from one rate to another in a straight line.
func Ramp(from, to float64, length time.Duration) (Load, error) {
	return generate(length, func(t float64) float64 { return from + (to-from)*t/length.Seconds() })
}

// Day returns the load of a day at a site whose visitors sleep at night. The rate rises
// from a fifth of peak before dawn to peak in the evening, with a lower maximum before
// noon. It varies at random by a few percent, depending on seed.
func Day(peak float64, seed uint64) (Load, error) {
	noise := newNoise(seed)
	return generate(24*time.Hour, func(t float64) float64 { return peak * day(t) * noise.next() })
}

// Week returns seven days like [Day], with a quieter Saturday and Sunday.
func Week(peak float64, seed uint64) (Load, error) {
	noise := newNoise(seed)
	return generate(7*24*time.Hour, func(t float64) float64 {
		factor := 1.0
		if t >= 5*86400 {
			factor = .6
		}
		return peak * factor * day(t) * noise.next()
	})
}

// FlashCrowd returns a load with a base rate, and a crowd that comes at the given time
// after its start. Within two minutes the rate is factor times the base. Half of the crowd
// leaves every ten minutes.
func FlashCrowd(base, factor float64, at, length time.Duration) (Load, error) {
	return generate(length, func(t float64) float64 {
		since := t - at.Seconds()
		if since < 0 {
			return base
		}
		return base * (1 + (factor-1)*min(1, since/120)*math.Pow(2, -max(0, since-120)/600))
	})
}

// generatedStep is the grid of the generated loads.
const generatedStep = 10 * time.Second

func generate(length time.Duration, rate func(t float64) float64) (Load, error) {
	if length < generatedStep || length/generatedStep > maxSteps {
		return Load{}, fmt.Errorf("sim: the length of a load is %v: it must be %v to %v", length, generatedStep, maxSteps*generatedStep)
	}
	rates := make([]float64, length/generatedStep)
	for i := range rates {
		rates[i] = rate((float64(i) + .5) * generatedStep.Seconds())
	}
	return NewLoad(generatedStart, generatedStep, rates)
}

// day is the share of the peak at a second of any day.
func day(t float64) float64 {
	hour := math.Mod(t/3600, 24)
	bump := func(at, width float64) float64 {
		d := math.Abs(hour - at)
		d = min(d, 24-d)
		return math.Exp(-d * d / (2 * width * width))
	}
	return .2 + .55*bump(11, 2.5) + .8*bump(19.5, 2.5)
}

// noise is a random walk around 1. It forgets its value within half an hour.
type noise struct {
	random *rand.Rand
	value  float64
}

func newNoise(seed uint64) *noise { return &noise{random: rand.New(rand.NewPCG(seed, 0))} }

func (n *noise) next() float64 {
	const keep = .9944 // exp(-10 s / 30 min)
	n.value = keep*n.value + math.Sqrt(1-keep*keep)*.06*n.random.NormFloat64()
	return math.Exp(n.value)
}
