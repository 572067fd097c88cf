package kubernetes_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// TestFleetIsNotHeldUp has one request that is slow or hangs. Nothing else waits for it.
func TestFleetIsNotHeldUp(t *testing.T) {
	const targets, leases = 20, "/apis/coordination.k8s.io/v1/namespaces/default/leases/"
	hang := func(method, path string) kubetest.Fault {
		return kubetest.Fault{Method: method, Path: path, Hang: true, Times: -1}
	}
	for name, tt := range map[string]struct {
		faults []kubetest.Fault
		lost   int // the shard that cannot be held
	}{
		"the renewal of one of many shards":                 {lost: 3, faults: []kubetest.Fault{hang("PUT", leases+shardLease(3))}},
		"the Lease of a worker that died cannot be deleted": {lost: -1, faults: []kubetest.Fault{hang("DELETE", leases+"*")}},
		"the states of a shard take longer than a third of the TTL": {lost: -1, faults: []kubetest.Fault{
			{Verb: "list", Path: "/api/v1/namespaces/default/configmaps", Delay: 8 * time.Second, Times: -1},
		}},
		"each renewal takes two seconds": {lost: -1, faults: []kubetest.Fault{{Method: "PUT", Path: leases + "*", Delay: 2 * time.Second, Times: -1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				c.shards = 64
				for i := range targets {
					c.deploy(fmt.Sprint("t", i), 2, nil)
				}
				c.setLoad(func(int) int { return 2 }, targets)
				workers := []*worker{c.worker("a", nil), c.worker("b", nil), c.worker("c", nil)}
				time.Sleep(time.Minute)
				c.server.Inject(tt.faults...)
				for _, w := range workers[1:] { // they die, one long after the other
					w.gate.set(true)
					w.stop()
					<-w.ended
					time.Sleep(4 * time.Minute)
				}
				for range 20 {
					var missing []int
					s := workers[0].fleet.Status()
					for shard := range c.shards {
						held := false
						for _, has := range s.Shards {
							held = held || has == shard
						}
						if !held && shard != tt.lost {
							missing = append(missing, shard)
						}
					}
					if missing != nil {
						t.Errorf("nobody holds the shards %v, %v", missing, s.Err)
						break
					}
					time.Sleep(3 * time.Second)
				}
				c.mu.Lock()
				for i := range targets {
					target := fmt.Sprint("t", i)
					if age := time.Since(c.probes[target]["a"]); age > 31*time.Second && kubernetes.ShardOf("default/"+target, c.shards) != tt.lost {
						t.Errorf("%s was ticked %v ago", target, age)
					}
				}
				c.mu.Unlock()
				c.server.ClearFaults()
				for _, w := range workers {
					w.stop()
					<-w.ended
				}
			})
		})
	}
}

// TestFleetRunsAgain runs a fleet, and then runs it once more.
func TestFleetRunsAgain(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 2 }, 1)
		time.Sleep(2 * time.Minute)
		w.stop()
		if err := <-w.ended; err != nil {
			t.Fatal(err)
		}
		if all := w.fleet.Members(); len(all) != 0 {
			t.Errorf("a fleet that ended has %d members", len(all))
		}
		ctx, cancel := context.WithCancel(context.Background())
		w.stop, w.ended = cancel, make(chan error, 1)
		go func() { w.ended <- w.fleet.Run(ctx) }()
		c.setLoad(func(int) int { return 3 }, 1)
		time.Sleep(2 * time.Minute)
		if s := w.fleet.Status(); c.size("t0") != 3 || s.Members != 1 || len(s.Faults) > 0 {
			t.Errorf("t0 is at %d, %+v", c.size("t0"), s)
		}
	})
}

// TestFleetShowsAStatusWhileAWriteHangs has the write of a command without an answer. A page does
// not wait for it, and neither does a tick that changes nothing.
func TestFleetShowsAStatusWhileAWriteHangs(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 2, nil)
		c.setLoad(func(int) int { return 2 }, 1)
		time.Sleep(2 * time.Minute)
		m, ok := w.fleet.Lookup("default/t0")
		if !ok {
			t.Fatal("t0 is not a member")
		}
		c.server.Inject(kubetest.Fault{Path: "/api/v1/namespaces/default/configmaps/*", Hang: true, Times: -1}, kubetest.Fault{Method: "POST", Path: "/api/v1/namespaces/default/configmaps", Hang: true, Times: -1})
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
		defer cancel()
		paused := make(chan error, 1)
		go func() { paused <- m.Pause(ctx) }()
		time.Sleep(time.Second)
		shown := make(chan autoscale.Status, 1)
		go func() { shown <- m.Status() }()
		select {
		case s := <-shown:
			if s.Counters.Ticks == 0 {
				t.Errorf("%+v", s)
			}
		case err := <-paused:
			t.Errorf("Status waited for a write: %v", err)
		}
		ticks := m.Status().Counters.Ticks
		time.Sleep(50 * time.Second)
		if n := m.Status().Counters.Ticks; n == ticks {
			t.Error("no tick while the write hangs")
		}
		if err := <-paused; err == nil {
			t.Error("a write that hangs is a success")
		}
		c.server.ClearFaults()
	})
}

// A release that hangs delays no renewal. The states of one shard cannot be read, so that it is
// released between two rounds.
func TestFleetReleaseHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.server.Inject(kubetest.Fault{Verb: "list", Path: "/api/v1/namespaces/default/configmaps", Delay: 4 * time.Second, Status: http.StatusForbidden, Times: 1})
		w := c.worker("a", nil)
		w.gate.hang(func(body string) bool { return strings.Contains(body, `"holderIdentity":""`) })
		time.Sleep(time.Minute)
		renewed := make(map[string]time.Time)
		longest := time.Duration(0)
		for _, r := range c.server.Requests() {
			if r.Method != http.MethodPut || !strings.Contains(r.Body, `"holderIdentity":"a"`) {
				continue
			}
			if last, ok := renewed[r.Path]; ok && r.Time.Sub(last) < time.Minute/2 {
				longest = max(longest, r.Time.Sub(last))
			}
			renewed[r.Path] = r.Time
		}
		if every := 5 * time.Second; len(renewed) < shards || longest > every+every/2 {
			t.Errorf("%d leases were renewed, at the latest %v after the renewal before; want %v", len(renewed), longest, every)
		}
		w.gate.hang(nil)
		w.stop()
		<-w.ended
	})
}
