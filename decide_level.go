package autoscale

import (
	"fmt"
	"math"
	"time"

	"github.com/autoscalebot/autoscale/internal/part"
)

// passedOver is how many samples the rules ask for, for each that they need:
// those that say nothing are passed over, and must not push out those that do.
const passedOver = 8

// level is what a sample's latency says beside two limits.
type level uint8

const (
	unmeasured level = iota
	justRight
	tooHigh
	tooLow
)

// classify holds a sample against the limits. A timeout is too high whatever
// its latency. A negative limit is never passed, so that without a high one a
// failure says nothing.
func classify(s *Sample, low, high time.Duration, failures FailurePolicy) level {
	switch {
	case high >= 0 && (s.Failure == Timeout || s.Failure != NoFailure && failures == CountAsHigh):
		return tooHigh
	case s.Failure != NoFailure, !s.Signals.Has(SignalLatency), s.Latency < 0:
		return unmeasured
	case high >= 0 && s.Latency > high:
		return tooHigh
	case low >= 0 && s.Latency < low:
		return tooLow
	}
	return justRight
}

// defaultWindow is how far back a decider is shown samples that does not say
// what it needs.
const defaultWindow = 15 * time.Minute

// reach asks a decider how far back its samples must go, in time and in number.
func reach(d Decider) (window time.Duration, samples int) {
	w, hasWindow := part.As[Windower](d)
	if hasWindow {
		window = max(w.Window(), 0)
	}
	n, hasSamples := part.As[Sampler](d)
	if hasSamples {
		samples = max(n.Samples(), 0)
	}
	if !hasWindow && !hasSamples {
		window = defaultWindow
	}
	return window, samples
}

// plus adds without wrapping round and never goes below 0.
func plus(size, n int) int {
	if n > 0 && size > math.MaxInt-n {
		return math.MaxInt
	}
	return max(size+n, 0)
}

func orDefault(n, def int) int {
	if n == 0 {
		return def
	}
	return n
}

func limitsOrDefaults(low, high time.Duration) (time.Duration, time.Duration) {
	if low == 0 {
		low = DefaultLow
	}
	if high == 0 {
		high = DefaultHigh
	}
	return low, high
}

func checkLimits(rule string, low, high time.Duration) error {
	if low >= 0 && high >= 0 && low >= high {
		return fmt.Errorf("%s.Low is %v and High is %v: Low must be below High, or the rule would add and remove in turn (0 means %v and %v; negative: no such limit)", rule, low, high, DefaultLow, DefaultHigh)
	}
	return nil
}

func checkIncrement(rule string, n int) error {
	if n < 0 {
		return fmt.Errorf("%s.Increment is %d: it must be 1 or more, or 0 for 1", rule, n)
	}
	return nil
}

func checkFailures(rule string, t FailurePolicy) error {
	if t > Ignore {
		return fmt.Errorf("%s.Failures is %d: it must be CountAsHigh or Ignore", rule, t)
	}
	return nil
}
