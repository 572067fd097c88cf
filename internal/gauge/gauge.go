// Package gauge maps an [autoscale.Status] to metrics: one table of their names, units and
// meanings, which contrib/prometheus and contrib/otel export.
//
// Any process of a service may be scraped, and all of them are. What only the leader
// knows comes from the leader alone, so that max and sum over the processes are right.
package gauge

import (
	"strings"

	"github.com/autoscalebot/autoscale"
)

// Type is how the values of a metric add up.
type Type uint8

// The types.
const (
	Gauge   Type = iota // a value that is not added up, as a time
	Sum                 // a value that goes up and down, and is added up over processes
	Counter             // a value that only grows, as long as the process lives
)

// Who is which processes export a metric.
type Who uint8

// Who exports a metric.
const (
	Every  Who = iota // every process
	Leader            // the process that leads. Without an Elector every process does
	Mixed             // the leader exports all labels, the other processes some
	Others            // the processes that do not lead
)

// String says who it is in words.
func (w Who) String() string {
	return [...]string{"every process", "the leader", "the leader; two conditions: every process", "the others"}[w]
}

// A Metric is one row of the table.
type Metric struct {
	Name  string // in OpenTelemetry
	Unit  string // in UCUM
	Type  Type
	Whole bool   // the values are whole numbers
	Label string // besides the name of the process type. Empty: none
	Who   Who
	Help  string // sentences, each with its full stop

	read func(s *autoscale.Status, emit func(label string, v float64))
}

// Prometheus returns the name of the metric in Prometheus. It is the one that
// OpenTelemetry's own translation makes of the name and the unit.
func (m *Metric) Prometheus() string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	switch {
	case m.Unit == "s":
		name += "_seconds"
	case m.Unit == "1" && m.Type == Gauge:
		name += "_ratio"
	case strings.HasSuffix(m.Unit, "/s"):
		name += "_per_second"
	}
	if m.Type == Counter {
		name += "_total"
	}
	return name
}

// NameLabel is the label that every metric has: Config.Name, the process type.
const NameLabel = "name"

// Read yields the values of a Status, each with its index in Metrics and its label. What
// is not known is not yielded.
func Read(s *autoscale.Status, yield func(metric int, label string, v float64)) {
	for i := range Metrics {
		m := &Metrics[i]
		switch m.Who {
		case Leader:
			if !s.Leading {
				continue
			}
		case Others:
			if s.Leading {
				continue
			}
		}
		m.read(s, func(label string, v float64) {
			if v-v == 0 { // neither a NaN nor an infinity, which a Prober may measure
				yield(i, label, v)
			}
		})
	}
}

// Label returns text as the value of a label: short, and valid UTF-8.
func Label(text string) string {
	const most = 128
	return strings.ToValidUTF8(text[:min(len(text), most)], "")
}

// Code returns a reason's code as the value of a label. A rule of the host's own that
// writes sentences or numbers into its code must not make a series for each.
func Code(code autoscale.ReasonCode) string {
	const most = 40
	if len(code) > most || code == "" {
		return "other"
	}
	for _, c := range []byte(code) {
		if (c < 'a' || c > 'z') && c != '_' {
			return "other"
		}
	}
	return string(code)
}
