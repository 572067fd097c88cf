package sim

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// A Front is what the [Clairvoyant] reaches at several utilisations: how few
// requests can be over the objective for how many process-hours. No rule that
// must learn the load as it comes gets far beyond it.
type Front []FrontPoint

// A FrontPoint is one utilisation of a [Front].
type FrontPoint struct {
	Utilization  float64 `json:"utilization"`
	BadShare     float64 `json:"bad_share"`
	ProcessHours float64 `json:"process_hours"`
}

// frontShares are the utilisations of a Front, over the calibrated one.
var frontShares = [...]float64{.4, .55, .7, .8, .9, 1, 1.1, 1.2}

// NewFront simulates the Clairvoyant under o, whose Controller does not count,
// at eight utilisations from two fifths of the calibrated one to a fifth above it.
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

// Distance returns how many times the process-hours r took that the front takes
// for as many requests over the objective, in a straight line between its
// points: 1.2 means that a fifth more was paid than with foresight. A report
// worse than the whole front is held against its cheapest point; for one that is
// better than the whole front there is no such number, and it returns false.
func (f Front) Distance(r *Report) (float64, bool) {
	points := slices.SortedFunc(slices.Values(f), func(a, b FrontPoint) int { return cmp.Compare(a.BadShare, b.BadShare) })
	if len(points) == 0 || r.BadShare < points[0].BadShare {
		return 0, false
	}
	hours := points[len(points)-1].ProcessHours // for the worse, its cheapest
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
