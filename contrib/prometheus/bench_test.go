package autoscaleprom_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	autoscaleprom "github.com/autoscalebot/autoscale/contrib/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// ticked returns an Autoscaler with a full history, and a follower of it.
func ticked(tb testing.TB) (leader, follower *autoscale.Autoscaler) {
	tb.Helper()
	l := &lease{}
	var out [2]*autoscale.Autoscaler
	for i := range out {
		out[i] = autoscale.New(autoscale.Config{
			Name: "web", Prober: latency(2 * time.Second), Scaler: &platform{size: 1}, Elector: l.elector(i), Store: l,
			Max: autoscale.Fixed(50), Logger: slog.New(slog.DiscardHandler),
		})
	}
	now := time.Now().Add(-200 * 30 * time.Second)
	for range 200 {
		_, _ = out[0].Tick(context.Background(), now)
		if _, err := out[1].Tick(context.Background(), now); !errors.Is(err, autoscale.ErrNotLeader) {
			tb.Fatal(err)
		}
		now = now.Add(30 * time.Second)
	}
	return out[0], out[1]
}

// A scrape is what a request of Prometheus costs, without HTTP.
func scrape(b *testing.B, a *autoscale.Autoscaler) {
	b.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(autoscaleprom.NewCollector(a))
	b.ReportAllocs()
	for b.Loop() {
		families, err := registry.Gather()
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToText(io.Discard, f); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkScrapeLeader(b *testing.B) {
	a, _ := ticked(b)
	scrape(b, a)
}

func BenchmarkScrapeFollower(b *testing.B) {
	_, a := ticked(b)
	scrape(b, a)
}

// BenchmarkCollect leaves out what the registry does.
func BenchmarkCollect(b *testing.B) {
	a, _ := ticked(b)
	c := autoscaleprom.NewCollector(a)
	ch := make(chan prometheus.Metric, 256)
	b.ReportAllocs()
	for b.Loop() {
		c.Collect(ch)
		for len(ch) > 0 {
			<-ch
		}
	}
}

func BenchmarkStatusLeader(b *testing.B) {
	a, _ := ticked(b)
	for b.Loop() {
		a.Status()
	}
}

func BenchmarkStatusFollower(b *testing.B) {
	_, a := ticked(b)
	for b.Loop() {
		a.Status()
	}
}

// A scrape makes garbage for each series, and must not make much. Times depend on the
// machine: see the benchmarks.
func TestCollectAllocatesLittle(t *testing.T) {
	a, _ := ticked(t)
	c := autoscaleprom.NewCollector(a)
	ch := make(chan prometheus.Metric, 256)
	series := 0
	collect := func() {
		c.Collect(ch)
		series = len(ch)
		for range series {
			<-ch
		}
	}
	status := testing.AllocsPerRun(10, func() { a.Status() })
	if n := testing.AllocsPerRun(10, collect) - status; n > 4*float64(series) {
		t.Errorf("%v allocations besides the %v of Status for %d series, want at most 4 each", n, status, series)
	} else {
		t.Logf("%v allocations besides the %v of Status for %d series", n, status, series)
	}
}
