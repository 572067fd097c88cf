package limit

import "time"

// Input is what Apply knows about one tick.
type Input struct {
	Now      time.Time
	Size     int // the current one
	Min, Max int

	Paused        bool
	PausedUntil   time.Time // zero: not known
	Override      bool      // a person set the size to OverrideSize until OverrideUntil
	OverrideSize  int
	OverrideUntil time.Time
	SetToZero     bool // somebody set the size to 0 by hand
	Maintenance   bool
	Yielding      bool // another autoscaler is at work, until YieldingUntil or later
	YieldingUntil time.Time

	// No order is sent before these times. Zero: nothing holds an order back.
	DeployingUntil time.Time // a deployment is under way
	BusyUntil      time.Time // the platform asked to wait

	Measured       bool // false: there is no recommendation
	Change         bool // false: the recommendation is to hold
	Recommendation int  // how many processes, not limited by any bound

	Added   time.Time     // when the size was last raised, whoever did it. Zero: not known
	Removed time.Time     // when it was last lowered. Zero: not known
	Boot    time.Duration // how long a process takes to serve. 0: not known

	Symptoms []Symptom // newest first, for DiminishingReturns
}

// Outcome is the result that the limits make of a recommendation.
type Outcome struct {
	Size        int          // the size to order. It is Input.Size if there is nothing to do
	By          Kind         // the limit that decided it
	Until       time.Time    // until when that limit holds. Zero: not known
	Adjustments []Adjustment // each limit that changed the size, in order. Valid until the next Apply

	// NextUp and NextDown are the earliest times at which processes can be added and
	// removed, whatever is recommended. A person who ends a pause, an override or
	// yielding makes that earlier. Zero: the next tick may change the size, or By holds
	// the size and it is not known until when; see [Kind.Holds].
	NextUp, NextDown time.Time

	Spent float64 // the share of the Budget that is spent
}

// An Adjustment is a change that a limit made to a recommendation.
type Adjustment struct {
	By    Kind      `json:"limit"`
	From  int       `json:"from"`
	To    int       `json:"to"`
	Until time.Time `json:"until,omitzero"` // until when the limit holds. Zero: not known
}

// Apply carries a recommendation through the limits. It updates m.
func (l Limits) Apply(m *Memory, in Input) Outcome {
	a := adjusting{Input: in, limits: l, memory: m, spent: m.Spending.spend(in.Now, in.Size, l.Budget)}
	a.size, a.adjustments = in.Size, m.adjustments[:0]
	if in.Measured && in.Change {
		a.size = max(in.Recommendation, 0)
	}
	if in.Measured && !in.Maintenance {
		a.remember()
	}
	if !a.override() {
		a.limit()
	}
	a.wait()
	m.adjustments = a.adjustments
	out := Outcome{Size: a.size, By: a.by, Until: a.until, Adjustments: a.adjustments, Spent: a.spent}
	out.NextUp, out.NextDown = a.next()
	return out
}

// adjusting is a recommendation on its way through the limits.
type adjusting struct {
	Input
	limits Limits
	memory *Memory
	spent  float64
	floor  int       // of the forecast
	futile time.Time // nothing is added before this time. Zero: increases help

	size        int // to be ordered
	by          Kind
	until       time.Time
	adjustments []Adjustment
}

// remember adds the recommendation to those before it.
func (a *adjusting) remember() {
	m, l := a.memory, &a.limits
	want := a.size
	if l.Forecast.Share > 0 {
		a.floor = m.Past.floor(a.Now, a.Boot, l.Forecast)
		m.Past.add(a.Now, want)
		want = max(want, a.floor)
	}
	a.futile = m.Returns.judge(a.Now, a.Boot, a.Symptoms, a.Input.Size, want, l.DiminishingReturns)
	window := max(l.Up.Stabilization, l.Down.Stabilization)
	if len(m.Recommendations) == 0 {
		m.Recommendations.add(a.Now, a.Input.Size, window)
	}
	m.Recommendations.add(a.Now, want, window)
}

// to records that a limit makes it size.
func (a *adjusting) to(by Kind, size int, until time.Time) {
	if size != a.size {
		a.adjustments = append(a.adjustments, Adjustment{by, a.size, size, until})
	}
	a.size, a.by, a.until = size, by, until
}

// hold records that a limit keeps the current size.
func (a *adjusting) hold(by Kind, until time.Time) { a.to(by, a.Input.Size, until) }

// override applies the limits that come before any recommendation. It reports whether one
// of them decided.
func (a *adjusting) override() bool {
	size, permitted := a.Input.Size, a.memory.Permitted(a.Now)
	switch {
	case a.Paused:
		a.hold(ByPause, a.PausedUntil)
	case a.Maintenance:
		a.hold(ByMaintenance, time.Time{})
	case a.Override:
		want := min(max(a.OverrideSize, a.Min), a.Max)
		if want > size {
			want = max(min(want, permitted), size)
		}
		a.to(ByOverride, want, a.OverrideUntil)
	case a.SetToZero:
		a.hold(ByPause, time.Time{})
	case a.Yielding:
		a.hold(ByYielding, a.YieldingUntil)
	case size > a.Max:
		a.to(ByBounds, a.Max, time.Time{})
	case size < a.Min && permitted <= size:
		a.hold(ByPlatform, a.memory.PermittedUntil(a.Now))
	case size < a.Min:
		a.to(ByBounds, min(a.Min, permitted), time.Time{})
	case a.spent >= 1 && size > a.Min:
		a.to(ByBudget, a.Min, time.Time{})
	case !a.Measured:
		a.hold(ByUndecided, time.Time{})
	default:
		return false
	}
	return true
}

