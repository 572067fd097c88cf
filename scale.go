package autoscale

import (
	"context"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/internal/part"
	"github.com/autoscalebot/autoscale/internal/patience"
)

// A Scaler reads and sets how many processes of one type a platform runs. An
// [Autoscaler] calls its Scaler from one goroutine at a time.
//
// A Scaler never guesses. If the platform's answer lacks the size, Capacity returns an
// error, and not 0 processes.
type Scaler interface {
	// Capacity reads the size that the platform has been ordered to run.
	Capacity(ctx context.Context) (Capacity, error)

	// Scale orders size processes. size is an absolute number, so two orders of the
	// same size have the effect of one. A nil error means that the platform accepted
	// the order, not that the processes serve yet.
	//
	// If the platform refuses because it permits fewer, the error wraps a [LimitError],
	// and nothing was changed. If it refuses for a reason that ends by itself, the error
	// wraps a [BusyError]. If it carried out part of the order, the error wraps a
	// [PartialError].
	Scale(ctx context.Context, size int) error
}

// Capacity is how many processes of one type a platform runs.
type Capacity struct {
	// Desired is how many processes were ordered, by anyone.
	Desired int

	// Pending is how many of the Desired ones do not serve yet.
	Pending int

	// PendingKnown says that Pending comes from the platform, even if it is 0. If
	// PendingKnown is false after an increase, only the processes from before it count as
	// serving, for Config.BootTime or a minute. Otherwise each process's share of the
	// load would be misjudged.
	PendingKnown bool

	// Changed is when the platform says that it last changed the process type.
	// Zero: not known.
	Changed time.Time

	// Maintenance reports whether the application is in maintenance. Its processes get
	// no requests then, so no measurement means anything, and the size is held.
	Maintenance bool

	// Deploying reports whether a deployment is under way during which the platform takes
	// no order. The service is measured as usual, and its size is held. That lasts for at
	// most ten minutes, or for as long as an [OrderTimer] says. After that an order is
	// tried, and a [BusyError] counts as a failure. If a platform takes orders during a
	// deployment, its Scaler leaves Deploying false.
	Deploying bool

	// ExternalAutoscaler names another autoscaler that the platform says sets the size.
	// Examples are one that is switched on ("Heroku Autoscaling"), one that is present
	// ("HorizontalPodAutoscaler web"), and a proxy that starts and stops processes ("Fly
	// Proxy autostop"). The Autoscaler then leaves the size alone, unless
	// Config.RecommendOnly is set. Empty: none, or not known.
	ExternalAutoscaler string
}

// Ready returns how many processes serve: Desired less Pending, at least 0.
func (c Capacity) Ready() int { return max(c.Desired-c.Pending, 0) }

// A LimitError is a [Scaler]'s answer to a size above what the platform permits. The
// [Autoscaler] remembers the limit for a time, orders that many processes instead, and
// reports [LimitReached]. It does not order fewer than already run.
type LimitError struct {
	Size  int   // what was ordered
	Limit int   // the most that the platform permits
	Err   error // what the platform said. It may be nil

	// Guessed says that the platform did not name its limit. Limit is then a smaller
	// size to try.
	Guessed bool

	// RetryAfter is how long the limit is remembered. A lack of room, such as on the
	// nodes of a cluster, passes within minutes. The limit of a plan or a quota does not.
	// 0 or less, or more than an hour: an hour.
	RetryAfter time.Duration
}

// Error says what was ordered and what is permitted.
func (e *LimitError) Error() string {
	s := fmt.Sprintf("autoscale: %s: above the platform's limit of %d", names.Count(e.Size, "process", "processes"), e.Limit)
	if e.Guessed {
		s = fmt.Sprintf("autoscale: %s: above the platform's limit, which it does not name. %d will be tried", names.Count(e.Size, "process", "processes"), e.Limit)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the platform's own error.
func (e *LimitError) Unwrap() error { return e.Err }

// A BusyError is a [Scaler]'s answer that the platform cannot serve a request now, for a
// reason that ends by itself. A release, a deployment or another operation is under way,
// somebody else changed the process type at the same moment, or there were too many
// requests. Nothing was changed, unless Unsure is set.
//
// For ten minutes, or for as long as an [OrderTimer] says, the [Autoscaler] holds the
// size, counts no failure, and does not resign. It tries again after RetryAfter, or in
// the next tick if that is not known. After that time the error counts like any other.
type BusyError struct {
	RetryAfter time.Duration // how long the platform asked to wait. 0: not known
	Err        error         // the platform's own words; may be nil

	// Unsure says that the order may have been carried out nevertheless, for example
	// because an earlier attempt at it had no answer. If the size then is the one that
	// was ordered, the Autoscaler counts it as its own.
	Unsure bool
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

// A PartialError is a [Scaler]'s answer that the platform carried out part of an order, for
// example because it starts processes one by one. The [Autoscaler] takes Reached for the
// size that it ordered, and orders the rest in the next tick, without a cooldown. What is
// recommended beyond the rest by then has its cooldown. If Reached is not between the size
// before and Size, the error counts like any other.
type PartialError struct {
	Size    int   // what was ordered
	Reached int   // what the platform runs, or is sure to run
	Err     error // why it did not carry out the rest. It may be nil
}

// Error says what was ordered and what was reached.
func (e *PartialError) Error() string {
	s := fmt.Sprintf("autoscale: part of the order was carried out: %d of %s", e.Reached, names.Count(e.Size, "process", "processes"))
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns why the platform did not carry out the rest.
func (e *PartialError) Unwrap() error { return e.Err }

// A Redeployer is a [Scaler] that may belong to a platform on which every order is a
// deployment: all processes are replaced, for minutes. The zero cooldowns of a [Config] are
// then ten minutes in each direction. Redeploys does no I/O, and is called by [New]. It is
// found through a wrapper too, as an [IdleCloser] is.
type Redeployer interface {
	Redeploys() bool
}

// redeploys reports whether each order of s is a deployment.
func redeploys(s Scaler) (yes bool) {
	// Validate reports a Scaler that panics.
	_ = guard.Do(func() error {
		if r, ok := part.As[Redeployer](s); ok {
			yes = r.Redeploys()
		}
		return nil
	})
	return yes
}

// An OrderTimer is a [Scaler] whose platform may work on one order for more than ten
// minutes. OrderTime returns the longest that an order takes. The size is then held that
// long, at least ten minutes and at most an hour, before a deployment or a [BusyError] counts
// as a failure. OrderTime does no I/O, and is called by [New]. It is found through a wrapper
// too, as an [IdleCloser] is.
type OrderTimer interface {
	OrderTime() time.Duration
}

// holdPatience returns for how long a [BusyError] or a deployment holds the size. It is
// bounded, so that one answer of a Scaler cannot silence the autoscaler.
func holdPatience(s Scaler) (hold time.Duration) {
	hold = patience.Hold
	_ = guard.Do(func() error {
		if o, ok := part.As[OrderTimer](s); ok {
			hold = min(max(hold, o.OrderTime()), patience.Longest)
		}
		return nil
	})
	return hold
}

// redeployCooldown is the default cooldown if each order is a deployment.
const redeployCooldown = 10 * time.Minute

// An IdleCloser is a [Prober] or a [Scaler] that keeps connections open. Run calls
// CloseIdleConnections when it ends. It is found through a wrapper too: one that embeds
// the Prober or the Scaler, or that has one of the methods
//
//	Unwrap() autoscale.Prober
//	Unwrap() autoscale.Scaler
type IdleCloser interface {
	CloseIdleConnections()
}
