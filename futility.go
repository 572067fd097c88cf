package autoscale

import (
	"errors"
	"fmt"
	"time"
)

// DefaultFutilityHold is how long a [Futility] holds.
const DefaultFutilityHold = 10 * time.Minute

// Futility stops adding processes that do not help: the bottleneck is then a
// database, a lock or somebody else's service, and every further process makes
// it worse and costs money.
//
// An increase has moved nothing if, when its processes serve and still more are
// wished, the queue time (or the latency, where that is not measured) has not
// fallen by a tenth, and the throughput, where it is measured, has not risen by
// a tenth: more work done at the same latency is no failure. Increases within
// one boot time count as one. After After such
// increases in a row no more is added for Hold, which is told as [Futile]; then
// one more is tried. Fewer processes wished, or an increase that helped, end it.
type Futility struct {
	After int           // increases in a row. 0: never
	Hold  time.Duration // 0: DefaultFutilityHold
}

func (f Futility) validate() error {
	var errs []error
	if f.After < 0 {
		errs = append(errs, fmt.Errorf("Futility.After is %d: it must be 1 or more, or 0 for never", f.After))
	}
	if f.Hold < 0 {
		errs = append(errs, fmt.Errorf("Futility.Hold is %v: it must be above 0, or 0 for %v", f.Hold, DefaultFutilityHold))
	}
	return errors.Join(errs...)
}

const (
	// futilityGain is the least change, of the measurement before, that counts
	// as one: a mean of three samples moves by some percent by itself.
	futilityGain = 0.1
	// futilitySamples is how many of the newest samples make the measurement.
	futilitySamples = 3
	// futilityWait is for how long an increase has no effect yet, where the
	// boot time is not known.
	futilityWait = time.Minute
)

// futility is what is remembered of increases.
type futility struct {
	Raised time.Time `json:"raised,omitzero"` // the last increase, until it is judged
	Seen   float64   `json:"seen,omitempty"`  // the symptom before it, in seconds
	Work   float64   `json:"work,omitempty"`  // the throughput before it; 0: not measured
	Count  int       `json:"count,omitempty"` // increases in a row that moved nothing
	Until  time.Time `json:"until,omitzero"`  // no more before; zero: it does not hold
}

// judge looks whether the last increase helped, and returns until when no
// other is made.
func (f *futility) judge(now time.Time, boot time.Duration, samples []Sample, size, want int, cfg Futility) time.Time {
	if cfg.After <= 0 || want < size {
		*f = futility{}
		return time.Time{}
	}
	if !f.Until.IsZero() && !now.Before(f.Until) {
		f.Until, f.Count = time.Time{}, cfg.After-1 // one more is tried
	}
	if boot == 0 {
		boot = futilityWait
	}
	if f.Raised.IsZero() || now.Sub(f.Raised) < boot {
		return f.Until
	}
	seen, work, ok := symptom(samples, f.Raised.Add(boot))
	switch {
	case !ok:
	case seen < f.Seen*(1-futilityGain) || f.Work > 0 && work > f.Work*(1+futilityGain):
		*f = futility{}
	case want > size:
		f.Raised = time.Time{}
		f.Count++
		if f.Count >= cfg.After {
			hold := cfg.Hold
			if hold == 0 {
				hold = DefaultFutilityHold
			}
			f.Until = now.Add(hold)
		}
	}
	return f.Until
}

// raised notes an increase, and what was measured before it.
func (f *futility) raised(now time.Time, samples []Sample) {
	if !f.Raised.IsZero() {
		return // judged together with the one before it
	}
	if seen, work, ok := symptom(samples, time.Time{}); ok {
		f.Raised, f.Seen, f.Work = now, seen, work
	}
}

// symptom returns what more processes should lower, in seconds, and the work
// that was done meanwhile, as means of the newest samples since a time.
func symptom(samples []Sample, since time.Time) (seen, work float64, ok bool) {
	var n float64
	for i := len(samples) - 1; i >= 0 && n < futilitySamples; i-- {
		s := &samples[i]
		if s.Time.Before(since) {
			break
		}
		switch {
		case s.Signals.Has(SignalQueueTime):
			seen += s.QueueTime.Seconds()
		case s.Signals.Has(SignalLatency):
			seen += s.Latency.Seconds()
		default:
			continue
		}
		if s.Signals.Has(SignalThroughput) && s.Throughput-s.Throughput == 0 {
			work += s.Throughput
		}
		n++
	}
	if n == 0 {
		return 0, 0, false
	}
	return seen / n, work / n, true
}

func (f futility) shifted(at func(time.Time) time.Time) futility {
	f.Raised, f.Until = at(f.Raised), at(f.Until)
	return f
}
