package autoscale

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// memory is what a leader saves with its lease, so that the next one neither
// flaps, nor forgets a cooldown, nor tells the same thing again. It is never
// longer than MaxState, and most often a few KiB.
type memory struct {
	Version int       `json:"version"`
	Saved   time.Time `json:"saved"` // by the clock of who saved it

	Ticked   time.Time `json:"ticked"`
	Known    bool      `json:"known"`
	Capacity Capacity  `json:"capacity"`
	Changed  time.Time `json:"changed,omitzero"`
	Added    time.Time `json:"added,omitzero"`
	Removed  time.Time `json:"removed,omitzero"`
	Orders   orders    `json:"orders"`
	Ordering Decision  `json:"ordering,omitzero"`
	Obeyed   time.Time `json:"obeyed,omitzero"`
	Ceiling  int       `json:"ceiling,omitempty"`
	Until    time.Time `json:"ceiling_until,omitzero"`
	Moves    []move    `json:"moves,omitempty"`
	Min      int       `json:"min"`
	Max      int       `json:"max"`

	ProbeFailures int `json:"probe_failures,omitempty"`
	ScaleFailures int `json:"scale_failures,omitempty"`

	Rivalry rivalry `json:"rivalry,omitzero"`

	Wishes   wishes     `json:"wishes,omitempty"`
	Past     storedPast `json:"past,omitzero"`
	Futility futility   `json:"futility,omitzero"`
	Spending spending   `json:"spending,omitzero"`
	Boots    boots      `json:"boots,omitzero"`
	Serving  serving    `json:"serving,omitempty"`

	Outcome    storedOutcome     `json:"outcome"`
	Samples    []Sample          `json:"samples,omitempty"`
	Events     []storedEvent     `json:"events,omitempty"`
	Conditions []storedCondition `json:"conditions,omitempty"`
}

const memoryVersion = 1

// The bounds of what is saved, beside those of the lists that are bounded by
// themselves.
const (
	savedSamples = 120
	savedText    = 200 // bytes of an error or a detail
)

// The types below are those without "stored" in their names, as JSON keeps
// them: an error becomes its text, and a sample is left out of an event.

type storedOutcome struct {
	Sample   Sample        `json:"sample,omitzero"`
	From     int           `json:"from"`
	Boot     time.Duration `json:"boot,omitempty"`
	Rules    []storedWish  `json:"rules,omitempty"`
	Wish     Decision      `json:"wish"`
	Bends    []storedBend  `json:"bends,omitempty"`
	Decision Decision      `json:"decision"`
	Limit    Limit         `json:"limit,omitempty"`
	Until    time.Time     `json:"until,omitzero"`
	NextUp   time.Time     `json:"next_up,omitzero"`
	NextDown time.Time     `json:"next_down,omitzero"`
	Err      string        `json:"error,omitempty"`
}

type storedWish struct {
	Rule string   `json:"rule"`
	Wish Decision `json:"wish"`
}

type storedBend Bend

