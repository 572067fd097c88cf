package rule

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/measure"
	"github.com/autoscalebot/autoscale/internal/names"
)

// The defaults of [MOfN].
const (
	DefaultMargin           = 130 * time.Millisecond
	DefaultM                = 3
	DefaultN                = 6
	DefaultFactor           = 1.25
	DefaultQuietShare       = 0.15
	DefaultQuietN           = 60
	DefaultDownDelay        = 2 * time.Minute
	DefaultDownDelayAfterUp = 5 * time.Minute
)

// The codes of [MOfN], in addition to [ReasonFewSamples] and
// [autoscale.ReasonNoSample].
const (
	ReasonExceeded  autoscale.ReasonCode = "exceeded"   // how many of the newest samples exceed, and how many are needed
	ReasonQuiet     autoscale.ReasonCode = "quiet"      // few of the newest samples are slow
	ReasonDownDelay autoscale.ReasonCode = "down_delay" // few are slow, but the size changed recently
)

const (
	// baselineWindow is the window from which a baseline is learned. A shorter window
	// takes a long overload for the baseline. A longer one keeps the baseline of a
	// version that is no longer deployed. Range: 10 minutes to 2 hours.
	baselineWindow = 30 * time.Minute

	// baselineShare is the share of the samples at or below the baseline. At
	// 95 % of the capacity in use 1 request in 20 still finds a free worker.
	// Range: 0.02 to 0.1.
	baselineShare = 0.05

	// quietMargin is the share of the margin below which a sample of a quiet service
	// stays. Range: 0.1 to 0.5.
	quietMargin = 0.25
)

// MOfN is the rule for a service that is measured only by a heartbeat. It adds
// processes when M of the newest N samples are too slow. A probe sees one request to
// one process. Some requests wait even if the service has all the processes that it
// needs. Some do not wait even if it has far too few. So the rule counts samples, and
// never decides on one sample alone.
//
// A sample exceeds if its latency is more than Margin above a baseline, which is the
// latency of an idle service. If M of the newest N samples exceed, MOfN recommends
// Factor times as many processes, and at least one more. After that, a sample counts
// only if it was taken when those processes could serve.
//
// If fewer than QuietShare of the newest QuietN samples are more than a quarter of
// Margin above the baseline, MOfN removes one process. It waits for DownDelay after
// each change of the size, and for DownDelayAfterUp after processes were added. It
// never recommends 0.
//
// MOfN learns the baseline as the fifth percentile of the samples of half an hour, to
// within a tenth. If a service is overloaded from the first probe on, the learned
// baseline is wrong. Set Baseline if that can happen. Until N samples were taken, no
// latency exceeds.
//
// An [autoscale.Timeout] always exceeds. MOfN needs [autoscale.SignalLatency]. It skips
// a sample that has neither a latency nor a failure. Probe every five seconds. At the
// [autoscale.DefaultInterval] of 30 seconds, it takes minutes to see what it would
// otherwise see within half a minute. If the service can measure its requests, use
// [TargetTracking]. That rule knows how many requests there are, and in simulation
// about half as many are too slow.
//
// Sources: the "M out of N" alarms of Amazon CloudWatch ("datapoints to alarm"), the
// instance warmup of AWS Auto Scaling, and the delays after a scale-up of Kubernetes'
// Cluster Autoscaler.
type MOfN struct {
	Baseline         time.Duration           // the latency of an idle service. 0: learned
	Margin           time.Duration           // 0: DefaultMargin
	M                int                     // how many samples must exceed. 0: DefaultM
	N                int                     // among how many samples. 0: DefaultN
	Factor           float64                 // the new size as a multiple of the present one, above 1. 0: DefaultFactor
	Warmup           time.Duration           // after a change, samples do not count towards adding more for this long. 0: Observation.Boot, or 30 s; negative: no time
	QuietShare       float64                 // the share of samples that may be slow in a quiet service, above 0 to 1. 0: DefaultQuietShare
	QuietN           int                     // among how many samples. 0: DefaultQuietN; negative: never remove
	DownDelay        time.Duration           // after any change. 0: DefaultDownDelay; negative: none
	DownDelayAfterUp time.Duration           // 0: DefaultDownDelayAfterUp; negative: none
	Failures         autoscale.FailurePolicy // for Refused and ServerError. 0: autoscale.CountAsHigh
}

