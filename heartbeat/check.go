package heartbeat

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// grace is how long a check may take to notice that its context has ended.
	grace = 10 * time.Millisecond

	// maxStuck bounds the calls of one check that did not notice.
	maxStuck = 4
)

// A Dependency is a [Part]: one thing that the pages of the service depend on,
// and that each heartbeat exercises. [SQL], [Cache], [Disk] and [Check] make
// one.
type Dependency struct {
	name    string
	run     func(context.Context) error
	limit   time.Duration
	limited bool
	fault   string // what is wrong with it, for Handler to say
}

// Named returns a copy of d with another name, so that there can be two of a
// kind: SQL(replica).Named("replica"). The name is of the form that [Check] describes.
func (d Dependency) Named(name string) Dependency {
	d.name = name
	return d
}

// Within returns a copy of d that fails when it takes longer than limit, which must
// be above 0. By default only the heartbeat as a whole has a limit, its [Timeout].
func (d Dependency) Within(limit time.Duration) Dependency {
	d.limit, d.limited = limit, true
	return d
}

// Check returns a Dependency that calls f, which fails by returning an error,
// by panicking, or by taking too long. The name stands in the log and in
// Server-Timing; it begins with a letter a-z, holds at most 32 of a-z, 0-9, _
// and -, and is not total.
//
// f runs on a goroutine of its own, several at a time where heartbeats overlap.
// Its context ends when the time for it is over or the client has gone. If f
// ignores that, the heartbeat fails without waiting for it, and while four such
// calls have not returned, f is not called again and each heartbeat fails at once.
// No more than [MaxConcurrent] + 3 calls of f are ever under way.
func Check(name string, f func(ctx context.Context) error) Dependency {
	d := Dependency{name: name, run: f}
	if f == nil {
		d.fault = fmt.Sprintf("Check(%q, nil): give the func to call", name)
	}
	return d
}

// check is a Dependency at work in a handler.
type check struct {
	Dependency
	byDefault bool
	stuck     atomic.Int32 // calls that were abandoned and have not returned
	reports   *rate.Limiter
}

func newCheck(d Dependency) *check {
	return &check{Dependency: d, reports: rate.NewLimiter(1, 5)}
}

// result is how a call ended.
type result struct {
	took      time.Duration
	fault     string // without secrets; empty: it succeeded
	stack     string // of a panic
	abandoned bool
}

func (r result) failed() bool { return r.fault != "" }

// call is one call of a check, on a goroutine of its own so that the handler can
// abandon it.
type call struct {
	check  *check
	ctx    context.Context
	cancel context.CancelFunc
	begun  time.Time
	done   chan result // has room: nobody need receive
	over   atomic.Bool // set by the call's end and by its abandonment
}

// start calls the check, unless that is pointless.
func (c *check) start(ctx context.Context) *call {
	l := &call{check: c, ctx: ctx, cancel: func() {}, begun: time.Now(), done: make(chan result, 1)}
	switch stuck := c.stuck.Load(); {
	case stuck >= maxStuck:
		l.done <- result{fault: fmt.Sprintf("stuck: %d earlier calls have neither returned nor heeded the end of their contexts", stuck)}
	case ctx.Err() != nil:
		l.done <- result{fault: "no time was left for it"}
	default:
		if c.limited {
			l.ctx, l.cancel = context.WithTimeout(ctx, c.limit)
		}
		go l.run()
	}
	return l
}

func (l *call) run() {
	res := result{fault: "the check called runtime.Goexit"}
	defer func() {
		if v := recover(); v != nil {
			res = result{fault: clean("panic: " + fmt.Sprint(v)), stack: string(debug.Stack())}
		}
		res.took = time.Since(l.begun)
		l.done <- res
		if l.over.Swap(true) {
			l.check.stuck.Add(-1)
		}
	}()
	err := l.check.Dependency.run(l.ctx)
	if err != nil {
		res.fault = cmp.Or(clean(err.Error()), "an error without text")
		return
	}
	res = result{}
}

// wait returns the call's result, at the latest soon after its context ended.
func (l *call) wait(patience time.Duration) result {
	defer l.cancel()
	select {
	case res := <-l.done:
		return res
	case <-l.ctx.Done():
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case res := <-l.done:
		return res
	case <-timer.C:
	}
	l.check.stuck.Add(1)
	if l.over.Swap(true) { // it has ended by now
		l.check.stuck.Add(-1)
		return <-l.done
	}
	took := time.Since(l.begun)
	return result{
		took:      took,
		fault:     fmt.Sprintf("no result within %v: it goes on without heeding the end of its context", took.Round(time.Millisecond)),
		abandoned: true,
	}
}
