//go:build linux

package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// A fault draws what it needs to know, and returns what it then does, until all
// is well again.
type fault func(x *trial, r *rand.Rand) func(ctx context.Context)

// A card of the deck is a fault under its name.
type card struct {
	name  string
	times int // how often it is in a deck
	fault fault
}

// cards are the faults, in the proportion in which they happen.
var cards = []card{
	{"killed", 3, kill},
	{"stopped in good order", 1, deploy},
	{"frozen", 3, freeze},
	{"frozen in flight", 2, trapped("flight")},
	// A process that is frozen between its last look at its term and the order
	// wakes before anything tells it that the deadline has passed. The window is
	// hit by itself once in many hours.
	{"frozen before an order", 1, trapped("order")},
	{"database cut off", 1, partition(theDatabase, cut)},
	{"database in a black hole", 1, partition(theDatabase, blackHole)},
	{"database slow", 1, partition(theDatabase, slow)},
	{"platform cut off", 1, partition(thePlatform, cut)},
	{"platform in a black hole", 1, partition(thePlatform, blackHole)},
	{"platform slow", 1, partition(thePlatform, slow)},
	{"answer of the platform lost", 1, lose},
	{"platform answers nonsense", 1, answers(nonsense...)},
	{"platform is busy", 1, answers(busy...)},
	{"header flood on a service", 1, flood},
	{"database crashed", 1, restart(syscall.SIGQUIT)},
	{"database restarted", 1, restart(syscall.SIGINT)},
	{"database's clock stepped", 1, stepDatabase},
	{"rights revoked and granted", 1, revoke},
	{"table away and back", 1, rename},
	{"table dropped and made again", 1, drop},
	{"clock of a process stepped", 2, stepProcess},
	{"paused and resumed", 1, command},
}

// deck returns all of them, or the one that -only names, in an order of chance.
func deck(r *rand.Rand) (d []card) {
	for _, c := range cards {
		n := c.times
		if *only != "" {
			n = 0
		}
		if *only == c.name {
			n = 1
		}
		for range n {
			d = append(d, c)
		}
	}
	r.Shuffle(len(d), func(i, j int) { d[i], d[j] = d[j], d[i] })
	return d
}

// between draws a time.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// victim draws a process: more often than not whichever leads then.
func victim(r *rand.Rand) func(x *trial) *process {
	i, leader := r.IntN(processes), r.IntN(10) < 7
	return func(x *trial) *process {
		if leader {
			if p := x.leader(); p != nil {
				return p
			}
		}
		return x.procs[i]
	}
}

func kill(x *trial, r *rand.Rand) func(context.Context) {
	who, down := victim(r), between(r, 0, 2*ttl)
	return func(ctx context.Context) {
		p := who(x)
		p.life.Lock()
		defer p.life.Unlock()
		x.check(p.end(syscall.SIGKILL, 10*time.Second))
		pause(ctx, down)
		x.check(x.start(p))
	}
}

func deploy(x *trial, r *rand.Rand) func(context.Context) {
	who := victim(r)
	return func(context.Context) {
		p := who(x)
		p.life.Lock()
		defer p.life.Unlock()
		x.check(p.end(syscall.SIGTERM, 30*time.Second))
		x.check(x.start(p))
	}
}

func freeze(x *trial, r *rand.Rand) func(context.Context) {
	who, long := victim(r), between(r, ttl/2, 3*ttl)
	return func(ctx context.Context) {
		p := who(x)
		p.life.Lock()
		defer p.life.Unlock()
		p.signal(syscall.SIGSTOP)
		pause(ctx, long)
		p.signal(syscall.SIGCONT)
	}
}

// trapped freezes a process where it is about to order, or is ordering.
func trapped(at string) fault {
	return func(x *trial, r *rand.Rand) func(context.Context) {
		who, long := victim(r), between(r, ttl, 2*ttl)
		return func(ctx context.Context) {
			p := who(x)
			p.life.Lock()
			defer p.life.Unlock()
			p.troubles.Add(1)
			defer p.troubles.Add(1)
			if p.post(ctx, "/trap?at="+at) != nil {
				return
			}
			// Something else than what is ordered now.
			x.need.Store(5 + 10*(x.need.Load()/5%2) - 3)
			for end := time.Now().Add(time.Second); !p.stopped() && time.Now().Before(end); {
				pause(ctx, 5*time.Millisecond)
			}
			if p.stopped() {
				x.count("(frozen there indeed, at the " + at + ")")
				pause(ctx, long)
			}
			running, _ := p.now()
			// It may walk into the trap as it is being disarmed.
			for try := 0; ; try++ {
				running.cmd.Process.Signal(syscall.SIGCONT)
				if p.post(ctx, "/trap?at=") == nil && !p.stopped() {
					return
				}
				if try == 20 {
					x.check(fmt.Errorf("%s does not wake", p.name))
					return
				}
			}
		}
	}
}

// A peer is what a process speaks to.
type peer int

const (
	theDatabase peer = iota
	thePlatform
)

