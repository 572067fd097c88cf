package kubernetes_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// TestFleetDeletesLeasesOfTheDead has a worker that is killed, and one that comes back in time.
func TestFleetDeletesLeasesOfTheDead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b, d := c.worker("a", nil), c.worker("b", nil), c.worker("d", nil)
		time.Sleep(time.Minute)
		b.gate.set(true)
		b.stop()
		<-b.ended
		d.gate.set(true)
		const ttl = 15 * time.Second
		time.Sleep(9 * ttl)
		if n := len(c.leases("worker.b")); n != 1 {
			t.Error("the Lease is deleted too early")
		}
		d.gate.set(false)
		time.Sleep(3 * ttl)
		if n := len(c.leases("worker.b")); n != 0 {
			t.Error("the Lease of the dead is still there")
		}
		if n := len(c.leases("worker")); n != 2 {
			t.Errorf("%v", c.leases("worker"))
		}
		for _, r := range c.server.Requests() {
			if r.Method == http.MethodDelete && (!strings.Contains(r.Path, "worker.b") || !strings.Contains(r.Body, "resourceVersion") || !strings.Contains(r.Body, "uid")) {
				t.Errorf("%s %s", r.Path, r.Body)
			}
		}
		for _, w := range []*worker{a, d} {
			w.stop()
			<-w.ended
		}
	})
}

// TestFleetInPartOfAFailure has requests of one kind fail. All targets are still scaled, each by
// one worker.
func TestFleetInPartOfAFailure(t *testing.T) {
	const targets, shards = 10, 8
	lease := func(name string) string { return "/apis/coordination.k8s.io/v1/namespaces/default/leases/" + name }
	broken := func(f kubetest.Fault) kubetest.Fault {
		f.Status, f.Times, f.Body = 500, -1, "{}"
		return f
	}
	worker := func(name string) string { return kubernetes.FleetObject(kubernetes.DefaultFleetName, "worker", name) }
	for name, tt := range map[string]struct {
		faults []kubetest.Fault
		refuse func(*http.Request) bool // what fails for the worker b
		lost   int                      // the targets of these shards cannot be scaled
		other  int                      // the number of shards of the worker that comes
	}{
		"one Lease cannot be written": {faults: []kubetest.Fault{broken(kubetest.Fault{Method: "PUT", Path: lease(shardLease(3))})}, lost: 3},
		"one Lease is never answered": {faults: []kubetest.Fault{{Method: "PUT", Path: lease(shardLease(3)), Hang: true, Times: -1}}, lost: 3},
		"a worker cannot say that it lives": {lost: -1, refuse: func(r *http.Request) bool {
			return r.Method == "PUT" && strings.HasSuffix(r.URL.Path, worker("b")) || r.Method == "POST" && strings.HasSuffix(r.URL.Path, "/leases")
		}},
		"one renewal fails each time": {lost: -1, refuse: oneEachTime()},
		"a worker cannot list": {lost: -1, refuse: func(r *http.Request) bool {
			return r.Method == "GET" && strings.HasSuffix(r.URL.Path, "/leases")
		}},
		"it cannot, and another number comes":  {faults: []kubetest.Fault{broken(kubetest.Fault{Method: "PUT", Path: lease(worker("a"))}), broken(kubetest.Fault{Method: "PUT", Path: lease(worker("b"))})}, lost: -1, other: 20},
		"nobody can list, and one number more": {faults: []kubetest.Fault{{Verb: "list", Path: "/apis/coordination.k8s.io/v1/namespaces/default/leases", Status: 500, Body: "{}", Times: 9}}, lost: -1, other: 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				c.shards = shards
				for i := range targets {
					c.deploy(fmt.Sprint("t", i), 2, nil)
				}
				c.setLoad(func(int) int { return 2 }, targets)
				a, b := c.worker("a", nil), c.worker("b", nil)
				time.Sleep(2 * time.Minute)
				c.server.Inject(tt.faults...)
				b.gate.refuse(tt.refuse)
				time.Sleep(2 * time.Minute)
				workers := []string{"a", "b", "c"}
				d := c.worker("c", func(o *kubernetes.FleetOptions) {
					if tt.other > 0 {
						o.Shards = tt.other
					}
				})
				time.Sleep(2 * time.Minute)
				check := func(when string) {
					t.Helper()
					c.mu.Lock()
					defer c.mu.Unlock()
					for i := range targets {
						target := fmt.Sprint("t", i)
						n := 0
						for _, w := range workers {
							if at, ok := c.probes[target][w]; ok && time.Since(at) < 31*time.Second {
								n++
							}
						}
						lost := kubernetes.ShardOf("default/"+target, shards) == tt.lost
						if n > 1 || n == 0 && !lost {
							t.Errorf("%s: %s is scaled by %d workers: %v", when, target, n, c.probes[target])
						}
					}
				}
				check("while it fails")
				a.gate.set(true) // one dies
				a.stop()
				time.Sleep(2 * time.Minute)
				if tt.other == 0 {
					check("after one died")
				}
				c.server.ClearFaults()
				b.gate.refuse(nil)
				if tt.other > 0 {
					b.stop()
					<-b.ended
				}
				time.Sleep(3 * time.Minute)
				tt.lost = -1
				check("afterwards")
				d.stop()
				b.stop()
				<-a.ended
				<-b.ended
				<-d.ended
			})
		})
	}
}

