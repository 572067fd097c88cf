package redis_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/redis"
)

// TestBacklogByType counts keys of every type, with the scores and markers that Sidekiq,
// asynq and BullMQ write.
func TestBacklogByType(t *testing.T) {
	client := newClient(t, options(t))
	now := time.Now()
	seconds := func(d time.Duration) float64 { return float64(now.Add(d).UnixMicro()) / 1e6 }
	millis := func(d time.Duration) float64 { return float64(now.Add(d).UnixMilli()) }
	bull := func(d time.Duration) float64 { return millis(d)*4096 + 7 }
	long := make([]any, 200)
	for i := range long {
		long[i] = fmt.Sprint("job-", i)
	}
	sorted := func(scores ...float64) [][]any {
		add := []any{"ZADD", ""}
		for i, score := range scores {
			add = append(add, fmt.Sprintf("%.6f", score), i)
		}
		return [][]any{add}
	}
	group := []any{"XGROUP", "CREATE", "", "workers", "0", "MKSTREAM"}
	entry := []any{"XADD", "", "*", "job", "1"}
	for _, tt := range []struct {
		name, key     string
		commands      [][]any // "" stands for the key
		waiting, busy float64 // busy -1: an error
	}{
		{"no key", "none", nil, 0, 0},
		{"a list", "queue:default", [][]any{{"LPUSH", "", "a", "b"}}, 2, 2},
		{"a set", "jobs", [][]any{{"SADD", "", "a", "b", "c"}}, 3, 3},
		{"Sidekiq's schedule", "schedule", sorted(seconds(-time.Hour), seconds(-time.Second), seconds(time.Hour)), 2, 3},
		{"Sidekiq's retry, none due", "retry", sorted(seconds(time.Minute), seconds(time.Hour)), 0, 2},
		{"asynq's retry", "asynq:{default}:retry", sorted(float64(now.Unix()-1), float64(now.Unix()+60)), 1, 2},
		{"asynq's pending", "asynq:{default}:pending", [][]any{{"LPUSH", "", "a"}}, 1, 1},
		{"asynq's active", "asynq:{default}:active", [][]any{{"LPUSH", "", "a", "b"}}, 2, 2},
		{"milliseconds", "later", sorted(millis(-time.Hour), millis(time.Hour), millis(24*time.Hour)), 1, 3},
		{"priorities", "urgent", sorted(-1, 0, 5, 1000), 4, 4},
		{"BullMQ's delayed", "bull:mail:delayed", sorted(bull(-time.Hour), bull(-time.Second), bull(time.Minute)), 2, 3},
		{"BullMQ's prioritized", "bull:mail:prioritized", sorted(1<<32+1, 5<<32+2, 2097152<<32+3), 3, 3},
		{"BullMQ's marker", "bull:mail:wait", [][]any{{"LPUSH", "", "0:0"}}, 0, 0},
		{"BullMQ's marker of a time", "bull:mail:wait", [][]any{{"LPUSH", "", "0:1700000000000"}}, 0, 0},
		{"BullMQ's marker of a fraction", "bull:mail:wait", [][]any{{"LPUSH", "", "0:1700000000000.1"}}, 0, 0},
		{"a marker among jobs", "bull:mail:wait", [][]any{{"LPUSH", "", "1", "0:0", "2", "repeat:0:5"}}, 3, 3},
		{"a marker in active", "bull:mail:active", [][]any{{"LPUSH", "", "1", "0:0"}}, 1, 1},
		{"not a marker", "queue:default", [][]any{{"LPUSH", "", "0:0"}}, 1, 1},
		{"a long list", "bull:mail:wait", [][]any{append([]any{"LPUSH", ""}, long...)}, 200, 200},
		{"a hash", "unacked", [][]any{{"HSET", "", "1", "a", "2", "b"}}, -1, 2},
		{"a string", "text", [][]any{{"SET", "", "a"}}, -1, -1},
		{"a stream without groups", "log", [][]any{entry, entry}, 2, 0},
		{"an unread stream", "events", [][]any{group, entry, entry}, 2, 0},
		{"a stream read by half", "events", [][]any{group, entry, entry, entry, {"XREADGROUP", "GROUP", "workers", "one", "COUNT", "1", "STREAMS", "", ">"}}, 2, 1},
		{"an empty stream", "events", [][]any{group}, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := unique(t) + ":" + tt.key
			t.Cleanup(func() { client.Del(context.Background(), key) })
			for _, command := range tt.commands {
				args := append([]any(nil), command...)
				for i := range args {
					if args[i] == "" {
						args[i] = key
					}
				}
				if err := client.Do(t.Context(), args...).Err(); err != nil {
					t.Fatalf("%v: %v", args, err)
				}
			}
			got, err := redis.Backlog{Client: client, Keys: []string{key}}.Probe(t.Context())
			if tt.waiting < 0 != (err != nil) || err == nil && got.Backlog != tt.waiting {
				t.Errorf("%v jobs wait, want %v: %v", got.Backlog, tt.waiting, err)
			}
			got, err = redis.Backlog{Client: client, Keys: []string{key + ":none"}, Busy: []string{key}}.Probe(t.Context())
			if tt.busy < 0 != (err != nil) || err == nil && (got.Busy != tt.busy || !got.Signals.Has(autoscale.SignalBusy)) {
				t.Errorf("%v jobs are under way, want %v: %v", got.Busy, tt.busy, err)
			}
		})
	}
}

// A stream whose unread entries were deleted has no known backlog.
func TestBacklogOfUnknownLag(t *testing.T) {
	client := newClient(t, options(t))
	key := unique(t)
	t.Cleanup(func() { client.Del(context.Background(), key) })
	ctx := t.Context()
	var ids []string
	for range 3 {
		ids = append(ids, client.XAdd(ctx, &goredis.XAddArgs{Stream: key, Values: []any{"job", "1"}}).Val())
	}
	client.XGroupCreate(ctx, key, "workers", ids[0])
	client.XDel(ctx, key, ids[1])
	if s, err := (redis.Backlog{Client: client, Keys: []string{key}}).Probe(ctx); err == nil {
		t.Errorf("%v jobs of a lag that the server does not know", s.Backlog)
	}
}