type storedEvent struct {
	Kind     EventKind `json:"kind"`
	Phase    Phase     `json:"phase,omitempty"`
	Time     time.Time `json:"time"`
	From     int       `json:"from"`
	To       int       `json:"to"`
	Min      int       `json:"min"`
	Max      int       `json:"max"`
	Decision Decision  `json:"decision,omitzero"`
	Limit    Limit     `json:"limit,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Since    time.Time `json:"since,omitzero"`
	Count    int       `json:"count,omitempty"`
	Err      string    `json:"error,omitempty"`
	Detail   string    `json:"detail,omitempty"`
	DryRun   bool      `json:"dry_run,omitempty"`
}

type storedCondition struct {
	Part  string      `json:"part,omitempty"`
	Since time.Time   `json:"since"`
	Seen  time.Time   `json:"seen"`
	Told  time.Time   `json:"told"`
	Event storedEvent `json:"event"`
}

// encode returns the state as a leader saves it.
func (s *state) encode(now time.Time) ([]byte, error) {
	// Times are saved as now less their age by the monotonic clock: those from
	// before a step of the wall clock would else be wrong by it.
	at := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return now.Add(t.Sub(now))
	}
	m := memory{
		Version: memoryVersion, Saved: now,
		Ticked: at(s.ticked), Known: s.known, Capacity: s.capacity, Changed: at(s.changed), Added: at(s.added), Removed: at(s.removed),
		Orders: s.orders.shifted(at), Ordering: s.ordering.stored(), Obeyed: s.obeyed, Ceiling: s.ceiling.size, Until: at(s.ceiling.until),
		Min: s.min, Max: s.max, Rivalry: s.rivalry.shifted(at),
		ProbeFailures: s.probeFailures, ScaleFailures: s.scaleFailures,
		Past: s.past.stored(), Futility: s.futility.shifted(at), Spending: s.spending.shifted(at), Boots: s.boots.shifted(at),
		Serving: s.serving.shifted(at),
		Wishes:  s.wishes.shifted(at),
		Outcome: s.outcome.stored(at),
	}
	for _, v := range s.moves {
		m.Moves = append(m.Moves, move{at(v.At), v.From, v.To})
	}
	samples := s.samples.samples
	for _, sample := range samples[max(0, len(samples)-savedSamples):] {
		sample.Time, sample.Detail = at(sample.Time), cut(sample.Detail)
		m.Samples = append(m.Samples, sample)
	}
	for _, e := range s.recent.all() {
		m.Events = append(m.Events, e.stored(at))
	}
	for _, c := range s.conditions {
		if len(m.Conditions) < maxEvents {
			m.Conditions = append(m.Conditions, storedCondition{cut(c.part), at(c.since), at(c.seen), at(c.told), c.event.stored(at)})
		}
	}
	for {
		data, err := json.Marshal(m)
		if err != nil || len(data) <= MaxState {
			return data, err
		}
		// The oldest samples and events go: texts of many rare characters can
		// make a state long, and what is left must still be saved.
		if len(m.Samples)+len(m.Events) == 0 {
			return nil, fmt.Errorf("autoscale: the state has %d bytes without samples and events, more than the %d that are kept", len(data), MaxState)
		}
		m.Samples = m.Samples[(len(m.Samples)+1)/2:]
		m.Events = m.Events[(len(m.Events)+1)/2:]
	}
}

// decode reads what encode wrote, in a state of its own. Its times are those of
// the clock of who saved it, which may be wrong.
func decode(r Record, name string) (*state, error) {
	if r.State == nil {
		return nil, errors.New("autoscale: nothing is stored yet")
	}
	var m memory
	if err := json.Unmarshal(r.State, &m); err != nil {
		return nil, fmt.Errorf("autoscale: the stored state of %s cannot be read: %w", name, err)
	}
	if m.Version != memoryVersion {
		return nil, fmt.Errorf("autoscale: the stored state of %s is of version %d, and this one reads %d", name, m.Version, memoryVersion)
	}
	// The store's clock says how long ago it was saved; from that each time
	// follows in our own clock, whatever the clock of its writer showed.
	saved := r.Read.Add(-r.Age)
	at := func(t time.Time) time.Time {
		if t.IsZero() {
			return t
		}
		return saved.Add(t.Sub(m.Saved))
	}
	s := &state{
		ticked: at(m.Ticked), known: m.Known, capacity: m.Capacity,
		changed: at(m.Changed), added: at(m.Added), removed: at(m.Removed),
		orders: m.Orders.shifted(at), ordering: m.Ordering, obeyed: m.Obeyed, ceiling: ceiling{m.Ceiling, at(m.Until)},
		min: m.Min, max: m.Max, rivalry: m.Rivalry.shifted(at),
		probeFailures: m.ProbeFailures, scaleFailures: m.ScaleFailures,
		wishes: m.Wishes[max(0, len(m.Wishes)-maxSlots):].shifted(at), past: m.Past.past(),
		futility: m.Futility.shifted(at), spending: m.Spending.shifted(at), boots: m.Boots.shifted(at),
		serving: m.Serving.shifted(at),
		outcome: m.Outcome.explanation(at),
	}
	for _, v := range m.Moves[max(0, len(m.Moves)-maxMoves):] {
		s.moves = append(s.moves, move{at(v.At), v.From, v.To})
	}
	for _, sample := range m.Samples[max(0, len(m.Samples)-savedSamples):] {
		sample.Time = at(sample.Time)
		s.samples.samples = append(s.samples.samples, sample)
	}
	for _, e := range m.Events {
		s.recent.add(e.event(name, at))
	}
	for _, c := range m.Conditions[:min(len(m.Conditions), maxEvents)] {
		s.conditions = append(s.conditions, condition{
			kind: c.Event.Kind, part: c.Part, since: at(c.Since), seen: at(c.Seen), told: at(c.Told), event: c.Event.event(name, at),
		})
	}
	return s, nil
}

func (e Explanation) stored(at func(time.Time) time.Time) storedOutcome {
	out := storedOutcome{
		Sample: e.Sample, From: e.From, Boot: e.Boot, Wish: e.Wish.stored(), Decision: e.Decision.stored(),
		Limit: e.Limit, Until: at(e.Until), NextUp: at(e.NextUp), NextDown: at(e.NextDown), Err: cut(message(e.Err)),
	}
	out.Sample.Time, out.Sample.Detail = at(e.Sample.Time), cut(e.Sample.Detail)
	for _, w := range e.Rules {
		out.Rules = append(out.Rules, storedWish{cut(w.Rule), w.Decision.stored()})
	}
	for _, b := range e.Bends {
		out.Bends = append(out.Bends, storedBend{b.Limit, b.From, b.To, at(b.Until)})
	}
	return out
}

func (e storedOutcome) explanation(at func(time.Time) time.Time) Explanation {
	out := Explanation{
		Sample: e.Sample, From: e.From, Boot: e.Boot, Wish: e.Wish, Decision: e.Decision,
		Limit: e.Limit, Until: at(e.Until), NextUp: at(e.NextUp), NextDown: at(e.NextDown), Err: textError(e.Err),
	}
	out.Sample.Time = at(e.Sample.Time)
	for _, w := range e.Rules[:min(len(e.Rules), maxRules)] {
		out.Rules = append(out.Rules, Wish{w.Rule, w.Wish})
	}
	for _, b := range e.Bends[:min(len(e.Bends), maxRules)] {
		out.Bends = append(out.Bends, Bend{b.Limit, b.From, b.To, at(b.Until)})
	}
	return out
}

func (e Event) stored(at func(time.Time) time.Time) storedEvent {
	return storedEvent{
		e.Kind, e.Phase, at(e.Time), e.From, e.To, e.Min, e.Max, e.Decision.stored(),
		e.Limit, at(e.Until), at(e.Since), e.Count, cut(message(e.Err)), cut(e.Detail), e.DryRun,
	}
}

func (e storedEvent) event(name string, at func(time.Time) time.Time) Event {
	return Event{
		Kind: e.Kind, Phase: e.Phase, Time: at(e.Time), Name: name, From: e.From, To: e.To, Min: e.Min, Max: e.Max,
		Decision: e.Decision, Limit: e.Limit, Until: at(e.Until), Since: at(e.Since),
		Count: e.Count, Err: textError(e.Err), Detail: e.Detail, DryRun: e.DryRun,
	}
}

// stored returns d as it is saved.
func (d Decision) stored() Decision {
	d.Reason = d.Reason.stored()
	return d
}

// cut bounds a text of somebody else's.
func cut(s string) string {
	if len(s) <= savedText {
		return s
	}
	return strings.ToValidUTF8(s[:savedText], "") + "…"
}

func textError(s string) error {
	if s == "" {
		return nil
	}
	return errors.New(s)
}
