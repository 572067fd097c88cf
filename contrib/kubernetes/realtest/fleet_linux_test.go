package realtest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/internal/kubecluster"
)

var deployments = flag.Int("deployments", 200, "of the fleet")

const (
	fleetTTL      = 9 * time.Second
	fleetInterval = 2 * time.Second
	fleetSpace    = "shop" // the namespace of the targets
)

// A fleetWatch has what the workers of a fleet did: their ticks and their orders.
type fleetWatch struct {
	t     *testing.T
	c     *kubecluster.Cluster
	token string

	mu      sync.Mutex
	want    int
	ticked  map[string]time.Time     // the last one, by target
	longest map[string]time.Duration // the longest time without one, by target
	orders  map[string]int           // that were carried out, by target
}

// A fleetProcess is one worker. cut is closed when it is killed: nothing that it sends or
// awaits goes on.
type fleetProcess struct {
	t     *testing.T
	name  string
	fleet *kubernetes.Fleet
	stop  context.CancelFunc
	cut   chan struct{}
	ended chan error
}

type fleetWire struct {
	next http.RoundTripper
	w    *fleetWatch
	cut  chan struct{}
}

var errKilled = errors.New("the process is dead")

func (f fleetWire) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	go func() {
		select {
		case <-f.cut:
			cancel(errKilled)
		case <-ctx.Done():
		}
	}()
	res, err := f.next.RoundTrip(r.WithContext(ctx))
	if err == nil && res.StatusCode < 300 && r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/scale") {
		f.w.mu.Lock()
		defer f.w.mu.Unlock()
		f.w.orders[strings.Split(r.URL.Path, "/")[7]]++
	}
	return res, err
}

func (w *fleetWatch) start(name string, shards int) *fleetProcess {
	ca, err := w.c.CA()
	if err != nil {
		w.t.Fatal(err)
	}
	p := &fleetProcess{t: w.t, name: name, cut: make(chan struct{}), ended: make(chan error, 1)}
	config := &rest.Config{Host: w.c.URL, BearerToken: w.token, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return fleetWire{next, w, p.cut} })
	k := kubernetes.FromConfig(config, &kubernetes.Options{QPS: 100})
	p.fleet = k.Fleet(func(t kubernetes.Target) (autoscale.Config, error) {
		return autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				select {
				case <-p.cut:
					return autoscale.Sample{}, errKilled
				default:
				}
				return autoscale.Sample{Signals: autoscale.SignalValue, Value: w.tick(t.Name)}, nil
			}),
			Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
				return autoscale.Decision{Act: true, Size: int(o.Samples[len(o.Samples)-1].Value)}
			}),
			Interval: fleetInterval, Max: autoscale.Fixed(9), Logger: quiet,
		}, nil
	}, &kubernetes.FleetOptions{Worker: name, Selector: "fleet=yes", AllNamespaces: true, Shards: shards, TTL: fleetTTL, Spread: fleetInterval, SaveEvery: time.Minute, Logger: slog.New(slog.NewTextHandler(p, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	go func() { p.ended <- p.fleet.Run(ctx) }()
	return p
}

// Write logs what a worker says of the fleet as a whole.
func (p *fleetProcess) Write(line []byte) (int, error) {
	p.t.Logf("%s: %s", p.name, line)
	return len(line), nil
}

// kill ends a worker as SIGKILL does: it gives nothing up.
func (p *fleetProcess) kill() {
	close(p.cut)
	p.stop()
}

// tick notes a tick of a target, and returns the size that is wanted.
func (w *fleetWatch) tick(target string) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if last, ok := w.ticked[target]; ok {
		w.longest[target] = max(w.longest[target], now.Sub(last))
	}
	w.ticked[target] = now
	return float64(w.want)
}

type fleetItem struct {
	Metadata struct {
		Name, UID  string
		Generation int
		Labels     map[string]string
	}
	Spec struct{ Replicas int }
}

func (w *fleetWatch) list() map[string]fleetItem {
	w.t.Helper()
	var list struct{ Items []fleetItem }
	if err := w.c.Do(w.t.Context(), http.MethodGet, "/apis/apps/v1/namespaces/"+fleetSpace+"/deployments", "", nil, &list); err != nil {
		w.t.Fatal(err)
	}
	items := make(map[string]fleetItem)
	for _, i := range list.Items {
		items[i.Metadata.Name] = i
	}
	return items
}

func (w *fleetWatch) create(name string, labels map[string]string) {
	w.t.Helper()
	pod := map[string]any{"metadata": map[string]any{"labels": map[string]string{"app": name}}, "spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "none"}}}}
	err := w.c.Do(w.t.Context(), http.MethodPost, "/apis/apps/v1/namespaces/"+fleetSpace+"/deployments", "", map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name, "labels": labels},
		"spec": map[string]any{"replicas": 1, "selector": map[string]any{"matchLabels": map[string]string{"app": name}}, "template": pod},
	}, nil)
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *fleetWatch) label(name string, value any) {
	w.t.Helper()
	patch := map[string]any{"metadata": map[string]any{"labels": map[string]any{"fleet": value}}}
	if err := w.c.Do(w.t.Context(), http.MethodPatch, "/apis/apps/v1/namespaces/"+fleetSpace+"/deployments/"+name, "application/merge-patch+json", patch, nil); err != nil {
		w.t.Fatal(err)
	}
}

