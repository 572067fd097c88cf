package autoscale

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/limit"
)

// The machine is what an Autoscaler knows and decides. It does no I/O, reads no clock
// and starts nothing. Its methods get what was seen as arguments, and return what to do
// as results. A tick calls them in this order:
//
//	begin    takes what was seen, and returns what to ask the Decider
//	plan     takes the Decider's answer, and returns what to order
//	snapshot is what the Store keeps, before the order and after the tick
//	finish   takes what became of the order. It is always called
//
// One goroutine at a time calls it, under the lock of its Autoscaler, which is never
// held during I/O.
type machine struct {
	cfg  *Config       // with its defaults
	rule string        // the Decider's name
	hold time.Duration // for how long a busy platform holds the size: see holdPatience
	state
	events  []Event // of the tick
	tick    tick
	past    history.Log
	reading reading
	fresh   bool // past starts again with each term, because the Store has what came before
	buffer  [limit.MaxSymptoms]limit.Symptom
}

// resignAfter is how many ticks in a row may fail to read or set the size before a
// leader resigns. Another process may then reach the platform.
const resignAfter = 3

// warmUp is for how long a Prober may report that it is warming up. After that it
// counts as failing.
const warmUp = 2 * time.Minute

// storeSilence is for how long a Store may give no answer before it counts as
// failing. Electors read it several times a minute.
const storeSilence = 2 * time.Minute

// input is what was seen at the start of a tick.
type input struct {
	now    time.Time
	term   Term
	leads  bool
	given  command // to this process
	record Record  // of the Store
	store  storeHealth
	mail   mail
	cut    error // why the tick ended early: the host stops

	sample   Sample
	probeErr error
	capacity Capacity
	readErr  error
}

// storeHealth is how well the Store works.
type storeHealth struct {
	used     bool
	answered bool          // since this process started
	silence  time.Duration // since it last answered, or was first asked
	unsaved  int           // saves in a row that failed
	err      error         // of the last one
}

// plan is what to do after the machine has decided.
type plan struct {
	from, size int
	order      bool // the size differs, and this is not a dry run
}

// result is the result of a plan.
type result struct {
	size     int         // the size that was ordered, or should have been
	sent     bool        // an order was sent
	tried    int         // the size in the last order that was sent
	refused  *LimitError // the platform permits fewer
	platform bool        // size is what the platform permits
	err      error
	stopped  error // why the order ended early: the host stops
}

// done is the result of a tick.
type done struct {
	Decision Decision
	Err      error
	acted    bool
	leads    bool
	term     int64
	resign   bool
}

// tick is what one tick knows. It fills up step by step.
type tick struct {
	input
	at       time.Time // when the measurement ended, at or after now
	min, max int
	warming  bool // probeErr says that the Prober has just started

	command command
	moved   bool      // the size differs from that of the last tick
	ours    bool      // an order that had seemed to fail took effect
	changed time.Time // as in kept
	added   time.Time
	removed time.Time
	boot    time.Duration
	ready   int // processes that serve

	asked          bool // the Decider was asked
	recommendation Decision
	rules          []Recommendation
	decideErr      error
	outcome        limit.Outcome
	result
	acted bool          // a size was ordered, or would have been in a dry run
	busy  bool          // the platform is busy with something else, and the size is held
	part  *PartialError // the order was carried out in part
	began bool          // with this tick
	news  bool          // the platform permits fewer than was known
	limit bool          // LimitReached was reported
}

// begin takes what was seen. It returns the Observation for the Decider, and whether
// to ask it.
func (m *machine) begin(in input) (Observation, bool) {
	clear(m.events) // so that their errors and texts can be freed
	m.events = m.events[:0]
	rules := m.tick.rules[:0]
	m.samples.offered = nil
	m.tick = tick{input: in, at: in.now, min: m.cfg.Min.At(in.now), max: m.cfg.Max.At(in.now), rules: rules}
	m.receive()
	m.watch()
	if m.follow(); !m.leading || in.cut != nil {
		return Observation{}, false
	}
	t := &m.tick
	t.sampled(m)
	if t.readErr != nil {
		return Observation{}, false
	}
	m.compare()
	// In maintenance, the platform answers requests instead of the service.
	if t.probeErr != nil || t.capacity.Maintenance {
		return Observation{}, false
	}
	t.asked = true
	t.sample = m.Serving.whole(t.sample, t.ready)
	o := Observation{
		Now: t.at, Samples: m.samples.offer(t.sample), Capacity: t.capacity,
		Min: t.min, Max: t.max, Boot: t.boot, Added: t.added,
	}
	o.Capacity.Changed = t.changed
	return o, true
}

