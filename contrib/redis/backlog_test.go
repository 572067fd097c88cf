package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/internal/programs"
	"github.com/autoscalebot/autoscale/rule"
)

// backlog probes, and returns the Sample without its time.
func backlog(t testing.TB, b redis.Backlog) autoscale.Sample {
	t.Helper()
	s, err := b.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.Time.IsZero() {
		t.Error("a Sample without its time")
	}
	s.Time = time.Time{}
	return s
}

func waiting(n float64) autoscale.Sample {
	return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: n}
}

func TestBacklog(t *testing.T) {
	server := startServer(t)
	trips := new(trips)
	client := newClient(t, &goredis.Options{Addr: server.addr})
	client.AddHook(trips)
	b := redis.Backlog{Client: client, Keys: []string{"queue:default", "queue:mailers"}}

	if got := backlog(t, b); got != waiting(0) {
		t.Errorf("of lists that do not exist: %+v", got)
	}
	server.do("LPUSH", "queue:default", "a", "b", "c") // as Sidekiq does
	server.do("LPUSH", "queue:mailers", "d")
	server.do("LPUSH", "queue:other", "e")
	before := *trips
	if got := backlog(t, b); got != waiting(4) {
		t.Errorf("of 3 and 1 jobs: %+v", got)
	}
	if trips.pipelines-before.pipelines != 1 || trips.commands != before.commands {
		t.Errorf("not one round trip: %+v and then %+v", before, *trips)
	}
	b.Busy = []string{"unacked"}
	want := waiting(4)
	want.Signals |= autoscale.SignalBusy
	if got := backlog(t, b); got != want {
		t.Errorf("with a hash that does not exist: %+v", got)
	}
	server.do("HSET", "unacked", "1", "f", "2", "g")
	want.Busy = 2
	if got := backlog(t, b); got != want {
		t.Errorf("with a hash of 2: %+v", got)
	}
	server.do("RPOP", "queue:default", "3")
	want.Backlog = 1
	if got := backlog(t, b); got != want {
		t.Errorf("of a list that is empty: %+v", got)
	}
}

// trips counts what a client sends.
type trips struct{ pipelines, commands int }

func (*trips) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (h *trips) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		h.commands++
		return next(ctx, cmd)
	}
}

func (h *trips) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		h.pipelines++
		return next(ctx, cmds)
	}
}

func TestBacklogFails(t *testing.T) {
	server := startServer(t)
	server.do("LPUSH", "queue", "a")
	server.do("SET", "text", "a")
	server.do("HSET", "hash", "a", "b")
	server.do("ACL", "SETUSER", "poorer", "on", ">hunter2", "~queue", "+eval", "+type")
	poorer := newClient(t, &goredis.Options{Addr: server.addr, Username: "poorer", Password: "hunter2"})
	server.do("ACL", "SETUSER", "poor", "on", ">hunter2", "~queue", "+eval", "+type", "+llen")
	poor := newClient(t, &goredis.Options{Addr: server.addr, Username: "poor", Password: "hunter2"})
	wrong := newClient(t, &goredis.Options{Addr: server.addr, Username: "poor", Password: "wrong-hunter2"})
	panics := newClient(t, &goredis.Options{Addr: server.addr})
	panics.AddHook(panicking{new(trips)})
	nobody := newClient(t, &goredis.Options{Addr: programs.FreeAddress(t), MaxRetries: -1})

	for _, tt := range []struct {
		name string
		b    redis.Backlog
		err  string // "": a sample
	}{
		{"enough rights", redis.Backlog{Client: poor, Keys: []string{"queue"}}, ""},
		{"no right to a key", redis.Backlog{Client: poor, Keys: []string{"queue", "other"}}, `may not count the jobs of the key "other": grant it ~other +eval`},
		{"no right to a hash", redis.Backlog{Client: poor, Keys: []string{"queue"}, Busy: []string{"unacked"}}, `may not count the jobs of the key "unacked": grant it ~unacked +eval`},
		{"no right to a command", redis.Backlog{Client: poorer, Keys: []string{"queue"}}, `may not count the jobs of the key "queue": grant it ~queue +eval`},
		{"a string", redis.Backlog{Client: server.client, Keys: []string{"queue", "text"}}, `the key "text" holds no jobs: check Backlog.Keys: WRONGTYPE The key holds a string`},
		{"a hash", redis.Backlog{Client: server.client, Keys: []string{"queue", "hash"}}, `the key "hash" holds no jobs: check Backlog.Keys: WRONGTYPE The key holds a hash`},
		{"a string as Busy", redis.Backlog{Client: server.client, Keys: []string{"queue"}, Busy: []string{"text"}}, `the key "text" holds no jobs: check Backlog.Busy`},
		{"wrong password", redis.Backlog{Client: wrong, Keys: []string{"queue"}}, "WRONGPASS"},
		{"no server", redis.Backlog{Client: nobody, Keys: []string{"queue"}}, "connection refused"},
		{"a hook that panics", redis.Backlog{Client: panics, Keys: []string{"queue"}}, "the client panicked: a hook"},
		{"nothing set", redis.Backlog{}, "Backlog.Client is nil"},
		{"nothing set", redis.Backlog{}, "Backlog.Keys is empty"},
		{"a client that is nil", redis.Backlog{Client: (*goredis.Client)(nil), Keys: []string{"queue"}}, "Backlog.Client is nil"},
		{"a key that is empty", redis.Backlog{Client: nobody, Keys: []string{"queue", ""}}, "Backlog.Keys[1] is empty"},
		{"a key twice", redis.Backlog{Client: nobody, Keys: []string{"queue", "a", "queue"}}, `Backlog.Keys[2] is "queue" once more`},
		{"a busy key twice", redis.Backlog{Client: nobody, Keys: []string{"queue"}, Busy: []string{"a", "a"}}, `Backlog.Busy[1] is "a" once more`},
		{"a busy key that is empty", redis.Backlog{Client: nobody, Keys: []string{"queue"}, Busy: []string{""}}, "Backlog.Busy[0] is empty"},
	} {
		s, err := tt.b.Probe(t.Context())
		switch {
		case tt.err == "" && (err != nil || s.Backlog != 1):
			t.Errorf("%s: %+v, %v", tt.name, s, err)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err) || s != autoscale.Sample{}):
			t.Errorf("%s: %+v, %v; want an error that says %q", tt.name, s, err, tt.err)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: a password shows in %v", tt.name, err)
		}
	}
}

