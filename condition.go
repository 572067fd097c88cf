package autoscale

import (
	"slices"
	"time"
)

// quietPeriod is how long most conditions must not have been seen before they end. So
// one good response between many bad ones does not end a condition.
const quietPeriod = 5 * time.Minute

// condition is something that lasts. It is notified when it begins, now and then while
// it lasts, and once when it ends.
type condition struct {
	kind     EventKind
	part     string // of Panicked: whose panic
	since    time.Time
	seen     time.Time
	notified time.Time
	event    Event // as last seen
}

// conditions are the conditions that hold, in the order in which they began.
type conditions []condition

// find returns the condition, and adds it if it does not hold yet. There is at most
// one for each kind and part of a Config, so the list stays short.
func (cs *conditions) find(kind EventKind, part string) *condition {
	for i := range *cs {
		if c := &(*cs)[i]; c.kind == kind && c.part == part {
			return c
		}
	}
	*cs = append(*cs, condition{kind: kind, part: part})
	return &(*cs)[len(*cs)-1]
}

// holds records that e's condition is seen, and returns e with its phase.
func (cs *conditions) holds(e Event, part string, repeat time.Duration) Event {
	c := cs.find(e.Kind, part)
	switch {
	case c.since.IsZero():
		c.since, c.notified, e.Phase = e.Time, e.Time, Began
	case repeat > 0 && e.Time.Sub(c.notified) >= repeat:
		c.notified, e.Phase = e.Time, Repeated
	default:
		e.Phase = Ongoing
	}
	c.seen, e.Since = e.Time, c.since
	c.event = e
	return e
}

// over ends one condition among the kinds that were looked for at now and not seen.
// A condition that comes and goes with the load ends only after quietPeriod.
func (cs *conditions) over(looked EventKind, now time.Time) (Event, bool) {
	for i := range *cs {
		c := &(*cs)[i]
		if c.kind&looked == 0 || c.seen.Equal(now) {
			continue
		}
		if c.kind&(Paused|Yielding|DiffExceeded|StoreFailing) == 0 && now.Sub(c.seen) < quietPeriod {
			continue
		}
		e := c.event
		e.Phase, e.Time = Ended, now
		*cs = slices.Delete(*cs, i, i+1)
		return e, true
	}
	return Event{}, false
}

// all returns the conditions that hold.
func (cs conditions) all() []Event {
	var out []Event
	for _, c := range cs {
		out = append(out, c.event)
	}
	return out
}
