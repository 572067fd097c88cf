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

// lateOrder is for how long an order whose answer was lost may still take
// effect, after another one.
const lateOrder = 10 * time.Minute

// orders tell whose a size is that the platform answers with.
type orders struct {
	Last   int       `json:"last"`             // even if it seemed to fail
	Unsure bool      `json:"unsure,omitempty"` // whether it did
	Late   int       `json:"late,omitempty"`   // one before it that seemed to fail,
	LateAt time.Time `json:"late_at,omitzero"` // and when another one followed it
}

// give notes an order.
func (o *orders) give(now time.Time, size int, unsure bool) {
	if o.Unsure && o.Last != size {
		o.Late, o.LateAt = o.Last, now
	}
	o.Last, o.Unsure = size, unsure
}

// seemed reports whether size is that of an order of ours which seemed to fail.
func (o *orders) seemed(now time.Time, size int) bool {
	return o.Unsure && size == o.Last || !o.LateAt.IsZero() && size == o.Late && now.Sub(o.LateAt) < lateOrder
}

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

func (o orders) shifted(at func(time.Time) time.Time) orders {
	o.LateAt = at(o.LateAt)
	return o
}
