package autoscale

import "time"

// MaxSamples is the most samples that an [Autoscaler] keeps, for any window of the
// Decider. At one sample every ten seconds that is more than eleven hours.
const MaxSamples = 4096

// sampleHistory keeps the samples for the Decider, oldest first.
type sampleHistory struct {
	samples []Sample
	offered []Sample      // includes the sample of a tick that is not over. Nil: none
	window  time.Duration // samples as recent as this are kept,
	number  int           // and this many of the newest, however old
}

// offer returns the samples with s at the end. A call of take then keeps s. If the
// clock was put back, s may be older than the sample before it. It still comes last.
func (h *sampleHistory) offer(s Sample) []Sample {
	drop := 0
	for drop < len(h.samples) && h.stale(drop, s.Time) {
		drop++
	}
	if drop > 0 {
		// Copying down keeps the same array.
		n := copy(h.samples, h.samples[drop:])
		clear(h.samples[n:])
		h.samples = h.samples[:n]
	}
	h.offered = append(h.samples, s)
	return h.offered
}

// take keeps the sample that was offered last.
func (h *sampleHistory) take() { h.samples, h.offered = h.offered, nil }

// all returns the samples, with the one that is offered.
func (h *sampleHistory) all() []Sample {
	if h.offered != nil {
		return h.offered
	}
	return h.samples
}

func (h *sampleHistory) stale(i int, now time.Time) bool {
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
