package rule_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

// A process with two workers takes 2 × 0.60 = 1.2 requests in flight.
func TestTargetTracking(t *testing.T) {
	two := rule.TargetTracking{Concurrency: 2}
	four := rule.TargetTracking{Concurrency: 4}
	none := rule.TargetTracking{Concurrency: 2, Decay: -1}
	byUse := rule.TargetTracking{}
	sec := time.Second
	checkRule(t, []ruleCase{
		{"nothing yet", two, series(3, sec), want{reason: "service_time or throughput was not measured within the last 1m00s"}},
		{"other signals", two, series(3, sec, noSignal), want{reason: "service_time or throughput was not measured within the last 1m00s"}},
		{"a timeout says nothing", two, series(3, sec, autoscale.Sample{Failure: autoscale.Timeout, Signals: autoscale.SignalLatency, Latency: time.Minute}), want{reason: "service_time or throughput was not measured within the last 1m00s"}},
		{
			"too old", two, series(3, 61*sec, served(100, 100*ms), noSignal),
			want{reason: "service_time or throughput was not measured within the last 1m00s"},
		},
		// 100/s × 0.1 s = 10 in flight; 10 / 1.2 = 8.33.
		{"up", two, series(3, 5*sec, times(20, served(100, 100*ms))...), want{true, 9, "10 requests in flight, at 1.2 a process, need 9"}},
		{"one sample is enough to go up", two, series(3, sec, served(100, 100*ms)), want{true, 9, "10 requests in flight, at 1.2 a process, need 9"}},
		{"enough", two, series(9, 5*sec, times(20, served(100, 100*ms))...), want{reason: "10 requests in flight, at 1.2 a process, need 9"}},
		{"a gap of the signals", two, series(3, 5*sec, served(100, 100*ms), noSignal, noSignal), want{true, 9, "10 requests in flight, at 1.2 a process, need 9"}},
		// 84 × 0.1 / (2 × 0.6) is 7.000000000000001.
		{"round-off", two, series(7, sec, served(84, 100*ms)), want{reason: "8.4 requests in flight, at 1.2 a process, need 7"}},
		// The three newest are 15 s at 200/s: 20 / 1.2 = 16.7. A minute's mean is 125/s.
		{"a rise", two, series(3, 5*sec, join(times(9, served(100, 100*ms)), times(3, served(200, 100*ms)))...), want{true, 17, "20 requests in flight, at 1.2 a process, need 17"}},
		// The fourth newest has 300/s, and the weight 1-15/180. The others weigh 9.25 together:
		// ⁴√((9.25×100⁴ + 0.917×300⁴) / 10.17) = 169.3/s: 16.93/1.2 = 14.1.
		{"a burst fades", two, series(3, 5*sec, join(times(8, served(100, 100*ms)), times(1, served(300, 100*ms)), times(3, served(100, 100*ms)))...), want{true, 15, "9 processes are enough now, and 15 for the load of the last 3m00s"}},
		// (90×0.1 + 10×1.1)/100 = 0.2 s: what was fast weighs as much as there was of it. Mean rate 50: 10 in flight.
		{"service time is weighted", two, series(3, 30*sec, served(10, 1100*ms), served(90, 100*ms)), want{true, 15, "18 requests in flight, at 1.2 a process, need 15"}},
		// Overload: 60/s finish and 150/s come: 15/1.2 = 12.5.
		{"arrivals count, not what was finished", two, series(6, 5*sec, times(3, arriving(served(60, 100*ms), 150))...), want{true, 13, "15 requests in flight, at 1.2 a process, need 13"}},
		// Where they are not measured, Busy grows by 90/s × 5 s = 450 a sample.
		// 60/s + 90/s: 15 in flight; 15/1.2 = 12.5.
		{"growth of what is under way", two, series(6, 5*sec, working(served(60, 100*ms), 12), working(served(60, 100*ms), 462), working(served(60, 100*ms), 912)), want{true, 13, "15 requests in flight, at 1.2 a process, need 13"}},
		{"hung: requests come and none is finished", two, series(3, 30*sec, served(100, 100*ms), arriving(idleSample, 100), arriving(idleSample, 100)), want{true, 9, "10 requests in flight, at 1.2 a process, need 9"}},
		{"hung from the first", two, series(3, 30*sec, arriving(idleSample, 100)), want{reason: "service_time was not measured within the last 1m00s"}},

		// Down: as the load of three minutes fades, and only when those were measured.
		{"down", two, series(20, 5*sec, times(73, served(100, 100*ms))...), want{true, 9, "10 requests in flight, at 1.2 a process, need 9"}},
		{"not yet measured", two, series(20, 5*sec, times(31, served(100, 100*ms))...), want{reason: "9 processes are enough now, but only 2m30s of 3m00s were measured"}},
		// The newest minute weighs 10.83, and what was before it 7.67: ⁴√((10.83×100⁴ + 7.67×150⁴) / 18.5) = 128/s: 12.8/1.2 = 10.7.
		{"a peak is let go bit by bit", two, series(20, 5*sec, join(times(60, served(150, 100*ms)), times(13, served(100, 100*ms)))...), want{true, 11, "9 processes are enough now, and 11 for the load of the last 3m00s"}},
		{"so far it holds", two, series(11, 5*sec, join(times(60, served(150, 100*ms)), times(13, served(100, 100*ms)))...), want{reason: "9 processes are enough now, and 11 for the load of the last 3m00s"}},
		{"a peak before that does not", two, series(20, 5*sec, join(times(10, served(900, 100*ms)), times(73, served(100, 100*ms)))...), want{true, 9, "10 requests in flight, at 1.2 a process, need 9"}},
		{"without a window", none, series(20, 5*sec, served(100, 100*ms)), want{true, 9, "10 requests in flight, at 1.2 a process, need 9"}},
		{"slower once a minute", two, series(20, time.Minute, times(6, served(100, 100*ms))...), want{true, 9, "10 requests in flight, at 1.2 a process, need 9"}},
		{"slower than that a gap is a minute", two, series(20, 4*time.Minute, times(3, served(100, 100*ms))...), want{reason: "9 processes are enough now, but only 2m00s of 3m00s were measured"}},
		{"no load is one process", two, series(20, 5*sec, times(73, idleSample)...), want{true, 1, "0 requests in flight, at 1.2 a process, need 1"}},
		{"one stays one", two, series(1, 5*sec, times(73, idleSample)...), want{reason: "0 requests in flight, at 1.2 a process, need 1"}},
		{"none stays none without load", two, series(0, 5*sec, times(73, idleSample)...), want{reason: "0 requests in flight, at 1.2 a process, need 0"}},
		{"none does not stay none with load", two, series(0, 5*sec, served(1, 100*ms)), want{true, 1, "0.1 requests in flight, at 1.2 a process, need 1"}},

		// Set to 4, 2.4 in flight a process. 5 processes had 100/s × 0.1 s = 10 in flight while requests waited, 2 each:
		// 2 / 0.9 × 0.6 = 1.333; 10 / 1.333 = 7.5.
		{"at its limit", four, series(5, 5*sec, times(3, waited(5, 250*ms))...), want{true, 8, "10 requests in flight, at 1.333 a process, which did no more while requests waited, need 8"}},
		{"the most of a limit counts", four, series(5, 5*sec, waited(8, 250*ms), waited(5, 250*ms), waited(10, 250*ms)), want{true, 8, "10 requests in flight, at 1.333 a process, which did no more while requests waited, need 8"}},
		{"a short queue is no limit", four, series(5, 5*sec, times(3, waited(5, 200*ms))...), want{reason: "10 requests in flight, at 2.4 a process, need 5"}},
		{"requests wait, but the process is not full", four, series(5, 5*sec, times(3, counted(waited(5, 250*ms), 0, 3.9))...), want{reason: "10 requests in flight, at 2.4 a process, need 5"}},
		{"a full process at its limit", four, series(5, 5*sec, times(3, counted(waited(5, 250*ms), 0, 2))...), want{true, 8, "10 requests in flight, at 1.333 a process, which did no more while requests waited, need 8"}},
		{"as many at once as the concurrency", four, series(5, 5*sec, join(times(1, counted(waited(5, 0), 0, 4)), times(3, counted(waited(5, 250*ms), 0, 2)))...), want{reason: "10 requests in flight, at 2.4 a process, need 5"}},
		{"whose size is not known", four, series(5, 5*sec, times(3, waited(0, 250*ms))...), want{reason: "10 requests in flight, at 2.4 a process, need 5"}},
		{"a limit above the concurrency", two, series(9, 5*sec, times(3, waited(5, 250*ms))...), want{reason: "10 requests in flight, at 1.2 a process, need 9"}},
		{"a limit is remembered", four, series(8, time.Minute, join(times(1, waited(5, 250*ms)), times(15, waited(8, 0)))...), want{reason: "10 requests in flight, at 1.333 a process, which did no more while requests waited, need 8"}},
		{"for a quarter of an hour", four, series(8, time.Minute, join(times(1, waited(5, 250*ms)), times(16, waited(8, 0)))...), want{true, 5, "10 requests in flight, at 2.4 a process, need 5"}},

		// By utilization: 0.9 × 4 / 0.6.
		{"utilization", byUse, series(4, 5*sec, times(3, using(0.9))...), want{true, 6, "3.6 processes in full use, at 0.6 each, need 6"}},
		{"utilization of those that serve", byUse, pending(2, series(6, 5*sec, times(3, using(0.9))...)), want{reason: "3.6 processes in full use, at 0.6 each, need 6"}},
		{"utilization of another size", byUse, changed(31*sec, series(4, 5*sec, times(3, using(0.9))...)), want{true, 6, "3.6 processes in full use, at 0.6 each, need 6"}},
		{"utilization while booting", byUse, changed(29*sec, series(4, 5*sec, times(3, using(0.9))...)), want{reason: "utilization was not measured within the last 1m00s"}},
		{"utilization of none", byUse, series(0, 5*sec, times(3, using(0.9))...), want{reason: "utilization was not measured within the last 1m00s"}},
		{"down by utilization", byUse, series(10, 5*sec, times(73, using(0.3))...), want{true, 5, "3 processes in full use, at 0.6 each, need 5"}},
	})
}