// sampled checks the time of the measurement, and whether the Prober has just started.
func (t *tick) sampled(m *machine) {
	if t.probeErr != nil {
		t.warming = errors.Is(t.probeErr, ErrWarmingUp) && m.ProbeFailures == 0 &&
			(m.warming.IsZero() || t.now.Sub(m.warming) < warmUp)
		return
	}
	// A probe cannot have ended after the time for which the tick waited. A year below
	// 1 cannot be stored.
	if s := &t.sample; s.Time.IsZero() || s.Time.After(t.now.Add(m.cfg.Timeout)) || s.Time.Year() < 1 {
		s.Time = t.now
	}
	t.at = later(t.at, t.sample.Time)
}

// compare compares the size with that of the last tick.
func (m *machine) compare() {
	t := &m.tick
	t.changed, t.added, t.removed = earlier(m.Changed, t.at), earlier(m.Added, t.at), earlier(m.Removed, t.at)
	switch size := t.capacity.Desired; {
	case !m.Known:
		// A new leader without saved state does not know what changed earlier, or in
		// which direction. Thanks to the platform's own record, cooldowns are not
		// forgotten. The platform's clock may be ahead of ours.
		t.changed = earlier(t.capacity.Changed, t.at)
		t.added, t.removed = t.changed, t.changed
	case size != m.Capacity.Desired:
		t.moved = true
		t.ours = m.Orders.Seemed(t.at, size) || m.follows(size)
		if size > m.Capacity.Desired {
			m.raised(t.at, m.Capacity.Desired)
		}
		t.resized(m.Capacity.Desired, size)
		if !t.ours && !m.cfg.RecommendOnly {
			m.Others.Change(t.at, m.Capacity.Desired, size)
		}
	}
	m.deploying()
	m.Boots.See(t.at, t.added, t.removed, t.capacity.Pending)
	t.boot = m.Boots.Typical(m.cfg.BootTime)
	t.ready = m.ready()
	m.Serving.see(t.at, t.ready)
}

// assumedBoot is the boot time if nothing is known about it. If it is too long, the next
// rise comes late. If it is too short, far too many processes are ordered: see ready.
const assumedBoot = time.Minute

// ready returns how many processes serve. If a platform does not report how many are
// pending, all of them seem to serve at once, and the measured load of each process would
// be multiplied by too many. So for the boot time after an increase, only the processes
// from before it count.
func (m *machine) ready() int {
	t := &m.tick
	ready := t.capacity.Ready()
	if t.capacity.PendingKnown || t.capacity.Pending > 0 || t.added.IsZero() || t.at.Sub(t.added) >= cmp.Or(m.cfg.BootTime, assumedBoot) {
		return ready
	}
	return min(ready, max(m.Before, 1))
}

// raised keeps the size before an increase, or before the first of several within one
// boot time.
func (m *machine) raised(at time.Time, from int) {
	if m.Added.IsZero() || at.Sub(m.Added) >= cmp.Or(m.cfg.BootTime, assumedBoot) || from < m.Before {
		m.Before = from
	}
}

// resized records a change of size.
func (t *tick) resized(from, to int) {
	t.changed = t.at
	if to > from {
		t.added = t.at
	} else {
		t.removed = t.at
	}
}

// plan applies the limits to the Decider's answer.
func (m *machine) plan(d Decision, rules []Recommendation, err error) plan {
	t := &m.tick
	if !m.leading || t.cut != nil || t.readErr != nil {
		return plan{}
	}
	t.recommendation, t.rules, t.decideErr = d, rules, err
	measured := t.asked && err == nil
	if !measured {
		t.recommendation = Decision{Reason: Reason{Code: ReasonUnmeasured}}
		if t.warming {
			t.recommendation.Reason.Code = ReasonWarmingUp
		}
	}
	until, yielding := m.Others.Yielding(t.at)
	added, removed, recommended := t.added, t.removed, t.recommendation.Size
	if rest, ok := m.unfinished(); ok {
		added, removed, recommended = time.Time{}, time.Time{}, rest
	}
	t.outcome = m.cfg.Limits.Apply(&m.Limits, limit.Input{
		Now: t.at, Size: t.capacity.Desired, Min: t.min, Max: t.max,
		Paused: t.command.Kind == pauseCommand, PausedUntil: t.pausedUntil(),
		Override: t.command.Kind == overrideCommand, OverrideSize: t.command.Size, OverrideUntil: t.command.Until,
		SetToZero: m.setToZero(), Maintenance: t.capacity.Maintenance,
		Yielding: !m.cfg.RecommendOnly && (yielding || t.capacity.ExternalAutoscaler != ""), YieldingUntil: until,
		BusyUntil: earlier(m.BusyUntil, t.at.Add(m.hold)), DeployingUntil: m.deployingUntil(),
		Measured: measured, Change: t.recommendation.Act, Recommendation: recommended,
		Added: added, Removed: removed, Boot: t.boot,
		Symptoms: m.symptoms(),
	})
	p := plan{from: t.capacity.Desired, size: t.outcome.Size}
	t.result = result{size: p.size}
	p.order = p.size != p.from && !m.cfg.DryRun && !m.cfg.RecommendOnly
	return p
}

