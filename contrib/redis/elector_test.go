package redis_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/leader"
)

// A lease of short is one whose end a test waits for; in one of long no machine
// is too slow to renew.
const (
	short = 1500 * time.Millisecond
	long  = 20 * time.Second
	renew = 150 * time.Millisecond
)

func TestElector(t *testing.T) {
	o := options(t)
	autoscaletest.Elector(t, autoscaletest.ElectorOptions{TTL: short + renew}, func(t *testing.T) autoscaletest.Contest {
		name := unique(t)
		direct := newClient(t, o)
		t.Cleanup(func() { direct.Del(context.Background(), redis.DefaultPrefix+name) })
		cables := map[string]*cable{}
		return autoscaletest.Contest{
			New: func(holder string) autoscale.Elector {
				c := &cable{}
				cables[holder] = c
				o := *o
				o.Dialer = c.dial
				return redis.New(newClient(t, &o), &leader.Options{Name: name, Holder: holder, TTL: short, Renew: renew, Logger: slog.New(slog.DiscardHandler)})
			},
			Cut:  func(holder string, cut bool) { cables[holder].cut.Store(cut) },
			Step: func(d time.Duration) { step(t, direct, redis.DefaultPrefix+name, d) },
		}
	})
}

// step is to a lease as if the server's clock were set forward by d: all of its
// times are that much earlier.
func step(t testing.TB, client goredis.UniversalClient, key string, d time.Duration) {
	t.Helper()
	_, err := client.TxPipelined(context.Background(), func(p goredis.Pipeliner) error {
		for _, field := range []string{"expires", "saved"} {
			p.HIncrBy(context.Background(), key, field, -d.Microseconds())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// candidate is an elector that runs until the test ends.
type candidate struct {
	*leader.Elector
	t   testing.TB
	end func() error
}

func campaign(t testing.TB, client goredis.UniversalClient, holder string, ttl time.Duration) *candidate {
	t.Helper()
	c := &candidate{
		Elector: redis.New(client, &leader.Options{Name: "web", Holder: holder, TTL: ttl, Renew: renew, Logger: slog.New(slog.DiscardHandler)}),
		t:       t,
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	c.end = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := c.end(); err != nil {
			t.Errorf("Run of %s: %v", holder, err)
		}
	})
	return c
}

// led waits until c leads in a term other than the one given.
func (c *candidate) led(other int64) (term autoscale.Term) {
	c.t.Helper()
	eventually(c.t, "it leads in another term", func() (ok bool) {
		term, ok = c.Current()
		return ok && term.Number != other
	})
	return term
}

func (c *candidate) lost() {
	c.t.Helper()
	eventually(c.t, "it leads no more", func() bool { _, ok := c.Current(); return !ok })
}
