package sim

import (
	"math"
	"slices"
)

// A pool has the processes that serve. Times are seconds since the start of the load, and
// never go back.
type pool interface {
	// arrive gives a request to one of the processes that serve, if one accepts it.
	arrive(t, work float64, route uint64)
	// beat sends a heartbeat to one process.
	beat(t, work float64, route uint64)
	// answered returns when the heartbeat was answered, and whether it was refused. It
	// returns false if that is not known yet. A refused heartbeat is answered at once.
	answered(t float64) (end float64, refused, ok bool)
	// advance brings every process to t.
	advance(t float64)
	// resize makes n processes serve: the newest stop accepting requests first,
	// and finish what they have.
	resize(t float64, n int)
	// remove makes one process stop, in the same way as the newest does when the size
	// falls.
	remove(t float64, process int)
	// attach makes a process count its requests. It is called for each process when it
	// begins to serve, or never.
	attach(process int, c *tally)
	// worked returns for how long slots of a process were busy until t.
	worked(process int, t float64) float64
}

// fifo is a pool of processes that work on requests in their order of arrival, each with
// the same number of slots. When a request arrives, it is known which slot of its process
// will be free first, so fifo needs no events. This is the recursion of Kiefer and
// Wolfowitz.
type fifo struct {
	rec     *recorder
	slots   int
	backlog int
	least   bool // routing

	ready int
	free  []float64 // when each slot of each process is free
	work  []float64 // given to each process
	waits []waits   // of each process, where the backlog is bounded
	count []*tally  // of each process; empty: they count nothing

	beatEnd     float64
	beatRefused bool
}

// waits has the times at which the work on the last waiting requests of a process begins.
// They begin in order, so the backlog is full if the oldest of them still waits.
type waits struct {
	starts []float64
	next   int
}

func newFIFO(rec *recorder, s Service) *fifo {
	return &fifo{rec: rec, slots: s.Slots, backlog: s.Backlog, least: s.Routing == LeastBusy}
}

// soonest returns the slot that is free first in a process.
func (f *fifo) soonest(process int) int {
	first := process * f.slots
	if f.slots == 1 {
		return first
	}
	j := first
	for i := first + 1; i < first+f.slots; i++ {
		if f.free[i] < f.free[j] {
			j = i
		}
	}
	return j
}

// route returns the slot that a request is given to, and its process.
func (f *fifo) route(t float64, route uint64) (process, slot int) {
	process = pick(route, f.ready)
	slot = f.soonest(process)
	if !f.least {
		return process, slot
	}
	for i, p := 1, process; i < f.ready && f.free[slot] > t; i++ {
		if p++; p == f.ready {
			p = 0
		}
		if s := f.soonest(p); f.free[s] < f.free[slot] {
			process, slot = p, s
		}
	}
	return process, slot
}

// begin returns when work that arrives at t begins, or false if the work is
// refused.
func (f *fifo) begin(t float64, process, slot int) (float64, bool) {
	start := f.free[slot]
	if start <= t {
		return t, true
	}
	if f.backlog > 0 {
		w := &f.waits[process]
		if w.starts == nil {
			w.starts = make([]float64, f.backlog)
		}
		if w.starts[w.next] > t {
			return 0, false
		}
		w.starts[w.next] = start
		if w.next++; w.next == f.backlog {
			w.next = 0
		}
	}
	return start, true
}

func (f *fifo) arrive(t, work float64, route uint64) {
	r := f.rec
	r.cur.arrivals++
	if f.ready == 0 {
		r.refuse(t)
		return
	}
	process, slot := f.route(t, route)
	start, ok := f.begin(t, process, slot)
	if !ok {
		r.refuse(t)
		return
	}
	end := start + work
	f.free[slot] = end
	f.work[process] += work
	r.enter(t)
	r.occupy(start, end)
	r.leave(end, work, start-t)
	r.answer(t, end-t)
	if len(f.count) > 0 {
		f.count[process].plan(t, start, end)
	}
}

func (f *fifo) attach(process int, c *tally) { f.count = append(f.count[:process], c) }

func (f *fifo) beat(t, work float64, route uint64) {
	f.beatEnd, f.beatRefused = t, true
	if f.ready == 0 {
		return
	}
	process, slot := f.route(t, route)
	start, ok := f.begin(t, process, slot)
	if !ok {
		return
	}
	f.beatEnd, f.beatRefused = start+work, false
	f.free[slot] = f.beatEnd
	f.work[process] += work
	f.rec.occupy(start, f.beatEnd)
}

func (f *fifo) answered(float64) (end float64, refused, ok bool) {
	return f.beatEnd, f.beatRefused, true
}

func (f *fifo) advance(float64) {}

func (f *fifo) resize(t float64, n int) {
	for p := f.ready; p < n; p++ {
		if p == len(f.work) {
			f.free = append(f.free, make([]float64, f.slots)...)
			f.work = append(f.work, 0)
			f.waits = append(f.waits, waits{})
			continue
		}
		clear(f.free[p*f.slots : (p+1)*f.slots])
		clear(f.waits[p].starts)
		f.work[p] = 0
	}
	f.rec.serving(t, n-f.ready)
	f.ready = n
}

func (f *fifo) remove(t float64, process int) {
	toEnd(f.free[:f.ready*f.slots], process*f.slots, f.slots)
	toEnd(f.work[:f.ready], process, 1)
	toEnd(f.waits[:f.ready], process, 1)
	if len(f.count) > 0 {
		toEnd(f.count[:f.ready], process, 1)
	}
	f.resize(t, f.ready-1)
}

// toEnd moves the n elements from i on to the end of s.
func toEnd[T any](s []T, i, n int) {
	moved := slices.Clone(s[i : i+n])
	copy(s[i:], s[i+n:])
	copy(s[len(s)-n:], moved)
}

func (f *fifo) worked(process int, t float64) float64 {
	work := f.work[process]
	for _, free := range f.free[process*f.slots : (process+1)*f.slots] {
		work -= max(0, free-t)
	}
	return work
}

// pick turns 64 random bits into a number from 0 to n-1.
func pick(random uint64, n int) int {
	return int(uint64(uint32(random>>32)) * uint64(n) >> 32)
}

// draws returns a function that draws how long the work on a request takes.
func draws(s Service, exp, norm func() float64) func() float64 {
	mean := s.Mean.Seconds()
	switch {
	case s.CV == 1:
		return func() float64 { return mean * exp() }
	case s.CV < 0:
		return func() float64 { return mean }
	}
	// A lognormal distribution with this mean and coefficient of variation.
	variance := math.Log1p(s.CV * s.CV)
	sigma, mu := math.Sqrt(variance), math.Log(mean)-variance/2
	return func() float64 { return math.Exp(mu + sigma*norm()) }
}
