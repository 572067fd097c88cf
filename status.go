package autoscale

import (
	"bytes"
	"slices"
	"time"
)

// maxStatusSamples bounds the samples that a Status shows.
const maxStatusSamples = 60

// A Status is what an [Autoscaler] knows at one moment. It is a copy, and bounded: it has
// up to 60 samples and 32 events, and the texts of the host's parts and of other services
// are cut. As JSON it has less than 1 MiB.
//
// In a process that does not lead, it is what the leader last saved, with its Age, if
// there is a [Store]. Name, Running, DryRun, RecommendOnly, Interval, Rule, Leading and Counters are this process's own.
// Without a Store it is what this process knew when it last led.
type Status struct {
	Name          string
	Running       bool // Run is under way
	DryRun        bool
	RecommendOnly bool          // the size is published for another autoscaler to order
	Rule          string        // the Decider's name. Empty before the first tick
	Interval      time.Duration // between the starts of two ticks, as configured

	Leading bool // this process acted in the last tick
	Term    Term // in which it leads, or in which another process does. Zero without an Elector

	Age     time.Duration // how old what is shown is, by the Store's clock, in a process that does not lead
	Command string        // what Pause or Override last asked for, and who, while that holds
	Resumed string        // when Resume was called and by whom, for a day, if that is the last command

	Ticked   time.Time // the last tick. Zero: none yet
	Known    bool      // the size was read at least once
	Capacity Capacity  // as last read, or ordered since
	Changed  time.Time // when the size last changed. Zero: not known
	Min, Max int       // the bounds at the last tick
	Slots    float64   // how many requests the rule takes a process to work on at once. 0: it does not say

	Samples []Sample // the last ones, oldest first

	Last Explanation // of the last tick

	// Stalled says which part holds the tick that is under way although its context has
	// ended, and for how long. Empty: none does.
	Stalled string

	ProbeFailures int // in a row
	ScaleFailures int // in a row

	Conditions []Event // those that hold, in the order in which they began, each as last seen
	Events     []Event // the last ones, oldest first, without Probed, Decided and Ongoing ones
	Counters   Counters
}

// String says in one sentence what the last tick decided and why.
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

// read returns what the leader saved, or nil. It decodes a record once, as a page and a
// scrape ask again and again.
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

// status returns what Status shows, without what only the Autoscaler knows.
func (m *machine) status(now time.Time, record Record) Status {
	s, term := &m.state, m.term
	var age time.Duration
	conditions := s.conditions.all()
	if !m.leading && record.Term > 0 {
		term = Term{Holder: record.Holder, Number: record.Term}
		// An error means that there is nothing to show but what is known here.
		if led := m.read(record); led != nil {
			s, age = led, record.Age+now.Sub(record.Read)
			conditions = append(s.conditions.all(), conditions...) // its own are of the Store
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
