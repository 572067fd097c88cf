package realtest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/keda"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	autoscaleprom "github.com/autoscalebot/autoscale/contrib/prometheus"
	"github.com/autoscalebot/autoscale/internal/kubecluster"
	"github.com/autoscalebot/autoscale/leader"
	"github.com/autoscalebot/autoscale/status"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"google.golang.org/grpc"
	"k8s.io/client-go/rest"
)

var quiet = slog.New(slog.DiscardHandler)

// pageToken is the token of the page.
const pageToken = "the-token-of-the-page"

// A load is what the pods of the service measure.
type load struct {
	jobs   atomic.Int64 // that wait, each for a process
	silent atomic.Bool  // whether nothing can be measured
}

func (l *load) Probe(context.Context) (autoscale.Sample, error) {
	if l.silent.Load() {
		return autoscale.Sample{}, errors.New("nothing was measured")
	}
	return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: float64(l.jobs.Load())}, nil
}

// Decide recommends a process for each job that waits.
func (l *load) Decide(o autoscale.Observation) autoscale.Decision {
	if len(o.Samples) == 0 {
		return autoscale.Decision{}
	}
	return autoscale.Decision{Act: true, Size: int(o.Samples[len(o.Samples)-1].Backlog), Reason: autoscale.Reason{Code: "jobs", Detail: autoscale.ReasonText("a process for each job")}}
}

// config is what the program of README.md says.
func (l *load) config(s autoscale.Scaler) autoscale.Config {
	return autoscale.Config{
		Name: "web", Prober: l, Decider: l, Scaler: s, RecommendOnly: true, Logger: quiet,
		Min: autoscale.Fixed(0), Max: autoscale.Fixed(20), Interval: 250 * time.Millisecond,
	}
}

// A service is a Deployment "web", whose pods run here, each with an address of its own.
type service struct {
	*load
	test    testing.TB // that a pod ends with at the latest
	cluster *kubecluster.Cluster
	token   string // of the ServiceAccount that role.yaml is for
	grpc    string // the port of each pod
	http    string
	dns     string // the address of a name server that knows the pods
	front   string // the address of a proxy that sends a connection to any pod

	mu   sync.Mutex
	pods []*pod
}

