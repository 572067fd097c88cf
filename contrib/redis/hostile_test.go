package redis_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/internal/hostiletest"
	"github.com/autoscalebot/autoscale/leader"
)

const hostilePassword = "Hunter2-Hunter2"

// doors has a line for each part of the package that asks a server.
var doors = []struct {
	name string
	call func(ctx context.Context, client goredis.UniversalClient) error
}{
	{"redis.New", func(ctx context.Context, client goredis.UniversalClient) error {
		e := redis.New(client, &leader.Options{Name: "web", TTL: 3 * time.Second, Logger: slog.New(slog.DiscardHandler)})
		_, err := e.History(ctx)
		return errors.Join(e.Run(ctx), e.Command(ctx, []byte("pause")), e.Refresh(ctx), err)
	}},
	{"redis.Lease", func(ctx context.Context, client goredis.UniversalClient) error {
		l, c := redis.Lease(client, "p:"), leader.Claim{Name: "web", Holder: "a", TTL: time.Second}
		_, _, err := l.Acquire(ctx, c, leader.Row{}, false)
		_, _, err2 := l.Renew(ctx, c, 0)
		_, err3 := l.Save(ctx, c, []byte("state"), 1)
		return errors.Join(err, err2, err3, l.Release(ctx, c))
	}},
	{"redis.MetricsBoard", func(ctx context.Context, client goredis.UniversalClient) error {
		b := redis.MetricsBoard(client, &leader.Options{Name: "web"})
		_, err := b.Read(ctx, time.Minute)
		return errors.Join(err, b.Publish(ctx, "web.1", []byte("report")))
	}},
	{"redis.Backlog", func(ctx context.Context, client goredis.UniversalClient) error {
		_, err := redis.Backlog{Client: client, Keys: []string{"a", "b"}, Busy: []string{"c"}}.Probe(ctx)
		return err
	}},
}

// stages are a conversation with a server that knows no HELLO, as an old one.
var stages = []hostiletest.Stage{
	{Name: "HELLO", Reply: "-ERR unknown command 'HELLO'\r\n"},
	{Name: "AUTH", Reply: "+OK\r\n"},
	{Name: "a command"},
}

var acts = []hostiletest.Act{
	hostiletest.Once("an error in a megabyte", "-ERR "+strings.Repeat("long \x1b[31m", 100_000)+"\r\n"),
	hostiletest.Once("WRONGTYPE", "-WRONGTYPE "+strings.Repeat("x", 10_000)+"\r\n"),
	hostiletest.Once("a string that never comes", "$100000\r\nhalf"),
	hostiletest.Once("a negative length", "$-7\r\n"),
	hostiletest.Once("an array of strangers", "*9\r\n:1\r\n+x\r\n$-1\r\n*0\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"),
	hostiletest.Endless("endless OK", "+OK\r\n"),
	hostiletest.Endless("endless pushes", ">2\r\n+message\r\n+x\r\n"),
	hostiletest.Slow("a slow answer", "*9\r\n$4\r\nslow\r\n$1\r\n1\r\n$1\r\n1\r\n"),
	hostiletest.Endless("MOVED in a circle", "-MOVED 1 127.0.0.1:1\r\n"),
	hostiletest.Endless("LOADING", "-LOADING Redis is loading the dataset in memory\r\n"),
}

// Each call ends at its deadline and when its context ends, and says what is wrong on short
// lines, whatever the server does.
func TestEachCallEnds(t *testing.T) {
	room := make(chan struct{}, 48)
	var wg sync.WaitGroup
	for _, b := range hostiletest.Scripts(stages, acts...) {
		s := hostiletest.Serve(b)
		t.Cleanup(s.Close)
		for _, d := range doors {
			wg.Go(func() {
				room <- struct{}{}
				defer func() { <-room }()
				client := goredis.NewClient(&goredis.Options{
					Addr: strings.TrimPrefix(s.URL, "http://"), Password: hostilePassword, DisableIdentity: true,
					ReadTimeout: time.Minute, DialTimeout: time.Minute, // only a context ends a call
				})
				defer func() { go client.Close() }()
				hostiletest.Ends(t, d.name+": "+b.Name, hostilePassword, func(ctx context.Context) error { return d.call(ctx, client) })
			})
		}
	}
	wg.Wait()
}
