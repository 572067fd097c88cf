package autoscaleotel

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/gauge"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Scope is the name of the instrumentation scope of all metrics.
const Scope = "github.com/autoscalebot/autoscale/contrib/otel"

// AttributeName is the key of the attribute that every metric has: Config.Name, the
// process type.
const AttributeName = attribute.Key("autoscale.name")

// A Source is an [*autoscale.Autoscaler], or a fake of one in a test. Status is called once
// in each collection, and must be safe for concurrent use.
type Source interface {
	Status() autoscale.Status
}

// A Group is an [*autoscale.Group], or a fake of one in a test. Members is called once in
// each collection, and must be safe for concurrent use.
type Group interface {
	Members() []*autoscale.Autoscaler
}

// Register creates the instruments and registers a callback that observes the sources. For
// one Autoscaler, call Register(provider, a). For a Group whose members do not change, call
// Register(provider, group.Members()...). The sources must have different Names. If two
// have the same Name, or if one panics, each collection reports that as an error and
// observes the other sources.
//
// To stop, call Unregister on the registration. An error means that the provider refused an
// instrument, and that nothing is registered.
//
// Call Register once in a process, with all sources. It is safe for concurrent use.
func Register[S Source](provider metric.MeterProvider, sources ...S) (metric.Registration, error) {
	return register(provider, gauge.Of(sources...))
}

// RegisterGroup is like [Register], for the Autoscalers that are members of g at the time
// of a collection. A member that was removed is no longer observed.
func RegisterGroup(provider metric.MeterProvider, g Group) (metric.Registration, error) {
	return register(provider, gauge.OfGroup(g))
}

func register(provider metric.MeterProvider, sources gauge.Sources) (metric.Registration, error) {
	o := &observer{sources: sources}
	meter := provider.Meter(Scope)
	var all []metric.Observable
	var errs []error
	for i := range gauge.Metrics {
		in, err := newInstrument(meter, &gauge.Metrics[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		o.instruments = append(o.instruments, in)
		if in.whole != nil {
			all = append(all, in.whole)
		} else {
			all = append(all, in.real)
		}
	}
	if errs != nil {
		return nil, fmt.Errorf("autoscaleotel: the provider refuses %d of %d instruments: %w", len(errs), len(gauge.Metrics), errors.Join(errs...))
	}
	r, err := meter.RegisterCallback(o.observe, all...)
	if err != nil {
		return nil, fmt.Errorf("autoscaleotel: the provider refuses the callback: %w", err)
	}
	return r, nil
}

// instrument is an instrument for integers or for floats.
type instrument struct {
	whole metric.Int64Observable
	real  metric.Float64Observable
	label attribute.Key // the key of its second attribute. Empty: none
}

func newInstrument(meter metric.Meter, m *gauge.Metric) (in instrument, err error) {
	if m.Label != "" {
		in.label = attribute.Key("autoscale." + m.Label)
	}
	unit, help := metric.WithUnit(m.Unit), metric.WithDescription(m.Help)
	switch {
	case m.Type == gauge.Counter:
		in.whole, err = meter.Int64ObservableCounter(m.Name, unit, help)
	case m.Type == gauge.Sum:
		in.whole, err = meter.Int64ObservableUpDownCounter(m.Name, unit, help)
	case m.Whole:
		in.whole, err = meter.Int64ObservableGauge(m.Name, unit, help)
	default:
		in.real, err = meter.Float64ObservableGauge(m.Name, unit, help)
	}
	return in, err
}

// observer observes the sources.
type observer struct {
	sources     gauge.Sources
	instruments []instrument // one for each of gauge.Metrics
}

func (o *observer) observe(_ context.Context, to metric.Observer) error {
	var errs []error
	o.sources.Each(func(name string, s *autoscale.Status) { o.observeOne(to, name, s) }, func(err error) {
		errs = append(errs, fmt.Errorf("autoscaleotel: %w", err))
	})
	return errors.Join(errs...)
}

func (o *observer) observeOne(to metric.Observer, name string, s *autoscale.Status) {
	own := AttributeName.String(name)
	only := metric.WithAttributeSet(attribute.NewSet(own))
	gauge.Read(s, func(i int, label string, v float64) {
		in := &o.instruments[i]
		attributes := only
		if in.label != "" {
			attributes = metric.WithAttributeSet(attribute.NewSet(own, in.label.String(label)))
		}
		if in.whole != nil {
			to.ObserveInt64(in.whole, int64(v), attributes)
		} else {
			to.ObserveFloat64(in.real, v, attributes)
		}
	})
}
