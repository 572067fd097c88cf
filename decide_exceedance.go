package autoscale

import (
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// The defaults of [Exceedance].
const (
	DefaultMargin      = 130 * time.Millisecond
	DefaultExceed      = 3
	DefaultExceedOf    = 6
	DefaultFactor      = 1.25
	DefaultQuiet       = 0.15
	DefaultQuietOf     = 60
	DefaultDownEvery   = 2 * time.Minute
	DefaultDownAfterUp = 5 * time.Minute
)

const (
	// baselineWindow is how long a baseline is learned from. A shorter one
	// takes a long overload for the baseline; a longer one keeps that of a
	// version that is no longer deployed. Range: 10 minutes to 2 hours.
	baselineWindow = 30 * time.Minute

	// baselineShare is the share of the samples at or below the baseline. At
	// 95 % of the capacity in use 1 request in 20 still finds a free slot.
	// Range: 0.02 to 0.1.
	baselineShare = 0.05

	// quietMargin is the share of the margin that a quiet service stays under.
	// Range: 0.1 to 0.5.
	quietMargin = 0.25
)

// Exceedance is the rule for services that only a heartbeat measures. A probe
// sees one request of one process: when a service has all that it needs, some
// still wait, and when it has far too little, some do not. So it counts how
// many are too slow, and never decides on one alone.
//
// A sample exceeds when its latency is above a baseline, that of an idle
// service, by more than Margin. When Exceed of the newest ExceedOf samples do,
// it wishes Factor times the processes, and at least one more; then it waits
// until those ordered can serve, and only samples taken after that count.
//
// When of the newest QuietOf samples fewer than Quiet are above the baseline by
// more than a quarter of Margin, it removes one process, each DownEvery, and
// none before DownAfterUp after processes were added. It never wishes 0.
//
// The baseline is learned, as the fifth percentile of the samples of half an
// hour, to within a tenth. A service that is overloaded from its first probe
// on teaches a wrong one: set Baseline where that can be. Until ExceedOf samples
// were taken no latency exceeds.
//
// A [Timeout] always exceeds. Exceedance needs [SignalLatency]; a sample
// without it and without a failure is passed over. Probe every five seconds:
// at the [DefaultInterval] of 30 it needs minutes to see what it would see in
// half of one. Where the service can measure its requests use [Demand]: it knows
// how many there are, and in simulation about half as many are too slow.
type Exceedance struct {
	Baseline    time.Duration // the latency of an idle service. 0: learned
	Margin      time.Duration // 0: DefaultMargin
	Exceed      int           // how many must exceed, 0: DefaultExceed
	ExceedOf    int           // of how many samples. 0: DefaultExceedOf
	Factor      float64       // of the present size, above 1. 0: DefaultFactor
	Hold        time.Duration // how long after a change samples do not count for another up. 0: Observation.Boot, or 30 s; negative: no time
	Quiet       float64       // the share that may be slow in a quiet service, above 0 to 1. 0: DefaultQuiet
	QuietOf     int           // of how many samples. 0: DefaultQuietOf; negative: never remove
	DownEvery   time.Duration // 0: DefaultDownEvery; negative: no rest
	DownAfterUp time.Duration // 0: DefaultDownAfterUp; negative: no rest
	Failures    FailurePolicy // of Refused and ServerError. 0: CountAsHigh
}

func (e Exceedance) withDefaults() Exceedance {
	e.Margin = orDefaultTime(e.Margin, DefaultMargin)
	e.Exceed = orDefault(e.Exceed, DefaultExceed)
	e.ExceedOf = orDefault(e.ExceedOf, DefaultExceedOf)
	if e.Factor == 0 {
		e.Factor = DefaultFactor
	}
	if e.Quiet == 0 {
		e.Quiet = DefaultQuiet
	}
	e.QuietOf = orDefault(e.QuietOf, DefaultQuietOf)
	e.DownEvery = orDefaultTime(e.DownEvery, DefaultDownEvery)
	e.DownAfterUp = orDefaultTime(e.DownAfterUp, DefaultDownAfterUp)
	return e
}

// Validate reports what is wrong with the settings.
func (e Exceedance) Validate() error {
	e = e.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("Exceedance."+format, args...)) }
	if e.Baseline < 0 {
		bad("Baseline is %v: it must be above 0, or 0 to be learned", e.Baseline)
	}
	if e.Margin < 0 {
		bad("Margin is %v: it must be above 0, or 0 for %v", e.Margin, DefaultMargin)
	}
	if e.Exceed < 1 || e.Exceed > e.ExceedOf || e.ExceedOf > MaxSamples {
		bad("Exceed is %d and ExceedOf %d: Exceed must be 1 to ExceedOf, and that at most %d; 0 means %d of %d", e.Exceed, e.ExceedOf, MaxSamples, DefaultExceed, DefaultExceedOf)
	}
	if !(e.Factor > 1 && e.Factor <= mostProcesses) {
		bad("Factor is %v: it must be above 1, or 0 for %v", e.Factor, DefaultFactor)
	}
	if e.QuietOf > MaxSamples {
		bad("QuietOf is %d: it must be at most %d, which are kept, or 0 for %d", e.QuietOf, MaxSamples, DefaultQuietOf)
	}
	return errors.Join(append(errs, checkShare("Exceedance", "Quiet", e.Quiet, DefaultQuiet), checkFailures("Exceedance", e.Failures))...)
}

