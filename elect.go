package autoscale

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// ErrNotLeader is what a [Autoscaler.Tick] returns in a process that does not
// lead: it measured nothing, called nobody and told nothing.
var ErrNotLeader = errors.New("autoscale: this process does not lead; another one acts")

// A Term is the time for which one process leads.
type Term struct {
	Holder string    // who leads, as a person would name the process
	Number int64     // grows with each new leader
	Until  time.Time // the end of trust, by the holder's own clock; zero: without end
}

// An Elector ensures that only one of the processes that run an [Autoscaler] acts. An
// Elector serves one Autoscaler.
//
// An Elector may also be a [Store], a [Resigner] and a [DefaultNamer]. All are found
// through a wrapper too: one that embeds the Elector, or that has a method
//
//	Unwrap() autoscale.Elector
type Elector interface {
	// Run campaigns, and renews what it won, until ctx ends; it then gives the
	// term up and returns nil. It retries what may pass, and returns an error
	// only for a permanent fault, which ends [Autoscaler.Run] as well.
	Run(ctx context.Context) error

	// Current returns the term in which this process leads, and false when it
	// does not, or can no longer be sure to. It does no I/O, reads the real
	// clock, and is safe for concurrent use.
	Current() (Term, bool)
}

// A DefaultNamer is an [Elector] or [Store] that can be named after the process type that it
// serves. Without such a name, the Autoscalers of two process types that share a
// database would compete for one lease.
type DefaultNamer interface {
	// SetDefaultName tells the Elector the Name of its [Config]. [New] calls it
	// before any other method, also through wrappers. It does no I/O. Its error is reported by
	// [Autoscaler.Run], [Autoscaler.Tick] and [Group.Validate], and wraps
	// [ErrConfig] there.
	SetDefaultName(name string) error
}

// A Store keeps, beside the lease, what a leader must not forget when it dies:
// when the size was last changed, what was told, and the like. An [Elector]
// that is also a Store is used as one. Its methods are safe for concurrent use.
type Store interface {
	// Record returns what the last round trip of the elector's Run saw, and
	// false before the first. It does no I/O.
	Record() (Record, bool)

	// Save replaces the state, in one round trip, if the term with that number
	// is still the current one and this process holds it. Otherwise it writes
	// nothing, the process leads no more, and the error wraps ErrNotLeader.
	// state is at most MaxState bytes.
	Save(ctx context.Context, term int64, state []byte) error

	// Command replaces the command, in one round trip. Any process may give
	// one; every leader obeys the last. command is at most MaxCommand bytes.
	Command(ctx context.Context, command []byte) error
}

// The bounds of what is kept in a [Store], in bytes.
const (
	MaxState   = 64 << 10
	MaxCommand = 1 << 10
)

// A Record is what a [Store] holds.
type Record struct {
	Holder  string        // who leads, or led last
	Term    int64         // the number of its term
	State   []byte        // as saved last, in whichever term; nil: never
	Age     time.Duration // of State, by the store's clock, when it was read
	Command []byte        // as given last; nil: never
	Read    time.Time     // when it was read, by this process's clock
}

// A Resigner is an [Elector] whose term can be given up, so that another
// process may try. A leader that cannot reach its platform resigns.
type Resigner interface {
	// Resign ends the term: Current returns false at once, and Run releases
	// the lease and does not campaign for as long as rest. It does no I/O and
	// is safe for concurrent use.
	Resign(rest time.Duration)
}

// setDefaultNames tells the Elector and the Store which process type they serve.
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
