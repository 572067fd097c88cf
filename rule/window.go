package rule

import (
	"math"
	"time"

	"github.com/autoscalebot/autoscale"
)

const (
	// maxSampleGap is the most of a window that one sample stands for. A longer gap
	// between two samples counts as this much. Otherwise a few samples from before a
	// gap would pass for a whole window of measurements. It is also the age up to
	// which a sample counts as the present.
	maxSampleGap = time.Minute

	// mostProcesses bounds a recommendation, because it may be computed from any
	// numbers.
	mostProcesses = 1_000_000_000

	// roundOff is the relative error that measurements and quotients may have.
	// Without it 84 requests a second of 0.1 s, at 2 × 0.6 a process, would need
	// 8 processes, because that quotient is a little above 7.
	roundOff = 1e-6

	// defaultBoot is how long a process is assumed to take until it serves, if that
	// is not known.
	//
	// Source: 20 to 60 s on Heroku, as Judoscale measured.
	defaultBoot = 30 * time.Second
)

// recent returns the samples that a rule looks at: as many as an Autoscaler keeps.
func recent(samples []autoscale.Sample) []autoscale.Sample {
	return samples[max(0, len(samples)-autoscale.MaxSamples):]
}

// sampleGap returns how much of a window the older of two samples stands for. Both
// times are in Unix nanoseconds. A clock that was put back makes a gap.
func sampleGap(newer, older int64) time.Duration {
	gap := time.Duration(newer - older)
	if gap < 0 || gap > maxSampleGap {
		return maxSampleGap
	}
	return gap
}

// minSamples returns a number of samples that certainly covers the window, at any
// interval.
func minSamples(window time.Duration) int {
	if window <= 0 {
		return 1
	}
	return int((window-1)/maxSampleGap) + 2
}

// measurable reports whether v can be a measurement: NaN, an infinity and a negative
// number cannot.
func measurable(v float64) bool { return v >= 0 && v <= math.MaxFloat64 }

// processes rounds up, with a tolerance for the error of sums and quotients. NaN is 0.
func processes(n float64) int {
	n = math.Ceil(n * (1 - roundOff))
	switch {
	case !(n > 0):
		return 0
	case n > mostProcesses:
		return mostProcesses
	}
	return int(n)
}

// bootTime returns how long a process takes until it serves, known or assumed.
func bootTime(o *autoscale.Observation) time.Duration {
	if o.Boot > 0 {
		return o.Boot
	}
	return defaultBoot
}

// settled reports whether a sample shows the present size: it was taken at least
// settle after the last change.
func settled(o *autoscale.Observation, s *autoscale.Sample, settle time.Duration) bool {
	return o.Capacity.Changed.IsZero() || s.Time.After(o.Capacity.Changed.Add(settle))
}

// duration converts seconds, and returns the longest Duration if they do not fit in
// one.
func duration(seconds float64) time.Duration {
	if ns := seconds * float64(time.Second); ns < math.MaxInt64 {
		return time.Duration(max(ns, -math.MaxInt64))
	}
	return math.MaxInt64
}
