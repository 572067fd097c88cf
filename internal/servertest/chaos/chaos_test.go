//go:build linux

package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	// The host is made of it, and the result of a test of it as it was must not
	// be taken for one of it as it is.
	_ "github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"

	"github.com/autoscalebot/autoscale/internal/servertest/chaos/journal"
)

var (
	duration = flag.Duration("duration", 14*time.Second, "for how `long` there are faults")
	only     = flag.String("only", "", "`name` of the one fault that happens, as the summary names it")
	seed     = flag.Uint64("seed", 0, "of the script; 0: another one each time")
)

const (
	processes = 6
	smallest  = 2
	largest   = 8
	ttl       = time.Second
	renew     = 280 * time.Millisecond
	margin    = 250 * time.Millisecond
	rest      = 3 * time.Second

	// slack is for a machine that has something else to do, on top of what is
	// promised; what it really took is in the summary.
	slack = time.Minute
)

// A trial is six processes and what is done to them.
type trial struct {
	t          *testing.T
	seed       uint64
	clock      journal.Clock
	path       string // of the journal
	db         store
	server     *herokutest.Server
	app        *herokutest.App
	procs      []*process
	clockSteps bool // whether those of processes can be stepped
	pages      pages
	need       atomic.Int64 // how many processes it takes

	dbLife   sync.Mutex   // held by who stops the database, or takes its tables away
	starts   sync.RWMutex // held by who starts a process
	commands sync.Mutex   // held by who pauses
	paused   time.Time    // last

	mu       sync.Mutex // guards what follows
	lines    []journal.Line
	read     int64                   // how much of the journal
	holds    map[string]journal.Line // by host, the trust that it said it has
	rests    map[string]int64        // by host, until when it does not campaign
	tick     journal.Line            // the last one
	offset   time.Duration           // of the database's clock
	steps    []step                  // of the database's clock
	aways    []away                  // of the lease's table
	knows    map[string]int64        // by host, the term that it read last
	gaveUp   map[string]bool         // by host, whether its elector failed for good
	writes   []write
	lastSeen string // the request of the last of them
	counts   map[string]int
	faults   []error
	toLead   []time.Duration // how long it took, after the last fault, until somebody led
	toSize   []time.Duration // and until the size was right
}

// A store keeps the lease. The trial stops and starts it as it likes.
type store interface {
	address() string             // where the proxies reach it
	flags(proxy string) []string // of a host that reaches it through a proxy
	start(ctx context.Context) error
	stop(how syscall.Signal)     // SIGINT: in good order; SIGQUIT: as in a crash
	canStep() bool               // whether its clock can be stepped
	step(by time.Duration) error // sets its clock so far from the true one
}

func TestChaos(t *testing.T) {
	testChaos(t, func(t *testing.T) store { return newDatabase(t) })
}

func testChaos(t *testing.T, newStore func(*testing.T) store) {
	if testing.Short() {
		t.Skip("it takes twenty seconds")
	}
	if len(deck(rand.New(rand.NewPCG(1, 1)))) == 0 {
		t.Fatalf("there is no fault named %q: the summary of a trial has the names", *only)
	}
	x := newTrial(t, newStore)
	t.Logf("the seed is %d", x.seed)
	if !x.db.canStep() {
		t.Log("the clock of the store is not stepped: it has none that matters, or libfaketime is not installed")
	}
	defer func() {
		v := x.verdict()
		for _, err := range append(x.faults, x.pages.failed...) {
			v.fault("%v", err)
		}
		t.Log(x.summary(v))
		for i, s := range v.against {
			if i == 20 {
				t.Errorf("and %d more", len(v.against)-i)
				break
			}
			t.Error(s)
		}
		if t.Failed() {
			t.Logf("the record is kept in %s", filepath.Dir(x.path))
			return
		}
		os.RemoveAll(filepath.Dir(x.path))
	}()
	x.run()
}

func newTrial(t *testing.T, newStore func(*testing.T) store) *trial {
	x := &trial{
		t: t, seed: *seed, clock: journal.NewClock(), counts: make(map[string]int),
		holds: make(map[string]journal.Line), rests: make(map[string]int64),
		knows: make(map[string]int64), gaveUp: make(map[string]bool),
	}
	if x.seed == 0 {
		x.seed = rand.Uint64()
	}
	x.need.Store(3)
	dir, err := os.MkdirTemp("", "chaos-record-")
	if err != nil {
		t.Fatal(err)
	}
	x.path = filepath.Join(dir, "journal")
	program, steps := buildHost(t)
	x.clockSteps = steps
	x.db = newStore(t)
	x.server = herokutest.NewServer()
	t.Cleanup(x.server.Close)
	x.server.SetSenderHeader("X-Sender")
	x.server.SetRateLimit(1_000_000_000, 0)
	x.app = x.server.AddApp(herokutest.AppConfig{Name: "quiet-river", Formation: []herokutest.Process{{Type: "web", Quantity: 3}}})

	load := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, x.need.Load())
	}))
	t.Cleanup(load.Close)
	for i := range processes {
		log, err := os.Create(filepath.Join(dir, fmt.Sprintf("web.%d.log", i+1)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { log.Close() })
		p := &process{name: fmt.Sprintf("web.%d", i+1), program: program, log: log}
		p.db = newProxy(t, x.db.address())
		p.api = newProxy(t, strings.TrimPrefix(x.server.URL, "http://"))
		p.args = append(x.db.flags(p.db.addr),
			"-api=http://"+p.api.addr, "-load="+load.URL, "-journal="+x.path,
			fmt.Sprint("-min=", smallest), fmt.Sprint("-max=", largest),
			fmt.Sprint("-ttl=", ttl), fmt.Sprint("-renew=", renew), fmt.Sprint("-margin=", margin), fmt.Sprint("-rest=", rest),
		)
		x.procs = append(x.procs, p)
		if err := p.start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.end(syscall.SIGKILL, 10*time.Second) })
	}
	return x
}

