package heartbeat

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const (
	// grace is how long a check may take to notice that its context has ended.
	grace = 10 * time.Millisecond

	// maxStuck bounds the stuck calls of one check.
	maxStuck = 4
)

// A Dependency is a [Part]: one thing that the pages of the service depend on, and that
// each heartbeat exercises. Make one with [SQL], [Cache], [Disk] or [Check].
type Dependency struct {
	name    string
	run     func(context.Context) error
	limit   time.Duration
	limited bool
	fault   string // what is wrong with it, for the panic of Handler
}

// Named returns a copy of d with another name, so that there can be two of a kind:
// SQL(replica).Named("replica"). The documentation of [Check] says which names are
// allowed.
func (d Dependency) Named(name string) Dependency {
	d.name = name
	return d
}

// Within returns a copy of d that fails if it takes longer than limit, which must be
// above 0. By default only the whole heartbeat has a limit, its [Timeout].
func (d Dependency) Within(limit time.Duration) Dependency {
	d.limit, d.limited = limit, true
	return d
}

// Check returns a Dependency that calls f. The check fails if f returns an error, panics
// or takes too long. The name appears in the log and in Server-Timing. It begins with a
// letter a-z, has at most 32 characters of a-z, 0-9, _ and -, and is not "total".
//
// f runs on a goroutine of its own. Calls overlap if heartbeats do. Its context ends when
// its time is over or the client has gone. If f ignores that, the heartbeat fails without
// waiting for it. The call keeps its heartbeat's place (see [MaxConcurrent]) until it
// returns or outlives Timeout and Within. In the latter case it is stuck. While four
// calls are stuck, f is not called again, and each heartbeat fails at once.
//
// With a [Token], at most MaxConcurrent + 3 calls of f run at once. Without one, it is at
// most twice MaxConcurrent + 3.
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
	stuck     atomic.Int32
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
	check   *check
	ctx     context.Context
	cancel  context.CancelFunc
	begun   time.Time
	longest time.Duration // until the call is stuck
	done    chan result   // buffered, so nobody need receive

	mu      sync.Mutex
	ended   bool
	stuck   bool
	place   *place      // of the heartbeat
	overdue *time.Timer // of a call that was abandoned and is not stuck yet
}

// start calls the check, unless that is pointless. timeout is how long the handler gives
// to any heartbeat.
func (c *check) start(ctx context.Context, p *place, timeout time.Duration) *call {
	l := &call{check: c, ctx: ctx, cancel: func() {}, begun: time.Now(), longest: timeout, done: make(chan result, 1), place: p}
	switch stuck := c.stuck.Load(); {
	case stuck >= maxStuck:
		l.done <- result{fault: fmt.Sprintf("stuck: %d earlier calls ignore that their contexts have ended", stuck)}
	case ctx.Err() != nil:
		l.done <- result{fault: "no time was left for it"}
	default:
		if c.limited {
			l.ctx, l.cancel = context.WithTimeout(ctx, c.limit)
			l.longest = min(timeout, c.limit)
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
		l.end()
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
	if !l.abandon() {
		return <-l.done
	}
	took := time.Since(l.begun)
	return result{
		took:      took,
		fault:     fmt.Sprintf("no result within %v: it ignores that its context has ended", took.Round(time.Millisecond)),
		abandoned: true,
	}
}

// abandon lets the call go on without its heartbeat. It reports false if the call has
// ended.
func (l *call) abandon() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return false
	}
	l.place.hold()
	left := l.longest - time.Since(l.begun)
	if left <= 0 {
		l.markStuck()
	} else {
		l.overdue = time.AfterFunc(left, l.stick)
	}
	return true
}

// stick counts the call as stuck once it has outlived its longest time.
func (l *call) stick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended && !l.stuck {
		l.markStuck()
	}
}

// markStuck gives the place back: check.stuck bounds the calls from now on. mu is held.
func (l *call) markStuck() {
	l.stuck = true
	l.check.stuck.Add(1)
	l.place.release()
}

func (l *call) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	switch {
	case l.stuck:
		l.check.stuck.Add(-1)
	case l.overdue != nil:
		l.overdue.Stop()
		l.place.release()
	}
}
