package leader

import (
	"context"
	"fmt"

	"github.com/autoscalebot/autoscale"
)

var _ autoscale.HistoryStore = (*Elector)(nil)

// historyName is the name of the row whose command is the history of a lease. No lease can
// be called so, as the name of a lease is printable. The history is not kept with the
// state, because followers read the state all the time.
func historyName(lease string) string { return lease + "\x1fhistory" }

// SaveHistory replaces the history, if term is the one in which this process leads; see
// [autoscale.HistoryStore].
func (e *Elector) SaveHistory(ctx context.Context, term int64, history []byte) error {
	if err := e.Validate(); err != nil {
		return err
	}
	name := e.name()
	if len(history) > autoscale.MaxHistory {
		return fmt.Errorf("leader: save the history of %q: it has %d bytes, and at most %d are kept", name, len(history), autoscale.MaxHistory)
	}
	if t, ok := e.Current(); !ok || t.Number != term {
		return fmt.Errorf("leader: save the history of %q: term %d of %s is over: %w", name, term, e.holder, autoscale.ErrNotLeader)
	}
	history = append([]byte{}, history...)
	err := e.call(ctx, func(ctx context.Context) error { return e.lease.Command(ctx, historyName(name), history) })
	if err != nil {
		return fmt.Errorf("leader: save the history of %q: %w", name, err)
	}
	return nil
}

// History returns what was last saved; see [autoscale.HistoryStore]. Run need not be under
// way.
func (e *Elector) History(ctx context.Context) ([]byte, error) {
	if err := e.Validate(); err != nil {
		return nil, err
	}
	name := e.name()
	if name == "" {
		return nil, errNoName
	}
	var row Row
	err := e.call(ctx, func(ctx context.Context) (err error) {
		row, err = e.lease.Read(ctx, historyName(name), 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("leader: read the history of %q: %w", name, err)
	}
	return row.Command, nil
}

// Refresh reads the lease once, in one round trip, so that Record returns it. It does not
// campaign. It is for a program that only looks, or gives a command, and has no Run.
func (e *Elector) Refresh(ctx context.Context) error {
	if err := e.Validate(); err != nil {
		return err
	}
	name := e.name()
	if name == "" {
		return errNoName
	}
	err := e.call(ctx, func(ctx context.Context) error {
		row, err := e.lease.Read(ctx, name, e.version)
		if err == nil {
			e.note(row)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("leader: read the lease %q: %w", name, err)
	}
	return nil
}
