package autoscale

import "time"

// MaxSamples is the most samples that an [Observation] of an [Autoscaler] has,
// whatever the decider's window is. At one sample every ten seconds it is more than
// eleven hours.
const MaxSamples = 4096

// history keeps the samples that the decider may look at, oldest first.
type history struct {
	samples []Sample
	window  time.Duration // samples as recent as this are kept,
	number  int           // and this many of the newest, however old
}

// add appends s. A sample that is older than the one before it, as after a
// step of the clock, is kept in the order in which it came.
func (h *history) add(s Sample) {
	drop := 0
	for drop < len(h.samples) && h.stale(drop, s.Time) {
		drop++
	}
	if drop > 0 {
		// Copying down keeps one array for good; it moves a few KiB at most
		// and only as many ticks apart as there is room behind.
		n := copy(h.samples, h.samples[drop:])
		clear(h.samples[n:])
		h.samples = h.samples[:n]
	}
	h.samples = append(h.samples, s)
}

func (h *history) stale(i int, now time.Time) bool {
	left := len(h.samples) - i + 1 // with the one that is added
	return left > MaxSamples || left > h.number && now.Sub(h.samples[i].Time) > h.window
}

// maxEvents bounds the events that Status shows.
const maxEvents = 32

// ring keeps the last maxEvents events.
type ring struct {
	events []Event // grows to maxEvents, then is overwritten in turn
	next   int
}

func (r *ring) add(e Event) {
	if len(r.events) < maxEvents {
		r.events = append(r.events, e)
		return
	}
	r.events[r.next] = e
	r.next = (r.next + 1) % maxEvents
}

// all returns a copy, oldest first.
func (r *ring) all() []Event {
	out := make([]Event, 0, len(r.events))
	out = append(out, r.events[r.next:]...)
	return append(out, r.events[:r.next]...)
}

// maxMoves bounds the changes of size that are remembered for Diff.
const maxMoves = 64

type move struct {
	At   time.Time `json:"at"`
	From int       `json:"from"`
	To   int       `json:"to"`
}

// moves remembers the changes of size within a period.
type moves []move

func (m *moves) add(v move) {
	if len(*m) == maxMoves {
		*m = append((*m)[:0], (*m)[1:]...)
	}
	*m = append(*m, v)
}

// spread returns the size within the period that lies furthest from size.
func (m moves) spread(now time.Time, period time.Duration, size int) (furthest int) {
	furthest = size
	for _, v := range m {
		if now.Sub(v.At) > period {
			continue
		}
		for _, n := range [2]int{v.From, v.To} {
			if abs(n-size) > abs(furthest-size) {
				furthest = n
			}
		}
	}
	return furthest
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
