package rule_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

// odd are the numbers that measurements should not be, and some may be.
var odd = [...]float64{
	0, 1, 0.001, 1e-300, math.SmallestNonzeroFloat64, 1e9, 1e300, math.MaxFloat64,
	math.Inf(1), math.Inf(-1), math.NaN(), -1, -1e300, math.Copysign(0, -1), 1.0 / 3, 100,
}

var oddTimes = [...]time.Duration{
	0, 1, time.Microsecond, ms, 100 * ms, time.Second, time.Minute, time.Hour,
	math.MaxInt64, math.MinInt64, -1, -time.Hour, 60 * time.Second, 50 * ms, 180 * ms, 2 * time.Second,
}

// anything makes an Observation of any bytes, six a sample: all signals, odd
// numbers, failures, times that go back and forth.
func anything(data []byte, size, pending int) autoscale.Observation {
	o := autoscale.Observation{
		Now: start.Add(time.Hour), Min: 1, Max: 10,
		Capacity: autoscale.Capacity{Desired: size, Pending: pending, Changed: start.Add(50 * time.Minute)},
	}
	at := start
	number := func(b byte, v uint16) float64 {
		if b < 16 {
			return odd[b]
		}
		return float64(v) / 64
	}
	duration := func(b byte, v uint16) time.Duration {
		if b < 16 {
			return oddTimes[b]
		}
		return time.Duration(v) * ms / 8
	}
	for ; len(data) >= 6; data = data[6:] {
		a, b, v, w := data[0], data[1], binary.LittleEndian.Uint16(data[2:]), binary.LittleEndian.Uint16(data[4:])
		at = at.Add(time.Duration(a%64) * time.Second)
		s := autoscale.Sample{
			Signals: autoscale.Signals(w|v<<8) & 511, Failure: autoscale.Failure(b & 7 % 5),
			Latency: duration(a, v), QueueTime: duration(b, w), ServiceTime: duration(a^b, v^w),
			Throughput: number(a, w), Arrivals: number(b, v), Busy: number(a^b, v), Utilization: number(b, w) / 100, Backlog: number(a, v),
		}
		switch s.Time = at; a % 31 {
		case 30:
			s.Time = at.Add(-time.Hour)
		case 29:
			s.Time = time.Time{}
		case 28:
			s.Time = time.Unix(1<<60, 0)
		}
		o.Samples = append(o.Samples, s)
	}
	if n := len(o.Samples); n > 0 {
		o.Now = at
	}
	return o
}

// sizeAfter is the size that a decision leaves.
func sizeAfter(o autoscale.Observation, d autoscale.Decision) int {
	if d.Act {
		return d.Size
	}
	return o.Capacity.Desired
}

// more returns o with the load of sample i, or of all where i is negative,
// multiplied.
func more(o autoscale.Observation, i int, factor float64, load func(s *autoscale.Sample, factor float64)) autoscale.Observation {
	o.Samples = append([]autoscale.Sample(nil), o.Samples...)
	for j := range o.Samples {
		if i < 0 || i == j {
			load(&o.Samples[j], factor)
		}
	}
	return o
}

func longer(d time.Duration, factor float64) time.Duration {
	if f := float64(d) * factor; f < math.MaxInt64 && d > 0 {
		return time.Duration(f)
	}
	return d
}

// larger leaves a number a number, because an infinity is none that was measured.
func larger(v, factor float64) float64 {
	if f := v * factor; f <= math.MaxFloat64 {
		return f
	}
	return v
}

// aLoad is something of which more must never yield fewer processes: in any
// one sample, or only in all of them alike.
type aLoad struct {
	name  string
	alike bool
	raise func(s *autoscale.Sample, factor float64)
}

