// Package limit decides how much of a recommendation is carried out. It is pure: it
// knows integers and times, does no I/O and reads no clock.
//
// The limits apply in this order:
//
//  1. Pause, maintenance, an override by a person, and yielding to another autoscaler.
//  2. The bounds. A size outside Min and Max is brought to the nearest bound at once.
//  3. [Forecast] raises the recommendation.
//  4. [DiminishingReturns], Tolerance, Stabilization, Cooldown, [Rate], Step, [Budget],
//     the bounds, and what the platform permits lower the distance that the size moves.
//  5. A deployment, and a platform that asked to wait, hold back what is left.
//
// [Limits] is what a user sets, in autoscale.Config. An Autoscaler calls Apply.
package limit

import (
	"errors"
	"fmt"
	"time"
)

// Limits say how much of a recommendation is carried out. The zero value limits nothing.
type Limits struct {
	// Up applies to adding processes, and Down to removing them.
	Up, Down Behavior

	// CooldownCoversBoot makes the cooldown after an increase last at least as long as
	// a process takes to boot, if that is known.
	CooldownCoversBoot bool

	// Tolerance is the share of the size, from 0 to below 1, by which a recommendation
	// must differ from the size to be carried out. At 0.1, a size of 20 stays if 18 to 22
	// are recommended. 0: any difference counts.
	Tolerance float64

	// Forecast raises the recommendation to what was recommended on earlier days. Zero:
	// no forecast.
	Forecast Forecast

	// DiminishingReturns stops adding processes that do not help. Zero: never.
	DiminishingReturns DiminishingReturns

	// Budget bounds the process-hours of a day or a month. Zero: no bound.
	Budget Budget
}

// Behavior is how the size may move in one direction. The zero value permits any move.
//
// Source: the behavior of Kubernetes' HorizontalPodAutoscaler, and its scaling policies
// and stabilization windows.
type Behavior struct {
	// Cooldown is a pause after a change. After an increase, Limits.Up.Cooldown holds
	// the size in both directions, so that the new processes can begin to serve. After
	// a decrease, Limits.Down.Cooldown holds back further decreases. 0: none.
	Cooldown time.Duration

	// Stabilization is the length of the stabilization window, in which all
	// recommendations must agree. The size rises no higher than the lowest of the window,
	// and falls no lower than the highest. So a short peak or lull changes nothing.
	// Without history, the current size counts as the first recommendation. 0: no window.
	Stabilization time.Duration

	// Step is the most processes added or removed at once. 0: any number.
	Step int

	// Rate is the most processes added or removed within a period. Zero: any number.
	Rate Rate
}

// Validate reports everything that is wrong with l. interval is the time between two
// ticks, and least is the smallest Min of the week.
func (l Limits) Validate(interval time.Duration, least int) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, b := range [...]struct {
		name string
		Behavior
	}{{"Up", l.Up}, {"Down", l.Down}} {
		if b.Cooldown < 0 {
			bad("Limits.%s.Cooldown is %v: it must be above 0, or 0 for none", b.name, b.Cooldown)
		}
		if b.Step < 0 {
			bad("Limits.%s.Step is %d: it must be above 0, or 0 for any number", b.name, b.Step)
		}
		switch w := b.Stabilization; {
		case w < 0:
			bad("Limits.%s.Stabilization is %v: it must be above 0, or 0 for none", b.name, w)
		case w > 0 && w < interval:
			bad("Limits.%s.Stabilization is %v, shorter than the Interval of %v: it would hold nothing back", b.name, w, interval)
		}
		errs = append(errs, b.Rate.validate("Limits."+b.name+".Rate"))
	}
	if !(l.Tolerance >= 0 && l.Tolerance < 1) {
		bad("Limits.Tolerance is %v: it must be from 0 to below 1, a share of the size", l.Tolerance)
	}
	errs = append(errs, l.Forecast.validate(), l.DiminishingReturns.validate(), l.Budget.validate(least))
	return errors.Join(errs...)
}
