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

// ErrRunning is returned by [Autoscaler.Run] and [Autoscaler.Tick] if another Run or Tick
// of the same Autoscaler is under way. They never overlap.
var ErrRunning = errors.New("autoscale: another Run or Tick of this Autoscaler is under way")

// Run ticks at once and then every Interval, until ctx ends. It then waits until every
// goroutine that it started has ended, and returns nil. It does not wait for a notifier
// that ignores its context. Queued notifications get eight seconds.
//
// A service must not end because its autoscaler cannot work. If the Config is invalid (the
// error then wraps [ErrConfig]), or if the Elector fails for good, Run logs the error
// once, scales nothing, and waits until ctx ends. Only then does it return the error, so
// that an errgroup does not end the service either. A program that only scales should call
// [Autoscaler.Validate] first. If another Run or Tick is under way, Run returns
// [ErrRunning] at once.
func (a *Autoscaler) Run(ctx context.Context) error {
	if !a.busy.TryLock() {
		a.log(ctx, slog.LevelError, ErrRunning.Error(), slog.String("name", a.cfg.Name))
		return ErrRunning
	}
	defer a.busy.Unlock()
	err := a.run(ctx)
	if err != nil {
		a.log(ctx, slog.LevelError, err.Error()+notScaled, slog.String("name", a.cfg.Name))
		<-ctx.Done()
	}
	return err
}

// notScaled is added in the log to a fault because of which nothing is scaled.
const notScaled = "; the service goes on, and nothing scales it until it is restarted"

