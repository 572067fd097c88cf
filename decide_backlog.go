package autoscale

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// The defaults of [Backlog].
const (
	DefaultPerProcess = 5 // KEDA's, of its Redis and SQS scalers
	DefaultIdle       = 5 * time.Minute
)

// ageMost bounds what [Backlog] wishes because of a job's age, as a multiple of
// the processes that serve: an age does not say how much work there is.
// Range: 1.25 to 3.
const ageMost = 2.0

// Backlog is the rule for workers: it orders as many processes as the jobs that
// wait need. It goes up at once, from 0 too, and down to the most that was
// needed within DownWindow. It needs [SignalBacklog].
//
// The processes needed are the backlog / PerProcess, rounded up; or, where Drain
// is set, as many as work the backlog off within that time. A process does
// Slots / service time jobs a second, where [SignalServiceTime] and Slots are known,
// else [SignalThroughput] / the processes that serve, else 1 / service time, from the
// newest sample that says it; where nothing does, a backlog takes one process
// where there is none, and otherwise the size is held.
//
// With MaxAge, [Sample.QueueTime] is how long the oldest job has waited. When it
// is above MaxAge, Backlog wishes the processes that serve × age / MaxAge, one
// more at least and twice as many at most; but where [SignalBusy] is measured no
// more than there are jobs, so that one job that nothing can do adds nothing, and
// holds nothing. Where the platform does not say which processes are pending,
// it adds only for what was measured once those ordered last could serve. For
// DownWindow after that it removes none.
//
// To remove a process may cut off the job that it works on. As far as
// [SignalBusy] is measured, Backlog never wishes fewer processes than the jobs under
// way fill, at Slots a process, or than 1 where Slots is not known. That does not
// say which process the platform stops: with Finish none is removed while any
// job is under way.
//
// It wishes 0 only when no job was waiting or, where that is measured, under way
// in any sample of Idle, and all of it was measured: a gap of more than a
// minute counts as one, and a sample without a backlog begins it anew. Bounds
// with a Min above 0 keep it from that, and so does a negative Idle.
//
// It holds when the backlog was not measured within the last minute, and does
// not go down before DownWindow was measured. A [Failure] says nothing to it.
type Backlog struct {
	PerProcess float64       // jobs that may wait for each process. 0: DefaultPerProcess, unless Drain is set
	Drain      time.Duration // in which the backlog is to be worked off, in the place of PerProcess. 0: not used
	MaxAge     time.Duration // of the oldest job. 0: any
	Slots      float64       // how many jobs a process works on at once: its workers or threads. 0: not known
	Finish     bool          // remove processes only when no job is under way; needs SignalBusy
	Idle       time.Duration // before 0. 0: DefaultIdle; negative: never 0
	DownWindow time.Duration // 0: DefaultDownWindow; negative: none, it goes down at once
}

func (b Backlog) withDefaults() Backlog {
	if b.PerProcess == 0 && b.Drain == 0 {
		b.PerProcess = DefaultPerProcess
	}
	b.Idle = orDefaultTime(b.Idle, DefaultIdle)
	b.DownWindow = max(orDefaultTime(b.DownWindow, DefaultDownWindow), 0)
	return b
}

// Validate reports what is wrong with the settings.
func (b Backlog) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("Backlog."+format, args...)) }
	if !measuredBy(b.PerProcess) {
		bad("PerProcess is %v: it must be above 0, the jobs that may wait for each process, or 0 for %d", b.PerProcess, DefaultPerProcess)
	}
	if b.Drain < 0 {
		bad("Drain is %v: it must be above 0, the time in which to work off the backlog, or 0 to count jobs", b.Drain)
	}
	if b.PerProcess != 0 && b.Drain != 0 {
		bad("PerProcess is %v and Drain %v: each says how many processes a backlog needs; set one", b.PerProcess, b.Drain)
	}
	if b.MaxAge < 0 {
		bad("MaxAge is %v: it must be above 0, or 0 for any age", b.MaxAge)
	}
	if !measuredBy(b.Slots) {
		bad("Slots is %v: it must be above 0, the jobs that a process works on at once, or 0 where that is not known", b.Slots)
	}
	return errors.Join(errs...)
}

// Window returns how far back the rule looks.
func (b Backlog) Window() time.Duration {
	b = b.withDefaults()
	return max(b.Idle, b.DownWindow) + vouchFor
}

// Samples returns how many of the newest samples the rule needs to go down,
// however far apart they were taken.
func (b Backlog) Samples() int {
	b = b.withDefaults()
	return vouchers(max(b.Idle, b.DownWindow))
}

// Decide applies the rule.
func (b Backlog) Decide(o Observation) Decision {
	b = b.withDefaults()
	samples, size := newest(o.Samples), o.Capacity.Desired
	i := withBacklog(samples, len(samples)-1)
	if i < 0 || o.Now.Sub(samples[i].Time) > vouchFor {
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: SignalBacklog, Span: vouchFor}}
	}
	now := &samples[i]
	each, known := b.each(samples[:i+1], o.Capacity.Ready())
	want := processes(now.Backlog / each)
	if !known {
		want = min(processes(now.Backlog), max(size, 1))
	}
	reason := Reason{Code: ReasonBacklog, Signal: SignalBacklog, Seen: now.Backlog, High: each, Needed: want}

	old := b.old(now, size)
	if old && (o.Capacity.Pending > 0 || o.settled(now, o.boot())) {
		if n := b.aged(now, o.Capacity.Ready()); n > want {
			want = n
			reason = b.tooOld(now, want)
		}
	}
	switch {
	case want > size:
		return Decision{Act: true, Size: want, Reason: reason}
	case old:
		return Decision{Reason: b.tooOld(now, size)}
	case !known && want > 0:
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: SignalServiceTime | SignalThroughput, Span: b.Window()}}
	case want == size:
		return Decision{Reason: reason}
	}
	return b.fall(&o, samples, i, want, each, reason)
}

