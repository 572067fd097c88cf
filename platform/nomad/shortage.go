package nomad

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

const (
	// quotaPatience is how long no allocation must have been placed for a quota to count as
	// a limit. For a moment, a quota may be full of allocations that are being stopped.
	quotaPatience = time.Minute

	// nodePatience is the same for nodes without room. An autoscaler of the nodes takes
	// some minutes to add one, and does so only if allocations are missing.
	nodePatience = 10 * time.Minute

	// evaluationsAge is the time after which the evaluations are read again.
	evaluationsAge = time.Minute

	// shortageTrust is how long a limit counts after it was last seen.
	shortageTrust = 5 * time.Minute
)

// A shortage is what is known about allocations that are not placed.
type shortage struct {
	placed int       // how many were placed when since began
	since  time.Time // since when no allocation has been placed while some were missing. Zero: none is missing
	asked  time.Time // when the evaluations were last read

	limit int
	until time.Time // until when limit counts. Zero: there is none
	why   string
}

// look finds out whether allocations are placed, and if not, why.
func (s *Scaler) look(ctx context.Context, r *reading) {
	now := time.Now()
	desired, placed := *r.Desired, *r.Placed
	s.mu.Lock()
	st := &s.shortage
	switch {
	case placed >= desired:
		*st = shortage{}
	case st.since.IsZero() || placed > st.placed:
		*st = shortage{placed: placed, since: now}
	}
	stuck := time.Duration(0)
	if !st.since.IsZero() {
		stuck = now.Sub(st.since)
	}
	due := stuck >= quotaPatience && now.Sub(st.asked) >= evaluationsAge
	if due {
		st.asked = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	b := s.blocked(ctx)
	if b == nil || b.QuotaLimitReached == "" && stuck < nodePatience {
		return
	}
	why := fmt.Sprintf("%d of %d allocations cannot be placed: %s", desired-placed, desired, s.why(b))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shortage.limit, s.shortage.until, s.shortage.why = max(placed, 1), now.Add(shortageTrust), why
}

// short returns the LimitError of an order for which there is no room.
func (s *Scaler) short(size, desired int, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.shortage
	if size <= max(desired, st.limit) || !now.Before(st.until) {
		return nil
	}
	return &autoscale.LimitError{Size: size, Limit: st.limit, RetryAfter: st.until.Sub(now), Err: fmt.Errorf("nomad: %s: %s", s.subject(), st.why)}
}

// An evaluation is an attempt by Nomad to place allocations.
type evaluation struct {
	Status            string
	QuotaLimitReached string
	FailedTGAllocs    map[string]*struct {
		NodesEvaluated     int
		NodesFiltered      int
		NodesExhausted     int
		DimensionExhausted map[string]int
	}
}

// blocked returns the evaluation that waits for room for allocations of the group. It
// returns nil if there is none, or if it cannot be read.
func (s *Scaler) blocked(ctx context.Context) *evaluation {
	call := s.call("read the evaluations", "/evaluations", calls.Urgent)
	call.Once = true
	var list []evaluation
	if err := s.client.calls.Do(ctx, call, &list); err != nil {
		return nil
	}
	for i, e := range list {
		if e.Status == "blocked" && e.FailedTGAllocs[s.group.Name] != nil {
			return &list[i]
		}
	}
	return nil
}

// why says what an evaluation waits for.
func (s *Scaler) why(e *evaluation) string {
	if e.QuotaLimitReached != "" {
		return "the quota " + calls.Quoted(s.client.hide(e.QuotaLimitReached)) + " is reached: raise it, or lower Max"
	}
	m := e.FailedTGAllocs[s.group.Name]
	if m.NodesEvaluated == 0 {
		return "no node is eligible: check the job's datacenters, node pool and constraints"
	}
	var full []string
	for _, dimension := range slices.Sorted(maps.Keys(m.DimensionExhausted)) {
		full = append(full, fmt.Sprintf("%s on %d", dimension, m.DimensionExhausted[dimension]))
	}
	text := fmt.Sprintf("%d nodes evaluated, %d excluded by constraints, %d without room", m.NodesEvaluated, m.NodesFiltered, m.NodesExhausted)
	if len(full) > 0 {
		text += " (" + strings.Join(full, ", ") + ")"
	}
	return outbound.Text(s.client.hide(text)) + ": add nodes, or lower Max or what the tasks reserve"
}
