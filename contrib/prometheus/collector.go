package autoscaleprom

import (
	"fmt"
	"slices"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/gauge"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// A Source is an [*autoscale.Autoscaler], or a fake of one in a test. Status is called once
// in each scrape, and must be safe for concurrent use.
type Source interface {
	Status() autoscale.Status
}

// A Group is an [*autoscale.Group], or a fake of one in a test. Members is called once in
// each scrape, and must be safe for concurrent use.
type Group interface {
	Members() []*autoscale.Autoscaler
}

// collector is a prometheus.Collector.
type collector struct {
	sources gauge.Sources
	descs   []*prometheus.Desc // one for each of gauge.Metrics
}

// NewCollector returns a Collector for the sources. For one Autoscaler, call
// NewCollector(a). For a Group whose members do not change, call
// NewCollector(group.Members()...). The sources must have different Names. If two have the
// same Name, or if one panics, the scrape reports that as an error and exports the other
// sources. HandlerOpts.ErrorHandling decides what promhttp does with the error.
//
// In a process, give each process type to only one Collector. The Collector is safe for
// concurrent use.
func NewCollector[S Source](sources ...S) prometheus.Collector {
	return newCollector(gauge.Of(sources...))
}

// NewGroupCollector is like [NewCollector], for the Autoscalers that are members of g at
// the time of a scrape. A member that was removed is no longer exported. A member has about
// 40 series.
func NewGroupCollector(g Group) prometheus.Collector {
	return newCollector(gauge.OfGroup(g))
}

func newCollector(sources gauge.Sources) prometheus.Collector {
	c := &collector{sources: sources}
	for i := range gauge.Metrics {
		m := &gauge.Metrics[i]
		labels := []string{gauge.NameLabel}
		if m.Label != "" {
			labels = append(labels, m.Label)
		}
		c.descs = append(c.descs, prometheus.NewDesc(m.Prometheus(), m.Help, labels, nil))
	}
	return c
}

// Describe sends the descriptions of all metrics.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect reads every source.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	// The registry collects on goroutines of its own, so a panic that escaped from here
	// would end the process.
	c.sources.Each(func(name string, s *autoscale.Status) { c.collect(ch, name, s) }, func(err error) {
		ch <- prometheus.NewInvalidMetric(c.descs[0], fmt.Errorf("autoscaleprom: %w", err))
	})
}

func (c *collector) collect(ch chan<- prometheus.Metric, name string, s *autoscale.Status) {
	only := &dto.LabelPair{Name: proto.String(gauge.NameLabel), Value: &name}
	shared := []*dto.LabelPair{only}
	values := make([]value, 0, 2*len(c.descs)) // in one allocation
	gauge.Read(s, func(i int, label string, v float64) {
		m := &gauge.Metrics[i]
		labels := shared
		if m.Label != "" {
			labels = []*dto.LabelPair{{Name: &m.Label, Value: &label}, only}
			if m.Label > gauge.NameLabel {
				labels[0], labels[1] = labels[1], labels[0]
			}
		}
		values = append(values, value{desc: c.descs[i], labels: labels, v: v, counter: m.Type == gauge.Counter})
	})
	for i := range values {
		ch <- &values[i]
	}
}

// value is a prometheus.Metric. It does what NewConstMetric's does for a third of the
// cost, because the metrics of a source share their label.
type value struct {
	desc    *prometheus.Desc
	labels  []*dto.LabelPair // sorted by name, and never appended to in place
	v       float64
	counter bool
}

// Desc returns the description.
func (v *value) Desc() *prometheus.Desc { return v.desc }

// Write writes the value.
func (v *value) Write(out *dto.Metric) error {
	out.Label = slices.Clip(v.labels)
	if v.counter {
		out.Counter = &dto.Counter{Value: &v.v}
	} else {
		out.Gauge = &dto.Gauge{Value: &v.v}
	}
	return nil
}
