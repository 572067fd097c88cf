package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// A Front is what the [Clairvoyant] achieves at several utilizations. It shows how few
// requests can be over the objective for how many process-hours. No rule that must learn
// the load as it comes gets far beyond it.
type Front []FrontPoint

// A FrontPoint is one utilization of a [Front].
type FrontPoint struct {
	Utilization  float64 `json:"utilization"`
	BadShare     float64 `json:"bad_share"`
	ProcessHours float64 `json:"process_hours"`
}

// frontShares are the utilizations of a Front, divided by the calibrated one.
var frontShares = [...]float64{.4, .55, .7, .8, .9, 1, 1.1, 1.2}

// NewFront simulates the Clairvoyant under o at eight utilizations, from two fifths of the
// calibrated one to a fifth above it. It ignores o.Controller.
func NewFront(ctx context.Context, o Options) (Front, error) {
	o.Controller, o.Progress = Clairvoyant(0), nil
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if o.Utilization == 0 {
		var err error
		if o.Utilization, err = o.calibrate(ctx); err != nil {
			return nil, err
		}
	}
	var f Front
	for _, share := range frontShares {
		utilization := min(1, share*o.Utilization)
		o.Controller = Clairvoyant(utilization)
		r, err := Run(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("sim: the front at a utilisation of %.3g: %w", utilization, err)
		}
		f = append(f, FrontPoint{utilization, r.BadShare, r.ProcessHours})
	}
	return f, nil
}

// Distance returns the process-hours of r, divided by those of the front for as many
// requests over the objective. A distance of 1.2 means a fifth more hours than with
// foresight. Between its points the front is a straight line. If r is worse than the whole
// front, Distance compares it with the cheapest point. If r is better than the whole front,
// Distance returns false.
func (f Front) Distance(r *Report) (float64, bool) {
	points := slices.SortedFunc(slices.Values(f), func(a, b FrontPoint) int { return cmp.Compare(a.BadShare, b.BadShare) })
	if len(points) == 0 || r.BadShare < points[0].BadShare {
		return 0, false
	}
	hours := points[len(points)-1].ProcessHours // the cheapest point, for a worse report
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		if r.BadShare <= b.BadShare {
			part := 0.0
			if b.BadShare > a.BadShare {
				part = (r.BadShare - a.BadShare) / (b.BadShare - a.BadShare)
			}
			hours = a.ProcessHours + part*(b.ProcessHours-a.ProcessHours)
			break
		}
	}
	if hours == 0 {
		return 0, false
	}
	return r.ProcessHours / hours, true
}
