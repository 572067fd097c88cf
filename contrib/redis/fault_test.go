package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/leader"
)

const webKey = redis.DefaultPrefix + "web"

// TestRestart kills the server: what it wrote to disk goes on, and what it did
// not starts anew, in a greater term all the same.
func TestRestart(t *testing.T) {
	for name, test := range map[string]struct {
		args  []string
		state string
	}{
		"with persistence":    {[]string{"--appendonly", "yes", "--appendfsync", "always"}, "state"},
		"without persistence": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, test.args...)
			first := campaign(t, newClient(t, &goredis.Options{Addr: s.addr}), "first", long)
			was := first.led(0)
			if err := first.Save(t.Context(), was.Number, []byte("state")); err != nil {
				t.Fatal(err)
			}
			s.restart()
			// Nobody who remembers the term is there any more.
			if err := first.end(); err != nil {
				t.Fatal(err)
			}
			second := campaign(t, newClient(t, &goredis.Options{Addr: s.addr}), "second", long)
			now := second.led(0)
			if now.Number <= was.Number {
				t.Errorf("after term %d comes %d", was.Number, now.Number)
			}
			if r, _ := second.Record(); string(r.State) != test.state {
				t.Errorf("the new leader starts from %q, want %q", r.State, test.state)
			}
		})
	}
}

// TestRestartUnderLeader restarts the server under a leader that goes on.
func TestRestartUnderLeader(t *testing.T) {
	s := startServer(t)
	first := campaign(t, newClient(t, &goredis.Options{Addr: s.addr}), "first", long)
	was := first.led(0)
	s.restart()
	if now := first.led(was.Number); now.Number < was.Number {
		t.Errorf("after term %d comes %d", was.Number, now.Number)
	}
}

func TestFlush(t *testing.T) {
	s := startServer(t)
	first := campaign(t, newClient(t, &goredis.Options{Addr: s.addr}), "first", long)
	was := first.led(0)
	s.do("SCRIPT", "FLUSH")
	if err := first.Save(t.Context(), was.Number, []byte("state")); err != nil {
		t.Errorf("Save after SCRIPT FLUSH: %v", err)
	}
	s.do("FLUSHALL")
	if err := first.Save(t.Context(), was.Number, []byte("state")); err == nil {
		t.Error("Save after FLUSHALL returned nil")
	}
	if now := first.led(was.Number); now.Number < was.Number {
		t.Errorf("after term %d comes %d", was.Number, now.Number)
	}
}

// TestPromotion promotes a replica while the primary still serves: the one thing
// that Redis cannot keep two leaders from.
func TestPromotion(t *testing.T) {
	for name, replicated := range map[string]bool{"replicated": true, "behind": false} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			// One second is the shortest that Redis knows.
			old := startServer(t, "--min-replicas-max-lag", "1", "--repl-ping-replica-period", "1")
			replica := startServer(t)
			host, port, _ := net.SplitHostPort(old.addr)
			oldLease, newLease := redis.Lease(old.client, ""), redis.Lease(replica.client, "")
			if replicated {
				replica.do("REPLICAOF", host, port)
				eventually(t, "the replica is one", func() bool {
					return strings.Contains(replica.client.Info(ctx, "replication").Val(), "master_link_status:up")
				})
			}
			a := leader.Claim{Name: "web", Holder: "a", TTL: hour}
			was, ok, err := oldLease.Acquire(ctx, a, leader.Row{}, false)
			if !ok || err != nil {
				t.Fatalf("Acquire: %v, %v", ok, err)
			}
			a.Term = was.Term

			b := leader.Claim{Name: "web", Holder: "b", TTL: hour}
			if replicated {
				if n, err := old.client.Wait(ctx, 1, time.Minute).Result(); n != 1 {
					t.Fatalf("the lease did not reach the replica: %v", err)
				}
				if row, err := newLease.Read(ctx, "web", 0); err != nil || row.Holder != "a" || row.Term != was.Term || row.Left <= 0 {
					t.Errorf("the replica has %+v, %v", row, err)
				}
				_, _, err := newLease.Renew(ctx, a, 0)
				if err == nil || permanent(err) || !strings.Contains(err.Error(), "read-only replica") {
					t.Errorf("Renew on a replica: %v", err)
				}
				replica.do("REPLICAOF", "NO", "ONE")
				step(t, replica.client, webKey, 2*hour)
			}
			now, ok, err := newLease.Acquire(ctx, b, leader.Row{}, false)
			if !ok || err != nil {
				t.Fatalf("Acquire on what was a replica: %v, %v", ok, err)
			}
			if now.Term <= was.Term {
				t.Errorf("after term %d comes %d", was.Term, now.Term)
			}
			// This is what the documentation says of two leaders, and their terms.
			if row, ok, err := oldLease.Renew(ctx, a, 0); !ok || err != nil || row.Term == now.Term {
				t.Errorf("Renew on the old primary: %+v, %v, %v", row, ok, err)
			}
			// A primary that needs a replica takes nothing without one.
			old.do("CONFIG", "SET", "min-replicas-to-write", "1")
			eventually(t, "the old primary takes no renewals", func() bool {
				_, ok, err = oldLease.Renew(ctx, a, 0)
				return err != nil
			})
			if ok || permanent(err) || !strings.Contains(err.Error(), "NOREPLICAS") {
				t.Errorf("Renew on a primary without its replica: %v, %v", ok, err)
			}
			// The old primary joins the new one, and forgets.
			host, port, _ = net.SplitHostPort(replica.addr)
			old.do("REPLICAOF", host, port)
			eventually(t, "the old primary has the new lease", func() bool {
				row, _ := oldLease.Read(ctx, "web", 0)
				return row.Holder == "b" && row.Term == now.Term
			})
			if _, ok, err := oldLease.Renew(ctx, a, 0); ok || permanent(err) {
				t.Errorf("Renew on what was the primary: %v, %v", ok, err)
			}
		})
	}
}

