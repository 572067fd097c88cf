package redis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/leader"
)

// hour is a TTL that does not end while a test runs.
const hour = time.Hour

func TestLease(t *testing.T) {
	client := newClient(t, options(t))
	prefix := unique(t)
	l := redis.Lease(client, prefix)
	ctx := t.Context()
	const name = "web {1} ü"
	t.Cleanup(func() { client.Del(context.Background(), prefix+name) })
	read := func(seen int64) leader.Row {
		t.Helper()
		row, err := l.Read(ctx, name, seen)
		if err != nil {
			t.Fatal(err)
		}
		return row
	}

	if row := read(0); !reflect.DeepEqual(row, leader.Row{}) {
		t.Errorf("there is a row before the first: %+v", row)
	}
	for what, f := range map[string]func(leader.Claim) (bool, error){
		"Renew":   func(c leader.Claim) (bool, error) { _, ok, err := l.Renew(ctx, c, 0); return ok, err },
		"Save":    func(c leader.Claim) (bool, error) { return l.Save(ctx, c, nil, 1) },
		"Release": func(c leader.Claim) (bool, error) { return false, l.Release(ctx, c) },
	} {
		if ok, err := f(leader.Claim{Name: name, Holder: "a", TTL: hour}); ok || err != nil {
			t.Errorf("%s where there is no row: %v, %v", what, ok, err)
		}
	}
	if n := client.Exists(ctx, prefix+name).Val(); n != 0 {
		t.Error("what changes nothing made a key")
	}

	// A command makes a row that nobody holds, and stays.
	command := bytes.Repeat([]byte{0, 0xff, '\n'}, autoscale.MaxCommand/3)
	if err := l.Command(ctx, name, command); err != nil {
		t.Fatal(err)
	}
	if row := read(0); row.Holder != "" || row.Term != 0 || row.Left > 0 || row.State != nil || row.Age != 0 || !bytes.Equal(row.Command, command) {
		t.Errorf("after a command the row is %+v", row)
	}

	a := leader.Claim{Name: name, Holder: "a", TTL: hour}
	first, ok, err := l.Acquire(ctx, a, leader.Row{}, false)
	if !ok || err != nil || first.Holder != "a" || first.Term <= 0 || first.TTL != hour || first.Left != hour || first.State != nil || !bytes.Equal(first.Command, command) {
		t.Fatalf("Acquire: %+v, %v, %v", first, ok, err)
	}
	a.Term = first.Term
	// Versions have 53 bits, and a state all its bytes.
	const last = 1<<53 - 1
	state := bytes.Repeat([]byte{0, 0xfe}, autoscale.MaxState/2)
	for _, version := range []int64{1, last - 1, last} {
		if ok, err := l.Save(ctx, a, state, version); !ok || err != nil {
			t.Fatalf("Save: %v, %v", ok, err)
		}
		if row := read(version + 1); !bytes.Equal(row.State, state) || row.Version != version || row.Age < 0 || row.Age > hour {
			t.Errorf("after Save the version is %d, its age %v; the state has %d bytes", row.Version, row.Age, len(row.State))
		}
		if row := read(version); row.State != nil {
			t.Error("a state that was seen was sent again")
		}
	}
	if ok, err := l.Save(ctx, a, []byte("late"), last-1); ok || err != nil {
		t.Errorf("a Save that came late: %v, %v", ok, err)
	}
	if row := read(0); !bytes.Equal(row.State, state) || row.Version != last {
		t.Error("a Save that came late brought an older state back")
	}
	if ok, err := l.Save(ctx, a, []byte{}, last); !ok || err != nil { // sent twice
		t.Fatalf("Save: %v, %v", ok, err)
	}
	if row := read(0); row.State == nil || len(row.State) > 0 {
		t.Errorf("an empty state became %#v", row.State)
	}

	renewed, ok, err := l.Renew(ctx, a, 0)
	if !ok || err != nil || renewed.Renewal == first.Renewal || renewed.Term != first.Term || renewed.State == nil {
		t.Errorf("Renew: %+v, %v, %v", renewed, ok, err)
	}
	// Who does not hold it, or in another term, changes nothing.
	for _, c := range []leader.Claim{{Name: name, Holder: "b", Term: a.Term, TTL: hour}, {Name: name, Holder: "a", Term: a.Term + 1, TTL: hour}, {Name: name, Holder: "a", Term: a.Term - 1, TTL: hour}} {
		_, ok, err := l.Renew(ctx, c, 0)
		saved, err2 := l.Save(ctx, c, []byte("x"), last)
		if err := errors.Join(err, err2, l.Release(ctx, c)); ok || saved || err != nil {
			t.Errorf("%+v renewed %v, saved %v: %v", c, ok, saved, err)
		}
	}
	if row := read(0); row.Renewal != renewed.Renewal || row.Left <= 0 || row.Version != last {
		t.Errorf("the row was changed: %+v", row)
	}

	// Another takes what is stale, and only if it is what was seen.
	b := leader.Claim{Name: name, Holder: "b", TTL: hour}
	other := renewed
	other.Holder = "c"
	for what, try := range map[string]struct {
		last  leader.Row
		stale bool
	}{"not stale": {renewed, false}, "renewed since": {first, true}, "another's": {other, true}, "nothing": {leader.Row{}, true}} {
		if _, ok, err := l.Acquire(ctx, b, try.last, try.stale); ok || err != nil {
			t.Errorf("%s: Acquire: %v, %v", what, ok, err)
		}
	}
	second, ok, err := l.Acquire(ctx, b, renewed, true)
	if !ok || err != nil || second.Holder != "b" || second.Term <= renewed.Term || second.State != nil || second.Version != last {
		t.Errorf("Acquire of a stale lease: %+v, %v, %v", second, ok, err)
	}
	if _, ok, err := l.Renew(ctx, a, 0); ok || err != nil {
		t.Errorf("renewed a term that is over: %v, %v", ok, err)
	}

	// The greatest term that a process knows counts, and not the clock alone.
	b.Term = second.Term + 1e15
	third, ok, err := l.Acquire(ctx, b, leader.Row{}, false)
	if !ok || err != nil || third.Term <= b.Term || third.State == nil {
		t.Errorf("Acquire by the holder, which knows of term %d, began term %d: %v, %v", b.Term, third.Term, ok, err)
	}
	fourth, ok, err := l.Acquire(ctx, leader.Claim{Name: name, Holder: "b", TTL: hour}, leader.Row{}, false)
	if !ok || err != nil || fourth.Term <= third.Term {
		t.Errorf("after term %d, ahead of the clock, comes %d: %v, %v", third.Term, fourth.Term, ok, err)
	}

	// A lease that expired is nobody's, and the term and the state stay.
	b.Term = fourth.Term
	if err := l.Release(ctx, b); err != nil {
		t.Fatal(err)
	}
	if row := read(0); row.Left > 0 || row.Term != fourth.Term || row.Holder != "b" || row.Version != last || !bytes.Equal(row.Command, command) {
		t.Errorf("after Release the row is %+v", row)
	}
	if left := client.PTTL(ctx, prefix+name).Val(); left != -1 {
		t.Errorf("the key itself expires in %v", left)
	}
}

