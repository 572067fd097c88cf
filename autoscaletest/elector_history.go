package autoscaletest

import (
	"bytes"
	"context"
	"errors"

	"github.com/autoscalebot/autoscale"
)

func testHistory(a *arena) {
	first, second := a.add("first"), a.add("second")
	one, ok := first.Elector.(autoscale.HistoryStore)
	if !ok {
		a.t.Skip("it is not a HistoryStore")
	}
	two := second.Elector.(autoscale.HistoryStore)
	ctx := context.Background()
	read := func(s autoscale.HistoryStore) (data []byte) {
		a.can("History", func() (err error) { data, err = s.History(ctx); return err })
		return data
	}
	if data := read(two); data != nil { // before any process has led
		a.t.Errorf("History before the first save is %d bytes, want nil", len(data))
	}
	a.start(first)
	term := a.led(first)
	history := bytes.Repeat([]byte{0xfb, 0}, autoscale.MaxHistory/2)
	for _, data := range [][]byte{[]byte("one"), history} {
		a.until("the leader saves the history", func() bool {
			term = a.led(first)
			return one.SaveHistory(ctx, term.Number, data) == nil
		})
		if got := read(two); !bytes.Equal(got, data) {
			a.t.Errorf("History of another process is %d bytes, want %d", len(got), len(data))
		}
	}
	if err := one.SaveHistory(ctx, term.Number, append(history, 0)); err == nil || errors.Is(err, autoscale.ErrNotLeader) {
		a.t.Errorf("SaveHistory of more than MaxHistory bytes: %v", err)
	}
	for _, s := range []autoscale.HistoryStore{one, two} {
		if err := s.SaveHistory(ctx, term.Number+1, []byte("false")); !errors.Is(err, autoscale.ErrNotLeader) {
			a.t.Errorf("SaveHistory under a term in which the process does not lead: %v", err)
		}
	}
	if store, ok := one.(autoscale.Store); ok {
		if r, _ := store.Record(); r.Command != nil || r.State != nil {
			a.t.Errorf("after SaveHistory the record has the state %q and the command %q, want neither", r.State, r.Command)
		}
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := two.History(canceled); err == nil {
		a.t.Error("History with a context that has ended returned no error")
	}
}
