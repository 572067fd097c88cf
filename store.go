package autoscale

import (
	"context"
	"time"
)

// A Store keeps what the next leader must know: when the size last changed, which
// conditions were reported, and so on. An [Elector] that is also a Store is used as one.
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
	MaxHistory = 48 << 10
)

// A HistoryStore is a [Store] that also keeps the history that a page shows, so that every
// process has it and a deploy does not lose it. No decision depends on it. It is found
// through a wrapper too, as a Store is. Its methods are safe for concurrent use.
type HistoryStore interface {
	// SaveHistory replaces the history, in one round trip, if this process leads in the
	// term with that number. Otherwise the error wraps ErrNotLeader. The check need not be
	// atomic. history has at most MaxHistory bytes.
	SaveHistory(ctx context.Context, term int64, history []byte) error

	// History returns what was last saved, in one round trip. Nil: never.
	History(ctx context.Context) ([]byte, error)
}

// A Record is what a [Store] holds.
type Record struct {
	Holder  string        // the process that leads, or led last
	Term    int64         // the number of its term
	State   []byte        // as last saved, in any term. Nil: never
	Age     time.Duration // the age of State, by the store's clock, when it was read
	Command []byte        // as last given. Nil: never
	Read    time.Time     // when it was read, by this process's clock
}