// TestLeaseModel holds the lease against what it is to do, in words of Go, while
// three processes ask in any order and the clock jumps.
func TestLeaseModel(t *testing.T) {
	client := newClient(t, options(t))
	l := redis.Lease(client, "")
	ctx := t.Context()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		name := unique(t)
		t.Cleanup(func() { client.Del(context.Background(), redis.DefaultPrefix+name) })
		var now, expires time.Duration // of the model; a test takes no time of it
		var want leader.Row
		for i := range 100 {
			c := leader.Claim{Name: name, Holder: fmt.Sprint(r.IntN(3)), Term: want.Term - int64(r.IntN(4)/3), TTL: hour * time.Duration(1+r.IntN(3))}
			held := want.Holder == c.Holder && want.Term == c.Term && expires > now
			what := fmt.Sprintf("seed %d, step %d, by %s", seed, i, c.Holder)
			var ok, wanted bool
			var err error
			switch op := r.IntN(6); op {
			case 0:
				stale := r.IntN(4) == 0
				last := want
				last.Renewal -= int64(r.IntN(2))
				wanted = want.Holder == "" || want.Holder == c.Holder || expires <= now || stale && last.Renewal == want.Renewal
				var row leader.Row
				row, ok, err = l.Acquire(ctx, c, last, stale)
				if ok {
					if row.Term <= want.Term || row.Term <= c.Term {
						t.Fatalf("%s: after term %d, and %d, comes %d", what, want.Term, c.Term, row.Term)
					}
					want.Holder, want.Term, want.Renewal, want.TTL, expires = c.Holder, row.Term, 0, c.TTL, now+c.TTL
				}
			case 1:
				wanted = held
				_, ok, err = l.Renew(ctx, c, 0)
				if held {
					want.Renewal++
					want.TTL, expires = c.TTL, now+c.TTL
				}
			case 2:
				if err = l.Release(ctx, c); held {
					expires = math.MinInt64
				}
			case 3:
				wanted = held
				state := []byte(what)
				ok, err = l.Save(ctx, c, state, int64(i+1))
				if held {
					want.State, want.Version = state, int64(i+1)
				}
			case 4:
				want.Command = []byte(what)
				err = l.Command(ctx, name, want.Command)
			default:
				if client.Exists(ctx, redis.DefaultPrefix+name).Val() == 1 {
					d := hour/2 + time.Duration(r.IntN(2))*hour
					step(t, client, redis.DefaultPrefix+name, d)
					now += d
				}
			}
			if err != nil || ok != wanted {
				t.Fatalf("%s: %v, want %v: %v", what, ok, wanted, err)
			}
			row, err := l.Read(ctx, name, 0)
			if err != nil {
				t.Fatal(err)
			}
			if (row.Left > 0) != (expires > now) {
				t.Fatalf("%s: the lease has %v left, want %v", what, row.Left, expires-now)
			}
			row.Left, row.Age = 0, 0
			if !reflect.DeepEqual(row, want) {
				t.Fatalf("%s:\n got %+v\nwant %+v", what, row, want)
			}
		}
	}
}

