package autoscale

import (
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/limit"
)

// finish takes the result of the plan. It returns the result of the tick and its events,
// which are valid until the next tick begins.
func (m *machine) finish(r result) (done, []Event) {
	d := m.end(r)
	d.leads, d.term = m.leading, m.term.Number
	return d, m.events
}

func (m *machine) end(r result) done {
	t := &m.tick
	switch {
	case !m.leading:
		m.Ticked = t.now
		m.counters.Ticks++
		err := ErrNotLeader
		if t.store.used && !t.store.answered {
			err = ErrStoreSilent
		}
		m.outcome = Explanation{Limit: limit.ByNotLeader, From: m.Capacity.Desired, Decision: Decision{Size: m.Capacity.Desired}, Err: err}
		return done{Err: err}
	case t.cut != nil:
		// The host stops. Failures because of that do not count.
		return done{Err: m.cutShort(t.cut)}
	case t.readErr == nil && r.stopped != nil:
		// The order may have been sent anyway, and the next leader must know about it.
		if r.sent {
			m.Orders.Give(t.at, r.tried, true)
		}
		return done{Err: m.cutShort(r.stopped)}
	}
	m.settle(r)
	d := m.commit()
	if n := m.ScaleFailures; n > 0 && n%resignAfter == 0 {
		d.resign = true
	}
	return d
}

func (m *machine) cutShort(cause error) error {
	return fmt.Errorf("autoscale: %s: the tick was cut short: %w", m.cfg.Name, cause)
}

// settle records what was ordered.
func (m *machine) settle(r result) {
	t := &m.tick
	if t.readErr != nil {
		m.wait(t.readErr, false)
		return
	}
	from := t.capacity.Desired
	if m.cfg.DryRun {
		r = result{size: t.outcome.Size}
	}
	t.result = r
	if r.refused != nil {
		t.news = m.Limits.Permits(t.now, r.refused.Limit, r.refused.RetryAfter)
	}
	if r.platform {
		until := m.Limits.PermittedUntil(t.now)
		t.outcome.By, t.outcome.Until, t.outcome.NextUp = limit.ByPlatform, until, later(t.outcome.NextUp, until)
	}
	if t.part = partly(r.err, from, r.size); t.part != nil {
		m.rest(t.part)
		t.size, t.acted = t.part.Reached, true
		if t.size > from {
			m.raised(t.at, from)
		}
		t.resized(from, t.size)
		return
	}
	m.wait(r.err, r.sent && r.err == nil)
	if r.err != nil || r.size == from || m.cfg.RecommendOnly {
		return
	}
	t.acted = true
	if r.size > from && !m.cfg.DryRun {
		m.raised(t.at, from)
	}
	if !m.cfg.DryRun || !t.repeats(m) {
		t.resized(from, r.size)
	}
}

// repeats reports whether a dry run would order the same size as in the tick before,
// because the size stays outside the bounds. That is reported only once.
func (t *tick) repeats(m *machine) bool {
	last := &m.outcome
	return t.outcome.By == limit.ByBounds && last.Limit == limit.ByBounds && last.Decision.Act && last.Decision.Size == t.size
}

// reason returns why the size was ordered.
func (t *tick) reason(from int) Reason {
	switch t.outcome.By {
	case limit.ByBounds:
		return Reason{ReasonOutside, outside{from, t.min, t.max}}
	case limit.ByOverride:
		return Reason{ReasonOverride, ReasonText(t.command.String())}
	}
	return t.recommendation.Reason
}

// commit moves everything that the tick found into the state, all at once.
func (m *machine) commit() done {
	t := &m.tick
	m.Ticked, m.Min, m.Max = t.now, t.min, t.max
	m.counters.Ticks++
	if t.asked {
		m.samples.take()
	}
	from := m.Capacity.Desired
	if t.readErr == nil {
		from = t.capacity.Desired
	}
	repeats := t.acted && t.repeats(m)
	base := Event{
		Time: t.now, Name: m.cfg.Name, From: from, To: from, Min: t.min, Max: t.max, Sample: t.sample,
		Decision: t.recommendation, Limit: t.outcome.By, Until: t.outcome.Until,
	}
	m.commitProbe(base)
	if t.readErr == nil {
		m.commitSize(base)
	}
	m.commitOrder(base, repeats)
	m.commitConditions(base)

	out := Explanation{
		From: from, Boot: t.boot, Rules: t.rules, Recommendation: t.recommendation, Adjustments: t.outcome.Adjustments,
		Limit: t.outcome.By, Until: t.outcome.Until, NextUp: t.outcome.NextUp, NextDown: t.outcome.NextDown, Spent: t.outcome.Spent,
		Err: joined(t.probeFault(), t.readErr, t.decideErr, t.err),
	}
	if t.probeErr == nil {
		out.Sample = t.sample
	}
	out.Decision = Decision{Size: from, Reason: t.reason(from)}
	switch {
	case t.acted:
		out.Decision.Act, out.Decision.Size = true, t.size
	case m.cfg.RecommendOnly && t.readErr == nil:
		out.Decision.Size = t.outcome.Size
	case m.cfg.RecommendOnly && m.Known:
		out.Decision.Size = m.outcome.Decision.Size // the size that was published before
	}
	m.outcome = out.clone(m.outcome)
	m.past.Add(m.point())
	return done{Decision: out.Decision, Err: out.Err, acted: t.acted}
}