func (r MOfN) withDefaults() MOfN {
	r.Margin = cmp.Or(r.Margin, DefaultMargin)
	r.M = cmp.Or(r.M, DefaultM)
	r.N = cmp.Or(r.N, DefaultN)
	r.Factor = cmp.Or(r.Factor, DefaultFactor)
	r.QuietShare = cmp.Or(r.QuietShare, DefaultQuietShare)
	r.QuietN = cmp.Or(r.QuietN, DefaultQuietN)
	r.DownDelay = cmp.Or(r.DownDelay, DefaultDownDelay)
	r.DownDelayAfterUp = cmp.Or(r.DownDelayAfterUp, DefaultDownDelayAfterUp)
	return r
}

// Validate reports what is wrong with the settings.
func (r MOfN) Validate() error {
	r = r.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("MOfN."+format, args...)) }
	if r.Baseline < 0 {
		bad("Baseline is %v: it must be above 0, or 0 to be learned", r.Baseline)
	}
	if r.Margin < 0 {
		bad("Margin is %v: it must be above 0, or 0 for %v", r.Margin, DefaultMargin)
	}
	if r.M < 1 || r.M > r.N || r.N > autoscale.MaxSamples {
		bad("M is %d and N is %d: M must be 1 to N, and N at most %d; 0 means %d of %d", r.M, r.N, autoscale.MaxSamples, DefaultM, DefaultN)
	}
	if !(r.Factor > 1 && r.Factor <= mostProcesses) {
		bad("Factor is %v: it must be above 1, or 0 for %v", r.Factor, DefaultFactor)
	}
	if r.QuietN > autoscale.MaxSamples {
		bad("QuietN is %d: it must be at most %d, which are kept, or 0 for %d", r.QuietN, autoscale.MaxSamples, DefaultQuietN)
	}
	return errors.Join(append(errs, checkShare("MOfN", "QuietShare", r.QuietShare, DefaultQuietShare), checkFailures("MOfN", r.Failures))...)
}

// Window returns how far back the rule looks for the baseline.
func (r MOfN) Window() time.Duration {
	if r.Baseline > 0 {
		return 0
	}
	return baselineWindow
}

// Samples returns how many of the newest samples the rule asks for. It asks for
// more than it needs, because the samples that it skips take up room too.
func (r MOfN) Samples() int {
	r = r.withDefaults()
	return min(max(skippedShare*r.N, 2*r.QuietN, 1), autoscale.MaxSamples)
}