// limit applies the limits on a recommendation, in their order. At this point the
// current size is within the bounds.
func (a *adjusting) limit() {
	size, l := a.Input.Size, &a.limits
	if a.floor > a.size {
		a.to(ByForecast, a.floor, time.Time{})
	}
	up := a.size > size
	tolerated := l.Tolerance*float64(size) + floatError
	switch {
	case a.size == size:
		return
	case up && a.Now.Before(a.futile):
		a.hold(ByDiminishingReturns, a.futile)
		return
	case up && float64(a.size-size) <= tolerated, !up && float64(size-a.size) <= tolerated:
		a.hold(ByTolerance, time.Time{})
		return
	}
	a.stabilize(up)
	if a.size == size {
		return
	}
	if until := a.cooldown(up); a.Now.Before(until) {
		a.hold(ByCooldown, until)
		return
	}
	behavior := l.Down
	if up {
		behavior = l.Up
	}
	room, until := behavior.Rate.room(a.memory.Moves, a.Now, size, up)
	a.atMost(up, room, ByRate, until)
	if behavior.Step > 0 {
		a.atMost(up, behavior.Step, ByStep, time.Time{})
	}
	top, topKind, topUntil := a.Max, ByMax, time.Time{}
	if a.spent >= 1 && a.Min < top {
		top, topKind = a.Min, ByBudget
	}
	if permitted := a.memory.Permitted(a.Now); permitted < top {
		top, topKind, topUntil = permitted, ByPlatform, a.memory.PermittedUntil(a.Now)
	}
	switch {
	case up && a.size > top:
		a.to(topKind, max(top, size), topUntil)
	case !up && a.size < a.Min:
		a.to(ByMin, a.Min, time.Time{})
	}
}

// wait holds back an order that the platform would not take.
func (a *adjusting) wait() {
	switch {
	case a.size == a.Input.Size:
	case a.Now.Before(a.BusyUntil):
		a.hold(ByBusy, a.BusyUntil)
	case a.Now.Before(a.DeployingUntil):
		a.hold(ByDeployment, a.DeployingUntil)
	}
}

// stabilize lets the size move only as far as all recommendations of the window agree.
func (a *adjusting) stabilize(up bool) {
	size, recommended := a.Input.Size, a.memory.Recommendations
	if window := a.limits.Up.Stabilization; up && window > 0 {
		if least := max(recommended.lowest(a.Now, window, a.size), size); least < a.size {
			a.to(ByStabilization, least, time.Time{})
		}
	}
	if window := a.limits.Down.Stabilization; !up && window > 0 {
		if most, until := recommended.highest(a.Now, window, a.size); most > a.size {
			a.to(ByStabilization, min(most, size), until)
		}
	}
}

// atMost lets the size move by at most n processes. A negative n means no limit.
func (a *adjusting) atMost(up bool, n int, by Kind, until time.Time) {
	size := a.Input.Size
	// The distances are not subtracted from the sizes: a recommendation may be any int.
	switch {
	case n < 0:
	case up && a.size > plus(size, n):
		a.to(by, plus(size, n), until)
	case !up && a.size < size-n:
		a.to(by, size-n, until)
	}
}

// cooldown returns until when a change in the given direction must wait.
func (a *adjusting) cooldown(up bool) time.Time {
	var until time.Time
	after := a.limits.Up.Cooldown
	if a.limits.CooldownCoversBoot {
		after = max(after, a.Boot)
	}
	if !a.Added.IsZero() && after > 0 {
		until = a.Added.Add(after)
	}
	if after := a.limits.Down.Cooldown; !up && !a.Removed.IsZero() && after > 0 {
		if t := a.Removed.Add(after); t.After(until) {
			until = t
		}
	}
	return until
}

// next returns the earliest times at which the size can go up and down.
func (a *adjusting) next() (up, down time.Time) {
	up, down = a.cooldown(true), a.cooldown(false)
	if a.futile.After(up) {
		up = a.futile
	}
	size, l, m := a.Input.Size, &a.limits, a.memory
	if m.Permitted(a.Now) <= size {
		up = latest(up, m.PermittedUntil(a.Now))
	}
	if room, until := l.Up.Rate.room(m.Moves, a.Now, size, true); room == 0 && until.After(up) {
		up = until
	}
	if room, until := l.Down.Rate.room(m.Moves, a.Now, size, false); room == 0 && until.After(down) {
		down = until
	}
	if l.Down.Stabilization > 0 && a.Measured && !a.Maintenance {
		if most, until := m.Recommendations.highest(a.Now, l.Down.Stabilization, 0); most >= size && until.After(down) {
			down = until
		}
	}
	held := latest(a.BusyUntil, a.commanded())
	up, down = latest(up, held), latest(down, held)
	if !up.After(a.Now) {
		up = time.Time{}
	}
	if !down.After(a.Now) {
		down = time.Time{}
	}
	return up, down
}

// commanded returns until when a person or another autoscaler keeps recommendations from
// being followed. Zero: nobody does, or the end is not known.
func (a *adjusting) commanded() time.Time {
	switch {
	case a.Paused:
		return a.PausedUntil
	case a.Maintenance:
		return time.Time{}
	case a.Override:
		return a.OverrideUntil
	case a.Yielding && !a.SetToZero:
		return a.YieldingUntil
	}
	return time.Time{}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// plus adds without overflow.
func plus(a, b int) int {
	if sum := a + b; (sum > a) == (b > 0) {
		return sum
	}
	if b > 0 {
		return int(^uint(0) >> 1)
	}
	return -int(^uint(0)>>1) - 1
}