var (
	arrivals = aLoad{"arrivals", false, func(s *autoscale.Sample, f float64) { s.Arrivals = larger(s.Arrivals, f) }}
	waiting  = aLoad{"queue time", false, func(s *autoscale.Sample, f float64) { s.QueueTime = longer(s.QueueTime, f) }}
	use      = aLoad{"utilization", false, func(s *autoscale.Sample, f float64) { s.Utilization = larger(s.Utilization, f) }}
	slowness = aLoad{"latency", false, func(s *autoscale.Sample, f float64) { s.Latency = longer(s.Latency, f) }}
	backlog  = aLoad{"backlog", false, func(s *autoscale.Sample, f float64) { s.Backlog = larger(s.Backlog, f) }}
	// Of one sample's throughput the service time's weights depend, and on one
	// sample's Busy how much it grew until the next.
	work = aLoad{"work", true, func(s *autoscale.Sample, f float64) {
		s.Throughput = larger(s.Throughput, f)
		s.Arrivals = larger(s.Arrivals, f)
		s.Busy = larger(s.Busy, f)
	}}
)

// A lawful rule has settings for which its laws hold.
type lawful interface {
	autoscale.Decider
	autoscale.Validator
}

// law checks that a recommendation is a number of processes, whatever was measured, and
// that its reason can be read. The same observation gives the same recommendation and is
// not written to, and more load never yields fewer processes.
func law(t *testing.T, r lawful, o autoscale.Observation, at int, factor float64, loads ...aLoad) {
	t.Helper()
	if err := r.Validate(); err != nil {
		t.Fatalf("%+v: %v", r, err)
	}
	before := fmt.Sprintf("%+v", o)
	d := r.Decide(o)
	// One more than there are is always allowed, however many those are.
	if d.Size < 0 || d.Size > 1_000_000_000 && d.Size-1 > o.Capacity.Desired {
		t.Fatalf("%T%+v recommends %d processes", r, r, d.Size)
	}
	if d.Act && d.Size == o.Capacity.Desired || d.Reason.String() == "" || d.Reason.Code == "" {
		t.Fatalf("%T%+v: %+v, %q", r, r, d, d.Reason)
	}
	if again := r.Decide(o); fmt.Sprint(again) != fmt.Sprint(d) || fmt.Sprintf("%+v", o) != before {
		t.Fatalf("%T%+v decided %+v, and then %+v", r, r, d, again)
	}
	for _, l := range loads {
		for _, i := range []int{-1, at} {
			if l.alike && i >= 0 || i >= len(o.Samples) {
				continue
			}
			higher := more(o, i, factor, l.raise)
			if e := r.Decide(higher); sizeAfter(higher, e) < sizeAfter(o, d) {
				t.Fatalf("%T%+v: with %v times the %s in sample %d (-1: all) it recommends %d instead of %d: %v; %v\n%+v",
					r, r, factor, l.name, i, sizeAfter(higher, e), sizeAfter(o, d), d.Reason, e.Reason, o)
			}
		}
	}
}

func lawsOfTargetTracking(t *testing.T, o autoscale.Observation, at int, factor float64) {
	for _, down := range []time.Duration{0, -1} {
		law(t, rule.TargetTracking{Concurrency: 2, Decay: down}, o, at, factor, arrivals, waiting)
		law(t, rule.TargetTracking{Concurrency: 2, Decay: down}, plain(o), at, min(factor, 100), work)
		law(t, rule.TargetTracking{Decay: down}, o, at, factor, use)
	}
}

// plain returns o with throughputs that can all be multiplied alike: measured
// beside each service time, and no larger than what is counted.
func plain(o autoscale.Observation) autoscale.Observation {
	o.Samples = append([]autoscale.Sample(nil), o.Samples...)
	for i := range o.Samples {
		s := &o.Samples[i]
		if s.Signals.Has(autoscale.SignalServiceTime) {
			s.Signals |= autoscale.SignalThroughput
		}
		for _, v := range []*float64{&s.Throughput, &s.Arrivals, &s.Busy} {
			if !(*v >= 0 && *v <= 1e6) {
				*v = 0
			}
		}
	}
	return o
}

func lawsOfMOfN(t *testing.T, o autoscale.Observation, at int, factor float64) {
	// A higher latency also teaches a higher baseline.
	law(t, rule.MOfN{}, o, at, factor)
	law(t, rule.MOfN{Baseline: 50 * ms, QuietN: 10, DownDelay: -1, DownDelayAfterUp: -1}, o, at, factor, slowness)
	law(t, rule.MOfN{Baseline: 50 * ms, QuietN: 3, Warmup: -1, Failures: autoscale.Ignore}, o, at, factor, slowness)
}

