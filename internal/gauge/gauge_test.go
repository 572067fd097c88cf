package gauge_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/gauge"
)

// read returns the values of a Status, by the name in Prometheus and the label.
func read(s autoscale.Status) map[string]float64 {
	out := make(map[string]float64)
	gauge.Read(&s, func(i int, label string, v float64) {
		m := &gauge.Metrics[i]
		name := m.Prometheus()
		if label != "" {
			name += "/" + label
		}
		out[name] = v
	})
	return out
}

func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	name := regexp.MustCompile(`^autoscale(\.[a-z]+(_[a-z]+)*)+$`)
	for i := range gauge.Metrics {
		m := &gauge.Metrics[i]
		if !name.MatchString(m.Name) || seen[m.Prometheus()] {
			t.Errorf("%s (%s in Prometheus) is not in the form of the others, or there twice", m.Name, m.Prometheus())
		}
		seen[m.Prometheus()] = true
		if m.Help == "" || !strings.HasSuffix(m.Help, ".") || m.Unit == "" {
			t.Errorf("%s has the unit %q and the help %q", m.Name, m.Unit, m.Help)
		}
		for _, other := range []string{"total", "count", "seconds", "ratio"} {
			if strings.HasSuffix(m.Name, other) {
				t.Errorf("%s names its unit or type, which OpenTelemetry leaves to the exporter", m.Name)
			}
		}
	}
}

func TestPrometheusNames(t *testing.T) {
	for want, m := range map[string]gauge.Metric{
		"a_b_seconds":    {Name: "a.b", Unit: "s"},
		"a_b_ratio":      {Name: "a.b", Unit: "1"},
		"a_b_total":      {Name: "a.b", Unit: "{x}", Type: gauge.Counter},
		"a_b_c":          {Name: "a.b_c", Unit: "{x}", Type: gauge.Sum},
		"a_b_per_second": {Name: "a.b", Unit: "{x}/s"},
	} {
		if got := m.Prometheus(); got != want {
			t.Errorf("%s is %s, want %s", m.Name, got, want)
		}
	}
}

// A counter that is new in Counters needs a metric.
func TestEveryCounterIsExported(t *testing.T) {
	var s autoscale.Status
	counters := reflect.ValueOf(&s.Counters).Elem()
	for i := range counters.NumField() {
		counters.Field(i).SetUint(uint64(1000 + i))
	}
	got := make(map[float64]bool)
	for _, v := range read(s) {
		got[v] = true
	}
	for i := range counters.NumField() {
		if !got[float64(1000+i)] {
			t.Errorf("Counters.%s is not exported", counters.Type().Field(i).Name)
		}
	}
}

// A signal that is new needs a metric.
func TestEverySignalIsExported(t *testing.T) {
	signals := 0
	for bit := range 16 {
		signal := autoscale.Signals(1) << bit
		if signal.String() == autoscale.Signals(0).String() {
			continue // it has no name
		}
		signals++
		s := autoscale.Status{Leading: true}
		before := len(read(s))
		s.Last.Sample.Signals = signal
		if len(read(s)) != before+1 {
			t.Errorf("%v is not exported", signal)
		}
	}
	if signals < 9 {
		t.Errorf("only %d signals are known", signals)
	}
}

// A kind of event that is new is an occurrence, or needs a place among the conditions.
func TestEveryConditionIsExported(t *testing.T) {
	const occurrences = autoscale.Probed | autoscale.ProbeFailed | autoscale.Decided | autoscale.Scaled | autoscale.ScaleFailed |
		autoscale.Changed | autoscale.LimitReached | autoscale.LeaderChanged | autoscale.NotifyFailed | autoscale.WarmingUp | autoscale.Stalled
	for kind := autoscale.EventKind(1); kind <= autoscale.AllKinds; kind <<= 1 {
		v, ok := read(autoscale.Status{Leading: true, Conditions: []autoscale.Event{{Kind: kind}}})["autoscale_condition/"+kind.String()]
		if want := !occurrences.Has(kind); ok != want || ok && v != 1 {
			t.Errorf("%v is exported: %t as %v, want %t", kind, ok, v, want)
		}
	}
}

func TestCode(t *testing.T) {
	for code, want := range map[autoscale.ReasonCode]string{
		"too_high": "too_high",
		"":         "other",
		"231ms":    "other",
		"Too High": "other",
		autoscale.ReasonCode(strings.Repeat("a", 40)): strings.Repeat("a", 40),
		autoscale.ReasonCode(strings.Repeat("a", 41)): "other",
	} {
		if got := gauge.Code(code); got != want {
			t.Errorf("%q is %q, want %q", code, got, want)
		}
	}
}

func TestLabel(t *testing.T) {
	for text, want := range map[string]string{
		"web":                          "web",
		"w\xffeb":                      "web",
		strings.Repeat("a", 127) + "ä": strings.Repeat("a", 127),
	} {
		if got := gauge.Label(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// The published size is what size.json says: absent if that is unknown, and the leader's alone.
func TestPublishedSize(t *testing.T) {
	const metric = "autoscale_process_published"
	known := autoscale.Status{Name: "web", Leading: true, Ticked: time.Now(), Known: true}
	known.Last.Decision.Size = 11
	follower, stale, failing := known, known, known
	follower.Leading = false
	stale.Ticked = time.Now().Add(-6 * time.Minute)
	failing.ScaleFailures = 1
	if v, ok := read(known)[metric]; !ok || v != 11 {
		t.Errorf("it is %v (exported: %t)", v, ok)
	}
	for name, s := range map[string]autoscale.Status{"follower": follower, "stale": stale, "failing": failing} {
		if v, ok := read(s)[metric]; ok {
			t.Errorf("%s: it is %v", name, v)
		}
	}
}
