package rule

import (
	"math"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/measure"
)

// saturatedSignals together show that a process is saturated.
const saturatedSignals = autoscale.SignalQueueTime | autoscale.SignalServiceTime | autoscale.SignalThroughput

// load is what [TargetTracking] reads from the samples. If it tracks utilization, the
// rates are shares of the capacity, and service is the number of processes that serve.
type load struct {
	samples     []autoscale.Sample
	concurrency float64 // 0: it tracks utilization
	decay       time.Duration
	usableSince int64 // of utilization, in Unix nanoseconds

	rate    float64 // the newest arrivals per second
	minute  float64 // the mean arrivals per second of the last minute
	decayed float64 // the weighted power mean of the arrivals per second of the last decay

	service   float64       // mean service time, in seconds
	saturated float64       // the most requests in flight in a saturated process; 0: none was
	peak      float64       // the most requests in flight in a process at any moment
	measured  time.Duration // how far back was measured; a longer gap counts as maxSampleGap

	minuteOver, decayedOver int // how many samples minute and decayed are means of
}

// measure goes over the samples once, from the newest to the oldest. It returns the
// newest usable one, or nil.
func (l *load) measure() (now *autoscale.Sample) {
	var power, weights float64        // the sums for the power mean
	var weight, served, least float64 // for the service times; served and least in ns
	crowded := false                  // a process had more requests in flight than its concurrency
	// Dividing once, and not for each sample, saves a quarter of the time.
	perDecay := 0.0
	if l.decay > 0 {
		perDecay = 1 / float64(l.decay)
	}
	reach := max(l.decay, shortWindow)
	if l.concurrency > 0 {
		reach = max(reach, saturatedWindow)
	}
	var newer int64
	for i := len(l.samples) - 1; i >= 0; i-- {
		rate, ok := l.usable(i)
		if !ok {
			continue
		}
		s := &l.samples[i]
		t := s.Time.UnixNano()
		if now == nil {
			now, l.rate = s, rate
		} else if l.measured += sampleGap(newer, t); l.measured > reach {
			break
		}
		newer = t
		if l.measured < shortWindow {
			l.minute += rate
			l.minuteOver++
		}
		if w := 1 - float64(l.measured)*perDecay; w > 0 && perDecay > 0 {
			square := rate * rate
			power += w * square * square
			weights += w
			l.decayedOver++
		}
		if l.concurrency == 0 {
			continue
		}
		if s.Signals.Has(saturatedSignals) {
			l.saturated = max(l.saturated, measure.InFull(s.QueueTime, s.ServiceTime, s.Throughput, s.Ready, s.Peak))
		}
		l.peak = max(l.peak, measure.Bounded(s.Peak))
		crowded = crowded || l.measured < shortWindow && l.full(s)
		if took := float64(s.ServiceTime); s.Signals.Has(autoscale.SignalServiceTime) && took > 0 && (least == 0 || took < least) && !(s.Requests < fewRequests && s.Requests > 0) {
			least = took
		}
		// If nothing was finished lately, the last known service time counts.
		if s.Signals.Has(autoscale.SignalServiceTime) && s.ServiceTime > 0 && (l.measured < shortWindow || weight == 0) {
			w := 1.0
			if s.Signals.Has(autoscale.SignalThroughput) {
				w = measure.Bounded(s.Throughput)
			}
			weight += w
			served += w * float64(s.ServiceTime)
		}
	}
	if l.minuteOver > 0 {
		l.minute /= float64(l.minuteOver)
	}
	if weights > 0 {
		l.decayed = math.Sqrt(math.Sqrt(power / weights))
	}
	if weight > 0 {
		l.service = served / weight / float64(time.Second)
		if least > 0 && crowded {
			l.service = min(l.service, mostSlower*least/float64(time.Second))
		}
	}
	return now
}

// full reports whether a process had more requests in flight than its concurrency, so
// that some of them may have waited.
func (l *load) full(s *autoscale.Sample) bool {
	return s.Ready > 0 && measure.Bounded(s.Throughput)*s.ServiceTime.Seconds() > l.concurrency*s.Ready
}

// usable returns the arrivals per second of sample i, or its utilization. ok reports
// whether the sample has the signals that are needed.
func (l *load) usable(i int) (rate float64, ok bool) {
	s := &l.samples[i]
	switch {
	case l.concurrency == 0:
		return measure.Bounded(s.Utilization), s.Signals.Has(autoscale.SignalUtilization) && measurable(s.Utilization) && s.Time.UnixNano() > l.usableSince
	case s.Signals.Has(autoscale.SignalArrivals) && measurable(s.Arrivals):
		return measure.Bounded(s.Arrivals), true
	case s.Signals.Has(autoscale.SignalThroughput) && measurable(s.Throughput):
		rate = measure.Bounded(s.Throughput)
		if s.Signals.Has(autoscale.SignalBusy) && i > 0 {
			rate = measure.Bounded(rate + growth(&l.samples[i-1], s))
		}
		return rate, true
	}
	return 0, false
}

// growth returns by how much Busy grew per second between two samples.
func growth(older, newer *autoscale.Sample) float64 {
	gap := sampleGap(newer.Time.UnixNano(), older.Time.UnixNano())
	if !older.Signals.Has(autoscale.SignalBusy) || gap >= maxSampleGap {
		return 0
	}
	return (measure.Bounded(newer.Busy) - measure.Bounded(older.Busy)) / max(gap, time.Second).Seconds()
}

// spread returns the standard deviations of the processes needed that come from
// counting few requests: by the newest sample, by the mean of the last minute, and by
// the power mean of the last decay. Requests arrive independently of each other, so a
// count of N is off by √N. So is the sum of N exponentially distributed service times.
// With its weights, the decay is worth three quarters of its length.
func (l *load) spread(now *autoscale.Sample, need float64) (newest, minute, decayed float64) {
	n := now.Requests
	if !(n > 0) || l.concurrency == 0 {
		return 0, 0, 0
	}
	minutes, decays := 1., 1. // the number of samples that have no request in common
	if span := float64(now.Span); span > 0 {
		minutes = max(1, min(float64(l.minuteOver), float64(shortWindow)/span))
		decays = max(1, .75*min(float64(l.decayedOver), float64(l.decay)/span))
	}
	service := serviceNoise / (n * minutes)
	of := func(windows float64) float64 { return need * math.Sqrt(1/(n*windows)+service) }
	return of(1), of(minutes), of(max(minutes, decays))
}
