package leader

import (
	"context"
	"time"
)

// A Lease is the store's side of an [Elector]: it keeps one [Row] for each name.
// Every method is one round trip at most, or a few where a store needs them, honours
// ctx, and is atomic. An Elector makes one call at a time.
//
// A store without a clock, such as Kubernetes, gives a lease that is held its whole TTL
// in Left. It has not expired then until somebody else acquires it: an Elector that saw
// no renewal for the TTL, by its own clock, says that it is stale.
//
// An error means that the outcome is not known. One that will not pass by itself,
// such as a missing right, is wrapped with [Permanent], and ends [Elector.Run] if the store never answered before;
// all others are tried again for ever. An error holds no secret. If there is a method
// Validate() error, [Elector.Validate] calls it. If there is a method Store() any, it
// returns a comparable value that identifies the store, such as the client of a
// database. Without it the Lease itself identifies the store. [Elector.Run] needs this
// to find two Autoscalers of a process that have the same lease.
type Lease interface {
	// Read returns the row, without changing or locking anything: followers
	// call it all the time. It is the zero Row if there is none. State is left
	// out where Version is seen.
	Read(ctx context.Context, name string, seen int64) (Row, error)

	// Acquire makes c.Holder the leader of a new term for c.TTL, and returns
	// the row with its state, which is left out where Version is
	// last.Version. It does so, atomically, if there is no row, if the lease
	// has expired by the clock of the store, if c.Holder holds it already, or
	// if stale is true and Holder, Term and Renewal are still those of last.
	// Otherwise it changes nothing and returns false. The new term is above
	// c.Term as well as above the row's.
	Acquire(ctx context.Context, c Claim, last Row, stale bool) (Row, bool, error)

	// Renew extends the lease to c.TTL from now, counts up Renewal, and returns
	// the row as Read does, if c.Holder holds it in the term c.Term and it has
	// not expired. Otherwise it changes nothing and returns false.
	Renew(ctx context.Context, c Claim, seen int64) (Row, bool, error)

	// Release lets the lease expire now, if c.Holder holds it in the term
	// c.Term. Otherwise it changes nothing, and returns nil.
	Release(ctx context.Context, c Claim) error

	// Save replaces the state and its version, if c.Holder holds the lease in
	// the term c.Term, it has not expired, and the row's version is not above
	// version: one that was given up, and arrives after a later one, must not
	// bring the older state back. Otherwise it changes nothing and returns
	// false. Versions have 53 bits.
	Save(ctx context.Context, c Claim, state []byte, version int64) (bool, error)

	// Command replaces the command, and makes a row that nobody holds if there
	// is none. The history of a lease is the command of a row of its own, whose name
	// ends in U+001F and "history". It has up to [autoscale.MaxHistory] bytes.
	Command(ctx context.Context, name string, command []byte) error
}

// A Claim is who asks a [Lease] for what.
type Claim struct {
	Name   string        // of the lease
	Holder string        // the process: no two have the same
	Term   int64         // the one that is held; for Acquire, the greatest known
	TTL    time.Duration // a whole number of milliseconds
}

// A Row is what a [Lease] keeps for a name.
type Row struct {
	Holder  string        // who leads, or led last; empty: nobody ever did
	Term    int64         // 0: there was none
	Renewal int64         // changes with every renewal of the term
	TTL     time.Duration // as the holder claimed it
	Left    time.Duration // until the lease expires, by the store's clock; 0 or less: it has
	Version int64         // of State, chosen by who saved it, and growing; 0: nothing was saved
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
