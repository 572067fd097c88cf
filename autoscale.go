// Package autoscale scales a service from inside it. It measures how loaded the service
// is, decides how many processes the load needs, orders them from the platform, and
// notifies whoever you choose. It is a library: the host creates an [Autoscaler] in its
// main function and continues to serve.
//
//	t := traffic.New(&traffic.Options{Concurrency: 8})
//	hk := heroku.NewClient(os.Getenv("HEROKU_API_KEY"), nil)
//	go autoscale.New(autoscale.Config{
//		Prober:  t,
//		Scaler:  hk.Scaler("quiet-river", "web"),
//		Elector: leader.Open("pgx", os.Getenv("DATABASE_URL"), nil),
//		Min:     autoscale.Fixed(2),
//		Max:     autoscale.Daily(time.Local, map[string]int{"0:00": 3, "9:00": 10, "18:00": 3}),
//	}).Run(ctx)
//	http.ListenAndServe(":8080", t.Handler(mux))
//
// # A tick
//
// An Autoscaler repeats one step, a tick, through which data flows one way:
//
//	Prober ──Sample──▶ history ──Observation──▶ Decider ──Decision──▶ limits ──▶ Scaler
//	                                                                    │
//	                                                                    └──Event──▶ Notifiers, Observe
//
// In words:
//
//  1. The [Prober] measures once. A service that failed under its load is a
//     measurement. If nothing could be measured, that is an error, and an error never
//     changes a size.
//  2. The size is read from the platform. It is never taken from memory, so that a change
//     by somebody else is seen. Such a change is reported as [Changed], and restarts the
//     sample count.
//  3. The [Decider] recommends a size, from the samples that it asked for.
//  4. The limits adjust the recommendation. They are checked in this order: whether this
//     process leads, whether it is paused or the application is in maintenance, and
//     whether the size is outside the bounds. Then come the limits of package limit, the
//     bounds Min and Max of the moment, and what the platform permits.
//  5. The [Scaler] orders an absolute number. If an order fails, nothing changes here,
//     and the next tick tries again.
//  6. What happened is logged, and passed to Observe and to each [Notifier]. Why it
//     happened is the [Explanation] in [Status] and, at debug, in the log.
//
// # What it promises its host
//
// Every call has a deadline and ends with its context. A panic in anything that the
// host supplied is recovered, logged with its stack and reported, and the size is
// held. Notifiers cannot hold the loop. Nothing grows without bound. A part that ignores
// its context can hold the loop of its own Autoscaler, and nothing else. That is reported
// as [Stalled].
//
// # One acts among many
//
// If a service has several processes, each runs a copy of the Autoscaler, and only one of
// them may act: the one for which the [Elector] says that it leads. Package leader has
// Electors that use the database of the host. Without an Elector every copy acts. Orders
// are absolute numbers within the same bounds, so copies cannot run away. But copies with
// different measurements undo each other's work.
//
// A [Store] keeps the state that a new leader needs, in at most 64 KiB. Only the process
// that holds the term writes it:
//
//   - The next leader continues where the last one ended. It knows cooldowns, streaks,
//     conditions that were reported, and commands that were obeyed.
//   - A tick is recorded before any of its notifications are sent. A process that is
//     killed may lose a notification. No notification is repeated.
//   - An order is recorded before it is given, so that an order whose answer was lost is
//     known to be ours. The record is also the fence: a process whose term is over finds
//     out when it writes it, and gives no order. The order itself must end before the
//     term does, by the real clock.
//   - In a process that does not lead, Status shows what the leader saved.
//
// A lease cannot prevent two things: that a process is frozen after it has sent its
// order, and that an order is delayed on its way. The platform then takes an order of an
// earlier term. That order is inside the bounds, and the leader sees the change in its
// next tick.
//
// A leader that fails to read or set the size for three ticks in a row resigns, if its
// Elector is a [Resigner], so that a process that reaches the platform may lead.
//
// # Changes made by others
//
// If the size is not the last one that was ordered, somebody else has set it. That is
// reported as [Changed], and restarts the sample count.
//
// The Autoscaler yields to another autoscaler in two cases: if somebody undoes an order
// within a quarter of an hour, three times within an hour, or if the platform says that
// another autoscaler is switched on ([Capacity.ExternalAutoscaler]). It then leaves the
// size alone, even outside the bounds, and reports [Yielding]. It resumes if nobody else
// has changed the size for an hour, if the platform's autoscaler is switched off, or on
// [Autoscaler.Resume].
//
// [Autoscaler.Pause] and [Autoscaler.Override] are for people. They can be called in any
// process that shares the Store.
package autoscale

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// An Autoscaler scales one process type. Make one with [New]. Its methods are safe for
// concurrent use.
type Autoscaler struct {
	cfg      Config
	store    Store        // nil: none
	resigner Resigner     // nil: none
	archive  HistoryStore // nil: none
	nameErr  error        // what SetDefaultName of the Elector and the Store returned
	mail     mailbox
	chosen   bool // Config.Decider was nil

	busy      sync.Mutex // held while a Run or a Tick is under way, which owns the fields below
	checked   bool       // fault is known
	fault     error
	outbox    outbox
	health    storeHealth
	asked     time.Time // when a Store that has not answered yet was first asked
	archived  archived
	rules     []Recommendation // of the last tick, to be used again
	slots     float64          // of the Decider, if it says; guarded by mu
	composite Composite        // the Decider, if it is one

	calling call // what the tick under way waits for

	mu      sync.Mutex // for Status. It is never held during a call to the host's code
	machine machine
}

