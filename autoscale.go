// Package autoscale scales a service from inside it: it measures how loaded the
// service is, decides how many processes that takes, orders them from the
// platform, and tells those who asked. It is a library: the host makes an
// [Autoscaler] in its main and goes on serving.
//
//	hk := heroku.NewClient(os.Getenv("HEROKU_API_KEY"))
//	go autoscale.New(autoscale.Config{
//		Prober: &autoscale.HTTPProber{URL: "/autoscalebot/heartbeat/", Base: hk.WebURL("quiet-river")},
//		Scaler: hk.Scaler("quiet-river", "web"),
//		Min:    autoscale.Fixed(2),
//		Max:    autoscale.Daily(time.Local, map[string]int{"0:00": 3, "9:00": 10, "18:00": 3}),
//	}).Run(ctx)
//
// # A tick
//
// An Autoscaler repeats one step, a tick, through which data runs one way:
//
//		Prober ──Sample──▶ history ──Observation──▶ Decider ──Decision──▶ limits ──▶ Scaler
//		                                                                    │
//		                                                                    └──Event──▶ Notifiers, Observe
//
//	 1. The [Prober] measures once. That the service failed is a measurement; that
//	    nothing could be measured is an error, and an error never changes a size.
//	 2. The size is read from the platform: it is never remembered from before,
//	    so that a change by somebody else is seen, told as [Changed], and counts
//	    as a new start.
//	 3. The [Decider] wishes a size, from the samples that it asked to be shown.
//	 4. Limits bend the wish, in this order: does this process lead; is it paused,
//	    or the application in maintenance; is the size outside the bounds, which
//	    sets the nearest bound at once; [Forecast], which raises it; [Futility];
//	    Tolerance; [Stabilization]; [Cooldown]; [Rate]; [Step]; [Budget]; the bounds
//	    Min and Max of the moment, and what the platform permits. See [Limit].
//	 5. The [Scaler] orders an absolute number. An order that fails changes
//	    nothing here, and the next tick tries again.
//	 6. What happened is logged, and told to Observe and to each [Notifier]. Why
//	    it happened is the [Explanation] in Status and, at debug, in the log.
//
// # What it promises its host
//
// Every call has a deadline and ends with its context. A panic in anything that
// the host supplied is recovered, logged with its stack and told, and the size is
// held. Notifiers cannot hold the loop. Nothing grows without bound. A part that
// ignores its context can hold its own Autoscaler's loop, and nothing else.
//
// # One acts among many
//
// Where a service has several processes, each runs a copy of this, and one alone
// may act: the one that the [Elector] says leads. Package leader has electors
// that use the database that the host has. Without one every copy acts: as the
// orders are absolute numbers within the same bounds they cannot run away, but
// copies that saw different things undo each other's work.
//
// An Elector that is also a [Store] keeps what a leader must not forget, in at
// most 64 KiB, and writes it only as long as it holds the term:
//
//   - The next leader goes on where the last one ended: cooldowns, streaks, and
//     conditions that were told.
//   - A tick is recorded before any of it is told. A process that is killed may
//     lose a notice; no notice is told twice.
//   - An order is recorded before it is given, so that one whose answer was lost
//     is known to be ours. Recording it is also the fence: a process whose term
//     is over finds out, and gives no order. The order itself must end before
//     the term does, by the real clock.
//   - Status, in a process that does not lead, shows what the leader saved.
//
// What no lease can exclude: a process that is frozen after its order has left
// it, or the order itself, delayed on its way. The platform then takes an order
// of an earlier term, inside the bounds, and the next tick of the leader, which
// reads the size from the platform, sees it.
//
// A leader that fails to read or set the size for three ticks in a row resigns,
// if its Elector is a [Resigner], so that a process which reaches the platform
// may lead.
//
// # Other hands
//
// A size that is not the last one that was ordered was set by somebody else. It
// is told as [Changed], and respected as a new start. If three times within an
// hour somebody undoes an order within a quarter of an hour of it, or if the
// platform says that another autoscaler is switched on ([Capacity.Rival]), this
// one stands down: it leaves the size alone, even outside the bounds, and says
// so. It goes on when nobody else has changed the size for an hour, when the
// platform's autoscaler is off, or on [Autoscaler.Resume].
//
// [Autoscaler.Pause] and [Autoscaler.Override] are for people, and can be given
// to any process that shares the Store.
package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// ErrBusy is returned by a [Autoscaler.Run] or [Autoscaler.Tick] while another
// one of the same Autoscaler is under way: they never overlap.
var ErrBusy = errors.New("autoscale: another Run or Tick of this Autoscaler is under way")

