package autoscale

import (
	"context"
	"fmt"
	"time"
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
	// error wraps a [LimitError], and nothing was changed.
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
}

// Error says what was ordered and what is permitted.
func (e *LimitError) Error() string {
	s := fmt.Sprintf("autoscale: %d processes are above the platform's limit of %d", e.Size, e.Limit)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the platform's own error.
func (e *LimitError) Unwrap() error { return e.Err }

// An IdleCloser is a [Prober] or a [Scaler] that keeps connections open. Run calls
// CloseIdleConnections when it ends. It is found through a wrapper too: one that embeds
// the Prober or the Scaler, or that has a method
//
//	Unwrap() autoscale.Prober
type IdleCloser interface {
	CloseIdleConnections()
}
