package servertest

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/traffic"
)

// pairs are applications and process types whose names look alike, in one way or another.
var pairs = [][2]string{
	{"a/b", "c"},
	{"a", "b/c"},
	{"a%2Fb", "c"},
	{"a", "b%2Fc"},
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
	{"0", "b"},
	{"00", "b"},
	{"1", "b"},
	{"1.0", "b"},
	{strings.Repeat("a", 100), strings.Repeat("b", 99)},
	{strings.Repeat("a", 99), strings.Repeat("b", 99)},
	{strings.Repeat("a", 98), strings.Repeat("b", 100)},
}

// oneName checks that the lease, the state, the command, the history and the board of each
// pair are its own.
func oneName(t *testing.T, elector func(app string) *leader.Elector, board func(name string) traffic.MetricsBoard) {
	t.Helper()
	ctx := t.Context()
	type member struct {
		*leader.Elector
		board traffic.MetricsBoard
	}
	members := make([]member, len(pairs))
	for i, p := range pairs {
		e := elector(p[0])
		if err := e.SetDefaultName(p[1]); err != nil {
			t.Fatalf("%q: %v", p, err)
		}
		members[i] = member{e, board(p[0] + "|" + p[1])}
		campaign(t, e)
	}
	for i, m := range members {
		await(t, fmt.Sprintf("%q leads", pairs[i]), leads(m.Elector))
		text := []byte(fmt.Sprintf("%q", pairs[i]))
		term, _ := m.Current()
		if err := errors.Join(m.Save(ctx, term.Number, text), m.SaveHistory(ctx, term.Number, text), m.Command(ctx, text), m.board.Publish(ctx, "web.1", text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for i, m := range members {
		text := fmt.Sprintf("%q", pairs[i])
		err := m.Refresh(ctx)
		history, err2 := m.History(ctx)
		reports, err3 := m.board.Read(ctx, time.Minute)
		if err := errors.Join(err, err2, err3); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		record, _ := m.Record()
		if string(record.State) != text || string(record.Command) != text || string(history) != text || record.Holder != m.Holder() ||
			len(reports) != 1 || string(reports[0].Data) != text {
			t.Errorf("%s has the state %s, the command %s, the history %s, the holder %s and the reports %s", text, record.State, record.Command, history, record.Holder, reports)
		}
	}
}

// One name has one lease, one state, one command, one history and one board, in each
// database.
func TestOneNameOneLease(t *testing.T) {
	for name, s := range map[string]struct {
		driver string
		open   func(t *testing.T) *sql.DB
	}{
		"postgres": {"pgx", func(t *testing.T) *sql.DB {
			_, db := schema(t, servers.Postgres(t), "")
			return db
		}},
		"sqlite": {"sqlite", func(t *testing.T) *sql.DB { return openDB(t, "sqlite", sqliteFile(t)) }},
	} {
		t.Run(name, func(t *testing.T) {
			db := s.open(t)
			db.SetMaxOpenConns(4)
			if err := leader.CreateTable(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			oneName(t, func(app string) *leader.Elector {
				return leader.SQL(db, &leader.Options{App: app, TTL: time.Minute, Logger: quiet})
			}, func(name string) traffic.MetricsBoard {
				return leader.MetricsBoard(db, &leader.Options{Name: name})
			})
		})
	}
}
