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

	// limitAt is how many service times requests wait on average in processes
	// that are at their limit. With two slots they wait 0.56 of one where 0.60
	// of the capacity is in use, 2 at 0.8, and 4.3 at 0.90. Range: 1 to 5.
	limitAt = 2.0

	// limitShare is how much of its slots a process has in use at that limit:
	// 0.8 to 1, the most of which is looked at. Range: 0.8 to 1.
	limitShare = 0.9

	// restAfterRise is for how long after a rise the size does not fall: until then
	// the means are of what was counted before it as well. Range: 1 to 3 minutes.
	restAfterRise = 2 * time.Minute

	// fullShare is how much of the most that a process has had at work at once it
	// has at work on average when it is full. Range: 0.7 to 0.9.
	fullShare = 0.8

	// mostSlower is how many times the least of the last quarter of an hour the
	// work on a request may seem to take while a process has more requests than
	// slots, and fewRequests is how many a sample must rest on to be that least. A service that takes up all requests at once lets them wait in its
	// handlers, and that wait looks like work: without this bound, an overload of
	// half a minute orders processes for the queue and not for the load. Range:
	// 1.2 to 2.
	mostSlower  = 1.5
	fewRequests = 20

	// limitWindow is for how long a limit that was seen is believed. A longer
	// one outlives a deployment; each end of one may be an overload if Slots is
	// wrong. Range: 5 to 60 minutes.
	limitWindow = 15 * time.Minute

	// noiseUp and noiseDown are how many standard deviations of what was counted
	// the load must lie beyond the present size to change it, and noiseMargin is
	// how many are added to a rise. Range: 1 to 3, 0 to 2, and 0 to 1.
	noiseUp     = 3.0
	noiseDown   = 3.0
	noiseMargin = 0.75

	// serviceNoise is the variance of the mean service time of a minute, times the
	// requests that it rests on and over the square of that mean. It is 1 for times
	// that vary as an exponential does, and more as requests wait for each other.
	// Range: 1 to 6.
	serviceNoise = 4.0
)

// DefaultTolerance is the share of the size by which [Demand] must differ from it to
// change it. Together with what it makes of the noise, it takes the changes of size from
// 18 an hour to 5 for 0.8 % more cost at equal violations, in the comparison of bench.
const DefaultTolerance = 0.15

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
//
// A sample that counted N requests is off by √N, and service times are off as well.
// Where [Sample.Requests] says N, a difference that is within three standard deviations
// of that does not change the size. A rise goes three quarters of one further than the
// load calls for, so that it need not be followed by another at once. The size falls if
// the means of the last minute and of the last Fade say so, each with three standard
// deviations added, and not within two minutes after a rise.
//
// A difference of at most Tolerance of the size does not change it either. To rise, a
// quarter of the capacity that Target leaves free is enough, if that is less.
//
// Slots may be set wrong: too high, the service would be overloaded for ever. A
// process whose requests wait more than twice their service time is at its limit, if
// it has as many at work all the time as it ever has at once. What it then has at work
// are its slots. If the highest that was seen in a quarter of an hour says less than
// Slots, that counts instead. It needs [SignalQueueTime], [Sample.Ready] and
// [Sample.Peak]. A wrong or forged queue time alone proves nothing.
//
// A service that takes up all requests at once, as one in Go does, lets them wait in
// its handlers, and that wait looks like work. If within the last minute a process had
// more requests than Slots at work, S is at most one and a half times the least of the
// last quarter of an hour.
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
	Slots     float64       // how many requests a process works on at once: its workers or threads. 0: not known
	Target    float64       // the share of the capacity to be in use, above 0 to 1. 0: DefaultTarget
	Tolerance float64       // the share of the size that it may be off, below 1. 0: DefaultTolerance; negative: none
	Fade      time.Duration // how long a load goes on to count. 0: DefaultFade; negative: it goes down at once
}

func (d Demand) withDefaults() Demand {
	if d.Target == 0 {
		d.Target = DefaultTarget
	}
	if d.Tolerance == 0 {
		d.Tolerance = DefaultTolerance
	}
	d.Tolerance = max(d.Tolerance, 0)
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
	if !(d.Tolerance < 1) {
		errs = append(errs, fmt.Errorf("Demand.Tolerance is %v: it must be below 1, a share of the size; 0 means %v, negative none", d.Tolerance, DefaultTolerance))
	}
	if d.Fade > 0 && d.Fade < demandLong {
		errs = append(errs, fmt.Errorf("Demand.Fade is %v: it must be %v or more, the time over which means are taken; 0 means %v, negative none", d.Fade, demandLong, DefaultFade))
	}
	return errors.Join(errs...)
}

