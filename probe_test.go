package autoscale_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// TestShare measures one of four processes, of which one does not serve yet, and
// a backlog that all of them share.
func TestShare(t *testing.T) {
	one := autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
		return autoscale.Sample{
			Signals:    autoscale.SignalThroughput | autoscale.SignalArrivals | autoscale.SignalBusy | autoscale.SignalUtilization,
			Throughput: 10, Arrivals: 12, Busy: 2, Utilization: 0.5, Processes: 1,
		}, nil
	})
	queue := autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
		return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: 7}, nil
	})
	for _, prober := range []autoscale.Prober{autoscale.Merge(one, queue), autoscale.Merge(queue, one)} {
		a := autoscale.New(autoscale.Config{
			Prober: prober, Scaler: &platform{size: 4, pending: 1}, Max: autoscale.Fixed(9), Logger: slog.New(slog.DiscardHandler),
			Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
				s := o.Samples[len(o.Samples)-1]
				if s.Throughput != 30 || s.Arrivals != 36 || s.Busy != 6 || s.Utilization != 0.5 || s.Backlog != 7 || s.Processes != 0 {
					t.Errorf("the rule is shown %+v", s)
				}
				return autoscale.Decision{}
			}),
		})
		if _, err := a.Tick(t.Context(), start); err != nil {
			t.Error(err)
		}
	}
}

func TestMerge(t *testing.T) {
	no := errors.New("no such table")
	sample := func(s autoscale.Sample, err error) autoscale.Prober {
		return autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { return s, err })
	}
	a := autoscale.Sample{Time: start, Signals: autoscale.SignalLatency | autoscale.SignalBacklog, Latency: fast, Backlog: 4}
	b := autoscale.Sample{Time: start.Add(1), Signals: autoscale.SignalLatency | autoscale.SignalThroughput, Latency: slow, Throughput: 9, Failure: autoscale.Timeout, Detail: "late"}
	got, err := autoscale.Merge(sample(a, nil), sample(b, nil), sample(a, no)).Probe(t.Context())
	want := autoscale.Sample{
		Time: start.Add(1), Signals: a.Signals | b.Signals, Latency: fast, Backlog: 4, Throughput: 9,
		Failure: autoscale.Timeout, Detail: "late; prober 3 of 3: no such table",
	}
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	all := autoscale.Sample{
		Signals: 511, Latency: 1, QueueTime: 2, ServiceTime: 3, Throughput: 4, Arrivals: 8, Processes: 9, Busy: 5, Utilization: 6, Backlog: 7, Value: 8,
	}
	if got, err := autoscale.Merge(sample(all, nil)).Probe(t.Context()); err != nil || got != all {
		t.Errorf("a field was lost: %+v, %v", got, err)
	}
	if _, err := autoscale.Merge(sample(a, no), sample(b, no)).Probe(t.Context()); !errors.Is(err, no) {
		t.Errorf("error %v, want both", err)
	}
	if _, err := autoscale.Merge().Probe(t.Context()); err == nil {
		t.Error("no prober measured something")
	}
}

// allSignals is the field of Sample for each signal, and how String writes the value 2 s or 2.
var allSignals = []struct {
	signal autoscale.Signals
	want   autoscale.Sample
	text   string
}{
	{autoscale.SignalLatency, autoscale.Sample{Latency: 2 * time.Second}, "latency 2s"},
	{autoscale.SignalQueueTime, autoscale.Sample{QueueTime: 2 * time.Second}, "queue time 2s"},
	{autoscale.SignalServiceTime, autoscale.Sample{ServiceTime: 2 * time.Second}, "service time 2s"},
	{autoscale.SignalThroughput, autoscale.Sample{Throughput: 2}, "throughput 2/s"},
	{autoscale.SignalArrivals, autoscale.Sample{Arrivals: 2}, "arrivals 2/s"},
	{autoscale.SignalBusy, autoscale.Sample{Busy: 2}, "busy 2"},
	{autoscale.SignalUtilization, autoscale.Sample{Utilization: 2}, "utilization 2"},
	{autoscale.SignalBacklog, autoscale.Sample{Backlog: 2}, "backlog 2"},
	{autoscale.SignalValue, autoscale.Sample{Value: 2}, "value 2"},
}

func TestSampleSet(t *testing.T) {
	for _, tt := range allSignals {
		tt.want.Time, tt.want.Signals = start, tt.signal
		s := autoscale.Sample{Time: start}
		if err := s.Set(tt.signal, 2); err != nil || s != tt.want || s.String() != tt.text {
			t.Errorf("Set(%v, 2): %v; %+v (%v), want %+v (%s)", tt.signal, err, s, s, tt.want, tt.text)
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Errorf("%v: %v", tt.signal, err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil || fields[tt.signal.String()] != 2. || len(fields) != 2 {
			t.Errorf("%v in JSON: %s (%v)", tt.signal, text, err)
		}
		var read autoscale.Sample
		if err := json.Unmarshal(text, &read); err != nil || read != s {
			t.Errorf("%v: read from JSON: %+v (%v), want %+v", tt.signal, read, err, s)
		}
	}
	var all autoscale.Sample
	for _, tt := range allSignals {
		if err := all.Set(tt.signal, 1e-9); err != nil {
			t.Errorf("%v: %v", tt.signal, err)
		}
	}
	if want := autoscale.SignalValue<<1 - 1; all.Signals != want || all.ServiceTime != 1 || all.Value != 1e-9 {
		t.Errorf("got %+v, want the signals %v and their fields", all, want)
	}
}

func TestSampleSetRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		signal autoscale.Signals
		v      float64
		want   string
	}{
		"no signal":       {0, 1, "none (0) is not one signal"},
		"two signals":     {autoscale.SignalLatency | autoscale.SignalBusy, 1, "latency|busy (33) is not one signal"},
		"unknown signal":  {autoscale.SignalValue << 1, 1, "none (512) is not one signal"},
		"NaN":             {autoscale.SignalBacklog, math.NaN(), "NaN, which is not a measurement"},
		"infinite":        {autoscale.SignalValue, math.Inf(-1), "-Inf, which is not a measurement"},
		"negative":        {autoscale.SignalBusy, -1, "-1, and no busy is negative"},
		"a negative time": {autoscale.SignalQueueTime, -0.5, "-0.5, and no queue_time is negative"},
		"nanoseconds":     {autoscale.SignalLatency, 1e10, "1e+10, and no latency is that long: it must be in seconds"},
	} {
		before := autoscale.Sample{Time: start, Signals: autoscale.SignalThroughput, Throughput: 3}
		s := before
		if err := s.Set(tt.signal, tt.v); err == nil || err.Error() != tt.want {
			t.Errorf("%s: error %v, want %q", name, err, tt.want)
		}
		if s != before {
			t.Errorf("%s: changed to %+v", name, s)
		}
	}
	var s autoscale.Sample
	if err := s.Set(autoscale.SignalValue, -1); err != nil || s.Value != -1 {
		t.Errorf("a negative value: %v, %v", s, err)
	}
}