// joined is like errors.Join, but returns a single error unchanged.
func joined(errs ...error) error {
	var only error
	for _, err := range errs {
		if err != nil {
			if only != nil {
				return errors.Join(errs...)
			}
			only = err
		}
	}
	return only
}

// probeFault returns why nothing was measured, unless the Prober is warming up.
func (t *tick) probeFault() error {
	if t.warming {
		return nil
	}
	return t.probeErr
}

func (m *machine) commitProbe(e Event) {
	t := &m.tick
	if t.warming {
		if m.warming.IsZero() {
			m.warming = t.now
			e.Kind, e.Detail = WarmingUp, t.probeErr.Error()
			m.push(e)
		}
		return
	}
	if t.probeErr == nil {
		m.ProbeFailures, m.warming = 0, time.Time{}
		m.counters.Probes++
		e.Kind = Probed
		m.push(e)
		return
	}
	m.ProbeFailures++
	m.counters.ProbeFailures++
	e.Kind, e.Err, e.Count = ProbeFailed, t.probeErr, m.ProbeFailures
	m.push(e)
	if m.ProbeFailures >= failingAfter {
		e.Kind = ProbeFailing
		m.holds(e, "")
	}
	m.panicked(e, "Prober", t.probeErr)
}

// commitSize records the size that the platform runs, and who changed it.
func (m *machine) commitSize(e Event) {
	t := &m.tick
	if t.moved {
		e := e
		e.From, e.To = m.Capacity.Desired, t.capacity.Desired
		m.Limits.Moved(t.at, e.From, e.To)
		if t.ours {
			m.counters.Scales++
			e.Kind, e.Detail, e.Decision = Scaled, "by an earlier order that seemed to fail", m.ordering
			if m.cfg.RecommendOnly {
				e.Detail, e.Decision = "by the autoscaler that carries out the recommendation", m.outcome.Decision
			}
		} else {
			m.counters.Changes++
			e.Kind, e.Decision = Changed, Decision{}
		}
		m.Orders.Unsure = false
		if m.cfg.RecommendOnly && e.To > e.From {
			m.Limits.Raised(t.at, m.symptoms())
		}
		m.push(e)
	}
	m.Known = true
	m.Capacity = t.capacity
	m.Changed, m.Added, m.Removed = t.changed, t.added, t.removed
	if t.asked && t.decideErr == nil {
		e.Kind, e.To = Decided, t.size
		m.push(e)
	}
	m.panicked(e, "Decider", t.decideErr)
}

// commitOrder records what was ordered, and the result.
func (m *machine) commitOrder(e Event, repeats bool) {
	t := &m.tick
	// If the platform certainly refused it, there was no order. The result of the order
	// before it then stays open.
	if t.sent && !t.refusedForSure() {
		m.ordering = t.recommendation
		m.Orders.Give(t.at, t.tried, t.err != nil)
		if part := (*PartialError)(nil); errors.As(t.err, &part) && between(e.From, part.Reached, t.tried) {
			m.Orders.Partly(part.Reached) // even if nothing was reached: any size from there on is ours
		}
	}
	if t.news {
		e := e
		e.Kind, e.From, e.To, e.Err = LimitReached, t.refused.Size, t.refused.Limit, t.refused.Err
		e.Until = m.Limits.PermittedUntil(t.now)
		m.push(e)
		t.limit = true
	}
	err := joined(t.readErr, t.err)
	switch {
	case errors.Is(err, ErrNotLeader):
		// The term ended during the tick, and nothing was ordered.
	case t.part != nil:
		m.ScaleFailures = 0
	case t.busy:
		m.ScaleFailures = 0
		if t.began {
			e.Kind, e.Err, e.To, e.Count = ScaleFailed, err, t.size, 1
			if t.readErr != nil {
				e.To = e.From
			}
			e.Limit, e.Until = t.outcome.By, t.outcome.Until
			m.push(e)
		}
	case err != nil:
		m.ScaleFailures++
		m.counters.ScaleFailures++
		e.Kind, e.Err, e.Count = ScaleFailed, err, m.ScaleFailures
		if t.err != nil {
			e.To = t.size
		}
		m.push(e)
		if m.ScaleFailures >= failingAfter {
			e.Kind = ScaleFailing
			m.holds(e, "")
		}
		m.panicked(e, "Scaler", err)
	default:
		m.ScaleFailures = 0
	}
	if !t.acted {
		return
	}
	e.Kind, e.To, e.DryRun, e.Err = Scaled, t.size, m.cfg.DryRun, nil
	if t.part != nil {
		e.Err, e.Detail = t.part.Err, fmt.Sprintf("as part of an order of %d; the next tick orders the rest", t.part.Size)
	}
	e.Decision.Reason = t.reason(e.From)
	if !m.cfg.DryRun {
		m.counters.Scales++
		m.Capacity.Desired = t.size
		m.Serving.lowered(t.at, t.size)
		m.Others.Order(t.at, e.From, e.To)
		m.Limits.Ordered(t.at, e.From, e.To)
	}
	if e.To > e.From {
		m.Limits.Raised(t.at, m.symptoms())
	}
	if !repeats {
		m.push(e)
	}
}

