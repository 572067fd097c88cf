package rule_test

import (
	"math"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

func TestAverage(t *testing.T) {
	three := rule.Average{N: 3}
	checkRule(t, []ruleCase{
		{"too few", three, observe(2, slow, slow), want{reason: "2 of 3 samples since the size last changed"}},
		{"too few since the change", three, before(1, observe(2, slow, slow, slow)), want{reason: "2 of 3 samples since the size last changed"}},
		{"mean 1.1 s", three, observe(2, fast, 200*ms, 200*ms, 2900*ms), want{true, 3, "mean latency 1.1s of 3 samples is above 1s"}},
		{"mean 1 s", three, observe(2, 500*ms, 500*ms, 2000*ms), want{reason: "mean latency 1s of 3 samples is within 200ms to 1s"}},
		{"mean 150 ms", three, observe(2, 50*ms, 50*ms, 350*ms), want{true, 1, "mean latency 150ms of 3 samples is below 200ms"}},
		{"failures alone", three, observe(2, refused, broken, timeout), want{true, 3, "mean latency 2s of 3 samples is above 1s"}},
		{"one failure of three", three, observe(2, 100*ms, 100*ms, timeout), want{reason: "mean latency 733ms of 3 samples is within 200ms to 1s"}},
		{"failures pass over", rule.Average{N: 2, Failures: autoscale.Ignore}, observe(2, fast, refused, fast), want{true, 1, "mean latency 50ms of 2 samples is below 200ms"}},
		{"five by default", rule.Average{}, observe(2, slow, slow, slow, slow), want{reason: "4 of 5 samples since the size last changed"}},
	})
}

func TestAverageValidate(t *testing.T) {
	for _, tt := range []struct {
		rule rule.Average
		want string
	}{
		{rule.Average{}, ""},
		{rule.Average{N: 1, Low: -1, High: -1, Increment: 2, Failures: autoscale.Ignore}, ""},
		{rule.Average{N: -1}, "Average.N is -1: it must be 1 or more, or 0 for 5"},
		{rule.Average{Low: time.Second, High: ms}, "Average.Low is 1s and High is 1ms: Low must be below High"},
		{rule.Average{Increment: -2}, "Average.Increment is -2"},
		{rule.Average{Failures: 9}, "Average.Failures is 9"},
	} {
		checkFault(t, tt.rule, tt.want)
	}
}

// FuzzAverage gives the rule any samples: the recommended size is never negative, and
// its reason can be read.
func FuzzAverage(f *testing.F) {
	f.Add([]byte{200, 200, 200, 1, 2, 3}, 2, int64(200), int64(1000), 3, 1, false)
	f.Add([]byte{0, 255, 254, 253, 252}, math.MaxInt, int64(-1), int64(-1), -1, math.MaxInt, true)
	f.Fuzz(func(t *testing.T, data []byte, size int, low, high int64, n, increment int, ignore bool) {
		if size < 0 {
			return
		}
		o := observe(size)
		for i, b := range data {
			s := autoscale.Sample{
				Time:    start.Add(time.Duration(int8(b)) * time.Second * time.Duration(i)),
				Signals: autoscale.SignalLatency &^ autoscale.Signals(b>>7&b), Latency: time.Duration(b) * 10 * ms,
				Failure: autoscale.Failure(b % 5), Value: math.NaN(),
			}
			if b == 255 {
				s.Latency = math.MinInt64
			}
			o.Samples = append(o.Samples, s)
		}
		r := rule.Average{N: n, Low: time.Duration(low) * ms, High: time.Duration(high) * ms, Increment: increment}
		if ignore {
			r.Failures = autoscale.Ignore
		}
		if d := r.Decide(o); d.Size < 0 || d.Reason.Code == "" || d.Reason.String() == "" {
			t.Fatalf("%+v decided %+v, %q", r, d, d.Reason)
		}
	})
}
