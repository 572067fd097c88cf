package kubernetes_test

import (
	"errors"
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

// alone runs a fleet of one worker until the test ends.
func alone(t *testing.T, test func(c *cluster, w *worker)) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.shards = 4
		w := c.worker("a", nil)
		test(c, w)
		w.stop()
		if err := <-w.ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		for _, s := range c.strange {
			t.Error(s)
		}
	})
}

// TestFleetFollowsItsTargets has targets that appear, change and vanish.
func TestFleetFollowsItsTargets(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.setLoad(func(int) int { return 50 }, 4)
		c.deploy("t0", 1, map[string]any{kubernetes.AnnotationMax: "5"})
		c.deploy("t1", 1, map[string]any{kubernetes.AnnotationMax: "five"})
		c.deploy("t2", 1, map[string]any{kubernetes.AnnotationMin: "9"})
		c.deploy("t3", 1, map[string]any{"probe": "none"})
		sizes := func(want ...int) {
			t.Helper()
			time.Sleep(2 * time.Minute)
			for i, size := range want {
				if got := c.size(fmt.Sprint("t", i)); got != size {
					t.Errorf("t%d is at %d, want %d", i, got, size)
				}
			}
		}
		sizes(5, 1, 1, 1)
		s := w.fleet.Status()
		if s.Targets != 4 || s.Members != 1 || len(s.Faults) != 3 || len(s.Shards) != c.shards || s.Err != nil {
			t.Errorf("status %+v", s)
		}
		for i, want := range []string{`max is "five"`, "Min", "names nothing"} {
			if f := s.Faults[i]; f.Target != fmt.Sprint("default/t", i+1) || !strings.Contains(f.Err.Error(), want) {
				t.Errorf("fault %v does not say %q", f, want)
			}
		}
		// The annotations are mended, and another target appears.
		c.deploy("t1", 1, map[string]any{kubernetes.AnnotationMax: "7"})
		c.deploy("t2", 1, map[string]any{kubernetes.AnnotationMin: "9", kubernetes.AnnotationMax: "9"})
		c.deploy("t4", 1, nil)
		c.mu.Lock()
		c.load["t4"] = 2
		c.mu.Unlock()
		sizes(5, 7, 9, 1, 2)
		a, ok := w.fleet.Lookup("default/t4")
		if !ok || a.Status().Capacity.Desired != 2 {
			t.Errorf("t4 is not a member: %v", a)
		}
		// One vanishes, and one is not selected any more.
		c.server.Delete("Deployment", "", "t4")
		c.server.Edit("Deployment", "", "t0", func(o map[string]any) { o["metadata"].(map[string]any)["labels"] = map[string]any{} })
		time.Sleep(time.Second)
		if _, ok := w.fleet.Lookup("default/t4"); ok || len(w.fleet.Members()) != 2 {
			t.Errorf("members are %v", w.fleet.Members())
		}
		if a.Status().Running {
			t.Error("t4 runs although it is gone")
		}
	})
}

// TestFleetSeesOthers has a HorizontalPodAutoscaler, and somebody who changes a size.
func TestFleetSeesOthers(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 3 }, 1)
		time.Sleep(time.Minute)
		if got := c.size("t0"); got != 3 {
			t.Fatalf("t0 is at %d", got)
		}
		c.server.Put(map[string]any{
			"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": map[string]any{"name": "rival"},
			"spec": map[string]any{"scaleTargetRef": map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "t0"}, "maxReplicas": 9},
		})
		c.setLoad(func(int) int { return 2 }, 1)
		time.Sleep(2 * time.Minute)
		a, _ := w.fleet.Lookup("default/t0")
		if s := a.Status(); c.size("t0") != 3 || s.Capacity.ExternalAutoscaler != "HorizontalPodAutoscaler rival" {
			t.Errorf("it does not yield: t0 is at %d, %v", c.size("t0"), s)
		}
		c.server.Delete("HorizontalPodAutoscaler", "", "rival")
		time.Sleep(2 * time.Minute)
		if got := c.size("t0"); got != 2 {
			t.Errorf("t0 is at %d without the rival", got)
		}
	})
}

// TestFleetDoesNotTrustAnOldWatch has an API server that does not answer watches any more.
func TestFleetDoesNotTrustAnOldWatch(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 1 }, 1)
		time.Sleep(5 * time.Minute) // bookmarks keep it fresh although nothing happens
		a, _ := w.fleet.Lookup("default/t0")
		if s := a.Status(); s.Last.Err != nil || s.ScaleFailures > 0 {
			t.Fatalf("a quiet watch is taken for a dead one: %v", s.Last.Err)
		}
		c.server.Inject(kubetest.Fault{Verb: "watch", Hang: true, Times: -1}, kubetest.Fault{Verb: "list", Path: "/apis/apps/*/*/*/*", Status: 500, Times: -1})
		c.server.EndWatches()
		c.setLoad(func(int) int { return 3 }, 1)
		time.Sleep(kubernetes.DefaultStaleAfter + time.Minute)
		if s := a.Status(); s.Last.Err == nil || !strings.Contains(s.Last.Err.Error(), "last heard of") {
			t.Errorf("what is old is used: %v, %v", s, s.Last.Err)
		}
		c.server.ClearFaults()
		time.Sleep(2 * time.Minute) // a try that hangs, a pause between two tries, and a tick
		if s := a.Status(); s.Last.Err != nil || c.size("t0") != 3 {
			t.Errorf("it does not recover: t0 is at %d, %v", c.size("t0"), s.Last.Err)
		}
		// The API server forgets what was watched: it is listed again.
		c.server.EndWatches()
		c.deploy("t1", 1, nil)
		c.server.Compact()
		time.Sleep(2 * time.Minute)
		if _, ok := w.fleet.Lookup("default/t1"); !ok {
			t.Error("what happened meanwhile was missed")
		}
	})
}

