package autoscale

import (
	"context"
	"errors"
	"time"
)

// ErrNotLeader is returned by [Autoscaler.Tick] in a process that does not lead. Such a
// tick measures, orders and notifies nothing.
var ErrNotLeader = errors.New("autoscale: this process does not lead; another one acts")

// ErrStoreSilent is returned by [Autoscaler.Tick] in a process that does not lead, as long as
// its [Store] has not answered once: it is not known which process leads, or whether one does.
// It wraps [ErrNotLeader].
var ErrStoreSilent error = storeSilentError{}

type storeSilentError struct{}

func (storeSilentError) Error() string {
	return "autoscale: the Store has not answered yet, so it is not known which process leads; this one scales nothing until it answers"
}

func (storeSilentError) Unwrap() error { return ErrNotLeader }

// A Term is the time for which one process leads.
type Term struct {
	Holder string    // the process that leads, by a name for people
	Number int64     // grows with each new leader
	Until  time.Time // when it ends, by the holder's clock. Zero: never
}

// who names the process that leads, for events that the pages of other processes show too.
func (t Term) who() string {
	if t.Holder == "" {
		return "this process"
	}
	return "the process " + t.Holder
}

// An Elector ensures that only one of the processes that run an [Autoscaler] acts. An
// Elector serves one Autoscaler.
//
// An Elector may also be a [Store], a [Resigner] and a [DefaultNamer]. All are found
// through a wrapper too: one that embeds the Elector, or that has a method
//
//	Unwrap() autoscale.Elector
type Elector interface {
	// Run campaigns for the term, and renews it, until ctx ends. It then gives the
	// term up and returns nil. It retries transient errors. It returns an error only
	// for a fault that is permanent before its first success. [Autoscaler.Run] then scales
	// nothing more.
	Run(ctx context.Context) error

	// Current returns the term in which this process leads. It returns false if this
	// process does not lead, or can no longer be sure of it. It does no I/O, reads the
	// real clock, and is safe for concurrent use.
	Current() (Term, bool)
}

// A DefaultNamer is an [Elector] or [Store] that can be named after the process type that it
// serves. Without such a name, the Autoscalers of two process types that share a
// database would compete for one lease.
type DefaultNamer interface {
	// SetDefaultName sets the name to use if none was set: the Name of the [Config].
	// [New] calls it before any other method, also through wrappers. It does no I/O.
	// [Autoscaler.Run], [Autoscaler.Tick] and [Group.Validate] report its error,
	// wrapped with [ErrConfig].
	SetDefaultName(name string) error
}

// A Resigner is an [Elector] that can give up its term, so that another process can
// lead. A leader that cannot reach its platform resigns.
type Resigner interface {
	// Resign ends the term. Current returns false at once. Run releases the lease, and
	// does not campaign for rest. Resign does no I/O, and is safe for concurrent use.
	Resign(rest time.Duration)
}