func (t *tick) pausedUntil() time.Time {
	if t.command.Kind == pauseCommand {
		return t.command.Until
	}
	return time.Time{}
}

// setToZero reports whether somebody set the size to 0 although Min is above 0. If Min
// is 0 at some other time of the week, the 0 may be our own.
func (m *machine) setToZero() bool {
	return !m.cfg.RecommendOnly && m.tick.capacity.Desired == 0 && m.tick.min > 0 && !m.cfg.Min.touches(0)
}

// symptoms returns the measurements in the newest samples that more processes should
// improve.
func (m *machine) symptoms() []limit.Symptom {
	out := m.buffer[:0]
	if m.cfg.Limits.DiminishingReturns.After <= 0 {
		return nil
	}
	samples := m.samples.all()
	for i := len(samples) - 1; i >= 0 && len(out) < cap(out); i-- {
		s := &samples[i]
		v := limit.Symptom{At: s.Time}
		switch {
		case s.Signals.Has(SignalQueueTime):
			v.Wait = s.QueueTime.Seconds()
		case s.Signals.Has(SignalLatency):
			v.Wait = s.Latency.Seconds()
		default:
			continue
		}
		if s.Signals.Has(SignalThroughput) && s.Throughput-s.Throughput == 0 {
			v.Work = s.Throughput
		}
		out = append(out, v)
	}
	return out
}

// snapshot returns the state for the Store. If a size is about to be ordered, the state
// says so. Then, if this process dies before it can record the result, the next leader
// still knows whose order it was.
func (m *machine) snapshot(now time.Time, order plan) ([]byte, error) {
	s := m.state
	if order.order {
		s.Orders.Give(m.tick.at, order.size, true)
	}
	return s.encode(now)
}

// receive takes the reports of other goroutines since the last tick.
func (m *machine) receive() {
	t := &m.tick
	e := Event{Time: t.now, Name: m.cfg.Name, From: m.Capacity.Desired, To: m.Capacity.Desired}
	m.counters.add(t.mail.counters())
	if n := t.mail.failed + t.mail.dropped; n > 0 {
		e := e
		e.Kind, e.From, e.To, e.Count, e.Err = NotifyFailed, 0, 0, n, t.mail.err
		m.push(e)
	}
	for _, f := range t.mail.faults {
		m.panicked(e, f.part, f.err)
	}
}

// watch checks whether the Store answers.
func (m *machine) watch() {
	t := &m.tick
	if !t.store.used {
		return
	}
	// A Store that does not report when it was read does not count as silent. A Store that
	// has never answered does. In a process that leads it does not, because that process
	// finds out when it saves.
	silent := (!t.record.Read.IsZero() || !t.store.answered && !t.leads) && t.store.silence >= storeSilence
	if t.store.unsaved < failingAfter && !silent {
		if e, over := m.conditions.over(StoreFailing, t.now); over {
			m.push(e)
		}
		return
	}
	e := Event{Kind: StoreFailing, Time: t.now, Name: m.cfg.Name, From: m.Capacity.Desired, To: m.Capacity.Desired, Err: t.store.err}
	switch {
	case silent && !t.store.answered:
		e.Detail = fmt.Sprintf("it has not answered yet, %s after it was first asked; the log says why", names.Duration(t.store.silence))
	case silent:
		e.Detail = fmt.Sprintf("it last answered %s ago", names.Duration(t.store.silence))
	}
	m.holds(e, "")
}

// follow records whether this process leads. A new leader restores its state from the
// Store. Without a Store it starts empty.
func (m *machine) follow() {
	t := &m.tick
	e := Event{Kind: LeaderChanged, Time: t.now, Name: m.cfg.Name, From: m.Capacity.Desired, To: m.Capacity.Desired}
	switch {
	case t.leads == m.leading && t.term.Number == m.term.Number:
	case t.leads:
		m.forget()
		if m.fresh {
			m.past = history.Log{}
		}
		e.Detail = t.term.who() + " leads now"
		if e.Err = m.restore(t.record, m.cfg.Name); e.Err == nil {
			e.From, e.To = m.Capacity.Desired, m.Capacity.Desired
		}
		if m.cfg.Elector != nil {
			m.push(e)
		}
	default:
		e.Detail = m.term.who() + " no longer leads"
		m.push(e)
	}
	m.leading, m.term = t.leads, t.term
	if !m.leading {
		return
	}
	// A command is obeyed once, whoever leads.
	t.command = commandAt(t.now, t.given, t.record)
	if given := t.command.Given; !given.IsZero() && given.UnixNano() != m.Obeyed {
		m.Obeyed = given.UnixNano()
		if t.command.Kind == resumeCommand {
			m.Others.Reset()
		}
	}
}
