package autoscale_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// beat is a heartbeat that took d, or failed, as in observe.
func beat(d time.Duration) autoscale.Sample {
	s := latency(d)
	if f, ok := fails[d]; ok {
		s.Failure, s.Latency = f, ms
	}
	return s
}

func heard(ds ...time.Duration) (out []autoscale.Sample) {
	for _, d := range ds {
		out = append(out, beat(d))
	}
	return out
}

func added(ago time.Duration, o autoscale.Observation) autoscale.Observation {
	o.Added = o.Now.Add(-ago)
	return o
}

// With a baseline of 50 ms a sample exceeds above 180 ms, and is slow above
// 82.5 ms.
func TestExceedance(t *testing.T) {
	rule := autoscale.Exceedance{Baseline: 50 * ms}
	learning := autoscale.Exceedance{}
	const sec, s, q = time.Second, 200 * ms, 60 * ms
	quiet := times(60, beat(q))
	checkRule(t, []ruleCase{
		{"nothing yet", rule, series(4, 5*sec), want{reason: "nothing was measured since the size last changed"}},
		{"other signals", rule, series(4, 5*sec, noSignal, noSignal, noSignal), want{reason: "nothing was measured since the size last changed"}},
		{"two", rule, series(4, 5*sec, heard(s, s, q, q, q, q)...), want{reason: "2 of the last 6 samples are above 180ms (3 needed)"}},
		// 4 × 1.25 = 5.
		{"three of six", rule, series(4, 5*sec, heard(s, q, s, q, s, q)...), want{true, 5, "3 of the last 6 samples are above 180ms (3 needed)"}},
		{"the seventh does not count", rule, series(4, 5*sec, heard(s, q, s, q, s, q, q)...), want{reason: "2 of the last 6 samples are above 180ms (3 needed)"}},
		{"three alone", rule, series(4, 5*sec, heard(s, s, s)...), want{true, 5, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"the limit is not above itself", rule, series(4, 5*sec, times(6, beat(180*ms))...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		// 5 × 1.25 = 6.25.
		{"rounded up", rule, series(5, 5*sec, heard(s, s, s)...), want{true, 7, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"at least one more", autoscale.Exceedance{Baseline: 50 * ms, Factor: 1.0000001}, series(1, 5*sec, heard(s, s, s)...), want{true, 2, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"timeouts exceed", autoscale.Exceedance{Baseline: 50 * ms, Failures: autoscale.Ignore}, series(4, 5*sec, heard(timeout, timeout, timeout)...), want{true, 5, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"errors exceed", rule, series(4, 5*sec, heard(refused, broken, timeout)...), want{true, 5, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"errors pass over", autoscale.Exceedance{Baseline: 50 * ms, Failures: autoscale.Ignore}, series(4, 5*sec, heard(s, refused, s, broken, s, q)...), want{true, 5, "3 of the last 4 samples are above 180ms (3 needed)"}},
		// Changed 40 s ago, and 30 s to serve: the two newest count.
		{"only what was taken after those ordered serve", rule, changed(40*sec, series(4, 5*sec, times(20, beat(s))...)), want{reason: "2 of the last 2 samples are above 180ms (3 needed)"}},
		{"which may take longer", rule, booting(60*sec, changed(70*sec, series(4, 5*sec, times(20, beat(s))...))), want{reason: "2 of the last 2 samples are above 180ms (3 needed)"}},
		{"or is said", autoscale.Exceedance{Baseline: 50 * ms, Hold: 20 * sec}, changed(40*sec, series(4, 5*sec, times(20, beat(s))...)), want{true, 5, "4 of the last 4 samples are above 180ms (3 needed)"}},
		{"or is nothing", autoscale.Exceedance{Baseline: 50 * ms, Hold: -1}, changed(16*sec, series(4, 5*sec, times(20, beat(s))...)), want{true, 5, "4 of the last 4 samples are above 180ms (3 needed)"}},

		{"as long a baseline as can be", autoscale.Exceedance{Baseline: math.MaxInt64}, series(4, 5*sec, heard(timeout, timeout, timeout)...), want{true, 5, "3 of the last 3 samples are above 2562047h47m (3 needed)"}},

		{"quiet", rule, series(4, 5*sec, quiet...), want{true, 3, "0 of the last 60 samples are above 83ms (fewer than 9 needed)"}},
		{"59 are too few", rule, series(4, 5*sec, quiet[1:]...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"8 of 60 are slow", rule, series(4, 5*sec, join(times(8, beat(100*ms)), quiet[:52])...), want{true, 3, "8 of the last 60 samples are above 83ms (fewer than 9 needed)"}},
		{"9 of 60 are slow", rule, series(4, 5*sec, join(times(9, beat(100*ms)), quiet[:51])...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"failures are slow", rule, series(4, 5*sec, join(times(9, beat(refused)), quiet[:51])...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"one stays one", rule, series(1, 5*sec, quiet...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"never down", autoscale.Exceedance{Baseline: 50 * ms, QuietOf: -1}, series(4, 5*sec, quiet...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"not within two minutes of a change", rule, added(time.Hour, changed(119*sec, series(4, 5*sec, quiet...))), want{reason: "0 of the last 60 samples are above 83ms, but the size changed less than 2m00s ago"}},
		{"after two minutes", rule, added(time.Hour, changed(120*sec, series(4, 5*sec, quiet...))), want{true, 3, "0 of the last 60 samples are above 83ms (fewer than 9 needed)"}},
		{"not within five minutes of a rise", rule, added(299*sec, changed(120*sec, series(4, 5*sec, quiet...))), want{reason: "0 of the last 60 samples are above 83ms, but the size changed less than 5m00s ago"}},
		{"a change may have been a rise", rule, changed(299*sec, series(4, 5*sec, quiet...)), want{reason: "0 of the last 60 samples are above 83ms, but the size changed less than 5m00s ago"}},
		{"after five minutes", rule, changed(300*sec, series(4, 5*sec, quiet...)), want{true, 3, "0 of the last 60 samples are above 83ms (fewer than 9 needed)"}},
		{"no rest", autoscale.Exceedance{Baseline: 50 * ms, DownEvery: -1, DownAfterUp: -1}, changed(1, series(4, 5*sec, quiet...)), want{true, 3, "0 of the last 60 samples are above 83ms (fewer than 9 needed)"}},

		// 60 ms is in the bin from 58.7 to 62.9 ms, whose middle is 60.8 ms.
		{"a baseline is learned", learning, series(4, 5*sec, join(quiet, heard(s, s, s))...), want{true, 5, "3 of the last 6 samples are above 191ms (3 needed)"}},
		{"which a few fast ones do not lower", learning, series(4, 5*sec, join(heard(1, 1), quiet, heard(s, s, s))...), want{true, 5, "3 of the last 6 samples are above 191ms (3 needed)"}},
		{"and most slow ones do not raise", learning, series(4, 5*sec, join(times(10, beat(q)), times(110, beat(s)))...), want{true, 5, "6 of the last 6 samples are above 191ms (3 needed)"}},
		{"not learned yet", learning, series(4, 5*sec, times(5, beat(10*sec))...), want{reason: "5 of 6 samples since the size last changed"}},
		{"failures need no baseline", learning, series(4, 5*sec, heard(timeout, timeout, timeout)...), want{true, 5, "3 of the last 3 samples failed (3 needed)"}},
		{"nor do they teach one", learning, series(4, 5*sec, heard(timeout, timeout, refused, refused, q, q)...), want{true, 5, "4 of the last 6 samples failed (3 needed)"}},
	})
}

func booting(d time.Duration, o autoscale.Observation) autoscale.Observation {
	o.Boot = d
	return o
}

// A rule that shrinks slowly is told when the size was last raised.
func TestObservationSaysWhenItWasRaised(t *testing.T) {
	var seen []time.Duration
	sizes := []int{2, 3, 2, 2}
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			seen = append(seen, o.Now.Sub(o.Added))
			return autoscale.Decision{Act: true, Size: sizes[len(seen)-1]}
		})
	})
	r.ticks(4)
	// From 1 to 2 to 3, and back to 2: the rises are in the first and the second tick.
	if want := []time.Duration{30 * time.Second, 30 * time.Second, time.Minute}; !slices.Equal(seen[1:], want) {
		t.Errorf("got %v, want %v", seen[1:], want)
	}
}

// A learned baseline is within a tenth of the true one, whatever that is.
func TestExceedanceLearns(t *testing.T) {
	for true := time.Microsecond; true < time.Hour; true += true/7 + 1 {
		margin := true / 10
		for _, tt := range []struct {
			latency time.Duration
			exceeds bool
		}{{true, false}, {true + 2*margin + 1, true > 10}} {
			o := series(4, time.Second, join(times(60, beat(true)), times(3, beat(tt.latency)))...)
			if d := (autoscale.Exceedance{Margin: margin}).Decide(o); (d.Act && d.Size > 4) != tt.exceeds {
				t.Fatalf("idle %v, margin %v: at %v %+v", true, margin, tt.latency, d)
			}
		}
	}
}

func TestExceedanceValidate(t *testing.T) {
	for _, tt := range []struct {
		rule autoscale.Exceedance
		want string
	}{
		{autoscale.Exceedance{}, ""},
		{autoscale.Exceedance{Baseline: time.Second, Margin: 1, Exceed: 1, ExceedOf: 1, Factor: 2, Hold: -1, Quiet: 1, QuietOf: -1, DownEvery: -1, DownAfterUp: -1}, ""},
		{autoscale.Exceedance{Baseline: -1}, "Exceedance.Baseline is -1ns"},
		{autoscale.Exceedance{Margin: -1}, "Exceedance.Margin is -1ns: it must be above 0, or 0 for 130ms"},
		{autoscale.Exceedance{Exceed: -1}, "Exceedance.Exceed is -1 and ExceedOf 6"},
		{autoscale.Exceedance{Exceed: 7}, "Exceedance.Exceed is 7 and ExceedOf 6: Exceed must be 1 to ExceedOf"},
		{autoscale.Exceedance{ExceedOf: 2}, "Exceedance.Exceed is 3 and ExceedOf 2"},
		{autoscale.Exceedance{ExceedOf: 5000}, "and that at most 4096"},
		{autoscale.Exceedance{Factor: 0.9}, "Exceedance.Factor is 0.9: it must be above 1, or 0 for 1.25"},
		{autoscale.Exceedance{Factor: math.NaN()}, "Exceedance.Factor is NaN"},
		{autoscale.Exceedance{Quiet: 15}, "Exceedance.Quiet is 15: it must be above 0 and at most 1, or 0 for 0.15"},
		{autoscale.Exceedance{QuietOf: 5000}, "Exceedance.QuietOf is 5000"},
		{autoscale.Exceedance{Failures: 9}, "Exceedance.Failures is 9"},
		{autoscale.Exceedance{Failures: 9, Factor: 1}, "Exceedance.Factor is 1"},
	} {
		checkFault(t, tt.rule, tt.want)
	}
}
