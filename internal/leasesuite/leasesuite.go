// Package leasesuite has the tests that the leases of every store must pass in addition to
// those of autoscaletest.
package leasesuite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

// pairs are applications and process types whose names look alike, in one way or another.
var pairs = [][2]string{
	{"a/b", "c"},
	{"a", "b/c"},
	{"a%2Fb", "c"},
	{"a", "b%2Fc"},
	{"a.b", "c"},
	{"a", "b.c"},
	{"a", "b"},
	{"A", "b"},
	{"a", "B"},
	{"a ", "b"},
	{"a", " b"},
	{"a", "b "},
	{"\u00e9", "b"},
	{"e\u0301", "b"},
	{"\uff41", "b"},
	{"\u0430", "b"},
	{"%", "b"},
	{"_", "b"},
	{"*", "b"},
	{"a?", "b"},
	{"[a]", "b"},
	{"a\\", "b"},
	{"a'", "b"},
	{"a''", "b"},
	{"a\"", "b"},
	{"a;--", "b"},
	{"a:b", "c"},
	{"a", "b:c"},
	{"{a}", "b"},
	{"{a}b", "b"},
	{"$1", "b"},
	{"?1", "b"},
	{"NULL", "b"},
	{"a-", "b"},
	{"a", "-b"},
	{"a--2d", "b"},
	{"a--2fb", "c"},
	{"-", "-"},
	{"--", "-"},
	{"-", "--"},
	{"a-b", "c"},
	{"a", "b-c"},
	{"0", "b"},
	{"00", "b"},
	{"1", "b"},
	{"1.0", "b"},
	{"h", "b"},
	{"--h", "b"},
	{"web--1fhistory", "b"},
	{strings.Repeat("a", 100), strings.Repeat("b", 99)},
	{strings.Repeat("a", 99), strings.Repeat("b", 99)},
	{strings.Repeat("a", 98), strings.Repeat("b", 100)},
	{strings.Repeat("\u00e9", 50), strings.Repeat("b", 50)},
	{strings.Repeat("\u00e9", 50), strings.Repeat("b", 49)},
}

// An Elector is a leader.Elector, or one around it.
type Elector interface {
	autoscale.Elector
	autoscale.Store
	SetDefaultName(name string) error
	Holder() string
	Refresh(ctx context.Context) error
	History(ctx context.Context) ([]byte, error)
	SaveHistory(ctx context.Context, term int64, history []byte) error
}

// OneName checks that each of many pairs of an application and a process type has a lease, a
// state, a command, a history and a board of its own. elector returns an Elector whose
// Options have that App and no Name. board returns a board of that name. Nil: the store has
// none. OneName may run in a testing/synctest bubble.
func OneName[E Elector](t *testing.T, elector func(app string) E, board func(name string) traffic.MetricsBoard) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer func() { stop(); running.Wait() }()
	electors, boards := make([]E, len(pairs)), make([]traffic.MetricsBoard, len(pairs))
	for i, p := range pairs {
		e := elector(p[0])
		if err := e.SetDefaultName(p[1]); err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		electors[i] = e
		if board != nil {
			boards[i] = board(p[0] + "|" + p[1])
		}
		running.Go(func() {
			if err := e.Run(ctx); err != nil {
				t.Errorf("%q: Run: %v", p, err)
			}
		})
	}
	for i, e := range electors {
		text := fmt.Appendf(nil, "%q", pairs[i])
		var term autoscale.Term
		eventually(t, fmt.Sprintf("%s leads", text), func() error {
			var ok bool
			if term, ok = e.Current(); !ok {
				return errors.New("it has no term")
			}
			return nil
		})
		err := errors.Join(e.Save(ctx, term.Number, text), e.SaveHistory(ctx, term.Number, text), e.Command(ctx, text))
		if board != nil {
			err = errors.Join(err, boards[i].Publish(ctx, "web.1", text))
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for i, e := range electors {
		text := fmt.Sprintf("%q", pairs[i])
		eventually(t, text+" has what is its own", func() error {
			err := e.Refresh(ctx)
			history, err2 := e.History(ctx)
			var reports []traffic.Report
			var err3 error
			if board != nil {
				reports, err3 = boards[i].Read(ctx, time.Minute)
			}
			if err := errors.Join(err, err2, err3); err != nil {
				return err
			}
			r, _ := e.Record()
			if string(r.State) != text || string(r.Command) != text || string(history) != text || r.Holder != e.Holder() ||
				board != nil && (len(reports) != 1 || string(reports[0].Data) != text) {
				return fmt.Errorf("it has the state %s, the command %s, the history %s, the holder %s and the reports %s", r.State, r.Command, history, r.Holder, reports)
			}
			return nil
		})
	}
}

// eventually fails t if f returns an error for a minute.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Since(start) > time.Minute {
			t.Fatalf("not within a minute: %s: %v", what, err)
		}
	}
}
