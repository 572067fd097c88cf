package autoscaleotel_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale"
	autoscaleotel "github.com/autoscalebot/autoscale/contrib/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func ExampleRegister() {
	a := autoscale.New(autoscale.Config{
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 2 * time.Second}, nil
		}),
		Scaler: &platform{size: 1},
		Logger: slog.New(slog.DiscardHandler),
	})

	// A service has a reader that exports, such as metric.NewPeriodicReader(exporter).
	reader := metric.NewManualReader()
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	registration, err := autoscaleotel.Register(provider, a)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer registration.Unregister()

	// Run does this every Interval.
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for range 3 {
		if _, err := a.Tick(context.Background(), now); err != nil {
			fmt.Println(err)
		}
		now = now.Add(30 * time.Second)
	}

	var collected metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &collected); err != nil {
		fmt.Println(err)
	}
	for _, m := range collected.ScopeMetrics[0].Metrics {
		switch d := m.Data.(type) {
		case metricdata.Sum[int64]:
			if m.Name == "autoscale.process.desired" || m.Name == "autoscale.scales" {
				fmt.Println(m.Name, d.DataPoints[0].Value, m.Unit)
			}
		case metricdata.Gauge[float64]:
			if m.Name == "autoscale.sample.latency" {
				fmt.Println(m.Name, d.DataPoints[0].Value, m.Unit)
			}
		}
	}
	// Output:
	// autoscale.scales 1 {order}
	// autoscale.process.desired 2 {process}
	// autoscale.sample.latency 2 s
}

// platform is a Scaler that keeps its size in memory.
type platform struct{ size int }

func (p *platform) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: p.size}, nil
}

func (p *platform) Scale(_ context.Context, size int) error {
	p.size = size
	return nil
}