// Window returns how far back the rule looks.
func (d Demand) Window() time.Duration {
	d = d.withDefaults()
	if d.Slots > 0 {
		return max(d.Fade, limitWindow) + demandLong
	}
	return d.Fade + demandLong
}

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
	l := look{samples: newest(o.Samples), slots: d.Slots, fade: d.Fade}
	if l.slots == 0 {
		l.service = float64(ready)
		l.usableSince = o.Capacity.Changed.Add(o.boot()).UnixNano()
	}
	now := l.back()
	if now == nil || o.Now.Sub(now.Time) > demandLong || l.slots == 0 && ready == 0 {
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: signals, Span: demandLong}}
	}
	if l.service == 0 && l.rate > 0 {
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: SignalServiceTime, Span: demandLong}}
	}

	code := ReasonDemand
	if limit := max(l.limit/limitShare, l.peak); l.limit > 0 && limit < d.Slots {
		perProcess, code = limit*d.Target, ReasonLimit
	}
	needed := func(rate float64) float64 { return rate * l.service / perProcess }
	need, faded, minute := needed(l.rate), needed(l.faded), needed(l.minute)
	spread, minuteSpread, fadedSpread := l.spread(now, need)
	enough := processes(need)
	want := max(enough, processes(faded))
	reason := Reason{Code: code, Signal: signals, Seen: l.rate * l.service, High: perProcess, Needed: want}
	if want > enough {
		reason = Reason{Code: ReasonFading, Count: want, Needed: max(enough, 1), Span: d.Fade}
	}
	if want == 0 && size > 0 {
		want, reason.Needed = 1, 1
	}
	if d.tolerates(size, want) {
		return Decision{Size: want, Reason: Reason{Code: ReasonTolerance, Seen: float64(size), Needed: want, High: d.Tolerance}}
	}
	switch {
	case want > size && size > 0 && max(need-noiseUp*spread, faded-noiseUp*fadedSpread) <= float64(size):
		return Decision{Reason: Reason{Code: ReasonNoise, Seen: max(need, faded), Low: spread, Needed: want}}
	case want > size:
		// As it moves, it moves to where it need not move again at once.
		if more := max(processes(need+noiseMargin*spread), processes(faded+noiseMargin*fadedSpread)); more > want {
			want = more
			if reason.Code == ReasonFading {
				reason.Count = want
			} else {
				reason.Needed = want
			}
		}
		return Decision{Act: true, Size: want, Reason: reason}
	case want == size:
		return Decision{Size: want, Reason: reason}
	case l.at < d.Fade:
		return Decision{Reason: Reason{Code: ReasonShort, Seen: l.at.Seconds(), Needed: want, Span: d.Fade}}
	case d.Fade <= 0:
		return Decision{Act: true, Size: want, Reason: reason}
	}
	if rested := o.Now.Sub(o.Added); l.slots > 0 && now.Requests > 0 && !o.Added.IsZero() && rested < restAfterRise {
		return Decision{Reason: Reason{Code: ReasonRaised, Needed: want, Seen: rested.Seconds(), Span: restAfterRise}}
	}
	if least := max(processes(faded+noiseDown*fadedSpread), processes(minute+noiseDown*minuteSpread)); least > want {
		want = least
		if want >= size {
			return Decision{Reason: Reason{Code: ReasonNoise, Seen: max(faded, minute), Low: minuteSpread, Needed: want}}
		}
		reason.Needed = min(reason.Needed, want)
	}
	return Decision{Act: true, Size: want, Reason: reason}
}

// tolerates reports whether want is too near to the size to change it. More than a
// quarter of the free capacity is never tolerated of a rise.
func (d Demand) tolerates(size, want int) bool {
	share := d.Tolerance
	if want > size {
		share = min(share, (1-d.Target)/d.Target/4)
	}
	return want != size && math.Abs(float64(want-size)) <= share*float64(size)+1e-9
}

