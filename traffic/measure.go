package traffic

import (
	"time"

	"github.com/autoscalebot/autoscale"
)

// A measurement is what one process counted in one window.
type measurement struct {
	ended  time.Time     // when the window did
	window time.Duration // its length
	begun  uint64        // requests
	busy   int64         // integral of the requests in progress, in ns
	served int64         // time in the handler, in ns, of the requests in slots
	queued uint64        // requests with a queue time
	waited int64         // their queue times, in ns
	slots  [slots]uint64 // requests that ended, by time in the handler
	long   uint64        // requests that ended and took too long to count there
}

// until returns what was counted from t to the later totals.
func (t *totals) until(later *totals, window time.Duration) measurement {
	begun := later.begun - t.begun
	m := measurement{
		window: window,
		begun:  begun & (1<<32 - 1),
		busy:   later.busy - t.busy,
		served: later.served - t.served,
		queued: begun >> 32,
		waited: later.waited - t.waited,
		long:   uint64(later.slots[slots] - t.slots[slots]),
	}
	for i := range m.slots {
		m.slots[i] = uint64(later.slots[i] - t.slots[i])
	}
	return m
}

// A sum is what several processes measured.
type sum struct {
	processes                  int
	throughput, arrivals, busy float64
	timed                      uint64 // requests in slots
	served                     float64
	queued                     uint64
	waited                     float64
	slots                      [slots]uint64
}

// add adds what one process measured, in a window that may be its own.
func (s *sum) add(m measurement) {
	timed := uint64(0)
	for i, n := range m.slots {
		s.slots[i] += n
		timed += n
	}
	s.processes++
	s.arrivals += float64(m.begun) / m.window.Seconds()
	s.throughput += float64(timed+m.long) / m.window.Seconds()
	// What was just being counted at a boundary can make this -1e-9 or so.
	s.busy += max(float64(m.busy)/float64(m.window), 0)
	s.timed += timed
	s.served += float64(m.served)
	s.queued += m.queued
	s.waited += float64(m.waited)
}

func (s *sum) sample(p float64, ended time.Time) autoscale.Sample {
	out := autoscale.Sample{
		Time:       ended,
		Signals:    autoscale.SignalThroughput | autoscale.SignalArrivals | autoscale.SignalBusy,
		Throughput: s.throughput,
		Arrivals:   s.arrivals,
		Busy:       s.busy,
		Processes:  s.processes,
	}
	if s.timed > 0 {
		out.Signals |= autoscale.SignalServiceTime | autoscale.SignalLatency
		out.ServiceTime = time.Duration(s.served / float64(s.timed))
		out.Latency = percentile(&s.slots, p)
	}
	if s.queued > 0 {
		out.Signals |= autoscale.SignalQueueTime
		out.QueueTime = time.Duration(s.waited / float64(s.queued))
	}
	return out
}
