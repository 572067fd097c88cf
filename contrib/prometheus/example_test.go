package autoscaleprom_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/autoscalebot/autoscale"
	autoscaleprom "github.com/autoscalebot/autoscale/contrib/prometheus"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

func ExampleNewCollector() {
	group := autoscale.NewGroup(
		autoscale.Config{Name: "web", Prober: latency(2 * time.Second), Scaler: &platform{size: 2}, Logger: slog.New(slog.DiscardHandler)},
		autoscale.Config{Name: "worker", Prober: latency(time.Second / 2), Scaler: &platform{size: 1}, Logger: slog.New(slog.DiscardHandler)},
	)
	registry := prometheus.NewRegistry()
	registry.MustRegister(autoscaleprom.NewCollector(group.Members()...))

	// Run does this every Interval.
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for range 3 {
		for _, a := range group.Members() {
			if _, err := a.Tick(context.Background(), now); err != nil {
				fmt.Println(err)
			}
		}
		now = now.Add(30 * time.Second)
	}

	// promhttp.HandlerFor(registry, …) serves this.
	families, err := registry.Gather()
	if err != nil {
		fmt.Println(err)
	}
	for _, f := range families {
		switch f.GetName() {
		case "autoscale_leader", "autoscale_process_desired", "autoscale_sample_latency_seconds", "autoscale_scales_total":
			_, _ = expfmt.MetricFamilyToText(os.Stdout, f)
		}
	}
	// Output:
	// # HELP autoscale_leader 1 if this process acted in the last tick.
	// # TYPE autoscale_leader gauge
	// autoscale_leader{name="web"} 1
	// autoscale_leader{name="worker"} 1
	// # HELP autoscale_process_desired How many processes were ordered, by anybody. Absent until it is known.
	// # TYPE autoscale_process_desired gauge
	// autoscale_process_desired{name="web"} 3
	// autoscale_process_desired{name="worker"} 1
	// # HELP autoscale_sample_latency_seconds How long a response took, or the prober's percentile of many. Absent if the last tick did not measure it.
	// # TYPE autoscale_sample_latency_seconds gauge
	// autoscale_sample_latency_seconds{name="web"} 2
	// autoscale_sample_latency_seconds{name="worker"} 0.5
	// # HELP autoscale_scales_total Orders that the platform took.
	// # TYPE autoscale_scales_total counter
	// autoscale_scales_total{name="web"} 1
	// autoscale_scales_total{name="worker"} 0
}