// settle waits until all targets have a size.
func (w *fleetWatch) settle(what string, want int) {
	w.t.Helper()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for began := time.Now(); ; <-ticker.C {
		wrong := 0
		for _, i := range w.list() {
			if i.Metadata.Labels["fleet"] == "yes" && i.Spec.Replicas != want {
				wrong++
			}
		}
		if wrong == 0 {
			return
		}
		if time.Since(began) > 4*time.Minute {
			w.t.Fatalf("%s: %d targets are not at %d after four minutes", what, wrong, want)
		}
	}
}

// round wants another size, and waits until all targets have it. Each must have got exactly
// one order. It logs how long a target went without a tick, from before what happened until
// now.
func (w *fleetWatch) round(what string, bound time.Duration) {
	w.t.Helper()
	w.settle(what, w.want) // those that are new may be on their way
	time.Sleep(fleetInterval)
	before := w.list()
	w.mu.Lock()
	w.want = 3 - w.want
	want := w.want
	clear(w.orders)
	w.mu.Unlock()
	began := time.Now()
	w.settle(what, want)
	took := time.Since(began)
	time.Sleep(2 * fleetInterval) // for an order too many
	double, selected := 0, 0
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, i := range w.list() {
		changes := i.Metadata.Generation - before[name].Metadata.Generation
		expected := 0
		if i.Metadata.Labels["fleet"] == "yes" {
			selected++
			if before[name].Spec.Replicas != want {
				expected = 1
			}
		}
		if changes != expected || w.orders[name] > expected {
			double++
			w.t.Errorf("%s: the size of %s changed %d times by %d orders, and not %d times", what, name, changes, w.orders[name], expected)
		}
	}
	var longest time.Duration
	for name, gap := range w.longest {
		longest = max(longest, gap)
		w.longest[name] = 0
	}
	if longest > bound {
		w.t.Errorf("%s: a target was not ticked for %v, and the bound is %v", what, longest, bound)
	}
	w.t.Logf("%s: %d targets at %d after %.1f s, %d wrong orders; none without a tick for more than %.1f s", what, selected, want, took.Seconds(), double, longest.Seconds())
}

// led waits until the workers scale all targets between them.
func (w *fleetWatch) led(what string, targets int, workers ...*fleetProcess) {
	w.t.Helper()
	began, ticker := time.Now(), time.NewTicker(100*time.Millisecond)
	defer ticker.Stop()
	for ; ; <-ticker.C {
		members, fair, text := 0, true, ""
		for _, p := range workers {
			s := p.fleet.Status()
			members += s.Members
			fair = fair && len(s.Shards) > 0
			text += fmt.Sprintf("%s: %d members, %d shards, %v; ", p.name, s.Members, len(s.Shards), s.Err)
		}
		if members == targets && fair {
			w.t.Logf("%s: %d targets are led after %.1f s: %s", what, targets, time.Since(began).Seconds(), text)
			return
		}
		if time.Since(began) > 4*time.Minute {
			w.t.Fatalf("%s: %s", what, text)
		}
	}
}

