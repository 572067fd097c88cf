package autoscale

import (
	"bytes"
	"slices"
	"time"
)

// maxStatusSamples bounds the samples that a Status shows.
const maxStatusSamples = 60

// A Status is what an [Autoscaler] knows at one moment. It is a copy, and its size is
// bounded: it has up to 60 samples and 32 events, and long texts from the host's parts and
// from other services are cut. As JSON it has less than 1 MiB.
//
// If there is a [Store], the Status of a process that does not lead is what the leader last
// saved, with its Age. Only Name, Running, DryRun, RecommendOnly, Interval, Rule, Leading
// and Counters are this process's own. Without a Store, it is what this process knew when
// it last led.
type Status struct {
	Name          string
	Running       bool // Run is under way
	DryRun        bool
	RecommendOnly bool          // the size is published for another autoscaler to order
	Rule          string        // the Decider's name. Empty before the first tick
	Interval      time.Duration // between the starts of two ticks, as configured

	Leading bool // this process acted in the last tick
	Term    Term // the term in which this process leads, or another one does. Zero without an Elector

	Age     time.Duration // in a process that does not lead, how old the Status is, by the Store's clock
	Command string        // what Pause or Override last asked for, and who called it, while that holds
	Resumed string        // when Resume was called, and by whom, if that is the last command and at most a day old

	Ticked   time.Time // the last tick. Zero: none yet
	Known    bool      // the size was read at least once
	Capacity Capacity  // as last read, or ordered since
	Changed  time.Time // when the size last changed. Zero: not known
	Min, Max int       // the bounds at the last tick
	Slots    float64   // how many requests a process works on at once, according to the rule. 0: the rule does not say

	Samples []Sample // the last ones, oldest first

	Last Explanation // the explanation of the last tick

	// Stalled says which part holds up the present tick although its context has ended, and
	// for how long. Empty: no part does.
	Stalled string

	ProbeFailures int // in a row
	ScaleFailures int // in a row

	Conditions []Event // the conditions that hold, in the order in which they began, each as last seen
	Events     []Event // the last events, oldest first, without Probed, Decided and Ongoing ones
	Counters   Counters
}

// String returns, in one sentence, what the last tick decided and why.
func (s Status) String() string {
	text := s.Name + ": " + s.Last.sentence(s.Ticked)
	if want := s.Last.Decision.Size; s.RecommendOnly && s.Known && s.Last.Err == nil && want != s.Capacity.Desired {
		text += "; another autoscaler is to order it"
		if why := tolerated(s.Capacity.Desired, want); why != "" {
			text += ", but " + why
		}
	}
	return text
}

// read returns what the leader saved, or nil. It decodes a record only once, because pages
// and scrapes ask again and again.
func (m *machine) read(record Record) *state {
	if r := &m.reading; r.data == nil || r.term != record.Term || !bytes.Equal(r.data, record.State) {
		led, err := decode(record, m.cfg.Name)
		if err != nil {
			led = nil
		}
		*r = reading{record.State, record.Term, led}
	}
	return m.reading.led
}

// status returns the Status, without the fields that only the Autoscaler knows.
func (m *machine) status(now time.Time, record Record) Status {
	s, term := &m.state, m.term
	var age time.Duration
	conditions := s.conditions.all()
	if !m.leading && record.Term > 0 {
		term = Term{Holder: record.Holder, Number: record.Term}
		// After an error, there is only the state of this process to show.
		if led := m.read(record); led != nil {
			s, age = led, record.Age+now.Sub(record.Read)
			conditions = append(s.conditions.all(), conditions...) // this process's own conditions are about the Store
		}
	}
	samples := s.samples.samples
	return Status{
		Name: m.cfg.Name, DryRun: m.cfg.DryRun, RecommendOnly: m.cfg.RecommendOnly, Rule: m.rule, Leading: m.leading, Term: term, Age: age,
		Ticked: s.Ticked, Known: s.Known, Capacity: s.Capacity, Changed: s.Changed, Min: s.Min, Max: s.Max,
		Samples:       slices.Clone(samples[max(0, len(samples)-maxStatusSamples):]),
		Last:          s.outcome.clone(Explanation{}),
		ProbeFailures: s.ProbeFailures, ScaleFailures: s.ScaleFailures,
		Conditions: conditions, Events: s.recent.all(), Counters: m.counters,
	}
}
