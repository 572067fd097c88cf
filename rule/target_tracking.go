package rule

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/measure"
	"github.com/autoscalebot/autoscale/internal/names"
)

// DefaultTarget is the share of the processes' capacity that [TargetTracking] keeps in
// use.
//
// If a router spreads requests over the processes at random, their wait depends on this
// share alone, and not on the number of processes. Take two workers a process and
// exponentially distributed service times with a mean of 100 ms. Then 3.4 % of the
// requests take more than 500 ms at 0.60, and 4.7 % at 0.65.
const DefaultTarget = 0.60

// DefaultTolerance is the share of the size by which the recommendation of
// [TargetTracking] must differ from the size. In the comparison in package bench, this
// and the allowance for noise reduced the changes of size from 17 an hour to 6. That cost
// 0.6 % more at equal violations.
const DefaultTolerance = 0.125

// DefaultDecay is how long a load continues to count in [TargetTracking].
const DefaultDecay = 3 * time.Minute

// The codes of [TargetTracking], in addition to [ReasonMissing] and [ReasonShort].
const (
	ReasonLoad      autoscale.ReasonCode = "load"      // the requests in flight, or the utilization, need this many processes
	ReasonSaturated autoscale.ReasonCode = "saturated" // as ReasonLoad, by the most that a process did while requests waited
	ReasonDecaying  autoscale.ReasonCode = "decaying"  // fewer are needed now, but the load of the last minutes still counts
	ReasonTolerance autoscale.ReasonCode = "tolerance" // what is needed is too close to the present size
	ReasonNoise     autoscale.ReasonCode = "noise"     // too few requests were counted to show that the size is wrong
	ReasonRaised    autoscale.ReasonCode = "raised"    // fewer are needed now, but the size was raised recently
)

// These constants tune [TargetTracking]. Everything else follows from them and from its
// fields.
const (
	// shortWindow is the window in which the service time is measured, and how
	// old a sample may be to count as the present. Range: 30 to 120 s.
	shortWindow = time.Minute

	// restAfterRise is for how long after a rise the size does not fall. Until then the
	// means still include what was counted before the rise. Range: 1 to 3 minutes.
	restAfterRise = 2 * time.Minute

	// mostSlower bounds the service time while a process has more requests in flight than
	// its concurrency. It is a multiple of the least service time of the last quarter of
	// an hour. A service that accepts all requests at once lets them wait in its
	// handlers, and that wait looks like work. Without this bound, an overload of half a
	// minute would order processes for the queue and not for the load. Range: 1.2 to 2.
	mostSlower = 1.5

	// fewRequests is how many requests a sample must rest on to be that least.
	fewRequests = 20

	// saturatedWindow is for how long a saturated process is remembered. A longer window
	// outlives a deployment. If Concurrency is wrong, an overload may follow whenever a
	// window ends. Range: 5 to 60 minutes.
	saturatedWindow = 15 * time.Minute

	// noiseUp and noiseDown say how far beyond the present size the load must be to
	// change it, in standard deviations of the count. noiseMargin is how many of them are
	// added to a rise. Range: 1 to 3, 0 to 2, and 0 to 1.
	noiseUp     = 3.0
	noiseDown   = 3.0
	noiseMargin = 0.75

	// serviceNoise is the variance of the mean service time of a minute, times the number
	// of requests behind it, divided by the square of that mean. It is 1 for
	// exponentially distributed times, and more as requests wait for each other. Range: 1
	// to 6.
	serviceNoise = 4.0
)

