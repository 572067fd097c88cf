package kubernetes_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/leader"
)

// benchClient returns a client of the API server that AUTOSCALE_TEST_KUBECONFIG names, or
// of a fake.
func benchClient(b *testing.B) *kubernetes.Client {
	if path := os.Getenv("AUTOSCALE_TEST_KUBECONFIG"); path != "" {
		return kubernetes.FromKubeconfig(path, "", &kubernetes.Options{QPS: 1e6})
	}
	return tokenClient(b, newServer(b), kubetest.Token)
}

// BenchmarkLease measures round trips to a server on the same machine: a renewal, a follower's
// look without the watch, and the saving of a small and of the largest state.
func BenchmarkLease(b *testing.B) {
	l := kubernetes.NewLease(benchClient(b))
	ctx := b.Context()
	c := leader.Claim{Name: "bench/web", Holder: "a", TTL: time.Hour}
	row, won, err := l.Acquire(ctx, c, leader.Row{}, false)
	if err == nil && !won { // the last benchmark's
		row, err = l.Read(ctx, c.Name, 0)
		if err == nil {
			row, won, err = l.Acquire(ctx, c, row, true)
		}
	}
	if !won || err != nil {
		b.Fatal(won, err)
	}
	c.Term = row.Term
	version := row.Version
	b.Run("Renew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok, err := l.Renew(ctx, c, 1); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("Read", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Read(ctx, c.Name, version); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, size := range map[string]int{"Save2K": 2 << 10, "Save64K": autoscale.MaxState} {
		state := bytes.Repeat([]byte{1}, size)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				version++
				if ok, err := l.Save(ctx, c, state, version); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}

// BenchmarkCurrent measures what the Autoscaler asks before each step, in a leader and in a
// follower.
func BenchmarkCurrent(b *testing.B) {
	client := benchClient(b)
	var all []*kubernetes.Elector
	for _, name := range []string{"leader", "follower"} {
		e := client.Elector(&leader.Options{Name: "bench/current", Holder: name, Logger: quiet})
		all = append(all, e)
		go func() { _ = e.Run(b.Context()) }()
		for deadline := time.Now().Add(time.Minute); name == "leader" && !leads(e); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				b.Fatal("it does not lead")
			}
		}
	}
	for i, name := range []string{"leader", "follower"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := all[i].Current(); ok != (i == 0) {
					b.Fatal(ok)
				}
			}
		})
	}
}
