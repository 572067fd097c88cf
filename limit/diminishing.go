package limit

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// DefaultHold is how long [DiminishingReturns] holds the size.
const DefaultHold = 10 * time.Minute

// DiminishingReturns stops adding processes that do not help. The bottleneck is then a
// database, a lock or another service, and every further process makes it worse
// and costs money.
//
// An increase was ineffective if, once its processes are serving and the rule still asks
// for more, the queue time (or the latency, if that is not measured) has not fallen
// by a tenth, and the throughput, if it is measured, has not risen by a tenth. Increases
// within one boot time count as one. After that many ineffective increases in a row
// nothing is added for Hold. Then one more increase is tried. A recommendation of
// fewer processes, or an increase that helped, ends it.
type DiminishingReturns struct {
	After int           // ineffective increases in a row. 0: never
	Hold  time.Duration // 0: DefaultHold
}

func (d DiminishingReturns) validate() error {
	var errs []error
	if d.After < 0 {
		errs = append(errs, fmt.Errorf("Limits.DiminishingReturns.After is %d: it must be 1 or more, or 0 for never", d.After))
	}
	if d.Hold < 0 {
		errs = append(errs, fmt.Errorf("Limits.DiminishingReturns.Hold is %v: it must be above 0, or 0 for %v", d.Hold, DefaultHold))
	}
	return errors.Join(errs...)
}

const (
	// leastGain is the smallest change that counts, as a share of the measurement
	// before: a mean of three samples moves by some percent by itself.
	leastGain = 0.1
	// MaxSymptoms is how many of the newest samples make a measurement.
	MaxSymptoms = 3
	// assumedBoot is for how long an increase has no effect yet if the boot time is
	// not known.
	assumedBoot = time.Minute
)

// A Symptom is what more processes should improve, as one sample measured it.
type Symptom struct {
	At   time.Time
	Wait float64 // the queue time or the latency, in seconds. More processes should lower it
	Work float64 // the throughput. More processes should raise it. 0: not measured
}

// returns is what is remembered of increases.
type returns struct {
	Raised time.Time `json:"raised,omitzero"` // the last increase, until it is judged
	Wait   float64   `json:"wait,omitempty"`  // before it
	Work   float64   `json:"work,omitempty"`  // before it
	Count  int       `json:"count,omitempty"` // ineffective increases in a row
	Until  time.Time `json:"until,omitzero"`  // nothing is added before. Zero: increases help
}

// judge looks at whether the last increase helped, and returns until when nothing is added.
func (r *returns) judge(now time.Time, boot time.Duration, symptoms []Symptom, size, want int, cfg DiminishingReturns) time.Time {
	if cfg.After <= 0 || want < size {
		*r = returns{}
		return time.Time{}
	}
	if !r.Until.IsZero() && !now.Before(r.Until) {
		r.Until, r.Count = time.Time{}, cfg.After-1 // one more is tried
	}
	boot = cmp.Or(boot, assumedBoot)
	if r.Raised.IsZero() || now.Sub(r.Raised) < boot {
		return r.Until
	}
	wait, work, ok := mean(symptoms, r.Raised.Add(boot))
	switch {
	case !ok:
	case wait < r.Wait*(1-leastGain) || r.Work > 0 && work > r.Work*(1+leastGain):
		*r = returns{}
	case want > size:
		r.Raised = time.Time{}
		r.Count++
		if r.Count >= cfg.After {
			r.Until = now.Add(cmp.Or(cfg.Hold, DefaultHold))
		}
	}
	return r.Until
}

// raised records an increase, and what was measured before it.
func (r *returns) raised(now time.Time, symptoms []Symptom) {
	if !r.Raised.IsZero() {
		return // judged together with the one before it
	}
	if wait, work, ok := mean(symptoms, time.Time{}); ok {
		r.Raised, r.Wait, r.Work = now, wait, work
	}
}

// mean returns the means of the symptoms since a time.
func mean(symptoms []Symptom, since time.Time) (wait, work float64, ok bool) {
	var n float64
	for _, s := range symptoms {
		if s.At.Before(since) {
			break
		}
		wait, work, n = wait+s.Wait, work+s.Work, n+1
	}
	if n == 0 {
		return 0, 0, false
	}
	return wait / n, work / n, true
}
