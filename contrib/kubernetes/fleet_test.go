package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// A gate is the network of one worker. It can be cut.
type gate struct {
	next http.RoundTripper
	mu   sync.Mutex
	cut  bool
	bad  func(*http.Request) bool // which requests fail. Nil: none
	hung func(body string) bool   // which requests hang. Nil: none
	deaf func(*http.Request) bool // which answers are lost. Nil: none
	sees func(*http.Request)      // is asked before each request
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	cut, bad, hung := g.cut, g.bad != nil && g.bad(r), g.hung
	g.mu.Unlock()
	if hung != nil && r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		cut = cut || hung(string(body))
	}
	if bad {
		return nil, errors.New("the network lost the request")
	}
	if cut {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if g.sees != nil {
		g.sees(r)
	}
	res, err := g.next.RoundTrip(r)
	g.mu.Lock()
	deaf := err == nil && g.deaf != nil && g.deaf(r)
	g.mu.Unlock()
	if deaf {
		res.Body.Close()
		return nil, errors.New("the network lost the answer")
	}
	return res, err
}

func (g *gate) lose(deaf func(*http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deaf = deaf
}

func (g *gate) hang(hung func(body string) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hung = hung
}

func (g *gate) refuse(bad func(*http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bad = bad
}

func (g *gate) set(cut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut = cut
}

// A cluster is a fake API server with the targets of a fleet, and what its workers did.
type cluster struct {
	t      testing.TB
	server *kubetest.Server
	token  string // of the workers
	shards int    // of the workers, unless they have another number
	qps    float64

	mu      sync.Mutex
	probes  map[string]map[string]time.Time // by target and worker, the last one
	load    map[string]int                  // by target: its load
	orders  int
	strange []string // orders of a worker that did not hold the shard
}

func newCluster(t testing.TB) *cluster {
	c := &cluster{t: t, server: kubetest.NewPipeServer(), token: kubetest.Token, shards: shards, qps: 1000, probes: make(map[string]map[string]time.Time), load: make(map[string]int)}
	t.Cleanup(c.server.Close)
	return c
}

// deploy adds a Deployment, or changes its annotations.
func (c *cluster) deploy(name string, replicas int, annotations map[string]any) {
	c.deployIn("default", name, replicas, annotations)
}

// deployIn is deploy in a namespace.
func (c *cluster) deployIn(namespace, name string, replicas int, annotations map[string]any) {
	c.server.Put(map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": name, "namespace": namespace, "uid": "uid-" + name, "labels": map[string]any{"fleet": "yes"}, "annotations": annotations, "generation": 1},
		"spec":     map[string]any{"replicas": replicas},
		"status":   map[string]any{"replicas": replicas, "readyReplicas": replicas, "observedGeneration": 1},
	})
}

func (c *cluster) size(name string) int {
	spec := c.server.Object("Deployment", "", name)["spec"].(map[string]any)
	n, _ := strconv.Atoi(fmt.Sprint(spec["replicas"]))
	return n
}

// A worker is one process of a fleet.
type worker struct {
	name  string
	fleet *kubernetes.Fleet
	gate  *gate
	stop  context.CancelFunc
	ended chan error
}

const shards = 16

func (c *cluster) worker(name string, change func(*kubernetes.FleetOptions)) *worker {
	w := &worker{name: name, ended: make(chan error, 1)}
	w.gate = &gate{next: c.server.Client().Transport, sees: func(r *http.Request) { c.sees(name, r) }}
	client := kubernetes.FromConfig(&rest.Config{Host: c.server.URL, BearerToken: c.token, Transport: w.gate}, &kubernetes.Options{QPS: c.qps, Burst: int(2 * c.qps)})
	opts := &kubernetes.FleetOptions{Worker: name, Selector: "fleet=yes", Shards: c.shards, TTL: 15 * time.Second, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(opts)
	}
	w.fleet = client.Fleet(func(t kubernetes.Target) (autoscale.Config, error) {
		if t.Annotations["probe"] == "none" {
			return autoscale.Config{}, errors.New("the annotation probe names nothing")
		}
		return autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				c.mu.Lock()
				defer c.mu.Unlock()
				if c.probes[t.Name] == nil {
					c.probes[t.Name] = make(map[string]time.Time)
				}
				c.probes[t.Name][name] = time.Now()
				return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: float64(c.load[t.Name])}, nil
			}),
			Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
				return autoscale.Decision{Act: true, Size: int(o.Samples[len(o.Samples)-1].Backlog)}
			}),
			Logger: slog.New(slog.DiscardHandler),
		}, nil
	}, opts)
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	fleet, ended := w.fleet, w.ended
	go func() {
		ended <- fleet.Run(ctx)
		close(ended)
	}()
	return w
}

// shardLease returns the name of the Lease of a shard.
func shardLease(shard int) string {
	return kubernetes.FleetObject(kubernetes.DefaultFleetName, "shard", fmt.Sprintf("%03d", shard))
}

