package autoscale

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/measure"
	"github.com/autoscalebot/autoscale/internal/names"
)

// A FailurePolicy says how a rule counts a response that failed: a refused connection
// or a server error. A [Timeout] always counts as too high.
type FailurePolicy uint8

const (
	// CountAsHigh counts a failure as a response that took too long, as autoscalebot
	// did.
	CountAsHigh FailurePolicy = iota
	// Ignore skips a failure, so that a streak neither grows nor ends. Use it if the
	// errors come from a dependency that is down, because then more processes do not
	// help.
	Ignore
)

// The settings of the zero [Consecutive], which are autoscalebot's.
const (
	DefaultLow       = 200 * time.Millisecond
	DefaultHigh      = time.Second
	DefaultUpAfter   = 3
	DefaultDownAfter = 5
)

// Consecutive is autoscalebot's rule. After UpAfter samples in a row with a latency
// above High, it adds Increment processes. After DownAfter samples in a row below
// Low, it removes Increment processes. Only samples taken since the size last changed
// count. The zero value is the rule with autoscalebot's defaults.
//
// A [Timeout] is always too high. Consecutive needs [SignalLatency]. It skips a
// sample that has neither a latency nor a failure.
//
// Source: autoscalebot 2.1 (2012).
type Consecutive struct {
	Low, High time.Duration // a latency equal to either is within the limits. 0: DefaultLow, DefaultHigh; negative: never too low, never too high
	UpAfter   int           // samples in a row. 0: DefaultUpAfter; negative: never add
	DownAfter int           // samples in a row. 0: DefaultDownAfter; negative: never remove
	Increment int           // processes added or removed at once. 0: 1
	Failures  FailurePolicy // for Refused and ServerError. 0: CountAsHigh
}

func (c Consecutive) withDefaults() Consecutive {
	c.Low, c.High = cmp.Or(c.Low, DefaultLow), cmp.Or(c.High, DefaultHigh)
	c.UpAfter = cmp.Or(c.UpAfter, DefaultUpAfter)
	c.DownAfter = cmp.Or(c.DownAfter, DefaultDownAfter)
	c.Increment = cmp.Or(c.Increment, 1)
	return c
}

// Validate reports what is wrong with the settings.
func (c Consecutive) Validate() error {
	c = c.withDefaults()
	var errs []error
	if c.Low >= 0 && c.High >= 0 && c.Low >= c.High {
		errs = append(errs, fmt.Errorf("Consecutive.Low is %v and High is %v: Low must be below High, or the rule would add and remove in turn (0 means %v and %v; negative: no such limit)", c.Low, c.High, DefaultLow, DefaultHigh))
	}
	if c.Increment < 0 {
		errs = append(errs, fmt.Errorf("Consecutive.Increment is %d: it must be 1 or more, or 0 for 1", c.Increment))
	}
	if c.Failures > Ignore {
		errs = append(errs, fmt.Errorf("Consecutive.Failures is %d: it must be CountAsHigh or Ignore", c.Failures))
	}
	return errors.Join(errs...)
}

// skippedShare is how many samples Consecutive asks for, for each one that it
// needs. The samples that it skips take up room too.
const skippedShare = 8

// Samples returns how many of the newest samples the rule asks for.
func (c Consecutive) Samples() int {
	c = c.withDefaults()
	return skippedShare * max(c.UpAfter, c.DownAfter, 1)
}

// Decide applies the rule.
func (c Consecutive) Decide(o Observation) Decision {
	c = c.withDefaults()
	s := streak{low: c.Low, high: c.High}
	for i := len(o.Samples) - 1; i >= 0; i-- {
		sample := &o.Samples[i]
		if !sample.Time.After(o.Capacity.Changed) {
			break
		}
		l := classify(sample, c.Low, c.High, c.Failures)
		if l == unmeasured {
			continue
		}
		if s.count == 0 {
			s.level, s.latency, s.failure = l, sample.Latency, sample.Failure
		}
		if l != s.level {
			break
		}
		s.count++
	}

	switch {
	case s.count == 0:
		return Decision{Reason: Reason{Code: ReasonNoSample}}
	case s.level == tooHigh:
		s.needed = c.UpAfter
		return Decision{
			Act: s.needed > 0 && s.count >= s.needed, Size: measure.Plus(o.Capacity.Desired, c.Increment),
			Reason: Reason{ReasonTooHigh, s},
		}
	case s.level == tooLow:
		s.needed = c.DownAfter
		return Decision{
			Act: s.needed > 0 && s.count >= s.needed, Size: measure.Plus(o.Capacity.Desired, -c.Increment),
			Reason: Reason{ReasonTooLow, s},
		}
	}
	return Decision{Reason: Reason{ReasonWithin, s}}
}

// level is how a sample's latency compares with two limits.
type level uint8

const (
	unmeasured level = iota
	justRight
	tooHigh
	tooLow
)

// classify compares a sample with the limits. A timeout is too high, whatever its
// latency. A negative limit stands for no limit. Without a high limit, a failure means
// nothing.
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

// A streak is the detail of the reasons of [Consecutive]. It describes samples in a
// row that agree.
type streak struct {
	level     level
	latency   time.Duration // of the newest sample
	failure   Failure       // of the newest sample
	low, high time.Duration // negative: no limit
	count     int
	needed    int // negative: no number is enough
}

func (s streak) String() string {
	latency := names.Duration(max(s.latency, 0)) // a Sample with a failure may have any latency
	switch {
	case s.level == justRight:
		return fmt.Sprintf("latency %s is within %s to %s", latency, limitText(s.low), limitText(s.high))
	case s.level == tooLow:
		return fmt.Sprintf("latency %s is below %s, %s", latency, limitText(s.low), s.inARow())
	case s.failure == Timeout:
		return fmt.Sprintf("no answer within %s, %s", latency, s.inARow())
	case s.failure == Refused:
		return "the connection was refused, " + s.inARow()
	case s.failure == ServerError:
		return "the service answered with a server error, " + s.inARow()
	}
	return fmt.Sprintf("latency %s is above %s, %s", latency, limitText(s.high), s.inARow())
}

func (s streak) inARow() string {
	times := names.Count(s.count, "time", "times")
	if s.needed < 0 {
		return times + " in a row (never enough)"
	}
	return fmt.Sprintf("%s in a row (%d needed)", times, s.needed)
}

func limitText(d time.Duration) string {
	if d < 0 {
		return "no limit"
	}
	return names.Duration(d)
}