func TestHundredNames(t *testing.T) {
	client := newClient(t, options(t))
	prefix := unique(t)
	l := redis.Lease(client, prefix)
	ctx := t.Context()
	for i := range 100 {
		c := leader.Claim{Name: fmt.Sprint("app-", i), Holder: fmt.Sprint("holder-", i), TTL: hour}
		if row, ok, err := l.Acquire(ctx, c, leader.Row{}, false); !ok || err != nil || row.Holder != c.Holder {
			t.Fatalf("%s: %+v, %v, %v", c.Name, row, ok, err)
		}
		t.Cleanup(func() { client.Del(context.Background(), prefix+c.Name) })
	}
	for i := range 100 {
		if row, err := l.Read(ctx, fmt.Sprint("app-", i), 0); err != nil || row.Holder != fmt.Sprint("holder-", i) {
			t.Errorf("app-%d: %+v, %v", i, row, err)
		}
	}
}

// TestRoundTrips counts what is sent to the server.
func TestRoundTrips(t *testing.T) {
	client := newClient(t, options(t))
	var count counter
	client.AddHook(&count)
	name := unique(t)
	l := redis.Lease(client, "")
	t.Cleanup(func() { client.Del(context.Background(), redis.DefaultPrefix+name) })
	ctx := t.Context()
	c := leader.Claim{Name: name, Holder: "a", TTL: hour}
	for range 2 { // the second time, the server knows the scripts
		count = 0
		row, ok, err := l.Acquire(ctx, c, leader.Row{}, false)
		c.Term = row.Term
		_, renewed, err1 := l.Renew(ctx, c, 0)
		saved, err2 := l.Save(ctx, c, []byte("state"), 1)
		_, err3 := l.Read(ctx, name, 0)
		if err := errors.Join(err, err1, err2, err3, l.Command(ctx, name, nil), l.Release(ctx, c)); err != nil || !ok || !renewed || !saved {
			t.Fatalf("%v, %v, %v: %v", ok, renewed, saved, err)
		}
	}
	if count != 6 {
		t.Errorf("6 calls took %d round trips", count)
	}
}

