package rule

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
)

// The defaults of [Backlog].
const (
	DefaultPerProcess = 5               // KEDA's, of its Redis and SQS scalers
	DefaultIdle       = 5 * time.Minute // KEDA's cooldownPeriod
	DefaultDownWindow = 5 * time.Minute // the downscale stabilization of Kubernetes' HorizontalPodAutoscaler
)

// The codes of [Backlog], in addition to [ReasonMissing] and [ReasonShort].
const (
	ReasonBacklog autoscale.ReasonCode = "backlog" // the jobs that wait need this many processes
	ReasonAge     autoscale.ReasonCode = "age"     // the oldest job has waited for longer than MaxAge
	ReasonPeak    autoscale.ReasonCode = "peak"    // fewer are needed now, but more were needed within DownWindow
	ReasonBusy    autoscale.ReasonCode = "busy"    // jobs are under way, and must not be cut off
	ReasonIdle    autoscale.ReasonCode = "idle"    // no job was waiting or under way for the whole of Idle
)

// ageMost bounds what [Backlog] recommends because of a job's age, as a multiple of
// the processes that serve. An age does not show how much work there is. Range: 1.25
// to 3.
const ageMost = 2.0

// Backlog is the rule for workers. It orders as many processes as the waiting jobs
// need. It goes up at once, also from 0. It comes down only to the largest number that
// was needed within DownWindow. It needs [autoscale.SignalBacklog].
//
// The processes needed are the backlog / PerProcess, rounded up. If Drain is set, they
// are as many as it takes to work off the backlog within that time. How many jobs a
// process does in a second comes from the newest sample that shows it:
//
//   - Concurrency / service time, if Concurrency and [autoscale.SignalServiceTime] are
//     known,
//   - or [autoscale.SignalThroughput] / the processes that serve,
//   - or 1 / service time.
//
// If no sample shows it, Backlog holds the size. If there is a backlog and no process,
// it recommends one.
//
// With MaxAge, [autoscale.Sample.QueueTime] is how long the oldest job has waited. If
// that is above MaxAge, Backlog recommends the processes that serve × age / MaxAge.
// This is at least one more than now serve, and at most twice as many. If
// [autoscale.SignalBusy] is measured, Backlog recommends no more processes than there
// are jobs, so that one stuck job neither adds processes nor keeps them. If the
// platform does not report which processes are pending, a sample counts only if it was
// taken once the processes ordered last could serve. For DownWindow after that,
// Backlog removes none.
//
// Removing a process may cut off the job that it works on. If [autoscale.SignalBusy]
// is measured, Backlog never recommends fewer processes than the jobs under way fill,
// at Concurrency jobs a process. If Concurrency is not known, it never recommends
// fewer than 1. The platform still chooses which process it stops. With Finish, no
// process is removed while any job is under way.
//
// It recommends 0 only if all of Idle was measured and no sample of Idle shows a job
// that waits or, if that is measured, is under way. A gap of more than a minute counts
// as one minute. After a sample without a backlog, Idle starts again. A Min above 0 or
// a negative Idle keeps the size above 0.
//
// It holds the size if the backlog was not measured within the last minute. It does
// not come down before all of DownWindow was measured. It ignores an
// [autoscale.Failure].
//
// Source: the queue scalers of KEDA.
type Backlog struct {
	PerProcess  float64       // jobs that may wait for each process. 0: DefaultPerProcess, unless Drain is set
	Drain       time.Duration // the time in which to work off the backlog; it replaces PerProcess. 0: not used
	MaxAge      time.Duration // how long the oldest job may wait. 0: any time
	Concurrency float64       // how many jobs a process works on at once: its workers or threads. 0: not known
	Finish      bool          // remove processes only if no job is under way; without SignalBusy none are removed, and the reason says so
	Idle        time.Duration // how long there must be no job before the size is 0. 0: DefaultIdle; negative: never 0
	DownWindow  time.Duration // 0: DefaultDownWindow; negative: none, it comes down at once
}

func (b Backlog) withDefaults() Backlog {
	if b.PerProcess == 0 && b.Drain == 0 {
		b.PerProcess = DefaultPerProcess
	}
	b.Idle = cmp.Or(b.Idle, DefaultIdle)
	b.DownWindow = max(cmp.Or(b.DownWindow, DefaultDownWindow), 0)
	return b
}

// Validate reports what is wrong with the settings.
func (b Backlog) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("Backlog."+format, args...)) }
	if !measurable(b.PerProcess) {
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
	if !measurable(b.Concurrency) {
		bad("Concurrency is %v: it must be above 0, the jobs that a process works on at once, or 0 if that is not known", b.Concurrency)
	}
	return errors.Join(errs...)
}

// Window returns how far back the rule looks.
func (b Backlog) Window() time.Duration {
	b = b.withDefaults()
	return max(b.Idle, b.DownWindow) + maxSampleGap
}

// Samples returns how many of the newest samples the rule needs to go down,
// however far apart they were taken.
func (b Backlog) Samples() int {
	b = b.withDefaults()
	return minSamples(max(b.Idle, b.DownWindow))
}

