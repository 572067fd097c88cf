package redis_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/contrib/redis"
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
		ctx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		t.Cleanup(func() { stop(); <-done })
	}
	for i, m := range members {
		eventually(t, fmt.Sprintf("%q leads", pairs[i]), func() bool { _, ok := m.Current(); return ok })
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

// One name has one lease, one state, one command, one history and one board.
func TestOneNameOneLease(t *testing.T) {
	client := startServer(t).client
	oneName(t, func(app string) *leader.Elector {
		return redis.New(client, &leader.Options{App: app, TTL: time.Minute, Logger: slog.New(slog.DiscardHandler)})
	}, func(name string) traffic.MetricsBoard {
		return redis.MetricsBoard(client, &leader.Options{Name: name})
	})
}

// No fault of the server that passes ends Run once the store has answered.
func TestNoTransientFaultEndsRun(t *testing.T) {
	s := startServer(t)
	const key = redis.DefaultPrefix + "web"
	for name, fault := range map[string]struct{ begin, end [][]any }{
		"the rights":           {[][]any{{"ACL", "SETUSER", "default", "-eval", "-evalsha"}}, [][]any{{"ACL", "SETUSER", "default", "+@all"}}},
		"a right in a script":  {[][]any{{"ACL", "SETUSER", "default", "-hset"}}, [][]any{{"ACL", "SETUSER", "default", "+@all"}}},
		"the key is another's": {[][]any{{"SET", key, "text"}}, [][]any{{"DEL", key}}},
		"the key is broken":    {[][]any{{"HDEL", key, "term"}}, [][]any{{"DEL", key}}},
		"the key is gone":      {[][]any{{"DEL", key}}, nil},
		"the scripts are gone": {[][]any{{"SCRIPT", "FLUSH"}}, nil},
		"a replica":            {[][]any{{"REPLICAOF", "127.0.0.1", "1"}}, [][]any{{"REPLICAOF", "NO", "ONE"}}},
		"no memory":            {[][]any{{"CONFIG", "SET", "maxmemory", "1"}}, [][]any{{"CONFIG", "SET", "maxmemory", "0"}}},
		"too few replicas":     {[][]any{{"CONFIG", "SET", "min-replicas-to-write", "1"}}, [][]any{{"CONFIG", "SET", "min-replicas-to-write", "0"}}},
		"killed connections":   {[][]any{{"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s.do("DEL", key)
			e := redis.New(s.client, &leader.Options{Name: "web", TTL: long, Renew: renew, Logger: slog.New(slog.DiscardHandler)})
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- e.Run(ctx) }()
			leads := func() bool { _, ok := e.Current(); return ok }
			eventually(t, "it leads", leads)
			for _, c := range fault.begin {
				s.do(c...)
			}
			e.Resign(0) // so that it asks for the lease at once
			for range 20 {
				_ = e.Command(ctx, []byte("pause"))
				_ = e.Refresh(ctx)
			}
			for _, c := range fault.end {
				s.do(c...)
			}
			eventually(t, "it leads again", leads)
			select {
			case err := <-done:
				t.Fatalf("Run ended: %v", err)
			default:
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
