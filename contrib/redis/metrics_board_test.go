package redis_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/traffic"
)

func TestMetricsBoard(t *testing.T) {
	client := newClient(t, options(t))
	name := unique(t)
	key := redis.ReportPrefix + name
	one, two, other := redis.MetricsBoard(client, &leader.Options{Name: name}), redis.MetricsBoard(client, &leader.Options{Name: name}), redis.MetricsBoard(client, &leader.Options{Name: name + "/other"})
	t.Cleanup(func() { client.Del(context.Background(), key, key+"/other") })
	publish := func(b traffic.MetricsBoard, member, data string) {
		t.Helper()
		if err := b.Publish(t.Context(), member, []byte(data)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(b traffic.MetricsBoard, fresh time.Duration, want ...string) []traffic.Report {
		t.Helper()
		reports, err := b.Read(t.Context(), fresh)
		var got []string
		for _, s := range reports {
			got = append(got, s.Member+"="+string(s.Data))
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
		return reports
	}
	// move gives a report an age by the server's clock.
	move := func(member, data string, age time.Duration) {
		t.Helper()
		now, err := client.Time(t.Context()).Result()
		if err == nil {
			err = client.HSet(t.Context(), key, member, fmt.Sprintf("%d %s", now.Add(-age).UnixMicro(), data)).Err()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	read(one, time.Hour)
	publish(one, "a", "\x00 \xff\n1")
	publish(two, "b", "2")
	publish(other, "c", "3")
	read(one, time.Hour, "b=2", "a=\x00 \xff\n1") // the youngest first
	read(other, time.Hour, "c=3")
	publish(one, "a", "4")
	read(two, time.Hour, "a=4", "b=2")
	publish(two, "b", "")
	publish(two, "nobody", "")
	read(one, time.Hour, "a=4")

	move("b", "5", 20*time.Second)
	if s := read(one, 25*time.Second, "a=4", "b=5"); len(s) == 2 && (s[1].Age < 20*time.Second || s[1].Age > 24*time.Second) {
		t.Errorf("b is %v old", s[1].Age)
	}
	move("b", "5", 25*time.Second)
	read(one, 25*time.Second, "a=4")
	move("b", "5", -time.Minute) // the server's clock was set back
	read(one, time.Hour, "a=4")

	// A process that starts sweeps out what is dead.
	move("dead", "6", 11*time.Minute)
	move("future", "6", -11*time.Minute)
	publish(one, "a", "7") // no new one
	if n := client.HLen(t.Context(), key).Val(); n != 4 {
		t.Errorf("%d reports, want 4", n)
	}
	publish(two, "new", "8")
	if n := client.HLen(t.Context(), key).Val(); n != 3 {
		t.Errorf("%d reports, want a, b and new", n)
	}
	if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 19*time.Minute || ttl > 20*time.Minute {
		t.Errorf("the key expires in %v, want 20 minutes", ttl)
	}

	if err := one.Publish(t.Context(), "a", make([]byte, traffic.MaxReportSize+1)); err == nil || !strings.Contains(err.Error(), "2049 bytes") {
		t.Errorf("too large: %v", err)
	}
	if err := one.Publish(t.Context(), "a", make([]byte, traffic.MaxReportSize)); err != nil {
		t.Error(err)
	}
	for i := range traffic.MaxReports + 5 {
		move(fmt.Sprint("m", i), "1", time.Second)
	}
	if reports, err := one.Read(t.Context(), time.Minute); err != nil || len(reports) != traffic.MaxReports {
		t.Errorf("%d reports, %v; want %d", len(reports), err, traffic.MaxReports)
	}
}

// On a platform that names the application, two of them on one server have boards of their own.
func TestMetricsBoardOfThePlatform(t *testing.T) {
	t.Setenv("HEROKU_APP_NAME", "")
	t.Setenv("FLY_APP_NAME", "")
	client, app := newClient(t, options(t)), unique(t)
	t.Cleanup(func() { client.Del(context.Background(), redis.ReportPrefix+app+"a", redis.ReportPrefix+app+"b") })
	for _, name := range []string{"a", "b"} {
		t.Setenv("RENDER_SERVICE_ID", app+name)
		b := redis.MetricsBoard(client, nil)
		if err := b.Publish(t.Context(), name, []byte(name)); err != nil {
			t.Fatal(err)
		}
		if reports, err := b.Read(t.Context(), time.Minute); err != nil || len(reports) != 1 || reports[0].Member != name {
			t.Errorf("%s reads %v, %v", name, reports, err)
		}
	}
}

func TestMetricsBoardFaults(t *testing.T) {
	s := startServer(t)
	fails := func(b traffic.MetricsBoard, want ...string) {
		t.Helper()
		publish := b.Publish(t.Context(), "a", []byte{1})
		_, read := b.Read(t.Context(), time.Minute)
		for _, err := range []error{publish, read} {
			for _, w := range want {
				if err == nil || !strings.Contains(err.Error(), w) {
					t.Errorf("%v, want %q", err, w)
				}
			}
		}
	}
	fails(redis.MetricsBoard(nil, nil), "redis: the client is nil")
	ctx := t.Context()
	s.client.Set(ctx, redis.ReportPrefix+"text", "x", 0)
	fails(redis.MetricsBoard(s.client, &leader.Options{Name: "text"}), `the key "autoscale:report:text" holds something other than a metrics board: delete it, or use another name`)
	s.client.HSet(ctx, redis.ReportPrefix+"hash", "x", "y")
	fails(redis.MetricsBoard(s.client, &leader.Options{Name: "hash"}), `holds something other than a metrics board`, "by its field x")

	must := func(args ...any) {
		t.Helper()
		if err := s.client.Do(ctx, args...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	must("ACL", "SETUSER", "poor", "on", ">p", "~other:*", "+@all")
	poor := newClient(t, &goredis.Options{Addr: s.addr, Username: "poor", Password: "p"})
	fails(redis.MetricsBoard(poor, &leader.Options{Name: "web"}), "grant it ~autoscale:report:web +eval +evalsha +time +hset +hdel +hgetall +pexpire")
	must("ACL", "SETUSER", "right", "on", ">p", "~autoscale:report:*", "+eval", "+evalsha", "+time", "+hset", "+hdel", "+hgetall", "+pexpire")
	right := redis.MetricsBoard(newClient(t, &goredis.Options{Addr: s.addr, Username: "right", Password: "p"}), nil)
	for _, report := range [][]byte{{1}, {2}, nil} {
		if err := right.Publish(ctx, "a", report); err != nil {
			t.Errorf("with exactly these rights: %v", err)
		}
	}
	if _, err := right.Read(ctx, time.Minute); err != nil {
		t.Errorf("with exactly these rights: %v", err)
	}

	must("REPLICAOF", "127.0.0.1", "1")
	if err := redis.MetricsBoard(s.client, nil).Publish(ctx, "a", []byte{1}); err == nil || !strings.Contains(err.Error(), "read-only replica: nothing is published until") {
		t.Errorf("%v", err)
	}
}

// What a restarted server forgot is there again with the next publication.
func TestMetricsBoardRestart(t *testing.T) {
	s := startServer(t)
	b := redis.MetricsBoard(s.client, nil)
	if err := b.Publish(t.Context(), "a", []byte{1}); err != nil {
		t.Fatal(err)
	}
	s.restart()
	if err := b.Publish(t.Context(), "a", []byte{2}); err != nil {
		t.Fatal(err)
	}
	if reports, err := b.Read(t.Context(), time.Minute); err != nil || len(reports) != 1 || reports[0].Data[0] != 2 {
		t.Errorf("%+v, %v", reports, err)
	}
}

// A server that does not answer holds nobody longer than the context.
func TestMetricsBoardHangs(t *testing.T) {
	var c cable
	o := options(t)
	o.Dialer = c.dial
	b := redis.MetricsBoard(newClient(t, o), &leader.Options{Name: unique(t)})
	if err := b.Publish(t.Context(), "a", []byte{1}); err != nil {
		t.Fatal(err)
	}
	c.cut.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := b.Read(ctx, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want that the deadline was exceeded", err)
	}
}