// Decide applies the rule.
func (b Backlog) Decide(o autoscale.Observation) autoscale.Decision {
	b = b.withDefaults()
	samples, size := recent(o.Samples), o.Capacity.Desired
	i := withBacklog(samples, len(samples)-1)
	if i < 0 || o.Now.Sub(samples[i].Time) > maxSampleGap {
		return autoscale.Decision{Reason: missing{autoscale.SignalBacklog, maxSampleGap}.reason()}
	}
	now := &samples[i]
	each, known := b.each(samples[:i+1], o.Capacity.Ready())
	want := processes(now.Backlog / each)
	if !known {
		want = min(processes(now.Backlog), max(size, 1))
	}
	load := waiting{now.Backlog, each, want}

	old := b.old(now, size)
	if old && (o.Capacity.Pending > 0 || settled(&o, now, bootTime(&o))) {
		if n := b.aged(now, o.Capacity.Ready()); n > want && n > size {
			return autoscale.Decision{Act: true, Size: n, Reason: b.tooOld(now, n)}
		}
	}
	switch {
	case want > size:
		return autoscale.Decision{Act: true, Size: want, Reason: load.reason()}
	case old:
		return autoscale.Decision{Reason: b.tooOld(now, size)}
	case !known && want > 0:
		return autoscale.Decision{Reason: missing{autoscale.SignalServiceTime | autoscale.SignalThroughput, b.Window()}.reason()}
	case want == size:
		return autoscale.Decision{Reason: load.reason()}
	}
	return b.fall(&o, samples, i, load)
}

// fall recommends the most that was needed within the window, if all of it was
// measured. It never recommends fewer processes than the jobs under way need.
func (b Backlog) fall(o *autoscale.Observation, samples []autoscale.Sample, i int, load waiting) autoscale.Decision {
	now, size := &samples[i], o.Capacity.Desired
	busy := busyIn(now)
	switch {
	case b.Finish && busy > 0:
		return autoscale.Decision{Reason: underWay(busy).reason()}
	case b.Finish && !now.Signals.Has(autoscale.SignalBusy):
		return autoscale.Decision{Reason: autoscale.Reason{Code: ReasonMissing, Detail: unfinished{neverBusy(samples)}}}
	}

	most, covered, at := now.Backlog, time.Duration(0), now.Time.UnixNano()
	for covered < b.DownWindow {
		if i = withBacklog(samples, i-1); i < 0 {
			return autoscale.Decision{Reason: shortHistory{load.needed, covered, b.DownWindow}.reason()}
		}
		s := &samples[i]
		t := s.Time.UnixNano()
		if covered += sampleGap(at, t); covered > b.DownWindow {
			break
		}
		at = t
		if most = max(most, s.Backlog); most >= float64(size)*load.each || b.old(s, size) {
			return autoscale.Decision{Reason: peak{load.needed, max(size, processes(most/load.each)), b.DownWindow}.reason()}
		}
	}
	highest, running := processes(most/load.each), b.running(busy)
	lowest := max(highest, running)
	idle := time.Duration(0)
	if lowest == 0 {
		if idle = b.idle(samples); b.Idle < 0 || idle < b.Idle {
			lowest = 1
		}
	}
	d := autoscale.Decision{Act: lowest < size, Size: lowest}
	switch {
	case highest == 0 && running == 0:
		d.Reason = idleFor{idle, b.Idle}.reason()
	case running > highest:
		d.Reason = underWay(busy).reason()
	case highest > load.needed:
		d.Reason = peak{load.needed, highest, b.DownWindow}.reason()
	default:
		d.Reason = load.reason()
	}
	return d
}

// withBacklog returns the index of the newest sample that has a backlog and is not
// newer than sample i, or -1.
func withBacklog(samples []autoscale.Sample, i int) int {
	for ; i >= 0; i-- {
		if hasBacklog(&samples[i]) {
			break
		}
	}
	return i
}

func hasBacklog(s *autoscale.Sample) bool {
	return s.Signals.Has(autoscale.SignalBacklog) && measurable(s.Backlog)
}

// busyIn returns how many jobs are under way, or 0 if that was not measured.
func busyIn(s *autoscale.Sample) float64 {
	if s.Signals.Has(autoscale.SignalBusy) && s.Busy > 0 {
		return s.Busy
	}
	return 0
}

// each returns how many jobs may wait for each process.
func (b Backlog) each(samples []autoscale.Sample, ready int) (jobs float64, known bool) {
	if b.Drain == 0 {
		return b.PerProcess, true
	}
	drain := b.Drain.Seconds()
	for i := len(samples) - 1; i >= 0; i-- {
		s := &samples[i]
		service := s.Signals.Has(autoscale.SignalServiceTime) && s.ServiceTime > 0
		switch {
		case service && b.Concurrency > 0:
			return finite(drain * b.Concurrency / s.ServiceTime.Seconds()), true
		case s.Signals.Has(autoscale.SignalThroughput) && s.Throughput > 0 && hasBacklog(s) && s.Backlog > 0 && ready > 0:
			return finite(drain * s.Throughput / float64(ready)), true
		case service:
			return finite(drain / s.ServiceTime.Seconds()), true
		}
	}
	return 1, false
}

