package pool

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

// The defaults of [Options].
const (
	DefaultName     = "web"
	DefaultMax      = 16
	DefaultBootTime = time.Minute
	DefaultDrain    = 10 * time.Second
	DefaultStop     = 10 * time.Second
	DefaultWait     = 10 * time.Second
)

const (
	first = 1 // the lowest number of a process

	// lookEvery is how often a booting process is asked whether it serves.
	lookEvery = 50 * time.Millisecond
	// firstPause is the pause after a process has ended by itself. It doubles each time, up
	// to longestPause. It starts again at firstPause if no process has ended for twice
	// longestPause, or if the one that ended had run for more than longestPause.
	firstPause   = time.Second
	longestPause = time.Minute
)

// Balance says which process gets a request.
type Balance int

const (
	Random     Balance = iota // any process that serves
	LeastConns                // the one with the fewest requests
)

// Options are the settings of a [Pool]. Command is required.
type Options struct {
	// Command is the program of a process and its arguments. Required.
	Command []string

	// Dir is the working directory of a process. Empty: that of the Pool's own process.
	Dir string

	// Env are environment variables, in the form NAME=value, that a process gets in
	// addition to those of the Pool's own process.
	Env []string

	// Name is the process type, with which the names of processes begin. Defaults to
	// DefaultName.
	Name string

	// Initial is how many processes Run starts with. 0: one. Negative: none.
	Initial int

	// Max is the most processes that can be ordered. Defaults to DefaultMax.
	Max int

	// Health is the path, such as "/healthz", that answers with a status of 2xx once a
	// process serves. Empty: a process serves when it accepts a connection.
	Health string

	// BootTime is the most time that a process may take until it serves. Defaults to
	// DefaultBootTime.
	BootTime time.Duration

	// Drain is how long the Pool waits for the requests of a process before it stops the
	// process. Defaults to DefaultDrain. Negative: no time.
	Drain time.Duration

	// Stop is how long a process may take to end after SIGTERM. Defaults to DefaultStop.
	// Negative: it is killed at once.
	Stop time.Duration

	// Balance says which process gets a request. Defaults to Random.
	Balance Balance

	// Proxied means that another proxy is in front of the Pool. Its Forwarded and
	// X-Forwarded headers and X-Request-Start are passed on. If Proxied is false, these
	// headers and X-Real-Ip are removed, and the Pool sets its own.
	Proxied bool

	// Wait is how long a request waits while no process serves. Defaults to DefaultWait.
	// Negative: not at all.
	Wait time.Duration

	// Output returns the writers for the standard output and the standard error of a
	// process. Nil: those of the Pool's own process.
	Output func(process string) (stdout, stderr io.Writer)

	// Observe, if set, gets each event, possibly from several goroutines at once. Like
	// Output and the Logger, it must return soon and must not call the Pool.
	Observe func(Event)

	// Logger gets each event too. Nil: slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.Command, o.Env = slices.Clone(o.Command), slices.Clone(o.Env)
	o.Name = cmp.Or(o.Name, DefaultName)
	o.Initial = cmp.Or(o.Initial, 1)
	o.Max = cmp.Or(o.Max, DefaultMax)
	o.BootTime = cmp.Or(o.BootTime, DefaultBootTime)
	o.Drain = cmp.Or(o.Drain, DefaultDrain)
	o.Stop = cmp.Or(o.Stop, DefaultStop)
	o.Wait = cmp.Or(o.Wait, DefaultWait)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Format writes the name and Max, for every verb: the command and the environment may be
// secret.
func (o Options) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "pool.Options(%s, at most %d)", cmp.Or(o.Name, DefaultName), cmp.Or(o.Max, DefaultMax))
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (o Options) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", fmt.Sprint(o)), nil }

