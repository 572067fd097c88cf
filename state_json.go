package autoscale

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

// memory is what a leader saves together with its lease, so that the next leader
// continues from there. It is never longer than MaxState, and usually a few KiB.
type memory struct {
	Version int       `json:"version"`
	Saved   time.Time `json:"saved"` // by the clock of the process that saved it
	kept

	Ordering   storedDecision    `json:"ordering,omitzero"`
	Outcome    storedOutcome     `json:"outcome"`
	Samples    []Sample          `json:"samples,omitempty"`
	Events     []storedEvent     `json:"events,omitempty"`
	Conditions []storedCondition `json:"conditions,omitempty"`
}

// memoryVersion is raised when an older release could not read what this one saves. A
// release also reads the version before its own.
const memoryVersion = 1

// The bounds of what is saved, besides the lists that have their own bounds.
const (
	savedSamples = 120
	savedText    = 200 // bytes of an error, a reason or a detail
)

// encode returns the state as a leader saves it.
func (s *state) encode(now time.Time) ([]byte, error) {
	m := memory{
		Version: memoryVersion, Saved: now, kept: s.kept,
		Ordering: s.ordering.stored(), Outcome: s.outcome.stored(),
	}
	samples := s.samples.samples
	for _, sample := range samples[max(0, len(samples)-savedSamples):] {
		sample.Detail = cut(sample.Detail)
		m.Samples = append(m.Samples, sample)
	}
	for _, e := range s.recent.all() {
		m.Events = append(m.Events, e.stored())
	}
	for _, c := range s.conditions[:min(len(s.conditions), maxEvents)] {
		m.Conditions = append(m.Conditions, storedCondition{cut(c.part), c.since, c.seen, c.notified, c.event.stored()})
	}
	// A time is saved as now minus its age by the monotonic clock. Otherwise a time from
	// before a step of the wall clock would be wrong by that step.
	shift(reflect.ValueOf(&m).Elem(), func(t time.Time) time.Time { return now.Add(t.Sub(now)) })
	for {
		data, err := plain(m)
		if err != nil || len(data) <= MaxState {
			return data, err
		}
		// Texts of many rare characters can make a state long. The oldest samples and
		// events are then left out, and the rest is still saved.
		if len(m.Samples)+len(m.Events) == 0 {
			return nil, fmt.Errorf("autoscale: the state has %d bytes without samples and events, and a Store keeps %d", len(data), MaxState)
		}
		m.Samples = m.Samples[(len(m.Samples)+1)/2:]
		m.Events = m.Events[(len(m.Events)+1)/2:]
	}
}

// plain returns v as JSON in which <, > and & are one byte each. No page embeds the state,
// and the texts of others are full of these characters.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// reading is the leader's record that was last decoded, for Status.
type reading struct {
	data []byte
	term int64
	led  *state // nil: it cannot be read
}

// decode reads what encode wrote into a new state.
func decode(r Record, name string) (*state, error) {
	if r.State == nil {
		return nil, errors.New("autoscale: nothing is stored yet")
	}
	var m memory
	if err := json.Unmarshal(r.State, &m); err != nil {
		return nil, fmt.Errorf("autoscale: the stored state of %s cannot be read: %w", name, err)
	}
	if m.Version != memoryVersion {
		return nil, fmt.Errorf("autoscale: the stored state of %s has version %d, and this release reads version %d", name, m.Version, memoryVersion)
	}
	// The clock of the process that saved the state may be wrong. The Store's clock shows
	// how long ago it was saved. From that, each time can be converted to our own clock.
	saved, theirs := r.Read.Add(-r.Age), m.Saved
	shift(reflect.ValueOf(&m).Elem(), func(t time.Time) time.Time { return saved.Add(t.Sub(theirs)) })

	s := &state{kept: m.kept, ordering: m.Ordering.decision(), outcome: m.Outcome.explanation()}
	s.Limits.Trim()
	s.Serving = s.Serving[max(0, len(s.Serving)-maxServing):]
	s.samples.samples = m.Samples[max(0, len(m.Samples)-savedSamples):]
	for _, e := range m.Events {
		s.recent.add(e.event(name))
	}
	for _, c := range m.Conditions[:min(len(m.Conditions), maxEvents)] {
		s.conditions = append(s.conditions, condition{
			kind: c.Event.Kind, part: c.Part, since: c.Since, seen: c.Seen, notified: c.Notified, event: c.Event.event(name),
		})
	}
	return s, nil
}

// shift replaces every time in v. Lists are copied first, because v may share them. A
// field with the tag clock is by another clock, and stays unchanged.
func shift(v reflect.Value, to func(time.Time) time.Time) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == timeType {
			if t := v.Interface().(time.Time); !t.IsZero() {
				v.Set(reflect.ValueOf(to(t)))
			}
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); timed[f.Type] && f.Tag.Get("clock") == "" && (f.IsExported() || f.Anonymous) {
				shift(v.Field(i), to)
			}
		}
	case reflect.Slice:
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		v.Set(list)
		for i := range v.Len() {
			shift(v.Index(i), to)
		}
	}
}

var timeType = reflect.TypeFor[time.Time]()

// timed are the types within memory that hold a time.
var timed = func() map[reflect.Type]bool {
	found := make(map[reflect.Type]bool)
	var look func(t reflect.Type) bool
	look = func(t reflect.Type) bool {
		has := t == timeType
		switch {
		case has:
		case t.Kind() == reflect.Slice:
			has = look(t.Elem())
		case t.Kind() == reflect.Struct:
			for i := range t.NumField() {
				has = look(t.Field(i).Type) || has
			}
		}
		found[t] = has
		return has
	}
	look(reflect.TypeFor[memory]())
	return found
}()

