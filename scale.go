package autoscale

import (
	"context"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

// A Scaler reads and sets how many processes of one type a platform runs.
// A Scaler is used by one [Autoscaler] from one goroutine at a time.
//
// A Scaler never guesses. Where the platform's answer lacks the size, Capacity
// returns an error: an error is not 0 processes.
type Scaler interface {
	// Capacity reads the size that the platform has been ordered to run.
	Capacity(ctx context.Context) (Capacity, error)

	// Scale orders size processes, an absolute number, never a difference, so
	// that two orders of the same size are the same as one. A nil error means
	// that the platform accepted the order, not that the processes serve yet.
	//
	// Where the platform refuses because size is above what it permits, the
	// error wraps a [LimitError], and nothing was changed. If it refuses for a reason that
	// ends by itself, the error wraps a [BusyError].
	Scale(ctx context.Context, size int) error
}

// Capacity is how many processes of one type a platform runs.
type Capacity struct {
	// Desired is how many processes were ordered, by whomever.
	Desired int

	// Pending is how many of the Desired ones do not serve yet.
	Pending int

	// PendingKnown says that Pending is what the platform says, also if it is 0. If it is
	// not known, the processes from before an increase are taken to be those that serve,
	// for Config.BootTime or a minute: each process's share of the load would be
	// misjudged otherwise.
	PendingKnown bool

	// Changed is when the platform says that it last changed the process type.
	// Zero means not known.
	Changed time.Time

	// Maintenance reports that the application is in maintenance: its
	// processes get no requests, so that no measurement says anything, and the
	// size is held.
	Maintenance bool

	// ExternalAutoscaler names another autoscaler that the platform says is switched on
	// for the process type. While there is one the size is left to it. Empty means none,
	// or not known.
	ExternalAutoscaler string
}

// Ready returns how many processes serve: Desired less Pending, at least 0.
func (c Capacity) Ready() int { return max(c.Desired-c.Pending, 0) }

// A LimitError is a [Scaler]'s answer to a size above what the platform
// permits. The [Autoscaler] learns the limit, asks once more for that many
// processes, and tells of it as [LimitReached].
type LimitError struct {
	Size  int   // what was ordered
	Limit int   // the most that the platform permits
	Err   error // the platform's own words; may be nil

	// Guessed says that the platform did not name its limit. Limit is then a smaller
	// size to try.
	Guessed bool
}

// Error says what was ordered and what is permitted.
func (e *LimitError) Error() string {
	s := fmt.Sprintf("autoscale: %s above the platform's limit of %d", processesAre(e.Size), e.Limit)
	if e.Guessed {
		s = fmt.Sprintf("autoscale: %s above the platform's limit, which it does not name; %d will be tried", processesAre(e.Size), e.Limit)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the platform's own error.
func (e *LimitError) Unwrap() error { return e.Err }

func processesAre(n int) string {
	if n == 1 {
		return "1 process is"
	}
	return fmt.Sprintf("%d processes are", n)
}

// busyPatience is for how long a [BusyError] is not a failure.
const busyPatience = 10 * time.Minute

// A BusyError is a [Scaler]'s answer that the platform cannot change the size now, for a
// reason that ends by itself: a release, a deployment or another operation is under
// way. Nothing was changed. For ten minutes the [Autoscaler] holds the size and tries
// again in each tick; after that the error counts like any other.
type BusyError struct {
	RetryAfter time.Duration // how long the platform asked to wait. 0: not known
	Err        error         // the platform's own words; may be nil
}

// Error says that the platform is busy, and for how long if that is known.
func (e *BusyError) Error() string {
	s := "autoscale: the platform is busy with another operation"
	if e.RetryAfter > 0 {
		s += " for " + names.Duration(e.RetryAfter)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the platform's own error.
func (e *BusyError) Unwrap() error { return e.Err }

// An IdleCloser is a [Prober] or a [Scaler] that keeps connections open. Run calls
// CloseIdleConnections when it ends. It is found through a wrapper too: one that embeds
// the Prober or the Scaler, or that has a method
//
//	Unwrap() autoscale.Prober
type IdleCloser interface {
	CloseIdleConnections()
}
