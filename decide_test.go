package autoscale_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

const ms = time.Millisecond

// observe makes an Observation of size processes, changed at second 0, with a
// sample every second from the first on. Negative latencies stand for
// failures: see the fails map.
func observe(size int, latencies ...time.Duration) autoscale.Observation {
	o := autoscale.Observation{Capacity: autoscale.Capacity{Desired: size, Changed: start}, Min: 1, Max: 10}
	for i, d := range latencies {
		s := autoscale.Sample{Time: start.Add(time.Duration(i+1) * time.Second), Signals: autoscale.SignalLatency, Latency: d}
		if f, ok := fails[d]; ok {
			s.Failure, s.Latency = f, ms
		}
		o.Samples = append(o.Samples, s)
		o.Now = s.Time
	}
	return o
}

const (
	timeout = -1 - iota
	refused
	broken
)

var fails = map[time.Duration]autoscale.Failure{
	timeout: autoscale.Timeout, refused: autoscale.Refused, broken: autoscale.ServerError,
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

func TestConsecutive(t *testing.T) {
	never := autoscale.Consecutive{UpAfter: -1, DownAfter: -1}
	for _, tt := range []struct {
		name string
		rule autoscale.Consecutive
		o    autoscale.Observation
		want want
	}{
		{"nothing yet", autoscale.Consecutive{}, observe(2), want{reason: "nothing was measured since the size last changed"}},
		{"two high", autoscale.Consecutive{}, observe(2, slow, slow), want{false, 3, "latency 2s is above 1s, 2 times in a row (3 needed)"}},
		{"three high", autoscale.Consecutive{}, observe(2, fine, slow, slow, slow), want{true, 3, "latency 2s is above 1s, 3 times in a row (3 needed)"}},
		{"the change is between", autoscale.Consecutive{}, before(1, observe(2, slow, slow, slow)), want{false, 3, "latency 2s is above 1s, 2 times in a row (3 needed)"}},
		{"four low", autoscale.Consecutive{}, observe(2, fast, fast, fast, fast), want{false, 1, "latency 50ms is below 200ms, 4 times in a row (5 needed)"}},
		{"five low", autoscale.Consecutive{}, observe(2, fast, fast, fast, fast, fast), want{true, 1, "latency 50ms is below 200ms, 5 times in a row (5 needed)"}},
		{"never below 0", autoscale.Consecutive{DownAfter: 1, Increment: 5}, observe(2, fast), want{true, 0, "latency 50ms is below 200ms, 1 time in a row (1 needed)"}},
		{"just right", autoscale.Consecutive{}, observe(2, slow, slow, fine), want{reason: "latency 500ms is within 200ms to 1s"}},
		{"high to low", autoscale.Consecutive{DownAfter: 1}, observe(2, slow, slow, fast), want{true, 1, "latency 50ms is below 200ms, 1 time in a row (1 needed)"}},
		{"failures are high", autoscale.Consecutive{}, observe(2, timeout, refused, broken), want{true, 3, "the service answered with a server error, 3 times in a row (3 needed)"}},
		{"failures pass over", autoscale.Consecutive{Failures: autoscale.Ignore}, observe(2, slow, refused, slow, broken, slow), want{true, 3, "latency 2s is above 1s, 3 times in a row (3 needed)"}},
		{"a timeout never does", autoscale.Consecutive{Failures: autoscale.Ignore}, observe(2, timeout, timeout, timeout), want{true, 3, "no answer within 1ms, 3 times in a row (3 needed)"}},
		{"never up", never, observe(2, slow, slow, slow, slow), want{false, 3, "latency 2s is above 1s, 4 times in a row (never enough)"}},
		{"never down", never, observe(2, fast, fast, fast, fast, fast, fast), want{false, 1, "latency 50ms is below 200ms, 6 times in a row (never enough)"}},
		{"no upper limit", autoscale.Consecutive{High: -1}, observe(2, slow, slow, slow), want{reason: "latency 2s is within 200ms to no limit"}},
		{"no lower limit", autoscale.Consecutive{Low: -1}, observe(2, fast, fast, fast, fast, fast), want{reason: "latency 50ms is within no limit to 1s"}},
		{"as long as can be", autoscale.Consecutive{}, observe(2, math.MaxInt64), want{false, 3, "latency 2562047h47m is above 1s, 1 time in a row (3 needed)"}},
		{"no wrap round", autoscale.Consecutive{UpAfter: 1, Increment: 2}, observe(math.MaxInt-1, slow), want{true, math.MaxInt, "latency 2s is above 1s, 1 time in a row (1 needed)"}},
	} {
		got := tt.rule.Decide(tt.o)
		if got.Act != tt.want.act || got.Act && got.Size != tt.want.size || got.Reason.String() != tt.want.reason {
			t.Errorf("%s: got %t, %d, %q; want %+v", tt.name, got.Act, got.Size, got.Reason, tt.want)
		}
	}
	unmeasured := observe(2, slow, slow, slow)
	for i := range unmeasured.Samples {
		unmeasured.Samples[i].Signals = autoscale.SignalBacklog
	}
	if got := (autoscale.Consecutive{}).Decide(unmeasured); got.Act {
		t.Errorf("without its signal it decided %+v", got)
	}
}

func TestHighest(t *testing.T) {
	decide := func(act bool, size int) autoscale.Decider {
		return autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision {
			return autoscale.Decision{Act: act, Size: size}
		})
	}
	for _, tt := range []struct {
		name     string
		deciders []autoscale.Decider
		act      bool
		size     int
	}{
		{"none", nil, false, 0},
		{"the larger", []autoscale.Decider{decide(true, 7), decide(true, 9), decide(true, 8)}, true, 9},
		{"one that holds keeps the size", []autoscale.Decider{decide(true, 3), decide(false, 0)}, false, 5},
		{"one that holds does not keep it from growing", []autoscale.Decider{decide(false, 99), decide(true, 6)}, true, 6},
		{"all agree to remove", []autoscale.Decider{decide(true, 3), decide(true, 4)}, true, 4},
	} {
		got := autoscale.Highest(tt.deciders...).Decide(observe(5))
		if got.Act != tt.act || got.Act && got.Size != tt.size {
			t.Errorf("%s: %+v, want %t %d", tt.name, got, tt.act, tt.size)
		}
	}
	// The wrapper must show each rule the samples that it needs.
	r := newRig(t, func(c *autoscale.Config) {
		c.Decider = autoscale.Highest(autoscale.Consecutive{UpAfter: 40}, windowed{})
	})
	r.gauge.latency(slow)
	if got := r.ticks(39); got != nil {
		t.Errorf("ordered %v too soon", got)
	}
	if got := r.ticks(1); len(got) != 1 {
		t.Error("the fortieth sample in a row ordered nothing")
	}
}

