package leader

import (
	"context"
	"time"
)

// A Lease is the store's side of an [Elector]. It keeps one [Row] for each name. Every
// method honours ctx, is atomic, and makes at most one round trip, or a few if the store
// needs them. An Elector makes one call at a time.
//
// A store without a clock, such as Kubernetes, sets Left of a lease that is held to its
// whole TTL. Such a lease does not expire by itself. An Elector that saw no renewal for
// the TTL, by its own clock, acquires it with stale set.
//
// An error means that the outcome is not known. An error that will not pass by itself,
// such as a missing right, is wrapped with [Permanent]. It ends [Elector.Run] if the
// store has never answered. All other errors are retried for ever. An error holds no
// secret.
//
// If a Lease has a method Validate() error, [Elector.Validate] calls it. If it has a
// method Store() any, that returns a comparable value that identifies the store, such as
// the client of a database. Without it the Lease itself identifies the store.
// [Elector.Run] needs this to find two Autoscalers of a process that have the same lease.
type Lease interface {
	// Read returns the row, or the zero Row if there is none. It must not change or lock
	// anything, because followers call it all the time. State is left out if Version
	// equals seen.
	Read(ctx context.Context, name string, seen int64) (Row, error)

	// Acquire makes c.Holder the leader of a new term for c.TTL, and returns the row with
	// its state, which is left out if Version equals last.Version. It does so,
	// atomically, if one of these is true:
	//
	//   - there is no row,
	//   - the lease has expired by the clock of the store,
	//   - c.Holder holds it already,
	//   - stale is true, and Holder, Term and Renewal are still those of last.
	//
	// Otherwise it changes nothing and returns false. The new term is above both c.Term
	// and the row's.
	Acquire(ctx context.Context, c Claim, last Row, stale bool) (Row, bool, error)

	// Renew extends the lease to c.TTL from now, increments Renewal, and returns the row
	// as Read does. It does so if c.Holder holds the lease in the term c.Term and the
	// lease has not expired. Otherwise it changes nothing and returns false.
	Renew(ctx context.Context, c Claim, seen int64) (Row, bool, error)

	// Release lets the lease expire now, if c.Holder holds it in the term
	// c.Term. Otherwise it changes nothing, and returns nil.
	Release(ctx context.Context, c Claim) error

	// Save replaces the state and its version, if c.Holder holds the lease in the term
	// c.Term, the lease has not expired, and the row's version is not above version. The
	// last condition keeps a Save that was given up, and arrives after a later one, from
	// restoring the older state. Otherwise Save changes nothing and returns false.
	// Versions have 53 bits.
	Save(ctx context.Context, c Claim, state []byte, version int64) (bool, error)

	// Command replaces the command. If there is no row, it makes one that nobody holds.
	// The history of a lease is stored as the command of a row of its own, whose name
	// ends in U+001F and "history". The history has up to [autoscale.MaxHistory] bytes.
	Command(ctx context.Context, name string, command []byte) error
}

// A Claim says which process asks a [Lease] for which term.
type Claim struct {
	Name   string        // of the lease
	Holder string        // the process: no two have the same
	Term   int64         // the one that is held; for Acquire, the greatest known
	TTL    time.Duration // a whole number of milliseconds
}

// A Row is what a [Lease] keeps for a name.
type Row struct {
	Holder  string        // the process that leads, or led last; empty: none ever did
	Term    int64         // 0: there was none
	Renewal int64         // changes with every renewal of the term
	TTL     time.Duration // as the holder claimed it
	Left    time.Duration // until the lease expires, by the store's clock; 0 or less: it has expired
	Version int64         // of State, chosen by the process that saved it, and growing; 0: nothing was saved
	State   []byte
	Age     time.Duration // since State was saved, by the store's clock
	Command []byte        // nil: none was given
}

// Permanent marks an error of a [Lease] as one that will not pass by itself. It
// returns nil for nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
