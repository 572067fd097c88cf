package redis_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/leader"
)

// one is a Scaler of one process.
type one struct{}

func (one) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: 1}, nil
}
func (one) Scale(context.Context, int) error { return nil }

// Two applications of two process types each share a server. All four act.
func TestGroupsShareAServer(t *testing.T) {
	client, quiet := newClient(t, options(t)), slog.New(slog.DiscardHandler)
	var all []*autoscale.Autoscaler
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for _, app := range []string{unique(t) + "-shop", unique(t) + "-blog"} {
		var cfgs []autoscale.Config
		for _, name := range []string{"web", "worker"} {
			key := redis.DefaultPrefix + app + "/" + name
			t.Cleanup(func() { client.Del(context.Background(), key, key+"\x1fhistory") })
			cfgs = append(cfgs, autoscale.Config{
				Name: name, Scaler: one{}, Interval: 50 * time.Millisecond, Logger: quiet,
				Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
					return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 500 * time.Millisecond}, nil
				}),
				Elector: redis.New(client, &leader.Options{App: app, TTL: long, Renew: renew, Logger: quiet}),
			})
		}
		g := autoscale.NewGroup(cfgs...)
		all = append(all, g.Members()...)
		go func() { done <- g.Run(ctx) }()
	}
	eventually(t, "all four lead", func() bool {
		for _, a := range all {
			if !a.Status().Leading {
				return false
			}
		}
		return true
	})
	stop()
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// A lease that two Autoscalers share is found by the server and the keys' prefix.
func TestStore(t *testing.T) {
	client := newClient(t, &goredis.Options{Addr: "127.0.0.1:1"})
	store := func(prefix string) any {
		return redis.Lease(client, prefix).(interface{ Store() any }).Store()
	}
	if store("") != store(redis.DefaultPrefix) || store("") == store("other:") {
		t.Error("the stores do not differ by client and prefix")
	}
}
