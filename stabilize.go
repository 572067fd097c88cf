package autoscale

import (
	"fmt"
	"time"
)

// Stabilization is how long a wish must have been wished before it is carried
// out: the size rises no higher than the lowest wish of the last Up, and falls
// no lower than the highest wish of the last Down, so that a short peak or a
// short lull moves nothing. 0: no window. Who starts without a history counts
// the size that it finds as the first wish.
//
// Source: the stabilization windows of Kubernetes' HorizontalPodAutoscaler,
// which has 0 up and 5 minutes down.
type Stabilization struct {
	Up, Down time.Duration
}

// Stabilization windows are kept in slots, at most maxSlots of them, so that
// memory and state do not grow with the number of ticks. A wish is forgotten
// up to a slot later than its window ends.
const maxSlots = 60

// slot holds the lowest and the highest wish of some ticks in a row.
type slot struct {
	At  time.Time `json:"at"` // of the last of them
	Min int       `json:"min"`
	Max int       `json:"max"`
}

// wishes are the slots, oldest first.
type wishes []slot

// add notes a wish, and forgets those older than both windows.
func (w *wishes) add(now time.Time, size int, s Stabilization) {
	window := max(s.Up, s.Down)
	if window <= 0 {
		*w = (*w)[:0]
		return
	}
	old := 0
	for old < len(*w) && now.Sub((*w)[old].At) > window {
		old++
	}
	*w = append((*w)[:0], (*w)[old:]...)
	if n := len(*w); n > 1 {
		last := &(*w)[n-1]
		// A slot takes wishes until it is as wide as its share of the window.
		if now.Sub((*w)[n-2].At) < window/(maxSlots-2) || n == maxSlots {
			last.At, last.Min, last.Max = now, min(last.Min, size), max(last.Max, size)
			return
		}
	}
	*w = append(*w, slot{now, size, size})
}

// lowest returns the lowest wish of the window.
func (w wishes) lowest(now time.Time, window time.Duration, size int) int {
	for _, s := range w {
		if now.Sub(s.At) <= window {
			size = min(size, s.Min)
		}
	}
	return size
}

// highest returns the highest wish of the window, and until when that is so.
func (w wishes) highest(now time.Time, window time.Duration, size int) (int, time.Time) {
	var at time.Time
	for _, s := range w {
		if now.Sub(s.At) <= window && s.Max >= size {
			size, at = s.Max, s.At
		}
	}
	if at.IsZero() {
		return size, at
	}
	return size, at.Add(window)
}

// Rate limits how far the size may move within a period, counting every change
// of it, by whomever.
type Rate struct {
	Up, Down Quota
}

// Quota is how many processes may be added, or removed, within a Period: so
// many Processes, or Percent of the size at the beginning of the period, rounded
// up, whichever is more. Without a Period there is no quota. Up to 64 changes
// are remembered.
//
// Source: the scaling policies of Kubernetes' HorizontalPodAutoscaler.
type Quota struct {
	Processes int
	Percent   float64
	Period    time.Duration
}

func (q Quota) validate(field string) error {
	switch {
	case q == Quota{}:
		return nil
	case q.Period <= 0:
		return fmt.Errorf("%s.Period is %v: it must be above 0 where Processes or Percent is given", field, q.Period)
	case q.Processes < 0 || !(q.Percent >= 0) || q.Percent > 1e6:
		return fmt.Errorf("%s is %d processes or %v%%: neither may be negative, and 100 is the whole size", field, q.Processes, q.Percent)
	case q.Processes == 0 && q.Percent == 0:
		return fmt.Errorf("%s permits no change at all in %v: give Processes, Percent or both, or no Period", field, q.Period)
	}
	return nil
}

// room returns how many processes the quota leaves, and when there is more.
func (q Quota) room(m moves, now time.Time, size int, up bool) (room int, until time.Time) {
	if q.Period <= 0 {
		return -1, time.Time{}
	}
	moved := 0 // in the direction, within the period
	start := size
	for _, v := range m {
		if now.Sub(v.At) >= q.Period {
			continue
		}
		start -= v.To - v.From
		if step := v.To - v.From; step > 0 == up {
			moved += abs(step)
			if until.IsZero() {
				until = v.At.Add(q.Period)
			}
		}
	}
	most := max(q.Processes, ceil(float64(max(start, 0))*q.Percent/100))
	return max(most-moved, 0), until
}

// ceil rounds up what is not whole, and not what a float made of a whole number.
func ceil(v float64) int {
	n := int(min(v, 1e9))
	if v-float64(n) > 1e-9 {
		n++
	}
	return n
}

func (w wishes) shifted(at func(time.Time) time.Time) (out wishes) {
	for _, s := range w {
		out = append(out, slot{at(s.At), s.Min, s.Max})
	}
	return out
}
