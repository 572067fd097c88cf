package leader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/autoscalebot/autoscale"
)

const (
	// releaseTimeout bounds the release at the end of Run: a store that does
	// not answer must not keep the host from stopping. The lease expires anyway.
	releaseTimeout = 2 * time.Second
	// repeatAfter is how often a store that goes on failing is logged, and
	// changedAfter how soon if it fails otherwise than was said.
	repeatAfter  = 10 * time.Minute
	changedAfter = time.Minute
	// slowest is the longest wait between two tries of a store that worked before and has
	// a permanent fault now, such as a table that is being restored.
	slowest = time.Minute
	// farthest bounds the times that a store answers.
	farthest = 365 * 24 * time.Hour
)

// campaign is what one Run remembers between its steps.
type campaign struct {
	last  Row       // as read last
	since time.Time // when last was first seen, as to its holder, term and renewal
	top   int64     // the greatest term seen

	answered bool // the store answered once, in this Run or an earlier one

	failures int       // in a row
	began    time.Time // of the failures
	logged   time.Time // when they were logged last
	said     string    // what was logged then
}

// Run campaigns for the term, and renews it, until ctx ends. It then gives the term up,
// within two seconds, and returns nil. A store that fails, cannot be reached or is
// read-only is tried again for ever, at least once in Renew, and this is logged. A
// [Permanent] fault ends Run only if the store has never answered. A later one may be a
// table that is being restored, or a right that was revoked. Run then tries again at
// growing intervals of up to a minute, or Renew if that is longer.
//
// Run returns an error only for such a fault, if the Elector is not valid or has no name,
// if another Run of it is under way, or if another Autoscaler of this process campaigns
// for the same lease.
func (e *Elector) Run(ctx context.Context) error {
	if err := e.Validate(); err != nil {
		return err
	}
	if !e.running.CompareAndSwap(false, true) {
		return fmt.Errorf("leader: another Run of the Elector for %q is under way", e.name())
	}
	defer e.running.Store(false)
	vacate, err := e.occupy()
	if err != nil {
		return err
	}
	defer vacate()
	defer e.leave(ctx)
	e.campaign = campaign{top: e.campaign.top, answered: e.campaign.answered}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if ctx.Err() != nil {
			return nil
		}
		start := time.Now()
		next, err := e.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		var permanent *permanentError
		if errors.As(err, &permanent) && !e.campaign.answered {
			return fmt.Errorf("leader: the lease %q cannot be had: %w", e.name(), err)
		}
		if err != nil {
			next = e.failed(ctx, err)
		} else {
			e.recovered(ctx)
		}
		timer.Reset(next - time.Since(start))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-e.wake:
		}
	}
}

// step does what is due, and returns when to look again, from its start.
func (e *Elector) step(ctx context.Context) (time.Duration, error) {
	e.mu.Lock()
	held, owed, rest, resigned := e.held, e.owed, e.rest, e.resigned
	e.mu.Unlock()
	if owed != 0 {
		return 0, e.release(ctx, owed)
	}
	if held != 0 {
		return e.renew(ctx, held)
	}
	return e.follow(ctx, rest, resigned)
}