// TargetTracking is the rule for services that measure their own requests. From the
// requests in flight, it keeps the share Target of the capacity in use. It goes up at
// once, as far as needed, and comes down as the load of the last minutes decays. It needs
// [autoscale.SignalServiceTime] and [autoscale.SignalArrivals] or
// [autoscale.SignalThroughput]. Without Concurrency it needs
// [autoscale.SignalUtilization].
//
// By Little's law, requests per second × seconds per request are the requests in
// flight. The processes needed are
//
//	max(X, ⁴√(Σ w·Xᵢ⁴ / Σ w)) × S / (Concurrency × Target), rounded up
//
// where X is the newest mean arrivals per second, and the Xᵢ are those of the last
// Decay, whose weight w falls in a straight line to 0. S is the mean service time of
// the last minute, weighted by throughput.
//
// The second term keeps processes for a while. The share of requests that wait too
// long grows with about the fourth power of the load of a process (from 2 % to 15 % as
// it grows from 0.50 to 0.80 in the case of [DefaultTarget]). So the mean of that power
// is the steady load that would do as much harm as the real one. Unlike the highest
// load of a window, it hardly rises for one lone peak, and it falls little by little.
//
// If arrivals are not measured, TargetTracking uses the throughput plus the growth of
// [autoscale.SignalBusy], because an overloaded service finishes fewer requests than
// arrive.
//
// A sample that counted N requests is off by √N, and service times are off as well. If N
// is known from [autoscale.Sample.Requests], a difference within three standard
// deviations does not change the size. A rise goes three quarters of a standard deviation
// further than the load calls for, so that another need not follow at once. The size
// falls if the means of the last minute and of the last Decay both allow it, each with
// three standard deviations added. It does not fall within two minutes after a rise.
//
// A difference of at most Tolerance, as a share of the size, does not change it either.
// For a rise the limit is a quarter of the capacity that Target leaves free, if that is
// less.
//
// Concurrency may be set wrong. If it is too high, the service would stay overloaded.
// TargetTracking therefore looks for a saturated process. A process is saturated if its
// requests wait more than twice their service time, and if it has on average about as
// many in flight as it ever has at once. That number is its real concurrency. If the
// highest real concurrency seen in a quarter of an hour is below Concurrency, it counts
// instead. This needs [autoscale.SignalQueueTime], [autoscale.Sample.Ready] and
// [autoscale.Sample.Peak]. A wrong or forged queue time alone has no effect.
//
// A service that accepts all requests at once, as one in Go does, lets them wait in its
// handlers, and that wait looks like work. If a process had more than Concurrency
// requests in flight within the last minute, S is at most one and a half times the least
// service time of the last quarter of an hour.
//
// Without Concurrency the processes needed are the utilization, in the same two terms, ×
// the processes that serve / Target. A sample counts only if it was taken when the
// processes ordered last could serve, because earlier samples belong to another size.
//
// TargetTracking never recommends 0. Without load it recommends 1. If there are no
// processes and no load, it holds the size. It also holds the size if a signal that it
// needs was not measured within the last minute. It does not come down before all of
// Decay was measured. A gap of more than a minute counts as one minute. It ignores an
// [autoscale.Failure].
//
// Tick every 5 or 10 seconds. At the [autoscale.DefaultInterval] of 30 seconds,
// TargetTracking sees a rise half a minute late. If the size must never fall within some
// time of a peak, add limit.Behavior.Stabilization.
//
// Sources: J. D. C. Little, A Proof for the Queuing Formula L = λW (1961); the target
// tracking of AWS Auto Scaling and of Kubernetes' HorizontalPodAutoscaler. Simulations
// with package sim showed that the power mean works better than the highest load of a
// window.
type TargetTracking struct {
	Concurrency float64       // how many requests a process works on at once: its workers or threads. 0: not known
	Target      float64       // the share of the capacity to have in use, above 0 to 1. 0: DefaultTarget
	Tolerance   float64       // the share of the size by which the size may be off, below 1. 0: DefaultTolerance; negative: none
	Decay       time.Duration // how long a load continues to count. 0: DefaultDecay; negative: the size comes down at once
}

func (r TargetTracking) withDefaults() TargetTracking {
	r.Target = cmp.Or(r.Target, DefaultTarget)
	r.Tolerance = max(cmp.Or(r.Tolerance, DefaultTolerance), 0)
	r.Decay = max(cmp.Or(r.Decay, DefaultDecay), 0)
	return r
}

