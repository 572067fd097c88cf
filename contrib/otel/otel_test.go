package autoscaleotel_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	autoscaleotel "github.com/autoscalebot/autoscale/contrib/otel"
	"github.com/autoscalebot/autoscale/internal/gauge"
	"github.com/autoscalebot/autoscale/limit"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// fixed is a Source that always says the same.
type fixed autoscale.Status

func (f fixed) Status() autoscale.Status { return autoscale.Status(f) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// leading is the Status of a leader that knows all there is.
func leading() fixed {
	return fixed{
		Name: "web", Running: true, Leading: true, Term: autoscale.Term{Holder: "web.1", Number: 7},
		Ticked: noon, Interval: 30 * time.Second, Known: true, Capacity: autoscale.Capacity{Desired: 4, Pending: 1, PendingKnown: true},
		Changed: noon.Add(-time.Minute), Min: 2, Max: 8,
		Last: autoscale.Explanation{
			Sample: autoscale.Sample{
				Signals: autoscale.SignalLatency | autoscale.SignalQueueTime | autoscale.SignalServiceTime | autoscale.SignalThroughput |
					autoscale.SignalArrivals | autoscale.SignalBusy | autoscale.SignalUtilization | autoscale.SignalBacklog | autoscale.SignalValue,
				Latency: 250 * time.Millisecond, Utilization: 0.75,
			},
			Recommendation: autoscale.Decision{Act: true, Size: 9},
			Decision:       autoscale.Decision{Act: true, Size: 8, Reason: autoscale.Reason{Code: autoscale.ReasonTooHigh}},
			Limit:          limit.ByMax, Boot: 40 * time.Second, Spent: 0.25, NextUp: noon.Add(time.Minute), NextDown: noon.Add(time.Hour),
		},
		Conditions: []autoscale.Event{{Kind: autoscale.NeedsAboveMax}},
		Counters:   autoscale.Counters{Ticks: 11, Scales: 14},
	}
}

// following is the Status of a process that shows what that leader saved.
func following() fixed {
	f := leading()
	f.Leading, f.Age, f.Counters = false, 8*time.Second, autoscale.Counters{Ticks: 3}
	return f
}

// collect returns what the SDK collects.
func collect[S autoscaleotel.Source](t testing.TB, sources ...S) ([]metricdata.Metrics, error) {
	t.Helper()
	reader := sdk.NewManualReader()
	registration, err := autoscaleotel.Register(sdk.NewMeterProvider(sdk.WithReader(reader)), sources...)
	if err != nil {
		t.Fatal(err)
	}
	var rm metricdata.ResourceMetrics
	err = reader.Collect(context.Background(), &rm)
	if registration.Unregister() != nil || len(rm.ScopeMetrics) != 1 || rm.ScopeMetrics[0].Scope.Name != autoscaleotel.Scope {
		t.Fatalf("the scopes are %v", rm.ScopeMetrics)
	}
	return rm.ScopeMetrics[0].Metrics, err
}

// point is a value with its attributes.
type point struct {
	attributes attribute.Set
	v          float64
}

// points returns the type of a metric, and its values.
func points(t testing.TB, m metricdata.Metrics) (kind string, out []point) {
	t.Helper()
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		kind = "up-down counter"
		if d.IsMonotonic {
			kind = "counter"
		}
		for _, p := range d.DataPoints {
			out = append(out, point{p.Attributes, float64(p.Value)})
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			out = append(out, point{p.Attributes, float64(p.Value)})
		}
		kind = "gauge"
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			out = append(out, point{p.Attributes, p.Value})
		}
		kind = "gauge"
	default:
		t.Fatalf("%s is a %T", m.Name, m.Data)
	}
	return kind, out
}

// series returns all values, by name and attributes.
func series(t testing.TB, metrics []metricdata.Metrics) map[string]float64 {
	t.Helper()
	out := make(map[string]float64)
	for _, m := range metrics {
		_, all := points(t, m)
		for _, p := range all {
			out[m.Name+"{"+p.attributes.Encoded(attribute.DefaultEncoder())+"}"] = p.v
		}
	}
	return out
}

