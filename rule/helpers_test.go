package rule_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

const ms = time.Millisecond

const (
	slow = 2 * time.Second
	fast = 50 * ms
)

// start is when the tests' clocks begin: a Monday, at midnight UTC.
var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// These latencies stand for failures in observe and beat.
const (
	timeout = -1 - iota
	refused
	broken
)

var fails = map[time.Duration]autoscale.Failure{
	timeout: autoscale.Timeout, refused: autoscale.Refused, broken: autoscale.ServerError,
}

// beat is a heartbeat that took d, or failed.
func beat(d time.Duration) autoscale.Sample {
	s := autoscale.Sample{Signals: autoscale.SignalLatency, Latency: d}
	if f, ok := fails[d]; ok {
		s.Failure, s.Latency = f, ms
	}
	return s
}

// observe makes an Observation of size processes, changed at second 0, with a
// sample every second from the first on.
func observe(size int, latencies ...time.Duration) autoscale.Observation {
	o := autoscale.Observation{Capacity: autoscale.Capacity{Desired: size, Changed: start}, Min: 1, Max: 10}
	for i, d := range latencies {
		s := beat(d)
		s.Time = start.Add(time.Duration(i+1) * time.Second)
		o.Samples = append(o.Samples, s)
		o.Now = s.Time
	}
	return o
}

// before moves the change of size behind the first n samples.
func before(n int, o autoscale.Observation) autoscale.Observation {
	o.Capacity.Changed = start.Add(time.Duration(n) * time.Second)
	return o
}

type want struct {
	act    bool
	size   int
	reason string
}

// series makes an Observation of size processes that has not changed within
// the hour, with the samples at the given interval, the newest now.
func series(size int, every time.Duration, samples ...autoscale.Sample) autoscale.Observation {
	o := autoscale.Observation{Now: start.Add(time.Hour), Capacity: autoscale.Capacity{Desired: size, Changed: start}, Min: 1, Max: 100}
	for i, s := range samples {
		s.Time = o.Now.Add(-time.Duration(len(samples)-1-i) * every)
		o.Samples = append(o.Samples, s)
	}
	return o
}

func times(n int, s autoscale.Sample) []autoscale.Sample {
	out := make([]autoscale.Sample, n)
	for i := range out {
		out[i] = s
	}
	return out
}

func join(parts ...[]autoscale.Sample) (out []autoscale.Sample) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// served is a sample of x requests finished a second, that took s each.
func served(x float64, s time.Duration) autoscale.Sample {
	return autoscale.Sample{Signals: autoscale.SignalThroughput | autoscale.SignalServiceTime, Throughput: x, ServiceTime: s}
}

func queued(s autoscale.Sample, q time.Duration) autoscale.Sample {
	s.Signals |= autoscale.SignalQueueTime
	s.QueueTime = q
	return s
}

// waited is a sample of 100 requests a second that took 100 ms each in some processes,
// and waited for q before that.
func waited(ready float64, q time.Duration) autoscale.Sample {
	s := queued(served(100, 100*ms), q)
	s.Ready = ready
	return s
}

// counted says how many requests a sample rests on, and the most that were in flight at
// once in a process.
func counted(s autoscale.Sample, requests, peak float64) autoscale.Sample {
	s.Requests, s.Peak, s.Span = requests, peak, 15*time.Second
	return s
}

func arriving(s autoscale.Sample, a float64) autoscale.Sample {
	s.Signals |= autoscale.SignalArrivals
	s.Arrivals = a
	return s
}

func working(s autoscale.Sample, b float64) autoscale.Sample {
	s.Signals |= autoscale.SignalBusy
	s.Busy = b
	return s
}

func using(u float64) autoscale.Sample {
	return autoscale.Sample{Signals: autoscale.SignalUtilization, Utilization: u}
}

var (
	idleSample = autoscale.Sample{Signals: autoscale.SignalThroughput} // no request, so no service time
	noSignal   = autoscale.Sample{Signals: autoscale.SignalValue}
)

func pending(n int, o autoscale.Observation) autoscale.Observation {
	o.Capacity.Pending = n
	return o
}

func changed(ago time.Duration, o autoscale.Observation) autoscale.Observation {
	o.Capacity.Changed = o.Now.Add(-ago)
	return o
}

type ruleCase struct {
	name string
	rule autoscale.Decider
	o    autoscale.Observation
	want want
}

func checkRule(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.rule.Decide(tt.o)
			if got.Act != tt.want.act || got.Act && got.Size != tt.want.size || got.Reason.String() != tt.want.reason {
				t.Errorf("got %t, %d, %q; want %+v", got.Act, got.Size, got.Reason, tt.want)
			}
		})
	}
}

func checkFault(t *testing.T, v autoscale.Validator, want string) {
	t.Helper()
	switch err := v.Validate(); {
	case want == "" && err != nil:
		t.Errorf("%+v: %v", v, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%+v: got %v, want %q", v, err, want)
	}
}