// run plays the script, in rounds of some faults each, after which all is well
// for as long as it takes until somebody leads and the size is right.
func (x *trial) run() {
	watching, stop := context.WithCancel(context.WithoutCancel(x.t.Context()))
	var watchers sync.WaitGroup
	defer watchers.Wait()
	defer stop()
	watchers.Go(func() {
		for pause(watching, 10*time.Millisecond) {
			x.look()
		}
	})
	for _, p := range x.procs {
		watchers.Go(func() { p.visit(watching, &x.pages) })
		watchers.Go(func() {
			for pause(watching, 100*time.Millisecond) {
				x.supervise(p)
			}
		})
	}

	r := rand.New(rand.NewPCG(x.seed, 0))
	var cards []card
	x.settle()
	for end := time.Now().Add(*duration); time.Now().Before(end) && x.sound(); {
		var faults sync.WaitGroup
		for range 5 + r.IntN(6) {
			if len(cards) == 0 {
				cards = deck(r)
			}
			name, do := cards[0].name, cards[0].fault(x, r)
			cards = cards[1:]
			if r.IntN(10) < 6 {
				x.need.Store(1 + r.Int64N(10))
			}
			x.count(name)
			faults.Go(func() { do(x.t.Context()) })
			pause(x.t.Context(), between(r, 50*time.Millisecond, 700*time.Millisecond))
		}
		faults.Wait()
		x.lastFault()
		x.count("rounds")
		x.settle()
	}

	var ending sync.WaitGroup
	for _, p := range x.procs {
		ending.Go(func() { x.check(p.end(syscall.SIGTERM, 30*time.Second)) })
	}
	ending.Wait()
	x.look()
}

// lastFault ends a round: who leads is killed, and something else is needed.
func (x *trial) lastFault() {
	x.look()
	if p := x.leader(); p != nil {
		x.check(p.end(syscall.SIGKILL, 10*time.Second))
		defer func() { x.check(x.start(p)) }()
	}
	x.need.Store((x.need.Load()+3)%10 + 1)
}

// settle waits until somebody leads, and until the size is right, and asserts
// that neither takes longer than it may.
func (x *trial) settle() {
	healed := x.clock.Now()
	var leads int64
	for leads == 0 {
		at, from := x.leads(healed)
		if at != 0 {
			leads = max(at, healed)
			x.mu.Lock()
			x.toLead = append(x.toLead, time.Duration(max(0, leads-from)))
			x.mu.Unlock()
			break
		}
		if late := time.Duration(x.clock.Now() - from); late > ttl+renew+slack {
			x.check(fmt.Errorf("%v after the last fault nobody leads; at most it may take a TTL and a renewal, %v", late, ttl+renew))
			return
		}
		pause(x.t.Context(), 5*time.Millisecond)
	}
	want := int(min(max(x.need.Load(), smallest), largest))
	helped := time.Now()
	for {
		if x.app.Quantity("web") == want {
			x.mu.Lock()
			x.toSize = append(x.toSize, time.Duration(x.clock.Now()-leads))
			x.mu.Unlock()
			return
		}
		limit := x.limit()
		if time.Duration(x.clock.Now()-leads) > ttl+slack {
			x.check(fmt.Errorf("%v after somebody led again the size is %d and should be %d; what holds it is %q", time.Duration(x.clock.Now()-leads), x.app.Quantity("web"), want, limit))
			return
		}
		// A person who sees that it yields, as a write of an earlier term
		// that came late looks like somebody else's, tells it to go on.
		if (limit == "yielding" || limit == "paused") && time.Since(helped) > ttl {
			x.count("resumed as it was " + limit)
			x.resume()
			helped = time.Now()
		}
		pause(x.t.Context(), 5*time.Millisecond)
	}
}

// resume tells one process after the other to resume, until one can.
func (x *trial) resume() {
	for end := time.Now().Add(slack); time.Now().Before(end); {
		for _, p := range x.procs {
			if p.life.TryLock() {
				err := p.post(x.t.Context(), "/resume")
				p.life.Unlock()
				if err == nil {
					return
				}
			}
		}
		pause(x.t.Context(), 100*time.Millisecond)
	}
	x.check(fmt.Errorf("no process could resume"))
}
