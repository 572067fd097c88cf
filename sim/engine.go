package sim

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// The streams of random numbers. They are separate, so that a Controller's actions do not
// change the requests.
const (
	streamArrivals = iota + 1
	streamWork
	streamRoutes
	streamBoots
	streamBeats
	streamFleet
	streamKills
)

// beatStep is how often the engine checks for an answer that it cannot predict, in seconds.
const beatStep = .01

// engine is one simulation.
type engine struct {
	o       Options
	rec     *recorder
	pool    pool
	members []member
	boots   []float64 // when processes that were ordered will serve, sorted
	fleet   *fleet    // nil: the processes count nothing
	scratch [bins]uint64
	sum     *summary

	gap    func() float64 // exponential, mean 1
	work   func() float64
	routes *rand.PCG
	boot   *rand.Rand
	beats  *rand.PCG
	kills  *rand.Rand

	now     float64
	desired int
	changed float64 // when the ordered size last changed; -1: never

	kill     float64 // when the next process is killed
	tick     float64 // when the next one begins
	interval float64

	timeout, beatWork float64 // of heartbeats
	waiting           bool    // waiting for a heartbeat
	started           float64 // when the tick began
	look              float64 // when to look for its answer

	view View
}

func newEngine(o Options) *engine {
	e := &engine{o: o, changed: -1, interval: o.Controller.Interval().Seconds()}
	e.tick = e.interval
	e.sum = newSummary(o)
	e.rec = newRecorder(o.Objective.Latency.Seconds(), o.Service.Timeout.Seconds(), e.sum.close)
	e.pool = newPool(e.rec, o.Service)
	stream := func(n uint64) *rand.PCG { return rand.NewPCG(o.Seed, n) }
	e.gap = rand.New(stream(streamArrivals)).ExpFloat64
	work := rand.New(stream(streamWork))
	e.work = draws(o.Service, work.ExpFloat64, work.NormFloat64)
	e.routes, e.beats = stream(streamRoutes), stream(streamBeats)
	e.boot = rand.New(stream(streamBoots))
	if h, ok := o.Controller.(Heartbeater); ok {
		timeout, work := h.Heartbeat()
		e.timeout, e.beatWork = timeout.Seconds(), work.Seconds()
	}
	e.kills = rand.New(stream(streamKills))
	e.sum.r.View = "ideal"
	if v, ok := o.Controller.(viewer); ok {
		var deployed *Signals
		if e.sum.r.View, deployed = v.seen(); deployed != nil {
			e.fleet = newFleet(*deployed, o.Service.QueueInFront, rand.New(stream(streamFleet)))
		}
	}
	e.desired = o.Initial
	e.serve(0, e.desired)
	return e
}

func newPool(rec *recorder, s Service) pool {
	switch {
	case s.Discipline == ProcessorSharing:
		return newPS(rec, s)
	case s.Dependency.Connections > 0:
		return newDepending(rec, s)
	}
	return newFIFO(rec, s)
}

// run plays the load second by second, and within a second from one action of control to
// the next. The recorder closes a second before anything that happens at its very end.
func (e *engine) run(ctx context.Context) (*Report, error) {
	last := int64(e.o.Load.Duration().Seconds())
	next := math.Inf(1) // arrival
	left := e.gap()     // how much of the gap before it is left, in units of the mean, while the rate is 0
	var rate float64
	for sec := int64(0); sec < last; sec++ {
		if sec%60 == 0 {
			if err := ctx.Err(); err != nil {
				return nil, fmt.Errorf("sim: the simulation was cut short: %w", context.Cause(ctx))
			}
			e.minute(sec, last)
		}
		if sec%snapEvery == 0 {
			e.snapshot(sec)
		}
		begin, end := float64(sec), float64(sec+1)
		if rate > 0 {
			left = (next - begin) * rate
		}
		if rate = e.o.Load.rate(begin + .5); rate > 0 {
			next = begin + left/rate
		} else {
			next = math.Inf(1)
		}
		for {
			control := e.next()
			until := min(end, control)
			for next < until {
				e.pool.arrive(next, e.work(), e.routes.Uint64())
				next += e.gap() / rate
			}
			if control >= end {
				break
			}
			if err := e.control(ctx, control); err != nil {
				return nil, err
			}
		}
		e.pool.advance(end)
		e.rec.roll()
	}
	// The requests that have arrived are still answered, without further ticks.
	e.sum.order(float64(last), e.desired, e.desired)
	for range int(e.rec.timeout) + 2 {
		e.pool.advance(e.rec.end)
		e.rec.roll()
	}
	e.rec.finish((last + 59) / 60)
	if e.fleet != nil {
		e.sum.r.Leaders = e.fleet.led
	}
	return e.sum.report(), nil
}

// next returns when the next action of control is due.
func (e *engine) next() float64 {
	t := e.tick
	if e.waiting {
		t = e.look
	}
	if len(e.boots) > 0 {
		t = min(t, e.boots[0])
	}
	if e.fleet != nil {
		t = min(t, e.fleet.next())
	}
	return min(t, e.kill)
}

