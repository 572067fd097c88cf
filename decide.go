package autoscale

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/measure"
	"github.com/autoscalebot/autoscale/internal/part"
)

// A Decider says how many processes the service needs. Package rule has several.
//
// Decide is pure: the same Observation gives the same Decision. It reads no clock, and
// keeps nothing, not even the slice of samples. So a test and a simulation see the same
// decisions as an [Autoscaler].
//
// A Decider may also be a [Windower], a [Sampler], a [Validator], a [Namer] and a
// [Composite]. Without the first two it sees the samples of the last quarter of an
// hour.
//
// Those methods are found through a wrapper too, so that logging or measuring a
// Decider does not lose them. A struct that embeds the Decider, as
// struct{ autoscale.Decider }, needs nothing for that. Any other wrapper needs a
// method
//
//	Unwrap() autoscale.Decider
//
// A wrapper's own methods come before those of what it wraps.
type Decider interface {
	Decide(o Observation) Decision
}

// A Windower is a [Decider] that says how far back its samples must reach.
type Windower interface {
	Window() time.Duration
}

// A Sampler is a [Decider] that says how many of the newest samples it needs,
// however old they are. At most [MaxSamples] are kept.
type Sampler interface {
	Samples() int
}

// A Validator is a part of a [Config] that says what is wrong with its settings.
// Validate is called before the first tick, and may be called by several goroutines
// at once.
type Validator interface {
	Validate() error
}

// A Namer is a [Decider] with a name. Any other is named after its type.
type Namer interface {
	Name() string
}

// A Composite is a [Decider] that consists of several. Each asks every one of them,
// and yields its name and its decision, which [Explanation] and [Status] then show.
type Composite interface {
	Each(o Observation, yield func(name string, d Decision))
}

// DeciderFunc lets an ordinary function be a [Decider].
type DeciderFunc func(o Observation) Decision

// Decide calls f(o).
func (f DeciderFunc) Decide(o Observation) Decision { return f(o) }

// An Observation is what a [Decider] decides on.
type Observation struct {
	Now      time.Time
	Samples  []Sample      // oldest first. A change of size removes none
	Capacity Capacity      // Changed is when the size last changed. Zero: not known. It is never after Now
	Min, Max int           // the bounds at Now
	Boot     time.Duration // how long a process takes from order to serving. 0: not known
	Added    time.Time     // when the size was last raised, never after Now. Zero: not known
}

// A Decision is the recommendation of a [Decider]. The zero Decision holds the size.
type Decision struct {
	Act    bool   // false: hold, whatever Size says
	Size   int    // how many processes are needed, not within any bound
	Reason Reason // why, even if it holds
}

// A FailurePolicy says how a rule counts a response that failed: a refused connection
// or a server error. A [Timeout] always counts as too high.
type FailurePolicy uint8

const (
	// CountAsHigh counts a failure as a response that took too long, which is
	// autoscalebot's rule.
	CountAsHigh FailurePolicy = iota
	// Ignore skips a failure, so that a streak neither grows nor ends. Use it if
	// the errors come from a dependency that is down, because more processes do
	// not help then.
	Ignore
)

// The settings of the zero [Consecutive], which are autoscalebot's.
const (
	DefaultLow       = 200 * time.Millisecond
	DefaultHigh      = time.Second
	DefaultUpAfter   = 3
	DefaultDownAfter = 5
)

// Consecutive is autoscalebot's rule: after UpAfter samples in a row whose
// latency is above High it adds Increment processes, and after DownAfter in a row
// below Low it removes as many. Only samples taken since the size last changed
// count. The zero value is that rule with autoscalebot's defaults.
//
// A [Timeout] is always too high. Consecutive needs [SignalLatency]. It skips a
// sample that has neither that nor a failure.
//
// Source: autoscalebot 2.1 (2012).
type Consecutive struct {
	Low, High time.Duration // a latency equal to either is right. 0: DefaultLow, DefaultHigh; negative: never too low, never too high
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

// skippedShare is how many samples Consecutive asks for, for each that it needs:
// the samples that it skips take up room too.
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

// classify compares a sample with the limits. A timeout is too high whatever its
// latency is. A negative limit does not exist: without a high one a failure says
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

// Highest returns a Decider that asks all deciders and takes the largest size. A
// decider that holds counts with the present size. So each of them can add processes,
// and all must agree to remove some. Without deciders it holds.
func Highest(deciders ...Decider) Decider { return highest(append([]Decider(nil), deciders...)) }

type highest []Decider

// Name returns "Highest".
func (h highest) Name() string { return "Highest" }

// Each asks every decider, and yields its name and its decision.
func (h highest) Each(o Observation, yield func(name string, d Decision)) {
	for _, d := range h {
		yield(ruleName(d), d.Decide(o))
	}
}

// ruleFor returns the rule that a prober names, or autoscalebot's.
func ruleFor(p Prober) Decider {
	var rule Decider
	// Validate reports a Prober that panics.
	_ = guard.Do(func() error {
		if c, ok := part.As[RuleChooser](p); ok {
			rule = c.Rule()
		}
		return nil
	})
	if rule == nil {
		return Consecutive{}
	}
	return rule
}

// ruleName returns what a decider calls itself, or the name of its type.
func ruleName(d Decider) string {
	if n, ok := part.As[Namer](d); ok {
		return n.Name()
	}
	return part.Name(d)
}

// Validate reports the faults of each decider, and a nil one.
func (h highest) Validate() error {
	var errs []error
	if len(h) == 0 {
		errs = append(errs, errors.New("Highest: no decider given: name at least one"))
	}
	for i, d := range h {
		errs = append(errs, validatePart(fmt.Sprintf("Highest: decider %d", i+1), d, true))
	}
	return errors.Join(errs...)
}

// Window returns the longest window of the deciders.
func (h highest) Window() time.Duration {
	var window time.Duration
	for _, d := range h {
		w, _ := reach(d)
		window = max(window, w)
	}
	return window
}

// Samples returns the largest number of samples that a decider needs.
func (h highest) Samples() int {
	var samples int
	for _, d := range h {
		_, n := reach(d)
		samples = max(samples, n)
	}
	return samples
}

// Decide asks every decider.
func (h highest) Decide(o Observation) Decision {
	var out Decision
	for i, d := range h {
		one := d.Decide(o)
		if !one.Act {
			one.Size = o.Capacity.Desired
		}
		if i == 0 || one.Size > out.Size {
			out = one
		}
	}
	out.Act = out.Act && out.Size != o.Capacity.Desired
	return out
}

// defaultWindow is how far back the samples go for a Decider that is neither a
// Windower nor a Sampler.
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