// flushTimeout is how long Run waits, when it ends, until the notifiers have
// been told what is queued. Platforms give a process 10 to 30 seconds to stop.
const flushTimeout = 8 * time.Second

// An Autoscaler scales one process type. Make one with [New]. Its methods are
// safe for concurrent use.
type Autoscaler struct {
	cfg   Config
	tells []*teller // the notifiers

	busy      sync.Mutex // held for as long as a Run or a Tick lasts
	checked   bool       // whether fault is known; guarded by busy
	fault     error
	desk      desk    // what notifiers report back
	events    []Event // of the tick under way
	unsent    []Event // to be told when they could be recorded
	unsaved   int     // how many ticks in a row could not be,
	saveErr   error   // and why
	now       time.Time
	store     Store     // the Elector, if it is one
	composite Composite // the Decider, if it is one
	rules     []Wish    // of the tick under way, as is
	bends     []Bend    // this

	mu      sync.Mutex // guards what follows, for Status; only the loop writes it
	state   state
	given   command // to this process
	running bool
}

// New returns an Autoscaler. It does no I/O, starts nothing and never fails:
// what is wrong with cfg is reported by Run, Tick and [Config.Validate].
func New(cfg Config) *Autoscaler {
	a := &Autoscaler{cfg: cfg.withDefaults()}
	a.store, _ = cfg.Elector.(Store)
	return a
}

// Run ticks at once and then every Interval, until ctx ends. It returns nil
// then, when every goroutine that it started has ended, save that of a notifier
// which ignores its context; what is queued for the notifiers is given eight
// seconds. Before that it returns an error only if the Config is bad (it wraps
// [ErrConfig]), if another Run is under way ([ErrBusy]), or if the Elector
// failed for good. The error is also logged, because a caller who writes
// go a.Run(ctx) does not see it.
func (a *Autoscaler) Run(ctx context.Context) error {
	err := a.run(ctx)
	if err != nil {
		a.log(ctx, slog.LevelError, err.Error(), slog.String("name", a.cfg.Name))
	}
	return err
}

func (a *Autoscaler) run(ctx context.Context) error {
	if !a.busy.TryLock() {
		return ErrBusy
	}
	defer a.busy.Unlock()
	if err := a.check(); err != nil {
		return err
	}
	a.setRunning(true)
	defer a.setRunning(false)
	a.greet(ctx)

	loop, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// The term is given up after the last tick, not while one may still act.
	campaign, resign := context.WithCancel(context.WithoutCancel(ctx))
	defer resign()
	var electing sync.WaitGroup
	var electorErr error
	if a.cfg.Elector != nil {
		electing.Go(func() {
			err := guard.Do(func() error { return a.cfg.Elector.Run(campaign) })
			if err == nil && campaign.Err() == nil {
				err = errors.New("it stopped campaigning without being told to")
			}
			if err != nil && campaign.Err() == nil {
				electorErr = err
				stop(err)
			}
		})
	}
	if len(a.tells) > 0 {
		q := newQueue(ctx, a)
		a.loop(loop, q.put)
		resign()
		q.close()
	} else {
		a.loop(loop, func(Event) {})
		resign()
	}
	electing.Wait()
	closeIdle(a.cfg.Prober)
	closeIdle(a.cfg.Scaler)
	if electorErr != nil {
		return fmt.Errorf("autoscale: %s: the elector failed for good: %w", a.cfg.Name, electorErr)
	}
	return nil
}

