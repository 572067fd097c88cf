package autoscale

import (
	"errors"
	"fmt"
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
	// demandShort is the window in which a rise shows first, and the queue.
	// Shorter ones take noise for load, longer ones see a rise too late.
	// Range: 5 to 30 s.
	demandShort = 15 * time.Second

	// demandLong is the window in which the service time is measured, and in
	// which a load that comes in bursts is not missed. Range: 30 to 120 s.
	demandLong = time.Minute

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

// Demand is the rule for services that measure their own requests: it orders
// as many processes as the requests keep at work, at a Target share of what a
// process can do. It goes up at once, as far as needed, and down to the most
// that was needed within DownWindow. It needs [SignalServiceTime] and
// [SignalArrivals] or [SignalThroughput]; without Slots, [SignalUtilization].
//
// By Little's law, requests per second × seconds per request are the requests
// at work at once. The processes needed are
//
//	max(X₁₅, X₆₀) × S / (Slots × Target), rounded up
//
// where X₁₅ and X₆₀ are the mean arrivals per second of the last 15 and 60
// seconds, and S the mean service time of the last 60, weighted by throughput.
// Where arrivals are not measured they are the throughput and what [SignalBusy]
// grew by: a service that is overloaded finishes fewer requests than come.
// Where Busy is measured, more than X × S requests in it are waiting, and as
// many slots are added as work them off within a minute.
//
// Slots may be set wrong. If requests wait more than twice their service time
// on average over 15 seconds, Demand wishes at least 1.1 times the processes
// that serve, and up to twice as many, as far as working and waiting requests
// would need them; for DownWindow after that it removes none. The guard needs
// [SignalQueueTime], and where the platform does not say which processes are
// pending it looks only at what was measured once those ordered last could
// serve: [Observation.Boot], or 30 seconds, after the last change.
//
// Without Slots the processes needed are the mean utilization × the processes
// that serve / Target, of samples taken as long after the last change, because
// an earlier one belongs to another size.
//
// Demand never wishes 0: at no load it wishes 1, and where there are no
// processes and no load it holds. It holds when nothing that it needs was
// measured within the last minute, and does not go down before DownWindow was
// measured: a gap of more than a minute counts as one. A [Failure] says nothing
// to it.
//
// Sources: J. D. C. Little, A Proof for the Queuing Formula L = λW (1961), and
// the target tracking of AWS and Kubernetes.
type Demand struct {
	Slots      float64       // how many requests a process works on at once: its workers or threads. 0: not known
	Target     float64       // the share of the capacity to be in use, above 0 to 1. 0: DefaultTarget
	DownWindow time.Duration // 0: DefaultDownWindow; negative: none, it goes down at once
}

func (d Demand) withDefaults() Demand {
	if d.Target == 0 {
		d.Target = DefaultTarget
	}
	d.DownWindow = max(orDefaultTime(d.DownWindow, DefaultDownWindow), 0)
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
	if d.DownWindow > 0 && d.DownWindow < demandLong {
		errs = append(errs, fmt.Errorf("Demand.DownWindow is %v: it must be %v or more, the time over which means are taken; 0 means %v, negative none", d.DownWindow, demandLong, DefaultDownWindow))
	}
	return errors.Join(errs...)
}

// Window returns how far back the rule looks.
func (d Demand) Window() time.Duration { return d.withDefaults().DownWindow + demandLong }

// Samples returns how many of the newest samples the rule needs to go down,
// however far apart they were taken.
func (d Demand) Samples() int { return vouchers(d.withDefaults().DownWindow) }

// Decide applies the rule.
func (d Demand) Decide(o Observation) Decision {
	d = d.withDefaults()
	signals, perProcess := SignalUtilization, d.Target
	if d.Slots > 0 {
		signals, perProcess = SignalThroughput|SignalServiceTime, d.Slots*d.Target
	}
	ready, size := o.Capacity.Ready(), o.Capacity.Desired
	l := look{samples: newest(o.Samples), slots: d.Slots > 0}
	if !l.slots {
		l.service = float64(ready)
		l.usableSince = o.Capacity.Changed.Add(o.boot())
	}
	now, newest, ok := l.first()
	if !ok || o.Now.Sub(newest.Time) > demandLong || !l.slots && ready == 0 {
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: signals, Span: demandLong}}
	}
	if l.service == 0 && now.rate > 0 {
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: SignalServiceTime, Span: demandLong}}
	}

	work := now.work()
	want := processes(work / perProcess)
	reason := Reason{Code: ReasonDemand, Signal: signals, Seen: work, High: perProcess, Needed: want}
	queue := Reason{Code: ReasonQueue, Signal: SignalQueueTime, Seen: now.queue, High: guardAt * now.service, Needed: size}
	guarded := now.long(now.queue)
	if guarded && (o.Capacity.Pending > 0 || o.settled(newest, o.boot()+demandShort)) {
		if n := now.guard(ready, perProcess); n > want {
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
	case guarded:
		return Decision{Reason: queue}
	}

	// Down, to the most that was needed within the window.
	highest := want
	for m := now; d.DownWindow > 0; {
		if highest = max(highest, processes(m.peak*m.service/perProcess)); m.long(m.longest) {
			highest = size
		}
		peak := Reason{Code: ReasonPeak, Count: highest, Needed: want, Span: d.DownWindow}
		switch {
		case highest >= size:
			return Decision{Reason: peak}
		case highest > want:
			reason = peak
		}
		if l.at >= d.DownWindow {
			break
		}
		if l.i < 0 {
			return Decision{Reason: Reason{Code: ReasonShort, Seen: l.at.Seconds(), Needed: want, Span: d.DownWindow}}
		}
		m = l.next()
	}
	return Decision{Act: true, Size: highest, Reason: reason}
}