type called struct{ windowed }

func (*called) Name() string { return "mine" }

func TestHighestYieldsEach(t *testing.T) {
	rule := autoscale.Highest(
		autoscale.Consecutive{}, &autoscale.Consecutive{UpAfter: 1}, windowed{}, &called{},
		autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: 9} }),
		autoscale.Highest(autoscale.Consecutive{UpAfter: 1}),
		struct{ autoscale.Decider }{windowed{}},
	)
	var names []string
	rule.(autoscale.Composite).Each(observe(5, slow), func(name string, d autoscale.Decision) {
		names = append(names, fmt.Sprint(name, " ", d.Act, " ", d.Size))
	})
	want := []string{
		"Consecutive false 6", "Consecutive true 6", "windowed false 0", "mine false 0", "DeciderFunc true 9", "Highest true 6",
		"windowed false 0",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

type windowed struct{}

func (windowed) Decide(autoscale.Observation) autoscale.Decision { return autoscale.Decision{} }
func (windowed) Window() time.Duration                           { return time.Minute }

// unwrapping is a wrapper that says what it wraps, and embeds nothing.
type unwrapping struct{ inner autoscale.Decider }

func (u unwrapping) Decide(o autoscale.Observation) autoscale.Decision { return u.inner.Decide(o) }
func (u unwrapping) Unwrap() autoscale.Decider                         { return u.inner }

// hour is a decider that looks back for an hour, and counts what it is shown.
type hour struct{ shown *int }

func (h hour) Decide(o autoscale.Observation) autoscale.Decision {
	*h.shown = len(o.Samples)
	return autoscale.Decision{}
}
func (hour) Window() time.Duration { return time.Hour }

// A wrapper around a Decider does not lose the optional methods.
func TestWrappedDecider(t *testing.T) {
	for name, wrap := range map[string]func(autoscale.Decider) autoscale.Decider{
		"an embedded Decider": func(d autoscale.Decider) autoscale.Decider { return struct{ autoscale.Decider }{d} },
		"a pointer to one":    func(d autoscale.Decider) autoscale.Decider { return &struct{ autoscale.Decider }{d} },
		"Unwrap":              func(d autoscale.Decider) autoscale.Decider { return unwrapping{d} },
		"both":                func(d autoscale.Decider) autoscale.Decider { return struct{ autoscale.Decider }{unwrapping{d}} },
		"in Highest":          func(d autoscale.Decider) autoscale.Decider { return autoscale.Highest(unwrapping{d}) },
	} {
		t.Run(name, func(t *testing.T) {
			shown := 0
			r := newRig(t, func(c *autoscale.Config) { c.Decider = wrap(hour{&shown}) })
			r.ticks(100)
			if shown != 100 {
				t.Errorf("of 100 samples within the window it was shown %d", shown)
			}

			r = newRig(t, func(c *autoscale.Config) {
				c.Decider = wrap(autoscale.Highest(autoscale.Consecutive{}, windowed{}))
			})
			r.ticks(1)
			if name != "in Highest" && len(r.a.Status().Last.Rules) != 2 {
				t.Errorf("Status shows the rules %v, not those of Highest", r.a.Status().Last.Rules)
			}

			bad := autoscale.Config{
				Prober: r.gauge, Scaler: r.platform,
				Decider: wrap(autoscale.Consecutive{Low: time.Second, High: time.Millisecond}),
			}
			if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "Consecutive.Low is 1s") {
				t.Errorf("Validate returned %v", err)
			}
		})
	}
}

