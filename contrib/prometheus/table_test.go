package autoscaleprom_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	autoscaleprom "github.com/autoscalebot/autoscale/contrib/prometheus"
	"github.com/autoscalebot/autoscale/internal/gauge"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// fixed is a Source that always says the same.
type fixed autoscale.Status

func (f fixed) Status() autoscale.Status { return autoscale.Status(f) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// leading is the Status of a leader that knows all there is.
func leading() fixed {
	f := fixed{
		Name: "web", Running: true, Leading: true, Term: autoscale.Term{Holder: "web.1", Number: 7},
		Ticked: noon, Interval: 30 * time.Second, Known: true, Capacity: autoscale.Capacity{Desired: 4, Pending: 1, PendingKnown: true},
		Changed: noon.Add(-time.Minute), Min: 2, Max: 8,
		ProbeFailures: 5, ScaleFailures: 6,
		Last: autoscale.Explanation{
			Sample: autoscale.Sample{
				Signals: autoscale.SignalLatency | autoscale.SignalQueueTime | autoscale.SignalServiceTime | autoscale.SignalThroughput |
					autoscale.SignalArrivals | autoscale.SignalBusy | autoscale.SignalUtilization | autoscale.SignalBacklog | autoscale.SignalValue,
				Latency: 250 * time.Millisecond, QueueTime: 50 * time.Millisecond, ServiceTime: 200 * time.Millisecond,
				Throughput: 30, Arrivals: 31, Busy: 6, Utilization: 0.75, Backlog: 12, Value: -3.5, Failure: autoscale.Refused,
			},
			Recommendation: autoscale.Decision{Act: true, Size: 9},
			Decision:       autoscale.Decision{Act: true, Size: 8, Reason: autoscale.Reason{Code: autoscale.ReasonTooHigh}},
			Limit:          limit.ByMax, Boot: 40 * time.Second, Spent: 0.25, NextUp: noon.Add(time.Minute), NextDown: noon.Add(time.Hour),
		},
		Conditions: []autoscale.Event{{Kind: autoscale.NeedsAboveMax}, {Kind: autoscale.Paused}},
		Counters: autoscale.Counters{
			Ticks: 11, Probes: 12, ProbeFailures: 13, Scales: 14, ScaleFailures: 15, Changes: 16,
			Notified: 17, NotifyFailures: 18, Dropped: 19, Panics: 20,
		},
	}
	return f
}

// following is the Status of a process that shows what that leader saved.
func following() fixed {
	f := leading()
	f.Leading, f.Age, f.Counters = false, 8*time.Second, autoscale.Counters{Ticks: 3}
	return f
}

func gather(t testing.TB, sources ...fixed) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(autoscaleprom.NewCollector(sources...))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]*dto.MetricFamily)
	for _, f := range families {
		out[f.GetName()] = f
	}
	return out
}

