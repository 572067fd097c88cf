package limit

import "time"

// maxSlots bounds the slots in which recommendations are kept, so that memory and saved
// state do not grow with the number of ticks. A recommendation is forgotten up to a
// slot later than its window ends.
const maxSlots = 60

// slot holds the lowest and the highest recommendation of some ticks in a row.
type slot struct {
	At  time.Time `json:"at"` // the last of these ticks
	Min int       `json:"min"`
	Max int       `json:"max"`
}

// recommendations are the slots, oldest first.
type recommendations []slot

// add records a recommendation, and forgets those older than the window.
func (r *recommendations) add(now time.Time, size int, window time.Duration) {
	if window <= 0 {
		*r = (*r)[:0]
		return
	}
	old := 0
	for old < len(*r) && now.Sub((*r)[old].At) > window {
		old++
	}
	*r = append((*r)[:0], (*r)[old:]...)
	if n := len(*r); n > 1 {
		last := &(*r)[n-1]
		// A slot takes recommendations until it is as wide as its share of the window.
		if now.Sub((*r)[n-2].At) < window/(maxSlots-2) || n == maxSlots {
			last.At, last.Min, last.Max = now, min(last.Min, size), max(last.Max, size)
			return
		}
	}
	*r = append(*r, slot{now, size, size})
}

// lowest returns the lowest recommendation of the window.
func (r recommendations) lowest(now time.Time, window time.Duration, size int) int {
	for _, s := range r {
		if now.Sub(s.At) <= window {
			size = min(size, s.Min)
		}
	}
	return size
}

// highest returns the highest recommendation of the window, and when that leaves the
// window.
func (r recommendations) highest(now time.Time, window time.Duration, size int) (int, time.Time) {
	var at time.Time
	for _, s := range r {
		if now.Sub(s.At) <= window && s.Max >= size {
			size, at = s.Max, s.At
		}
	}
	if at.IsZero() {
		return size, at
	}
	return size, at.Add(window)
}
