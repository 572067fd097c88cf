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
	// longestWait bounds a wait where the context has no deadline.
	longestWait = 30 * time.Second

	// MaxRetryAfter is the longest time for which an answer silences a client.
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

// Ended says that ctx ended while err happened, so that both the sentinel and the
// cause of ctx are found in the result.
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

// Slow is the cause of a deadline of an attempt.
type Slow struct{ After time.Duration }

// Error says after how long the attempt was given up.
func (e Slow) Error() string { return fmt.Sprintf("gave up after %v", e.After) }

// Is reports whether target is context.DeadlineExceeded.
func (e Slow) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout returns true, as a net.Error's.
func (e Slow) Timeout() bool { return true }

// Backoff returns the pause after a try, counted from 1, between half and one and a half
// times its mean, so that many who failed at once do not come back at once.
func Backoff(try int) time.Duration {
	mean := firstPause << (try - 1)
	return mean/2 + rand.N(mean)
}

// RetryAfter reads the header of that name: seconds, a date, or seconds since 1970. What
// it cannot read is 0. It is at most MaxRetryAfter.
func RetryAfter(s string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64); err == nil {
		if n > 1e9 {
			d = time.Unix(min(n, 1<<40), 0).Sub(now)
		} else {
			d = time.Duration(n) * time.Second
		}
	} else if t, err := http.ParseTime(s); err == nil {
		d = t.Sub(now)
	}
	return min(max(d, 0), MaxRetryAfter)
}
