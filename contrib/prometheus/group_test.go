package autoscaleprom_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	autoscaleprom "github.com/autoscalebot/autoscale/contrib/prometheus"
	"github.com/prometheus/client_golang/prometheus"
)

func member(name string, size int) autoscale.Config {
	return autoscale.Config{Name: name, Prober: latency(time.Second / 2), Scaler: &platform{size: size}, Logger: slog.New(slog.DiscardHandler)}
}

// names returns the names of those that have a metric.
func names(t testing.TB, registry *prometheus.Registry) string {
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range families {
		if f.GetName() != "autoscale_leader" {
			continue
		}
		for _, m := range f.GetMetric() {
			out = append(out, m.GetLabel()[0].GetValue())
		}
	}
	return strings.Join(out, " ")
}

// TestMembersComeAndGo scrapes a Group between two changes.
func TestMembersComeAndGo(t *testing.T) {
	var group autoscale.Group
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(autoscaleprom.NewGroupCollector(&group))
	if got := names(t, registry); got != "" {
		t.Errorf("an empty Group exports %q", got)
	}
	for _, name := range []string{"web", "worker"} {
		if _, err := group.Add(member(name, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, registry); got != "web worker" {
		t.Errorf("exported are %q", got)
	}
	if err := group.Remove(t.Context(), "web"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, registry); got != "worker" {
		t.Errorf("exported are %q after web was removed", got)
	}
}

type panics struct{}

func (panics) Members() []*autoscale.Autoscaler { panic("no") }

func TestAGroupThatPanics(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(autoscaleprom.NewGroupCollector(panics{}))
	if _, err := registry.Gather(); err == nil || !strings.Contains(err.Error(), "list the members") {
		t.Errorf("the scrape says %v", err)
	}
}

func ExampleNewGroupCollector() {
	var group autoscale.Group
	registry := prometheus.NewRegistry()
	registry.MustRegister(autoscaleprom.NewGroupCollector(&group))

	web, err := group.Add(member("web", 2)) // at any time
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = web.Tick(context.Background(), time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)) // Group.Run does this

	families, err := registry.Gather()
	for _, f := range families {
		if f.GetName() == "autoscale_process_desired" {
			m := f.GetMetric()[0]
			fmt.Println(m.GetLabel()[0].GetValue(), m.GetGauge().GetValue(), err)
		}
	}
	// Output:
	// web 2 <nil>
}
