package count

import (
	"time"
)

// A Second is what one process counted within one second.
type Second struct {
	Begun float64 // requests that began
	Ended float64 // requests that ended
	Busy  float64 // requests in progress, mean
	Peak  float64 // requests in progress, the most at once; 0: not known
}

// A Report has the counts of one process: rates by the second, and times over one window.
type Report struct {
	Ended   time.Duration // when its last second ended, since the Counter began
	Seconds []Second      // oldest first, at most Seconds
	Window  int           // how many of the newest seconds the times below are of
	served  int64         // time in the handler, in ns, of the requests in slots
	waits   [waitSlots]uint64
	slots   [slots]uint64 // requests that ended, by time in the handler
	long    uint64        // requests that ended and took too long to count there
}

// least is how many seconds a process counts before it reports.
const least = 5

// Report returns the counts up to the last whole second before now. Its times are of the
// given window. Its rates reach back as far as the Counter remembers, but not beyond the
// first request: before that the router may not have known of this process.
//
// ok is false while too little was counted. A process reports from five whole seconds after
// its first request on, or from one window if that is shorter. A process without a request
// reports from one window after its start on.
func (c *Counter) Report(now int64, window time.Duration) (r Report, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record(now)
	n := int64(window / time.Second)
	from := max(c.first, c.last-Seconds)
	switch {
	case c.first == 0 && c.last < n, c.first > 0 && c.last-c.first < min(n, least):
		return Report{Ended: time.Duration(c.last) * time.Second}, false
	case c.first == 0:
		from = c.last - n
	}
	n = min(n, c.last-from)
	at := func(boundary int64) *totals { return c.history[boundary%int64(len(c.history))] }
	r = Report{Ended: time.Duration(c.last) * time.Second, Window: int(n), Seconds: make([]Second, 0, c.last-from)}
	for b := from + 1; b <= c.last; b++ {
		r.Seconds = append(r.Seconds, at(b-1).second(at(b)))
	}
	older, newer := at(c.last-n), at(c.last)
	r.served = newer.served - older.served
	r.long = uint64(newer.slots[slots] - older.slots[slots])
	for i := range r.slots {
		r.slots[i] = uint64(newer.slots[i] - older.slots[i])
	}
	for i := range r.waits {
		r.waits[i] = uint64(newer.waits[i] - older.waits[i])
	}
	return r, true
}

// second returns the counts between two boundaries, a second apart.
func (t *totals) second(later *totals) Second {
	var ended uint32
	for i, n := range later.slots {
		ended += n - t.slots[i]
	}
	return Second{
		// A connection that waits can leave in a later second than it came.
		Begun: max(0, float64(int64(later.begun-t.begun))),
		Ended: float64(ended),
		// A request that was being counted at a boundary can make this -1e-9 or so.
		Busy: max(0, float64(later.busy-t.busy)/float64(time.Second)),
		Peak: float64(later.peak),
	}
}