// commitConditions finds out which conditions hold, and which have ended.
func (m *machine) commitConditions(e Event) {
	t := &m.tick
	looked := Panicked | ProbeFailing
	if m.BusySince.IsZero() {
		looked |= ScaleFailing // while the platform is busy, it is not known whether it works again
	}
	if t.readErr == nil {
		looked |= NeedsAboveMax | NeedsBelowMin | Paused | Yielding | DiffExceeded | Ineffective | BudgetShort | NotFollowed
		if t.limit {
			looked &^= NeedsAboveMax // LimitReached has just reported it
		} else {
			m.commitLoad(e)
		}
		m.commitBudget(e)
		m.commitFollowed(e)
		if d := m.cfg.NotifyDiff; d.Threshold > 0 {
			size := m.Capacity.Desired
			if was := m.Limits.Moves.Furthest(t.at, d.Period, size); abs(size-was) > d.Threshold {
				e := e
				e.Kind, e.From, e.To = DiffExceeded, was, size
				e.Detail = "within " + names.Duration(d.Period)
				m.holds(e, "")
			}
		}
	}
	for {
		over, ok := m.conditions.over(looked, t.now)
		if !ok {
			return
		}
		if over.Kind&(Paused|Yielding) != 0 {
			over.Detail = ""
			if t.command.Given.After(over.Since) {
				over.Detail = t.command.resumed()
			}
		}
		m.push(over)
	}
}

// commitLoad handles the conditions that exclude each other.
func (m *machine) commitLoad(e Event) {
	t := &m.tick
	size, want := t.capacity.Desired, t.recommendation
	top := min(t.max, m.Limits.Permitted(t.now))
	switch {
	case t.outcome.By == limit.ByPause || t.outcome.By == limit.ByMaintenance:
		e.Kind, e.Detail = Paused, t.command.String()
	case t.outcome.By == limit.ByYielding:
		e.Kind, e.Detail = Yielding, t.capacity.ExternalAutoscaler
	case t.outcome.By == limit.ByDiminishingReturns:
		e.Kind, e.Count = Ineffective, m.cfg.Limits.DiminishingReturns.After
	case want.Act && want.Size > top && size >= top:
		e.Kind, e.Max = NeedsAboveMax, top
	case want.Act && want.Size < t.min && size <= t.min && t.min > 1:
		e.Kind = NeedsBelowMin
	default:
		return
	}
	m.holds(e, "")
}

// commitBudget reports a budget twice: when it runs short, and when it is spent.
func (m *machine) commitBudget(e Event) {
	const short = 0.8
	t := &m.tick
	if t.outcome.Spent < short {
		return
	}
	spending := &m.Limits.Spending
	e.Kind = BudgetShort
	e.Detail = fmt.Sprintf("%.1f of %.6g process-hours of %s are spent", spending.Hours, m.cfg.Limits.Budget.Hours, spending.Period)
	m.holds(e, "short")
	if t.outcome.Spent >= 1 {
		e.Detail += fmt.Sprintf("; no more than Min, which is %d, is ordered until the period ends", t.min)
		m.holds(e, "spent")
	}
}

// panicked records that err is a panic of the named part, if it is one.
func (m *machine) panicked(e Event, part string, err error) {
	if guard.Of(err) != nil {
		m.counters.Panics++
		e.Kind, e.Detail, e.Err = Panicked, part, err
		m.holds(e, part)
	}
}

// holds records that the condition of e is seen.
func (m *machine) holds(e Event, part string) {
	m.push(m.conditions.holds(e, part, m.cfg.RepeatAfter))
}

// push adds e to the events of the tick, and keeps it for Status unless every tick has
// one like it.
func (m *machine) push(e Event) {
	m.events = append(m.events, e)
	if e.Phase != Ongoing && e.Kind&(Probed|Decided) == 0 {
		m.recent.add(e)
	}
}
