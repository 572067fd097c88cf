package autoscale

import (
	"fmt"
	"math"
	"time"
)

// DefaultDownWindow is how long a load must be gone before the processes that
// it needed are, where a rule looks back over what was needed.
//
// Source: the downscale stabilization of Kubernetes' HorizontalPodAutoscaler.
const DefaultDownWindow = 5 * time.Minute

const (
	// vouchFor is how long a sample vouches for at most. A longer gap between
	// two samples counts as this much, so that a few samples from before a gap
	// do not pass for a window that was measured.
	vouchFor = time.Minute

	// mostProcesses bounds a wish, which may come of any numbers.
	mostProcesses = 1_000_000_000

	// roundOff is the relative error that measurements and quotients may have.
	// Without it 84 requests a second of 0.1 s, at 2 × 0.6 a process, would need
	// 8 processes, because that quotient is a little above 7.
	roundOff = 1e-6

	// defaultBoot is how long a process takes to serve where that is not known.
	//
	// Source: 20 to 60 s on Heroku, as Judoscale measured.
	defaultBoot = 30 * time.Second
)

// newest returns the samples that a rule looks at: as many as are ever kept.
func newest(samples []Sample) []Sample { return samples[max(0, len(samples)-MaxSamples):] }

// vouched returns for how much of a window the older of two samples vouches, of
// which the Unix nanoseconds are given. A clock that was put back makes a gap.
func vouched(newer, older int64) time.Duration {
	gap := time.Duration(newer - older)
	if gap < 0 || gap > vouchFor {
		return vouchFor
	}
	return gap
}

// vouchers returns how many samples are sure to vouch for the window, at
// whatever interval they are taken.
func vouchers(window time.Duration) int {
	if window <= 0 {
		return 1
	}
	return int((window-1)/vouchFor) + 2
}

// measuredBy reports whether v can be a measurement: NaN, an infinity and what
// is negative cannot.
func measuredBy(v float64) bool { return v >= 0 && v <= math.MaxFloat64 }

// processes rounds up, with a tolerance for what sums and quotients are off.
func processes(n float64) int {
	n = math.Ceil(n * (1 - roundOff))
	switch {
	case !(n > 0): // NaN is no number of processes
		return 0
	case n > mostProcesses:
		return mostProcesses
	}
	return int(n)
}

// boot returns how long a process takes to serve, known or assumed.
func (o *Observation) boot() time.Duration {
	if o.Boot > 0 {
		return o.Boot
	}
	return defaultBoot
}

// settled reports whether a sample shows the present size: it was taken when
// what was ordered last could serve.
func (o *Observation) settled(s *Sample, settle time.Duration) bool {
	return o.Capacity.Changed.IsZero() || s.Time.After(o.Capacity.Changed.Add(settle))
}

func orDefaultTime(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

func checkShare(rule, field string, v, def float64) error {
	if v > 0 && v <= 1 {
		return nil
	}
	return fmt.Errorf("%s.%s is %v: it must be above 0 and at most 1, or 0 for %v", rule, field, v, def)
}
