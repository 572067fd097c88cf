package redis_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/redis"
	"github.com/autoscalebot/autoscale/leader"
)

// BenchmarkLease measures round trips to a server on the same machine: a
// follower's, a leader's, and the leader's with the largest state.
func BenchmarkLease(b *testing.B) {
	client := newClient(b, options(b))
	prefix := unique(b)
	l := redis.Lease(client, prefix)
	b.Cleanup(func() { client.Del(context.Background(), prefix+"web") })
	ctx := b.Context()
	c := leader.Claim{Name: "web", Holder: "a", TTL: hour}
	row, ok, err := l.Acquire(ctx, c, leader.Row{}, false)
	if !ok || err != nil {
		b.Fatal(ok, err)
	}
	c.Term = row.Term
	state := bytes.Repeat([]byte{1}, autoscale.MaxState)
	if _, err := l.Save(ctx, c, state, 1); err != nil {
		b.Fatal(err)
	}
	b.Run("Read", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Read(ctx, "web", 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Renew", func(b *testing.B) {
		for b.Loop() {
			if _, ok, err := l.Renew(ctx, c, 1); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("Save64K", func(b *testing.B) {
		for b.Loop() {
			if ok, err := l.Save(ctx, c, state, 1); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}
