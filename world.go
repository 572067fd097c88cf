package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

const (
	// leastRest is the shortest time for which a leader that resigned leaves the lease
	// to others.
	leastRest = 30 * time.Second
)

// The functions below call the parts that the host supplied. Each call has a deadline,
// and a panic becomes an error.

// look reads everything that a tick needs for its decision.
func (a *Autoscaler) look(ctx context.Context, now time.Time) input {
	in := input{now: now, given: a.mail.command(), store: a.health}
	in.store.used = a.store != nil
	if in.record, in.store.answered = a.record(); !in.store.answered {
		if a.asked.IsZero() {
			a.asked = time.Now()
		}
		in.store.silence = time.Since(a.asked)
	} else {
		in.store.silence = time.Since(in.record.Read)
	}
	in.term, in.leads = a.lead()
	if in.leads {
		a.measure(ctx, &in)
		if ctx.Err() != nil {
			in.cut = context.Cause(ctx)
		}
	}
	in.mail = a.mail.take()
	return in
}

// record returns what the Store holds. The Record is zero if there is no Store, or if
// the Store has read nothing yet. answered reports whether the Store has read
// something.
func (a *Autoscaler) record() (record Record, answered bool) {
	if a.store == nil {
		return Record{}, false
	}
	err := guard.Do(func() error { record, answered = a.store.Record(); return nil })
	a.mail.fault("Store", err)
	if err != nil || !answered {
		return Record{}, false
	}
	record.Holder = guard.Cut(record.Holder, maxDetail)
	return record, answered
}

// lead asks the Elector, if there is one, whether this process may act.
func (a *Autoscaler) lead() (term Term, leads bool) {
	if a.cfg.Elector == nil {
		return Term{}, true
	}
	err := guard.Do(func() error { term, leads = a.cfg.Elector.Current(); return nil })
	if err != nil || !leads {
		a.mail.fault("Elector", err)
		return Term{}, false
	}
	term.Holder = guard.Cut(term.Holder, maxDetail)
	return term, true
}

// measure probes and reads the size. Both share a deadline. If the probe used that up,
// reading the size gets its own, because a probe that hangs must not keep the size from
// coming back within the bounds.
func (a *Autoscaler) measure(ctx context.Context, in *input) {
	limited, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	in.sample, in.probeErr = a.probe(limited)
	if in.probeErr == nil && in.sample.Signals == 0 && in.sample.Failure == NoFailure {
		in.probeErr = fmt.Errorf("autoscale: probe %s: the Prober returned a Sample without signals: set Sample.Signals, as to SignalLatency", a.cfg.Name)
	}
	if limited.Err() != nil && ctx.Err() == nil {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, a.cfg.Timeout)
		defer cancel()
	}
	in.capacity, in.readErr = a.read(limited)
	if in.readErr == nil && (in.capacity.Desired < 0 || in.capacity.Pending < 0) {
		in.readErr = fmt.Errorf("the Scaler answered %s, %d of them pending, which cannot be", processes(in.capacity.Desired), in.capacity.Pending)
	}
	if in.readErr != nil {
		in.readErr = fmt.Errorf("autoscale: read the size of %s: %w", a.cfg.Name, in.readErr)
	}
}

func (a *Autoscaler) probe(ctx context.Context) (s Sample, err error) {
	a.calling.part.Store(&callProbe)
	defer guard.Catch(&err)
	s, err = a.cfg.Prober.Probe(ctx)
	s.Detail = guard.Cut(s.Detail, maxDetail)
	return s, guard.Check(err)
}

func (a *Autoscaler) read(ctx context.Context) (c Capacity, err error) {
	a.calling.part.Store(&callCapacity)
	defer guard.Catch(&err)
	c, err = a.cfg.Scaler.Capacity(ctx)
	return c, guard.Check(err)
}

// decide asks the Decider, and each rule of which it consists.
func (a *Autoscaler) decide(o Observation) (d Decision, rules []Recommendation, err error) {
	a.calling.part.Store(&callDecide)
	defer guard.Catch(&err)
	d = short(a.cfg.Decider.Decide(o))
	if a.composite != nil {
		a.rules = a.rules[:0]
		a.composite.Each(o, func(rule string, d Decision) {
			if len(a.rules) < maxRules {
				a.rules = append(a.rules, Recommendation{guard.Cut(rule, maxNote), short(d)})
			}
		})
	}
	return d, a.rules, nil
}

// short returns d with its texts cut. Texts that are formatted when they are read are cut
// then.
func short(d Decision) Decision {
	d.Reason.Code = ReasonCode(guard.Cut(string(d.Reason.Code), maxNote))
	if text, ok := d.Reason.Detail.(ReasonText); ok && len(text) > maxDetail {
		d.Reason.Detail = ReasonText(guard.Cut(string(text), maxDetail))
	}
	return d
}

