package rule

import (
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
)

// skippedShare is how many samples the rules ask for, for each one that they need.
// The samples that they skip take up room too.
const skippedShare = 8

// level is how a sample's latency compares with two limits.
type level uint8

const (
	unmeasured level = iota
	justRight
	tooHigh
	tooLow
)

// classify compares a sample with the limits, as [autoscale.Consecutive] does. A
// timeout is too high, whatever its latency. A negative limit stands for no limit.
// Without a high limit, a failure means nothing.
func classify(s *autoscale.Sample, low, high time.Duration, failures autoscale.FailurePolicy) level {
	switch {
	case high >= 0 && (s.Failure == autoscale.Timeout || s.Failure != autoscale.NoFailure && failures == autoscale.CountAsHigh):
		return tooHigh
	case s.Failure != autoscale.NoFailure, !s.Signals.Has(autoscale.SignalLatency), s.Latency < 0:
		return unmeasured
	case high >= 0 && s.Latency > high:
		return tooHigh
	case low >= 0 && s.Latency < low:
		return tooLow
	}
	return justRight
}

func checkFailures(rule string, p autoscale.FailurePolicy) error {
	if p > autoscale.Ignore {
		return fmt.Errorf("%s.Failures is %d: it must be autoscale.CountAsHigh or autoscale.Ignore", rule, p)
	}
	return nil
}

// checkShare checks a field that is a share and must not be 0.
func checkShare(rule, field string, v, def float64) error {
	if v > 0 && v <= 1 {
		return nil
	}
	return fmt.Errorf("%s.%s is %v: it must be above 0 and at most 1, or 0 for %v", rule, field, v, def)
}