// TestFleetReleasesInPartOfAFailure has the answers to a release and to the renewal before it be
// lost. The shards need not expire.
func TestFleetReleasesInPartOfAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a, b := c.worker("a", nil), c.worker("b", nil)
		time.Sleep(2 * time.Minute)
		var mu sync.Mutex
		lost := make(map[string]int)
		a.gate.lose(func(r *http.Request) bool { // the first two answers for each shard
			mu.Lock()
			defer mu.Unlock()
			if r.Method != "PUT" || !strings.Contains(r.URL.Path, ".shard.") {
				return false
			}
			lost[r.URL.Path]++
			return lost[r.URL.Path] <= 2
		})
		time.Sleep(5 * time.Second)
		a.stop()
		<-a.ended
		time.Sleep(6 * time.Second) // less than a TTL
		if s := b.fleet.Status(); len(s.Shards) != shards {
			t.Errorf("%d shards were taken over, %v", len(s.Shards), s.Err)
		}
		b.stop()
		<-b.ended
	})
}

// TestFleetTakesNothingUnseen has a worker that cannot say that it lives: one with another number of
// shards would not see it.
func TestFleetTakesNothingUnseen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		w := c.worker("a", nil)
		w.gate.refuse(func(r *http.Request) bool {
			if r.Method != "POST" {
				return false
			}
			body, _ := r.GetBody()
			text, _ := io.ReadAll(body)
			return strings.Contains(string(text), "worker.a")
		})
		time.Sleep(time.Minute)
		if s := w.fleet.Status(); len(s.Shards) != 0 || s.Err == nil {
			t.Errorf("%+v", s)
		}
		w.gate.refuse(nil)
		time.Sleep(10 * time.Second)
		if s := w.fleet.Status(); len(s.Shards) != shards || s.Err != nil {
			t.Errorf("%+v", s)
		}
		w.stop()
		<-w.ended
	})
}

// oneEachTime refuses the renewal of one shard in each round, and of none twice in a row.
func oneEachTime() func(*http.Request) bool {
	var mu sync.Mutex
	var last time.Time
	failed := make(map[string]time.Time)
	return func(r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		now, path := time.Now(), r.URL.Path
		if r.Method != "PUT" || !strings.Contains(path, ".shard.") || now.Sub(last) < 4*time.Second || now.Sub(failed[path]) < 14*time.Second {
			return false
		}
		last, failed[path] = now, now
		return true
	}
}

// TestFleetBlindWorkerTakesNothing has a worker that cannot list the targets. It could scale none.
func TestFleetBlindWorkerTakesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		a := c.worker("a", nil)
		time.Sleep(time.Minute)
		c.server.Inject(kubetest.Fault{Verb: "list", Path: "/apis/apps/v1/namespaces/default/deployments", Status: 500, Times: -1})
		b := c.worker("b", nil)
		time.Sleep(2 * time.Minute)
		if s := a.fleet.Status(); len(s.Shards) != shards {
			t.Errorf("the worker that sees the targets has %d shards", len(s.Shards))
		}
		if s := b.fleet.Status(); len(s.Shards) != 0 || s.Err == nil || !strings.Contains(s.Err.Error(), "not known yet") {
			t.Errorf("the other one has %d shards, %v", len(s.Shards), s.Err)
		}
		c.server.ClearFaults()
		time.Sleep(2 * time.Minute)
		if s := b.fleet.Status(); len(s.Shards) != shards/2 || s.Err != nil {
			t.Errorf("it has %d shards when it sees them, %v", len(s.Shards), s.Err)
		}
		for _, w := range []*worker{a, b} {
			w.stop()
			<-w.ended
		}
	})
}