// Validate reports what is wrong with the settings.
func (r TargetTracking) Validate() error {
	r = r.withDefaults()
	var errs []error
	if !measurable(r.Concurrency) {
		errs = append(errs, fmt.Errorf("TargetTracking.Concurrency is %v: it must be above 0, the requests that a process works on at once, or 0 if that is not known", r.Concurrency))
	}
	errs = append(errs, checkShare("TargetTracking", "Target", r.Target, DefaultTarget))
	if !(r.Tolerance < 1) {
		errs = append(errs, fmt.Errorf("TargetTracking.Tolerance is %v: it must be below 1, a share of the size; 0 means %v, negative none", r.Tolerance, DefaultTolerance))
	}
	if r.Decay > 0 && r.Decay < shortWindow {
		errs = append(errs, fmt.Errorf("TargetTracking.Decay is %v: it must be %v or more, the time over which means are taken; 0 means %v, negative none", r.Decay, shortWindow, DefaultDecay))
	}
	return errors.Join(errs...)
}

// Window returns how far back the rule looks.
func (r TargetTracking) Window() time.Duration {
	r = r.withDefaults()
	if r.Concurrency > 0 {
		return max(r.Decay, saturatedWindow) + shortWindow
	}
	return r.Decay + shortWindow
}

// Samples returns how many of the newest samples the rule needs to come down,
// however far apart they were taken.
func (r TargetTracking) Samples() int { return minSamples(r.withDefaults().Decay) }

// Slots returns Concurrency, which [autoscale.Status] shows.
func (r TargetTracking) Slots() float64 { return r.Concurrency }

// Decide applies the rule.
func (r TargetTracking) Decide(o autoscale.Observation) autoscale.Decision {
	r = r.withDefaults()
	signals, perProcess := autoscale.SignalUtilization, r.Target
	if r.Concurrency > 0 {
		signals, perProcess = autoscale.SignalThroughput|autoscale.SignalServiceTime, r.Concurrency*r.Target
	}
	ready, size := o.Capacity.Ready(), o.Capacity.Desired
	l := load{samples: recent(o.Samples), concurrency: r.Concurrency, decay: r.Decay}
	if l.concurrency == 0 {
		l.service = float64(ready)
		l.usableSince = o.Capacity.Changed.Add(bootTime(&o)).UnixNano()
	}
	now := l.measure()
	if now == nil || o.Now.Sub(now.Time) > shortWindow || l.concurrency == 0 && ready == 0 {
		return autoscale.Decision{Reason: missing{signals, shortWindow}.reason()}
	}
	if l.service == 0 && l.rate > 0 {
		return autoscale.Decision{Reason: missing{autoscale.SignalServiceTime, shortWindow}.reason()}
	}

	why := tracked{code: ReasonLoad, inUse: l.rate * l.service, utilization: l.concurrency == 0}
	if most := max(l.saturated/measure.SaturatedShare, l.peak); l.saturated > 0 && most < r.Concurrency {
		perProcess, why.code = most*r.Target, ReasonSaturated
	}
	needed := func(rate float64) float64 { return rate * l.service / perProcess }
	need, decayed, minute := needed(l.rate), needed(l.decayed), needed(l.minute)
	spread, minuteSpread, decayedSpread := l.spread(now, need)
	enough := processes(need)
	want := max(enough, processes(decayed))
	why.perProcess = perProcess
	if want > enough {
		why.code, why.enough, why.decay = ReasonDecaying, max(enough, 1), r.Decay
	}
	if want == 0 && size > 0 {
		want = 1
	}
	why.needed = want
	if r.tolerates(size, want) {
		return autoscale.Decision{Size: want, Reason: tolerated{want, size, r.Tolerance}.reason()}
	}
	switch {
	case want > size && size > 0 && max(need-noiseUp*spread, decayed-noiseUp*decayedSpread) <= float64(size):
		return autoscale.Decision{Reason: noise{max(need, decayed), spread}.reason()}
	case want > size:
		// Since it moves anyway, it moves far enough that it need not move again at
		// once.
		want = max(want, processes(need+noiseMargin*spread), processes(decayed+noiseMargin*decayedSpread))
		why.needed = want
		return autoscale.Decision{Act: true, Size: want, Reason: why.reason()}
	case want == size:
		return autoscale.Decision{Size: want, Reason: why.reason()}
	case l.measured < r.Decay:
		return autoscale.Decision{Reason: shortHistory{want, l.measured, r.Decay}.reason()}
	case r.Decay <= 0:
		return autoscale.Decision{Act: true, Size: want, Reason: why.reason()}
	}
	if rested := o.Now.Sub(o.Added); l.concurrency > 0 && now.Requests > 0 && !o.Added.IsZero() && rested < restAfterRise {
		return autoscale.Decision{Reason: raised{want, rested, restAfterRise}.reason()}
	}
	if least := max(processes(decayed+noiseDown*decayedSpread), processes(minute+noiseDown*minuteSpread)); least > want {
		want = least
		if want >= size {
			return autoscale.Decision{Reason: noise{max(decayed, minute), minuteSpread}.reason()}
		}
		if r.tolerates(size, want) {
			return autoscale.Decision{Size: want, Reason: tolerated{want, size, r.Tolerance}.reason()}
		}
	}
	return autoscale.Decision{Act: true, Size: want, Reason: why.reason()}
}