// renew extends the term that is held.
func (e *Elector) renew(ctx context.Context, term int64) (time.Duration, error) {
	var start time.Time
	var row Row
	ok := false
	err := e.call(ctx, func(ctx context.Context) (err error) {
		start = time.Now()
		if row, ok, err = e.lease.Renew(ctx, e.claim(term), e.version); ok && err == nil {
			e.note(row)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("renew term %d: %w", term, err)
	}
	if !ok {
		if e.lose(term) {
			e.log(ctx, slog.LevelWarn, "the term is over: it expired before it was renewed", "term", term)
		}
		return 0, nil
	}
	e.mu.Lock()
	if e.held == term { // it may have been given up in the meantime
		e.trust(term, start)
	}
	e.mu.Unlock()
	return e.opts.Renew, nil
}

// follow looks at the lease, and tries to take one that is free.
func (e *Elector) follow(ctx context.Context, rest time.Time, resigned int64) (time.Duration, error) {
	c := &e.campaign
	began := time.Now()
	var row Row
	err := e.call(ctx, func(ctx context.Context) (err error) {
		if row, err = e.lease.Read(ctx, e.name(), e.version); err == nil {
			e.note(row)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read the lease: %w", err)
	}
	now := time.Now()
	if last := c.last; c.since.IsZero() || row.Holder != last.Holder || row.Term != last.Term || row.Renewal != last.Renewal {
		if row.Holder != last.Holder && row.Holder != "" {
			e.log(ctx, slog.LevelDebug, "another process leads", "leader", row.Holder, "term", row.Term)
		}
		c.since = now
	}
	if row.Term < c.top && row.Term != c.last.Term {
		e.log(ctx, slog.LevelWarn, "the store went back to an earlier term: it was restored or replaced by a copy that was behind", "term", row.Term, "seen", c.top)
	}
	// A store that went back does not know until when the last leader trusts itself. That
	// is for a TTL at most from when it went back.
	behind, ttl, left := row.Term < c.top, min(max(row.TTL, 0), farthest), min(row.Left, farthest)
	if behind {
		ttl = max(ttl, e.opts.TTL)
		left = max(left, ttl-now.Sub(c.since))
	}
	c.last, c.top = row, max(c.top, row.Term)

	// A lease that this process saw unrenewed for its whole TTL is not trusted
	// by its holder any more. The store's clock may have been set back since.
	unrenewed := ttl - now.Sub(c.since) // until then
	stale := row.TTL > 0 && unrenewed <= 0
	ours := row.Holder == e.holder && row.Left > 0 && !behind
	if resting := rest.Sub(now); resting > 0 {
		if ours { // won by an attempt whose answer was lost
			return 0, e.release(ctx, row.Term)
		}
		return min(resting, e.pause()), nil
	}
	if left <= 0 || stale || ours {
		won, err := e.acquire(ctx, row, stale, resigned)
		if won || err != nil {
			return now.Sub(began) + e.opts.Renew, err
		}
		return e.pause(), nil
	}
	// Look again when the lease expires, and not all followers at once.
	due := min(left, max(unrenewed, 0)) + time.Millisecond + rand.N(e.opts.Renew/4+1)
	return now.Sub(began) + min(e.pause(), due), nil
}

// acquire tries to begin a term.
func (e *Elector) acquire(ctx context.Context, last Row, stale bool, resigned int64) (won bool, err error) {
	var start time.Time
	var row Row
	err = e.call(ctx, func(ctx context.Context) (err error) {
		start = time.Now()
		if row, won, err = e.lease.Acquire(ctx, e.claim(e.campaign.top), last, stale); won && err == nil {
			e.note(row) // before the term begins, as a leader starts from it
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("acquire the lease: %w", err)
	}
	if !won {
		return false, nil
	}
	c := &e.campaign
	c.last, c.since, c.top = row, start, max(c.top, row.Term)
	e.mu.Lock()
	if e.resigned != resigned { // while the attempt was under way
		e.owed = row.Term
		e.mu.Unlock()
		e.rouse()
		return false, nil
	}
	e.held = row.Term
	e.trust(row.Term, start)
	e.mu.Unlock()
	e.log(ctx, slog.LevelInfo, "this process leads", "term", row.Term)
	return true, nil
}

// trust has Current return the term. The trust counts from before the store was
// asked, so that it ends before the lease does. The caller holds the lock.
func (e *Elector) trust(term int64, start time.Time) {
	e.current.Store(&autoscale.Term{Holder: e.holder, Number: term, Until: start.Add(e.opts.TTL - e.opts.Margin)})
}

// release gives a term back, which this process trusts no more.
func (e *Elector) release(ctx context.Context, term int64) error {
	err := e.call(ctx, func(ctx context.Context) error { return e.lease.Release(ctx, e.claim(term)) })
	if err != nil {
		return fmt.Errorf("release term %d: %w", term, err)
	}
	e.mu.Lock()
	if e.owed == term {
		e.owed = 0
	}
	e.mu.Unlock()
	e.log(ctx, slog.LevelInfo, "the term was given up", "term", term)
	return nil
}

// leave ends the term that is held, if any, and releases it although ctx ended.
func (e *Elector) leave(ctx context.Context) {
	e.mu.Lock()
	term := max(e.held, e.owed)
	e.held, e.owed = 0, 0
	e.current.Store(nil)
	e.mu.Unlock()
	if term == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := e.release(ctx, term); err != nil {
		e.log(ctx, slog.LevelWarn, "the term was not given up, and expires by itself", "term", term, "error", err)
	}
}

// pause is how long to wait before the next look: not less than Renew, which is
// what a process may cost the store, and never the same, so that processes that
// were started together do not go on to ask together.
func (e *Elector) pause() time.Duration {
	return e.opts.Renew + rand.N(e.opts.Renew/8+1)
}

// failed notes that the store failed, and returns how long to wait: at first a
// tenth of Renew, then twice as long each time, up to Renew, or up to slowest if the
// fault is permanent.
func (e *Elector) failed(ctx context.Context, err error) time.Duration {
	c := &e.campaign
	now := time.Now()
	if c.failures == 0 {
		c.began, c.logged = now, time.Time{}
	}
	c.failures++
	quiet, text := now.Sub(c.logged), err.Error()
	if c.logged.IsZero() || quiet >= repeatAfter || quiet >= changedAfter && text != c.said {
		c.logged, c.said = now, text
		e.log(ctx, slog.LevelWarn, "the store fails, and is tried again: "+text, "failures", c.failures, "since", c.began, "error", err)
	}
	longest := e.opts.Renew
	var permanent *permanentError
	if errors.As(err, &permanent) {
		longest = max(longest, slowest)
	}
	wait := longest
	for n, w := 1, e.opts.Renew/10; w < longest; n, w = n+1, 2*w {
		if n == c.failures {
			wait = w
			break
		}
	}
	return wait - rand.N(wait/2+1)
}

// recovered notes that the store answered.
func (e *Elector) recovered(ctx context.Context) {
	c := &e.campaign
	c.answered = true
	if c.failures > 0 {
		e.log(ctx, slog.LevelInfo, "the store answers again", "failures", c.failures, "since", c.began)
		c.failures = 0
	}
}
