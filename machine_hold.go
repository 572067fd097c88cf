package autoscale

import (
	"errors"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

// deploying records since when a deployment is under way.
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
	return m.Deploying.Add(holdPatience)
}

// partly returns err as an order that was carried out in part, if it is one.
func partly(err error, from, size int) *PartialError {
	var e *PartialError
	if err == nil || !errors.As(err, &e) {
		return nil
	}
	if up := from < e.Reached && e.Reached < size; up || size < e.Reached && e.Reached < from {
		return e
	}
	return nil
}

// wait holds the size for a time if the platform is busy with something else.
func (m *machine) wait(err error) {
	t := &m.tick
	var busy *BusyError
	if err == nil || !errors.As(err, &busy) {
		if t.outcome.By != limit.ByBusy { // it still waits for what the platform said before
			m.BusySince, m.BusyUntil = time.Time{}, time.Time{}
		}
		return
	}
	if m.BusySince.IsZero() || m.BusySince.After(t.at) {
		m.BusySince, t.began = t.at, true
	}
	until := m.BusySince.Add(holdPatience)
	if t.busy = t.at.Before(until); !t.busy {
		m.BusyUntil = time.Time{}
		return
	}
	if busy.RetryAfter > 0 && busy.RetryAfter < until.Sub(t.at) {
		until = t.at.Add(busy.RetryAfter)
		m.BusyUntil = until
	}
	t.outcome.By, t.outcome.Until = limit.ByBusy, until
}