// minute is what was needed in one of the minutes back from the newest sample.
type minute struct {
	rate    float64 // its mean arrivals, or that of its newest 15 seconds where that is higher
	recent  float64 // the mean arrivals of the newest 15 seconds
	peak    float64 // the highest mean arrivals of any 15 seconds that end in it
	service float64 // mean service time, in seconds
	queue   float64 // mean queue time of the newest 15 seconds, in seconds
	longest float64 // the highest of any
	busy    float64 // mean of the newest 15 seconds
}

// work returns how many requests are to be at work at once.
func (m *minute) work() float64 {
	work := m.rate * m.service
	if waiting := m.busy - work; waiting > 0 && m.service > 0 {
		work += waiting * m.service / max(demandDrain.Seconds(), m.service)
	}
	return work
}

// long reports whether a queue is so long that Slots must be wrong.
func (m *minute) long(queue float64) bool { return m.service > 0 && queue > guardAt*m.service }

// guard returns how many processes a queue this long calls for.
func (m *minute) guard(ready int, perProcess float64) int {
	r := float64(ready)
	return processes(max(guardLeast*r, min(guardMost*r, m.recent*(m.service+m.queue)/perProcess)))
}

// look goes once over the samples, from the newest back, a minute at a time.
//
// Nothing is taken from a sum again, so that what is added is never lost beside
// a large number, and a larger measurement never makes a sum smaller.
type look struct {
	samples     []Sample
	slots       bool      // else by utilization
	usableSince time.Time // of utilization
	service     float64   // the last that was known, in seconds; by utilization the processes that serve

	i         int           // the next sample, usable, or -1
	rate      float64       // its arrivals per second, or its utilization
	time      int64         // when it was taken, in Unix nanoseconds
	at        time.Duration // how far back that is; a gap counts as vouchFor
	ends      time.Duration // of the minute
	turn      time.Duration // of the step
	now, last step
}

// demandStep is how far the short window moves at once: it is the step under
// way and the one before that.
const demandStep = demandShort / 2

type step struct{ rate, samples, queue, queued float64 } // queue in ns

// first returns the minute that ends with the newest sample, and that sample.
func (l *look) first() (m minute, newest *Sample, ok bool) {
	if l.i = l.usable(len(l.samples) - 1); l.i < 0 {
		return m, nil, false
	}
	newest = &l.samples[l.i]
	l.time, l.turn = newest.Time.UnixNano(), demandStep
	m = l.next()
	if m.service == 0 { // nothing is finished any more, or nothing comes
		l.service = l.lastService()
		m.service = l.service
	}
	return m, newest, true
}

