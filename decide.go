package autoscale

import (
	"time"

	"github.com/autoscalebot/autoscale/internal/part"
)

// A Decider decides how many processes the service needs. Package rule has several.
//
// Decide is pure: the same Observation gives the same Decision. It reads no clock, and
// keeps nothing, not even the slice of samples. So a test and a simulation see the same
// decisions as an [Autoscaler].
//
// A Decider may also be a [Windower], a [Sampler], a [Validator], a [Namer] and a
// [Composite]. Without the first two it sees the samples of the last quarter of an
// hour.
//
// Those methods are also found through a wrapper, so that a wrapper which logs or
// measures a Decider does not lose them. A struct that embeds the Decider, such as
// struct{ autoscale.Decider }, needs nothing for that. Any other wrapper needs a method
//
//	Unwrap() autoscale.Decider
//
// A wrapper's own methods take precedence over those of the Decider that it wraps.
type Decider interface {
	Decide(o Observation) Decision
}

// A Windower is a [Decider] that says how far back its samples must reach.
type Windower interface {
	Window() time.Duration
}

// A Sampler is a [Decider] that says how many of the newest samples it needs,
// however old they are. At most [MaxSamples] are kept.
type Sampler interface {
	Samples() int
}

// A Namer is a [Decider] with a name. Any other Decider is named after its type.
type Namer interface {
	Name() string
}

// A Composite is a [Decider] that consists of several. Its method Each asks every one
// of them, and yields its name and its decision, which [Explanation] and [Status] then
// show.
type Composite interface {
	Each(o Observation, yield func(name string, d Decision))
}

// DeciderFunc lets an ordinary function be a [Decider].
type DeciderFunc func(o Observation) Decision

// Decide calls f(o).
func (f DeciderFunc) Decide(o Observation) Decision { return f(o) }

// An Observation is what a [Decider] decides on.
type Observation struct {
	Now      time.Time
	Samples  []Sample      // oldest first. A change of size removes none
	Capacity Capacity      // Changed is when the size last changed. Zero: not known. It is never after Now
	Min, Max int           // the bounds at Now
	Boot     time.Duration // how long a process takes from order to serving. 0: not known
	Added    time.Time     // when the size was last raised, never after Now. Zero: not known
}

// A Decision is the recommendation of a [Decider]. The zero Decision holds the size.
type Decision struct {
	Act    bool   // false: hold, whatever Size says
	Size   int    // how many processes are needed, not limited by any bound
	Reason Reason // why, even if it holds
}

// ruleName returns what a decider calls itself, or the name of its type.
func ruleName(d Decider) string {
	if n, ok := part.As[Namer](d); ok {
		return n.Name()
	}
	return part.Name(d)
}

// defaultWindow is how far back the samples go for a Decider that is neither a
// Windower nor a Sampler.
const defaultWindow = 15 * time.Minute

// reach asks a decider how far back its samples must go, in time and in number.
func reach(d Decider) (window time.Duration, samples int) {
	w, hasWindow := part.As[Windower](d)
	if hasWindow {
		window = max(w.Window(), 0)
	}
	n, hasSamples := part.As[Sampler](d)
	if hasSamples {
		samples = max(n.Samples(), 0)
	}
	if !hasWindow && !hasSamples {
		window = defaultWindow
	}
	return window, samples
}
