package autoscale

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// DefaultTarget is the share of the processes' capacity that [Demand] has in use.
//
// Where a router spreads requests over the processes at random, how long they
// wait depends on this share alone and not on the number of processes. With two
// slots a process and service times of 100 ms that vary as an exponential does,
// 3.4 % of the requests take above 500 ms at 0.60, and 4.7 % at 0.65.
const DefaultTarget = 0.60

// What [Demand] is tuned by. Everything else follows from these and its fields.
const (
	// demandLong is the window in which the service time is measured, and how
	// old a sample may be to count as the present. Range: 30 to 120 s.
	demandLong = time.Minute

	// demandShort is the window in which the queue time is measured.
	// Range: 5 to 30 s.
	demandShort = 15 * time.Second

	// demandDrain is how long it may take to work off what waits.
	// Range: 15 to 120 s.
	demandDrain = time.Minute

	// guardAt is how many service times requests may wait on average before
	// Slots is taken to be wrong. With two slots they wait 0.56 of one at a
	// share of 0.60, and 4.3 at 0.90. Range: 1 to 5.
	guardAt = 2.0

	// guardLeast and guardMost bound what the guard wishes, as multiples of the
	// processes that serve. Ranges: 1.05 to 1.5, and 1.5 to 3.
	guardLeast = 1.1
	guardMost  = 2.0
)

// DefaultFade is how long a load goes on to count in [Demand].
const DefaultFade = 3 * time.Minute

// Demand is the rule for services that measure their own requests: it orders
// as many processes as the requests keep at work, at a Target share of what a
// process can do. It goes up at once, as far as needed, and comes down as the
// load of the last minutes fades. It needs [SignalServiceTime] and
// [SignalArrivals] or [SignalThroughput]; without Slots, [SignalUtilization].
//
// By Little's law, requests per second × seconds per request are the requests
// at work at once. The processes needed are
//
//	max(X, ⁴√(Σ w·Xᵢ⁴ / Σ w)) × S / (Slots × Target), rounded up
//
// where X is the newest mean arrivals per second, and the Xᵢ are those of the
// last Fade, whose weight w falls in a straight line to 0. S is the mean service
// time of the last minute, weighted by throughput.
//
// The second term is what keeps processes for a while. The share of requests that
// wait too long grows with about the fourth power of the load of a process (from
// 2% to 15% as it grows from 0.50 to 0.80 in the case of [DefaultTarget]), so that
// the mean of that power is the steady load that would do as much harm as the one
// that was. Unlike the highest of a window it hardly minds one lone peak, and
// lets go of a higher load bit by bit.
//
// Where arrivals are not measured they are the throughput and what [SignalBusy]
// grew by: a service that is overloaded finishes fewer requests than come.
// Where Busy is measured, more than X × S requests in it are waiting, and as
// many slots are added as work them off within a minute.
//
// Slots may be set wrong. If requests wait more than twice their service time
// on average over 15 seconds, Demand wishes at least 1.1 times the processes
// that serve, and up to twice as many, as far as working and waiting requests
// would need them; for Fade after that it removes none. The guard needs
// [SignalQueueTime], and where the platform does not say which processes are
// pending it looks only at what was measured once those ordered last could
// serve: [Observation.Boot], or 30 seconds, after the last change.
//
// Without Slots the processes needed are the utilization, in the same two terms,
// × the processes that serve / Target, of samples taken as long after the last
// change, because an earlier one belongs to another size.
//
// Demand never wishes 0: at no load it wishes 1, and where there are no
// processes and no load it holds. It holds when nothing that it needs was
// measured within the last minute, and does not go down before Fade was
// measured: a gap of more than a minute counts as one. A [Failure] says nothing
// to it.
//
// Tick every 5 or 10 seconds: at the [DefaultInterval] it sees a rise half a
// minute late. Where the size must never fall within some time of a peak, add
// [Stabilization].
//
// Sources: J. D. C. Little, A Proof for the Queuing Formula L = λW (1961), and
// the target tracking of AWS and Kubernetes. That the power mean serves better
// than the highest of a window was found with package sim.
type Demand struct {
	Slots  float64       // how many requests a process works on at once: its workers or threads. 0: not known
	Target float64       // the share of the capacity to be in use, above 0 to 1. 0: DefaultTarget
	Fade   time.Duration // how long a load goes on to count. 0: DefaultFade; negative: it goes down at once
}

