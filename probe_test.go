package autoscale_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"

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