// partition takes one of its networks from a process.
func partition(from peer, n network) fault {
	return func(x *trial, r *rand.Rand) func(context.Context) {
		who, long, late := victim(r), between(r, ttl/4, 3*ttl), between(r, 20*time.Millisecond, 400*time.Millisecond)
		return func(ctx context.Context) {
			p := who(x)
			line, lock := p.db, &p.dbLine
			if from == thePlatform {
				line, lock = p.api, &p.apiLine
			}
			lock.Lock()
			defer lock.Unlock()
			line.become(n, late)
			pause(ctx, long)
			line.become(whole, 0)
		}
	}
}

func restart(how syscall.Signal) fault {
	return func(x *trial, r *rand.Rand) func(context.Context) {
		down := between(r, 0, 2*ttl)
		return func(ctx context.Context) {
			x.dbLife.Lock()
			defer x.dbLife.Unlock()
			x.db.stop(how)
			pause(ctx, down)
			x.check(x.db.start(x.t.Context()))
		}
	}
}

// command pauses, through any process, and resumes through another.
func command(x *trial, r *rand.Rand) func(context.Context) {
	p, long := x.procs[r.IntN(processes)], between(r, ttl/2, 2*ttl)
	return func(ctx context.Context) {
		x.commands.Lock()
		defer x.commands.Unlock()
		// Pauses are told apart by the second in which they were given.
		pause(ctx, 1100*time.Millisecond-time.Since(x.paused))
		x.paused = time.Now()
		_ = p.post(ctx, "/pause") // which may not be possible now
		pause(ctx, long)
		x.resume()
	}
}

// lose has the platform carry out an order and break off before it says so.
func lose(x *trial, r *rand.Rand) func(context.Context) {
	n := 1 + r.IntN(2)
	return func(ctx context.Context) {
		x.server.Inject(herokutest.Fault{Method: "PATCH", Apply: true, Reset: true, Times: n})
		pause(ctx, ttl)
		x.server.ClearFaults()
	}
}

// nonsense are answers that mean nothing. One that asks to wait for years is not among them: it
// holds the size for ten minutes, and the trial does not wait for so long.
var nonsense = []herokutest.Fault{
	{Status: 200, Body: "<html>maintenance</html>"},
	{Status: 200, Body: `{"quantity":-7}`},
	{Status: 404, Body: `{"id":"not_found"}`},
	{Status: 500, Body: strings.Repeat("x", 1<<20)},
	{Status: 429, Header: http.Header{"Retry-After": {"soon"}}, Body: `{"id":"rate_limit"}`},
	{Truncate: true},
}

// busy are answers of a platform that has something else to do for a moment.
var busy = []herokutest.Fault{
	{Method: "PATCH", Status: 503, Header: http.Header{"Retry-After": {"1"}}, Body: `{"id":"service_unavailable"}`},
	{Method: "PATCH", Status: 409, Body: `{"id":"conflict","message":"a release is running"}`},
	{Method: "PATCH", Status: 422, Body: `{"id":"release_in_progress","message":"A release is in progress"}`},
}

// answers has the platform give one of the answers for a while.
func answers(faults ...herokutest.Fault) fault {
	return func(x *trial, r *rand.Rand) func(context.Context) {
		f, long := faults[r.IntN(len(faults))], between(r, ttl/4, 2*ttl)
		f.Times = -1
		return func(ctx context.Context) {
			x.server.Inject(f)
			pause(ctx, long)
			x.server.ClearFaults()
		}
	}
}

// flood sends requests with many and long headers, as strangers do.
func flood(x *trial, r *rand.Rand) func(context.Context) {
	who, n := victim(r), 50+r.IntN(200)
	return func(ctx context.Context) {
		_, url := who(x).now()
		client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
		for range n {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/", nil)
			if err != nil {
				return // it has no address now
			}
			for i := range 200 {
				req.Header.Add("X-Request-Start", fmt.Sprint(i, strings.Repeat("9", 400)))
				req.Header.Add("Autoscale-Timeout-Ms", fmt.Sprint(i))
			}
			if res, err := client.Do(req); err == nil {
				res.Body.Close()
			}
		}
	}
}

// stepProcess sets the wall clock of a process.
func stepProcess(x *trial, r *rand.Rand) func(context.Context) {
	who := victim(r)
	seconds := []int64{5, 60, 3600, 86400}[r.IntN(4)]
	by := r.Int64N(2*seconds+1) - seconds
	return func(ctx context.Context) {
		if !x.clockSteps {
			return
		}
		p := who(x)
		p.life.Lock()
		defer p.life.Unlock()
		var err error
		for range 20 { // a slow machine may need more than one
			if err = p.post(ctx, fmt.Sprintf("/clock?seconds=%d", by)); err == nil {
				return
			}
		}
		x.check(err)
	}
}

// stepDatabase sets the clock of the database.
func stepDatabase(x *trial, r *rand.Rand) func(context.Context) {
	to := between(r, -8*ttl, 8*ttl).Round(time.Millisecond)
	return func(context.Context) {
		if !x.db.canStep() {
			return
		}
		x.mu.Lock()
		x.steps = append(x.steps, step{x.clock.Now(), to - x.offset})
		x.offset = to
		x.mu.Unlock()
		x.check(x.db.step(to))
	}
}