// fall wishes the most that was needed within the window, if it was measured,
// and no fewer processes than the jobs under way need.
func (b Backlog) fall(o *Observation, samples []Sample, i, want int, each float64, reason Reason) Decision {
	now, size := &samples[i], o.Capacity.Desired
	busy := busyIn(now)
	switch {
	case b.Finish && busy > 0:
		return Decision{Reason: Reason{Code: ReasonBusy, Signal: SignalBusy, Seen: busy}}
	case b.Finish && !now.Signals.Has(SignalBusy):
		return Decision{Reason: Reason{Code: ReasonMissing, Signal: SignalBusy, Span: vouchFor}}
	}

	most, covered, at := now.Backlog, time.Duration(0), now.Time.UnixNano()
	for covered < b.DownWindow {
		if i = withBacklog(samples, i-1); i < 0 {
			return Decision{Reason: Reason{Code: ReasonShort, Seen: covered.Seconds(), Needed: want, Span: b.DownWindow}}
		}
		s := &samples[i]
		t := s.Time.UnixNano()
		if covered += vouched(at, t); covered > b.DownWindow {
			break
		}
		at = t
		if most = max(most, s.Backlog); most >= float64(size)*each || b.old(s, size) {
			return Decision{Reason: Reason{Code: ReasonPeak, Count: max(size, processes(most/each)), Needed: want, Span: b.DownWindow}}
		}
	}
	highest := processes(most / each)
	if highest > want {
		reason = Reason{Code: ReasonPeak, Count: highest, Needed: want, Span: b.DownWindow}
	}
	if n := b.running(busy); n > highest {
		highest = n
		reason = Reason{Code: ReasonBusy, Signal: SignalBusy, Seen: busy}
	}
	if highest == 0 {
		idle := b.idle(samples)
		reason = Reason{Code: ReasonIdle, Signal: SignalBacklog, Seen: idle.Seconds(), Span: b.Idle}
		if b.Idle < 0 || idle < b.Idle {
			highest = 1
		}
	}
	return Decision{Act: highest < size, Size: highest, Reason: reason}
}

// withBacklog returns the newest sample from i on down that has a backlog, or -1.
func withBacklog(samples []Sample, i int) int {
	for ; i >= 0; i-- {
		if hasBacklog(&samples[i]) {
			break
		}
	}
	return i
}

func hasBacklog(s *Sample) bool { return s.Signals.Has(SignalBacklog) && measuredBy(s.Backlog) }

// busyIn returns how many jobs are under way, or 0 where that was not measured.
func busyIn(s *Sample) float64 {
	if s.Signals.Has(SignalBusy) && s.Busy > 0 {
		return s.Busy
	}
	return 0
}

// each returns how many jobs may wait for each process.
func (b Backlog) each(samples []Sample, ready int) (jobs float64, known bool) {
	if b.Drain == 0 {
		return b.PerProcess, true
	}
	drain := b.Drain.Seconds()
	for i := len(samples) - 1; i >= 0; i-- {
		s := &samples[i]
		service := s.Signals.Has(SignalServiceTime) && s.ServiceTime > 0
		switch {
		case service && b.Slots > 0:
			return finite(drain * b.Slots / s.ServiceTime.Seconds()), true
		case s.Signals.Has(SignalThroughput) && s.Throughput > 0 && hasBacklog(s) && s.Backlog > 0 && ready > 0:
			return finite(drain * s.Throughput / float64(ready)), true
		case service:
			return finite(drain / s.ServiceTime.Seconds()), true
		}
	}
	return 1, false
}

// finite keeps a process from taking so many that any backlog would need none.
func finite(jobs float64) float64 { return min(jobs, math.MaxFloat64) }

// old reports whether the oldest job has waited too long, and for a process:
// among more processes than jobs it waits for something else.
func (b Backlog) old(s *Sample, size int) bool {
	if b.MaxAge <= 0 || !s.Signals.Has(SignalQueueTime) || s.QueueTime <= b.MaxAge || s.Backlog <= 0 {
		return false
	}
	return !s.Signals.Has(SignalBusy) || !measuredBy(s.Busy) || s.Backlog+s.Busy >= float64(size)
}

func (b Backlog) tooOld(s *Sample, needed int) Reason {
	return Reason{Code: ReasonAge, Signal: SignalQueueTime, Seen: s.QueueTime.Seconds(), High: b.MaxAge.Seconds(), Needed: needed}
}

// aged returns how many processes the age of the oldest job calls for.
func (b Backlog) aged(s *Sample, ready int) int {
	r := float64(ready)
	n := max(r*min(ageMost, s.QueueTime.Seconds()/b.MaxAge.Seconds()), r+1)
	if s.Signals.Has(SignalBusy) && measuredBy(s.Busy) {
		n = min(n, s.Backlog+s.Busy)
	}
	return processes(n)
}

// running returns how many processes the jobs under way fill.
func (b Backlog) running(busy float64) int {
	if b.Slots > 0 {
		return processes(busy / b.Slots)
	}
	return min(processes(busy), 1)
}

// idle returns how long no job was waiting or under way, up to Idle.
func (b Backlog) idle(samples []Sample) time.Duration {
	var covered time.Duration
	for i := len(samples) - 1; i >= 0 && covered < b.Idle; i-- {
		s := &samples[i]
		if !hasBacklog(s) || s.Backlog > 0 || busyIn(s) > 0 {
			break
		}
		if i+1 < len(samples) {
			covered += vouched(samples[i+1].Time.UnixNano(), s.Time.UnixNano())
		}
	}
	return covered
}
