package realtest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/keda"
	"github.com/autoscalebot/autoscale/internal/kubecluster"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

const manifests = "../../deploy/"

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReal runs all proofs on one cluster.
func TestReal(t *testing.T) {
	c := kubecluster.Start(t)
	for _, file := range []string{manifests + "role.yaml", manifests + "service.yaml", "../../../kubernetes/deploy/deployment.yaml"} {
		c.Kubectl(t, "", "apply", "--validate=strict", "-f", file)
	}
	s := &service{load: new(load), test: t, cluster: c, token: strings.TrimSpace(c.Kubectl(t, "", "create", "token", "web")), grpc: freePort(t), http: freePort(t)}
	s.jobs.Store(1)
	s.serveDNS(t)
	s.serveFront(t)
	s.start("127.0.0.11")
	s.start("127.0.0.12")
	prometheus := s.startPrometheus(t, "127.0.0.11", "127.0.0.12", "127.0.0.13", "127.0.0.14")
	t.Run("HPA", func(t *testing.T) { testHPA(t, s, prometheus) })
	t.Run("KEDA", func(t *testing.T) {
		c.StartKEDA(t)
		t.Run("External", func(t *testing.T) { testExternal(t, s) })
		t.Run("TLS", func(t *testing.T) { testTLS(t, s) })
		t.Run("Push", func(t *testing.T) { testPush(t, s) })
		t.Run("MetricsAPI", func(t *testing.T) { testMetricsAPI(t, s) })
		t.Run("Prometheus", func(t *testing.T) { testPrometheus(t, s, prometheus) })
	})
}

// withoutTolerance is the manifest as Kubernetes below 1.35 takes it.
func withoutTolerance(t testing.TB, text string) string {
	t.Helper()
	line := `tolerance: "0" # from Kubernetes 1.35; leave it out below`
	return replaced(t, text, line, "# "+line)
}

// A plain HPA runs the published size that Prometheus has.
func testHPA(t *testing.T, s *service, prometheus string) {
	s.cluster.ServeAPI(t, "v1beta1", "external.metrics.k8s.io", startAdapter(t, prometheus))
	manifest := read(t, manifests+"hpa.yaml")
	s.cluster.Kubectl(t, withoutTolerance(t, manifest), "apply", "--validate=strict", "-f", "-")
	defer s.cluster.Kubectl(t, "", "delete", "hpa", "web")
	s.follows(t, 1, 3, 10)
	trap(t, s)
	s.cluster.Kubectl(t, manifest, "apply", "--validate=strict", "-f", "-")
	s.follows(t, 9, 10, 11, 9, 1, 4)
	s.silent.Store(true)
	t.Log(s.fails(t))
	s.holds(t, 4, 10*time.Second, "a size that is not known")
	s.silent.Store(false)
	s.follows(t, 5, 4)
	rival(t, s, "HorizontalPodAutoscaler web")
}

// trap is the tolerance: at 10, an HPA ignores 11 and 9. The Autoscaler says so.
func trap(t *testing.T, s *service) {
	for _, tt := range []struct {
		size    int
		average string
	}{{11, "1100m"}, {9, "900m"}} {
		s.jobs.Store(int64(tt.size))
		s.reads(t, tt.average)
		s.holds(t, 10, 8*time.Second, fmt.Sprintf("a published size of %d", tt.size))
		text := notFollowed(t, s)
		t.Log(text)
		if !strings.Contains(text, fmt.Sprintf("the size stays at 10, although %d is published", tt.size)) || !strings.Contains(text, "ignores a difference of up to 10 %") {
			t.Errorf("a published size of %d: %s", tt.size, text)
		}
	}
	// What is above it is followed.
	s.follows(t, 12, 10)
}

