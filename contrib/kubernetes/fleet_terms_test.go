package kubernetes_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
)

func stateName(target string) string {
	return kubernetes.FleetObject(kubernetes.DefaultFleetName, target)
}

// saved returns the term that last saved the state of a target, and when it did.
func (c *cluster) saved(target string) (term int64, at time.Time) {
	data, _ := c.server.Object("ConfigMap", "", stateName(target))["data"].(map[string]any)
	term, _ = strconv.ParseInt(fmt.Sprint(data["term"]), 10, 64)
	at, _ = time.Parse(time.RFC3339Nano, fmt.Sprint(data["saved"]))
	return term, at
}

// deleteLeases deletes the Leases whose names contain part.
func (c *cluster) deleteLeases(part string) {
	for _, name := range c.leases(part) {
		c.server.Delete("Lease", "", name)
	}
}

// leases returns the names of the Leases that contain part.
func (c *cluster) leases(part string) (names []string) {
	for i := range 64 {
		names = append(names, shardLease(i))
	}
	for _, worker := range []string{"a", "b", "c", "d"} {
		names = append(names, kubernetes.FleetObject(kubernetes.DefaultFleetName, "worker", worker))
	}
	var out []string
	for _, name := range names {
		if strings.Contains(name, part) && c.server.Object("Lease", "", name) != nil {
			out = append(out, name)
		}
	}
	return out
}

// TestFleetTermsNeverGoBack has targets come to a shard whose Lease had fewer terms than the
// one before: their number was changed, or somebody deleted the Leases. What was remembered
// is known, and what is new is saved.
func TestFleetTermsNeverGoBack(t *testing.T) {
	const targets = 10
	for name, change := range map[string]func(c *cluster, w *worker) *worker{
		"more shards":  func(c *cluster, w *worker) *worker { return c.next(w, "z", 20) },
		"fewer shards": func(c *cluster, w *worker) *worker { return c.next(w, "z", 3) },
		"one shard":    func(c *cluster, w *worker) *worker { return c.next(w, "z", 1) },
		"the Leases are deleted": func(c *cluster, w *worker) *worker {
			w.stop()
			<-w.ended
			c.deleteLeases("")
			return c.worker("z", nil)
		},
		"the Leases are deleted meanwhile": func(c *cluster, w *worker) *worker {
			c.deleteLeases("shard")
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t)
				c.shards = 8
				for i := range targets {
					c.deploy(fmt.Sprint("t", i), 1, nil)
				}
				two := func(int) int { return 2 }
				c.setLoad(two, targets)
				w := c.worker("a", nil)
				for range 3 { // three terms
					time.Sleep(time.Minute)
					w = c.next(w, w.name+"a", c.shards)
				}
				time.Sleep(2 * time.Minute)
				c.scaled(two, targets)
				paused, _ := w.fleet.Lookup("default/t7")
				if err := paused.Pause(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				same := name == "the Leases are deleted meanwhile" // a renewal may make them again
				terms := make([]int64, targets)
				for i := range terms {
					terms[i], _ = c.saved(fmt.Sprint("t", i))
				}
				moved := time.Now()
				w = change(c, w)
				time.Sleep(2 * time.Minute)
				c.setLoad(func(int) int { return 3 }, targets)
				c.scaled(func(i int) int {
					if i == 7 {
						return 2 // the pause is remembered
					}
					return 3
				}, targets)
				for _, m := range w.fleet.Members() {
					if s := m.Status(); s.ScaleFailures > 0 || s.Last.Err != nil {
						t.Errorf("%v: %v", s, s.Last.Err)
					}
				}
				for i := range targets {
					if i == 7 {
						continue
					}
					if now, at := c.saved(fmt.Sprint("t", i)); now < terms[i] || now == terms[i] && !same || at.Before(moved) {
						t.Errorf("t%d was saved in term %d at %v, after term %d at %v", i, now, at, terms[i], moved)
					}
				}
				if s := w.fleet.Status(); s.Err != nil || s.Members != targets {
					t.Errorf("%+v", s)
				}
				w.stop()
				<-w.ended
			})
		})
	}
}