// save records the state under the term. That takes a tick one round trip, and one more
// before it orders a size.
func (a *Autoscaler) save(ctx context.Context, order plan) error {
	a.mu.Lock()
	data, err := a.machine.snapshot(time.Now(), order)
	term := a.machine.term
	a.mu.Unlock()
	if err != nil {
		return err
	}
	// The term may have been renewed since the tick began.
	if fresh, leads := a.lead(); leads && fresh.Number == term.Number {
		term = fresh
	}
	ctx, cancel := context.WithDeadline(ctx, a.deadline(term))
	defer cancel()
	a.calling.part.Store(&callSave)
	if err := guard.Do(func() error { return a.store.Save(ctx, term.Number, data) }); err != nil {
		a.mail.fault("Store", err)
		return fmt.Errorf("autoscale: %s: record the state: %w", a.cfg.Name, err)
	}
	return nil
}

// deadline returns the time by which a call that only a leader may make must end.
func (a *Autoscaler) deadline(term Term) time.Time {
	deadline := time.Now().Add(a.cfg.Timeout)
	if !term.Until.IsZero() && term.Until.Before(deadline) {
		return term.Until
	}
	return deadline
}

// order sets the size. While the platform permits fewer, it tries again with a
// smaller size.
//
// The Store records the order first. That is also the fence: a process whose term
// is over finds out there, and does not send the order.
func (a *Autoscaler) order(ctx context.Context, term Term, p plan) (r result) {
	r.size = p.size
	defer func() {
		if ctx.Err() != nil && r.err != nil {
			r.stopped = context.Cause(ctx)
		}
	}()
	if a.store != nil {
		if r.err = a.save(ctx, p); r.err != nil {
			return r
		}
	}
	r.err = a.attempt(ctx, term, p.size, &r)
	for range maxRefusals {
		refused := refusal(r.err, r.size)
		if refused == nil {
			break
		}
		r.refused = refused
		if refused.Limit <= p.from { // LimitReached reports it
			r.size, r.platform, r.err = p.from, true, nil
			return r
		}
		r.size, r.platform = refused.Limit, true
		r.err = a.attempt(ctx, term, r.size, &r)
	}
	if r.err != nil {
		r.err = fmt.Errorf("autoscale: scale %s from %d to %d: %w", a.cfg.Name, p.from, r.size, r.err)
	}
	return r
}

// maxRefusals bounds how many times a platform that does not name its limit is asked
// for half of the increase. It is enough for an increase of a hundred.
const maxRefusals = 8

// attempt orders size if this process still leads. The call must end within the time
// for which this process certainly leads.
func (a *Autoscaler) attempt(ctx context.Context, term Term, size int, r *result) (err error) {
	now, leads := a.lead()
	if !leads || now.Number != term.Number {
		return ErrNotLeader
	}
	ctx, cancel := context.WithDeadline(ctx, a.deadline(now))
	defer cancel()
	r.sent, r.tried = true, size
	a.calling.part.Store(&callScale)
	defer guard.Catch(&err)
	return guard.Check(a.cfg.Scaler.Scale(ctx, size))
}

// refusal returns the platform's answer that it permits fewer, if err is such an
// answer. A limit that does not explain the refusal does not count.
func refusal(err error, size int) *LimitError {
	var e *LimitError
	if err == nil || !errors.As(err, &e) || e.Limit <= 0 || e.Limit >= size {
		return nil
	}
	return e
}

// keep records a tick before any notification of it is sent. So if the process dies,
// a notification may be lost, but the next leader never repeats one. keep reports
// whether the notifiers may be called.
func (a *Autoscaler) keep(ctx context.Context, d done) (recorded bool) {
	if a.store == nil {
		return true
	}
	if !d.leads {
		return false
	}
	err := a.save(ctx, plan{})
	switch {
	case err == nil:
		a.health = storeHealth{}
		return true
	case errors.Is(err, ErrNotLeader):
		a.log(ctx, slog.LevelWarn, err.Error()+"; another process leads, and it notifies")
		return false
	case ctx.Err() != nil:
		return false
	}
	a.health.unsaved++
	a.health.err = err
	a.log(ctx, slog.LevelWarn, err.Error()+"; notifications wait until it can be recorded")
	if d.acted {
		// Nobody else knows what was ordered, unless they read it from the platform.
		// A process that can record it should lead.
		a.resign(ctx)
	}
	return false
}

// resign gives the term up, if the Elector is a Resigner.
func (a *Autoscaler) resign(ctx context.Context) {
	if a.resigner == nil {
		return
	}
	rest := max(a.cfg.Interval, leastRest)
	a.log(ctx, slog.LevelWarn, fmt.Sprintf("autoscale: %s: this process resigns, and does not campaign for %v", a.cfg.Name, rest))
	a.mail.fault("Elector", guard.Do(func() error { a.resigner.Resign(rest); return nil }))
}