// TestFleet has three workers scale some hundred Deployments of all namespaces, with the
// rights of deploy/fleet/cluster.
func TestFleet(t *testing.T) {
	c := kubecluster.Start(t)
	c.Kubectl(t, "", "apply", "--kustomize", "../deploy/fleet/cluster")
	c.Kubectl(t, "", "create", "namespace", fleetSpace)
	w := &fleetWatch{
		t: t, c: c, token: strings.TrimSpace(c.Kubectl(t, "", "create", "token", "autoscale-fleet", "--duration=2h")),
		want: 1, ticked: make(map[string]time.Time), longest: make(map[string]time.Duration), orders: make(map[string]int),
	}
	n := *deployments
	for i := range n {
		w.create(fmt.Sprintf("d%03d", i), map[string]string{"fleet": "yes"})
	}
	for i := range 20 {
		w.create(fmt.Sprintf("e%03d", i), nil)
	}
	workers := []*fleetProcess{w.start("a", 16), w.start("b", 16), w.start("c", 16)}
	var dead []*fleetProcess
	defer func() {
		for _, p := range append(workers, dead...) {
			p.stop()
			if err := <-p.ended; err != nil {
				t.Error(err)
			}
		}
	}()
	w.led("three workers start", n, workers...)
	// The machine may be slow: what was measured is in FLEET.md.
	const slow = 30 * time.Second
	takeover := fleetTTL + fleetTTL/3 + 2*fleetInterval + slow
	w.round("three workers", takeover)

	workers[0].kill()
	dead, workers = append(dead, workers[0]), workers[1:]
	w.round("one is killed", takeover)

	workers = append(workers, w.start("d", 16))
	w.led("one is added", n, workers...)
	w.round("one is added", takeover)

	for i := range 20 {
		w.label(fmt.Sprintf("d%03d", i), nil)
		w.label(fmt.Sprintf("e%03d", i), "yes")
	}
	w.led("labels change", n, workers...)
	w.mu.Lock()
	for i := range 20 { // they are not to be ticked any more
		delete(w.ticked, fmt.Sprintf("d%03d", i))
	}
	w.mu.Unlock()
	w.round("labels change", takeover)

	c.StopAPI(syscall.SIGKILL)
	if err := c.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.round("the API server is killed and starts", takeover)

	// A command is remembered for the same Deployment, and not for another one of its name.
	find := func(key string) *autoscale.Autoscaler {
		t.Helper()
		var found *autoscale.Autoscaler
		until(t, key+" is a member", func() bool {
			for _, p := range workers {
				if a, ok := p.fleet.Lookup(key); ok && a.Status().Running {
					found = a
					return true
				}
			}
			return false
		})
		return found
	}
	for _, name := range []string{"d100", "d101"} {
		if err := find(fleetSpace + "/" + name).Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.label("d101", nil)
	old := w.list()["d100"].Metadata.UID
	c.Kubectl(t, "", "delete", "deployment", "--namespace", fleetSpace, "d100")
	w.create("d100", map[string]string{"fleet": "yes"})
	until(t, "the state of the Deployment that is gone is gone", func() bool {
		out := c.Kubectl(t, "", "get", "configmaps", "--namespace", fleetSpace, "--output", "jsonpath={.items[*].metadata.ownerReferences[*].uid}")
		return !strings.Contains(out, old)
	})
	w.label("d101", "yes")

	// All workers get another number of shards, one after the other.
	for i, name := range []string{"e", "f", "g"} {
		workers[i].stop()
		if err := <-workers[i].ended; err != nil {
			t.Error(err)
		}
		workers[i] = w.start(name, 24)
	}
	w.led("24 shards instead of 16", n, workers...)
	until(t, "the commands are obeyed", func() bool {
		return strings.HasPrefix(find(fleetSpace+"/d101").Status().Command, "paused") && find(fleetSpace+"/d100").Status().Command == ""
	})
	if err := find(fleetSpace + "/d101").Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range workers {
		for _, a := range p.fleet.Members() {
			if s := a.Status(); s.Last.Err != nil {
				t.Errorf("%v: %v", s, s.Last.Err)
			}
		}
	}
	w.mu.Lock()
	clear(w.longest)
	w.mu.Unlock()
	w.round("24 shards instead of 16", takeover)
}

// TestFleetOfANamespace has the rights of deploy/fleet/namespace.
func TestFleetOfANamespace(t *testing.T) {
	c := kubecluster.Start(t)
	c.Kubectl(t, "", "apply", "--kustomize", "../deploy/fleet/namespace")
	c.Kubectl(t, manifest("Deployment", "web", 1), "apply", "-f", "-")
	k := client(t, c, strings.TrimSpace(c.Kubectl(t, "", "create", "token", "autoscale-fleet")))
	f := k.Fleet(func(kubernetes.Target) (autoscale.Config, error) {
		return autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				return autoscale.Sample{Signals: autoscale.SignalValue, Value: 1}, nil
			}),
			Decider:  autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: 3} }),
			Interval: time.Second, Max: autoscale.Fixed(9), Logger: quiet,
		}, nil
	}, &kubernetes.FleetOptions{Worker: "a", Targets: []string{"default/web"}, TTL: fleetTTL, Shards: 4, Spread: time.Second, SaveEvery: time.Second, Logger: quiet})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	settled(t, client(t, c, kubecluster.AdminToken).Scaler("deployment/web", nil), 3)
	a, ok := f.Lookup("default/web")
	if s := f.Status(); !ok || s.Err != nil || len(s.Faults) > 0 || a.Status().Last.Err != nil {
		t.Errorf("with the rights of deploy/fleet/namespace: %+v", s)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
