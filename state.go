package autoscale

import (
	"time"

	"github.com/autoscalebot/autoscale/internal/ledger"
	"github.com/autoscalebot/autoscale/limit"
)

// state is what an Autoscaler remembers from tick to tick.
type state struct {
	kept
	ordering   Decision // why the last order was given
	outcome    Explanation
	samples    sampleHistory
	conditions conditions
	recent     ring

	// The fields below belong to this process. They are not saved.

	leading  bool
	term     Term
	counters Counters
	warming  time.Time // since when the Prober of this process has been warming up. Zero: it is not
}

// kept is the part of the state that is saved as JSON in the same form. Every time in
// it is by this process's clock, unless its tag says otherwise.
type kept struct {
	Ticked   time.Time `json:"ticked"`
	Known    bool      `json:"known"` // the size was read at least once
	Capacity Capacity  `json:"capacity" clock:"platform"`
	Changed  time.Time `json:"changed,omitzero"` // when the size last changed
	Added    time.Time `json:"added,omitzero"`   // when it was last raised. Zero: not known
	Removed  time.Time `json:"removed,omitzero"` // when it was last lowered. Zero: not known
	Before   int       `json:"before,omitempty"` // the size before the increases that may still be booting
	Min      int       `json:"min"`
	Max      int       `json:"max"`

	Orders ledger.Orders `json:"orders"`
	Others ledger.Others `json:"others,omitzero"`
	Boots  ledger.Boots  `json:"boots,omitzero"`
	Limits limit.Memory  `json:"limits,omitzero"`

	Serving       serving `json:"serving,omitempty"`
	Obeyed        int64   `json:"obeyed,omitempty"` // the command that was last obeyed, by when it was given, in ns
	ProbeFailures int     `json:"probe_failures,omitempty"`
	ScaleFailures int     `json:"scale_failures,omitempty"`

	BusySince time.Time `json:"busy_since,omitzero"` // since when the platform has answered with a BusyError
	BusySeen  time.Time `json:"busy_seen,omitzero"`  // when it last answered with one
	BusyUntil time.Time `json:"busy_until,omitzero"` // until when it asked to wait
	Deploying time.Time `json:"deploying,omitzero"`  // since when a deployment has been under way

	Unfollowed time.Time `json:"unfollowed,omitzero"` // since when the size has not been the published size
}

// forget drops what was true only in an earlier term.
func (s *state) forget() {
	*s = state{
		kept:     kept{Ticked: s.Ticked, Obeyed: s.Obeyed, Min: s.Min, Max: s.Max, Capacity: Capacity{Desired: s.Capacity.Desired}},
		samples:  sampleHistory{samples: s.samples.samples[:0], window: s.samples.window, number: s.samples.number},
		counters: s.counters, recent: s.recent, leading: s.leading, term: s.term,
	}
}