// loop ticks until ctx ends.
func (a *Autoscaler) loop(ctx context.Context, tell func(Event)) {
	ticker := time.NewTicker(a.cfg.Interval)
	defer ticker.Stop()
	for {
		// The error of a tick has been logged and told by it.
		_, _ = a.tick(ctx, time.Now(), tell)
		if ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Tick does one step, as of now, and returns what was ordered: Act is true if
// the size was set, or would have been in a dry run. It tells the notifiers
// before it returns. Run calls it by itself; call Tick from a scheduler of the
// host's own, or a simulation, instead of Run. now should not go back.
//
// The error says what kept the tick from doing its work; it is [ErrNotLeader]
// in a process that does not lead.
func (a *Autoscaler) Tick(ctx context.Context, now time.Time) (Decision, error) {
	if !a.busy.TryLock() {
		return Decision{}, ErrBusy
	}
	defer a.busy.Unlock()
	if err := a.check(); err != nil {
		return Decision{}, err
	}
	return a.tick(ctx, now, func(e Event) { a.deliver(ctx, e, notifyTimeout) })
}

// check validates the Config once.
func (a *Autoscaler) check() error {
	if a.checked {
		return a.fault
	}
	a.checked, a.fault = true, a.cfg.Validate()
	if a.fault != nil {
		// For Status: who writes go a.Run(ctx) does not see the error.
		a.mu.Lock()
		a.state.outcome.Err = a.fault
		a.mu.Unlock()
		return a.fault
	}
	// The host's own methods are asked once, where a panic is a fault of theirs.
	a.fault = guard.Do(func() error {
		a.state.samples.window, a.state.samples.number = reach(a.cfg.Decider)
		a.composite, _ = part.As[Composite](a.cfg.Decider)
		return nil
	})
	if a.fault != nil {
		a.fault = fmt.Errorf("%w: Decider: its Window, Samples or Unwrap: %w", ErrConfig, a.fault)
		return a.fault
	}
	a.tells = newTellers(a.cfg)
	return nil
}

func (a *Autoscaler) setRunning(running bool) {
	a.mu.Lock()
	a.running = running
	a.mu.Unlock()
}

// greet logs what was configured, and warns where every copy would act.
func (a *Autoscaler) greet(ctx context.Context) {
	a.log(ctx, slog.LevelInfo, "autoscale: "+a.cfg.Name+": started", slog.String("name", a.cfg.Name),
		slog.String("min", a.cfg.Min.String()), slog.String("max", a.cfg.Max.String()),
		slog.Duration("interval", a.cfg.Interval), slog.Bool("dry_run", a.cfg.DryRun))
	if a.cfg.Elector == nil && oneOfMany(os.Getenv("DYNO"), a.cfg.Name) {
		a.log(ctx, slog.LevelWarn, fmt.Sprintf("autoscale: %[1]s: this runs on the dyno %[2]s, which is itself of the process type that is scaled, and Config.Elector is nil: "+
			"with several %[1]s dynos every one of them will act. Set Config.Elector, or run the autoscaler in a process type of its own with one dyno", a.cfg.Name, os.Getenv("DYNO")))
	}
}

// oneOfMany reports whether dyno is one of the process type named name: web.1,
// or on Heroku's Fir web-12a34b56d-e78f9.
func oneOfMany(dyno, name string) bool {
	rest, ok := strings.CutPrefix(dyno, name)
	return ok && len(rest) > 1 && (rest[0] == '.' || rest[0] == '-' && !strings.Contains(rest, "."))
}

// closeIdle closes the connections that a part keeps open, where it can.
func closeIdle(part any) {
	if c, ok := part.(interface{ CloseIdleConnections() }); ok {
		_ = guard.Do(func() error { c.CloseIdleConnections(); return nil })
	}
}

// log writes to the host's logger, whose handler may panic like anything else
// that the host supplied; there is then nowhere left to say so but the counter.
func (a *Autoscaler) log(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	err := guard.Do(func() error {
		a.cfg.Logger.LogAttrs(ctx, level, message, attrs...)
		return nil
	})
	if err != nil {
		a.mu.Lock()
		a.state.counters.Panics++
		a.mu.Unlock()
	}
}
