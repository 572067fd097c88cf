// Package calls makes the HTTP calls of the platforms' clients. It authorizes, bounds,
// retries and budgets them, and writes their errors. It knows nothing about any single
// platform.
package calls

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/autoscalebot/autoscale/platform"
)

// kept is how many of the client's own calls reads leave to orders.
const kept = 10

// Urgency says how much of the budget a call may spend.
type Urgency int

const (
	Ordinary Urgency = iota // leaves some calls to orders and to others
	Urgent                  // may spend the last call: for orders, and for work that was begun
)

// A Budget keeps a client within its own share of the account's calls, and within what
// the API says is left of them. It is safe for concurrent use.
type Budget struct {
	platform string
	perHour  int
	account  int // calls an hour of the whole account. 0: not known, and no answer says what is left

	mu      sync.Mutex // guards the fields below
	waiting [2]int     // how many calls wait for room, by urgency
	share   *rate.Limiter
	known   bool      // whether the API ever said what is left
	left    float64   // what was left of the account's calls
	at      time.Time // then
	blocked time.Time // until when a 429 refused all calls
}

// NewBudget returns a budget of perHour calls an hour. account is how many calls the
// platform permits the account, if its answers have the number of calls left in
// RateLimit-Remaining. Otherwise account is 0.
func NewBudget(platform string, perHour, account int) *Budget {
	return &Budget{
		platform: platform, perHour: perHour, account: account,
		share: rate.NewLimiter(rate.Limit(float64(perHour)/3600), max(2*kept, perHour/30)),
	}
}

// lowWater is how many of the account's calls a read leaves to others and to orders. It
// is the refill of a minute. Even if somebody keeps the account empty, a read is made
// about once a minute.
func (b *Budget) lowWater() int { return b.account / 60 }

func (b *Budget) accountPerSecond() float64 { return float64(b.account) / 3600 }

// Take waits until there is room for a call, or returns at once with a
// *platform.CallBudgetError if the context ends before. The caller fills in its Op and
// Subject.
func (b *Budget) Take(ctx context.Context, u Urgency) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ahead := b.waiting[Urgent]
	if u == Ordinary {
		ahead += b.waiting[Ordinary]
	}
	for end := time.Now().Add(Patience(ctx)); ; ahead = 0 {
		if ctx.Err() != nil {
			return Ended(ctx, nil)
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
			return &platform.CallBudgetError{Platform: b.platform, Until: room, Wait: wait, Reason: reason}
		}
		b.waiting[u]++
		b.mu.Unlock()
		err := Pause(ctx, wait)
		b.mu.Lock()
		b.waiting[u]--
		if err != nil {
			return err
		}
	}
}

// look returns how long it takes until there is room for a call, behind those that
// wait already, and which budget has no room until then.
func (b *Budget) look(now time.Time, u Urgency, ahead int) (wait time.Duration, reason string) {
	need, leave := 1+float64(ahead), 1+float64(ahead)
	if u == Ordinary {
		need, leave = need+kept, leave+float64(b.lowWater())
	}
	wait = until(need-b.share.TokensAt(now), float64(b.share.Limit()))
	reason = fmt.Sprintf("this client makes at most %d calls an hour (Options.CallsPerHour): raise that, or scale less often", b.perHour)
	if b.known && b.account > 0 {
		left := b.left + now.Sub(b.at).Seconds()*b.accountPerSecond()
		if w := until(leave-left, b.accountPerSecond()); w > wait {
			wait = w
			reason = fmt.Sprintf("the platform permits an account %d calls an hour, and about %d are left to all who share it, of which reads leave %d: find out who uses them, or use another account's token", b.account, max(0, int(left)), b.lowWater())
		}
	}
	if w := b.blocked.Sub(now); w > wait {
		wait, reason = w, "the platform refused a call with 429 and said when to come back"
	}
	return wait, reason
}

// Heard notes what an answer says about the account's calls.
func (b *Budget) Heard(status int, h http.Header, retryAfter time.Duration) {
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
	// It is rounded up, because even a nanosecond too early is too early.
	return time.Duration(missing/perSecond*float64(time.Second)) + 1
}
