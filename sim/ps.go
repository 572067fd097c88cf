package sim

import "github.com/autoscalebot/autoscale/internal/count"

// ps is a pool of processes that work on all their requests at once, like a server with a
// goroutine for each request. With n requests in a process of k slots, each proceeds at the
// rate min(1, k/n).
//
// Each process counts the work that each of its requests has received since the process was
// last idle. A request is done when that count has grown by the work of the request. A
// process is brought up to date only when something happens to it.
type ps struct {
	rec     *recorder
	slots   int
	backlog int
	least   bool

	ready    []*sharing
	draining []*sharing
	idle     []*sharing // to be used again

	beats       uint32 // sent
	beatEnd     float64
	beatRefused bool
	beatDone    bool
}

// sharing is one process.
type sharing struct {
	now    float64   // the time up to which it is computed
	got    float64   // work that each request has received since the process was idle
	jobs   heap[job] // the one that is done first on top
	worked float64   // for how long slots were busy
	oldest float64   // every job that is not late arrived at this time or later
	tally  *tally    // nil: it counts nothing
}

type job struct {
	due     float64 // the job is done when sharing.got reaches this
	arrived float64
	work    float64
	late    bool   // it was answered by its timeout
	beat    uint32 // the number of the heartbeat; 0: a request
	began   int64  // as the process counts time
	shard   *count.Shard
}

func (j job) key() float64 { return j.due }

func newPS(rec *recorder, s Service) *ps {
	return &ps{rec: rec, slots: s.Slots, backlog: s.Backlog, least: s.Routing == LeastBusy, beatDone: true}
}

// busy returns how many slots of a process with n requests are busy.
func (p *ps) busy(n int) float64 { return float64(min(n, p.slots)) }

// run brings a process to t.
func (p *ps) run(s *sharing, t float64) {
	for len(s.jobs) > 0 {
		slow := max(1, float64(len(s.jobs))/float64(p.slots))
		done := s.now + (s.jobs[0].due-s.got)*slow
		if done > t {
			s.got += (t - s.now) / slow
			s.worked += (t - s.now) * p.busy(len(s.jobs))
			s.now = t
			return
		}
		done = max(done, s.now)
		s.worked += (done - s.now) * p.busy(len(s.jobs))
		s.now, s.got = done, s.jobs[0].due
		p.finish(s, s.jobs.pop(), done)
		if len(s.jobs) < p.slots {
			p.rec.busyBy(done, -1)
		}
	}
	s.now, s.got = max(s.now, t), 0
}

func (p *ps) finish(s *sharing, j job, t float64) {
	if j.beat > 0 {
		if j.beat == p.beats {
			p.beatEnd, p.beatRefused, p.beatDone = t, false, true
		}
		return
	}
	if j.shard != nil {
		s.tally.end(j.shard, j.began, t)
	}
	p.rec.leave(t, j.work, max(0, t-j.arrived-j.work))
	if !j.late {
		p.rec.answer(j.arrived, t-j.arrived)
	}
}

// expire books an answer for each request that has been in a process for too long.
// The work on it goes on.
func (p *ps) expire(s *sharing, t float64) {
	limit := t - p.rec.timeout
	if len(s.jobs) == 0 || s.oldest > limit {
		return
	}
	s.oldest = t
	for i := range s.jobs {
		j := &s.jobs[i]
		if j.late || j.beat > 0 {
			continue
		}
		if j.arrived <= limit {
			j.late = true
			p.rec.answer(j.arrived, 2*p.rec.timeout)
			continue
		}
		s.oldest = min(s.oldest, j.arrived)
	}
}

// accept gives a request to one of the processes, and reports whether it was
// accepted.
func (p *ps) accept(t float64, j job, route uint64) bool {
	if len(p.ready) == 0 {
		return false
	}
	at := pick(route, len(p.ready))
	s := p.ready[at]
	p.run(s, t)
	if p.least {
		for range len(p.ready) - 1 {
			if len(s.jobs) == 0 {
				break
			}
			if at++; at == len(p.ready) {
				at = 0
			}
			other := p.ready[at]
			p.run(other, t)
			if len(other.jobs) < len(s.jobs) {
				s = other
			}
		}
	}
	if p.backlog > 0 && len(s.jobs) >= p.slots+p.backlog {
		return false
	}
	if len(s.jobs) == 0 {
		s.oldest = t
	}
	if len(s.jobs) < p.slots {
		p.rec.busyBy(t, 1)
	}
	if s.tally != nil && j.beat == 0 {
		j.shard, j.began = s.tally.begin(t, 0)
	}
	j.due, j.arrived = s.got+j.work, t
	s.jobs.push(j)
	return true
}

func (p *ps) arrive(t, work float64, route uint64) {
	p.rec.cur.arrivals++
	if !p.accept(t, job{work: work}, route) {
		p.rec.refuse(t)
		return
	}
	p.rec.enter(t)
}

func (p *ps) beat(t, work float64, route uint64) {
	p.beats++
	p.beatDone = false
	if !p.accept(t, job{work: work, beat: p.beats}, route) {
		p.beatEnd, p.beatRefused, p.beatDone = t, true, true
	}
}

func (p *ps) answered(t float64) (end float64, refused, ok bool) {
	p.advance(t)
	return p.beatEnd, p.beatRefused, p.beatDone
}

func (p *ps) advance(t float64) {
	for _, s := range p.ready {
		p.run(s, t)
		p.expire(s, t)
	}
	kept := p.draining[:0]
	for _, s := range p.draining {
		p.run(s, t)
		p.expire(s, t)
		if len(s.jobs) > 0 {
			kept = append(kept, s)
		} else {
			p.idle = append(p.idle, s)
		}
	}
	p.draining = kept
}

func (p *ps) resize(t float64, n int) {
	p.rec.serving(t, n-len(p.ready))
	for len(p.ready) < n {
		s := &sharing{}
		if last := len(p.idle) - 1; last >= 0 {
			s, p.idle = p.idle[last], p.idle[:last]
		}
		*s = sharing{now: t, jobs: s.jobs[:0]}
		p.ready = append(p.ready, s)
	}
	p.draining = append(p.draining, p.ready[n:]...)
	p.ready = p.ready[:n]
}

func (p *ps) remove(t float64, process int) {
	toEnd(p.ready, process, 1)
	p.resize(t, len(p.ready)-1)
}

func (p *ps) attach(process int, c *tally) {
	s := p.ready[process]
	s.tally, c.sync = c, func(t float64) { p.run(s, t) }
}

func (p *ps) worked(process int, t float64) float64 {
	p.run(p.ready[process], t)
	return p.ready[process].worked
}
