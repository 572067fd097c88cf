package autoscale

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// ErrNotLeader is returned by [Autoscaler.Tick] in a process that does not lead. Such a
// tick measures, orders and notifies nothing.
var ErrNotLeader = errors.New("autoscale: this process does not lead; another one acts")

// A Term is the time for which one process leads.
type Term struct {
	Holder string    // the process that leads, by a name for people
	Number int64     // grows with each new leader
	Until  time.Time // when it ends, by the holder's clock. Zero: never
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
	// for a permanent fault, which ends [Autoscaler.Run] too.
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

// A Store keeps what the next leader must know: when the size last changed, which
// conditions were notified, and so on. An [Elector] that is also a Store is used as one.
// Its methods are safe for concurrent use.
type Store interface {
	// Record returns what the Elector's Run last read, and false if it has read nothing
	// yet. It does no I/O.
	Record() (Record, bool)

	// Save replaces the state, in one round trip, if this process still holds the term
	// with that number. Otherwise Save writes nothing, the process no longer leads,
	// and the error wraps ErrNotLeader. state has at most MaxState bytes.
	Save(ctx context.Context, term int64, state []byte) error

	// Command replaces the command, in one round trip. Any process may give a command.
	// Each leader obeys the last one. command has at most MaxCommand bytes.
	Command(ctx context.Context, command []byte) error
}

// The bounds of what is kept in a [Store], in bytes.
const (
	MaxState   = 64 << 10
	MaxCommand = 1 << 10
)

// A Record is what a [Store] holds.
type Record struct {
	Holder  string        // the process that leads, or led last
	Term    int64         // the number of its term
	State   []byte        // as last saved, in any term. Nil: never
	Age     time.Duration // of State, by the store's clock, when it was read
	Command []byte        // as last given. Nil: never
	Read    time.Time     // when it was read, by this process's clock
}

// A Resigner is an [Elector] that can give up its term, so that another process can
// lead. A leader that cannot reach its platform resigns.
type Resigner interface {
	// Resign ends the term. Current returns false at once. Run releases the lease, and
	// does not campaign for rest. Resign does no I/O, and is safe for concurrent use.
	Resign(rest time.Duration)
}

// setDefaultNames names the Elector and the Store after the process type.
func (a *Autoscaler) setDefaultNames() error {
	err := guard.Do(func() error {
		if n, ok := part.As[DefaultNamer](a.cfg.Elector); ok {
			if err := n.SetDefaultName(a.cfg.Name); err != nil {
				return err
			}
		}
		if n, ok := part.As[DefaultNamer](a.cfg.Store); ok {
			return n.SetDefaultName(a.cfg.Name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: Elector: %w", ErrConfig, err)
	}
	return nil
}

// validate reports what is wrong with the Config, or with the name of the Elector.
func (a *Autoscaler) validate() error {
	if err := a.cfg.Validate(); err != nil {
		return err
	}
	return a.nameErr
}