type panicking struct{ *trips }

func (panicking) ProcessPipelineHook(goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(context.Context, []goredis.Cmder) error { panic("a hook") }
}

func TestBacklogEndsWithItsContext(t *testing.T) {
	server := startServer(t)
	var wire cable
	client := newClient(t, &goredis.Options{Addr: server.addr, Dialer: wire.dial, ReadTimeout: time.Minute})
	b := redis.Backlog{Client: client, Keys: []string{"queue"}}
	backlog(t, b)
	wire.cut.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if s, err := b.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("of a server that cannot be heard: %+v, %v", s, err)
	}
	if s, err := b.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a context that has ended: %+v, %v", s, err)
	}
}

func TestCeleryKeys(t *testing.T) {
	for _, tt := range []struct {
		got, want []string
	}{
		{redis.CeleryKeys("celery"), []string{"celery", "celery\x06\x163", "celery\x06\x166", "celery\x06\x169"}},
		{redis.CeleryKeys("my:celery", 0, 5), []string{"my:celery", "my:celery\x06\x165"}},
		{redis.CeleryKeys("celery", 0), []string{"celery"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// celery publishes two tasks of each priority by kombu, which Celery uses, takes as
// many as it is told, and dies before it can give them back.
const celery = `
import json, os, sys, kombu
url, queue, options, take = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
with kombu.Connection(url, transport_options=options) as connection:
    tasks = connection.SimpleQueue(queue)
    for priority in list(range(10)) * 2:
        tasks.put({"priority": priority}, priority=priority)
    tasks.consumer.qos(prefetch_count=take)
    for _ in range(take):
        tasks.get(timeout=60)
    print(tasks.channel._size(tasks.queue.name), flush=True)
    os._exit(0)
`

// TestCelery counts what kombu itself wrote and counts.
func TestCelery(t *testing.T) {
	python := kombu(t)
	for _, tt := range []struct {
		name, queue, options string
		keys                 []string
		unacked              string
	}{
		{"by default", "celery", `{}`, redis.CeleryKeys("celery"), "unacked"},
		{"other steps", "mail", `{"priority_steps": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]}`, redis.CeleryKeys("mail", 0, 1, 2, 3, 4, 5, 6, 7, 8, 9), "unacked"},
		{"a prefix", "celery", `{"global_keyprefix": "shop:"}`, redis.CeleryKeys("shop:" + "celery"), "shop:unacked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := startServer(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, python, "-c", celery, "redis://"+server.addr+"/0", tt.queue, tt.options, "1").CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != "19" {
				t.Fatalf("kombu: %v, and it counts %q", err, out)
			}
			want := waiting(19)
			want.Signals |= autoscale.SignalBusy
			want.Busy = 1
			if got := backlog(t, redis.Backlog{Client: server.client, Keys: tt.keys, Busy: []string{tt.unacked}}); got != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			// Each of the keys is there, and no other list.
			lists, _, err := server.client.ScanType(t.Context(), 0, "*", 1000, "list").Result()
			slices.Sort(lists)
			keys := slices.Sorted(slices.Values(tt.keys))
			if err != nil || !slices.Equal(lists, keys) {
				t.Errorf("the lists are %q, and of CeleryKeys %q: %v", lists, keys, err)
			}
		})
	}
}

// kombu returns a Python that has kombu and its way to Redis.
func kombu(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), python, "-c", "import kombu.transport.redis, redis").Run() == nil {
			return python
		}
	}
	programs.Missing(t, "there is no Python with kombu: install python3-kombu and python3-redis")
	return ""
}

func TestBacklogInATick(t *testing.T) {
	server := startServer(t)
	keys := redis.CeleryKeys("celery")
	for range 25 {
		server.do("LPUSH", keys[0], "task")
	}
	var size int
	a := autoscale.New(autoscale.Config{
		Name:    "worker",
		Prober:  redis.Backlog{Client: server.client, Keys: keys},
		Decider: rule.Backlog{PerProcess: 10},
		Scaler:  workers{&size},
		Max:     autoscale.Fixed(5),
		Logger:  slog.New(slog.DiscardHandler),
	})
	if _, err := a.Tick(t.Context(), time.Now()); err != nil || size != 3 {
		t.Errorf("%d workers for 25 jobs, 10 each: %v", size, err)
	}
}

type workers struct{ size *int }

func (w workers) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: max(*w.size, 1)}, nil
}

func (w workers) Scale(_ context.Context, size int) error {
	*w.size = size
	return nil
}
