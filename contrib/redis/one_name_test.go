package redis_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/internal/leasesuite"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/traffic"
)

// One name has one lease, one state, one command, one history and one board.
func TestOneNameOneLease(t *testing.T) {
	client := startServer(t).client
	leasesuite.OneName(t, func(app string) *leader.Elector {
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