// finite keeps jobs from becoming infinite: a backlog would then need no process.
func finite(jobs float64) float64 { return min(jobs, math.MaxFloat64) }

// old reports whether the oldest job has waited too long for a process. If there are
// more processes than jobs, the job waits for something else.
func (b Backlog) old(s *autoscale.Sample, size int) bool {
	if b.MaxAge <= 0 || !s.Signals.Has(autoscale.SignalQueueTime) || s.QueueTime <= b.MaxAge || s.Backlog <= 0 {
		return false
	}
	return !s.Signals.Has(autoscale.SignalBusy) || !measurable(s.Busy) || s.Backlog+s.Busy >= float64(size)
}

func (b Backlog) tooOld(s *autoscale.Sample, needed int) autoscale.Reason {
	return autoscale.Reason{Code: ReasonAge, Detail: age{s.QueueTime, b.MaxAge, needed}}
}

// aged returns how many processes the age of the oldest job calls for.
func (b Backlog) aged(s *autoscale.Sample, ready int) int {
	r := float64(ready)
	n := max(r*min(ageMost, s.QueueTime.Seconds()/b.MaxAge.Seconds()), r+1)
	if s.Signals.Has(autoscale.SignalBusy) && measurable(s.Busy) {
		n = min(n, s.Backlog+s.Busy)
	}
	return processes(n)
}

// running returns how many processes the jobs under way fill.
func (b Backlog) running(busy float64) int {
	if b.Concurrency > 0 {
		return processes(busy / b.Concurrency)
	}
	return min(processes(busy), 1)
}

// idle returns for how long no job was waiting or under way, up to Idle.
func (b Backlog) idle(samples []autoscale.Sample) time.Duration {
	var covered time.Duration
	for i := len(samples) - 1; i >= 0 && covered < b.Idle; i-- {
		s := &samples[i]
		if !hasBacklog(s) || s.Backlog > 0 || busyIn(s) > 0 {
			break
		}
		if i+1 < len(samples) {
			covered += sampleGap(samples[i+1].Time.UnixNano(), s.Time.UnixNano())
		}
	}
	return covered
}

// waiting is the detail of ReasonBacklog.
type waiting struct {
	jobs, each float64 // each: how many may wait for each process
	needed     int
}

func (w waiting) reason() autoscale.Reason {
	return autoscale.Reason{Code: ReasonBacklog, Detail: w}
}

func (w waiting) String() string {
	return fmt.Sprintf("%s waiting, at %.4g a process, need %d", jobsText(w.jobs), w.each, w.needed)
}

// age is the detail of ReasonAge.
type age struct {
	waited, limit time.Duration
	needed        int
}

func (a age) String() string {
	return fmt.Sprintf("the oldest job has waited %s, above %s, which takes %d", names.Duration(a.waited), names.Duration(a.limit), a.needed)
}

// peak is the detail of ReasonPeak.
type peak struct {
	needed, most int // processes
	within       time.Duration
}

func (p peak) reason() autoscale.Reason { return autoscale.Reason{Code: ReasonPeak, Detail: p} }

func (p peak) String() string {
	return fmt.Sprintf("%s enough now, but %d were needed within the last %s", processesAre(p.needed), p.most, names.Duration(p.within))
}

// underWay is the detail of ReasonBusy: how many jobs are under way.
type underWay float64

func (u underWay) reason() autoscale.Reason { return autoscale.Reason{Code: ReasonBusy, Detail: u} }

func (u underWay) String() string { return jobsText(float64(u)) + " under way" }

// unfinished is the detail of ReasonMissing with Finish: nothing says whether a job is
// under way.
type unfinished struct {
	never bool // no sample that the rule sees has SignalBusy
}

func (u unfinished) String() string {
	if u.never {
		return "Backlog.Finish never removes a process, because the Prober does not measure the jobs under way: let it measure SignalBusy, as by a third column of probe.SQLBacklog, or clear Finish"
	}
	return "the jobs under way were not measured just now, and with Backlog.Finish no process is removed without"
}

func neverBusy(samples []autoscale.Sample) bool {
	for i := range samples {
		if samples[i].Signals.Has(autoscale.SignalBusy) {
			return false
		}
	}
	return true
}

// idleFor is the detail of ReasonIdle.
type idleFor struct {
	idle, needed time.Duration // needed: negative if no time is enough
}

func (i idleFor) reason() autoscale.Reason { return autoscale.Reason{Code: ReasonIdle, Detail: i} }

func (i idleFor) String() string {
	if i.needed < 0 {
		return "no job is waiting or under way"
	}
	return fmt.Sprintf("no job was waiting or under way for %s (%s needed)", names.Duration(i.idle), names.Duration(i.needed))
}

func jobsText(n float64) string {
	if n == 1 {
		return "1 job"
	}
	return fmt.Sprintf("%.6g jobs", n)
}
