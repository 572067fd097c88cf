package heroku

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What Heroku permits an account.
const (
	accountPerHour   = 4500
	accountPerSecond = accountPerHour / 3600.
)

const (
	// lowWater is how many of the account's calls a read leaves to others, and
	// to orders: a minute's refill. Where somebody keeps the account empty, a
	// read is made about once a minute all the same.
	lowWater = accountPerHour / 60

	// kept is how many of the client's own calls reads leave to orders.
	kept = 10

	// longestWait bounds a wait for room, and the pause between two attempts, where the
	// context has no deadline.
	longestWait = 30 * time.Second
)

// urgency is what a call may spend.
type urgency int

const (
	ordinary urgency = iota // leaves lowWater and kept alone
	urgent                  // may spend the last call: orders, and what was begun
)

// A CallBudgetError says that a call was not made because its context leaves no
// time to wait until the calls of the API that are permitted have room for it.
type CallBudgetError struct {
	Op, Subject string        // what was to be done, and to what
	Until       time.Time     // when there will be room, as far as is known
	Wait        time.Duration // how long that was away
	Reason      string        // what there is no room in, and how to make room
}

// Error says what was not done, why, and when it could be.
func (e *CallBudgetError) Error() string {
	return fmt.Sprintf("heroku: %s: %s: no call was made: %s; there is room in %v, at %s",
		e.Op, e.Subject, e.Reason, e.Wait.Round(time.Millisecond), e.Until.UTC().Format(time.RFC3339))
}

// A budget keeps a client within its own share of the account's calls, and within
// what the API says is left of them.
type budget struct {
	perHour int

	mu      sync.Mutex // guards what follows
	waiting [2]int     // how many calls wait for room, by urgency
	share   *rate.Limiter
	known   bool      // whether the API ever said what is left
	left    float64   // what was left of the account's calls
	at      time.Time // then
	blocked time.Time // until when a 429 refused all calls
}

func newBudget(perHour int) *budget {
	return &budget{
		perHour: perHour,
		share:   rate.NewLimiter(rate.Limit(float64(perHour)/3600), max(2*kept, perHour/30)),
	}
}

// take waits until there is room for a call, or returns at once with a CallBudgetError
// where the context ends before.
func (b *budget) take(ctx context.Context, u urgency) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ahead := b.waiting[urgent]
	if u == ordinary {
		ahead += b.waiting[ordinary]
	}
	for end := time.Now().Add(patience(ctx)); ; ahead = 0 {
		if ctx.Err() != nil {
			return ended(ctx, nil)
		}
		now := time.Now()
		wait, reason := b.look(now, u, ahead)
		if wait == 0 {
			b.share.AllowN(now, 1)
			b.left--
			return nil
		}
		room := now.Add(wait)
		if !room.Before(end) {
			return &CallBudgetError{Until: room, Wait: wait, Reason: reason}
		}
		b.waiting[u]++
		b.mu.Unlock()
		err := pause(ctx, wait)
		b.mu.Lock()
		b.waiting[u]--
		if err != nil {
			return err
		}
	}
}

// look returns how long it takes until there is room for a call, behind some
// that wait already, and what there is no room in until then.
func (b *budget) look(now time.Time, u urgency, ahead int) (wait time.Duration, reason string) {
	need, leave := 1+float64(ahead), 1+float64(ahead)
	if u == ordinary {
		need, leave = need+kept, leave+lowWater
	}
	wait = until(need-b.share.TokensAt(now), float64(b.share.Limit()))
	reason = fmt.Sprintf("this client makes at most %d calls an hour (Options.CallsPerHour): raise that, or scale less often", b.perHour)
	if b.known {
		left := b.left + now.Sub(b.at).Seconds()*accountPerSecond
		if w := until(leave-left, accountPerSecond); w > wait {
			wait = w
			reason = fmt.Sprintf("Heroku permits an account %d calls an hour, and about %d are left to all who share it, of which reads leave %d: find out who uses them, or use another account's token", accountPerHour, max(0, int(left)), lowWater)
		}
	}
	if w := b.blocked.Sub(now); w > wait {
		wait, reason = w, "Heroku refused a call with 429 and said when to come back"
	}
	return wait, reason
}

// heard notes what an answer says of the account's calls.
func (b *budget) heard(status int, h http.Header, retryAfter time.Duration) {
	now := time.Now()
	left, err := strconv.ParseUint(h.Get("RateLimit-Remaining"), 10, 31)
	refused := status == http.StatusTooManyRequests
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err == nil:
		b.known, b.left, b.at = true, float64(left), now
	case refused:
		b.left, b.at = 0, now
	}
	if t := now.Add(retryAfter); refused && t.After(b.blocked) {
		b.blocked = t
	}
}

// until returns how long missing tokens take to come at a rate a second.
func until(missing, perSecond float64) time.Duration {
	if missing <= 0 {
		return 0
	}
	// Rounded up: a nanosecond too early is too early.
	return time.Duration(missing/perSecond*float64(time.Second)) + 1
}

// patience returns how long ctx lets a caller wait.
func patience(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return longestWait
}

// pause waits for d, or returns why ctx ended.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ended(ctx, nil)
	}
}
