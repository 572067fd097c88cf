// Package ledger remembers what was ordered, by whom, and how long it took to serve. It
// is pure, and JSON keeps its types for the next leader.
package ledger

import "time"

// lateOrder is for how long an order whose answer was lost may still take effect after
// another one was given.
const lateOrder = 10 * time.Minute

// Orders find out who ordered the size that the platform reports.
type Orders struct {
	Last    int       `json:"last"`             // even if it seemed to fail
	Unsure  bool      `json:"unsure,omitempty"` // the last one seemed to fail
	Late    int       `json:"late,omitempty"`   // one before it that seemed to fail
	LateAt  time.Time `json:"late_at,omitzero"` // when another one followed it
	Part    bool      `json:"part,omitempty"`   // of the last one, at least Reached was carried out
	Reached int       `json:"reached,omitempty"`
}

// Give records an order. unsure means that it is not known whether it took effect.
func (o *Orders) Give(now time.Time, size int, unsure bool) {
	if o.Unsure && o.Last != size {
		o.Late, o.LateAt = o.Last, now
	}
	o.Last, o.Unsure, o.Part, o.Reached = size, unsure, false, 0
}

// Partly records that the last order was carried out up to reached, and that the rest
// may still be.
func (o *Orders) Partly(reached int) { o.Unsure, o.Part, o.Reached = true, true, reached }

// Seemed reports whether size is that of an order that seemed to fail.
func (o *Orders) Seemed(now time.Time, size int) bool {
	if o.Unsure && o.Part && min(o.Reached, o.Last) <= size && size <= max(o.Reached, o.Last) {
		return true
	}
	return o.Unsure && size == o.Last || !o.LateAt.IsZero() && size == o.Late && now.Sub(o.LateAt) < lateOrder
}
