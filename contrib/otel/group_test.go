package autoscaleotel_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale"
	autoscaleotel "github.com/autoscalebot/autoscale/contrib/otel"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func member(name string) autoscale.Config {
	return autoscale.Config{
		Name: name, Scaler: &platform{size: 1}, Logger: slog.New(slog.DiscardHandler),
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Signals: autoscale.SignalBacklog}, nil
		}),
	}
}

// names returns the names of those that are observed.
func names(reader metric.Reader) (string, error) {
	var collected metricdata.ResourceMetrics
	err := reader.Collect(context.Background(), &collected)
	var out []string
	for _, scope := range collected.ScopeMetrics {
		for _, m := range scope.Metrics {
			if d, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "autoscale.scales" {
				for _, p := range d.DataPoints {
					v, _ := p.Attributes.Value(autoscaleotel.AttributeName)
					out = append(out, v.AsString())
				}
			}
		}
	}
	slices.Sort(out)
	return strings.Join(out, " "), err
}

// TestMembersComeAndGo collects a Group between two changes.
func TestMembersComeAndGo(t *testing.T) {
	var group autoscale.Group
	reader := metric.NewManualReader()
	if _, err := autoscaleotel.RegisterGroup(metric.NewMeterProvider(metric.WithReader(reader)), &group); err != nil {
		t.Fatal(err)
	}
	observed := func(want string) {
		t.Helper()
		if got, err := names(reader); got != want || err != nil {
			t.Errorf("observed are %q, want %q, %v", got, want, err)
		}
	}
	observed("")
	for _, name := range []string{"web", "worker"} {
		if _, err := group.Add(member(name)); err != nil {
			t.Fatal(err)
		}
	}
	observed("web worker")
	if err := group.Remove(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	observed("worker")
}

type panics struct{}

func (panics) Members() []*autoscale.Autoscaler { panic("no") }

func TestAGroupThatPanics(t *testing.T) {
	reader := metric.NewManualReader()
	if _, err := autoscaleotel.RegisterGroup(metric.NewMeterProvider(metric.WithReader(reader)), panics{}); err != nil {
		t.Fatal(err)
	}
	if _, err := names(reader); err == nil || !strings.Contains(err.Error(), "list the members") {
		t.Errorf("the collection says %v", err)
	}
}

func ExampleRegisterGroup() {
	var group autoscale.Group
	reader := metric.NewManualReader()
	registration, err := autoscaleotel.RegisterGroup(metric.NewMeterProvider(metric.WithReader(reader)), &group)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer registration.Unregister()

	_, err = group.Add(member("web")) // at any time
	fmt.Println(err)
	fmt.Println(names(reader))
	// Output:
	// <nil>
	// web <nil>
}