// notFollowed lets an Autoscaler see for ten minutes of ticks what there is now, and returns
// what it says of it.
func notFollowed(t *testing.T, s *service) string {
	t.Helper()
	a := autoscale.New(s.config(s.client(t).Scaler("deployment/web", nil)))
	for at := range 12 {
		if _, err := a.Tick(t.Context(), time.Now().Add(time.Duration(at)*time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range a.Status().Conditions {
		if e.Kind == autoscale.NotFollowed {
			return e.String()
		}
	}
	return "the published size is followed"
}

// rival tests what a Scaler of contrib/kubernetes, with the rights of role.yaml, says of the
// autoscaler that rules, and whether an Autoscaler that is to order yields to it.
func rival(t *testing.T, s *service, want string) {
	t.Helper()
	scaler := s.client(t).Scaler("deployment/web", nil)
	now, err := scaler.Capacity(t.Context())
	if err != nil || now.ExternalAutoscaler != want {
		t.Errorf("the Scaler says %q of who rules, not %q, %v", now.ExternalAutoscaler, want, err)
	}
	t.Logf("the Scaler says: %s", now.ExternalAutoscaler)
	cfg := s.config(scaler)
	cfg.RecommendOnly = false
	cfg.Decider = autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision {
		return autoscale.Decision{Act: true, Size: now.Desired + 3, Reason: autoscale.Reason{Code: "more", Detail: autoscale.ReasonText("more is needed")}}
	})
	a := autoscale.New(cfg)
	if d, err := a.Tick(t.Context(), time.Now()); err != nil || d.Act || d.Size != now.Desired {
		t.Errorf("one that is to order: %+v, %v", d, err)
	}
	t.Logf("one that is to order: %v", a.Status())
}

// trigger returns the manifest of a ScaledObject that KEDA asks often.
func (s *service) trigger(t testing.TB, file string, pairs ...string) string {
	t.Helper()
	return replaced(t, read(t, manifests+file), append([]string{"pollingInterval: 15", "pollingInterval: 2"}, pairs...)...)
}

// apply applies a ScaledObject, and waits until KEDA has made the HPA of it.
func (s *service) apply(t testing.TB, manifest string) {
	t.Helper()
	s.cluster.Kubectl(t, manifest, "apply", "--validate=strict", "-f", "-")
	until(t, "KEDA makes the HPA", func() bool {
		all := s.hpas(t)
		return len(all) == 1 && all[0].Metadata.Name == "keda-hpa-web"
	})
}

// remove deletes the ScaledObject, and waits until KEDA has deleted the HPA.
func (s *service) remove(t testing.TB) {
	t.Helper()
	s.cluster.Kubectl(t, "", "delete", "scaledobject", "web", "--timeout=60s")
	until(t, "the HPA is gone", func() bool { return len(s.hpas(t)) == 0 })
}

// condition returns what KEDA says of the ScaledObject.
func (s *service) condition(t testing.TB, kind string) (status, text string) {
	t.Helper()
	var so struct {
		Status struct {
			Conditions []struct{ Type, Status, Reason, Message string }
		}
	}
	if err := s.cluster.Do(t.Context(), http.MethodGet, "/apis/keda.sh/v1alpha1/namespaces/default/scaledobjects/web", "", nil, &so); err != nil {
		t.Fatal(err)
	}
	for _, c := range so.Status.Conditions {
		if c.Type == kind {
			return c.Status, fmt.Sprintf("%s=%s, %s: %s", c.Type, c.Status, c.Reason, c.Message)
		}
	}
	return "", ""
}

// address is scalerAddress. KEDA's gRPC client asks the name server of the test.
func (s *service) address() string { return "dns://" + s.dns + "/" + host + ":" + s.grpc }

// KEDA asks the pods by its own protocol.
func testExternal(t *testing.T, s *service) {
	manifest := s.trigger(t, "external.yaml", host+":9090", s.address())
	s.apply(t, withoutTolerance(t, manifest))
	s.follows(t, 1, 3, 10)
	trap(t, s)
	s.apply(t, manifest)
	s.follows(t, 9, 10, 11, 9, 1, 20, 5)
	rival(t, s, "KEDA ScaledObject web (HorizontalPodAutoscaler keda-hpa-web)")
	t.Run("Unknown", func(t *testing.T) { testUnknown(t, s, manifest) })
	t.Run("Pods", func(t *testing.T) { testPods(t, s) })
	t.Run("Stale", func(t *testing.T) { testStale(t, s) })
	t.Run("Pause", func(t *testing.T) { testPause(t, s) })
	t.Run("Minimum", func(t *testing.T) {
		s.jobs.Store(0)
		until(t, "the size is minReplicaCount", func() bool { return s.replicas(t) == 1 })
		s.holds(t, 1, 5*time.Second, "a published size of 0 with minReplicaCount 1")
	})
	s.remove(t)
}

// While nothing can be measured, the size stays: with the fallback of the manifest, and
// without it.
func testUnknown(t *testing.T, s *service, manifest string) {
	_, rest, _ := strings.Cut(manifest, "  fallback:")
	fallback, _, _ := strings.Cut(rest, "  advanced:")
	without := replaced(t, manifest, "  fallback:"+fallback, "")
	for _, tt := range []struct{ name, manifest, kind, status string }{
		{"without a fallback", without, "Ready", "False"},
		{"with the fallback", manifest, "Fallback", "True"},
	} {
		s.apply(t, tt.manifest)
		s.follows(t, 6, 5)
		s.silent.Store(true)
		t.Log(s.fails(t))
		until(t, "KEDA notices", func() bool { status, _ := s.condition(t, tt.kind); return status == tt.status })
		for _, kind := range []string{"Ready", "Active", "Fallback"} {
			_, text := s.condition(t, kind)
			t.Logf("%s: %s", tt.name, text)
		}
		s.holds(t, 5, 10*time.Second, tt.name)
		s.silent.Store(false)
		s.follows(t, 6, 5)
	}
}

// A pod that ends is not missed. Without any, the size stays.
func testPods(t *testing.T, s *service) {
	s.kill(1)
	s.follows(t, 7, 6)
	s.kill(1)
	t.Log(s.fails(t))
	s.holds(t, 6, 15*time.Second, "without any pod")
	s.start("127.0.0.13")
	s.start("127.0.0.14")
	s.follows(t, 8, 5)
}

// A size that is too old is not known: the pods answer, and their Autoscalers have ended.
func testStale(t *testing.T, s *service) {
	s.freeze()
	s.jobs.Store(9)
	t.Log(s.fails(t))
	s.holds(t, 5, 10*time.Second, "a size that is too old")
	s.kill(2)
	s.start("127.0.0.11")
	s.start("127.0.0.12")
	s.follows(t, 9, 5)
}

// An annotation pauses KEDA. The Scaler says so, and that nobody follows is reported.
func testPause(t *testing.T, s *service) {
	annotate := func(args ...string) {
		s.cluster.Kubectl(t, "", append([]string{"annotate", "--overwrite", "scaledobject", "web"}, args...)...)
	}
	for _, tt := range []struct {
		annotation  string
		size, stays int
		rules, says string // by the Scaler: of who rules, and of nobody that follows
	}{
		{"paused-replicas=4", 8, 4, "KEDA ScaledObject web, which an annotation pauses at 4", "the size is left to KEDA ScaledObject web, which an annotation pauses at 4"},
		{"paused=true", 8, 5, "", "the size stays at 5, although 8 is published"},
		{"paused-scale-in=true", 3, 5, "KEDA ScaledObject web (HorizontalPodAutoscaler keda-hpa-web), which an annotation keeps from scaling in", "the size stays at 5, although 3 is published"},
		{"paused-scale-out=true", 8, 5, "KEDA ScaledObject web (HorizontalPodAutoscaler keda-hpa-web), which an annotation keeps from scaling out", "the size stays at 5, although 8 is published"},
	} {
		t.Run(tt.annotation, func(t *testing.T) {
			s.follows(t, 5)
			annotate("autoscaling.keda.sh/" + tt.annotation)
			until(t, "KEDA is paused", func() bool { status, _ := s.condition(t, "Paused"); return status == "True" })
			until(t, "the size is that of the pause", func() bool { return s.replicas(t) == tt.stays })
			if tt.rules == "" || strings.Contains(tt.annotation, "replicas") {
				until(t, "the HPA is gone", func() bool { return len(s.hpas(t)) == 0 })
			} else { // KEDA forbids the HPA one direction
				until(t, "the HPA knows", func() bool {
					return strings.Contains(s.cluster.Kubectl(t, "", "get", "hpa", "keda-hpa-web", "-o", "jsonpath={.spec.behavior}"), "Disabled")
				})
			}
			s.jobs.Store(int64(tt.size))
			s.holds(t, tt.stays, 8*time.Second, tt.annotation)
			now, err := s.client(t).Scaler("deployment/web", nil).Capacity(t.Context())
			if err != nil || now.ExternalAutoscaler != tt.rules {
				t.Errorf("the Scaler says %q, %v", now.ExternalAutoscaler, err)
			}
			text := notFollowed(t, s)
			t.Log(text)
			if !strings.Contains(text, tt.says) {
				t.Error(text)
			}
			s.jobs.Store(int64(tt.stays))
			name, _, _ := strings.Cut(tt.annotation, "=")
			annotate("autoscaling.keda.sh/" + name + "-")
			until(t, "KEDA goes on", func() bool { status, _ := s.condition(t, "Paused"); return status == "False" && len(s.hpas(t)) == 1 })
			s.follows(t, tt.size, 5)
		})
	}
}

// KEDA asks by TLS, with a certificate of its own, as README.md says.
func testTLS(t *testing.T, s *service) {
	pair := s.cluster.Pair()
	certificate, err := tls.LoadX509KeyPair(filepath.Join(pair, "tls.crt"), filepath.Join(pair, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(read(t, filepath.Join(pair, "ca.crt"))))
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{certificate}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	})))
	a := autoscale.New(s.config(s.client(t).Scaler("deployment/web", nil)))
	keda.New(a, nil).Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = server.Serve(listener) })
	running.Go(func() { _ = a.Run(ctx) })
	t.Cleanup(func() { server.Stop(); cancel(); running.Wait() })

	s.cluster.Kubectl(t, "", "create", "secret", "generic", "web-keda", "--from-file="+pair)
	s.cluster.Kubectl(t, `apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: web-keda}
spec:
  secretTargetRef:
  - {parameter: caCert, name: web-keda, key: ca.crt}
  - {parameter: tlsClientCert, name: web-keda, key: tls.crt}
  - {parameter: tlsClientKey, name: web-keda, key: tls.key}
`, "apply", "--validate=strict", "-f", "-")
	s.apply(t, s.trigger(t, "external.yaml", host+":9090", listener.Addr().String()+"\n      enableTLS: \"true\"")+"    authenticationRef: {name: web-keda}\n")
	s.follows(t, 3, 12, 2)
	s.remove(t)
}