// control performs the actions that are due at t.
func (e *engine) control(ctx context.Context, t float64) error {
	e.now = t
	for len(e.boots) > 0 && e.boots[0] <= t {
		e.boots = e.boots[1:]
		e.serve(t, len(e.members)+1)
	}
	if e.kill <= t {
		e.crash(t)
	}
	if e.fleet != nil && e.fleet.board != nil {
		e.fleet.board.publish(t)
	}
	switch {
	case e.waiting && e.look <= t:
		return e.await(ctx, t)
	case !e.waiting && e.tick <= t:
		e.started = e.tick
		e.tick += e.interval
		if e.timeout <= 0 {
			return e.decide(ctx, nil)
		}
		e.pool.beat(t, e.beatWork, e.beats.Uint64())
		e.waiting = true
		e.look = t
		return e.await(ctx, t)
	}
	return nil
}

// await checks whether the heartbeat was answered.
func (e *engine) await(ctx context.Context, t float64) error {
	limit := e.started + e.timeout
	end, refused, known := e.pool.answered(t)
	switch {
	case known && end <= t:
		e.waiting = false
		return e.decide(ctx, &Heartbeat{Latency: seconds(end - e.started), Refused: refused})
	case t >= limit:
		e.waiting = false
		return e.decide(ctx, &Heartbeat{Latency: seconds(e.timeout), Timeout: true})
	case known:
		e.look = min(end, limit)
	default:
		e.look = min(t+beatStep, limit)
	}
	return nil
}

// decide calls the controller, and orders the size that it returns.
func (e *engine) decide(ctx context.Context, beat *Heartbeat) error {
	if e.tick <= e.now { // the heartbeat took longer than the interval
		e.tick = e.now + 1e-3
	}
	e.pool.advance(e.now)
	start := e.o.Load.start
	e.view = View{
		Started: start.Add(seconds(e.started)), Now: start.Add(seconds(e.now)), Elapsed: seconds(e.now),
		Ready: len(e.members), Desired: e.desired, Slots: e.o.Service.Slots,
		Heartbeat: beat, e: e,
	}
	if e.changed >= 0 {
		e.view.Changed = start.Add(seconds(e.changed))
	}
	size, err := e.o.Controller.Tick(ctx, e.view.Now, &e.view)
	if err == nil {
		err = e.o.tooMany(size)
	}
	if err != nil {
		return fmt.Errorf("sim: the tick after %v: %w", seconds(e.now).Round(time.Millisecond), err)
	}
	if size != e.desired {
		e.resize(size)
	}
	return nil
}

// resize orders size processes.
func (e *engine) resize(size int) {
	e.sum.order(e.now, e.desired, size)
	e.changed = e.now
	for n := e.desired; n < size; n++ {
		e.order(e.now)
	}
	for n := e.desired; n > size; n-- {
		if last := len(e.boots) - 1; last >= 0 {
			e.boots = e.boots[:last] // the newest, which do not serve yet
			continue
		}
		e.serve(e.now, len(e.members)-1)
	}
	e.desired = size
	if e.o.Service.Boot <= 0 {
		e.boots = e.boots[:0]
		e.serve(e.now, size)
	}
}

// order boots a process at t.
func (e *engine) order(t float64) {
	boot, jitter := max(0, e.o.Service.Boot).Seconds(), e.o.Service.BootJitter
	at := t + boot
	if jitter > 0 {
		at += boot * jitter * (2*e.boot.Float64() - 1)
	}
	i, _ := slices.BinarySearch(e.boots, at)
	for i < len(e.boots) && e.boots[i] == at {
		i++
	}
	e.boots = slices.Insert(e.boots, i, at)
}

// crash kills one of the processes that serve, which then boots.
func (e *engine) crash(t float64) {
	p := e.kills.IntN(len(e.members))
	e.pool.remove(t, p)
	if e.fleet != nil {
		e.fleet.stop(t, e.members[p].tally, true)
	}
	e.members = slices.Delete(e.members, p, p+1)
	e.sum.r.Kills++
	e.order(t)
	e.mortality(t)
}

// mortality draws the time at which the next of the processes that serve at t is killed.
// The rest of an exponentially distributed time does not depend on how much of it has
// passed.
func (e *engine) mortality(t float64) {
	e.kill = math.Inf(1)
	if mtbf := e.o.Service.MTBF.Seconds(); mtbf > 0 && len(e.members) > 0 {
		e.kill = t + e.kills.ExpFloat64()*mtbf/float64(len(e.members))
	}
}

// serve makes n processes serve.
func (e *engine) serve(t float64, n int) {
	e.pool.resize(t, n)
	for p := len(e.members); p < n; p++ {
		m := member{since: t}
		if e.fleet != nil {
			m.tally = e.fleet.start(t)
			e.pool.attach(p, m.tally)
		}
		e.members = append(e.members, m)
	}
	if e.fleet != nil {
		for p := n; p < len(e.members); p++ {
			e.fleet.stop(t, e.members[p].tally, false)
			e.members[p].tally = nil
		}
	}
	e.members = e.members[:n]
	e.mortality(t)
}

// snapshot notes what each process has worked.
func (e *engine) snapshot(sec int64) {
	i := sec / snapEvery % (snapNumber + 2)
	for p := range e.members {
		e.members[p].worked[i] = e.pool.worked(p, float64(sec))
	}
}

// minute begins a minute.
func (e *engine) minute(sec, last int64) {
	rate := e.o.Load.rate(float64(sec))
	e.sum.sample(sec/60, rate, e.o.demand(rate), e.desired, len(e.members))
	if e.o.Progress != nil && sec%3600 == 0 {
		e.o.Progress(float64(sec) / float64(last))
	}
}
