package ledger

import "time"

// The rule by which an Autoscaler yields to another autoscaler that the platform does
// not report, or to a person who insists.
const (
	// A change by somebody else is against us if it undoes an order of ours, in full
	// or in part, within reply of it.
	reply = 15 * time.Minute
	// changes of these within window make us yield.
	changes = 3
	window  = time.Hour
	// Yielding ends when nobody else has changed the size for rest.
	rest = time.Hour
)

// Others remembers changes of the size by others.
type Others struct {
	Ordered time.Time   `json:"ordered,omitzero"`  // our last order
	Up      bool        `json:"up,omitempty"`      // it added processes
	Against []time.Time `json:"against,omitempty"` // changes against us
	Last    time.Time   `json:"last,omitzero"`     // the last change by somebody else
	Since   time.Time   `json:"since,omitzero"`    // since when we yield. Zero: we do not
}

// Order records an order of ours.
func (o *Others) Order(at time.Time, from, to int) {
	o.Ordered, o.Up = at, to > from
}

// Change records a change by somebody else.
func (o *Others) Change(at time.Time, from, to int) {
	if _, yielding := o.Yielding(at); !yielding {
		o.Since = time.Time{}
	}
	o.Last = at
	if o.Ordered.IsZero() || at.Sub(o.Ordered) > reply || (to > from) == o.Up {
		return
	}
	o.Ordered = time.Time{} // one order is undone once
	recent := o.Against[:0]
	for _, t := range o.Against {
		if at.Sub(t) < window {
			recent = append(recent, t)
		}
	}
	o.Against = append(recent, at)
	if len(o.Against) >= changes {
		o.Since, o.Against = at, nil
	}
}

// Yielding reports whether we yield at a time, and until when if nobody changes the
// size before.
func (o *Others) Yielding(at time.Time) (until time.Time, yielding bool) {
	until = o.Last.Add(rest)
	if o.Since.IsZero() || !at.Before(until) {
		return time.Time{}, false
	}
	return until, true
}

// Reset ends yielding, and forgets what led to it.
func (o *Others) Reset() { *o = Others{} }