// The types below are the saved forms of the types without "stored" in their names.
// An error and a reason become texts, and an event has no sample.

type storedDecision struct {
	Act  bool       `json:"act,omitempty"`
	Size int        `json:"size,omitempty"`
	Code ReasonCode `json:"code,omitempty"`
	Text string     `json:"text,omitempty"`
}

func (d Decision) stored() storedDecision {
	out := storedDecision{Act: d.Act, Size: d.Size, Code: ReasonCode(cut(string(d.Reason.Code)))}
	if d.Reason.Detail != nil {
		out.Text = cut(d.Reason.String())
	}
	return out
}

func (d storedDecision) decision() Decision {
	out := Decision{Act: d.Act, Size: d.Size, Reason: Reason{Code: d.Code}}
	if d.Text != "" {
		out.Reason.Detail = ReasonText(d.Text)
	}
	return out
}

type storedOutcome struct {
	Sample         Sample                 `json:"sample,omitzero"`
	From           int                    `json:"from"`
	Boot           time.Duration          `json:"boot,omitempty"`
	Rules          []storedRecommendation `json:"rules,omitempty"`
	Recommendation storedDecision         `json:"recommendation"`
	Adjustments    []limit.Adjustment     `json:"adjustments,omitempty"`
	Decision       storedDecision         `json:"decision"`
	Limit          limit.Kind             `json:"limit,omitempty"`
	Until          time.Time              `json:"until,omitzero"`
	NextUp         time.Time              `json:"next_up,omitzero"`
	NextDown       time.Time              `json:"next_down,omitzero"`
	Spent          float64                `json:"spent,omitempty"`
	Err            string                 `json:"error,omitempty"`
}

type storedRecommendation struct {
	Rule     string         `json:"rule"`
	Decision storedDecision `json:"decision"`
}

func (e Explanation) stored() storedOutcome {
	out := storedOutcome{
		Sample: e.Sample, From: e.From, Boot: e.Boot, Recommendation: e.Recommendation.stored(), Adjustments: e.Adjustments,
		Decision: e.Decision.stored(), Limit: e.Limit, Until: e.Until, NextUp: e.NextUp, NextDown: e.NextDown, Spent: e.Spent, Err: cut(message(e.Err)),
	}
	out.Sample.Detail = cut(e.Sample.Detail)
	for _, r := range e.Rules {
		out.Rules = append(out.Rules, storedRecommendation{cut(r.Rule), r.Decision.stored()})
	}
	return out
}

func (e storedOutcome) explanation() Explanation {
	out := Explanation{
		Sample: e.Sample, From: e.From, Boot: e.Boot, Recommendation: e.Recommendation.decision(),
		Adjustments: e.Adjustments[:min(len(e.Adjustments), maxRules)],
		Decision:    e.Decision.decision(), Limit: e.Limit, Until: e.Until, NextUp: e.NextUp, NextDown: e.NextDown, Spent: e.Spent, Err: textError(e.Err),
	}
	for _, r := range e.Rules[:min(len(e.Rules), maxRules)] {
		out.Rules = append(out.Rules, Recommendation{r.Rule, r.Decision.decision()})
	}
	return out
}

type storedEvent struct {
	Kind     EventKind      `json:"kind"`
	Phase    Phase          `json:"phase,omitempty"`
	Time     time.Time      `json:"time"`
	From     int            `json:"from"`
	To       int            `json:"to"`
	Min      int            `json:"min"`
	Max      int            `json:"max"`
	Decision storedDecision `json:"decision,omitzero"`
	Limit    limit.Kind     `json:"limit,omitempty"`
	Until    time.Time      `json:"until,omitzero"`
	Since    time.Time      `json:"since,omitzero"`
	Count    int            `json:"count,omitempty"`
	Err      string         `json:"error,omitempty"`
	Detail   string         `json:"detail,omitempty"`
	DryRun   bool           `json:"dry_run,omitempty"`
}

func (e Event) stored() storedEvent {
	return storedEvent{
		e.Kind, e.Phase, e.Time, e.From, e.To, e.Min, e.Max, e.Decision.stored(),
		e.Limit, e.Until, e.Since, e.Count, cut(message(e.Err)), cut(e.Detail), e.DryRun,
	}
}

func (e storedEvent) event(name string) Event {
	return Event{
		Kind: e.Kind, Phase: e.Phase, Time: e.Time, Name: name, From: e.From, To: e.To, Min: e.Min, Max: e.Max,
		Decision: e.Decision.decision(), Limit: e.Limit, Until: e.Until, Since: e.Since,
		Count: e.Count, Err: textError(e.Err), Detail: e.Detail, DryRun: e.DryRun,
	}
}

type storedCondition struct {
	Part     string      `json:"part,omitempty"`
	Since    time.Time   `json:"since"`
	Seen     time.Time   `json:"seen"`
	Notified time.Time   `json:"notified"`
	Event    storedEvent `json:"event"`
}

// cut bounds a text that came from outside.
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

// restore takes over the state that the leader before saved. If that cannot be read,
// it changes nothing.
func (s *state) restore(r Record, name string) error {
	if r.State == nil {
		return nil
	}
	old, err := decode(r, name)
	if err != nil {
		return err
	}
	old.counters, old.leading, old.term = s.counters, s.leading, s.term
	old.samples.window, old.samples.number = s.samples.window, s.samples.number
	*s = *old
	return nil
}
