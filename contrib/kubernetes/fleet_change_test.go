package kubernetes_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// TestFleetKeepsShardsWhileTheirNumberChanges has a worker with another number of shards come
// before the old one ends.
func TestFleetKeepsShardsWhileTheirNumberChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const targets = 20
		c := newCluster(t)
		for i := range targets {
			c.deploy(fmt.Sprint("t", i), 1, nil)
		}
		two := func(int) int { return 2 }
		c.setLoad(two, targets)
		a := c.worker("a", nil)
		c.scaled(two, targets)
		b := c.worker("b", func(o *kubernetes.FleetOptions) { o.Shards = 2 * shards })
		time.Sleep(2 * time.Minute)
		if s := a.fleet.Status(); len(s.Shards) != shards || s.Members != targets || s.Err == nil {
			t.Errorf("the old worker has %d of %d shards and %d members, %v", len(s.Shards), shards, s.Members, s.Err)
		}
		if s := b.fleet.Status(); len(s.Shards) != 0 {
			t.Errorf("the new worker has the shards %v already", s.Shards)
		}
		a.stop()
		<-a.ended
		three := func(int) int { return 3 }
		c.setLoad(three, targets)
		c.scaled(three, targets)
		time.Sleep(time.Minute)
		if s := b.fleet.Status(); len(s.Shards) != 2*shards || s.Members != targets || s.Err != nil {
			t.Errorf("the new worker has %d shards and %d members, %v", len(s.Shards), s.Members, s.Err)
		}
		for _, m := range b.fleet.Members() {
			if s := m.Status(); s.ScaleFailures > 0 || s.Capacity.Desired != 3 {
				t.Errorf("%v", s)
			}
		}
		b.stop()
		<-b.ended
	})
}

// TestFleetOrdersAllAtOnce has all targets need another size at one moment, and a budget of requests
// that is too small for that. The budget goes into orders that are carried out.
func TestFleetOrdersAllAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const targets, qps = 300, 8
		c := newCluster(t)
		c.shards, c.qps = 2, qps
		for i := range targets {
			c.deploy(fmt.Sprint("t", i), 2, nil)
		}
		c.setLoad(func(int) int { return 2 }, targets)
		w := c.worker("a", nil)
		time.Sleep(3 * time.Minute)
		c.setLoad(func(int) int { return 3 }, targets)
		began := time.Now()
		for done := 0; done < targets; time.Sleep(5 * time.Second) {
			done = 0
			for i := range targets {
				if c.size(fmt.Sprint("t", i)) == 3 {
					done++
				}
			}
			if took := time.Since(began); took > 6*time.Minute {
				t.Errorf("after %v, %d of %d targets have their size", took, done, targets)
				break
			}
		}
		t.Logf("%d targets had their size after %v, with %d requests a second", targets, time.Since(began), qps)
		w.stop()
		<-w.ended
	})
}

// TestFleetOrdersOutsideTheBudgetOfLeases has no room for renewals, and orders go out.
func TestFleetOrdersOutsideTheBudgetOfLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 2 }, 1)
		w := c.worker("a", func(o *kubernetes.FleetOptions) { o.Shards, o.TTL = 1024, time.Hour })
		time.Sleep(10 * time.Minute)
		kubernetes.EndLeaseBudget(w.fleet)
		c.setLoad(func(int) int { return 3 }, 1)
		time.Sleep(2 * time.Minute)
		if got := c.size("t0"); got != 3 {
			t.Errorf("t0 is at %d", got)
		}
		for _, ttl := range []time.Duration{5 * time.Second, time.Hour} {
			f := c.worker("b", func(o *kubernetes.FleetOptions) { o.Shards, o.TTL = 1024, ttl })
			if qps, least := kubernetes.LeaseQPS(f.fleet), max(50, 2*1027*3/ttl.Seconds()); qps < least {
				t.Errorf("with a TTL of %v the leases have %v requests a second", ttl, qps)
			}
			f.stop()
			<-f.ended
		}
		w.stop()
		<-w.ended
	})
}

// TestFleetOrdersWhileOthersHang has orders that are never answered, as behind a webhook that is
// down, and a budget in which few orders have a turn.
func TestFleetOrdersWhileOthersHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const targets = 40
		c := newCluster(t)
		c.shards, c.qps = 4, 8 // two orders at once
		for i := range targets {
			c.deploy(fmt.Sprint("t", i), 2, nil)
		}
		c.setLoad(func(int) int { return 2 }, targets)
		w := c.worker("a", nil)
		time.Sleep(3 * time.Minute)
		for i := 1; i < targets; i++ {
			c.server.Inject(kubetest.Fault{Method: "PUT", Path: fmt.Sprintf("/apis/apps/v1/namespaces/default/deployments/t%d/scale", i), Hang: true, Times: -1})
		}
		c.setLoad(func(i int) int { return 3 }, targets)
		time.Sleep(90 * time.Second)
		if got := c.size("t0"); got != 3 {
			t.Errorf("t0 is at %d", got)
		}
		c.server.ClearFaults()
		w.stop()
		<-w.ended
	})
}

// TestFleetsOfOneName has a worker come that bears the name of a fleet and does not select the same.
func TestFleetsOfOneName(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*kubernetes.FleetOptions)
		shares bool
	}{
		"another resource":     {func(o *kubernetes.FleetOptions) { o.Resource = "statefulsets" }, false},
		"another selector":     {func(o *kubernetes.FleetOptions) { o.Selector = "fleet=yes,tier=a" }, false},
		"another namespace":    {func(o *kubernetes.FleetOptions) { o.Namespace = "shop" }, false},
		"all namespaces":       {func(o *kubernetes.FleetOptions) { o.AllNamespaces = true }, false},
		"of the same process":  {func(o *kubernetes.FleetOptions) { o.Worker, o.Resource = "a", "statefulsets" }, false},
		"another name":         {func(o *kubernetes.FleetOptions) { o.Name, o.Resource = "sets", "statefulsets" }, true},
		"the namespace is set": {func(o *kubernetes.FleetOptions) { o.Namespace = "default" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				c.deploy("web", 1, nil)
				c.setLoad(func(int) int { return 1 }, 1)
				a := c.worker("a", nil)
				time.Sleep(2 * time.Minute)
				b := c.worker("b", tt.change)
				time.Sleep(2 * time.Minute)
				as, bs := a.fleet.Status(), b.fleet.Status()
				if shares := len(bs.Shards) > 0; shares != tt.shares {
					t.Errorf("the other holds the shards %v, %v", bs.Shards, bs.Err)
				}
				if !tt.shares {
					if len(as.Shards) != shards || as.Members != 1 {
						t.Errorf("the first has %d of %d shards and %d members, %v", len(as.Shards), shards, as.Members, as.Err)
					}
					for _, s := range []kubernetes.FleetStatus{as, bs} {
						if s.Worker == bs.Worker && s.Err == nil && len(s.Shards) > 0 {
							continue // it sees no worker but itself
						}
						if s.Err == nil || !strings.Contains(s.Err.Error(), "of the fleet autoscale-fleet selects other targets than this one") {
							t.Errorf("%s says %v", s.Worker, s.Err)
						}
					}
				}
				a.stop()
				<-a.ended
				time.Sleep(time.Minute)
				if s := b.fleet.Status(); len(s.Shards) != shards || s.Err != nil {
					t.Errorf("alone, the other has %d of %d shards, %v", len(s.Shards), shards, s.Err)
				}
				b.stop()
				<-b.ended
			})
		})
	}
}
