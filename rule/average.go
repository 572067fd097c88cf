package rule

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/measure"
	"github.com/autoscalebot/autoscale/internal/names"
)

// DefaultAverageOf is how many samples [Average] takes the mean of.
const DefaultAverageOf = 5

// The codes of [Average], in addition to [ReasonFewSamples] and
// [autoscale.ReasonWithin].
const (
	ReasonMeanTooHigh autoscale.ReasonCode = "mean_too_high" // the mean latency is above High
	ReasonMeanTooLow  autoscale.ReasonCode = "mean_too_low"  // the mean latency is below Low
)

// Average is the rule that was planned for the next version of autoscalebot. If the
// mean latency of the last N samples is above High, it adds Increment processes. If
// the mean is below Low, it removes Increment processes. After the size changes, it
// waits for N new samples.
//
// A failure counts as twice High, or as its own latency if that is longer. So the mean
// of failures alone is always too high.
//
// Average needs [autoscale.SignalLatency]. It skips a sample that has neither a
// latency nor a failure.
type Average struct {
	N         int                     // samples. 0: DefaultAverageOf
	Low, High time.Duration           // a mean equal to either is within the limits. 0: autoscale.DefaultLow, autoscale.DefaultHigh; negative: never too low, never too high
	Increment int                     // processes added or removed at once. 0: 1
	Failures  autoscale.FailurePolicy // for Refused and ServerError. 0: autoscale.CountAsHigh
}

func (a Average) withDefaults() Average {
	a.Low, a.High = cmp.Or(a.Low, autoscale.DefaultLow), cmp.Or(a.High, autoscale.DefaultHigh)
	a.N = cmp.Or(a.N, DefaultAverageOf)
	a.Increment = cmp.Or(a.Increment, 1)
	return a
}

// Validate reports what is wrong with the settings.
func (a Average) Validate() error {
	a = a.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("Average."+format, args...)) }
	if a.N < 0 {
		bad("N is %d: it must be 1 or more, or 0 for %d", a.N, DefaultAverageOf)
	}
	if a.Low >= 0 && a.High >= 0 && a.Low >= a.High {
		bad("Low is %v and High is %v: Low must be below High, or the rule would add and remove in turn (0 means %v and %v; negative: no such limit)", a.Low, a.High, autoscale.DefaultLow, autoscale.DefaultHigh)
	}
	if a.Increment < 0 {
		bad("Increment is %d: it must be 1 or more, or 0 for 1", a.Increment)
	}
	return errors.Join(append(errs, checkFailures("Average", a.Failures))...)
}

// Samples returns how many of the newest samples the rule asks for. It asks for
// more than it needs, because the samples that it skips take up room too.
func (a Average) Samples() int { return skippedShare * max(a.withDefaults().N, 1) }

// Decide applies the rule.
func (a Average) Decide(o autoscale.Observation) autoscale.Decision {
	a = a.withDefaults()
	var count int
	var sum float64 // seconds; a sum of durations could overflow
	for i := len(o.Samples) - 1; i >= 0 && count < a.N; i-- {
		s := &o.Samples[i]
		if !s.Time.After(o.Capacity.Changed) {
			break
		}
		if classify(s, a.Low, a.High, a.Failures) == unmeasured {
			continue
		}
		latency := s.Latency.Seconds()
		if s.Failure != autoscale.NoFailure {
			latency = max(latency, 2*a.High.Seconds())
		}
		sum += latency
		count++
	}
	if count == 0 || count < a.N {
		return autoscale.Decision{Reason: fewSamples{count, a.N, true}.reason()}
	}

	mean := sum / float64(count)
	m := meanLatency{justRight, mean, count, a.Low, a.High}
	switch {
	case a.High >= 0 && mean > a.High.Seconds():
		m.level = tooHigh
		return autoscale.Decision{Act: true, Size: measure.Plus(o.Capacity.Desired, a.Increment), Reason: autoscale.Reason{Code: ReasonMeanTooHigh, Detail: m}}
	case a.Low >= 0 && mean < a.Low.Seconds():
		m.level = tooLow
		return autoscale.Decision{Act: true, Size: measure.Plus(o.Capacity.Desired, -a.Increment), Reason: autoscale.Reason{Code: ReasonMeanTooLow, Detail: m}}
	}
	return autoscale.Decision{Reason: autoscale.Reason{Code: autoscale.ReasonWithin, Detail: m}}
}

// meanLatency is the detail of the reasons of Average.
type meanLatency struct {
	level     level
	mean      float64 // seconds
	count     int
	low, high time.Duration // negative: no limit
}

func (m meanLatency) String() string {
	mean := fmt.Sprintf("mean latency %s of %s", names.Duration(duration(m.mean)), names.Count(m.count, "sample", "samples"))
	switch m.level {
	case tooHigh:
		return mean + " is above " + limitText(m.high)
	case tooLow:
		return mean + " is below " + limitText(m.low)
	}
	return fmt.Sprintf("%s is within %s to %s", mean, limitText(m.low), limitText(m.high))
}

func limitText(d time.Duration) string {
	if d < 0 {
		return "no limit"
	}
	return names.Duration(d)
}
