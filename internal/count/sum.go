package count

import (
	"time"

	"github.com/autoscalebot/autoscale"
)

// A Sum adds up the counts of several processes, second by second.
type Sum struct {
	Processes int // reports that were added

	seconds [Seconds]second // the last one that was over first
	timed   uint64          // requests in slots
	served  float64
	queued  uint64 // requests in waits
	waits   [waitSlots]uint64
	slots   [slots]uint64
}

// second has the counts of the processes that reported this second.
type second struct {
	processes                int
	begun, ended, busy, peak float64
}

// Add adds a report whose last second ended ago seconds before the last second of the sum.
// Its times count only if timed is true.
func (s *Sum) Add(r *Report, ago int, timed bool) {
	s.Processes++
	for i, v := range r.Seconds {
		at := ago + len(r.Seconds) - 1 - i
		if at < 0 || at >= Seconds {
			continue
		}
		to := &s.seconds[at]
		to.processes++
		to.begun += v.Begun
		to.ended += v.Ended
		to.busy += v.Busy
		to.peak = max(to.peak, v.Peak)
	}
	if !timed {
		return
	}
	for i, n := range r.slots {
		s.slots[i] += n
		s.timed += n
	}
	s.served += float64(r.served)
	for i, n := range r.waits {
		s.waits[i] += n
		s.queued += n
	}
}

// Sample returns the counts of the window that ended at ended, as the last second of the sum
// did. percentile is the percentile of Latency. The rates are those of the processes that
// reported; the Breakdown has them by the second.
func (s *Sum) Sample(window time.Duration, percentile float64, ended time.Time) autoscale.Sample {
	out := autoscale.Sample{
		Time:    ended,
		Signals: autoscale.SignalThroughput | autoscale.SignalArrivals | autoscale.SignalBusy,
	}
	n := min(int(window/time.Second), Seconds)
	pieces := make([]autoscale.Piece, 0, n)
	for i := n - 1; i >= 0; i-- {
		v := &s.seconds[i]
		if v.processes == 0 {
			continue
		}
		pieces = append(pieces, autoscale.Piece{
			Time: ended.Add(-time.Duration(i) * time.Second), Span: time.Second, Processes: v.processes,
			Throughput: v.ended, Arrivals: v.begun, Busy: v.busy,
		})
		out.Peak = max(out.Peak, v.peak)
		out.Span = max(out.Span, time.Duration(i+1)*time.Second)
		out.Processes = max(out.Processes, v.processes)
		out.Throughput += v.ended
		out.Arrivals += v.begun
		out.Busy += v.busy
	}
	if seconds := float64(len(pieces)); seconds > 0 {
		out.Throughput /= seconds
		out.Arrivals /= seconds
		out.Busy /= seconds
		out.Breakdown = &autoscale.Breakdown{Pieces: pieces}
	}
	if s.timed > 0 {
		out.Signals |= autoscale.SignalServiceTime | autoscale.SignalLatency
		out.ServiceTime = time.Duration(s.served / float64(s.timed))
		out.Latency = quantile(&s.slots, percentile)
	}
	if s.queued > 0 {
		out.Signals |= autoscale.SignalQueueTime
		out.QueueTime = median(&s.waits)
	}
	return out
}

// Ages returns how old a report on a board may be to count, if every process publishes
// once an interval and samples are of the given window. Its times count if it is younger
// than times: a process may publish late once. Its rates count if it is younger than
// rates, because older ones hold no second of the window.
func Ages(interval, window time.Duration) (times, rates time.Duration) {
	times = interval * 5 / 2
	return times, max(times, window+interval)
}

// A Posted is the report of one process on a board.
type Posted struct {
	Data []byte        // as Encode made it
	Age  time.Duration // since it was put there
}

// Gather adds what is on a board. since is how long ago the last second of the sum
// ended. Rates count in their own seconds, however old the report is. Times count if the
// report is younger than fresh. Gather returns how many reports it could not read, and
// the last reason.
func (s *Sum) Gather(reports []Posted, since, fresh time.Duration) (strange int, err error) {
	for _, p := range reports {
		r, age, fault := Decode(p.Data)
		if fault != nil {
			strange, err = strange+1, fault
			continue
		}
		ago := int((p.Age + age - since).Round(time.Second) / time.Second)
		s.Add(&r, ago, p.Age < fresh)
	}
	return strange, err
}