// TestFleetRemembers has a successor that knows what the one before it ordered and was told,
// although few states are written.
func TestFleetRemembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.shards = 4
		for i := range 20 {
			c.deploy(fmt.Sprint("t", i), 1, nil)
		}
		c.setLoad(func(int) int { return 3 }, 20)
		w := c.worker("a", nil)
		time.Sleep(2 * time.Minute)
		a, _ := w.fleet.Lookup("default/t7")
		if err := a.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		changed := a.Status().Changed
		writes := func() (n int) {
			for _, r := range c.server.Requests() {
				if strings.Contains(r.Path, "/configmaps") && r.Method != "GET" {
					n++
				}
			}
			return n
		}
		before := writes()
		time.Sleep(30 * time.Minute)
		if n := writes() - before; n > 4*20 {
			t.Errorf("%d writes of 20 quiet targets in half an hour", n)
		}
		w.gate.set(true) // it dies
		w.stop()
		b := c.worker("b", nil)
		time.Sleep(2 * time.Minute)
		a, ok := b.fleet.Lookup("default/t7")
		if !ok {
			t.Fatal("nobody took over")
		}
		s := a.Status()
		if !strings.HasPrefix(s.Command, "paused") {
			t.Errorf("the pause is forgotten: %q", s.Command)
		}
		if d := s.Changed.Sub(changed); d > time.Second || d < -time.Second {
			t.Errorf("the last change was at %v and is taken for %v", changed, s.Changed)
		}
		for _, e := range s.Events {
			if e.Kind == autoscale.Changed {
				t.Errorf("its own order is taken for another's: %v", e)
			}
		}
		b.stop()
		<-b.ended
		<-w.ended
	})
}

// TestFleetOrdersNothingOfATargetThatIsGone has a target deleted and made again while an order is
// under way.
func TestFleetOrdersNothingOfATargetThatIsGone(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 1 }, 1)
		time.Sleep(2 * time.Minute)
		done := false
		w.gate.refuse(func(r *http.Request) bool {
			if r.Method == "GET" && strings.HasSuffix(r.URL.Path, "/t0/scale") && !done {
				done = true
				c.server.Delete("Deployment", "", "t0")
				c.deploy("t0", 1, map[string]any{kubernetes.AnnotationMax: "2"})
				c.setLoad(func(int) int { return 2 }, 1)
			}
			return false
		})
		// The watch is late.
		c.server.Inject(kubetest.Fault{Verb: "watch", Path: "/apis/apps/*/*/*/*", Hang: true, Times: 12})
		c.server.EndWatches()
		c.setLoad(func(int) int { return 50 }, 1)
		for range 240 {
			time.Sleep(time.Second)
			if got := c.size("t0"); got > 2 {
				t.Errorf("t0 is at %d, by an order for the one before", got)
				break
			}
		}
		if got := c.size("t0"); !done || got != 2 {
			t.Errorf("t0 is at %d, order %v", got, done)
		}
	})
}

// TestFleetRefusesACommandThatNobodyHeeds has a command given to a worker that gave its shards up.
func TestFleetRefusesACommandThatNobodyHeeds(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 2 }, 1)
		time.Sleep(2 * time.Minute)
		old, ok := w.fleet.Lookup("default/t0")
		if !ok {
			t.Fatal("t0 is no member")
		}
		w.stop()
		<-w.ended
		*w = *c.worker("b", nil)
		time.Sleep(time.Minute)
		if err := old.Pause(c.t.Context()); !errors.Is(err, autoscale.ErrNotLeader) {
			t.Errorf("Pause = %v", err)
		}
		if m, ok := w.fleet.Lookup("default/t0"); !ok || m.Status().Command != "" {
			t.Error("t0 does not run")
		}
		if is := fmt.Sprint(at(c.server.Object("ConfigMap", "", stateName("t0")), "data", "command")); strings.Contains(is, "by") {
			t.Errorf("the command %s waits for the next takeover", is)
		}
	})
}

// TestFleetSavesTheFirstOrder looks at the state of a new target when its first order leaves.
func TestFleetSavesTheFirstOrder(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		time.Sleep(time.Minute)
		saved := "no order left"
		w.gate.refuse(func(r *http.Request) bool {
			if r.Method == "PUT" && strings.HasSuffix(r.URL.Path, "/t0/scale") {
				saved = fmt.Sprint(at(c.server.Object("ConfigMap", "", stateName("t0")), "data", "state"))
			}
			return false
		})
		c.setLoad(func(int) int { return 3 }, 1)
		c.deploy("t0", 1, nil)
		time.Sleep(time.Minute)
		w.gate.refuse(nil)
		if !strings.Contains(saved, `"last":3`) {
			t.Errorf("when the order left, the state was %s", saved)
		}
		// What has no order is not written.
		c.deploy("t1", 2, nil)
		c.setLoad(func(int) int { return 2 }, 2)
		time.Sleep(time.Minute)
		if c.server.Object("ConfigMap", "", stateName("t1")) != nil {
			t.Error("the state of t1 was written, which has no order")
		}
	})
}