func (d Demand) withDefaults() Demand {
	if d.Target == 0 {
		d.Target = DefaultTarget
	}
	d.Fade = max(orDefaultTime(d.Fade, DefaultFade), 0)
	return d
}

// Validate reports what is wrong with the settings.
func (d Demand) Validate() error {
	d = d.withDefaults()
	var errs []error
	if !measuredBy(d.Slots) {
		errs = append(errs, fmt.Errorf("Demand.Slots is %v: it must be above 0, the requests that a process works on at once, or 0 where that is not known", d.Slots))
	}
	errs = append(errs, checkShare("Demand", "Target", d.Target, DefaultTarget))
	if d.Fade > 0 && d.Fade < demandLong {
		errs = append(errs, fmt.Errorf("Demand.Fade is %v: it must be %v or more, the time over which means are taken; 0 means %v, negative none", d.Fade, demandLong, DefaultFade))
	}
	return errors.Join(errs...)
}

// Window returns how far back the rule looks.
func (d Demand) Window() time.Duration { return d.withDefaults().Fade + demandLong }

// Samples returns how many of the newest samples the rule needs to go down,
// however far apart they were taken.
func (d Demand) Samples() int { return vouchers(d.withDefaults().Fade) }

// Decide applies the rule.
func (d Demand) Decide(o Observation) Decision {
	d = d.withDefaults()
	signals, perProcess := SignalUtilization, d.Target
	if d.Slots > 0 {
		signals, perProcess = SignalThroughput|SignalServiceTime, d.Slots*d.Target
	}
	ready, size := o.Capacity.Ready(), o.Capacity.Desired
	l := look{samples: newest(o.Samples), slots: d.Slots > 0, fade: d.Fade}
	if !l.slots {
		l.service = float64(ready)
		l.usableSince = o.Capacity.Changed.Add(o.boot()).UnixNano()
	}
	now := l.back()
	if now == nil || o.Now.Sub(now.Time) > demandLong || !l.slots && ready == 0 {
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: signals, Span: demandLong}}
	}
	if l.service == 0 && l.rate > 0 {
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: SignalServiceTime, Span: demandLong}}
	}

	enough := processes(l.work(l.rate) / perProcess)
	want := max(enough, processes(l.work(l.faded)/perProcess))
	reason := Reason{Code: ReasonDemand, Signal: signals, Seen: l.work(l.rate), High: perProcess, Needed: want}
	if want > enough {
		reason = Reason{Code: ReasonFading, Count: want, Needed: max(enough, 1), Span: d.Fade}
	}
	queue := Reason{Code: ReasonQueue, Signal: SignalQueueTime, Seen: l.queue, High: guardAt * l.service, Needed: size}
	if l.long(l.queue) && (o.Capacity.Pending > 0 || o.settled(now, o.boot()+demandShort)) {
		if n := l.guard(ready, perProcess); n > want {
			want, queue.Needed = n, n
			reason = queue
		}
	}
	if want == 0 && size > 0 {
		want, reason.Needed = 1, 1
	}
	switch {
	case want >= size:
		return Decision{Act: want > size, Size: want, Reason: reason}
	case l.long(l.longest):
		queue.Seen = l.longest
		return Decision{Reason: queue}
	case l.at < d.Fade:
		return Decision{Reason: Reason{Code: ReasonShort, Seen: l.at.Seconds(), Needed: want, Span: d.Fade}}
	}
	return Decision{Act: true, Size: want, Reason: reason}
}

// look is what the samples say, from the newest back. By utilization, rates are
// shares of the capacity, and the service is the processes that serve.
type look struct {
	samples     []Sample
	slots       bool // else by utilization
	fade        time.Duration
	usableSince int64 // of utilization, in ns

	rate    float64       // the newest arrivals per second
	faded   float64       // the power mean of all
	service float64       // mean service time, in seconds
	queue   float64       // mean queue time of the newest 15 seconds, in seconds
	longest float64       // the longest of any sample
	busy    float64       // the newest
	at      time.Duration // how far back was measured; a gap counts as vouchFor
}

