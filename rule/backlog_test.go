package rule_test

import (
	"math"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

// waits is a sample of n jobs that wait.
func waits(n float64) autoscale.Sample {
	return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: n}
}

// taking adds a service time, and done a throughput.
func taking(s autoscale.Sample, d time.Duration) autoscale.Sample {
	s.Signals |= autoscale.SignalServiceTime
	s.ServiceTime = d
	return s
}

func done(s autoscale.Sample, x float64) autoscale.Sample {
	s.Signals |= autoscale.SignalThroughput
	s.Throughput = x
	return s
}

func TestBacklog(t *testing.T) {
	five := rule.Backlog{} // five jobs a process
	minute := rule.Backlog{Drain: time.Minute}
	threads := rule.Backlog{Drain: time.Minute, Concurrency: 10}
	finish := rule.Backlog{Finish: true}
	aged := rule.Backlog{MaxAge: 2 * time.Minute}
	const s = 10 * time.Second // five minutes are 31 samples
	job := waits(0)
	checkRule(t, []ruleCase{
		{"nothing yet", five, series(3, s), want{reason: "backlog was not measured within the last 1m00s"}},
		{"other signals", five, series(3, s, noSignal), want{reason: "backlog was not measured within the last 1m00s"}},
		{"not a number", five, series(3, s, waits(math.NaN())), want{reason: "backlog was not measured within the last 1m00s"}},
		{"too old", five, series(3, 61*time.Second, waits(100), noSignal), want{reason: "backlog was not measured within the last 1m00s"}},
		// 23 / 5 = 4.6.
		{"up", five, series(3, s, waits(23)), want{true, 5, "23 jobs waiting, at 5 a process, need 5"}},
		{"up from zero", five, series(0, s, waits(1)), want{true, 1, "1 job waiting, at 5 a process, need 1"}},
		{"up from zero by all it needs", five, series(0, s, waits(23)), want{true, 5, "23 jobs waiting, at 5 a process, need 5"}},
		{"enough", five, series(5, s, waits(23)), want{reason: "23 jobs waiting, at 5 a process, need 5"}},
		{"zero stays zero", five, series(0, s, job), want{reason: "0 jobs waiting, at 5 a process, need 0"}},

		// A job takes 2 s, and a process one at once: 30 a minute. 100 / 30 = 3.3.
		{"drain by service time", minute, series(3, s, taking(waits(100), 2*time.Second)), want{true, 4, "100 jobs waiting, at 30 a process, need 4"}},
		// Ten at once: 300 a minute.
		{"drain by threads", threads, series(1, s, taking(waits(500), 2*time.Second)), want{true, 2, "500 jobs waiting, at 300 a process, need 2"}},
		// Two processes do 1/s: 30 a minute each.
		{"drain by throughput", minute, series(2, s, done(waits(100), 1)), want{true, 4, "100 jobs waiting, at 30 a process, need 4"}},
		{"drain by an earlier throughput", minute, series(2, s, done(waits(100), 1), waits(100)), want{true, 4, "100 jobs waiting, at 30 a process, need 4"}},
		// Nothing waited, so the throughput says what came, not what can be done.
		{"not by that of an idle one", minute, series(2, s, done(job, 1), waits(100)), want{reason: "service_time or throughput was not measured within the last 6m00s"}},
		{"drained however fast", rule.Backlog{Drain: time.Hour}, series(0, s, done(waits(1), 1), taking(waits(100), 1)), want{true, 1, "100 jobs waiting, at 3.6e+12 a process, need 1"}},
		{"drained in no time", rule.Backlog{Drain: time.Hour, Concurrency: math.MaxFloat64}, series(0, s, taking(waits(1), 1)), want{true, 1, "1 job waiting, at 1.798e+308 a process, need 1"}},
		{"drain from zero", minute, series(0, s, waits(100)), want{true, 1, "100 jobs waiting, at 1 a process, need 1"}},

		{"down", five, series(10, s, times(31, waits(23))...), want{true, 5, "23 jobs waiting, at 5 a process, need 5"}},
		{"not yet measured", five, series(10, s, times(30, waits(23))...), want{reason: "5 processes are enough now, but only 4m50s of 5m00s were measured"}},
		{"down to the peak", five, series(10, s, join(times(1, waits(33)), times(30, waits(23)))...), want{true, 7, "5 processes are enough now, but 7 were needed within the last 5m00s"}},
		{"the peak holds", five, series(7, s, join(times(1, waits(33)), times(30, waits(23)))...), want{reason: "5 processes are enough now, but 7 were needed within the last 5m00s"}},
		{"a peak before that does not", five, series(10, s, join(times(1, waits(43)), times(31, waits(23)))...), want{true, 5, "23 jobs waiting, at 5 a process, need 5"}},
		{"at once", rule.Backlog{DownWindow: -1}, series(10, s, waits(23)), want{true, 5, "23 jobs waiting, at 5 a process, need 5"}},
		{"drain down", minute, series(10, s, times(31, taking(waits(100), 2*time.Second))...), want{true, 4, "100 jobs waiting, at 30 a process, need 4"}},

		{"zero", five, series(3, s, times(31, job)...), want{true, 0, "no job was waiting or under way for 5m00s (5m00s needed)"}},
		{"zero, from one", five, series(1, s, times(31, job)...), want{true, 0, "no job was waiting or under way for 5m00s (5m00s needed)"}},
		{"not before the idle time", rule.Backlog{Idle: 10 * time.Minute}, series(3, s, times(31, job)...), want{true, 1, "no job was waiting or under way for 5m00s (10m00s needed)"}},
		{"one waits for it", rule.Backlog{Idle: 10 * time.Minute}, series(1, s, times(31, job)...), want{reason: "no job was waiting or under way for 5m00s (10m00s needed)"}},
		{"never zero", rule.Backlog{Idle: -1}, series(3, s, times(31, job)...), want{true, 1, "no job is waiting or under way"}},
		{"not all of it measured", rule.Backlog{DownWindow: -1}, series(1, s, join(times(20, job), times(1, noSignal), times(20, job))...), want{reason: "no job was waiting or under way for 3m10s (5m00s needed)"}},
		{"the newest not measured", rule.Backlog{DownWindow: -1}, series(1, s, join(times(40, job), times(1, noSignal))...), want{reason: "no job was waiting or under way for 0s (5m00s needed)"}},
		{"a job under way", rule.Backlog{DownWindow: -1}, series(1, s, join(times(20, job), times(1, working(job, 1)), times(20, working(job, 0)))...), want{reason: "no job was waiting or under way for 3m10s (5m00s needed)"}},
		{"a gap is a minute", rule.Backlog{DownWindow: -1}, series(1, time.Hour, times(5, job)...), want{reason: "no job was waiting or under way for 4m00s (5m00s needed)"}},
		{"and five gaps are five", rule.Backlog{DownWindow: -1}, series(1, time.Hour, times(6, job)...), want{true, 0, "no job was waiting or under way for 5m00s (5m00s needed)"}},

		{"the last job keeps one", five, series(3, s, times(31, working(job, 1))...), want{true, 1, "1 job under way"}},
		// 23 at 5 a process are 4.6.
		{"jobs under way keep theirs", rule.Backlog{Concurrency: 5}, series(9, s, times(31, working(job, 23))...), want{true, 5, "23 jobs under way"}},
		{"and add none", rule.Backlog{Concurrency: 1}, series(9, s, times(31, working(job, 23))...), want{reason: "23 jobs under way"}},
		{"finish", finish, series(9, s, times(31, working(waits(5), 1))...), want{reason: "1 job under way"}},
		{"finished", finish, series(9, s, times(31, working(waits(5), 0))...), want{true, 1, "5 jobs waiting, at 5 a process, need 1"}},
		{"finish must be measured", finish, series(9, s, times(31, waits(5))...), want{reason: "Backlog.Finish never removes a process, because the Prober does not measure the jobs under way: let it measure SignalBusy, as by a third column of probe.SQLBacklog, or clear Finish"}},
		{"finish does not keep from growing", finish, series(9, s, times(31, working(waits(50), 9))...), want{true, 10, "50 jobs waiting, at 5 a process, need 10"}},

		// 4 × 3 min / 2 min = 6.
		{"age", aged, series(4, s, queued(waits(1), 3*time.Minute)), want{true, 6, "the oldest job has waited 3m00s, above 2m00s, which takes 6"}},
		{"age, one more at least", aged, series(4, s, queued(waits(1), 121*time.Second)), want{true, 5, "the oldest job has waited 2m01s, above 2m00s, which takes 5"}},
		{"age, twice at most", aged, series(4, s, queued(waits(1), time.Hour)), want{true, 8, "the oldest job has waited 1h00m, above 2m00s, which takes 8"}},
		{"age, as many as jobs", aged, series(4, s, queued(working(waits(1), 4), time.Hour)), want{true, 5, "the oldest job has waited 1h00m, above 2m00s, which takes 5"}},
		{"age, of a job that nothing can do", aged, series(4, s, times(31, queued(working(waits(1), 0), time.Hour))...), want{true, 1, "1 job waiting, at 5 a process, need 1"}},
		{"age, young enough", aged, series(4, s, queued(waits(20), 2*time.Minute)), want{reason: "20 jobs waiting, at 5 a process, need 4"}},
		{"age, of no job", aged, series(0, s, queued(job, time.Hour)), want{reason: "0 jobs waiting, at 5 a process, need 0"}},
		{"age, not before those ordered serve", aged, changed(29*time.Second, series(4, s, queued(waits(1), time.Hour))), want{reason: "the oldest job has waited 1h00m, above 2m00s, which takes 4"}},
		{"age, only those that serve count", aged, pending(2, changed(29*time.Second, series(4, s, queued(waits(1), time.Hour)))), want{reason: "the oldest job has waited 1h00m, above 2m00s, which takes 4"}},
		{"age, holds for the window", aged, series(4, s, join(times(1, queued(waits(1), time.Hour)), times(30, waits(1)))...), want{reason: "1 process is enough now, but 4 were needed within the last 5m00s"}},
		{"an age without a limit is no matter", five, series(1, s, queued(waits(1), time.Hour)), want{reason: "1 job waiting, at 5 a process, need 1"}},
	})
}