// Window returns how far back the rule looks for the baseline.
func (e Exceedance) Window() time.Duration {
	if e.Baseline > 0 {
		return 0
	}
	return baselineWindow
}

// Samples returns how many of the newest samples the rule asks for: more than
// it needs, because those that it passes over take up room too.
func (e Exceedance) Samples() int {
	e = e.withDefaults()
	return min(max(passedOver*e.ExceedOf, 2*e.QuietOf, 1), MaxSamples)
}

// Decide applies the rule.
func (e Exceedance) Decide(o Observation) Decision {
	e = e.withDefaults()
	samples, size := newest(o.Samples), o.Capacity.Desired
	baseline, learned := e.baseline(samples)
	// Not learned: no latency exceeds, and no service is quiet.
	var high, low time.Duration = maxLatency, -1
	if learned {
		high, low = plusTime(baseline, e.Margin), plusTime(baseline, time.Duration(float64(e.Margin)*quietMargin))
	}
	hold := orDefaultTime(e.Hold, o.boot())

	var newest *Sample
	var exceeding, recent, slow, seen int
	for i := len(samples) - 1; i >= 0 && (seen < e.QuietOf || seen < e.ExceedOf); i-- {
		s := &samples[i]
		l := classify(s, low, high, e.Failures)
		if l == unmeasured {
			continue
		}
		if newest == nil {
			newest = s
		}
		if seen == recent && recent < e.ExceedOf && o.settled(s, max(hold, 0)) {
			recent++
			if l == tooHigh {
				exceeding++
			}
		}
		if seen < e.QuietOf && (l == tooHigh || s.Latency > low) {
			slow++
		}
		seen++
	}
	reason := Reason{Code: ReasonExceeded, Signal: SignalLatency, High: high.Seconds(), Low: low.Seconds(), Count: exceeding, Needed: e.Exceed, Of: recent}
	if !learned {
		reason.High = -1 // none
	}
	switch {
	case seen == 0:
		return Decision{Reason: Reason{Code: ReasonNoSample, Signal: SignalLatency}}
	case exceeding >= e.Exceed:
		reason.Seen, reason.Failure = newest.Latency.Seconds(), newest.Failure
		return Decision{Act: true, Size: max(processes(float64(size)*e.Factor), plus(size, 1)), Reason: reason}
	case !learned:
		return Decision{Reason: Reason{Code: ReasonFewSamples, Signal: SignalLatency, Count: seen, Needed: e.ExceedOf}}
	case e.QuietOf < 0 || seen < e.QuietOf || float64(slow) >= e.Quiet*float64(e.QuietOf) || size <= 1:
		return Decision{Reason: reason}
	}
	reason.Code, reason.Count, reason.Of, reason.Needed = ReasonQuiet, slow, e.QuietOf, processes(e.Quiet*float64(e.QuietOf))
	if rest := e.rest(&o); rest > 0 {
		reason.Code, reason.Span = ReasonResting, rest
		return Decision{Reason: reason}
	}
	return Decision{Act: true, Size: size - 1, Reason: reason}
}

// rest returns the time for which the size must have rested, if it did not.
func (e Exceedance) rest(o *Observation) time.Duration {
	added := o.Added
	if added.IsZero() {
		added = o.Capacity.Changed
	}
	switch {
	case !added.IsZero() && o.Now.Sub(added) < e.DownAfterUp:
		return e.DownAfterUp
	case !o.Capacity.Changed.IsZero() && o.Now.Sub(o.Capacity.Changed) < e.DownEvery:
		return e.DownEvery
	}
	return 0
}

// maxLatency is longer than any: no latency exceeds it.
const maxLatency = time.Duration(1<<63 - 1)

func plusTime(d, e time.Duration) time.Duration {
	if d > maxLatency-e {
		return maxLatency
	}
	return d + e
}

// baseline returns the latency of an idle service, and whether it is known. A
// histogram finds the percentile without sorting: eight bins for each doubling,
// of which the middle is within a sixteenth.
func (e Exceedance) baseline(samples []Sample) (time.Duration, bool) {
	if e.Baseline > 0 {
		return e.Baseline, true
	}
	var bins [64 * 8]uint16
	count := 0
	for i := range samples {
		s := &samples[i]
		if s.Failure == NoFailure && s.Signals.Has(SignalLatency) && s.Latency >= 0 {
			bins[bin(s.Latency)]++
			count++
		}
	}
	if count < e.ExceedOf {
		return 0, false
	}
	rank := int(baselineShare * float64(count-1))
	for b, n := range bins {
		if rank -= int(n); rank < 0 {
			return middle(b), true
		}
	}
	return 0, false
}

func bin(d time.Duration) int {
	v := uint64(d)
	if v < 8 {
		return int(v)
	}
	shift := bits.Len64(v) - 4
	return shift<<3 + int(v>>shift)
}

func middle(b int) time.Duration {
	if b < 16 {
		return time.Duration(b)
	}
	shift := b>>3 - 1
	return time.Duration(b&7+8)<<shift + 1<<shift>>1
}