func lawsOfBacklog(t *testing.T, o autoscale.Observation, at int, factor float64) {
	law(t, rule.Backlog{}, o, at, factor, backlog, waiting)
	law(t, rule.Backlog{MaxAge: time.Second, Concurrency: 2, DownWindow: -1}, o, at, factor, backlog, waiting)
	law(t, rule.Backlog{Finish: true, PerProcess: 1e-300, Idle: time.Second, DownWindow: time.Second}, o, at, factor, backlog, waiting)
	// A throughput says what a process can do only where jobs waited: a first
	// one may show that it can do more. The service time does not depend on it.
	for i := range o.Samples {
		o.Samples[i].Signals &^= autoscale.SignalThroughput
	}
	law(t, rule.Backlog{Drain: time.Minute, Concurrency: 3}, o, at, factor, backlog, waiting)
}

var laws = map[string]func(*testing.T, autoscale.Observation, int, float64){
	"TargetTracking": lawsOfTargetTracking, "MOfN": lawsOfMOfN, "Backlog": lawsOfBacklog,
}

func TestLaws(t *testing.T) {
	for name, check := range laws {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			for range 500 {
				data := make([]byte, 6*r.IntN(60))
				for i := range data {
					data[i] = byte(r.Uint32())
				}
				if r.IntN(2) == 0 { // an ordinary service: all signals, plain numbers
					for i := 0; i+6 <= len(data); i += 6 {
						data[i], data[i+1], data[i+2], data[i+4] = 16+data[i]%4, 16+data[i+1]%8*8, 255, 255
					}
				}
				size := r.IntN(30)
				check(t, anything(data, size, r.IntN(size+1)), r.IntN(60), 1+3*r.Float64())
			}
		})
	}
}

func TestLawsAtTheEnds(t *testing.T) {
	many := make([]byte, 6<<10)
	for i := range many {
		many[i] = byte(i * i >> 3)
	}
	for name, check := range laws {
		check(t, autoscale.Observation{}, 0, 2)
		check(t, anything(many, math.MaxInt-1, 0), 1000, 2)
		check(t, anything(many, math.MaxInt-1, math.MaxInt), 1000, 2)
		_ = name
	}
	// A million samples, and one rule of each kind.
	o := autoscale.Observation{Now: start.Add(time.Hour), Capacity: autoscale.Capacity{Desired: 3}}
	o.Samples = make([]autoscale.Sample, 1_000_000)
	for i := range o.Samples {
		o.Samples[i] = both(overload, jobs)
		o.Samples[i].Signals |= autoscale.SignalLatency
		o.Samples[i].Time = o.Now.Add(time.Duration(i-len(o.Samples)) * ms)
	}
	for _, r := range []lawful{rule.TargetTracking{Concurrency: 2}, rule.TargetTracking{}, rule.MOfN{}, rule.Backlog{Drain: time.Minute}} {
		if d := r.Decide(o); d.Size < 0 || d.Size > 100 {
			t.Errorf("%T: of a million samples %+v", r, d)
		}
	}
}

func fuzzLaws(f *testing.F, check func(*testing.T, autoscale.Observation, int, float64)) {
	f.Add([]byte("\x14\x20\xff\xff\xff\x01\x14\x20\x80\xff\xff\x01\x15\x28\x40\xff\x20\x01"), 3, 1, uint8(1), 1.5)
	f.Add([]byte("\x08\x0a\xff\xff\xff\x01\x1d\x09\x80\xff\xff\x01\x1e\x08\x40\xff\x20\x01"), 0, 0, uint8(2), 100.0)
	f.Add([]byte{}, math.MaxInt, 0, uint8(0), 1e300)
	f.Fuzz(func(t *testing.T, data []byte, size, pending int, at uint8, factor float64) {
		if size < 0 || pending < 0 || !(factor >= 1.001) || len(data) > 6*150 {
			return
		}
		check(t, anything(data, size, pending), int(at), factor)
	})
}

func FuzzTargetTracking(f *testing.F) { fuzzLaws(f, lawsOfTargetTracking) }
func FuzzMOfN(f *testing.F)           { fuzzLaws(f, lawsOfMOfN) }
func FuzzBacklog(f *testing.F)        { fuzzLaws(f, lawsOfBacklog) }
