package autoscale

import "time"

// The rule by which an Autoscaler stands down before a rival that it does not
// know of: another autoscaler, or a person who means it.
const (
	// A change by somebody else is against us if it undoes an order of ours,
	// wholly or in part, within rivalReply of it.
	rivalReply = 15 * time.Minute
	// rivalChanges of these within rivalWindow make a rival.
	rivalChanges = 3
	rivalWindow  = time.Hour
	// It is over when nobody else has changed the size for rivalRest, or when
	// Resume is called.
	rivalRest = time.Hour
)

// rivalry is what is remembered of changes by others.
type rivalry struct {
	Ordered time.Time   `json:"ordered,omitzero"` // our last order,
	Up      bool        `json:"up,omitempty"`     // and whether it added processes
	Against []time.Time `json:"against,omitempty"`
	Last    time.Time   `json:"last,omitzero"`  // the last change by somebody else
	Since   time.Time   `json:"since,omitzero"` // when we stood down; zero: we do not
}

// ordered notes an order of ours.
func (r *rivalry) order(at time.Time, from, to int) {
	r.Ordered, r.Up = at, to > from
}

// change notes a change by somebody else.
func (r *rivalry) change(at time.Time, from, to int) {
	r.Last = at
	if r.Ordered.IsZero() || at.Sub(r.Ordered) > rivalReply || (to > from) == r.Up {
		return
	}
	r.Ordered = time.Time{} // one order is undone once
	recent := r.Against[:0]
	for _, t := range r.Against {
		if at.Sub(t) < rivalWindow {
			recent = append(recent, t)
		}
	}
	r.Against = append(recent, at)
	if len(r.Against) >= rivalChanges {
		r.Since, r.Against = at, nil
	}
}

// down reports whether we stand down at a time, and until when if nothing is
// changed before.
func (r *rivalry) down(at time.Time) (until time.Time, down bool) {
	if r.Since.IsZero() {
		return time.Time{}, false
	}
	until = r.Last.Add(rivalRest)
	if !at.Before(until) {
		r.Since = time.Time{}
		return time.Time{}, false
	}
	return until, true
}

// shifted returns r with all its times moved.
func (r rivalry) shifted(at func(time.Time) time.Time) rivalry {
	r.Ordered, r.Last, r.Since = at(r.Ordered), at(r.Last), at(r.Since)
	against := make([]time.Time, 0, len(r.Against))
	for _, t := range r.Against {
		against = append(against, at(t))
	}
	r.Against = against
	return r
}