type counter int

func (c *counter) DialHook(next goredis.DialHook) goredis.DialHook { return next }
func (c *counter) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error { *c++; return next(ctx, cmd) }
}

func (c *counter) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error { *c++; return next(ctx, cmds) }
}

func TestValidate(t *testing.T) {
	ring := goredis.NewRing(&goredis.RingOptions{})
	defer ring.Close()
	cluster := goredis.NewClusterClient(&goredis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	defer cluster.Close()
	for name, test := range map[string]struct {
		client goredis.UniversalClient
		want   string
	}{
		"nil":         {nil, "the client is nil"},
		"nil Client":  {(*goredis.Client)(nil), "the client is nil"},
		"nil Cluster": {(*goredis.ClusterClient)(nil), "the client is nil"},
		"Ring":        {ring, "a Ring"},
		"Cluster":     {cluster, ""},
		"Client":      {newClient(t, &goredis.Options{Addr: "127.0.0.1:1"}), ""},
	} {
		e := redis.New(test.client, &leader.Options{Name: "web"})
		if err := e.Validate(); (err != nil) != (test.want != "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: Validate: %v", name, err)
		}
		if test.want != "" {
			if err := e.Run(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: Run: %v", name, err)
			}
		}
	}
}

// TestSecrets has everything fail that may repeat a password.
func TestSecrets(t *testing.T) {
	const secret = "hunter2"
	check := func(what, text string) {
		if strings.Contains(text, secret) {
			t.Errorf("%s holds the password: %s", what, text)
		}
	}
	o := options(t)
	url := "rediss://user:" + secret + "@example.org:6379/0"
	for what, o := range map[string]*goredis.Options{
		"an error": {Dialer: func(context.Context, string, string) (net.Conn, error) { return nil, fmt.Errorf("dial %s: no", url) }},
		"a panic":  {},
		"a provider": {Addr: o.Addr, TLSConfig: o.TLSConfig, CredentialsProviderContext: func(context.Context) (string, string, error) {
			return "", "", errors.New("password: " + secret)
		}},
	} {
		o.Password, o.Username, o.MaxRetries = secret, "user", -1
		client := newClient(t, o)
		if what == "a panic" {
			client.AddHook(&bomb{text: url})
		}
		l, e := redis.Lease(client, ""), redis.New(client, &leader.Options{Name: "web"})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := l.Read(ctx, "web", 0)
		cancel()
		if err == nil || !strings.Contains(err.Error(), "…") {
			t.Fatalf("%s: the error is %v", what, err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v"} {
			check(what+" as "+verb, fmt.Sprintf(verb, err))
			check("a Lease as "+verb, fmt.Sprintf(verb, l))
			check("an Elector as "+verb, fmt.Sprintf(verb, e))
		}
	}
}

// TestPanic holds that a hook of the host's does not take it down from a goroutine
// of ours.
func TestPanic(t *testing.T) {
	client := newClient(t, options(t))
	client.AddHook(&bomb{text: "boom"})
	if _, err := redis.Lease(client, "").Read(t.Context(), "web", 0); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("Read with a hook that panics: %v", err)
	}
}

type bomb struct {
	counter
	text string
}

func (b *bomb) ProcessHook(goredis.ProcessHook) goredis.ProcessHook {
	return func(context.Context, goredis.Cmder) error { panic(b.text) }
}
