package limit

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// DefaultHold is how long [DiminishingReturns] holds the size.
const DefaultHold = 10 * time.Minute

// DiminishingReturns stops adding processes that do not help. If they do not help, the
// bottleneck is a database, a lock or another service. Each further process then makes
// it worse and costs money.
//
// An increase is judged once its processes serve, if the rule still asks for more. It
// was ineffective if two things are true. The queue time has not fallen by a tenth, or
// the latency if the queue time is not measured. And the throughput has not risen by a
// tenth, if it is measured. Increases within one boot time count as one.
//
// After the number of ineffective increases in a row that the field After sets, nothing
// is added for Hold. Then one more increase is tried. A recommendation of fewer
// processes, or an increase that helped, ends the hold.
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
	// leastGain is the smallest change that counts, as a share of the measurement before
	// it. A mean of three samples moves by a few percent by itself.
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

// returns is what is remembered about increases.
type returns struct {
	Raised time.Time `json:"raised,omitzero"` // the last increase, until it is judged
	Wait   float64   `json:"wait,omitempty"`  // before it
	Work   float64   `json:"work,omitempty"`  // before it
	Count  int       `json:"count,omitempty"` // ineffective increases in a row
	Until  time.Time `json:"until,omitzero"`  // nothing is added before. Zero: increases help
}

// judge decides whether the last increase helped. It returns until when nothing is added.
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
