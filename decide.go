package autoscale

import (
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/part"
)

// A Decider says how many processes the service needs. Package rule has several.
//
// Decide is pure: the same Observation gives the same Decision, it reads no
// clock, and it keeps nothing, the samples' slice included. An [Autoscaler],
// a test and a simulation may then ask it the same things.
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
	Samples  []Sample      // oldest first; a change of size removes none
	Capacity Capacity      // its Changed is when the size last changed, as far as is known, and never after Now
	Min, Max int           // the bounds of this moment
	Boot     time.Duration // from ordering a process to its serving; 0: not known
	Added    time.Time     // when the size was last raised, never after Now; zero: not known
}

// A Decision is what a [Decider] wishes. The zero Decision holds the size.
type Decision struct {
	Act    bool   // false: hold, whatever Size says
	Size   int    // how many processes are wished, not yet within any bound
	Reason Reason // why, also when holding
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

// The limits of the deciders' zero values, which are autoscalebot's defaults.
const (
	DefaultLow       = 200 * time.Millisecond
	DefaultHigh      = time.Second
	DefaultUpAfter   = 3
	DefaultDownAfter = 5
)

// Consecutive is autoscalebot's rule: after UpAfter samples in a row whose
// latency is above High it adds Increment processes, after DownAfter in a row
// below Low it removes as many. Only samples taken since the size last changed
// count. The zero value is that rule with autoscalebot's defaults.
//
// A [Timeout] is always too high. Consecutive needs [SignalLatency]; a sample
// without it and without a failure is passed over.
//
// Source: autoscalebot 2.1 (2012).
type Consecutive struct {
	Low, High time.Duration // both ends are just right. 0: DefaultLow, DefaultHigh; negative: never too low, never too high
	UpAfter   int           // samples in a row. 0: DefaultUpAfter; negative: never add
	DownAfter int           // samples in a row. 0: DefaultDownAfter; negative: never remove
	Increment int           // processes added or removed at once. 0: 1
	Failures  FailurePolicy // of Refused and ServerError. 0: CountAsHigh
}

func (c Consecutive) withDefaults() Consecutive {
	c.Low, c.High = limitsOrDefaults(c.Low, c.High)
	c.UpAfter = orDefault(c.UpAfter, DefaultUpAfter)
	c.DownAfter = orDefault(c.DownAfter, DefaultDownAfter)
	c.Increment = orDefault(c.Increment, 1)
	return c
}

// Validate reports what is wrong with the settings.
func (c Consecutive) Validate() error {
	c = c.withDefaults()
	return errors.Join(
		checkLimits("Consecutive", c.Low, c.High),
		checkIncrement("Consecutive", c.Increment),
		checkFailures("Consecutive", c.Failures))
}

// Samples returns how many of the newest samples the rule asks for: eight times
// as many as it needs, because those that it passes over take up room too.
func (c Consecutive) Samples() int {
	c = c.withDefaults()
	return passedOver * max(c.UpAfter, c.DownAfter, 1)
}

// Decide applies the rule.
func (c Consecutive) Decide(o Observation) Decision {
	c = c.withDefaults()
	var streak level
	var count int
	newest := new(Sample)
	for i := len(o.Samples) - 1; i >= 0; i-- {
		s := &o.Samples[i]
		if !s.Time.After(o.Capacity.Changed) {
			break
		}
		l := classify(s, c.Low, c.High, c.Failures)
		if l == unmeasured {
			continue
		}
		if count == 0 {
			streak, newest = l, s
		}
		if l != streak {
			break
		}
		count++
	}

	reason := Reason{Signal: SignalLatency, Seen: newest.Latency.Seconds(), Low: c.Low.Seconds(), High: c.High.Seconds(), Count: count, Failure: newest.Failure}
	switch {
	case count == 0:
		reason.Code = ReasonNoSample
		return Decision{Reason: reason}
	case streak == tooHigh:
		reason.Code, reason.Needed = ReasonTooHigh, c.UpAfter
		return Decision{Act: c.UpAfter > 0 && count >= c.UpAfter, Size: plus(o.Capacity.Desired, c.Increment), Reason: reason}
	case streak == tooLow:
		reason.Code, reason.Needed = ReasonTooLow, c.DownAfter
		return Decision{Act: c.DownAfter > 0 && count >= c.DownAfter, Size: plus(o.Capacity.Desired, -c.Increment), Reason: reason}
	}
	reason.Code = ReasonWithin
	return Decision{Reason: reason}
}

// Average is the rule that autoscalebot's next version meant to have: when the
// mean latency of the last N samples is above High it adds Increment processes,
// when it is below Low it removes as many. It waits until N samples were taken
// since the size last changed.
//
// A failure counts as twice High, or as its own latency where that is longer:
// a mean of failures alone is then always too high.
type Average struct {
	N         int           // samples. 0: DefaultDownAfter
	Low, High time.Duration // both ends are just right. 0: DefaultLow, DefaultHigh; negative: never too low, never too high
	Increment int           // processes added or removed at once. 0: 1
	Failures  FailurePolicy // of Refused and ServerError. 0: CountAsHigh
}

func (a Average) withDefaults() Average {
	a.Low, a.High = limitsOrDefaults(a.Low, a.High)
	a.N = orDefault(a.N, DefaultDownAfter)
	a.Increment = orDefault(a.Increment, 1)
	return a
}

// Validate reports what is wrong with the settings.
func (a Average) Validate() error {
	a = a.withDefaults()
	var errs []error
	if a.N < 0 {
		errs = append(errs, fmt.Errorf("Average.N is %d: it must be 1 or more, or 0 for %d", a.N, DefaultDownAfter))
	}
	return errors.Join(append(errs,
		checkLimits("Average", a.Low, a.High),
		checkIncrement("Average", a.Increment),
		checkFailures("Average", a.Failures))...)
}

// Samples returns how many of the newest samples the rule asks for: eight times
// as many as it needs, because those that it passes over take up room too.
func (a Average) Samples() int { return passedOver * max(a.withDefaults().N, 1) }

// Decide applies the rule.
func (a Average) Decide(o Observation) Decision {
	a = a.withDefaults()
	var count int
	var sum float64 // seconds; a sum of durations could overflow
	var failed Failure
	for i := len(o.Samples) - 1; i >= 0 && count < a.N; i-- {
		s := &o.Samples[i]
		if !s.Time.After(o.Capacity.Changed) {
			break
		}
		l := classify(s, a.Low, a.High, a.Failures)
		if l == unmeasured {
			continue
		}
		latency := s.Latency.Seconds()
		if s.Failure != NoFailure {
			latency = max(latency, 2*a.High.Seconds())
			failed = s.Failure
		}
		sum += latency
		count++
	}

	reason := Reason{Signal: SignalLatency, Low: a.Low.Seconds(), High: a.High.Seconds(), Count: count, Needed: a.N, Failure: failed}
	if count > 0 {
		reason.Seen = sum / float64(count)
	}
	switch {
	case count == 0 || count < a.N:
		reason.Code = ReasonFewSamples
		return Decision{Reason: reason}
	case a.High >= 0 && reason.Seen > reason.High:
		reason.Code = ReasonMeanTooHigh
		return Decision{Act: true, Size: plus(o.Capacity.Desired, a.Increment), Reason: reason}
	case a.Low >= 0 && reason.Seen < reason.Low:
		reason.Code = ReasonMeanTooLow
		return Decision{Act: true, Size: plus(o.Capacity.Desired, -a.Increment), Reason: reason}
	}
	reason.Code = ReasonWithin
	return Decision{Reason: reason}
}

// Highest returns a Decider that asks all deciders and takes the largest wish,
// where one that holds wishes the present size: any of them can add processes,
// and all must agree to remove some. Without deciders it holds.
func Highest(deciders ...Decider) Decider { return highest(append([]Decider(nil), deciders...)) }

type highest []Decider

// Name returns "Highest".
func (h highest) Name() string { return "Highest" }

// Each asks every decider, and yields its name and what it wishes.
func (h highest) Each(o Observation, yield func(name string, d Decision)) {
	for _, d := range h {
		yield(ruleName(d), d.Decide(o))
	}
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
		wish := d.Decide(o)
		if !wish.Act {
			wish.Size = o.Capacity.Desired
		}
		if i == 0 || wish.Size > out.Size {
			out = wish
		}
	}
	out.Act = out.Act && out.Size != o.Capacity.Desired
	return out
}
