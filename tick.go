package autoscale

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// failingAfter is how many failures in a row make a condition: one lost packet
// is not worth waking somebody.
const failingAfter = 3

// warmUp is for how long a Prober may say that it is warming up. After that it
// counts as one that fails.
const warmUp = 2 * time.Minute

// ceiling is the most that a platform said it permits. It is believed for
// ceilingAge, because such limits are raised on request.
type ceiling struct {
	size  int
	until time.Time
}

const ceilingAge = time.Hour

func (c ceiling) at(now time.Time) int {
	if c.until.IsZero() || !now.Before(c.until) {
		return math.MaxInt
	}
	return c.size
}

// report is what one tick finds out, step by step. Nothing of it reaches the
// state before the tick is over, so that Status shows whole ticks.
type report struct {
	now      time.Time // the tick's
	at       time.Time // when its measurement ended, at or after now
	min, max int

	sample   Sample
	probeErr error
	warming  bool // probeErr says that the Prober has only just begun

	capacity Capacity
	readErr  error
	command  command
	moved    bool      // the size differs from the one of the last tick,
	ours     bool      // because an order of ours took effect that seemed to fail
	changed  time.Time // as in state
	added    time.Time
	removed  time.Time

	boot  time.Duration // how long a process takes to serve
	spent float64       // share of the budget

	wish             Decision
	decideErr        error
	nextUp, nextDown time.Time // as in Explanation

	size     int // to order
	limit    Limit
	until    time.Time
	acted    bool // ordered, or would have been in a dry run
	ordered  bool // whether an order was sent, of
	tried    int  // this size at last
	orderErr error
	refused  *LimitError // the platform permits fewer
}

// tick does one step and tells of it.
func (a *Autoscaler) tick(ctx context.Context, now time.Time, tell func(Event)) (Decision, error) {
	a.events, a.rules, a.bends = a.events[:0], a.rules[:0], a.bends[:0]
	a.heed(now)
	a.watch(now)
	d, err := a.step(ctx, now)
	recorded := a.store == nil || a.keep(ctx, d.Act)
	a.emit(ctx, recorded, tell)
	if a.state.leading || a.cfg.Elector == nil {
		a.explain(ctx)
	}
	if n := a.state.scaleFailures; n > 0 && n%resignAfter == 0 && a.state.leading {
		a.resign(ctx)
	}
	return d, err
}

func (a *Autoscaler) step(ctx context.Context, now time.Time) (Decision, error) {
	term, leads := a.lead()
	if !a.follow(now, term, leads) {
		return Decision{}, ErrNotLeader
	}
	r := report{now: now, at: now, min: a.cfg.Min.At(now), max: a.cfg.Max.At(now)}
	a.measure(ctx, &r)
	if ctx.Err() != nil {
		// The host stops. What failed because of that is no failure.
		return Decision{}, fmt.Errorf("autoscale: %s: the tick was cut short: %w", a.cfg.Name, context.Cause(ctx))
	}
	if r.readErr == nil {
		a.compare(&r)
		a.decide(&r)
		a.order(ctx, &r)
		if ctx.Err() != nil && r.orderErr != nil {
			return Decision{}, a.cutShort(ctx, &r)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.commit(&r)
}

// cutShort notes that the host stopped while an order was given, which may or
// may not have been carried out.
func (a *Autoscaler) cutShort(ctx context.Context, r *report) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.ordered {
		a.state.ordering = r.wish
		a.state.orders.give(r.at, r.tried, true)
	}
	a.state.fresh = false
	return fmt.Errorf("autoscale: %s: the tick was cut short: %w", a.cfg.Name, context.Cause(ctx))
}

// again reports whether a dry run would order what it would have ordered in the
// tick before, because the size stays outside the bounds: that is told once.
func (r *report) again(s *state) bool {
	return r.limit == LimitOutside && s.outcome.Limit == LimitOutside && s.outcome.Decision.Act && s.outcome.Decision.Size == r.size
}

// reason says why the size was ordered.
func (r *report) reason(from int) Reason {
	switch r.limit {
	case LimitOutside:
		return Reason{ReasonOutside, outside{from, r.min, r.max}}
	case LimitOverride:
		return Reason{ReasonOverride, ReasonText(r.command.String())}
	}
	return r.wish.Reason
}

// lead asks the elector, if there is one, whether this process may act.
func (a *Autoscaler) lead() (term Term, leads bool) {
	if a.cfg.Elector == nil {
		return Term{}, true
	}
	var err error
	func() {
		defer guard.Catch(&err)
		term, leads = a.cfg.Elector.Current()
	}()
	if err != nil {
		a.note("Elector", err)
		return Term{}, false
	}
	if !leads {
		return Term{}, false
	}
	return term, leads
}

// measure probes and reads the size. Both share a deadline, unless the probe
// used it up: a hung probe must not keep the size from coming back into bounds.
func (a *Autoscaler) measure(ctx context.Context, r *report) {
	limited, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	r.sample, r.probeErr = a.probe(limited)
	if r.probeErr == nil && r.sample.Signals == 0 && r.sample.Failure == NoFailure {
		r.probeErr = fmt.Errorf("autoscale: probe %s: the Prober returned a Sample without signals: set Sample.Signals, as to SignalLatency", a.cfg.Name)
	}
	if r.probeErr == nil {
		// A probe cannot have ended later than it was waited for. A year below
		// 1 is no time that can be stored.
		if t := r.sample.Time; t.IsZero() || t.After(r.now.Add(a.cfg.Timeout)) || t.Year() < 1 {
			r.sample.Time = r.now
		}
		if r.sample.Time.After(r.at) {
			r.at = r.sample.Time
		}
	}
	r.warming = a.warmingUp(r)
	if limited.Err() != nil && ctx.Err() == nil {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, a.cfg.Timeout)
		defer cancel()
	}
	r.capacity, r.readErr = a.read(limited)
	if r.readErr == nil && (r.capacity.Desired < 0 || r.capacity.Pending < 0) {
		r.readErr = fmt.Errorf("the scaler answered %d processes, %d of them pending, which cannot be", r.capacity.Desired, r.capacity.Pending)
	}
	if r.readErr != nil {
		r.readErr = fmt.Errorf("autoscale: read the size of %s: %w", a.cfg.Name, r.readErr)
	}
}

