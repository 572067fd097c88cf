package autoscale

import (
	"slices"
	"time"
)

// maxStatusSamples bounds the samples that a Status shows.
const maxStatusSamples = 60

// A Status is what an [Autoscaler] knows at one moment, all of it of the same
// moment. It is a copy and bounded: up to 60 samples and 32 events.
//
// In a process that does not lead it is what the leader last saved, with its
// Age, if the [Elector] is a [Store]; Name, Running, DryRun, Leading and
// Counters are this process's own. Without a Store it is what this process knew
// when it last led.
type Status struct {
	Name    string
	Running bool // whether Run is under way
	DryRun  bool

	Leading bool // whether this process acted in the last tick
	Term    Term // in which it leads, or in which another process does; zero without an Elector

	Age     time.Duration // of what is shown, by the store's clock, in a process that does not lead
	Command string        // what Pause or Override last asked for, while that holds

	Ticked   time.Time // the last tick; zero: none yet
	Known    bool      // whether the size was ever read
	Capacity Capacity  // as last read, or ordered since
	Changed  time.Time // when the size last changed, as far as is known
	Min, Max int       // the bounds at the last tick

	Samples []Sample // the last ones, oldest first

	Explanation // of the last tick

	ProbeFailures int // in a row
	ScaleFailures int // in a row

	Conditions []Event // those that hold, or were seen in the last five minutes, each as last seen
	Events     []Event // the last ones, oldest first; without Probed, Decided and what is Ongoing
	Counters   Counters
}

// String says in one sentence what the last tick decided and why.
func (s Status) String() string { return s.Name + ": " + s.sentence(s.Ticked) }

// Counters count what happened since the Autoscaler was made.
type Counters struct {
	Ticks          uint64 `json:"ticks"`
	Probes         uint64 `json:"probes"`          // that measured something
	ProbeFailures  uint64 `json:"probe_failures"`  // that measured nothing
	Scales         uint64 `json:"scales"`          // orders that the platform took
	ScaleFailures  uint64 `json:"scale_failures"`  // orders and readings that failed
	Changes        uint64 `json:"changes"`         // of the size, by somebody else
	Notified       uint64 `json:"notified"`        // notifications told
	NotifyFailures uint64 `json:"notify_failures"` // notifications that failed
	Dropped        uint64 `json:"dropped"`         // notifications for which there was no room or no time
	Panics         uint64 `json:"panics"`          // recovered
}

// state is what an Autoscaler remembers from tick to tick.
type state struct {
	ticked  time.Time
	leading bool
	term    Term

	known    bool
	capacity Capacity
	changed  time.Time // when the size last changed
	added    time.Time // when it was last raised; zero: not known
	removed  time.Time // when it was last lowered; zero: not known
	orders   orders
	ordering Decision // why it was ordered
	ceiling  ceiling
	moves    moves
	rivalry  rivalry
	wishes   wishes
	past     past
	futility futility
	spending spending
	boots    boots
	obeyed   time.Time // the command that was last obeyed, by when it was given

	min, max int
	samples  history
	fresh    bool // the newest sample belongs to a tick that is not over
	outcome  Explanation

	probeFailures, scaleFailures int
	warming                      time.Time // since when the Prober has been warming up; zero: it is not
	serving                      serving

	conditions conditions
	recent     ring
	counters   Counters
}

// Status returns a snapshot. It is cheap enough for a page that is reloaded,
// does no I/O, and may be called from any goroutine, and from Observe.
func (a *Autoscaler) Status() Status {
	record := a.record()
	a.mu.Lock()
	leading := a.state.leading
	a.mu.Unlock()
	var led *state
	if !leading {
		// An error means that there is nothing to show but what is known here.
		led, _ = decode(record, a.cfg.Name)
	}

	a.mu.Lock()
	defer a.mu.Unlock()
	s, term := &a.state, a.state.term
	var age time.Duration
	conditions := s.conditions.all()
	if !s.leading && record.Term > 0 {
		term = Term{Holder: record.Holder, Number: record.Term}
		if led != nil {
			s, age = led, record.Age+time.Since(record.Read)
			conditions = append(s.conditions.all(), conditions...) // its own are of the store
		}
	}
	samples := s.samples.samples
	if s.fresh {
		samples = samples[:len(samples)-1]
	}
	samples = samples[max(0, len(samples)-maxStatusSamples):]
	return Status{
		Name: a.cfg.Name, Running: a.running, DryRun: a.cfg.DryRun,
		Leading: a.state.leading, Term: term, Age: age, Command: a.commandAt(time.Now(), record).String(),
		Ticked: s.ticked, Known: s.known, Capacity: s.capacity, Changed: s.changed, Min: s.min, Max: s.max,
		Samples:       slices.Clone(samples),
		Explanation:   s.outcome.clone(Explanation{}),
		ProbeFailures: s.probeFailures, ScaleFailures: s.scaleFailures,
		Conditions: conditions, Events: s.recent.all(), Counters: a.state.counters,
	}
}
