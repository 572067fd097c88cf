package autoscale

import (
	"time"

	"github.com/autoscalebot/autoscale/internal/measure"
)

const (
	// maxServing bounds the entries of serving.
	maxServing = 64
	// servingFor is how far back serving reaches: further than the longest span of a
	// sample.
	servingFor = 5 * time.Minute

	// roughly is the largest ratio of the processes before and after a change, at a
	// moment that is not known, for which their mean is good enough.
	roughly = 1.25
	// leastSure is the share of a sample's span that must remain after the pieces in
	// which the number of processes is not known are dropped.
	leastSure = 1. / 3
)

// A served is how many processes served at one moment.
type served struct {
	At    time.Time `json:"at"`
	Ready int       `json:"ready"`
}

// serving records how many processes served, oldest first. Between two equal entries the
// number is known. Between two that differ, it changed at an unknown moment. Before the
// first entry nothing is known. The last entry holds from then on.
type serving []served

// see records how many processes serve at a moment.
func (v *serving) see(at time.Time, ready int) {
	s := *v
	for len(s) > 0 && !s[len(s)-1].At.Before(at) {
		s = s[:len(s)-1] // the clock was put back, or this corrects what was seen
	}
	if n := len(s); n > 1 && s[n-1].Ready == ready && s[n-2].Ready == ready {
		s[n-1].At = at
	} else {
		s = append(s, served{at, ready})
	}
	drop := max(0, len(s)-maxServing)
	for drop+1 < len(s) && at.Sub(s[drop+1].At) > servingFor {
		drop++
	}
	*v = append(s[:0], s[drop:]...)
}

// lowered records that size processes remain, because the platform was ordered to stop
// the others.
func (v *serving) lowered(at time.Time, size int) {
	if n := len(*v); n > 0 && size < (*v)[n-1].Ready {
		v.see(at.Add(1), size)
	}
}

// covered integrates, over a piece of time, the share of the given processes among all
// that served. It also returns for how long the number that served is not known even
// roughly. While that number is known roughly, the mean of the two shares counts.
// Otherwise the smaller number of processes counts. So an estimate may be too low for a
// tick, but is never too high.
func (v serving) covered(from, to time.Time, processes int) (seconds float64, unsure time.Duration) {
	share := func(ready int) float64 { return float64(processes) / float64(max(ready, processes)) }
	add := func(from, to time.Time, share float64) {
		if d := to.Sub(from); d > 0 {
			seconds += d.Seconds() * share
		}
	}
	for i := 1; i < len(v); i++ {
		a, b := v[i-1], v[i]
		begin, end := later(from, a.At), earlier(to, b.At)
		low, high := share(max(a.Ready, b.Ready)), share(min(a.Ready, b.Ready))
		// A change that we ordered ourselves takes no time.
		if d := end.Sub(begin); d > 0 && b.At.Sub(a.At) > 1 && high > roughly*low {
			unsure += d
			low = high
		}
		add(begin, end, (low+high)/2)
	}
	add(later(from, v[len(v)-1].At), to, share(v[len(v)-1].Ready))
	return seconds, unsure
}

// whole returns s for the whole service.
//
// A process that counts c requests while n(t) processes share them has counted
// ∫ λ(t)/n(t) dt. The estimate c ÷ ∫ dt/n(t) is the rate of its span times the
// harmonic mean of n. It has no bias if λ is constant, whatever n does, and
// otherwise it is a weighted mean of λ(t), so that it never exceeds the highest rate
// of the span. The same holds for the sum of what m(t) processes counted, with
// ∫ m(t)/n(t) dt below it.
func (v serving) whole(s Sample, ready int) Sample {
	processes := s.Processes
	var pieces []Piece
	if s.Breakdown != nil {
		pieces = s.Breakdown.Pieces
	} else if processes > 0 && s.Span > 0 {
		pieces = []Piece{{s.Time, s.Span, processes, s.Throughput, s.Arrivals, s.Busy}}
	}
	s.Breakdown, s.Processes, s.Ready = nil, 0, float64(ready)
	switch {
	case ready <= 0:
		return s
	case len(pieces) == 0 && processes > 0: // measured at one moment
		factor := float64(ready) / float64(processes)
		s.Throughput, s.Arrivals, s.Busy = s.Throughput*factor, s.Arrivals*factor, s.Busy*factor
		return s
	case len(pieces) == 0 || len(v) == 0:
		return s
	}
	var all, sure tally
	for _, p := range pieces {
		span := max(p.Span, time.Nanosecond)
		if p.Time.Add(-span).Before(v[0].At) {
			continue // before the first entry
		}
		seconds, unsure := v.covered(p.Time.Add(-span), p.Time, max(p.Processes, 1))
		all.add(p, span, seconds)
		if 2*unsure <= span {
			sure.add(p, span, seconds)
		}
	}
	if sure.span < leastSure*all.span {
		sure = all
	}
	if sure.seconds <= 0 {
		s.Signals &^= shares
		return s
	}
	s.Throughput, s.Arrivals, s.Busy = sure.throughput/sure.seconds, sure.arrivals/sure.seconds, sure.busy/sure.seconds
	s.Requests = sure.arrivals
	s.Ready = sure.processes / sure.seconds
	return s
}

// A tally adds up the pieces of a sample.
type tally struct {
	throughput, arrivals, busy float64 // counts, and the integral of busy
	processes                  float64 // integral of the processes that counted
	span                       float64
	seconds                    float64 // of the whole service that the counts stand for
}

func (t *tally) add(p Piece, span time.Duration, seconds float64) {
	d := span.Seconds()
	t.throughput += measure.Bounded(p.Throughput) * d
	t.arrivals += measure.Bounded(p.Arrivals) * d
	t.busy += measure.Bounded(p.Busy) * d
	t.processes += float64(max(p.Processes, 1)) * d
	t.span += d
	t.seconds += seconds
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
