package rule_test

import (
	"math"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

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
func TestMOfN(t *testing.T) {
	based := rule.MOfN{Baseline: 50 * ms}
	learning := rule.MOfN{}
	const sec, s, q = time.Second, 200 * ms, 60 * ms
	quiet := times(60, beat(q))
	checkRule(t, []ruleCase{
		{"nothing yet", based, series(4, 5*sec), want{reason: "nothing was measured since the size last changed"}},
		{"other signals", based, series(4, 5*sec, noSignal, noSignal, noSignal), want{reason: "nothing was measured since the size last changed"}},
		{"two", based, series(4, 5*sec, heard(s, s, q, q, q, q)...), want{reason: "2 of the last 6 samples are above 180ms (3 needed)"}},
		// 4 × 1.25 = 5.
		{"three of six", based, series(4, 5*sec, heard(s, q, s, q, s, q)...), want{true, 5, "3 of the last 6 samples are above 180ms (3 needed)"}},
		{"the seventh does not count", based, series(4, 5*sec, heard(s, q, s, q, s, q, q)...), want{reason: "2 of the last 6 samples are above 180ms (3 needed)"}},
		{"three alone", based, series(4, 5*sec, heard(s, s, s)...), want{true, 5, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"the limit is not above itself", based, series(4, 5*sec, times(6, beat(180*ms))...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		// 5 × 1.25 = 6.25.
		{"rounded up", based, series(5, 5*sec, heard(s, s, s)...), want{true, 7, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"at least one more", rule.MOfN{Baseline: 50 * ms, Factor: 1.0000001}, series(1, 5*sec, heard(s, s, s)...), want{true, 2, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"timeouts exceed", rule.MOfN{Baseline: 50 * ms, Failures: autoscale.Ignore}, series(4, 5*sec, heard(timeout, timeout, timeout)...), want{true, 5, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"errors exceed", based, series(4, 5*sec, heard(refused, broken, timeout)...), want{true, 5, "3 of the last 3 samples are above 180ms (3 needed)"}},
		{"errors pass over", rule.MOfN{Baseline: 50 * ms, Failures: autoscale.Ignore}, series(4, 5*sec, heard(s, refused, s, broken, s, q)...), want{true, 5, "3 of the last 4 samples are above 180ms (3 needed)"}},
		// Changed 40 s ago, and 30 s to serve: the two newest count.
		{"only what was taken after those ordered serve", based, changed(40*sec, series(4, 5*sec, times(20, beat(s))...)), want{reason: "2 of the last 2 samples are above 180ms (3 needed)"}},
		{"which may take longer", based, booting(60*sec, changed(70*sec, series(4, 5*sec, times(20, beat(s))...))), want{reason: "2 of the last 2 samples are above 180ms (3 needed)"}},
		{"or is said", rule.MOfN{Baseline: 50 * ms, Warmup: 20 * sec}, changed(40*sec, series(4, 5*sec, times(20, beat(s))...)), want{true, 5, "4 of the last 4 samples are above 180ms (3 needed)"}},
		{"or is nothing", rule.MOfN{Baseline: 50 * ms, Warmup: -1}, changed(16*sec, series(4, 5*sec, times(20, beat(s))...)), want{true, 5, "4 of the last 4 samples are above 180ms (3 needed)"}},

		{"as long a baseline as can be", rule.MOfN{Baseline: math.MaxInt64}, series(4, 5*sec, heard(timeout, timeout, timeout)...), want{true, 5, "3 of the last 3 samples are above 2562047h47m (3 needed)"}},

		{"quiet", based, series(4, 5*sec, quiet...), want{true, 3, "0 of the last 60 samples are above 83ms (fewer than 9 needed)"}},
		{"59 are too few", based, series(4, 5*sec, quiet[1:]...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"8 of 60 are slow", based, series(4, 5*sec, join(times(8, beat(100*ms)), quiet[:52])...), want{true, 3, "8 of the last 60 samples are above 83ms (fewer than 9 needed)"}},
		{"9 of 60 are slow", based, series(4, 5*sec, join(times(9, beat(100*ms)), quiet[:51])...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"failures are slow", based, series(4, 5*sec, join(times(9, beat(refused)), quiet[:51])...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"one stays one", based, series(1, 5*sec, quiet...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"never down", rule.MOfN{Baseline: 50 * ms, QuietN: -1}, series(4, 5*sec, quiet...), want{reason: "0 of the last 6 samples are above 180ms (3 needed)"}},
		{"not within two minutes of a change", based, added(time.Hour, changed(119*sec, series(4, 5*sec, quiet...))), want{reason: "0 of the last 60 samples are above 83ms, but the size changed less than 2m00s ago"}},
		{"after two minutes", based, added(time.Hour, changed(120*sec, series(4, 5*sec, quiet...))), want{true, 3, "0 of the last 60 samples are above 83ms (fewer than 9 needed)"}},
		{"not within five minutes of a rise", based, added(299*sec, changed(120*sec, series(4, 5*sec, quiet...))), want{reason: "0 of the last 60 samples are above 83ms, but the size changed less than 5m00s ago"}},
		{"a change may have been a rise", based, changed(299*sec, series(4, 5*sec, quiet...)), want{reason: "0 of the last 60 samples are above 83ms, but the size changed less than 5m00s ago"}},
		{"after five minutes", based, changed(300*sec, series(4, 5*sec, quiet...)), want{true, 3, "0 of the last 60 samples are above 83ms (fewer than 9 needed)"}},
		{"no rest", rule.MOfN{Baseline: 50 * ms, DownDelay: -1, DownDelayAfterUp: -1}, changed(1, series(4, 5*sec, quiet...)), want{true, 3, "0 of the last 60 samples are above 83ms (fewer than 9 needed)"}},

		// 60 ms is in the bin from 58.7 to 62.9 ms, whose middle is 60.8 ms.
		{"a baseline is learned", learning, series(4, 5*sec, join(quiet, heard(s, s, s))...), want{true, 5, "3 of the last 6 samples are above 191ms (3 needed)"}},
		{"which a few fast ones do not lower", learning, series(4, 5*sec, join(heard(1, 1), quiet, heard(s, s, s))...), want{true, 5, "3 of the last 6 samples are above 191ms (3 needed)"}},
		{"and most slow ones do not raise", learning, series(4, 5*sec, join(times(10, beat(q)), times(110, beat(s)))...), want{true, 5, "6 of the last 6 samples are above 191ms (3 needed)"}},
		{"not learned yet", learning, series(4, 5*sec, times(5, beat(10*sec))...), want{reason: "5 of 6 samples that a baseline needs"}},
		{"failures need no baseline", learning, series(4, 5*sec, heard(timeout, timeout, timeout)...), want{true, 5, "3 of the last 3 samples failed (3 needed)"}},
		{"nor do they teach one", learning, series(4, 5*sec, heard(timeout, timeout, refused, refused, q, q)...), want{true, 5, "4 of the last 6 samples failed (3 needed)"}},
	})
}

func booting(d time.Duration, o autoscale.Observation) autoscale.Observation {
	o.Boot = d
	return o
}

// A learned baseline is within a tenth of the true one, whatever that is.
func TestMOfNLearns(t *testing.T) {
	for true := time.Microsecond; true < time.Hour; true += true/7 + 1 {
		margin := true / 10
		for _, tt := range []struct {
			latency time.Duration
			exceeds bool
		}{{true, false}, {true + 2*margin + 1, true > 10}} {
			o := series(4, time.Second, join(times(60, beat(true)), times(3, beat(tt.latency)))...)
			if d := (rule.MOfN{Margin: margin}).Decide(o); (d.Act && d.Size > 4) != tt.exceeds {
				t.Fatalf("idle %v, margin %v: at %v %+v", true, margin, tt.latency, d)
			}
		}
	}
}

func TestMOfNValidate(t *testing.T) {
	for _, tt := range []struct {
		rule rule.MOfN
		want string
	}{
		{rule.MOfN{}, ""},
		{rule.MOfN{Baseline: time.Second, Margin: 1, M: 1, N: 1, Factor: 2, Warmup: -1, QuietShare: 1, QuietN: -1, DownDelay: -1, DownDelayAfterUp: -1}, ""},
		{rule.MOfN{Baseline: -1}, "MOfN.Baseline is -1ns"},
		{rule.MOfN{Margin: -1}, "MOfN.Margin is -1ns: it must be above 0, or 0 for 130ms"},
		{rule.MOfN{M: -1}, "MOfN.M is -1 and N is 6"},
		{rule.MOfN{M: 7}, "MOfN.M is 7 and N is 6: M must be 1 to N"},
		{rule.MOfN{N: 2}, "MOfN.M is 3 and N is 2"},
		{rule.MOfN{N: 5000}, "and N at most 4096"},
		{rule.MOfN{Factor: 0.9}, "MOfN.Factor is 0.9: it must be above 1, or 0 for 1.25"},
		{rule.MOfN{Factor: math.NaN()}, "MOfN.Factor is NaN"},
		{rule.MOfN{QuietShare: 15}, "MOfN.QuietShare is 15: it must be above 0 and at most 1, or 0 for 0.15"},
		{rule.MOfN{QuietN: 5000}, "MOfN.QuietN is 5000"},
		{rule.MOfN{Failures: 9}, "MOfN.Failures is 9"},
		{rule.MOfN{Failures: 9, Factor: 1}, "MOfN.Factor is 1"},
	} {
		checkFault(t, tt.rule, tt.want)
	}
}