func (a *Autoscaler) run(ctx context.Context) error {
	if err := a.check(); err != nil {
		return err
	}
	a.mail.setRunning(true)
	defer a.mail.setRunning(false)
	a.logStart(ctx)

	loop, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// The term is given up after the last tick, and not while a tick may still act.
	campaign, resign := context.WithCancel(context.WithoutCancel(ctx))
	defer resign()
	var electing sync.WaitGroup
	var electorErr error
	if a.cfg.Elector != nil {
		electing.Go(func() {
			err := guard.Do(func() error { return a.cfg.Elector.Run(campaign) })
			if err == nil && campaign.Err() == nil {
				err = errors.New("it stopped campaigning before it was asked to")
			}
			if err != nil && campaign.Err() == nil {
				electorErr = err
				stop(err)
			}
		})
	}
	send, flush := func(Event) {}, func() {}
	if len(a.outbox.recipients) > 0 {
		q := newQueue(ctx, &a.outbox)
		send, flush = q.put, q.close
	}
	watching, unwatch := context.WithCancel(context.WithoutCancel(ctx))
	var watchdog sync.WaitGroup
	watchdog.Go(func() { a.watchdog(watching, send) })
	a.loop(loop, send)
	a.archiveAtEnd(ctx)
	resign()
	unwatch()
	watchdog.Wait()
	flush()
	electing.Wait()
	closeIdle(a.cfg.Prober)
	closeIdle(a.cfg.Scaler)
	var err error
	if electorErr != nil {
		err = fmt.Errorf("autoscale: %s: the elector failed for good: %w", a.cfg.Name, electorErr)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cfg.Elector != nil {
		a.machine.leading = false // the term was given up
	}
	if err != nil {
		a.machine.outcome.Err = err
	}
	return err
}

// loop ticks until ctx ends.
func (a *Autoscaler) loop(ctx context.Context, send func(Event)) {
	ticker := time.NewTicker(a.cfg.Interval)
	defer ticker.Stop()
	for {
		// The tick has logged and reported its error.
		_, _ = a.tick(ctx, time.Now(), send)
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

// Tick does one step, as of now, and returns what was ordered. Act is true if the size
// was set, or would have been in a dry run. When Tick returns, the notifiers have been
// called. Run calls Tick by itself. Call Tick instead of Run if the host has its own
// scheduler, or in a simulation. now should not go back.
//
// Tick does not run the Elector: its Run must be under way for this process to lead.
//
// The error says what kept the tick from doing its work. In a process that does not
// lead, it is [ErrNotLeader] or [ErrStoreSilent].
func (a *Autoscaler) Tick(ctx context.Context, now time.Time) (Decision, error) {
	if !a.busy.TryLock() {
		return Decision{}, ErrRunning
	}
	defer a.busy.Unlock()
	if err := a.check(); err != nil {
		return Decision{}, err
	}
	return a.tick(ctx, now, func(e Event) { a.outbox.deliver(ctx, e, notifyTimeout) })
}

// tick is one step of the loop.
func (a *Autoscaler) tick(ctx context.Context, now time.Time, send func(Event)) (Decision, error) {
	a.calling.began.Store(time.Now().UnixNano())
	defer a.calling.began.Store(0)
	in := a.look(ctx, now)

	a.mu.Lock()
	o, ask := a.machine.begin(in)
	a.mu.Unlock()

	var d Decision
	var rules []Recommendation
	var err error
	if ask {
		d, rules, err = a.decide(o)
	}
	a.mu.Lock()
	p := a.machine.plan(d, rules, err)
	a.mu.Unlock()

	r := result{size: p.size}
	if p.order {
		r = a.order(ctx, in.term, p)
	}
	a.mu.Lock()
	came, events := a.machine.finish(r)
	a.mu.Unlock()

	recorded := a.keep(ctx, came)
	a.calling.part.Store(&callObserve)
	a.outbox.put(ctx, events, came, recorded, send)
	if came.leads {
		a.logTick(ctx)
		a.archiveHistory(ctx, now, came.term, archiveEvery)
	}
	if came.resign {
		a.resign(ctx)
	}
	return came.Decision, came.Err
}

// check validates the Config once.
func (a *Autoscaler) check() error {
	if a.checked {
		return a.fault
	}
	a.checked, a.fault = true, a.Validate()
	if a.fault == nil {
		// The host's own methods are called once. A panic in them is a fault of the
		// Config.
		var window time.Duration
		var number int
		var rule string
		var slots float64
		err := guard.Do(func() error {
			window, number = reach(a.cfg.Decider)
			rule = ruleName(a.cfg.Decider)
			a.composite, _ = part.As[Composite](a.cfg.Decider)
			if d, ok := part.As[interface{ Slots() float64 }](a.cfg.Decider); ok {
				slots = d.Slots()
			}
			return nil
		})
		a.mu.Lock()
		a.slots = slots
		a.machine.samples.window, a.machine.samples.number, a.machine.rule = window, number, rule
		a.mu.Unlock()
		if err != nil {
			a.fault = fmt.Errorf("%w: Decider: its Window, Samples, Name or Unwrap: %w", ErrConfig, err)
		}
	}
	if a.fault != nil {
		// Status shows the error, because go a.Run(ctx) drops it.
		a.mu.Lock()
		a.machine.outcome.Err = a.fault
		a.mu.Unlock()
		return a.fault
	}
	a.outbox = outbox{cfg: &a.cfg, mail: &a.mail, log: a.log, recipients: newRecipients(&a.cfg)}
	return nil
}

// logStart logs what was configured. It warns if every copy would act, and if a new
// leader would know nothing.
func (a *Autoscaler) logStart(ctx context.Context) {
	a.log(ctx, slog.LevelInfo, "autoscale: "+a.cfg.Name+": started", slog.String("name", a.cfg.Name),
		slog.String("rule", a.machine.rule),
		slog.String("min", a.cfg.Min.String()), slog.String("max", a.cfg.Max.String()),
		slog.Duration("interval", a.cfg.Interval), slog.Bool("dry_run", a.cfg.DryRun), slog.Bool("recommend_only", a.cfg.RecommendOnly))
	if a.chosen {
		why := "which the Prober names"
		if _, ok := a.cfg.Decider.(Consecutive); ok {
			why = "autoscalebot's, because the Prober names none"
		}
		a.log(ctx, slog.LevelInfo, fmt.Sprintf("autoscale: %s: Config.Decider is nil: the rule is %s, %s", a.cfg.Name, a.machine.rule, why))
	}
	if a.cfg.Elector == nil && oneOfMany(os.Getenv("DYNO"), a.cfg.Name) {
		a.log(ctx, slog.LevelWarn, fmt.Sprintf("autoscale: %[1]s: this runs on the dyno %[2]s, which is itself of the process type that is scaled, and Config.Elector is nil: "+
			"with several %[1]s dynos every one of them will act. Set Config.Elector, or run the autoscaler in a process type of its own with one dyno", a.cfg.Name, os.Getenv("DYNO")))
	}
	if a.cfg.Elector != nil && a.store == nil {
		a.log(ctx, slog.LevelWarn, fmt.Sprintf("autoscale: %s: Config.Elector is a %T, which is not a Store, and Config.Store is nil: "+
			"orders are given without a fence, and each new leader starts without cooldowns and conditions. Set Config.Store", a.cfg.Name, a.cfg.Elector))
	}
}

// logTick logs the result of the tick in full, at debug.
func (a *Autoscaler) logTick(ctx context.Context) {
	if !enabled(ctx, a.cfg.Logger, slog.LevelDebug) {
		return
	}
	m := &a.machine // no lock: only the loop writes it, and this is the loop
	a.log(ctx, slog.LevelDebug, "autoscale: "+a.cfg.Name+": "+m.outcome.sentence(m.Ticked),
		slog.String("name", a.cfg.Name), slog.Any("explanation", m.outcome))
}

// oneOfMany reports whether dyno belongs to the process type name. Its name is then like
// web.1, or on Heroku's Fir like web-12a34b56d-e78f9.
func oneOfMany(dyno, name string) bool {
	rest, ok := strings.CutPrefix(dyno, name)
	return ok && len(rest) > 1 && (rest[0] == '.' || rest[0] == '-' && !strings.Contains(rest, "."))
}

// closeIdle closes the connections that a part keeps open, if it can.
func closeIdle[I any](p I) {
	_ = guard.Do(func() error {
		if c, ok := part.As[IdleCloser](p); ok {
			c.CloseIdleConnections()
		}
		return nil
	})
}

// log writes to the host's logger. Its handler may panic like anything else that the host
// supplied. Only a counter can then show that.
func (a *Autoscaler) log(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	err := guard.Do(func() error {
		a.cfg.Logger.LogAttrs(ctx, level, message, attrs...)
		return nil
	})
	if err != nil {
		a.mail.loggerPanicked()
	}
}
