package autoscale

import (
	"fmt"
	"strings"
	"time"
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
	// LimitCooldown: the size changed too short a while ago.
	LimitCooldown
	// LimitStep: only as many processes as Config.Step permits were added or
	// removed.
	LimitStep
	// LimitMax: no more than Max.
	LimitMax
	// LimitMin: no fewer than Min.
	LimitMin
	// LimitPlatform: no more than the platform said that it permits.
	LimitPlatform
)

var limitNames = [...]string{
	"none", "not_leader", "paused", "maintenance", "override", "stood_down", "outside_bounds", "undecided",
	"cooldown", "step", "max", "min", "platform",
}

// String returns the limit's name in lower case.
func (l Limit) String() string { return name(limitNames[:], int(l), "Limit") }

// MarshalText returns [Limit.String].
func (l Limit) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads what MarshalText writes. An unknown name is an error.
func (l *Limit) UnmarshalText(text []byte) error {
	i, err := parseName(limitNames[:], text, "limit")
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

// circumstances are what bends a wish.
type circumstances struct {
	now         time.Time
	size        int // the present one
	min, max    int
	ceiling     int // what the platform permits; noCeiling where not known
	command     command
	zeroed      bool // somebody set the size to 0 by hand
	maintenance bool
	rival       bool // another autoscaler is at work,
	rivalUntil  time.Time
	measured    bool
	wish        Decision
	added       time.Time // when the size was last raised, by anybody; zero: not known
	removed     time.Time // likewise lowered
	cooldown    Cooldown
	step        Step
}

// bend turns a wish into the size to order, which is the present one when
// nothing is to be done, and names the limit that decided it.
func bend(c circumstances) (size int, by Limit, until time.Time) {
	top, topLimit := c.max, LimitMax
	if c.ceiling < top {
		top, topLimit = c.ceiling, LimitPlatform
	}
	switch {
	case c.command.Kind == pauseCommand:
		return c.size, LimitPaused, time.Time{}
	case c.maintenance:
		return c.size, LimitMaintenance, time.Time{}
	case c.command.Kind == overrideCommand:
		want := min(max(c.command.Size, c.min), c.max)
		if want > c.size {
			want = max(min(want, c.ceiling), c.size)
		}
		return want, LimitOverride, c.command.Until
	case c.zeroed:
		return c.size, LimitPaused, time.Time{}
	case c.rival:
		return c.size, LimitStoodDown, c.rivalUntil
	case c.size > c.max:
		return c.max, LimitOutside, time.Time{}
	case c.size < c.min:
		// Below what the platform permits is as near as can be got.
		if to := min(c.min, top); to > c.size {
			return to, LimitOutside, time.Time{}
		}
		return c.size, LimitPlatform, time.Time{}
	case !c.measured:
		return c.size, LimitUndecided, time.Time{}
	case !c.wish.Act || c.wish.Size == c.size:
		return c.size, NotLimited, time.Time{}
	}

	want, by := c.wish.Size, NotLimited
	up := want > c.size
	if until = rest(c, up); c.now.Before(until) {
		return c.size, LimitCooldown, until
	}
	// The distances are not subtracted from the sizes: a wish may be any int.
	if up && c.step.Up > 0 && want > plus(c.size, c.step.Up) {
		want, by = plus(c.size, c.step.Up), LimitStep
	}
	if !up && c.step.Down > 0 && want < c.size-c.step.Down {
		want, by = c.size-c.step.Down, LimitStep
	}
	if up && want > top {
		want, by = max(top, c.size), topLimit
	}
	if !up && want < c.min {
		want, by = c.min, LimitMin
	}
	return want, by, time.Time{}
}

// rest returns until when a change in the given direction must wait.
func rest(c circumstances, up bool) time.Time {
	var until time.Time
	if !c.added.IsZero() && c.cooldown.Up > 0 {
		until = c.added.Add(c.cooldown.Up)
	}
	if !up && !c.removed.IsZero() && c.cooldown.Down > 0 {
		if t := c.removed.Add(c.cooldown.Down); t.After(until) {
			until = t
		}
	}
	return until
}

// explain says in words what became of a wish.
func explain(wish Decision, by Limit, from, to int, until, now time.Time) string {
	var b strings.Builder
	switch {
	case by == LimitOutside:
		fmt.Fprintf(&b, "from %d to %d, the nearest bound", from, to)
		return b.String()
	case by == LimitOverride:
		fmt.Fprintf(&b, "from %d to %d, which somebody set until %s", from, to, until.UTC().Format(time.RFC3339))
		return b.String()
	case to != from:
		fmt.Fprintf(&b, "from %d to %d", from, to)
	default:
		fmt.Fprintf(&b, "stay at %d", from)
	}
	fmt.Fprintf(&b, ": %v", wish.Reason)
	if by == NotLimited || by == LimitUndecided {
		return b.String()
	}
	if by == LimitMin && from == to {
		b.WriteString("; it is at Min already")
		return b.String()
	}
	if wish.Act {
		fmt.Fprintf(&b, "; %d wished", wish.Size)
	}
	switch by {
	case LimitNotLeader:
		b.WriteString(", but another process leads")
	case LimitPaused:
		if from == 0 {
			b.WriteString(", but the size was set to 0 by hand, which pauses")
		} else {
			b.WriteString(", but it is paused")
		}
	case LimitMaintenance:
		b.WriteString(", but the application is in maintenance")
	case LimitStoodDown:
		b.WriteString(", but another autoscaler is at work")
	case LimitCooldown:
		fmt.Fprintf(&b, ", but the cooldown lasts %s more", short(until.Sub(now)))
	case LimitStep:
		b.WriteString(", as far as the step permits")
	case LimitMax:
		b.WriteString(", but that is above Max")
	case LimitMin:
		b.WriteString(", but that is below Min")
	case LimitPlatform:
		b.WriteString(", but the platform permits no more")
	}
	return b.String()
}