// tolerates reports whether want is too close to the size to change it. A rise of
// more than a quarter of the free capacity is never tolerated.
func (r TargetTracking) tolerates(size, want int) bool {
	share := r.Tolerance
	if want > size {
		share = min(share, (1-r.Target)/r.Target/4)
	}
	return want != size && math.Abs(float64(want-size)) <= share*float64(size)+1e-9
}

// tracked is the detail of ReasonLoad, ReasonSaturated and ReasonDecaying.
type tracked struct {
	code              autoscale.ReasonCode
	inUse, perProcess float64 // requests in flight, or processes in full use
	utilization       bool    // it is processes in full use
	needed            int     // processes
	enough            int     // if decaying, how many processes are enough now
	decay             time.Duration
}

func (t tracked) reason() autoscale.Reason { return autoscale.Reason{Code: t.code, Detail: t} }

func (t tracked) String() string {
	switch {
	case t.code == ReasonDecaying:
		return fmt.Sprintf("%s enough now, and %d for the load of the last %s", processesAre(t.enough), t.needed, names.Duration(t.decay))
	case t.utilization:
		return fmt.Sprintf("%.4g processes in full use, at %.4g each, need %d", t.inUse, t.perProcess, t.needed)
	case t.code == ReasonSaturated:
		return fmt.Sprintf("%.4g requests in flight, at %.4g a process, which did no more while requests waited, need %d", t.inUse, t.perProcess, t.needed)
	}
	return fmt.Sprintf("%.4g requests in flight, at %.4g a process, need %d", t.inUse, t.perProcess, t.needed)
}

// noise is the detail of ReasonNoise.
type noise struct{ needed, deviation float64 } // processes

func (n noise) reason() autoscale.Reason { return autoscale.Reason{Code: ReasonNoise, Detail: n} }

func (n noise) String() string {
	return fmt.Sprintf("%.2f processes are needed, give or take %.2f: too few requests were counted to say that the size is wrong", n.needed, n.deviation)
}

// tolerated is the detail of ReasonTolerance.
type tolerated struct {
	needed, size int
	share        float64
}

func (t tolerated) reason() autoscale.Reason {
	return autoscale.Reason{Code: ReasonTolerance, Detail: t}
}

func (t tolerated) String() string {
	return fmt.Sprintf("%s needed, within %.3g %% of the size of %d", processesAre(t.needed), 100*t.share, t.size)
}

// raised is the detail of ReasonRaised.
type raised struct {
	needed    int // processes
	ago, rest time.Duration
}

func (r raised) reason() autoscale.Reason { return autoscale.Reason{Code: ReasonRaised, Detail: r} }

func (r raised) String() string {
	return fmt.Sprintf("%s enough now, but the size was raised only %s ago: it does not fall for %s", processesAre(r.needed), names.Duration(r.ago), names.Duration(r.rest))
}