func (o Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(o.Command) == 0 || o.Command[0] == "" {
		bad("Options.Command is empty: give the program of a process and its arguments")
	}
	if !validName(o.Name) {
		bad("Options.Name is %.60q: it must be 1 to 40 letters, digits and dashes", o.Name)
	}
	if o.Max < 1 {
		bad("Options.Max is %d: it must be 1 or more, or 0 for %d", o.Max, DefaultMax)
	} else if o.Initial > o.Max {
		bad("Options.Initial is %d, above Options.Max, which is %d", o.Initial, o.Max)
	}
	if o.Health != "" && !strings.HasPrefix(o.Health, "/") {
		bad("Options.Health must be a path that begins with /, as /healthz")
	}
	if o.BootTime < 0 {
		bad("Options.BootTime is %v: it must be above 0, or 0 for %v", o.BootTime, DefaultBootTime)
	}
	if o.Balance != Random && o.Balance != LeastConns {
		bad("Options.Balance is %d: it must be Random or LeastConns", o.Balance)
	}
	for i, e := range o.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" {
			bad("Options.Env[%d] is not NAME=value", i)
		}
	}
	return errors.Join(errs...)
}

func validName(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == ""
}

// A Pool runs the processes of a service, passes requests on to them, and is their
// [autoscale.Scaler]. Make one with [New]. Its methods are safe for concurrent use.
type Pool struct {
	opts  Options
	fault error
	token string
	front front

	wake chan struct{} // wakes Run, because something has changed

	mu        sync.Mutex
	running   bool
	wanted    int
	keep      string // the process that sent the order for wanted
	changed   time.Time
	processes []*process // those that have not ended, by number
	crashes   int        // in a row
	lastCrash time.Time
	notBefore time.Time // when the next process may be started
	url       string    // of the control, while Run is under way
}

var _ autoscale.Scaler = (*Pool)(nil)

// New returns a Pool. It starts nothing. [Pool.Validate], Run and every call report
// invalid options.
func New(o Options) *Pool {
	o = o.withDefaults()
	p := &Pool{opts: o, token: rand.Text(), wake: make(chan struct{}, 1), wanted: max(o.Initial, 0)}
	if err := o.validate(); err != nil {
		p.fault = fmt.Errorf("pool: %w", err)
	}
	p.front.pool = p
	p.front.changed = make(chan struct{})
	return p
}

// Validate reports everything that is wrong with the options.
func (p *Pool) Validate() error { return p.fault }

// Format writes the name and Max.
func (p *Pool) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "pool.Pool(%s, at most %d)", p.opts.Name, p.opts.Max)
}

// ErrNotRunning is the error of a call while Run is not under way.
var ErrNotRunning = errors.New("pool: Run is not under way: start it before the autoscaler")

// Capacity returns how many processes were ordered, and how many of them do not serve yet.
func (p *Pool) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	if err := cmp.Or(p.fault, ctx.Err()); err != nil {
		return autoscale.Capacity{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running {
		return autoscale.Capacity{}, ErrNotRunning
	}
	up := 0
	for _, each := range p.processes {
		if each.state == Serving {
			up++
		}
	}
	return autoscale.Capacity{Desired: p.wanted, Pending: max(p.wanted-up, 0), PendingKnown: true, Changed: p.changed}, nil
}

// Scale orders size processes. For a size above Options.Max, the error is an
// [autoscale.LimitError].
func (p *Pool) Scale(ctx context.Context, size int) error { return p.scale(ctx, size, "") }

func (p *Pool) scale(ctx context.Context, size int, by string) error {
	if err := cmp.Or(p.fault, ctx.Err()); err != nil {
		return err
	}
	switch {
	case size < 0:
		return fmt.Errorf("pool: scale %s to %d: a size must not be negative", p.opts.Name, size)
	case size > p.opts.Max:
		return &autoscale.LimitError{Size: size, Limit: p.opts.Max, Err: fmt.Errorf("pool: Options.Max is %d", p.opts.Max)}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running {
		return ErrNotRunning
	}
	if size != p.wanted {
		p.wanted, p.keep, p.changed = size, by, time.Now()
		p.opts.Logger.LogAttrs(ctx, slog.LevelInfo, fmt.Sprintf("pool: the ordered size of %s is %d", p.opts.Name, size))
		p.shrink()
		p.nudge()
	}
	return nil
}

// ServeHTTP passes a request on to a process.
func (p *Pool) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.front.ServeHTTP(w, r) }

// ErrRunning is returned by [Pool.Run] if another Run is under way.
var ErrRunning = errors.New("pool: another Run of this Pool is under way")

// Run starts processes, and keeps as many of them running as were ordered, until ctx ends.
// It then stops all of them and returns nil. That takes at most Options.Drain plus
// Options.Stop. Run returns an error if the options are invalid, or if the control could
// not be opened.
func (p *Pool) Run(ctx context.Context) error {
	if p.fault != nil {
		return p.fault
	}
	p.mu.Lock()
	if p.running {
		p.mu.Unlock()
		return ErrRunning
	}
	p.running = true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running = false
	}()
	closeControl, err := p.control()
	if err != nil {
		return fmt.Errorf("pool: listen for the orders of processes: %w", err)
	}
	defer closeControl()

	// On Linux a child gets a signal when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	retry := time.NewTimer(0)
	defer retry.Stop()
	for ctx.Err() == nil {
		if after := p.grow(); after > 0 {
			retry.Reset(after)
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-retry.C:
		}
	}
	p.stopAll()
	return nil
}