// back goes once over the samples, and returns the newest that is usable, or nil.
func (l *look) back() (now *Sample) {
	var power, weights, weight, served, queue, queued float64 // served and queues in ns
	// Dividing once, not for each sample, is a quarter of the time.
	fading := 0.0
	if l.fade > 0 {
		fading = 1 / float64(l.fade)
	}
	reach := max(l.fade, demandLong)
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
			l.busy = bounded(s.Busy)
			if !s.Signals.Has(SignalBusy) {
				l.busy = 0
			}
		} else if l.at += vouched(newer, t); l.at > reach {
			break
		}
		newer = t
		if w := 1 - float64(l.at)*fading; w > 0 && fading > 0 {
			square := rate * rate
			power += w * square * square
			weights += w
		}
		if !l.slots {
			continue
		}
		if s.Signals.Has(SignalQueueTime) && s.QueueTime >= 0 {
			l.longest = max(l.longest, float64(s.QueueTime))
			if l.at < demandShort {
				queue += float64(s.QueueTime)
				queued++
			}
		}
		// What was not finished has no service time: the last one known counts.
		if s.Signals.Has(SignalServiceTime) && s.ServiceTime > 0 && (l.at < demandLong || weight == 0) {
			w := 1.0
			if s.Signals.Has(SignalThroughput) {
				w = bounded(s.Throughput)
			}
			weight += w
			served += w * float64(s.ServiceTime)
		}
	}
	if weights > 0 {
		l.faded = math.Sqrt(math.Sqrt(power / weights))
	}
	if weight > 0 {
		l.service = served / weight / float64(time.Second)
	}
	l.queue = queue / max(queued, 1) / float64(time.Second)
	l.longest /= float64(time.Second)
	return now
}

// work returns how many requests are to be at work at once, at a rate.
func (l *look) work(rate float64) float64 {
	work := rate * l.service
	if waiting := l.busy - work; l.slots && waiting > 0 && l.service > 0 {
		work += waiting * l.service / max(demandDrain.Seconds(), l.service)
	}
	return work
}

// long reports whether a queue is so long that Slots must be wrong.
func (l *look) long(queue float64) bool {
	return l.slots && l.service > 0 && queue > guardAt*l.service
}

// guard returns how many processes a queue this long calls for.
func (l *look) guard(ready int, perProcess float64) int {
	r := float64(ready)
	return processes(max(guardLeast*r, min(guardMost*r, l.rate*(l.service+l.queue)/perProcess)))
}

// usable returns the arrivals per second of sample i, or its utilization, and
// whether it has what is needed.
func (l *look) usable(i int) (rate float64, ok bool) {
	s := &l.samples[i]
	switch {
	case !l.slots:
		return bounded(s.Utilization), s.Signals.Has(SignalUtilization) && measuredBy(s.Utilization) && s.Time.UnixNano() > l.usableSince
	case s.Signals.Has(SignalArrivals) && measuredBy(s.Arrivals):
		return bounded(s.Arrivals), true
	case s.Signals.Has(SignalThroughput) && measuredBy(s.Throughput):
		rate = bounded(s.Throughput)
		if s.Signals.Has(SignalBusy) && i > 0 {
			rate = bounded(rate + growth(&l.samples[i-1], s))
		}
		return rate, true
	}
	return 0, false
}

// growth returns by how much Busy grew a second, between two samples.
func growth(older, newer *Sample) float64 {
	gap := vouched(newer.Time.UnixNano(), older.Time.UnixNano())
	if !older.Signals.Has(SignalBusy) || gap >= vouchFor {
		return 0
	}
	return (bounded(newer.Busy) - bounded(older.Busy)) / max(gap, time.Second).Seconds()
}

// bounded returns v as a measurement that can be summed up: NaN and what is
// negative are nothing, and more than a billion is a billion.
func bounded(v float64) float64 {
	switch {
	case v > 1e9:
		return 1e9
	case v > 0:
		return v
	}
	return 0
}
