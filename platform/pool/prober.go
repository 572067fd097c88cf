package pool

import (
	"context"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

// Prober returns a Prober for all processes of a [Pool]. It uses the requests that t
// counts in front of the Pool, so the server must serve t.Handler(p). Its rule is target
// tracking with the Concurrency of t, which is that of one process.
func Prober(t *traffic.Traffic) autoscale.Prober { return &whole{t} }

type whole struct{ t *traffic.Traffic }

// Probe measures what t does, for the whole service.
func (w *whole) Probe(ctx context.Context) (autoscale.Sample, error) {
	s, err := w.t.Probe(ctx)
	s.Processes, s.Breakdown, s.Peak = 0, nil, 0
	return s, err
}

// Rule returns the rule of t.
func (w *whole) Rule() autoscale.Decider {
	return w.t.Rule()
}

// Validate reports what is wrong with t.
func (w *whole) Validate() error { return w.t.Validate() }
