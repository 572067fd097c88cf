package autoscale

import (
	"time"

	"github.com/autoscalebot/autoscale/internal/measure"
)

// circumstances are what bends a wish.
type circumstances struct {
	now         time.Time
	size        int // the present one
	min, max    int
	ceiling     int  // what the platform permits; noCeiling where not known
	spent       bool // the budget of hours is
	command     command
	zeroed      bool // somebody set the size to 0 by hand
	maintenance bool
	rival       bool // another autoscaler is at work,
	rivalUntil  time.Time
	measured    bool
	wish        Decision
	floor       int       // of the forecast
	futile      time.Time // until when no more are added; zero: it helps
	wishes      wishes    // of the stabilization windows, with this tick's
	moves       moves
	added       time.Time // when the size was last raised, by anybody; zero: not known
	removed     time.Time // likewise lowered
	boot        time.Duration
	cfg         *Config
}

// bending is a wish on its way through the limits.
type bending struct {
	size  int // to be ordered
	by    Limit
	until time.Time
	bends []Bend
}

// to notes that a limit makes it size.
func (b *bending) to(by Limit, size int, until time.Time) {
	if size != b.size {
		b.bends = append(b.bends, Bend{by, b.size, size, until})
	}
	b.size, b.by, b.until = size, by, until
}

// bend turns a wish into the size to order, which is the present one when
// nothing is to be done, and names the limit that decided it. What bent the
// wish on the way is appended to bends.
func bend(c *circumstances, bends []Bend) bending {
	b := bending{size: c.size, bends: bends}
	if c.wish.Act {
		b.size = max(c.wish.Size, 0)
	}
	if !c.override(&b) {
		c.limit(&b)
	}
	return b
}

// override applies what goes before any wish, and reports whether something did.
func (c *circumstances) override(b *bending) bool {
	switch {
	case c.command.Kind == pauseCommand:
		b.to(LimitPaused, c.size, time.Time{})
	case c.maintenance:
		b.to(LimitMaintenance, c.size, time.Time{})
	case c.command.Kind == overrideCommand:
		want := min(max(c.command.Size, c.min), c.max)
		if want > c.size {
			want = max(min(want, c.ceiling), c.size)
		}
		b.to(LimitOverride, want, c.command.Until)
	case c.zeroed:
		b.to(LimitPaused, c.size, time.Time{})
	case c.rival:
		b.to(LimitStoodDown, c.size, c.rivalUntil)
	case c.size > c.max:
		b.to(LimitOutside, c.max, time.Time{})
	case c.size < c.min && c.ceiling <= c.size:
		b.to(LimitPlatform, c.size, time.Time{})
	case c.size < c.min:
		// Below what the platform permits is as near as can be got.
		b.to(LimitOutside, min(c.min, c.ceiling), time.Time{})
	case c.spent && c.size > c.min:
		b.to(LimitBudget, c.min, time.Time{})
	case !c.measured:
		b.to(LimitUndecided, c.size, time.Time{})
	default:
		return false
	}
	return true
}

// limit applies the limits of a wish, in their order. A size that is outside
// the bounds does not get here.
func (c *circumstances) limit(b *bending) {
	if c.floor > b.size {
		b.to(LimitForecast, c.floor, time.Time{})
	}
	up := b.size > c.size
	switch tolerated := c.cfg.Tolerance * float64(c.size); {
	case b.size == c.size:
		return
	case up && c.now.Before(c.futile):
		b.to(LimitFutile, c.size, c.futile)
		return
	case up && float64(b.size-c.size) <= tolerated, !up && float64(c.size-b.size) <= tolerated:
		b.to(LimitTolerance, c.size, time.Time{})
		return
	}
	if up {
		if least := max(c.wishes.lowest(c.now, c.cfg.Stabilization.Up, b.size), c.size); least < b.size && c.cfg.Stabilization.Up > 0 {
			b.to(LimitStabilization, least, time.Time{})
		}
	} else if c.cfg.Stabilization.Down > 0 {
		if most, until := c.wishes.highest(c.now, c.cfg.Stabilization.Down, b.size); most > b.size {
			b.to(LimitStabilization, min(most, c.size), until)
		}
	}
	if b.size == c.size {
		return
	}
	if until := c.rest(up); c.now.Before(until) {
		b.to(LimitCooldown, c.size, until)
		return
	}
	quota, step := c.cfg.Rate.Down, c.cfg.Step.Down
	if up {
		quota, step = c.cfg.Rate.Up, c.cfg.Step.Up
	}
	room, until := quota.room(c.moves, c.now, c.size, up)
	c.atMost(b, up, room, LimitRate, until)
	if step > 0 {
		c.atMost(b, up, step, LimitStep, time.Time{})
	}
	top, topLimit := c.max, LimitMax
	if c.spent && c.min < top {
		top, topLimit = c.min, LimitBudget
	}
	if c.ceiling < top {
		top, topLimit = c.ceiling, LimitPlatform
	}
	switch {
	case up && b.size > top:
		b.to(topLimit, max(top, c.size), time.Time{})
	case !up && b.size < c.min:
		b.to(LimitMin, c.min, time.Time{})
	}
}

// atMost lets the size move by n processes; a negative n is no limit.
func (c *circumstances) atMost(b *bending, up bool, n int, by Limit, until time.Time) {
	// The distances are not subtracted from the sizes: a wish may be any int.
	switch {
	case n < 0:
	case up && b.size > measure.Plus(c.size, n):
		b.to(by, measure.Plus(c.size, n), until)
	case !up && b.size < c.size-n:
		b.to(by, c.size-n, until)
	}
}

// rest returns until when a change in the given direction must wait.
func (c *circumstances) rest(up bool) time.Time {
	var until time.Time
	cool := c.cfg.Cooldown.Up
	if c.cfg.Cooldown.Boot {
		cool = max(cool, c.boot)
	}
	if !c.added.IsZero() && cool > 0 {
		until = c.added.Add(cool)
	}
	if !up && !c.removed.IsZero() && c.cfg.Cooldown.Down > 0 {
		if t := c.removed.Add(c.cfg.Cooldown.Down); t.After(until) {
			until = t
		}
	}
	return until
}

// next returns before which times no change in either direction can be made,
// whatever is wished. A time that is not after now is none.
func (c *circumstances) next() (up, down time.Time) {
	up, down = c.rest(true), c.rest(false)
	if c.futile.After(up) {
		up = c.futile
	}
	if room, until := c.cfg.Rate.Up.room(c.moves, c.now, c.size, true); room == 0 && until.After(up) {
		up = until
	}
	if room, until := c.cfg.Rate.Down.room(c.moves, c.now, c.size, false); room == 0 && until.After(down) {
		down = until
	}
	if c.cfg.Stabilization.Down > 0 {
		if most, until := c.wishes.highest(c.now, c.cfg.Stabilization.Down, 0); most >= c.size && until.After(down) {
			down = until
		}
	}
	if !up.After(c.now) {
		up = time.Time{}
	}
	if !down.After(c.now) {
		down = time.Time{}
	}
	return up, down
}
