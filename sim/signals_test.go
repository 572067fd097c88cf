package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/sim"
	"github.com/autoscalebot/autoscale/traffic"
)

// TestMetricsMissing: nothing is shown while nothing can be measured, under either
// view, and the simulation goes on.
func TestMetricsMissing(t *testing.T) {
	gap := []sim.Outage{{10 * time.Minute, 20 * time.Minute}}
	for _, signals := range []sim.Signals{
		{Outages: gap}, {Traffic: true, Outages: gap}, {View: sim.DeployedView, Outages: gap}, {View: sim.DeployedView, Heartbeat: true, Outages: gap},
	} {
		c, seen := watched(5*time.Second, signals, nil, always(4))
		run(t, sim.Options{Load: steady(t, 40, 30*time.Minute), Controller: c, Initial: 4, Utilization: .6})
		before, after := 0, 0
		for _, s := range *seen {
			switch {
			case s.at < 10*time.Minute:
				before++
			case s.at < 20*time.Minute-time.Second:
				t.Errorf("%+v: a sample at %v", signals, s.at)
			default:
				after++
			}
		}
		if before < 115 || after < 115 {
			t.Errorf("%+v: %d samples before and %d after", signals, before, after)
		}
	}
}

// TestViews: the view is what signals say, or else what the Prober is, and the
// report names it.
func TestViews(t *testing.T) {
	own := traffic.New(&traffic.Options{Window: 30 * time.Second, Percentile: 50})
	shared := &traffic.Shared{Traffic: own, Interval: 20 * time.Second}
	for _, tt := range []struct {
		name    string
		prober  autoscale.Prober
		signals sim.Signals
		span    time.Duration
	}{
		{"heartbeat", nil, sim.Signals{}, 0},
		{"heartbeat", &probe.HTTP{}, sim.Signals{}, 0},
		{"heartbeat", (*traffic.Traffic)(nil), sim.Signals{}, 0},
		{"ideal", nil, sim.Signals{Traffic: true}, 0},
		{"ideal", own, sim.Signals{Traffic: true, View: sim.IdealView}, 0},
		{"deployed: one process", nil, sim.Signals{View: sim.DeployedView}, 15 * time.Second},
		{"deployed: one process", own, sim.Signals{}, 30 * time.Second},
		{"deployed: one process", own, sim.Signals{Window: 10 * time.Second}, 10 * time.Second},
		{"deployed: metrics board every 20s", shared, sim.Signals{}, 30 * time.Second},
		{"deployed: metrics board every 10s", own, sim.Signals{MetricsBoard: &sim.MetricsBoard{}}, 30 * time.Second},
		{"deployed: metrics board every 5s", shared, sim.Signals{MetricsBoard: &sim.MetricsBoard{Interval: 5 * time.Second}}, 30 * time.Second},
	} {
		c, seen := watched(10*time.Second, tt.signals, tt.prober, always(3))
		r := run(t, sim.Options{Load: steady(t, 30, 10*time.Minute), Controller: c, Initial: 3, Utilization: .6, Service: inFront(sim.Service{})})
		last := (*seen)[len(*seen)-1].sample
		if r.View != tt.name || last.Span != tt.span {
			t.Errorf("%T, %+v: the view is %q and the span %v, want %q and %v", tt.prober, tt.signals, r.View, last.Span, tt.name, tt.span)
		}
		if tt.prober == own && tt.signals.View != sim.IdealView && (last.Latency < 55*time.Millisecond || last.Latency > 90*time.Millisecond) {
			t.Errorf("the latency is %v, want the median", last.Latency)
		}
		var page strings.Builder
		if err := sim.HTML(&page, r); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{sim.Markdown(r), page.String()} {
			if !strings.Contains(text, tt.name) {
				t.Errorf("nothing is said of %q:\n%s", tt.name, text)
			}
		}
	}
}