// series returns the values of all series, by name and labels.
func series(families map[string]*dto.MetricFamily) map[string]float64 {
	out := make(map[string]float64)
	for name, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			out[name+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

// The table in README.md has one row for each metric of the exposition, and no other.
func TestTheTableIsWhatIsExported(t *testing.T) {
	fresh := leading() // whose published size is known
	fresh.Name, fresh.Ticked, fresh.ProbeFailures, fresh.ScaleFailures = "fresh", time.Now(), 0, 0
	families := gather(t, leading(), fresh, func() fixed { f := following(); f.Name = "worker"; return f }())
	var want strings.Builder
	want.WriteString("| Name | Type | Unit | Labels | Exported by | Meaning |\n|---|---|---|---|---|---|\n")
	for i := range gauge.Metrics {
		m := &gauge.Metrics[i]
		f := families[m.Prometheus()]
		if f == nil {
			t.Errorf("%s is in the table, and not in the exposition", m.Prometheus())
			continue
		}
		delete(families, m.Prometheus())
		labels := make(map[string]bool)
		for _, s := range f.GetMetric() {
			for _, l := range s.GetLabel() {
				labels[l.GetName()] = true
			}
		}
		shown := "`name`"
		if delete(labels, "name"); len(labels) > 1 {
			t.Errorf("%s has the labels %v besides name", f.GetName(), labels)
		}
		for l := range labels {
			shown += ", `" + l + "`"
		}
		unit := strings.NewReplacer("{", "", "}", "", "1", "ratio").Replace(m.Unit)
		fmt.Fprintf(&want, "| `%s` | %s | %s | %s | %v | %s |\n",
			f.GetName(), strings.ToLower(f.GetType().String()), unit, shown, m.Who, f.GetHelp())
	}
	for name := range families {
		t.Errorf("%s is in the exposition, and not in the table", name)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if _, table, _ := strings.Cut(string(readme), "<!-- metrics -->\n"); !strings.HasPrefix(table, want.String()+"\n") {
		t.Errorf("the table in README.md, below <!-- metrics -->, must be\n%s", want.String())
	}
}

func TestWhatALeaderExports(t *testing.T) {
	got := series(gather(t, leading()))
	for name, want := range map[string]float64{
		"autoscale_running{name=web}":                             1,
		"autoscale_leader{name=web}":                              1,
		"autoscale_term{name=web}":                                7,
		"autoscale_stalled{name=web}":                             0,
		"autoscale_dry_run{name=web}":                             0,
		"autoscale_process_desired{name=web}":                     4,
		"autoscale_process_ready{name=web}":                       3,
		"autoscale_process_pending{name=web}":                     1,
		"autoscale_process_recommended{name=web}":                 9,
		"autoscale_process_min{name=web}":                         2,
		"autoscale_process_max{name=web}":                         8,
		"autoscale_sample_latency_seconds{name=web}":              0.25,
		"autoscale_sample_queue_time_seconds{name=web}":           0.05,
		"autoscale_sample_service_time_seconds{name=web}":         0.2,
		"autoscale_sample_throughput_per_second{name=web}":        30,
		"autoscale_sample_arrivals_per_second{name=web}":          31,
		"autoscale_sample_busy{name=web}":                         6,
		"autoscale_sample_utilization_ratio{name=web}":            0.75,
		"autoscale_sample_backlog{name=web}":                      12,
		"autoscale_sample_value{name=web}":                        -3.5,
		"autoscale_sample_failure{failure=refused,name=web}":      1,
		"autoscale_sample_failure{failure=timeout,name=web}":      0,
		"autoscale_last_tick_timestamp_seconds{name=web}":         float64(noon.Unix()),
		"autoscale_last_change_timestamp_seconds{name=web}":       float64(noon.Unix() - 60),
		"autoscale_next_increase_timestamp_seconds{name=web}":     float64(noon.Unix() + 60),
		"autoscale_next_decrease_timestamp_seconds{name=web}":     float64(noon.Unix() + 3600),
		"autoscale_boot_time_seconds{name=web}":                   40,
		"autoscale_reason{name=web,reason=too_high}":              1,
		"autoscale_limit{limit=max,name=web}":                     1,
		"autoscale_probe_consecutive_failures{name=web}":          5,
		"autoscale_scale_consecutive_failures{name=web}":          6,
		"autoscale_paused{name=web}":                              1,
		"autoscale_condition{condition=needs_above_max,name=web}": 1,
		"autoscale_condition{condition=probe_failing,name=web}":   0,
		"autoscale_ticks_total{name=web}":                         11,
		"autoscale_probes_total{name=web}":                        12,
		"autoscale_probe_failures_total{name=web}":                13,
		"autoscale_scales_total{name=web}":                        14,
		"autoscale_scale_failures_total{name=web}":                15,
		"autoscale_changes_total{name=web}":                       16,
		"autoscale_notifications_total{name=web}":                 17,
		"autoscale_notification_failures_total{name=web}":         18,
		"autoscale_notification_drops_total{name=web}":            19,
		"autoscale_panics_total{name=web}":                        20,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (exported: %t), want %v", name, v, ok, want)
		}
	}
	if v, ok := got["autoscale_state_age_seconds{name=web}"]; ok {
		t.Errorf("a leader exports autoscale_state_age_seconds, %v", v)
	}
}

// What only the leader knows is never exported twice: a sum over the processes is right.
func TestWhatAFollowerExports(t *testing.T) {
	got := series(gather(t, following()))
	want := map[string]float64{
		"autoscale_running{name=web}": 1, "autoscale_leader{name=web}": 0, "autoscale_term{name=web}": 7,
		"autoscale_recommend_only{name=web}": 0,
		"autoscale_dry_run{name=web}":        0, "autoscale_stalled{name=web}": 0, "autoscale_state_age_seconds{name=web}": 8,
		"autoscale_ticks_total{name=web}": 3, "autoscale_probes_total{name=web}": 0, "autoscale_probe_failures_total{name=web}": 0,
		"autoscale_scales_total{name=web}": 0, "autoscale_scale_failures_total{name=web}": 0, "autoscale_changes_total{name=web}": 0,
		"autoscale_notifications_total{name=web}": 0, "autoscale_notification_failures_total{name=web}": 0,
		"autoscale_notification_drops_total{name=web}": 0, "autoscale_panics_total{name=web}": 0,
		"autoscale_condition{condition=panicked,name=web}": 0, "autoscale_condition{condition=store_failing,name=web}": 0,
	}
	for name, v := range got {
		if w, ok := want[name]; !ok || v != w {
			t.Errorf("%s is %v, want %v (exported: %t)", name, v, w, ok)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d series, want %d", len(got), len(want))
	}
}

func TestWhatIsNotKnownIsAbsent(t *testing.T) {
	got := series(gather(t, fixed{Name: "web", Leading: true}))
	for name := range got {
		for _, unknown := range []string{
			"autoscale_term", "process_desired", "process_ready", "process_pending", "process_recommended", "process_published", "sample_latency", "sample_queue",
			"sample_service", "sample_throughput", "sample_arrivals", "sample_busy", "sample_utilization", "sample_backlog", "sample_value",
			"timestamp", "boot_time", "reason",
		} {
			if strings.Contains(name, unknown) {
				t.Errorf("%s is exported, and not known", name)
			}
		}
	}
}

// Each is a Status that a careless host can make.
func TestLabelsAndValuesAreBounded(t *testing.T) {
	f := leading()
	f.Name = strings.Repeat("ä", 100) + "\xff"
	f.Last.Decision.Reason = autoscale.Reason{Code: "latency 231 ms"}
	f.Last.Sample.Value = 1 / zero
	f.Last.Sample.Utilization = zero / zero
	got := series(gather(t, f))
	name := strings.Repeat("ä", 64)
	if got["autoscale_reason{name="+name+",reason=other}"] != 1 {
		t.Error("a sentence as a reason's code is not exported as other")
	}
	for _, absent := range []string{"value", "utilization_ratio"} {
		if v, ok := got["autoscale_sample_"+absent+"{name="+name+"}"]; ok {
			t.Errorf("%s is exported as %v", absent, v)
		}
	}
}

var zero float64

// Two of the same Name, and a nil one, are reported, and do not end the process.
func TestBadSources(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(autoscaleprom.NewCollector[autoscaleprom.Source](leading(), leading(), (*autoscale.Autoscaler)(nil)))
	families, err := registry.Gather()
	if err == nil || !strings.Contains(err.Error(), `source 2 of 3: two have the Name "web"`) || !strings.Contains(err.Error(), "source 3 of 3: ") {
		t.Errorf("it reports %v", err)
	}
	if len(families) < 40 {
		t.Errorf("%d metrics of the first source, want them all", len(families))
	}
}

// A Metric must sort its labels. Registries hide that one does not.
func TestLabelsAreSorted(t *testing.T) {
	ch := make(chan prometheus.Metric, 256)
	autoscaleprom.NewCollector(leading()).Collect(ch)
	close(ch)
	for m := range ch {
		var out dto.Metric
		if err := m.Write(&out); err != nil {
			t.Fatal(err)
		}
		if l := out.GetLabel(); len(l) > 1 && l[0].GetName() > l[1].GetName() {
			t.Errorf("%v has the labels %v", m.Desc(), l)
		}
	}
}