// next returns the minute before the last.
func (l *look) next() (m minute) {
	var rate, samples, weight, served, busy, busied float64 // served in ns
	l.ends += demandLong
	for l.i >= 0 && l.at < l.ends {
		for l.at >= l.turn {
			l.step(&m)
		}
		s := &l.samples[l.i]
		l.now.samples++
		l.now.rate += l.rate
		samples++
		rate += l.rate
		if l.slots {
			if s.Signals.Has(SignalQueueTime) && s.QueueTime >= 0 {
				l.now.queued++
				l.now.queue += float64(s.QueueTime)
			}
			if s.Signals.Has(SignalServiceTime) && s.ServiceTime > 0 {
				w := 1.0
				if s.Signals.Has(SignalThroughput) {
					w = bounded(s.Throughput)
				}
				weight += w
				served += w * float64(s.ServiceTime)
			}
			if l.at < demandShort && s.Signals.Has(SignalBusy) {
				busied++
				busy += bounded(s.Busy)
			}
		}
		l.back()
	}
	for l.turn <= l.ends {
		l.step(&m)
	}
	if weight > 0 {
		l.service = served / weight / float64(time.Second)
	}
	m.service = l.service
	m.queue /= float64(time.Second)
	m.longest /= float64(time.Second)
	m.rate = max(m.recent, rate/max(samples, 1))
	m.busy = busy / max(busied, 1)
	return m
}

// back goes to the next older sample that is usable.
func (l *look) back() {
	if l.i = l.usable(l.i - 1); l.i >= 0 {
		at := l.samples[l.i].Time.UnixNano()
		l.at += vouched(l.time, at)
		l.time = at
	}
}

// step ends a step of the short window.
func (l *look) step(m *minute) {
	rate, samples := l.now.rate+l.last.rate, l.now.samples+l.last.samples
	queue, queued := l.now.queue+l.last.queue, l.now.queued+l.last.queued
	l.now, l.last = step{}, l.now
	if l.turn += demandStep; l.turn <= demandShort {
		return // half a window
	}
	// Dividing is what costs most here, and most means are not the highest.
	if rate > m.peak*samples {
		m.peak = rate / samples
	}
	if queue > m.longest*queued {
		m.longest = queue / queued
	}
	if l.turn == demandShort+demandStep {
		m.recent, m.queue = m.peak, m.longest
	}
}

// usable returns the newest sample from i on down that has what is needed, or
// -1, and notes its arrivals per second, or its utilization.
func (l *look) usable(i int) int {
	for ; i >= 0; i-- {
		s := &l.samples[i]
		switch {
		case !l.slots:
			if s.Signals.Has(SignalUtilization) && measuredBy(s.Utilization) && s.Time.After(l.usableSince) {
				l.rate = bounded(s.Utilization)
				return i
			}
		case s.Signals.Has(SignalArrivals) && measuredBy(s.Arrivals):
			l.rate = bounded(s.Arrivals)
			return i
		case s.Signals.Has(SignalThroughput) && measuredBy(s.Throughput):
			l.rate = bounded(s.Throughput)
			if s.Signals.Has(SignalBusy) && i > 0 {
				l.rate = bounded(l.rate + growth(&l.samples[i-1], s))
			}
			return i
		}
	}
	return -1
}

// growth returns by how much Busy grew a second, between two samples.
func growth(older, newer *Sample) float64 {
	gap := vouched(newer.Time.UnixNano(), older.Time.UnixNano())
	if !older.Signals.Has(SignalBusy) || gap >= vouchFor {
		return 0
	}
	return (bounded(newer.Busy) - bounded(older.Busy)) / max(gap, time.Second).Seconds()
}

// lastService returns the service time of the newest sample that has one, in
// seconds, or 0.
func (l *look) lastService() float64 {
	for i := len(l.samples) - 1; i >= 0; i-- {
		if s := &l.samples[i]; s.Signals.Has(SignalServiceTime) && s.ServiceTime > 0 {
			return s.ServiceTime.Seconds()
		}
	}
	return 0
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
