package autoscale

import (
	"errors"
	"fmt"
	"time"
)

// Highest returns a Decider that asks all deciders and takes the largest size. A
// decider that holds counts with the present size. So any of them can add processes,
// and all must agree to remove some. Without deciders it holds.
func Highest(deciders ...Decider) Decider { return highest(append([]Decider(nil), deciders...)) }

type highest []Decider

// Name returns "Highest".
func (h highest) Name() string { return "Highest" }

// Each asks every decider, and yields its name and its decision.
func (h highest) Each(o Observation, yield func(name string, d Decision)) {
	for _, d := range h {
		yield(ruleName(d), d.Decide(o))
	}
}

// Validate reports the faults of each decider, and a nil one.
func (h highest) Validate() error {
	var errs []error
	if len(h) == 0 {
		errs = append(errs, errors.New("Highest: no decider given: name at least one"))
	}
	for i, d := range h {
		errs = append(errs, validatePart(fmt.Sprintf("Highest: decider %d", i+1), d, true))
	}
	return errors.Join(errs...)
}

// Window returns the longest window of the deciders.
func (h highest) Window() time.Duration {
	var window time.Duration
	for _, d := range h {
		w, _ := reach(d)
		window = max(window, w)
	}
	return window
}

// Samples returns the largest number of samples that a decider needs.
func (h highest) Samples() int {
	var samples int
	for _, d := range h {
		_, n := reach(d)
		samples = max(samples, n)
	}
	return samples
}

// Decide asks every decider.
func (h highest) Decide(o Observation) Decision {
	var out Decision
	for i, d := range h {
		one := d.Decide(o)
		if !one.Act {
			one.Size = o.Capacity.Desired
		}
		if i == 0 || one.Size > out.Size {
			out = one
		}
	}
	out.Act = out.Act && out.Size != o.Capacity.Desired
	return out
}