func TestTargetTrackingValidate(t *testing.T) {
	for _, tt := range []struct {
		rule rule.TargetTracking
		want string // in the error; empty: none
	}{
		{rule.TargetTracking{}, ""},
		{rule.TargetTracking{Concurrency: 2, Target: 1, Decay: time.Minute}, ""},
		{rule.TargetTracking{Decay: -1}, ""},
		{rule.TargetTracking{Concurrency: -1}, "TargetTracking.Concurrency is -1: it must be above 0"},
		{rule.TargetTracking{Concurrency: math.NaN()}, "TargetTracking.Concurrency is NaN"},
		{rule.TargetTracking{Concurrency: math.Inf(1)}, "TargetTracking.Concurrency is +Inf"},
		{rule.TargetTracking{Target: -0.5}, "TargetTracking.Target is -0.5: it must be above 0 and at most 1, or 0 for 0.6"},
		{rule.TargetTracking{Target: 60}, "TargetTracking.Target is 60"},
		{rule.TargetTracking{Target: math.NaN()}, "TargetTracking.Target is NaN"},
		{rule.TargetTracking{Decay: 5}, "TargetTracking.Decay is 5ns: it must be 1m0s or more"},
		{rule.TargetTracking{Concurrency: -1, Target: 2}, "TargetTracking.Target is 2"},
	} {
		checkFault(t, tt.rule, tt.want)
	}
}

