package leader_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/leader"
)

// transient are faults of a store, by method. None of them ends a Run that had the lease
// once.
var transient = map[string]func(ctx context.Context, method string) error{
	"cut":                    cut,
	"swallowed":              hang,
	"permanent":              func(context.Context, string) error { return leader.Permanent(errors.New("the table is gone")) },
	"permanent, wrapped":     func(context.Context, string) error { return fmt.Errorf("w: %w", leader.Permanent(sql.ErrNoRows)) },
	"a panic":                func(context.Context, string) error { panic("the driver") },
	"a panic with an error":  func(context.Context, string) error { panic(leader.Permanent(io.EOF)) },
	"a nil error that is":    func(context.Context, string) error { return (*nilError)(nil) },
	"another's context":      func(context.Context, string) error { return context.Canceled },
	"another's deadline":     func(context.Context, string) error { return context.DeadlineExceeded },
	"a bad connection":       func(context.Context, string) error { return driver.ErrBadConn },
	"a closed pool":          func(context.Context, string) error { return sql.ErrConnDone },
	"not the leader":         func(context.Context, string) error { return autoscale.ErrNotLeader },
	"a configuration error":  func(context.Context, string) error { return autoscale.ErrConfig },
	"one method after other": func(_ context.Context, m string) error { return leader.Permanent(errors.New(m)) },
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// A transient fault never ends Run, in whichever call it comes, before the store did it or
// after. When it is over, the process leads again.
func TestNoTransientFaultEndsRun(t *testing.T) {
	for name, fault := range transient {
		for _, method := range []string{"", "read", "acquire", "renew", "save", "command"} {
			for _, late := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%s/late %v", name, method, late), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := newFakeStore()
						n := join(t, s, leader.Options{})
						disturb := func(ctx context.Context, m string) error {
							if method != "" && m != method {
								return nil
							}
							return fault(ctx, m)
						}
						if late {
							n.link.disturb(nil, disturb)
						} else {
							n.link.disturb(disturb, nil)
						}
						for range 4 {
							time.Sleep(10 * time.Minute)
							if term, ok := n.Current(); ok {
								_ = n.Save(t.Context(), term.Number, []byte("state"))
							}
							_ = n.Command(t.Context(), []byte("pause"))
						}
						n.link.disturb(nil, nil)
						select {
						case err := <-n.done:
							t.Fatalf("Run ended: %v", err)
						case <-time.After(3 * time.Minute):
						}
						if !n.leads() {
							t.Error("it does not lead although the store answers")
						}
						n.stop()
						if err := <-n.done; err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	}
}

// An elector without a store has no faults: its Run ends with its context.
func TestElectorsWithoutAStore(t *testing.T) {
	t.Setenv("DYNO", "web.1")
	t.Setenv("AUTOSCALE_TEST_INDEX", "0")
	for name, e := range map[string]autoscale.Elector{"Static(true)": leader.Static(true), "Static(false)": leader.Static(false), "Dyno": leader.Dyno(), "Index": leader.Index("AUTOSCALE_TEST_INDEX", 0)} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			start := time.Now()
			if err := e.Run(ctx); err != nil || time.Since(start) != time.Hour {
				t.Errorf("%s: %v after %v", name, err, time.Since(start))
			}
		})
	}
}
