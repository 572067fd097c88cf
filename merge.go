package autoscale

import (
	"context"
	"errors"
	"fmt"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// Merge returns a Prober that asks all probers at the same time, and merges their answers
// into one [Sample]. If two probers measure the same signal, the first one in the
// argument list counts. So does the first failure. Time is the latest. Processes,
// Breakdown, Span, Requests and Peak come from the first prober that measured
// Throughput, Arrivals or Busy.
//
// If a prober measures nothing, the Sample lacks its signals, and Detail says why. Rules
// that need them hold. Merge fails only if no prober measured anything.
func Merge(probers ...Prober) Prober { return merged(append([]Prober(nil), probers...)) }

type merged []Prober

// Validate reports the faults of each prober, and a nil one.
func (m merged) Validate() error {
	var errs []error
	if len(m) == 0 {
		errs = append(errs, errors.New("Merge: no prober given: name at least one"))
	}
	for i, p := range m {
		errs = append(errs, validatePart(fmt.Sprintf("Merge: prober %d", i+1), p, true))
	}
	return errors.Join(errs...)
}

// Rule returns the rule that a prober names, or [Highest] of them.
func (m merged) Rule() Decider {
	var rules []Decider
	for _, p := range m {
		if c, ok := part.As[RuleChooser](p); ok {
			if rule := c.Rule(); rule != nil {
				rules = append(rules, rule)
			}
		}
	}
	switch len(rules) {
	case 0:
		return nil
	case 1:
		return rules[0]
	}
	return Highest(rules...)
}

// CloseIdleConnections closes those of each prober that is an [IdleCloser].
func (m merged) CloseIdleConnections() {
	for _, p := range m {
		if c, ok := part.As[IdleCloser](p); ok {
			c.CloseIdleConnections()
		}
	}
}

func (m merged) Probe(ctx context.Context) (Sample, error) {
	samples := make([]Sample, len(m))
	faults := make([]error, len(m))
	guard.Together(len(m), func(i int) { samples[i], faults[i] = m[i].Probe(ctx) })
	var out Sample
	var errs []error
	for i, err := range faults {
		if err != nil {
			errs = append(errs, fmt.Errorf("prober %d of %d: %w", i+1, len(m), err))
			continue
		}
		out.merge(samples[i])
	}
	if len(errs) == len(m) {
		return Sample{}, fmt.Errorf("autoscale: merge: nothing was measured: %w", errors.Join(errs...))
	}
	for _, err := range errs {
		out.AddDetail(err.Error())
	}
	return out, nil
}

// merge adds to s what from measured and s did not.
func (s *Sample) merge(from Sample) {
	fresh := from.Signals &^ s.Signals
	if s.Signals&shares == 0 && fresh&shares != 0 {
		s.Processes, s.Breakdown, s.Span = from.Processes, from.Breakdown, from.Span
		s.Requests, s.Peak = from.Requests, from.Peak
	}
	s.PoolWaiting = max(s.PoolWaiting, from.PoolWaiting)
	s.Signals |= fresh
	for i := range signalNames {
		signal := Signals(1) << i
		if !fresh.Has(signal) {
			continue
		}
		duration, number := from.field(signal)
		if to, toNumber := s.field(signal); to != nil {
			*to = *duration
		} else {
			*toNumber = *number
		}
	}
	if s.Failure == NoFailure {
		s.Failure = from.Failure
	}
	if from.Time.After(s.Time) {
		s.Time = from.Time
	}
	s.AddDetail(from.Detail)
}
