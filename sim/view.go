package sim

import (
	"math"
	"time"
)

// MaxWindow is how far back a [View] can look.
const MaxWindow = pastSeconds * time.Second

// A View has what a [Controller] can know at one moment. That is what metrics inside the
// service show up to the end of the last whole second, and what the platform reports. It
// is valid until Tick returns.
type View struct {
	Started time.Time // when the tick began; before Now if a heartbeat was sent
	Now     time.Time // the moment
	Elapsed time.Duration

	Ready   int // processes that serve
	Desired int // processes ordered
	Slots   int // requests that a process works on at a time

	Changed time.Time // when the ordered size last changed; zero: never

	// Heartbeat is the answer to the heartbeat that was sent at Started. It is nil if the
	// Controller is not a [Heartbeater].
	Heartbeat *Heartbeat

	e *engine
}

// A Heartbeat is the answer to one request to one process.
type Heartbeat struct {
	Latency time.Duration // at most the timeout
	Timeout bool          // there was no answer within it
	Refused bool          // no process accepted it
}

// A Window is what happened within the last whole seconds, in the whole service.
type Window struct {
	Duration time.Duration // of the window; shorter than requested if less has passed

	Arrivals    float64 // requests per second
	Completions float64 // requests per second that processes finished
	Failures    float64 // requests per second that timed out or were refused

	Busy     float64 // slots in use, mean
	InFlight float64 // requests in work or waiting, mean
	Ready    float64 // processes that serve, mean

	ServiceTime time.Duration // mean of the completions; 0 if there are none
	QueueTime   time.Duration // mean of the completions; with ProcessorSharing the time that sharing added

	// Utilization is the share of slots in use, of the processes that served, 0 to 1.
	Utilization float64
}

// seconds returns the first and the last of the whole seconds within d.
func (v *View) seconds(d time.Duration) (first, end int64) {
	end = v.e.rec.sec
	n := min(max(1, int64(math.Round(d.Seconds()))), pastSeconds)
	return max(0, end-n), end
}

// Recent returns what happened within the last d. It rounds d to seconds, and makes
// it at least one second and at most MaxWindow.
func (v *View) Recent(d time.Duration) Window {
	r := v.e.rec
	first, end := v.seconds(d)
	if first == end {
		return Window{}
	}
	var arrivals, done, failed uint64
	var w Window
	var service, queue float64
	for s := first; s < end; s++ {
		b := &r.ring[s&r.mask]
		arrivals += uint64(b.arrivals)
		done += uint64(b.done)
		failed += uint64(b.failed)
		service += b.service
		queue += b.queue
		w.Busy += b.busy
		w.InFlight += b.flight
		w.Ready += b.ready
	}
	n := float64(end - first)
	w.Duration = time.Duration(end-first) * time.Second
	w.Arrivals, w.Completions, w.Failures = float64(arrivals)/n, float64(done)/n, float64(failed)/n
	if done > 0 {
		w.ServiceTime, w.QueueTime = seconds(service/float64(done)), seconds(queue/float64(done))
	}
	if w.Ready > 0 {
		w.Utilization = min(1, max(0, w.Busy/(w.Ready*float64(v.Slots))))
	}
	// Rounding errors can make areas that cancel out negative.
	w.Busy, w.InFlight, w.Ready = max(0, w.Busy/n), max(0, w.InFlight/n), w.Ready/n
	return w
}

// Latency returns a percentile, 0 to 100, of the latencies of the answers within the
// last d. It is off by about three percent. Latency returns false if there was no
// answer. A request that timed out counts with the timeout, once that has passed. A
// request that was refused does not count.
func (v *View) Latency(d time.Duration, percentile float64) (time.Duration, bool) {
	r := v.e.rec
	first, end := v.seconds(d)
	sum := &v.e.scratch
	clear(sum[:])
	var total uint64
	for s := first; s < end; s++ {
		for i, n := range &r.answers[s&r.answersMask] {
			sum[i] += uint64(n)
			total += uint64(n)
		}
	}
	if total == 0 {
		return 0, false
	}
	return bounded(sum[:], percentile/100, v.e.o.Service.Timeout), true
}

// A Process is a process that serves.
type Process struct {
	Age         time.Duration // for how long it has served
	Utilization float64       // share of its slots in use within the window, or since it serves
}

// snapEvery is the resolution of the metrics of single processes, and
// snapNumber of them reach back a minute.
const (
	snapEvery  = 5
	snapNumber = 12
)

// Processes returns the metrics of each process that serves, the oldest process first. They
// cover the last d, which is at least five seconds and at most a minute, in steps of five
// seconds. Processes that do not serve yet are not included; there are Desired − Ready of
// them. With ProcessorSharing or a Dependency, the metrics are exact to the moment too.
func (v *View) Processes(d time.Duration) []Process {
	e := v.e
	steps := min(max(1, int(math.Round(d.Seconds()/snapEvery))), snapNumber)
	out := make([]Process, v.Ready)
	for p := range out {
		m := &e.members[p]
		age := e.now - m.since
		at := math.Floor(e.now/snapEvery-float64(steps)) * snapEvery // a snapshot, at least as long ago
		from, had := m.since, 0.0
		if at > m.since {
			from, had = at, m.worked[int64(at/snapEvery)%(snapNumber+2)]
		}
		out[p].Age = seconds(age)
		if span := e.now - from; span > 0 {
			out[p].Utilization = min(1, max(0, (e.pool.worked(p, e.now)-had)/(span*float64(v.Slots))))
		}
	}
	return out
}

// member is a process that serves.
type member struct {
	since  float64
	tally  *tally // nil: it counts nothing
	worked [snapNumber + 2]float64
}

func seconds(s float64) time.Duration {
	return time.Duration(math.Round(s * float64(time.Second)))
}