// sees checks an order when it leaves a worker: that worker must hold the shard.
func (c *cluster) sees(worker string, r *http.Request) {
	if r.Method != http.MethodPut {
		return
	}
	if strings.Contains(r.URL.Path, ".shard.") {
		c.seesLease(worker, r)
	}
	if !strings.HasSuffix(r.URL.Path, "/scale") {
		return
	}
	target := strings.Split(r.URL.Path, "/")[7]
	lease := c.server.Object("Lease", "", shardLease(kubernetes.ShardOf("default/"+target, c.shards)))
	holder := fmt.Sprint(at(lease, "spec", "holderIdentity"))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders++
	if holder != worker {
		c.strange = append(c.strange, fmt.Sprintf("%s ordered %s, whose shard %s held", worker, target, holder))
	}
}

// seesLease checks that a worker acquires no shard that another one still holds.
func (c *cluster) seesLease(worker string, r *http.Request) {
	var to struct {
		Spec struct{ LeaseTransitions float64 }
	}
	body, err := r.GetBody()
	if err == nil {
		err = json.NewDecoder(body).Decode(&to)
	}
	name := path.Base(r.URL.Path)
	lease := c.server.Object("Lease", "", name)
	number, _ := at(lease, "spec", "leaseTransitions").(float64)
	renewed, _ := time.Parse(time.RFC3339Nano, fmt.Sprint(at(lease, "spec", "renewTime")))
	holder := fmt.Sprint(at(lease, "spec", "holderIdentity"))
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || to.Spec.LeaseTransitions > number && holder != "" && holder != worker && time.Since(renewed) < 15*time.Second {
		c.strange = append(c.strange, fmt.Sprintf("%s acquired %s, which %s had renewed at %v, %v", worker, name, holder, renewed, err))
	}
}

// scaled waits until every target has its size.
func (c *cluster) scaled(want func(i int) int, targets int) {
	c.t.Helper()
	for range 15 {
		wrong := 0
		for i := range targets {
			if c.size(fmt.Sprint("t", i)) != want(i) {
				wrong++
			}
		}
		if wrong == 0 {
			return
		}
		time.Sleep(20 * time.Second)
	}
	for i := range targets {
		if got := c.size(fmt.Sprint("t", i)); got != want(i) {
			c.t.Errorf("t%d is at %d after five minutes, want %d", i, got, want(i))
		}
	}
}

func (c *cluster) setLoad(jobs func(i int) int, targets int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range targets {
		c.load[fmt.Sprint("t", i)] = jobs(i)
	}
}

// once checks that each target was ticked by exactly one worker of late.
func (c *cluster) once(targets int) map[string]int {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	by := make(map[string]int)
	for i := range targets {
		n := 0
		for worker, at := range c.probes[fmt.Sprint("t", i)] {
			if time.Since(at) < 31*time.Second {
				n++
				by[worker]++
			}
		}
		if n != 1 {
			c.t.Errorf("t%d was ticked by %d workers in the last interval: %v", i, n, c.probes[fmt.Sprint("t", i)])
		}
	}
	return by
}

// at returns a field of an object, or nil.
func at(o map[string]any, path ...string) (v any) {
	v = o
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// TestFleetWorkersComeAndGo has 60 targets and workers that are added, killed, cut off and
// stopped. Each target always comes to its size, and no worker gives an order for a shard
// that it does not hold.
func TestFleetWorkersComeAndGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const targets = 60
		c := newCluster(t)
		for i := range targets {
			c.deploy(fmt.Sprint("t", i), 1, map[string]any{kubernetes.AnnotationMax: "9"})
		}
		round := 0
		settle := func(what string) map[string]int {
			t.Helper()
			round++
			want := func(i int) int { return 1 + (i+round)%9 }
			c.setLoad(func(i int) int { return want(i) }, targets)
			c.scaled(want, targets)
			time.Sleep(2 * time.Minute)
			by := c.once(targets)
			t.Logf("%s: targets by worker %v, %d orders", what, by, c.orders)
			return by
		}
		first := c.worker("a", nil)
		if by := settle("one worker"); by["a"] != targets {
			t.Errorf("one worker has %v", by)
		}
		others := []*worker{c.worker("b", nil), c.worker("c", nil)}
		if by := settle("two more"); len(by) != 3 || slices.Min([]int{by["a"], by["b"], by["c"]}) < targets/6 {
			t.Errorf("three workers have %v", by)
		}
		// One dies: its network ends before it can release anything.
		first.gate.set(true)
		first.stop()
		if by := settle("one died"); len(by) != 2 {
			t.Errorf("two workers have %v", by)
		}
		// One is cut off from the API server for a while, and comes back.
		others[0].gate.set(true)
		if by := settle("one is cut off"); by["c"] != targets {
			t.Errorf("the other one has %v", by)
		}
		others[0].gate.set(false)
		if by := settle("it is back"); len(by) != 2 || by["b"] < targets/3 {
			t.Errorf("two workers have %v", by)
		}
		// One stops, and gives its shards up.
		others[1].stop()
		if err := <-others[1].ended; err != nil {
			t.Error(err)
		}
		if by := settle("one stopped"); by["b"] != targets {
			t.Errorf("the last one has %v", by)
		}
		others[0].stop()
		<-others[0].ended
		<-first.ended
		for _, s := range c.strange {
			t.Error(s)
		}
		if c.orders < 6*targets/2 {
			t.Errorf("only %d orders were given", c.orders)
		}
	})
}
