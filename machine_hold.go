package autoscale

import (
	"errors"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

// deploying records since when a deployment has been under way.
func (m *machine) deploying() {
	t := &m.tick
	switch {
	case !t.capacity.Deploying:
		m.Deploying = time.Time{}
	case m.Deploying.IsZero() || m.Deploying.After(t.at):
		m.Deploying = t.at
	}
}

// deployingUntil returns until when a deployment holds the size.
func (m *machine) deployingUntil() time.Time {
	if m.Deploying.IsZero() || m.cfg.RecommendOnly {
		return time.Time{}
	}
	return m.Deploying.Add(m.hold)
}

// partly returns err as an order that was carried out in part, if it is one.
func partly(err error, from, size int) *PartialError {
	if err == nil {
		return nil
	}
	var e *PartialError
	if !errors.As(err, &e) {
		return nil
	}
	if up := from < e.Reached && e.Reached < size; up || size < e.Reached && e.Reached < from {
		return e
	}
	return nil
}

// between reports whether n is from, to or between them.
func between(from, n, to int) bool { return min(from, to) <= n && n <= max(from, to) }

// busyError returns err as a BusyError, if it is one. It allocates only if there is an error.
func busyError(err error) *BusyError {
	if err == nil {
		return nil
	}
	var busy *BusyError
	errors.As(err, &busy)
	return busy
}

// wait holds the size for a time if the platform is busy with something else. accepted
// means that the platform took an order.
func (m *machine) wait(err error, accepted bool) {
	t, busy := &m.tick, busyError(err)
	if busy == nil {
		// A tick in which nothing was ordered shows nothing about the platform.
		if accepted || err == nil && t.at.Sub(m.BusySeen) >= m.hold || m.BusySeen.After(t.at) {
			m.BusySince, m.BusySeen, m.BusyUntil = time.Time{}, time.Time{}, time.Time{}
		}
		return
	}
	if m.BusySince.IsZero() || m.BusySince.After(t.at) {
		m.BusySince, t.began = t.at, true
		if t.readErr == nil && !m.Deploying.IsZero() { // the deployment, and the answer that it causes, share one period
			m.BusySince = m.Deploying
		}
	}
	m.BusySeen = t.at
	until := m.BusySince.Add(m.hold)
	if t.busy = t.at.Before(until); !t.busy {
		m.BusyUntil = time.Time{}
		return
	}
	if busy.RetryAfter > 0 {
		until = earlier(t.at.Add(busy.RetryAfter), until)
		m.rests(until)
	}
	t.outcome.By, t.outcome.Until = limit.ByBusy, until
}

// rests records that the platform asked to wait, which the limits did not know yet.
func (m *machine) rests(until time.Time) {
	t := &m.tick
	m.BusyUntil = until
	t.outcome.NextUp, t.outcome.NextDown = later(t.outcome.NextUp, until), later(t.outcome.NextDown, until)
}

// rest waits, after part of an order, for as long as the platform asked. For a platform
// that took part of an order, the time for which it may be busy starts again.
func (m *machine) rest(part *PartialError) {
	m.BusySince, m.BusySeen, m.BusyUntil = time.Time{}, time.Time{}, time.Time{}
	if busy := busyError(part.Err); busy != nil && busy.RetryAfter > 0 {
		m.BusySeen = m.tick.at
		m.rests(m.tick.at.Add(min(busy.RetryAfter, m.hold)))
	}
}

// refusedForSure reports whether the platform certainly refused the order, so that no part
// of it can take effect later.
func (t *tick) refusedForSure() bool {
	if t.err == nil {
		return t.platform && t.result.size == t.capacity.Desired // it permits no more than run already
	}
	if part := (*PartialError)(nil); errors.As(t.err, &part) {
		return false
	}
	busy := busyError(t.err)
	return busy != nil && !busy.Unsure || refusal(t.err, t.tried) != nil
}

// unfinished returns how much of a recommendation is the rest of an order that was carried
// out in part. The rest has no cooldown. Anything recommended beyond it has one. The rest
// comes first for twice as long as the Autoscaler waits for a busy platform.
func (m *machine) unfinished() (rest int, ok bool) {
	o, t := &m.Orders, &m.tick
	if !o.Unsure || !o.Part || !t.recommendation.Act {
		return 0, false
	}
	size, want := t.capacity.Desired, t.recommendation.Size
	switch {
	case size < min(want, o.Last):
		rest = min(want, o.Last)
	case size > max(want, o.Last):
		rest = max(want, o.Last)
	default:
		return 0, false
	}
	return rest, rest == want || t.at.Sub(t.changed) < 2*m.hold
}