// New returns an Autoscaler. It does no I/O, starts nothing and never fails: Run, Tick
// and [Config.Validate] report what is wrong with cfg.
func New(cfg Config) *Autoscaler {
	a := &Autoscaler{cfg: cfg.withDefaults(), chosen: cfg.Decider == nil}
	a.store = a.cfg.Store
	// Validate reports an Unwrap that panics.
	_ = guard.Do(func() error {
		if a.store == nil {
			a.store, _ = part.As[Store](a.cfg.Elector)
		}
		a.resigner, _ = part.As[Resigner](a.cfg.Elector)
		a.archive, _ = part.As[HistoryStore](a.store)
		return nil
	})
	a.nameErr = a.setDefaultNames()
	a.machine.cfg, a.machine.hold = &a.cfg, holdPatience(a.cfg.Scaler)
	a.machine.fresh = a.archive != nil
	return a
}

// setDefaultNames names the Elector and the Store after the process type.
func (a *Autoscaler) setDefaultNames() error {
	err := guard.Do(func() error {
		if n, ok := part.As[DefaultNamer](a.cfg.Elector); ok {
			if err := n.SetDefaultName(a.cfg.Name); err != nil {
				return err
			}
		}
		if n, ok := part.As[DefaultNamer](a.cfg.Store); ok {
			return n.SetDefaultName(a.cfg.Name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: Elector: %w", ErrConfig, err)
	}
	return nil
}

// Validate reports what is wrong with the Config, as [Config.Validate] does, or with the
// name of the Elector. The error wraps [ErrConfig]. Validate does no I/O.
func (a *Autoscaler) Validate() error {
	if err := a.cfg.Validate(); err != nil {
		return err
	}
	return a.nameErr
}

// A call is the call to one of the host's parts for which a tick waits. The loop writes
// it, and any goroutine may read it.
type call struct {
	began atomic.Int64           // when the tick began, in Unix nanoseconds. 0: none is under way
	part  atomic.Pointer[string] // nil: none is called
}

// held returns for how long the tick under way has lasted, and what it waits for.
func (c *call) held(now time.Time) (lasted time.Duration, part string) {
	began := c.began.Load()
	if began == 0 {
		return 0, ""
	}
	if p := c.part.Load(); p != nil {
		part = *p
	}
	return now.Sub(time.Unix(0, began)), part
}
