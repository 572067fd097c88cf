package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/guard"
)

const (
	defaultPercentile = 50.0

	// maxRequests bounds the load that a probe causes. By the binomial distribution,
	// the rank of the median of 32 requests has a standard error of 9 points. Halving
	// that takes four times as many requests.
	maxRequests = 32
)

// measure makes the requests of one probe, within its timeout.
func (p *HTTP) measure(parent context.Context, asks *request, target *url.URL) (autoscale.Sample, error) {
	ctx, cancel := context.WithTimeout(parent, asks.within())
	defer cancel()
	if p.Requests <= 1 {
		return p.request(parent, ctx, asks, target)
	}
	// The requests are made at the same time. If they were made in turn, a slow answer
	// would leave less time for those after it, and they would seem to time out.
	answers := make([]answer, p.Requests)
	guard.Together(len(answers), func(i int) {
		answers[i].sample, answers[i].err = p.request(parent, ctx, asks, target)
	})
	if errors.Is(parent.Err(), context.Canceled) {
		return autoscale.Sample{}, context.Cause(parent) // only the fast requests have ended, and they would bias the result
	}
	return summarize(answers, cmp.Or(p.Percentile, defaultPercentile))
}

// answer is what one of several requests returned.
type answer struct {
	sample autoscale.Sample
	err    error
}

// summarize makes one Sample of several.
func summarize(answers []answer, percentile float64) (autoscale.Sample, error) {
	var measured []autoscale.Sample
	var none, down error
	downs := 0
	for _, a := range answers {
		if a.err == nil {
			measured = append(measured, a.sample)
		} else if none == nil {
			none = a.err
		}
		if errors.Is(a.err, errDown) {
			downs, down = downs+1, a.err
		}
	}
	switch {
	case len(measured) == 0:
		return autoscale.Sample{}, fmt.Errorf("none of %d requests measured anything, the first because: %w", len(answers), none)
	case downs >= len(measured):
		// Otherwise, requests that wait for the same dependency would add
		// processes.
		return autoscale.Sample{}, fmt.Errorf("%d of %d requests measured something, and %d nothing because: %w", len(measured), len(answers), downs, down)
	}
	failed := func(s autoscale.Sample) int { return min(int(s.Failure), 1) }
	slices.SortStableFunc(measured, func(a, b autoscale.Sample) int {
		return cmp.Or(cmp.Compare(failed(a), failed(b)), cmp.Compare(a.Latency, b.Latency))
	})
	// Multiply first: 28 × 25 / 100 is 7, but as floats 0.28 × 25 is a little above
	// 7.
	rank := math.Ceil(percentile * float64(len(measured)) / 100)
	out := measured[int(max(rank, 1))-1]

	var failures int
	var detail string
	var queue, service mean
	out.Signals &^= autoscale.SignalQueueTime | autoscale.SignalServiceTime
	for _, s := range measured {
		if s.Time.After(out.Time) {
			out.Time = s.Time
		}
		if s.Failure != autoscale.NoFailure {
			failures++
			detail = cmp.Or(detail, s.Detail)
		}
		if s.Signals.Has(autoscale.SignalQueueTime) {
			queue.add(s.QueueTime)
		}
		if s.Signals.Has(autoscale.SignalServiceTime) {
			service.add(s.ServiceTime)
		}
		out.Signals |= s.Signals
	}
	out.QueueTime, out.ServiceTime = queue.value(), service.value()
	if failures > 0 {
		out.Detail = fmt.Sprintf("%d of %d requests failed, as by: %s", failures, len(answers), cmp.Or(out.Detail, detail))
	}
	if n := len(answers) - len(measured); n > 0 {
		out.AddDetail(fmt.Sprintf("%d of %d requests measured nothing, as: %v", n, len(answers), none))
	}
	return out, nil
}

// mean is a mean of durations, or 0 if there are none.
type mean struct {
	sum time.Duration
	n   int
}

func (m *mean) add(d time.Duration) { m.sum, m.n = m.sum+d, m.n+1 }

func (m *mean) value() time.Duration { return m.sum / time.Duration(max(m.n, 1)) }