// The table in README.md has one row for each metric that the SDK collects, and no other.
func TestTheTableIsWhatIsExported(t *testing.T) {
	other := following()
	other.Name = "worker"
	fresh := leading() // whose published size is known
	fresh.Name, fresh.Ticked, fresh.ProbeFailures, fresh.ScaleFailures = "fresh", time.Now(), 0, 0
	metrics, err := collect(t, leading(), fresh, other)
	if err != nil {
		t.Fatal(err)
	}
	collected := make(map[string]metricdata.Metrics)
	for _, m := range metrics {
		collected[m.Name] = m
	}
	var want strings.Builder
	want.WriteString("| Name | Type | Unit | Attributes | Exported by | Meaning |\n|---|---|---|---|---|---|\n")
	for i := range gauge.Metrics {
		g := &gauge.Metrics[i]
		m, ok := collected[g.Name]
		if !ok {
			t.Errorf("%s is in the table, and not collected", g.Name)
			continue
		}
		delete(collected, g.Name)
		kind, all := points(t, m)
		seen := make(map[string]bool)
		for _, p := range all {
			for _, a := range p.attributes.ToSlice() {
				seen[string(a.Key)] = true
			}
		}
		shown := "`autoscale.name`"
		if delete(seen, "autoscale.name"); len(seen) > 1 {
			t.Errorf("%s has the attributes %v besides its name", m.Name, seen)
		}
		for a := range seen {
			shown += ", `" + a + "`"
		}
		fmt.Fprintf(&want, "| `%s` | %s | `%s` | %s | %v | %s |\n", m.Name, kind, m.Unit, shown, g.Who, m.Description)
	}
	for name := range collected {
		t.Errorf("%s is collected, and not in the table", name)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, table, _ := strings.Cut(string(readme), "<!-- metrics -->\n"); !strings.HasPrefix(table, want.String()) {
		t.Errorf("the table in README.md, below <!-- metrics -->, must be\n%s", want.String())
	}
}

func TestWhatALeaderExports(t *testing.T) {
	metrics, err := collect(t, leading())
	if err != nil {
		t.Fatal(err)
	}
	got := series(t, metrics)
	for name, want := range map[string]float64{
		"autoscale.leader{autoscale.name=web}":                                        1,
		"autoscale.process.desired{autoscale.name=web}":                               4,
		"autoscale.process.ready{autoscale.name=web}":                                 3,
		"autoscale.process.recommended{autoscale.name=web}":                           9,
		"autoscale.sample.latency{autoscale.name=web}":                                0.25,
		"autoscale.sample.utilization{autoscale.name=web}":                            0.75,
		"autoscale.last_tick.timestamp{autoscale.name=web}":                           float64(noon.Unix()),
		"autoscale.ticks{autoscale.name=web}":                                         11,
		"autoscale.scales{autoscale.name=web}":                                        14,
		"autoscale.condition{autoscale.condition=needs_above_max,autoscale.name=web}": 1,
		"autoscale.condition{autoscale.condition=probe_failing,autoscale.name=web}":   0,
		"autoscale.reason{autoscale.name=web,autoscale.reason=too_high}":              1,
		"autoscale.limit{autoscale.limit=max,autoscale.name=web}":                     1,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (exported: %t), want %v", name, v, ok, want)
		}
	}
}

// What only the leader knows is not observed by others: a sum over the processes is right.
func TestWhatAFollowerExports(t *testing.T) {
	metrics, err := collect(t, following())
	if err != nil {
		t.Fatal(err)
	}
	got := series(t, metrics)
	for _, absent := range []string{"process.desired", "process.max", "sample.latency", "last_tick.timestamp", "paused"} {
		if v, ok := got["autoscale."+absent+"{autoscale.name=web}"]; ok {
			t.Errorf("%s is exported as %v", absent, v)
		}
	}
	for name, want := range map[string]float64{"leader": 0, "ticks": 3, "state.age": 8} {
		if v, ok := got["autoscale."+name+"{autoscale.name=web}"]; !ok || v != want {
			t.Errorf("%s is %v (exported: %t), want %v", name, v, ok, want)
		}
	}
	if len(got) != 19 {
		t.Errorf("%d series, want 19: %v", len(got), got)
	}
}

// Two of the same Name, and a nil one, are reported, and do not end the process.
func TestBadSources(t *testing.T) {
	metrics, err := collect[autoscaleotel.Source](t, leading(), leading(), (*autoscale.Autoscaler)(nil))
	if err == nil || !strings.Contains(err.Error(), `source 2 of 3: two have the Name "web"`) || !strings.Contains(err.Error(), "source 3 of 3: ") {
		t.Errorf("it reports %v", err)
	}
	if got := series(t, metrics); got["autoscale.process.desired{autoscale.name=web}"] != 4 {
		t.Errorf("the first source is not exported: %v", got)
	}
}

// refuses is a MeterProvider that knows no gauges of floating-point numbers.
type refuses struct{ noop.MeterProvider }

func (refuses) Meter(string, ...metric.MeterOption) metric.Meter { return meter{} }

type meter struct{ noop.Meter }

func (meter) Float64ObservableGauge(name string, _ ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	return nil, fmt.Errorf("%s: not here", name)
}

func TestAProviderThatRefuses(t *testing.T) {
	r, err := autoscaleotel.Register(refuses{}, leading())
	if r != nil || err == nil || !strings.Contains(err.Error(), "autoscale.sample.latency: not here") || !strings.Contains(err.Error(), fmt.Sprintf("of %d instruments", len(gauge.Metrics))) {
		t.Errorf("%v, %v", r, err)
	}
}

func TestUnregister(t *testing.T) {
	reader := sdk.NewManualReader()
	r, err := autoscaleotel.Register(sdk.NewMeterProvider(sdk.WithReader(reader)), leading())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Unregister(); err != nil {
		t.Fatal(err)
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil || len(rm.ScopeMetrics) > 0 {
		t.Errorf("after Unregister it collects %v, %v", rm.ScopeMetrics, err)
	}
}

func BenchmarkCollect(b *testing.B) {
	reader := sdk.NewManualReader()
	if _, err := autoscaleotel.Register(sdk.NewMeterProvider(sdk.WithReader(reader)), leading()); err != nil {
		b.Fatal(err)
	}
	var rm metricdata.ResourceMetrics
	b.ReportAllocs()
	for b.Loop() {
		if err := reader.Collect(context.Background(), &rm); err != nil {
			b.Fatal(err)
		}
	}
}
