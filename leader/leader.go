package leader

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/internal/part"
)

// DefaultTTL is how long a lease lasts unless Options say otherwise.
const DefaultTTL = 30 * time.Second

// maxName bounds the name of a lease and what Options add to a holder's, in bytes.
const maxName = 200

// leastTTL keeps the time for one call, a sixth of it, above what a network needs.
const leastTTL = 300 * time.Millisecond

// Options are the settings of an [Elector]. The zero value is right for most services.
type Options struct {
	// Name is the name of the lease. Processes with the same name elect one leader among
	// them. So each Autoscaler of an application needs its own name, and so does each
	// application that shares a store with others. At most 200 bytes.
	//
	// Empty: App and the Name of the Config, as in "quiet-river/web", or the Name
	// of the Config alone if App is not known. [autoscale.New] supplies it. "/" and "%"
	// within either are written as %2F and %25, so that no two pairs have the same lease.
	Name string

	// App is the name of the application, for the default of Name. At most 200
	// bytes. Defaults to what the platform says: the first of $HEROKU_APP_NAME,
	// $FLY_APP_NAME, $RENDER_SERVICE_ID, the application_id of $VCAP_APPLICATION,
	// $K_SERVICE, $CLOUD_RUN_WORKER_POOL, $NOMAD_JOB_ID with its namespace and group, and
	// Scalingo's $APP. Heroku sets its variable if the app has the feature
	// runtime-dyno-metadata. Other platforms do not say it: give App there, if
	// another application may use the same store.
	App string

	// Holder names this process to people. A unique suffix is added to it, so
	// that a process that was restarted is a new holder. At most 200 bytes.
	// Defaults to $DYNO, or else the host's name.
	Holder string

	// TTL is how long a lease lasts without being renewed. If the leader dies, another
	// process takes over after that time. TTL is rounded up to a millisecond. Defaults to
	// DefaultTTL. It must be at least 300 ms. Below ten seconds, a slow network can cost
	// the leader its term.
	TTL time.Duration

	// Renew is the time from one renewal of the leader to the next. A follower reads the
	// lease as often, or up to an eighth less often. Each is one round trip. Defaults to
	// a third of TTL.
	Renew time.Duration

	// Margin is how long before the end of its lease a leader stops trusting it. Defaults
	// to a sixth of TTL. Twice Renew plus Margin must not exceed TTL, so that one renewal
	// may fail.
	Margin time.Duration

	// Logger gets terms that begin and end, and a store that fails or answers
	// again. It must not block. Nil: slog.Default().
	Logger *slog.Logger

	// Dialect is the SQL that the database of [SQL] speaks. Defaults to what
	// the database says of itself.
	Dialect Dialect
}