// Decide applies the rule.
func (r MOfN) Decide(o autoscale.Observation) autoscale.Decision {
	r = r.withDefaults()
	samples, size := recent(o.Samples), o.Capacity.Desired
	baseline, learned := r.baseline(samples)
	// Until the baseline is learned, no latency exceeds, and no service is quiet.
	var high, low time.Duration = math.MaxInt64, -1
	if learned {
		high, low = plusTime(baseline, r.Margin), plusTime(baseline, time.Duration(float64(r.Margin)*quietMargin))
	}
	warmup := max(cmp.Or(r.Warmup, bootTime(&o)), 0)

	var exceeding, ready, slow, seen int
	for i := len(samples) - 1; i >= 0 && (seen < r.QuietN || seen < r.N); i-- {
		s := &samples[i]
		l := classify(s, low, high, r.Failures)
		if l == unmeasured {
			continue
		}
		if seen == ready && ready < r.N && settled(&o, s, warmup) {
			ready++
			if l == tooHigh {
				exceeding++
			}
		}
		if seen < r.QuietN && (l == tooHigh || s.Latency > low) {
			slow++
		}
		seen++
	}
	exceeded := exceedance{exceeding, ready, r.M, high, learned}
	switch {
	case seen == 0:
		return autoscale.Decision{Reason: autoscale.Reason{Code: autoscale.ReasonNoSample}}
	case exceeding >= r.M:
		more := max(processes(float64(size)*r.Factor), measure.Plus(size, 1))
		return autoscale.Decision{Act: more > size, Size: more, Reason: exceeded.reason()} // no int is above the greatest
	case !learned:
		return autoscale.Decision{Reason: fewSamples{count: seen, needed: r.N}.reason()}
	case r.QuietN < 0 || seen < r.QuietN || float64(slow) >= r.QuietShare*float64(r.QuietN) || size <= 1:
		return autoscale.Decision{Reason: exceeded.reason()}
	}
	q := quiet{slow, r.QuietN, processes(r.QuietShare * float64(r.QuietN)), low, r.delay(&o)}
	if q.delay > 0 {
		return autoscale.Decision{Reason: autoscale.Reason{Code: ReasonDownDelay, Detail: q}}
	}
	return autoscale.Decision{Act: true, Size: size - 1, Reason: autoscale.Reason{Code: ReasonQuiet, Detail: q}}
}

// delay returns the delay that keeps the size from falling, or 0.
func (r MOfN) delay(o *autoscale.Observation) time.Duration {
	added := o.Added
	if added.IsZero() {
		added = o.Capacity.Changed
	}
	switch {
	case !added.IsZero() && o.Now.Sub(added) < r.DownDelayAfterUp:
		return r.DownDelayAfterUp
	case !o.Capacity.Changed.IsZero() && o.Now.Sub(o.Capacity.Changed) < r.DownDelay:
		return r.DownDelay
	}
	return 0
}

// exceedance is the detail of ReasonExceeded.
type exceedance struct {
	count, of, needed int
	high              time.Duration
	learned           bool // whether high is known
}

func (e exceedance) reason() autoscale.Reason {
	return autoscale.Reason{Code: ReasonExceeded, Detail: e}
}

func (e exceedance) String() string {
	if !e.learned {
		return fmt.Sprintf("%d of the last %d samples failed (%d needed)", e.count, e.of, e.needed)
	}
	return fmt.Sprintf("%d of the last %d samples are above %s (%d needed)", e.count, e.of, names.Duration(e.high), e.needed)
}

// quiet is the detail of ReasonQuiet and of ReasonDownDelay.
type quiet struct {
	slow, of, needed int // fewer than needed may be slow
	low              time.Duration
	delay            time.Duration // 0: none
}

func (q quiet) String() string {
	if q.delay > 0 {
		return fmt.Sprintf("%d of the last %d samples are above %s, but the size changed less than %s ago", q.slow, q.of, names.Duration(q.low), names.Duration(q.delay))
	}
	return fmt.Sprintf("%d of the last %d samples are above %s (fewer than %d needed)", q.slow, q.of, names.Duration(q.low), q.needed)
}

func plusTime(d, e time.Duration) time.Duration {
	if d > math.MaxInt64-e {
		return math.MaxInt64
	}
	return d + e
}

// baseline returns the latency of an idle service, and whether it is known. It finds
// the percentile with a histogram, without sorting. The histogram has eight bins for
// each doubling, so the middle of a bin is within a sixteenth of everything in it.
func (r MOfN) baseline(samples []autoscale.Sample) (time.Duration, bool) {
	if r.Baseline > 0 {
		return r.Baseline, true
	}
	var bins [64 * 8]uint16
	count := 0
	for i := range samples {
		s := &samples[i]
		if s.Failure == autoscale.NoFailure && s.Signals.Has(autoscale.SignalLatency) && s.Latency >= 0 {
			bins[bin(s.Latency)]++
			count++
		}
	}
	if count < r.N {
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
