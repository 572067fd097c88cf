package autoscale

import (
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

// Limit is what held a decider's wish back, or bent it. Where several would,
// it is the first in the order in which they are declared here, which is the
// order in which they apply.
type Limit uint8

// The limits.
const (
	// NotLimited: the wish was carried out whole, or there was none.
	NotLimited Limit = iota
	// LimitNotLeader: another process leads.
	LimitNotLeader
	// LimitPaused: Pause was called; or somebody set the size to 0 while Min is
	// above 0, which is a pause by hand and ends when they set another size.
	LimitPaused
	// LimitMaintenance: the application is in maintenance.
	LimitMaintenance
	// LimitOverride: Override was called, and sets the size, within the bounds.
	LimitOverride
	// LimitStoodDown: another autoscaler is at work.
	LimitStoodDown
	// LimitOutside: the size was outside the bounds, and the nearest bound is
	// set, past every later limit and even when nothing was measured.
	LimitOutside
	// LimitUndecided: nothing was measured, or the decider failed.
	LimitUndecided
	// LimitForecast: raised to what was wished at the same time before.
	LimitForecast
	// LimitFutile: no more are added, because the last increases moved nothing.
	LimitFutile
	// LimitTolerance: the wish is too near to the size to be worth a change.
	LimitTolerance
	// LimitStabilization: only as far as the wishes of the whole window agree.
	LimitStabilization
	// LimitCooldown: the size changed too short a while ago.
	LimitCooldown
	// LimitRate: only as many processes as Config.Rate leaves for the period.
	LimitRate
	// LimitStep: only as many processes as Config.Step permits were added or
	// removed.
	LimitStep
	// LimitBudget: the hours of Config.Budget are spent, and Min is the most.
	LimitBudget
	// LimitMax: no more than Max.
	LimitMax
	// LimitMin: no fewer than Min.
	LimitMin
	// LimitPlatform: no more than the platform said that it permits.
	LimitPlatform
)

var limitNames = [...]string{
	"none", "not_leader", "paused", "maintenance", "override", "stood_down", "outside_bounds", "undecided",
	"forecast", "futile", "tolerance", "stabilization", "cooldown", "rate", "step", "budget", "max", "min", "platform",
}

// String returns the limit's name in lower case.
func (l Limit) String() string { return names.Of(limitNames[:], int(l), "Limit") }

// MarshalText returns [Limit.String].
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes. An unknown name is an error.
func (l *Limit) UnmarshalText(text []byte) error {
	i, err := names.Parse(limitNames[:], text, "limit")
	*l = Limit(i)
	return err
}

// Cooldown is how long the size rests after a change. 0: not at all.
type Cooldown struct {
	// Up is how long after processes were added nothing is changed, so that
	// the added ones can begin to serve.
	Up time.Duration
	// Down is how long after processes were removed no more are removed.
	// Adding does not wait for it.
	Down time.Duration
	// Boot makes Up last at least as long as a process takes to serve, as far
	// as that is learned or Config.Boot says it.
	Boot bool
}

// Step is how many processes may be added or removed at once. 0: any number.
type Step struct {
	Up, Down int
}

// Diff says when a size moves so far that it is told as [DiffExceeded]: by more
// than Threshold processes within Period. A Threshold of 0 is no threshold.
type Diff struct {
	Threshold int
	Period    time.Duration
}