func (o Options) withDefaults() Options {
	if o.App == "" {
		o.App = names.App(os.Getenv)
	}
	if o.Holder == "" {
		o.Holder = os.Getenv("DYNO")
	}
	if o.Holder == "" {
		o.Holder, _ = os.Hostname() // the suffix alone distinguishes holders
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.TTL > 0 {
		o.TTL = (o.TTL + time.Millisecond - 1).Truncate(time.Millisecond)
	}
	if o.Renew == 0 {
		o.Renew = o.TTL / 3
	}
	if o.Margin == 0 {
		o.Margin = o.TTL / 6
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// An Elector lets one process lead for as long as it can renew a [Lease]. It is
// an [autoscale.Elector], an [autoscale.Store] and an [autoscale.Resigner]. Make
// one with [Open], [SQL] or [New], for one Autoscaler. Its methods are safe for
// concurrent use.
type Elector struct {
	opts   Options
	lease  Lease
	holder string
	fault  error         // of how it was made
	line   chan struct{} // holds a token while a call to the lease is under way
	wake   chan struct{} // holds a token when Run has something to do at once

	naming  atomic.Pointer[naming] // never nil
	current atomic.Pointer[autoscale.Term]
	record  atomic.Pointer[autoscale.Record]
	running atomic.Bool

	mu       sync.Mutex // guards the fields below
	held     int64      // the term in which this process leads; 0: none
	owed     int64      // a term that was given up and is to be released; 0: none
	rest     time.Time  // until when this process does not campaign
	resigned int64      // how often it resigned

	campaign campaign // of Run
	version  int64    // of the state in record; guarded by line
	tried    int64    // the version that was saved last, even if that failed; likewise
}

// New returns an Elector that keeps its term in lease. It does no I/O and never
// fails: what is wrong is reported by [Elector.Validate] and every call. If opts is
// nil, the default options are used. Later changes of *opts have no effect.
func New(lease Lease, opts *Options) *Elector {
	var o Options
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	e := &Elector{
		opts:  o,
		lease: lease,
		// The suffix tells the process from others on its host, and from itself
		// before a restart, which may have had the same number.
		holder: fmt.Sprintf("%s/%d/%s", o.Holder, os.Getpid(), rand.Text()[:12]),
		line:   make(chan struct{}, 1),
		wake:   make(chan struct{}, 1),
	}
	e.naming.Store(&naming{lease: o.Name})
	// A Lease learns while Run is under way, and Command may be called then: it
	// is judged as it was made.
	e.fault = e.check()
	return e
}

// Validate reports everything that is wrong with how e was made, with what to
// do about it. It does no I/O.
func (e *Elector) Validate() error {
	if e == nil || e.line == nil {
		return errors.New("leader: the Elector was not made: use leader.SQL or leader.New")
	}
	return e.fault
}

func (e *Elector) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("leader: "+format, args...)) }
	o := e.opts
	if e.lease == nil {
		bad("the Lease is nil: give one that was made")
	} else if v, ok := part.As[autoscale.Validator](e.lease); ok {
		if err := v.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if !isName(o.Name) && o.Name != "" {
		bad("Name is %.80q: give at most %d bytes of printable UTF-8", o.Name, maxName)
	}
	if !isName(o.App) && o.App != "" {
		bad("App is %.80q: give at most %d bytes of printable UTF-8", o.App, maxName)
	}
	if !isName(o.Holder) && o.Holder != "" {
		bad("Holder is %.80q: give at most %d bytes of printable UTF-8", o.Holder, maxName)
	}
	switch {
	case o.TTL < leastTTL:
		bad("TTL is %v: it must be %v or more, or 0 for %v", o.TTL, leastTTL, DefaultTTL)
	case o.Renew < 0 || o.Margin < 0:
		bad("Renew is %v and Margin %v: neither must be negative; 0 is a third and a sixth of TTL", o.Renew, o.Margin)
	case o.TTL < 2*o.Renew+o.Margin || 2*o.Renew < 0:
		bad("TTL is %v, shorter than twice Renew, %v, and Margin, %v: a renewal that fails would cost the term. Make TTL longer or Renew shorter", o.TTL, o.Renew, o.Margin)
	}
	return errors.Join(errs...)
}

func isName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Holder returns the name under which this process holds the lease.
func (e *Elector) Holder() string { return e.holder }

// Current returns the term in which this process leads, and false when it does
// not, or can no longer be sure to. It does no I/O.
func (e *Elector) Current() (autoscale.Term, bool) {
	t := e.current.Load()
	// Until has a monotonic reading, and time.Until reads no other clock then.
	if t == nil || time.Until(t.Until) <= 0 {
		return autoscale.Term{}, false
	}
	return *t, true
}

// Record returns what was last seen of the lease, and false before the first
// round trip. It does no I/O.
func (e *Elector) Record() (autoscale.Record, bool) {
	r := e.record.Load()
	if r == nil {
		return autoscale.Record{}, false
	}
	c := *r
	c.State, c.Command = bytes.Clone(r.State), bytes.Clone(r.Command)
	return c, true
}

// Save replaces the state, if term is the one in which this process leads; see
// [autoscale.Store].
func (e *Elector) Save(ctx context.Context, term int64, state []byte) error {
	if err := e.Validate(); err != nil {
		return err
	}
	name := e.name()
	if name == "" {
		return fmt.Errorf("%w: %w", errNoName, autoscale.ErrNotLeader)
	}
	if len(state) > autoscale.MaxState {
		return fmt.Errorf("leader: save the state of %q: it has %d bytes, and at most %d are kept", name, len(state), autoscale.MaxState)
	}
	over := fmt.Errorf("leader: save the state of %q: term %d of %s is over: %w", name, term, e.holder, autoscale.ErrNotLeader)
	if t, ok := e.Current(); !ok || t.Number != term {
		return over
	}
	saved := false
	err := e.call(ctx, func(ctx context.Context) (err error) {
		e.tried = nextVersion(max(e.tried, e.version))
		version := e.tried
		saved, err = e.lease.Save(ctx, e.claim(term), append([]byte{}, state...), version)
		if saved && err == nil {
			e.keep(state, version)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("leader: save the state of %q: %w", name, err)
	}
	if !saved {
		if e.lose(term) {
			e.log(ctx, slog.LevelWarn, "the term is over, because the store refused to save under it", "term", term)
		}
		e.rouse()
		return over
	}
	return nil
}

// Command replaces the command; see [autoscale.Store].
func (e *Elector) Command(ctx context.Context, command []byte) error {
	if err := e.Validate(); err != nil {
		return err
	}
	name := e.name()
	if name == "" {
		return errNoName
	}
	if len(command) > autoscale.MaxCommand {
		return fmt.Errorf("leader: give a command to %q: it has %d bytes, and at most %d are kept", name, len(command), autoscale.MaxCommand)
	}
	command = append([]byte{}, command...)
	err := e.call(ctx, func(ctx context.Context) error {
		err := e.lease.Command(ctx, name, command)
		if last := e.record.Load(); last != nil && err == nil {
			r := *last
			r.Command = command
			e.record.Store(&r)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("leader: give a command to %q: %w", name, err)
	}
	return nil
}

// Resign gives the term up, and keeps this process from campaigning for as long
// as rest; see [autoscale.Resigner].
func (e *Elector) Resign(rest time.Duration) {
	e.mu.Lock()
	e.current.Store(nil)
	if e.held != 0 {
		e.owed, e.held = e.held, 0
	}
	e.rest = time.Now().Add(rest)
	e.resigned++
	e.mu.Unlock()
	e.rouse()
}

// call makes one call to the lease, when no other is under way, within the time
// that a call may take. A panic of the lease is an error, and is tried again.
func (e *Elector) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, e.timeout())
	defer cancel()
	select {
	case e.line <- struct{}{}:
		defer func() { <-e.line }()
	case <-ctx.Done():
		return fmt.Errorf("waited for another call to the store: %w", ctx.Err())
	}
	return guard.Do(func() error { return f(ctx) })
}

// timeout bounds a call: a renewal that hangs leaves the time for another.
func (e *Elector) timeout() time.Duration {
	return (e.opts.TTL - e.opts.Margin - e.opts.Renew) / 2
}

func (e *Elector) claim(term int64) Claim {
	return Claim{Name: e.name(), Holder: e.holder, Term: term, TTL: e.opts.TTL}
}

// nextVersion returns a version above another. Below its count it is random, so
// that a store that was restored from a copy does not repeat one; 53 bits are what
// a number of Lua or JavaScript holds.
func nextVersion(version int64) int64 { return (version>>16+1)<<16 | mathrand.Int64N(1<<16) }

// keep notes the state that was just saved, so that it is not read back. The rest
// is as it was read last, but for a command that this process gave since.
func (e *Elector) keep(state []byte, version int64) {
	r := autoscale.Record{}
	if last := e.record.Load(); last != nil {
		r = *last
	}
	r.State, r.Age, r.Read = append([]byte{}, state...), 0, time.Now()
	e.version = version
	e.record.Store(&r)
}

// note takes over what the lease answered.
func (e *Elector) note(row Row) {
	r := autoscale.Record{Holder: row.Holder, Term: row.Term, State: row.State, Age: row.Age, Command: row.Command, Read: time.Now()}
	switch last := e.record.Load(); {
	case row.Version == 0:
		r.State = nil
	case last != nil && row.Version == e.version:
		r.State = last.State
	case row.State == nil:
		r.State = []byte{} // some drivers do not distinguish it from NULL
	}
	e.version = row.Version
	e.record.Store(&r)
}

// lose ends the trust in a term, if it is held, and reports whether it was.
func (e *Elector) lose(term int64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held != term || term == 0 {
		return false
	}
	e.held = 0
	e.current.Store(nil)
	return true
}

// rouse has Run look after things at once.
func (e *Elector) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// log writes to the host's logger, whose panic must not end the campaign.
func (e *Elector) log(ctx context.Context, level slog.Level, message string, args ...any) {
	defer func() { _ = recover() }()
	args = append([]any{"name", e.name(), "holder", e.holder}, args...)
	e.opts.Logger.Log(ctx, level, "leader: "+e.name()+": "+message, args...)
}