// At any interval, what Window and Samples ask for is enough to go down.
func TestRulesAreShownEnough(t *testing.T) {
	for _, every := range []time.Duration{time.Second, 7 * time.Second, 30 * time.Second, time.Minute, 61 * time.Second, 130 * time.Second, time.Hour} {
		for _, tt := range []struct {
			rule interface {
				autoscale.Decider
				autoscale.Windower
				autoscale.Sampler
			}
			sample autoscale.Sample
			to     int
		}{
			{rule.TargetTracking{Concurrency: 2}, served(1, 100*ms), 1},
			{rule.TargetTracking{Concurrency: 2, Decay: 450 * time.Second}, served(1, 100*ms), 1},
			{rule.TargetTracking{}, using(0), 1},
			{rule.MOfN{}, beat(40 * ms), 4},
			{rule.MOfN{Baseline: 40 * ms}, beat(40 * ms), 4},
			{rule.Backlog{}, autoscale.Sample{Signals: autoscale.SignalBacklog}, 0},
			{rule.Backlog{Idle: 20 * time.Minute, DownWindow: -1}, autoscale.Sample{Signals: autoscale.SignalBacklog}, 0},
		} {
			n := max(tt.rule.Samples(), min(autoscale.MaxSamples, 1+int(tt.rule.Window()/every)))
			o := series(5, every, times(n, tt.sample)...)
			o.Capacity.Changed = time.Time{}
			if d := tt.rule.Decide(o); !d.Act || d.Size != tt.to {
				t.Errorf("%T%+v every %v, shown %d samples: %t %d, %v", tt.rule, tt.rule, every, n, d.Act, d.Size, d.Reason)
			}
		}
	}
}

