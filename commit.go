package autoscale

import (
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/names"
)

// commit moves what a tick found into the state, all at once, and queues what
// is to be told. The caller holds the lock.
func (a *Autoscaler) commit(r *report) (Decision, error) {
	s := &a.state
	s.fresh = false
	s.ticked, s.min, s.max = r.now, r.min, r.max
	s.counters.Ticks++

	from := s.capacity.Desired
	if r.readErr == nil {
		from = r.capacity.Desired
	}
	base := Event{Time: r.now, Name: a.cfg.Name, From: from, To: from, Min: r.min, Max: r.max, Sample: r.sample, Decision: r.wish, Limit: r.limit, Until: r.until}
	a.commitProbe(r, base)
	if r.readErr == nil {
		a.commitSize(r, base)
	}
	a.commitOrder(r, base)
	a.commitConditions(r, base)

	out := Explanation{
		From: from, Boot: r.boot, Rules: a.rules, Wish: r.wish, Bends: a.bends, Limit: r.limit, Until: r.until,
		NextUp: r.nextUp, NextDown: r.nextDown, Err: joined(r.probeFault(), r.readErr, r.decideErr, r.orderErr),
	}
	if r.probeErr == nil {
		out.Sample = r.sample
	}
	out.Decision = Decision{Size: from, Reason: r.reason(from)}
	if r.acted {
		out.Decision.Act, out.Decision.Size = true, r.size
	}
	s.outcome = out.clone(s.outcome)
	return out.Decision, out.Err
}

// joined is errors.Join, save that one error alone stays as it is.
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
func (r *report) probeFault() error {
	if r.warming {
		return nil
	}
	return r.probeErr
}

func (a *Autoscaler) commitProbe(r *report, e Event) {
	s := &a.state
	if r.warming {
		if s.warming.IsZero() {
			s.warming = r.now
			e.Kind, e.Detail = WarmingUp, r.probeErr.Error()
			a.push(e)
		}
		return
	}
	if r.probeErr == nil {
		s.probeFailures, s.warming = 0, time.Time{}
		s.counters.Probes++
		e.Kind = Probed
		a.push(e)
		return
	}
	s.probeFailures++
	s.counters.ProbeFailures++
	e.Kind, e.Err, e.Count = ProbeFailed, r.probeErr, s.probeFailures
	a.push(e)
	if s.probeFailures >= failingAfter {
		e.Kind = ProbeFailing
		a.holds(e, "")
	}
	a.panicked(e, "Prober", r.probeErr)
}

// commitSize notes the size that the platform runs, and who changed it.
func (a *Autoscaler) commitSize(r *report, e Event) {
	s := &a.state
	if r.moved {
		e := e
		e.From, e.To = s.capacity.Desired, r.capacity.Desired
		s.moves.add(move{r.at, e.From, e.To})
		if r.ours {
			s.counters.Scales++
			e.Kind, e.Detail, e.Decision = Scaled, "by an order that had seemed to fail", s.ordering
		} else {
			s.counters.Changes++
			e.Kind, e.Decision = Changed, Decision{}
		}
		s.orders.Unsure = false
		a.push(e)
	}
	s.known = true
	s.capacity = r.capacity
	s.changed, s.added, s.removed = r.changed, r.added, r.removed
	if r.probeErr == nil && r.decideErr == nil && !r.capacity.Maintenance {
		e.Kind, e.To = Decided, r.size
		a.push(e)
	}
	a.panicked(e, "Decider", r.decideErr)
}

// commitOrder notes what was ordered and what came of it.
func (a *Autoscaler) commitOrder(r *report, e Event) {
	s := &a.state
	if r.ordered {
		s.ordering = r.wish
		s.orders.give(r.at, r.tried, r.orderErr != nil)
	}
	if r.refused != nil {
		known := s.ceiling.at(r.now) == r.refused.Limit
		s.ceiling = ceiling{max(r.refused.Limit, 0), r.now.Add(ceilingAge)}
		e := e
		e.Kind, e.From, e.To, e.Err = LimitReached, r.refused.Size, r.refused.Limit, r.refused.Err
		if !known {
			a.push(e)
		}
	}
	err := joined(r.readErr, r.orderErr)
	switch {
	case errors.Is(err, ErrNotLeader):
		// The term ended while the tick was under way, and nothing was ordered.
	case err != nil:
		s.scaleFailures++
		s.counters.ScaleFailures++
		e.Kind, e.Err, e.Count = ScaleFailed, err, s.scaleFailures
		if r.orderErr != nil {
			e.To = r.size
		}
		a.push(e)
		if s.scaleFailures >= failingAfter {
			e.Kind = ScaleFailing
			a.holds(e, "")
		}
		a.panicked(e, "Scaler", err)
	default:
		s.scaleFailures = 0
	}
	if r.acted {
		e.Kind, e.To, e.DryRun, e.Err = Scaled, r.size, a.cfg.DryRun, nil
		e.Decision.Reason = r.reason(e.From)
		if !a.cfg.DryRun {
			s.counters.Scales++
			s.capacity.Desired, s.spending.Size = r.size, r.size
			s.serving.lowered(r.at, r.size)
			s.rivalry.order(r.at, e.From, e.To)
			s.moves.add(move{r.at, e.From, e.To})
		}
		if e.To > e.From && a.cfg.Futility.After > 0 {
			s.futility.raised(r.at, s.samples.samples)
		}
		if !e.DryRun || !r.again(s) {
			a.push(e)
		}
	}
}