// warmingUp reports whether the Prober has only just begun, and for how long it has
// said so is still believed.
func (a *Autoscaler) warmingUp(r *report) bool {
	if !errors.Is(r.probeErr, ErrWarmingUp) || a.state.probeFailures > 0 {
		return false
	}
	since := a.state.warming
	return since.IsZero() || r.now.Sub(since) < warmUp
}

// compare holds the size against the one of the last tick.
func (a *Autoscaler) compare(r *report) {
	s := &a.state
	r.command = a.heedCommand(r.now)
	r.changed, r.added, r.removed = notAfter(s.changed, r.at), notAfter(s.added, r.at), notAfter(s.removed, r.at)
	switch size := r.capacity.Desired; {
	case !s.known:
		// Who starts does not know what was changed before, or in which
		// direction: the platform's own record keeps cooldowns from being
		// forgotten. Its clock may be ahead of ours.
		r.changed = r.capacity.Changed
		if r.changed.After(r.at) {
			r.changed = r.at
		}
		r.added, r.removed = r.changed, r.changed
	case size != s.capacity.Desired:
		r.moved = true
		r.ours = s.orders.seemed(r.at, size)
		r.resized(s.capacity.Desired, size)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s.serving.see(r.at, r.capacity.Ready())
	s.boots.see(r.at, r.added, r.removed, r.capacity.Pending)
	r.boot = s.boots.typical(a.cfg.Boot)
	r.spent = s.spending.spend(r.at, r.capacity.Desired, a.cfg.Budget)
}

// resized notes a change of size.
func (r *report) resized(from, to int) {
	r.changed = r.at
	if to > from {
		r.added = r.at
	} else {
		r.removed = r.at
	}
}

// decide asks the decider, and bends what it wishes.
func (a *Autoscaler) decide(r *report) {
	s := &a.state
	// In maintenance the platform answers, and not the service.
	if r.probeErr == nil && !r.capacity.Maintenance {
		a.mu.Lock()
		r.sample = s.serving.whole(r.sample, r.capacity.Ready())
		s.samples.add(r.sample)
		s.fresh = true
		a.mu.Unlock()

		o := Observation{Now: r.at, Samples: s.samples.samples, Capacity: r.capacity, Min: r.min, Max: r.max, Boot: r.boot, Added: r.added}
		o.Capacity.Changed = r.changed
		r.wish, r.decideErr = a.ask(o)
		if r.decideErr == nil {
			r.decideErr = a.each(o)
		}
	}
	measured := r.probeErr == nil && r.decideErr == nil
	if !measured || r.capacity.Maintenance {
		r.wish = Decision{Reason: Reason{Code: ReasonUnmeasured}}
		if r.warming {
			r.wish.Reason.Code = ReasonWarmingUp
		}
	}
	rivalUntil, rival := a.rivals(r)
	c := circumstances{
		now: r.at, size: r.capacity.Desired, min: r.min, max: r.max,
		ceiling:     s.ceiling.at(r.now),
		spent:       r.spent >= 1,
		command:     r.command,
		zeroed:      a.zeroed(r),
		maintenance: r.capacity.Maintenance,
		rival:       rival || r.capacity.Rival != "", rivalUntil: rivalUntil,
		measured: measured,
		wish:     r.wish,
		moves:    s.moves,
		added:    r.added, removed: r.removed,
		boot: r.boot, cfg: &a.cfg,
	}
	if measured && !r.capacity.Maintenance {
		a.weigh(&c)
	}
	b := bend(&c, a.bends)
	r.size, r.limit, r.until, a.bends = b.size, b.by, b.until, b.bends
	r.nextUp, r.nextDown = c.next()
}

// weigh holds a wish against those before it.
func (a *Autoscaler) weigh(c *circumstances) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.state
	want := c.size
	if c.wish.Act {
		want = max(c.wish.Size, 0)
	}
	if a.cfg.Forecast.Share > 0 {
		c.floor = s.past.floor(c.now, c.boot, a.cfg.Forecast)
		s.past.add(c.now, want)
		want = max(want, c.floor)
	}
	c.futile = s.futility.judge(c.now, c.boot, s.samples.samples, c.size, want, a.cfg.Futility)
	if len(s.wishes) == 0 {
		s.wishes.add(c.now, c.size, a.cfg.Stabilization)
	}
	s.wishes.add(c.now, want, a.cfg.Stabilization)
	c.wishes = s.wishes
}