type unwrapPanics struct{ windowed }

func (unwrapPanics) Unwrap() autoscale.Decider { panic("no") }

// A panic of Unwrap is a fault of the Config.
func TestUnwrapPanics(t *testing.T) {
	cfg := autoscale.Config{Prober: &gauge{}, Scaler: &platform{}, Decider: unwrapPanics{}}
	if err := cfg.Validate(); !errors.Is(err, autoscale.ErrConfig) || !strings.Contains(err.Error(), "Unwrap panicked: no") {
		t.Errorf("got %v", err)
	}
}

// FuzzDecide gives Consecutive any samples. Its recommendation is never negative, and
// after one more sample that is too high it is never lower.
func FuzzDecide(f *testing.F) {
	f.Add([]byte{200, 200, 200, 1, 2, 3}, 2, int64(200), int64(1000), 3, 5, 1, false)
	f.Add([]byte{0, 255, 254, 253, 252}, math.MaxInt, int64(-1), int64(-1), -1, -1, math.MaxInt, true)
	f.Fuzz(func(t *testing.T, data []byte, size int, low, high int64, up, down, increment int, pass bool) {
		if size < 0 {
			return
		}
		o := observe(size)
		for i, b := range data {
			s := autoscale.Sample{
				Time:    start.Add(time.Duration(int8(b)) * time.Second * time.Duration(i)),
				Signals: autoscale.SignalLatency &^ autoscale.Signals(b>>7&b), Latency: time.Duration(b) * 10 * ms,
				Failure: autoscale.Failure(b % 5), Value: math.NaN(), Throughput: math.Inf(1), Backlog: -1,
			}
			if b == 255 {
				s.Latency = math.MinInt64
			}
			o.Samples = append(o.Samples, s)
		}
		policy := autoscale.CountAsHigh
		if pass {
			policy = autoscale.Ignore
		}
		c := autoscale.Consecutive{Low: time.Duration(low) * ms, High: time.Duration(high) * ms, UpAfter: up, DownAfter: down, Increment: increment, Failures: policy}
		twice := autoscale.Highest(c, autoscale.Consecutive{UpAfter: down, DownAfter: up, Increment: increment, Failures: policy})
		for _, d := range []autoscale.Decider{c, twice} {
			got := d.Decide(o)
			if got.Size < 0 {
				t.Fatalf("%+v recommends %d processes", d, got.Size)
			}
			_ = got.Reason.String()
			if d.(autoscale.Validator).Validate() != nil {
				continue
			}
			worse := o
			worse.Samples = append(append([]autoscale.Sample(nil), o.Samples...), autoscale.Sample{
				Time: start.Add(time.Hour), Failure: autoscale.Timeout, Latency: time.Hour, Signals: autoscale.SignalLatency,
			})
			after := d.Decide(worse)
			if got.Act && got.Size > size && high >= 0 && !(after.Act && after.Size >= got.Size) {
				t.Fatalf("%+v recommends %d, and after one more timeout %+v", d, got.Size, after)
			}
		}
	})
}

// An Observation says when the size was last raised, for rules that shrink slowly.
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