// client returns a client with the rights of role.yaml.
func (s *service) client(t testing.TB) *kubernetes.Client {
	t.Helper()
	ca, err := s.cluster.CA()
	if err != nil {
		t.Fatal(err)
	}
	k := kubernetes.FromConfig(&rest.Config{Host: s.cluster.URL, BearerToken: s.token, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, nil)
	t.Cleanup(k.CloseIdleConnections)
	return k
}

// A pod is one process of the service.
type pod struct {
	addr string
	stop context.CancelFunc // ends its Autoscaler, and not its servers
	end  func()
}

// start starts a pod with an address of the loopback network.
func (s *service) start(addr string) {
	t := s.test
	t.Helper()
	k := s.client(t)
	cfg := s.config(k.Scaler("deployment/web", nil))
	cfg.Elector = k.Elector(&leader.Options{App: "shop", Holder: addr, TTL: 10 * time.Second, Renew: time.Second, Logger: quiet})
	a := autoscale.New(cfg)

	g, sizes := grpc.NewServer(), keda.New(a, &keda.Options{StaleAfter: staleAfter, Logger: quiet})
	sizes.Register(g)
	registry := prometheus.NewRegistry()
	registry.MustRegister(autoscaleprom.NewCollector(a))
	mux := http.NewServeMux()
	mux.Handle("/autoscale/", status.Handler(a, &status.Options{Token: pageToken, StaleAfter: staleAfter, Logger: quiet}))
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	page := &http.Server{Handler: mux}

	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	p := &pod{addr: addr, stop: stop}
	p.end = sync.OnceFunc(func() {
		g.Stop()
		_ = page.Close()
		stop()
		running.Wait()
	})
	t.Cleanup(p.end)
	for port, serve := range map[string]func(net.Listener) error{s.grpc: g.Serve, s.http: page.Serve} {
		listener, err := net.Listen("tcp", net.JoinHostPort(addr, port))
		if err != nil {
			t.Fatal(err)
		}
		running.Go(func() { _ = serve(listener) })
	}
	running.Go(func() { _ = a.Run(ctx) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pods = append(s.pods, p)
}

// staleAfter is short, and above what a busy machine takes between two ticks.
const staleAfter = 10 * time.Second

// kill ends pods as a crash does: connections break, and nobody resigns before.
func (s *service) kill(n int) {
	s.mu.Lock()
	gone := s.pods[:n]
	s.pods = s.pods[n:]
	s.mu.Unlock()
	for _, p := range gone {
		p.end()
	}
}

// freeze ends the Autoscalers of all pods, whose servers go on to answer.
func (s *service) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.pods {
		p.stop()
	}
}

// addresses returns those of the pods.
func (s *service) addresses() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, p := range s.pods {
		all = append(all, p.addr)
	}
	return all
}

// replicas returns the size that was ordered last.
func (s *service) replicas(t testing.TB) int {
	t.Helper()
	var d struct{ Spec struct{ Replicas int } }
	if err := s.cluster.Do(t.Context(), http.MethodGet, "/apis/apps/v1/namespaces/default/deployments/web", "", nil, &d); err != nil {
		t.Fatal(err)
	}
	return d.Spec.Replicas
}

// follows sets the published size, and waits until it was ordered.
func (s *service) follows(t testing.TB, sizes ...int) {
	t.Helper()
	for _, size := range sizes {
		began := time.Now()
		from := s.replicas(t)
		s.jobs.Store(int64(size))
		until(t, fmt.Sprintf("the size is %d", size), func() bool { return s.replicas(t) == size })
		t.Logf("%d → %d in %.1f s", from, size, time.Since(began).Seconds())
	}
}

// holds fails the test if the size is not that one for a time.
func (s *service) holds(t testing.TB, size int, d time.Duration, why string) {
	t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-ticker.C {
		if n := s.replicas(t); n != size {
			t.Fatalf("%s: the size went from %d to %d", why, size, n)
		}
	}
	t.Logf("%s: the size stayed %d for %v", why, size, d)
}

// hpa is what a HorizontalPodAutoscaler says of itself.
type hpa struct {
	Metadata struct{ Name string }
	Status   struct {
		CurrentMetrics []struct {
			External struct{ Current struct{ AverageValue string } }
		}
		Conditions []struct{ Type, Status, Reason, Message string }
	}
}

// hpas returns those of the namespace.
func (s *service) hpas(t testing.TB) []hpa {
	t.Helper()
	var list struct{ Items []hpa }
	if err := s.cluster.Do(t.Context(), http.MethodGet, "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", "", nil, &list); err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// reads waits until the HPA has the published size, which it shows divided by the size.
func (s *service) reads(t testing.TB, average string) {
	t.Helper()
	until(t, "the HPA reads "+average, func() bool {
		all := s.hpas(t)
		return len(all) == 1 && len(all[0].Status.CurrentMetrics) == 1 && all[0].Status.CurrentMetrics[0].External.Current.AverageValue == average
	})
}

// fails waits until the HPA has no metric, and returns what it says.
func (s *service) fails(t testing.TB) (text string) {
	t.Helper()
	until(t, "the HPA has no metric", func() bool {
		for _, h := range s.hpas(t) {
			for _, c := range h.Status.Conditions {
				if c.Type == "ScalingActive" && c.Status == "False" {
					text = c.Reason + ": " + c.Message
					return true
				}
			}
		}
		return false
	})
	return text
}

// until waits for what others do.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for patience := time.After(2 * time.Minute); !ok(); {
		select {
		case <-ticker.C:
		case <-patience:
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}

// freePort returns a port that is free at the addresses of all pods.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// replaced returns text with pairs of texts replaced, all of which must be there.
func replaced(t testing.TB, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the manifest has no %q:\n%s", pairs[i], text)
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return text
}