// A difference that is within the noise of what was counted does not change the size.
func TestTargetTrackingNoise(t *testing.T) {
	two := rule.TargetTracking{Concurrency: 2, Tolerance: -1} // 1.2 requests in flight a process
	load := func(processes, requests float64) []autoscale.Sample {
		return times(40, counted(served(processes*12, 100*ms), requests, 0))
	}
	// The arrivals of one that counted 100 requests are off by a tenth, and so are the
	// service times of a minute: at 10 processes that is 1.4 together.
	checkRule(t, []ruleCase{
		{"up within the noise", two, series(10, 5*time.Second, load(10.5, 100)...), want{reason: "10.50 processes are needed, give or take 1.48: too few requests were counted to say that the size is wrong"}},
		{"up beyond the noise of the mean", two, series(10, 5*time.Second, load(18, 100)...), want{true, 20, "21.6 requests in flight, at 1.2 a process, need 20"}},
		{"up, with more requests", two, series(10, 5*time.Second, load(10.5, 10000)...), want{true, 11, "12.6 requests in flight, at 1.2 a process, need 11"}},
		{"up, without a count", two, series(10, 5*time.Second, load(10.1, 0)...), want{true, 11, "12.12 requests in flight, at 1.2 a process, need 11"}},
		{"from none", two, series(0, 5*time.Second, load(.5, 6)...), want{true, 1, "0.6 requests in flight, at 1.2 a process, need 1"}},
		{"down within the noise", two, series(10, 5*time.Second, load(8.9, 100)...), want{reason: "8.90 processes are needed, give or take 1.00: too few requests were counted to say that the size is wrong"}},
		{"down beyond the noise", two, series(10, 5*time.Second, load(5.5, 100)...), want{true, 8, "6.6 requests in flight, at 1.2 a process, need 6"}},
		{"down, with more requests", two, series(10, 5*time.Second, load(8.6, 10000)...), want{true, 9, "10.32 requests in flight, at 1.2 a process, need 9"}},
	})
}

func TestTargetTrackingTolerance(t *testing.T) {
	load := func(processes float64) []autoscale.Sample { return times(40, served(processes*12, 100*ms)) }
	at := func(size int, processes, target float64) autoscale.Observation {
		return series(size, 5*time.Second, load(processes*target/.6)...)
	}
	tolerated := func(processes, size int) want {
		return want{reason: fmt.Sprintf("%d processes are needed, within 12.5 %% of the size of %d", processes, size)}
	}
	checkRule(t, []ruleCase{
		{"up within", rule.TargetTracking{Concurrency: 2}, at(100, 111.5, .6), tolerated(112, 100)},
		{"up beyond", rule.TargetTracking{Concurrency: 2}, at(100, 112.5, .6), want{true, 113, "135 requests in flight, at 1.2 a process, need 113"}},
		{"down within", rule.TargetTracking{Concurrency: 2}, at(100, 87.5, .6), tolerated(88, 100)},
		{"down beyond", rule.TargetTracking{Concurrency: 2}, at(100, 86.5, .6), want{true, 87, "103.8 requests in flight, at 1.2 a process, need 87"}},
		{"a small size moves by one", rule.TargetTracking{Concurrency: 2}, at(3, 3.5, .6), want{true, 4, "4.2 requests in flight, at 1.2 a process, need 4"}},
		{"little is free: up within a quarter of it", rule.TargetTracking{Concurrency: 2, Target: .8}, at(100, 106, .8), tolerated(106, 100)},
		{"little is free: up beyond a quarter of it", rule.TargetTracking{Concurrency: 2, Target: .8}, at(100, 107, .8), want{true, 107, "171.2 requests in flight, at 1.6 a process, need 107"}},
		{"none", rule.TargetTracking{Concurrency: 2, Tolerance: -1}, at(100, 101, .6), want{true, 101, "121.2 requests in flight, at 1.2 a process, need 101"}},
		{"given", rule.TargetTracking{Concurrency: 2, Tolerance: .05}, at(100, 106, .6), want{true, 106, "127.2 requests in flight, at 1.2 a process, need 106"}},
	})
}

// Requests that wait in the handlers of a service seem to be work. An overload does not
// order processes for its queue.
func TestTargetTrackingCrowded(t *testing.T) {
	two := rule.TargetTracking{Concurrency: 2} // 1.2 requests in flight a process
	in := func(ready float64, s autoscale.Sample) autoscale.Sample {
		s.Ready, s.Requests, s.Span = ready, 1e15, 15*time.Second
		return s
	}
	calm := in(1, arriving(served(4, 100*ms), 4))
	crowd := in(1, arriving(served(20, 20*time.Second), 100))
	drained := in(13, arriving(served(100, 100*ms), 100))
	checkRule(t, []ruleCase{
		{"one and a half times at most", two, series(1, 5*time.Second, join(times(20, calm), times(6, crowd))...), want{true, 13, "15 requests in flight, at 1.2 a process, need 13"}},
		{"and while the crowd is within the minute", two, series(13, 5*time.Second, join(times(20, calm), times(6, crowd), times(2, drained))...), want{reason: "15 requests in flight, at 1.2 a process, need 13"}},
		{"without a calm sample it is not known", two, series(1, 5*time.Second, times(6, crowd)...), want{true, 1667, "2000 requests in flight, at 1.2 a process, need 1667"}},
		{"slower work without a crowd counts", two, series(20, 5*time.Second, join(times(20, in(20, arriving(served(100, 100*ms), 100))), times(15, in(20, arriving(served(100, 300*ms), 100))))...), want{true, 25, "30 requests in flight, at 1.2 a process, need 25"}},
	})
}