func (p *Pool) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// shrink stops the processes that are not wanted. It returns how many stay. The mutex is
// held.
func (p *Pool) shrink() int {
	var staying []*process
	for _, each := range p.processes {
		if each.state < Stopping {
			staying = append(staying, each)
		}
	}
	most := p.wanted
	if most > 0 && len(staying) > 0 && staying[0].relieves && staying[0].state == Booting {
		most++
	}
	for len(staying) > most {
		last := len(staying) - 1
		if staying[last].name() == p.keep && last > 0 && staying[last-1].number != first {
			last--
		}
		p.stop(staying[last])
		staying = slices.Delete(staying, last, last+1)
	}
	return len(staying)
}

// grow starts the processes that are missing. It returns the time after which it must be
// called again, or 0.
func (p *Pool) grow() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := make(map[int]bool)
	for _, each := range p.processes {
		taken[each.number] = true // even while it stops, because its name must not be used twice
	}
	// Whenever any process runs, one has the first number, because leader.Index elects it.
	// If another process runs in its place because the number was taken, the new one
	// relieves that process.
	for n, staying := first, p.shrink(); staying < p.wanted || n == first && p.wanted > 0; n++ {
		if taken[n] {
			continue
		}
		if wait := time.Until(p.notBefore); wait > 0 {
			return wait
		}
		started, err := p.start(n)
		if err != nil {
			p.crashed(Event{Kind: Crashes, Process: fmt.Sprintf("%s.%d", p.opts.Name, n), Err: fmt.Errorf("it could not be started: %w", err)})
			return time.Until(p.notBefore)
		}
		started.relieves = staying >= p.wanted
		p.processes = append(p.processes, started)
		slices.SortFunc(p.processes, func(a, b *process) int { return a.number - b.number })
		staying++
	}
	return 0
}

// crashed notes that a process could not be started, or ended by itself.
func (p *Pool) crashed(e Event) {
	now := time.Now()
	// A process that ran for a long time, or that ended long after the last one, has not
	// ended because the program cannot run.
	if e.Uptime > longestPause || now.Sub(p.lastCrash) > 2*longestPause {
		p.crashes = 0
	}
	p.lastCrash = now
	e.Pause = min(firstPause<<min(p.crashes, 10), longestPause)
	p.crashes++
	p.notBefore = time.Now().Add(e.Pause)
	p.tell(e)
}

// stopAll stops all processes and waits until they have ended.
func (p *Pool) stopAll() {
	p.mu.Lock()
	left := slices.Clone(p.processes)
	for _, each := range left {
		if each.state < Stopping {
			p.stop(each)
		}
	}
	p.mu.Unlock()
	for _, each := range left {
		<-each.exited
	}
}