// spread returns the standard deviations of the processes needed that come from how
// few requests were counted: by the newest sample, by the mean of the last minute, and
// by that of the last Fade. Requests arrive independently of each other, so that a
// count of N is off by √N, and so is the sum of N service times that vary as an
// exponential does. The weights of Fade are worth three quarters of it.
func (l *look) spread(now *Sample, need float64) (newest, minute, faded float64) {
	n := now.Requests
	if !(n > 0) || l.slots == 0 {
		return 0, 0, 0
	}
	minutes, fades := 1., 1. // of samples that share no request
	if span := float64(now.Span); span > 0 {
		minutes = max(1, min(float64(l.minuteOver), float64(demandLong)/span))
		fades = max(1, .75*min(float64(l.fadedOver), float64(l.fade)/span))
	}
	service := serviceNoise / (n * minutes)
	of := func(windows float64) float64 { return need * math.Sqrt(1/(n*windows)+service) }
	return of(1), of(minutes), of(max(minutes, fades))
}

// limitSignals are what tells that a process is at its limit.
const limitSignals = SignalQueueTime | SignalServiceTime | SignalThroughput

// look is what the samples say, from the newest back. By utilization, rates are
// shares of the capacity, and the service is the processes that serve.
type look struct {
	samples     []Sample
	slots       float64 // 0: by utilization
	fade        time.Duration
	usableSince int64 // of utilization, in ns

	rate    float64       // the newest arrivals per second
	faded   float64       // the power mean of all
	service float64       // mean service time, in seconds
	limit   float64       // the most that a process had at work at its limit; 0: none was
	peak    float64       // the most that a process had at work at once
	at      time.Duration // how far back was measured; a gap counts as vouchFor

	minute float64 // the mean arrivals per second of the last minute

	minuteOver, fadedOver int // samples that minute and faded are means of
}

// back goes once over the samples, and returns the newest that is usable, or nil.
func (l *look) back() (now *Sample) {
	var power, weights, weight, served, least float64 // the last two in ns
	crowded := false                                  // a process had more requests than slots
	// Dividing once, not for each sample, is a quarter of the time.
	fading := 0.0
	if l.fade > 0 {
		fading = 1 / float64(l.fade)
	}
	reach := max(l.fade, demandLong)
	if l.slots > 0 {
		reach = max(reach, limitWindow)
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
		} else if l.at += vouched(newer, t); l.at > reach {
			break
		}
		newer = t
		if l.at < demandLong {
			l.minute += rate
			l.minuteOver++
		}
		if w := 1 - float64(l.at)*fading; w > 0 && fading > 0 {
			square := rate * rate
			power += w * square * square
			weights += w
			l.fadedOver++
		}
		if l.slots == 0 {
			continue
		}
		if s.Signals.Has(limitSignals) && s.Ready > 0 && float64(s.QueueTime) > limitAt*float64(s.ServiceTime) && s.ServiceTime > 0 {
			// A header that says how long a request waited may be wrong or forged.
			// A process that is at its limit has its slots full all the time.
			if busy := bounded(s.Throughput) * s.ServiceTime.Seconds() / s.Ready; busy >= fullShare*bounded(s.Peak) {
				l.limit = max(l.limit, busy)
			}
		}
		l.peak = max(l.peak, bounded(s.Peak))
		crowded = crowded || l.at < demandLong && l.full(s)
		if took := float64(s.ServiceTime); s.Signals.Has(SignalServiceTime) && took > 0 && (least == 0 || took < least) && !(s.Requests < fewRequests && s.Requests > 0) {
			least = took
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
	if l.minuteOver > 0 {
		l.minute /= float64(l.minuteOver)
	}
	if weights > 0 {
		l.faded = math.Sqrt(math.Sqrt(power / weights))
	}
	if weight > 0 {
		l.service = served / weight / float64(time.Second)
		if least > 0 && crowded {
			l.service = min(l.service, mostSlower*least/float64(time.Second))
		}
	}
	return now
}

// full reports whether more requests were at work in a process than it has slots, so
// that some of them may have waited.
func (l *look) full(s *Sample) bool {
	return s.Ready > 0 && bounded(s.Throughput)*s.ServiceTime.Seconds() > l.slots*s.Ready
}

// usable returns the arrivals per second of sample i, or its utilization, and
// whether it has what is needed.
func (l *look) usable(i int) (rate float64, ok bool) {
	s := &l.samples[i]
	switch {
	case l.slots == 0:
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