// next stops a worker and starts another one in its place.
func (c *cluster) next(w *worker, name string, shards int) *worker {
	w.stop()
	<-w.ended
	c.shards = shards
	return c.worker(name, nil)
}

// TestFleetTakesAShardAgainIfAStateIsOfALaterTerm has a save of a later term arrive after the
// states of the shard were read.
func TestFleetTakesAShardAgainIfAStateIsOfALaterTerm(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 2 }, 1)
		time.Sleep(time.Minute)
		c.server.Edit("ConfigMap", "", stateName("t0"), func(o map[string]any) { o["data"].(map[string]any)["term"] = "77" })
		c.setLoad(func(int) int { return 3 }, 1)
		time.Sleep(2 * time.Minute)
		if term, _ := c.saved("t0"); term != 78 || c.size("t0") != 3 {
			t.Errorf("t0 is at %d, and term %d has saved", c.size("t0"), term)
		}
	})
}

// TestFleetForgetsWhatIsGone has targets that vanish, and others of their name that come.
func TestFleetForgetsWhatIsGone(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		const targets = 12
		for i := range targets {
			c.deploy(fmt.Sprint("t", i), 1, nil)
		}
		c.setLoad(func(int) int { return 2 }, targets)
		time.Sleep(time.Minute)
		pause := func(target string) {
			t.Helper()
			m, ok := w.fleet.Lookup("default/" + target)
			if !ok {
				t.Fatal(target, "is no member")
			}
			if err := m.Pause(c.t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		command := func(target string) string {
			t.Helper()
			m, ok := w.fleet.Lookup("default/" + target)
			if !ok {
				t.Fatal(target, "is no member")
			}
			return m.Status().Command
		}
		for _, target := range []string{"t0", "t1", "t2", "t3"} {
			pause(target)
		}
		time.Sleep(time.Minute)
		labels := func(target string, labels map[string]any) {
			c.server.Edit("Deployment", "", target, func(o map[string]any) { o["metadata"].(map[string]any)["labels"] = labels })
		}
		c.server.Delete("Deployment", "", "t0") // is made again while its state is there
		c.server.Delete("Deployment", "", "t1") // is made again after its state was deleted with it
		c.server.Delete("ConfigMap", "", stateName("t1"))
		c.server.Delete("Deployment", "", "t2") // is made again at once
		c.deploy("t2", 1, nil)
		labels("t3", nil) // is the same one when it comes back
		for i := 4; i < targets; i++ {
			c.server.Delete("Deployment", "", fmt.Sprint("t", i))
		}
		time.Sleep(2 * time.Minute)
		if n := kubernetes.Remembered(w.fleet); n != 1 {
			t.Errorf("%d states are remembered, of one target", n)
		}
		c.deploy("t0", 1, nil)
		c.deploy("t1", 1, nil)
		labels("t3", map[string]any{"fleet": "yes"})
		c.setLoad(func(int) int { return 3 }, 3)
		check := func(when string) {
			t.Helper()
			time.Sleep(2 * time.Minute)
			for i := range 3 {
				target := fmt.Sprint("t", i)
				if size, is := c.size(target), command(target); size != 3 || is != "" {
					t.Errorf("%s: %s is at %d, with the command %q of one that is gone", when, target, size, is)
				}
			}
			if is := command("t3"); !strings.HasPrefix(is, "paused") {
				t.Errorf("%s: the command of t3 is %q", when, is)
			}
		}
		check("made again")
		// Neither does a successor know anything of what is gone.
		w.gate.set(true)
		w.stop()
		dead := *w
		*w = *c.worker("b", nil)
		<-dead.ended
		check("after a takeover")
	})
}