// rivals reports whether another autoscaler was at work before this tick, or
// shows itself in it.
func (a *Autoscaler) rivals(r *report) (until time.Time, down bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.state
	if r.moved && !r.ours {
		s.rivalry.change(r.at, s.capacity.Desired, r.capacity.Desired)
	}
	return s.rivalry.down(r.at)
}

// zeroed reports whether somebody set the size to 0 although Min is above 0.
// Where Min is 0 at some other time of the week the 0 may be of our own making.
func (a *Autoscaler) zeroed(r *report) bool {
	return r.capacity.Desired == 0 && r.min > 0 && !a.cfg.Min.touches(0)
}

// order sets the size, once more where the platform names a lower limit.
func (a *Autoscaler) order(ctx context.Context, r *report) {
	from := r.capacity.Desired
	if r.size == from {
		return
	}
	if a.cfg.DryRun {
		r.acted = true
		if !r.again(&a.state) {
			r.resized(from, r.size)
		}
		return
	}
	if r.orderErr = a.intend(ctx, r); r.orderErr != nil {
		return
	}
	r.orderErr = a.attempt(ctx, r, r.size)
	if r.refused = refusal(r.orderErr, r.size); r.refused != nil {
		to := max(r.refused.Limit, 0)
		switch {
		case to == from:
			r.size, r.limit, r.orderErr = from, LimitPlatform, nil
			return
		case to > from:
			r.size, r.limit = to, LimitPlatform
			r.orderErr = a.attempt(ctx, r, to)
		}
	}
	if r.orderErr != nil {
		r.orderErr = fmt.Errorf("autoscale: scale %s from %d to %d: %w", a.cfg.Name, from, r.size, r.orderErr)
		return
	}
	r.acted = true
	r.resized(from, r.size)
}

// refusal returns the platform's answer that it permits fewer, if err is one.
func refusal(err error, size int) *LimitError {
	var e *LimitError
	if err == nil || !errors.As(err, &e) || e.Limit <= 0 || e.Limit >= size {
		return nil // a limit that does not explain the refusal is none
	}
	return e
}

// attempt orders size, if this process still leads, within the time for which
// it is sure to.
func (a *Autoscaler) attempt(ctx context.Context, r *report, size int) error {
	term, leads := a.lead()
	if !leads || term.Number != a.state.term.Number {
		return ErrNotLeader
	}
	deadline := time.Now().Add(a.cfg.Timeout)
	if !term.Until.IsZero() && term.Until.Before(deadline) {
		deadline = term.Until
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	r.ordered, r.tried = true, size
	return a.scale(ctx, size)
}

// What follows calls the parts that the host supplied.

func (a *Autoscaler) probe(ctx context.Context) (s Sample, err error) {
	defer guard.Catch(&err)
	s, err = a.cfg.Prober.Probe(ctx)
	return s, guard.Check(err)
}

func (a *Autoscaler) read(ctx context.Context) (c Capacity, err error) {
	defer guard.Catch(&err)
	c, err = a.cfg.Scaler.Capacity(ctx)
	return c, guard.Check(err)
}

func (a *Autoscaler) ask(o Observation) (d Decision, err error) {
	defer guard.Catch(&err)
	return a.cfg.Decider.Decide(o), nil
}

func (a *Autoscaler) scale(ctx context.Context, size int) (err error) {
	defer guard.Catch(&err)
	return guard.Check(a.cfg.Scaler.Scale(ctx, size))
}

// notAfter keeps a clock that was put back from holding the size for as long.
func notAfter(t, limit time.Time) time.Time {
	if t.After(limit) {
		return limit
	}
	return t
}
