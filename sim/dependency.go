package sim

import "github.com/autoscalebot/autoscale/internal/count"

// A Dependency is a resource that all processes use and that does not grow with their
// number, such as a database. Part of the work on a request is done there, over one of its
// connections. If no connection is free, the request waits its turn, and keeps its slot in
// the process. A Dependency serves at most Connections/(Share·Mean) requests per second,
// however many processes there are.
type Dependency struct {
	Connections int     // 0: there is no dependency
	Share       float64 // the share of the work that is done there, 0 to 1; it is the last part of the work
}

// depending is a pool of FIFO processes with a Dependency. Its queues feed each other, so
// unlike fifo it needs a heap of events.
type depending struct {
	rec     *recorder
	slots   int
	backlog int
	least   bool
	dep     Dependency

	ready     []*worker
	connected int             // connections in use
	waiting   queue[*request] // for a connection
	events    heap[event]
	order     queue[*request] // requests that are not yet answered, in the order of arrival
	unused    []*request

	beats       uint32
	beatEnd     float64
	beatRefused bool
	beatDone    bool
}

// worker is one process.
type worker struct {
	busy   int // slots
	queue  queue[*request]
	worked float64 // slot-seconds, until
	until  float64
	tally  *tally // nil: it counts nothing
}

type request struct {
	arrived, started float64
	work             float64
	worker           *worker
	beat             uint32
	began            int64 // as the process counts time
	shard            *count.Shard
	done, late       bool
}

// event is the end of the part of the work that the process does itself, or of all
// the work.
type event struct {
	at   float64
	r    *request
	last bool
}

func (e event) key() float64 { return e.at }

func newDepending(rec *recorder, s Service) *depending {
	return &depending{rec: rec, slots: s.Slots, backlog: s.Backlog, least: s.Routing == LeastBusy, dep: s.Dependency, beatDone: true}
}

// advance does what happens until t.
func (d *depending) advance(t float64) {
	for len(d.events) > 0 && d.events[0].at <= t {
		e := d.events.pop()
		if !e.last {
			d.connect(e.at, e.r)
			continue
		}
		d.finish(e.at, e.r)
	}
	for d.order.len() > 0 {
		r := *d.order.front()
		if !r.done {
			if r.arrived > t-d.rec.timeout {
				return
			}
			r.late = true
			d.rec.answer(r.arrived, 2*d.rec.timeout)
		}
		d.order.pop()
		if r.done {
			d.unused = append(d.unused, r)
		}
	}
}

// start begins the work on a request.
func (d *depending) start(t float64, r *request) {
	r.started = t
	d.rec.busyBy(t, 1)
	if c := r.worker.tally; c != nil && c.inFront && r.beat == 0 {
		r.shard, r.began = c.begin(t, t-r.arrived)
	}
	d.events.push(event{at: t + r.work*(1-d.dep.Share), r: r})
}

// connect lets the dependency do its part, as soon as a connection is free.
func (d *depending) connect(t float64, r *request) {
	if d.connected == d.dep.Connections {
		d.waiting.push(r)
		return
	}
	d.connected++
	d.events.push(event{at: t + r.work*d.dep.Share, r: r, last: true})
}

// finish ends the work on a request. The next requests in turn get its connection and its
// slot.
func (d *depending) finish(t float64, r *request) {
	d.connected--
	if d.waiting.len() > 0 {
		d.connect(t, d.waiting.pop())
	}
	w := r.worker
	w.count(t)
	if r.shard != nil {
		w.tally.end(r.shard, r.began, t)
	}
	if w.queue.len() > 0 {
		d.start(t, w.queue.pop())
	} else {
		w.busy--
	}
	d.rec.busyBy(t, -1)
	if r.beat > 0 {
		if r.beat == d.beats {
			d.beatEnd, d.beatRefused, d.beatDone = t, false, true
		}
		d.unused = append(d.unused, r)
		return
	}
	// The process measures the time that its slot was held.
	d.rec.leave(t, t-r.started, r.started-r.arrived)
	r.done = true
	if r.late {
		d.unused = append(d.unused, r)
		return
	}
	d.rec.answer(r.arrived, t-r.arrived)
}

func (w *worker) count(t float64) {
	w.worked += float64(w.busy) * (t - w.until)
	w.until = t
}

func (w *worker) requests() int { return w.busy + w.queue.len() }

// accept gives a request to one of the processes. It returns nil if no process
// serves, or if that one refuses the request.
func (d *depending) accept(t, work float64, route uint64, beat uint32) *request {
	d.advance(t)
	if len(d.ready) == 0 {
		return nil
	}
	at := pick(route, len(d.ready))
	w := d.ready[at]
	for i := 1; d.least && i < len(d.ready) && w.requests() > 0; i++ {
		if at++; at == len(d.ready) {
			at = 0
		}
		if d.ready[at].requests() < w.requests() {
			w = d.ready[at]
		}
	}
	if w.busy == d.slots && d.backlog > 0 && w.queue.len() >= d.backlog {
		return nil
	}
	var r *request
	if last := len(d.unused) - 1; last >= 0 {
		r, d.unused = d.unused[last], d.unused[:last]
	} else {
		r = new(request)
	}
	*r = request{arrived: t, work: work, worker: w, beat: beat}
	if c := w.tally; c != nil && !c.inFront && beat == 0 {
		r.shard, r.began = c.begin(t, 0)
	}
	if w.busy == d.slots {
		w.queue.push(r)
		return r
	}
	w.count(t)
	w.busy++
	d.start(t, r)
	return r
}

func (d *depending) arrive(t, work float64, route uint64) {
	d.rec.cur.arrivals++
	r := d.accept(t, work, route, 0)
	if r == nil {
		d.rec.refuse(t)
		return
	}
	d.rec.enter(t)
	d.order.push(r)
}

func (d *depending) beat(t, work float64, route uint64) {
	d.beats++
	d.beatDone = false
	if d.accept(t, work, route, d.beats) == nil {
		d.beatEnd, d.beatRefused, d.beatDone = t, true, true
	}
}

func (d *depending) answered(t float64) (end float64, refused, ok bool) {
	d.advance(t)
	return d.beatEnd, d.beatRefused, d.beatDone
}

func (d *depending) resize(t float64, n int) {
	d.rec.serving(t, n-len(d.ready))
	for len(d.ready) < n {
		d.ready = append(d.ready, &worker{until: t})
	}
	clear(d.ready[n:])
	d.ready = d.ready[:n]
}

func (d *depending) remove(t float64, process int) {
	toEnd(d.ready, process, 1)
	d.resize(t, len(d.ready)-1)
}

func (d *depending) attach(process int, c *tally) {
	d.ready[process].tally, c.sync = c, d.advance
}

func (d *depending) worked(process int, t float64) float64 {
	d.advance(t)
	w := d.ready[process]
	w.count(t)
	return w.worked
}
