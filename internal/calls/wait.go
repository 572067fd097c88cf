package calls

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/patience"
)

const (
	// longestWait bounds a wait if the context has no deadline.
	longestWait = 30 * time.Second

	// MaxRetryAfter is the longest time for which an answer can make a client wait.
	MaxRetryAfter = patience.Hold

	firstPause = 500 * time.Millisecond // before the second try; doubled before the third
)

// Patience returns how long ctx lets a caller wait.
func Patience(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return longestWait
}

// Aside returns a context for a call that the caller can do without. It ends when half of
// the remaining time is over.
func Aside(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, Patience(ctx)/2)
}

// Pause waits for d, or returns why ctx ended.
func Pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return Ended(ctx, nil)
	}
}

// Ended returns an error for err, which happened when ctx had ended. Both the sentinel and
// the cause of ctx are found in it.
func Ended(ctx context.Context, err error) error {
	if err == nil {
		err = ctx.Err()
	}
	for _, why := range []error{ctx.Err(), context.Cause(ctx)} {
		if why != nil && !errors.Is(err, why) {
			err = fmt.Errorf("%w: %w", why, err)
		}
	}
	return err
}

// Slow is the cause when an attempt reaches its deadline.
type Slow struct{ After time.Duration }

// Error says after how long the attempt was given up.
func (e Slow) Error() string { return fmt.Sprintf("gave up after %v", e.After) }

// Is reports whether target is context.DeadlineExceeded.
func (e Slow) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout returns true, as in net.Error.
func (e Slow) Timeout() bool { return true }

// Backoff returns the pause after a try, counted from 1, between half and one and a half
// times its mean, so that many who failed at once do not come back at once. The mean is first
// after the first try, and doubles with each try.
func Backoff(first time.Duration, try int) time.Duration {
	mean := first << (try - 1)
	return mean/2 + rand.N(mean)
}

// RetryAfter returns how long an answer asks to wait, at most MaxRetryAfter. It uses
// Retry-After. If that is missing in a 429, it uses the end of the window of calls, which
// Render sends in RateLimit-Reset and Cloud Foundry in X-RateLimit-Reset. 0: the answer has
// neither.
func RetryAfter(status int, h http.Header, now time.Time) time.Duration {
	names := []string{"Retry-After"}
	if status == http.StatusTooManyRequests {
		names = append(names, "RateLimit-Reset", "X-RateLimit-Reset")
	}
	for _, name := range names {
		if d, ok := readWait(h.Get(name), now); ok {
			return min(max(d, 0), MaxRetryAfter)
		}
	}
	return 0
}

// readWait reads seconds, seconds since 1970, or a date. Render's
// documentation has the first two for one header: an example of 45, and the words "UTC
// Epoch Seconds".
func readWait(s string, now time.Time) (d time.Duration, ok bool) {
	s = strings.TrimSpace(s)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n > 1e9 {
			return time.Unix(min(n, 1<<40), 0).Sub(now), true
		}
		return time.Duration(max(n, -1)) * time.Second, true
	}
	t, err := http.ParseTime(s)
	return t.Sub(now), err == nil
}