// TestDemotion has a leader find itself on a replica, and come back.
func TestDemotion(t *testing.T) {
	old, other := startServer(t), startServer(t)
	first := campaign(t, newClient(t, &goredis.Options{Addr: old.addr}), "first", short)
	was := first.led(0)
	host, port, _ := net.SplitHostPort(other.addr)
	old.do("REPLICAOF", host, port)
	first.lost()
	old.do("REPLICAOF", "NO", "ONE")
	if now := first.led(was.Number); now.Number < was.Number {
		t.Errorf("after term %d comes %d", was.Number, now.Number)
	}
}

func TestRights(t *testing.T) {
	s := startServer(t)
	as := func(user string, rights ...any) *goredis.Client {
		s.do(append([]any{"ACL", "SETUSER", user, "on", ">hunter2"}, rights...)...)
		return newClient(t, &goredis.Options{Addr: s.addr, Username: user, Password: "hunter2"})
	}
	// The rights of the package's documentation are enough for everything.
	l := redis.Lease(as("enough", "~autoscale:lease:*", "+eval", "+evalsha", "+time", "+exists", "+hget", "+hmget", "+hset"), "")
	c := leader.Claim{Name: "web", Holder: "a", TTL: hour}
	row, ok, err := l.Acquire(t.Context(), c, leader.Row{}, false)
	c.Term = row.Term
	_, renewed, err1 := l.Renew(t.Context(), c, 0)
	saved, err2 := l.Save(t.Context(), c, []byte("state"), 1)
	read, err3 := l.Read(t.Context(), "web", 0)
	if err := errors.Join(err, err1, err2, err3, l.Command(t.Context(), "web", nil), l.Release(t.Context(), c)); !ok || !renewed || !saved || read.Term == 0 || err != nil {
		t.Errorf("with the rights that are documented: %v, %v, %v, %+v: %v", ok, renewed, saved, read, err)
	}
	s.do("DEL", webKey)
	for name, client := range map[string]*goredis.Client{
		"none":    as("none"),
		"key":     as("key", "~other:*", "+@all"),
		"eval":    as("eval", "~*", "+@all", "-eval"),
		"evalsha": as("evalsha", "~*", "+@all", "-evalsha"),
		"time":    as("time", "~*", "+@all", "-time"),
		"exists":  as("exists", "~*", "+@all", "-exists"),
		"hset":    as("hset", "~*", "+@all", "-hset"),
	} {
		s.do("SCRIPT", "FLUSH")
		err := fatal(t, redis.New(client, &leader.Options{Name: "web"}))
		if err == nil || !strings.Contains(err.Error(), "+evalsha") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a user without the right %q: %v", name, err)
		}
	}
	// A password may be about to be changed: it is tried again.
	wrong := newClient(t, &goredis.Options{Addr: s.addr, Username: "enough", Password: "hunter3"})
	if _, err := redis.Lease(wrong, "").Read(t.Context(), "web", 0); err == nil || permanent(err) || strings.Contains(err.Error(), "hunter3") {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestNoScripts(t *testing.T) {
	for _, command := range []string{"EVALSHA", "EVAL", "TIME"} {
		s := startServer(t, "--rename-command", command, "")
		if err := fatal(t, redis.New(s.client, &leader.Options{Name: "web"})); err == nil || !strings.Contains(err.Error(), "Redis 5") {
			t.Errorf("without %s: %v", command, err)
		}
	}
}

func TestForeignKey(t *testing.T) {
	client := newClient(t, options(t))
	lease := []any{"holder", "x", "term", "1", "renewal", "0", "ttl", "0", "expires", "0", "version", "0", "saved", "0"}
	for what, command := range map[string][]any{
		"a string":                    {"SET", "text"},
		"a list":                      {"LPUSH", "text"},
		"another hash":                {"HSET", "field", "text"},
		"a hash of half a lease":      {"HSET", "holder", "x", "term", "1"},
		"a term that is not a number": append([]any{"HSET"}, append(lease, "term", "one")...),
		"a term that is a fraction":   append([]any{"HSET"}, append(lease, "term", "1.5")...),
		"a term above all":            append([]any{"HSET"}, append(lease, "term", "9007199254740992")...),
	} {
		name := unique(t)
		key := redis.DefaultPrefix + name
		t.Cleanup(func() { client.Del(context.Background(), key) })
		args := append([]any{command[0], key}, command[1:]...)
		if err := client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		was := client.Dump(t.Context(), key).Val()
		err := fatal(t, redis.New(client, &leader.Options{Name: name}))
		if err == nil || !strings.Contains(err.Error(), "delete it, or use another Name or prefix") {
			t.Errorf("%s: Run: %v", what, err)
		}
		if client.Dump(t.Context(), key).Val() != was {
			t.Errorf("%s: it was changed", what)
		}
	}
}

// TestCluster has leases on both servers of a Redis Cluster.
func TestCluster(t *testing.T) {
	ctx := t.Context()
	args := []string{"--cluster-enabled", "yes", "--cluster-node-timeout", "5000"}
	one, two := startServer(t, args...), startServer(t, args...)
	one.do("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
	two.do("CLUSTER", "ADDSLOTSRANGE", 8192, 16383)
	two.do("CLUSTER", "SET-CONFIG-EPOCH", 2)
	host, port, _ := net.SplitHostPort(two.addr)
	one.do("CLUSTER", "MEET", host, port)
	for _, s := range []*server{one, two} {
		eventually(t, "the cluster is complete", func() bool {
			info := s.client.ClusterInfo(ctx).Val()
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384")
		})
	}
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{one.addr}})
	defer cluster.Close()
	l := redis.Lease(cluster, "")
	for i := range 20 {
		c := leader.Claim{Name: fmt.Sprint("app-", i), Holder: "a", TTL: hour}
		row, ok, err := l.Acquire(ctx, c, leader.Row{}, false)
		c.Term = row.Term
		saved, err2 := l.Save(ctx, c, []byte("state"), 1)
		if err := errors.Join(err, err2); !ok || !saved || err != nil {
			t.Fatalf("%s: %v, %v: %v", c.Name, ok, saved, err)
		}
	}
	for _, s := range []*server{one, two} {
		if n := s.client.DBSize(ctx).Val(); n == 0 || n == 20 {
			t.Errorf("one of the servers has %d of 20 leases", n)
		}
	}
	// The error of a client that knows one server only says what to do.
	var err error
	for i := range 20 {
		if _, e := redis.Lease(one.client, "").Read(ctx, fmt.Sprint("app-", i), 0); e != nil {
			err = e
		}
	}
	if err == nil || permanent(err) || !strings.Contains(err.Error(), "NewClusterClient") {
		t.Errorf("with a client of one server: %v", err)
	}
}

// fatal returns the error with which a Run ends by itself.
func fatal(t *testing.T, e *leader.Elector) error {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return e.Run(ctx)
}

// permanent reports whether a Run would end with err.
func permanent(err error) bool {
	if err == nil {
		return false
	}
	lease := failing{err: err}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	lease.tried = cancel
	return leader.New(&lease, &leader.Options{Name: "web"}).Run(ctx) != nil
}

// failing is a Lease that fails, and ends the context when it is asked again.
type failing struct {
	leader.Lease
	err   error
	tried func()
	asked bool
}

func (f *failing) Read(context.Context, string, int64) (leader.Row, error) {
	if f.asked {
		f.tried()
	}
	f.asked = true
	return leader.Row{}, f.err
}