// commitConditions looks which conditions hold, and which are over.
func (a *Autoscaler) commitConditions(r *report, e Event) {
	s := &a.state
	looked := Panicked | ProbeFailing | ScaleFailing
	if r.readErr == nil {
		looked |= NeedsAboveMax | NeedsBelowMin | Paused | StoodDown | DiffExceeded | Futile | BudgetShort
		size := r.capacity.Desired
		top := min(r.max, s.ceiling.at(r.now))
		switch {
		case r.limit == LimitPaused || r.limit == LimitMaintenance:
			e := e
			e.Kind, e.Detail = Paused, r.command.String()
			a.holds(e, "")
		case r.limit == LimitStoodDown:
			e := e
			e.Kind, e.Detail = StoodDown, r.capacity.Rival
			a.holds(e, "")
		case r.limit == LimitFutile:
			e := e
			e.Kind, e.Count = Futile, a.cfg.Futility.After
			a.holds(e, "")
		case r.wish.Act && r.wish.Size > top && size >= top:
			e := e
			e.Kind, e.Max = NeedsAboveMax, top
			a.holds(e, "")
		case r.wish.Act && r.wish.Size < r.min && size <= r.min && r.min > 1:
			e := e
			e.Kind = NeedsBelowMin
			a.holds(e, "")
		}
		a.commitBudget(r, e)
		if d := a.cfg.NotifyDiff; d.Threshold > 0 {
			if was := s.moves.spread(r.at, d.Period, s.capacity.Desired); abs(s.capacity.Desired-was) > d.Threshold {
				e := e
				e.Kind, e.From, e.To = DiffExceeded, was, s.capacity.Desired
				e.Detail = "within " + names.Duration(d.Period)
				a.holds(e, "")
			}
		}
	}
	for {
		over, ok := s.conditions.over(looked, r.now)
		if !ok {
			return
		}
		a.push(over)
	}
}

// commitBudget tells twice of a budget: when it runs short, and when it is spent.
func (a *Autoscaler) commitBudget(r *report, e Event) {
	if r.spent < budgetShort {
		return
	}
	s := &a.state.spending
	e.Kind = BudgetShort
	e.Detail = fmt.Sprintf("%.1f of %.6g process-hours of %s are spent", s.Hours, a.cfg.Budget.Hours, s.Period)
	a.holds(e, "short")
	if r.spent >= 1 {
		e.Detail += fmt.Sprintf("; until it ends no more than Min, %d, is ordered", r.min)
		a.holds(e, "spent")
	}
}

// panicked notes that err is a panic of the named part, if it is one.
func (a *Autoscaler) panicked(e Event, part string, err error) {
	if guard.Of(err) != nil {
		a.state.counters.Panics++
		e.Kind, e.Detail, e.Err = Panicked, part, err
		a.holds(e, part)
	}
}

// holds notes that the condition of e is seen.
func (a *Autoscaler) holds(e Event, part string) {
	a.push(a.state.conditions.holds(e, part, a.cfg.RepeatAfter))
}

// push queues e to be told at the end of the tick, and keeps it for Status
// unless every tick has one like it.
func (a *Autoscaler) push(e Event) {
	a.events = append(a.events, e)
	if e.Phase != Ongoing && e.Kind&(Probed|Decided) == 0 {
		a.state.recent.add(e)
	}
}

// forget drops what was true of an earlier term.
func (s *state) forget() {
	*s = state{
		samples:  history{samples: s.samples.samples[:0], window: s.samples.window, number: s.samples.number},
		counters: s.counters, recent: s.recent, ticked: s.ticked, leading: s.leading, term: s.term,
		obeyed: s.obeyed, min: s.min, max: s.max, capacity: Capacity{Desired: s.capacity.Desired},
	}
}

// follow notes whether this process leads. Who begins to lead knows of what
// happened before only what the store does, and begins afresh without one.
func (a *Autoscaler) follow(now time.Time, term Term, leads bool) bool {
	record := a.record()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.state
	e := Event{Kind: LeaderChanged, Time: now, Name: a.cfg.Name, From: s.capacity.Desired, To: s.capacity.Desired}
	switch {
	case leads == s.leading && term.Number == s.term.Number:
	case leads:
		s.forget()
		clear(a.unsent)
		a.unsent = a.unsent[:0]
		e.Detail = "this process leads now"
		if e.Err = s.restore(record, a.cfg.Name); e.Err == nil {
			e.From, e.To = s.capacity.Desired, s.capacity.Desired
		}
		if a.cfg.Elector != nil {
			a.push(e)
		}
	default:
		e.Detail = "this process leads no more"
		a.push(e)
	}
	s.leading, s.term = leads, term
	if !leads {
		s.ticked = now
		s.counters.Ticks++
		s.outcome = Explanation{Limit: LimitNotLeader, From: s.capacity.Desired, Decision: Decision{Size: s.capacity.Desired}, Err: ErrNotLeader}
	}
	return leads
}