func TestBacklogValidate(t *testing.T) {
	for _, tt := range []struct {
		rule rule.Backlog
		want string
	}{
		{rule.Backlog{}, ""},
		{rule.Backlog{Drain: time.Minute, MaxAge: 1, Concurrency: 10, Finish: true, Idle: -1, DownWindow: -1}, ""},
		{rule.Backlog{PerProcess: 0.5}, ""},
		{rule.Backlog{PerProcess: -5}, "Backlog.PerProcess is -5: it must be above 0, the jobs that may wait for each process, or 0 for 5"},
		{rule.Backlog{PerProcess: math.NaN()}, "Backlog.PerProcess is NaN"},
		{rule.Backlog{Drain: -1}, "Backlog.Drain is -1ns"},
		{rule.Backlog{PerProcess: 5, Drain: time.Minute}, "Backlog.PerProcess is 5 and Drain 1m0s: each says how many processes a backlog needs; set one"},
		{rule.Backlog{MaxAge: -1}, "Backlog.MaxAge is -1ns"},
		{rule.Backlog{Concurrency: math.Inf(1)}, "Backlog.Concurrency is +Inf"},
		{rule.Backlog{Concurrency: -1, MaxAge: -1}, "Backlog.MaxAge is -1ns"},
	} {
		checkFault(t, tt.rule, tt.want)
	}
}
