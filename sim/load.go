package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Load is the rate of requests over time. It has one rate for each step of a regular
// grid. Between the middles of two steps the rate changes in a straight line. Before the
// middle of the first step and after the middle of the last one it is constant. A Load is
// an immutable value, safe for concurrent use.
type Load struct {
	start time.Time
	step  time.Duration
	rates []float64 // requests per second in each step
}

// The bounds of a Load: ten million steps are nineteen years of minutes.
const (
	maxSteps = 10_000_000
	maxRate  = 10_000_000
)

// NewLoad returns a Load that begins at start. It has one rate, in requests per second, for
// each step, which must be at least a second. NewLoad fails if there is no rate, or if a
// rate is negative, NaN or above ten million.
func NewLoad(start time.Time, step time.Duration, rates []float64) (Load, error) {
	if step < time.Second {
		return Load{}, fmt.Errorf("sim: the step of a load is %v: it must be 1s or more", step)
	}
	if len(rates) == 0 {
		return Load{}, errors.New("sim: a load without a rate: give at least one")
	}
	if len(rates) > maxSteps {
		return Load{}, fmt.Errorf("sim: a load of %d steps: it must have at most %d", len(rates), maxSteps)
	}
	for i, r := range rates {
		if !(r >= 0 && r <= maxRate) {
			return Load{}, fmt.Errorf("sim: rate %d of a load is %v requests per second: it must be 0 to %d", i+1, r, maxRate)
		}
	}
	return Load{start, step, slices.Clone(rates)}, nil
}

// Start returns when the load begins.
func (l Load) Start() time.Time { return l.start }

// Step returns the length of each step.
func (l Load) Step() time.Duration { return l.step }

// Duration returns how long the load lasts.
func (l Load) Duration() time.Duration { return time.Duration(len(l.rates)) * l.step }

// Rate returns the requests per second at an offset from the start.
func (l Load) Rate(offset time.Duration) float64 { return l.rate(offset.Seconds()) }

func (l Load) rate(t float64) float64 {
	if len(l.rates) == 0 {
		return 0
	}
	x := t/l.step.Seconds() - .5
	if x <= 0 {
		return l.rates[0]
	}
	i := int(x)
	if i >= len(l.rates)-1 {
		return l.rates[len(l.rates)-1]
	}
	part := x - float64(i)
	return l.rates[i]*(1-part) + l.rates[i+1]*part
}

// Mean returns the mean rate of the steps, in requests per second.
func (l Load) Mean() float64 {
	var sum float64
	for _, r := range l.rates {
		sum += r
	}
	return sum / math.Max(1, float64(len(l.rates)))
}

// Peak returns the highest rate of a step, in requests per second.
func (l Load) Peak() float64 {
	if len(l.rates) == 0 {
		return 0
	}
	return slices.Max(l.rates)
}

// Scale returns the load with every rate multiplied by factor. Scaling a sparse trace up
// also scales up its noise: see [Load.Smooth].
func (l Load) Scale(factor float64) (Load, error) {
	rates := slices.Clone(l.rates)
	for i := range rates {
		rates[i] *= factor
	}
	return NewLoad(l.start, l.step, rates)
}

// Stretch returns the load with its duration multiplied by factor. The rates stay the same,
// and the step is rounded to whole seconds.
func (l Load) Stretch(factor float64) (Load, error) {
	step := time.Duration(float64(l.step) * factor).Round(time.Second)
	return NewLoad(l.start, step, l.rates)
}

// StartingAt returns the load moved to another time, such as one at which the schedules of
// a Config change.
func (l Load) StartingAt(start time.Time) Load {
	l.start = start
	return l
}

// Slice returns the part of the load between two offsets, rounded to its steps.
func (l Load) Slice(from, to time.Duration) (Load, error) {
	if l.step <= 0 || from < 0 || to > l.Duration() || from >= to {
		return Load{}, fmt.Errorf("sim: the slice %v to %v of a load of %v: it must lie within it", from, to, l.Duration())
	}
	first, end := int(from/l.step), int((to+l.step-1)/l.step)
	return NewLoad(l.start.Add(time.Duration(first)*l.step), l.step, l.rates[first:end])
}