// KEDA is told of 0 and not 0 at once, and the last pod goes.
func testPush(t *testing.T, s *service) {
	s.jobs.Store(2)
	manifest := s.trigger(t, "external-push.yaml", host+":9090", s.address(), "minReplicaCount: 1", "minReplicaCount: 0", "cooldownPeriod: 30", "cooldownPeriod: 5")
	s.apply(t, manifest)
	s.follows(t, 2, 0, 3, 11)
	// The pods run here, and not in the Deployment, so that they still answer at 0.
	s.silent.Store(true)
	t.Log(s.fails(t))
	s.holds(t, 11, 20*time.Second, "a size that is not known, with minReplicaCount 0")
	s.silent.Store(false)
	s.follows(t, 0, 3)
	// The number of the fallback matters, although its behavior is not to use it. Until the
	// threshold, KEDA takes an error for a size of 0 if the number is 0.
	s.apply(t, replaced(t, manifest, "replicas: 3 #", "replicas: 0 #", "failureThreshold: 3", "failureThreshold: 30"))
	s.follows(t, 4)
	s.silent.Store(true)
	until(t, "the last pod goes", func() bool { return s.replicas(t) == 0 })
	s.silent.Store(false)
	s.follows(t, 1)
	s.remove(t)
}

// KEDA reads size.json of the page.
func testMetricsAPI(t *testing.T, s *service) {
	s.cluster.Kubectl(t, "", "create", "secret", "generic", "web-autoscale", "--from-literal=token="+pageToken)
	manifest := s.trigger(t, "metrics-api.yaml", host+":8080", s.front)
	s.apply(t, manifest)
	s.follows(t, 3, 10, 11, 9, 1, 6)
	s.silent.Store(true)
	t.Log(s.fails(t))
	s.holds(t, 6, 10*time.Second, "size.json answers 503")
	s.silent.Store(false)
	s.follows(t, 5)
	s.remove(t)
	s.cluster.Kubectl(t, `{"stringData":{"token":"the-token-of-somebody-else"}}`, "patch", "secret", "web-autoscale", "--patch-file=/dev/stdin")
	s.jobs.Store(8)
	s.apply(t, manifest)
	t.Log(s.fails(t))
	s.holds(t, 5, 10*time.Second, "a wrong token")
	s.remove(t)
}

// KEDA asks Prometheus.
func testPrometheus(t *testing.T, s *service, prometheus string) {
	s.apply(t, s.trigger(t, "prometheus.yaml", "http://prometheus.monitoring.svc.cluster.local:9090", prometheus))
	s.follows(t, 3, 10, 11, 9, 1, 6)
	s.silent.Store(true)
	t.Log(s.fails(t))
	s.holds(t, 6, 10*time.Second, "Prometheus has no size")
	s.silent.Store(false)
	s.follows(t, 4)
	s.remove(t)
}