// TestFleetKeepsTheHistory looks at the history of a target after its worker died.
func TestFleetKeepsTheHistory(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 2 }, 1)
		began := time.Now()
		time.Sleep(15 * time.Minute)
		first := func() time.Time {
			t.Helper()
			m, ok := w.fleet.Lookup("default/t0")
			if !ok {
				t.Fatal("t0 is no member")
			}
			log, err := m.History(c.t.Context())
			if err != nil || len(log.Points()) == 0 {
				t.Fatalf("%v, %v", log, err)
			}
			return log.Points()[0].Time
		}
		if at := first(); at.Sub(began) > time.Minute {
			t.Errorf("the history begins at %v", at)
		}
		c.deploy("t0", 2, map[string]any{kubernetes.AnnotationMax: "7"}) // it is started again
		time.Sleep(3 * time.Minute)
		if at := first(); at.Sub(began) > time.Minute {
			t.Errorf("after another annotation the history begins at %v", at)
		}
		w.gate.set(true)
		w.stop()
		dead := *w
		*w = *c.worker("b", nil)
		<-dead.ended
		time.Sleep(3 * time.Minute)
		if at := first(); at.Sub(began) > time.Minute {
			t.Errorf("after a takeover the history begins at %v", at)
		}
		text := fmt.Sprint(at(c.server.Object("ConfigMap", "", stateName("t0")), "data", "history"))
		if data, err := base64.StdEncoding.DecodeString(text); err != nil || len(data) == 0 || len(data) > autoscale.MaxHistory {
			t.Errorf("a history of %d bytes, %v", len(data), err)
		}
	})
}

// TestFleetKnowsALeaseThatItLifted has the answer be lost by which the number of a term was raised.
// The shard need not expire.
func TestFleetKnowsALeaseThatItLifted(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 2 }, 1)
		time.Sleep(time.Minute)
		w.stop()
		<-w.ended
		c.server.Edit("ConfigMap", "", stateName("t0"), func(o map[string]any) { o["data"].(map[string]any)["term"] = "77" })
		*w = *c.worker("b", nil)
		lost := false
		w.gate.lose(func(r *http.Request) bool {
			body := ""
			if r.GetBody != nil {
				b, _ := r.GetBody()
				text, _ := io.ReadAll(b)
				body = string(text)
			}
			first := !lost && strings.Contains(body, `"leaseTransitions":78`)
			lost = lost || first
			return first
		})
		time.Sleep(14 * time.Second) // less than a TTL
		if s := w.fleet.Status(); !lost || len(s.Shards) != c.shards {
			t.Errorf("%d shards are held, %v, %v", len(s.Shards), lost, s.Err)
		}
	})
}

// TestFleetTakesAShardAgainForATargetOfALaterTerm has a target come after the states of its shard
// were read, whose state is of a later term.
func TestFleetTakesAShardAgainForATargetOfALaterTerm(t *testing.T) {
	t.Parallel()
	alone(t, func(c *cluster, w *worker) {
		c.deploy("t0", 1, nil)
		c.setLoad(func(int) int { return 2 }, 1)
		time.Sleep(time.Minute)
		labels := func(labels map[string]any) {
			c.server.Edit("Deployment", "", "t0", func(o map[string]any) { o["metadata"].(map[string]any)["labels"] = labels })
		}
		labels(nil)
		time.Sleep(time.Minute)
		c.server.Edit("ConfigMap", "", stateName("t0"), func(o map[string]any) { o["data"].(map[string]any)["term"] = "77" })
		c.setLoad(func(int) int { return 3 }, 1)
		labels(map[string]any{"fleet": "yes"})
		for range 180 {
			time.Sleep(time.Second)
			if term, _ := c.saved("t0"); term < 77 {
				t.Errorf("term %d has saved after term 77", term)
				break
			}
		}
		if term, _ := c.saved("t0"); term != 78 || c.size("t0") != 3 {
			t.Errorf("t0 is at %d, and term %d has saved", c.size("t0"), term)
		}
	})
}
