package realtest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/internal/kubecluster"
	"github.com/autoscalebot/autoscale/leader"
)

var quiet = slog.New(slog.DiscardHandler)

func client(t testing.TB, c *kubecluster.Cluster, token string) *kubernetes.Client {
	t.Helper()
	ca, err := c.CA()
	if err != nil {
		t.Fatal(err)
	}
	k := kubernetes.FromConfig(&rest.Config{Host: c.URL, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, nil)
	t.Cleanup(k.CloseIdleConnections)
	return k
}

func manifest(kind, name string, replicas int) string {
	service := ""
	if kind == "StatefulSet" {
		service = "  serviceName: " + name + "\n"
	}
	return fmt.Sprintf(`apiVersion: apps/v1
kind: %s
metadata: {name: %s}
spec:
  replicas: %d
%s  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec: {containers: [{name: main, image: none, resources: {requests: {cpu: 10m}}}]}
`, kind, name, replicas, service)
}

// until waits for what controllers do.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func settled(t testing.TB, s autoscale.Scaler, size int) {
	t.Helper()
	until(t, fmt.Sprintf("%d pods are ready", size), func() bool {
		c, err := s.Capacity(t.Context())
		return err == nil && c.Desired == size && c.Pending == 0 && c.PendingKnown
	})
}

// TestReal runs all proofs on one cluster, as it takes half a minute to start.
func TestReal(t *testing.T) {
	c := kubecluster.Start(t)
	k := client(t, c, kubecluster.AdminToken)
	for _, kind := range []string{"Deployment", "StatefulSet", "ReplicaSet"} {
		c.Kubectl(t, manifest(kind, strings.ToLower(kind), 1), "apply", "-f", "-")
	}

	t.Run("Scaler", func(t *testing.T) {
		for _, target := range []string{"deployment/deployment", "statefulset/statefulset", "replicaset/replicaset", "deployments.apps/deployment"} {
			t.Run(target, func(t *testing.T) { autoscaletest.Scaler(t, k.Scaler(target, nil), autoscaletest.ScalerOptions{}) })
		}
	})
	t.Run("Ready", func(t *testing.T) { testReady(t, c, k) })
	t.Run("Conflict", func(t *testing.T) { testConflict(t, c, k) })
	t.Run("Rights", func(t *testing.T) { testRights(t, c) })
	t.Run("Deploy", func(t *testing.T) { testDeploy(t, c) })
	t.Run("HPA", func(t *testing.T) { testHPA(t, c, k) })
	t.Run("NoRoom", func(t *testing.T) { testNoRoom(t, c, k) })
	t.Run("Quota", func(t *testing.T) { testQuota(t, c, k) })
	t.Run("Elector", func(t *testing.T) {
		var contests atomic.Int64
		autoscaletest.Elector(t, autoscaletest.ElectorOptions{TTL: 2300 * time.Millisecond}, func(t *testing.T) autoscaletest.Contest {
			name := fmt.Sprintf("contest/%d", contests.Add(1))
			return autoscaletest.Contest{New: func(holder string) autoscale.Elector {
				return client(t, c, kubecluster.AdminToken).Elector(&leader.Options{Name: name, Holder: holder, TTL: 2 * time.Second, Renew: 250 * time.Millisecond, Logger: quiet})
			}}
		})
	})
	t.Run("SlowEtcd", func(t *testing.T) { testSlowEtcd(t, c, k) })
	t.Run("Restart", func(t *testing.T) { testRestart(t, c, k) })
	t.Run("Chaos", func(t *testing.T) { testChaos(t, c) })
}

// Pods that are not ready are pending, also while a rollout runs more of them than were
// ordered.
func testReady(t *testing.T, c *kubecluster.Cluster, k *kubernetes.Client) {
	c.Kubectl(t, manifest("Deployment", "ready", 4), "apply", "-f", "-")
	s := k.Scaler("deployment/ready", nil)
	settled(t, s, 4)
	if err := s.Scale(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	if now, err := s.Capacity(t.Context()); err != nil || now.Desired != 6 || now.Pending == 0 && now.PendingKnown {
		t.Errorf("right after an order: %+v, %v", now, err)
	}
	settled(t, s, 6)
	c.Kubectl(t, "", "set", "env", "deployment/ready", "RELEASE=2")
	least := 6
	until(t, "the rollout ends", func() bool {
		now, err := s.Capacity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if now.Desired != 6 || now.Ready() > 6 {
			t.Fatalf("during a rollout: %+v", now)
		}
		least = min(least, now.Ready())
		return strings.Contains(c.Kubectl(t, "", "rollout", "status", "deployment/ready", "--watch=false"), "successfully rolled out")
	})
	settled(t, s, 6)
	t.Logf("during a rollout at least %d of 6 were ready", least)
}

// An order never undoes another one.
func testConflict(t *testing.T, c *kubecluster.Cluster, k *kubernetes.Client) {
	c.Kubectl(t, manifest("Deployment", "conflict", 2), "apply", "-f", "-")
	s := k.Scaler("deployment/conflict", nil)
	settled(t, s, 2)
	c.Kubectl(t, "", "scale", "deployment/conflict", "--replicas=5")
	err := s.Scale(t.Context(), 3)
	var busy *autoscale.BusyError
	if !errors.As(err, &busy) {
		t.Errorf("an order after somebody else's: %v, want a BusyError", err)
	}
	settled(t, s, 5)
	// A change of something else is no conflict.
	c.Kubectl(t, "", "label", "deployment/conflict", "colour=blue")
	if err := s.Scale(t.Context(), 3); err != nil {
		t.Errorf("after a label: %v", err)
	}
	settled(t, s, 3)
}

// The Role that an error prints is what lacks.
func testRights(t *testing.T, c *kubecluster.Cluster) {
	c.Kubectl(t, manifest("Deployment", "rights", 1), "apply", "-f", "-")
	poor := client(t, c, kubecluster.PoorToken)
	s := poor.Scaler("deployment/rights", nil)
	applied := 0
	for range 6 {
		_, err := s.Capacity(t.Context())
		if err == nil {
			err = s.Scale(t.Context(), 2)
		}
		var refused *kubernetes.Error
		if !errors.As(err, &refused) {
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		if refused.Status != http.StatusForbidden || refused.Role() == "" {
			t.Fatalf("status %d, role %q: %v", refused.Status, refused.Role(), err)
		}
		role := strings.ReplaceAll(refused.Role(), "kind: ServiceAccount", "kind: User\n  apiGroup: rbac.authorization.k8s.io")
		c.Kubectl(t, role, "apply", "-f", "-")
		applied++
		before := fmt.Sprint(err)
		until(t, "the right is known", func() bool {
			_, err := s.Capacity(t.Context())
			if err == nil {
				err = s.Scale(t.Context(), 2)
			}
			return fmt.Sprint(err) != before
		})
	}
	if applied == 0 {
		t.Fatal("a user without rights was never refused")
	}
	settled(t, s, 2)
	_, err := client(t, c, "not-a-token").Scaler("deployment/rights", nil).Capacity(t.Context())
	var refused *kubernetes.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
		t.Errorf("a wrong token: %v", err)
	}
	_, err = client(t, c, kubecluster.AdminToken).Scaler("deployment/absent", nil).Capacity(t.Context())
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("an absent one: %v", err)
	}
}

// What deploy/ applies is enough for a Scaler and an Elector.
func testDeploy(t *testing.T, c *kubecluster.Cluster) {
	t.Log(c.Kubectl(t, "", "apply", "--kustomize", "../deploy"))
	token := strings.TrimSpace(c.Kubectl(t, "", "create", "token", "web"))
	k := client(t, c, token)
	s := k.Scaler("deployment/web", nil)
	settled(t, s, 1)
	e := k.Elector(&leader.Options{App: "shop", Holder: "web-1", TTL: 3 * time.Second, Renew: 300 * time.Millisecond, Logger: quiet})
	a := autoscale.New(autoscale.Config{
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: 30}, nil
		}),
		Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: 3} }),
		Scaler:  s, Elector: e, Interval: 500 * time.Millisecond, Logger: quiet,
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	settled(t, s, 3)
	until(t, "the tick is recorded", func() bool { r, ok := e.Record(); return ok && len(r.State) > 0 })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if st := a.Status(); st.ScaleFailures > 0 || st.Last.Err != nil {
		t.Errorf("with the rights of deploy/: %v", st.Last.Err)
	}
}

// A HorizontalPodAutoscaler rules as long as it exists, also if its metrics fail.
func testHPA(t *testing.T, c *kubecluster.Cluster, k *kubernetes.Client) {
	c.Kubectl(t, manifest("Deployment", "hpa", 2), "apply", "-f", "-")
	s := k.Scaler("deployment/hpa", nil)
	settled(t, s, 2)
	if now, _ := s.Capacity(t.Context()); now.ExternalAutoscaler != "" {
		t.Errorf("without one: %q", now.ExternalAutoscaler)
	}
	c.Kubectl(t, "", "autoscale", "deployment/hpa", "--min=1", "--max=3", "--cpu-percent=80")
	// A Scaler looks for it every half minute; a new one at once.
	fresh := client(t, c, kubecluster.AdminToken).Scaler("deployment/hpa", nil)
	now, err := fresh.Capacity(t.Context())
	if err != nil || !strings.Contains(now.ExternalAutoscaler, "HorizontalPodAutoscaler hpa") {
		t.Errorf("with one: %+v, %v", now, err)
	}
	until(t, "the Scaler that was there before sees it", func() bool {
		now, err := s.Capacity(t.Context())
		return err == nil && now.ExternalAutoscaler != ""
	})
	// It undoes an order above its maximum, although it has no metrics.
	if err := s.Scale(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	settled(t, s, 3)
	// An Autoscaler leaves the size to it, unless it only recommends.
	for _, only := range []bool{false, true} {
		a := autoscale.New(autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: 1}, nil
			}),
			Decider: autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: 2} }),
			Scaler:  fresh, RecommendOnly: only, Logger: quiet,
		})
		d, err := a.Tick(t.Context(), time.Now())
		want := 3
		if only {
			want = 2
		}
		if err != nil || d.Act || d.Size != want {
			t.Errorf("RecommendOnly %v: %+v, %v, want %d", only, d, err, want)
		}
	}
	c.Kubectl(t, "", "delete", "hpa", "hpa")
}

// Pods for which there is no room are pending, and become a limit after some minutes, which
// the tests of package kubernetes have in fake time.
func testNoRoom(t *testing.T, c *kubecluster.Cluster, k *kubernetes.Client) {
	text := strings.ReplaceAll(manifest("Deployment", "full", 2), "metadata: {labels: {app: full}}", `metadata: {labels: {app: full}, annotations: {`+kubecluster.PendingAnnotation+`: "yes"}}`)
	c.Kubectl(t, text, "apply", "-f", "-")
	s := k.Scaler("deployment/full", nil)
	until(t, "the pods are pending", func() bool {
		now, err := s.Capacity(t.Context())
		return err == nil && now.Pending == 2 && now.PendingKnown
	})
}

// A quota that keeps pods from being made becomes a limit.
func testQuota(t *testing.T, c *kubecluster.Cluster, k *kubernetes.Client) {
	c.Kubectl(t, "", "create", "namespace", "small")
	c.Kubectl(t, "", "create", "quota", "pods", "--hard=pods=3", "--namespace=small")
	until(t, "the quota is known", func() bool {
		return strings.Contains(c.Kubectl(t, "", "get", "quota", "pods", "--namespace=small", "-o", "jsonpath={.status.hard}"), "pods")
	})
	c.Kubectl(t, manifest("Deployment", "quota", 2), "apply", "--namespace=small", "-f", "-")
	ca, err := c.CA()
	if err != nil {
		t.Fatal(err)
	}
	k = kubernetes.FromConfig(&rest.Config{Host: c.URL, BearerToken: kubecluster.AdminToken, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, &kubernetes.Options{Namespace: "small"})
	s := k.Scaler("deployment/quota", nil)
	settled(t, s, 2)
	if err := s.Scale(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	// It counts as a limit after a minute: it may be full for a moment, of pods that end.
	for end := time.Now().Add(70 * time.Second); time.Now().Before(end); time.Sleep(time.Second) {
		if now, err := s.Capacity(t.Context()); err != nil || now.Desired != 6 {
			t.Fatalf("%+v, %v", now, err)
		}
	}
	var limit *autoscale.LimitError
	if err := s.Scale(t.Context(), 7); !errors.As(err, &limit) {
		t.Fatalf("an order above the quota: %v", err)
	}
	if limit.Limit != 3 {
		t.Errorf("the limit is %d, and the quota 3: %v", limit.Limit, limit)
	}
}

// While etcd does not answer, calls fail in time, and afterwards all goes on.
func testSlowEtcd(t *testing.T, c *kubecluster.Cluster, k *kubernetes.Client) {
	s := k.Scaler("deployment/deployment", nil)
	settled(t, s, 1)
	if err := c.SignalEtcd(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	err := s.Scale(ctx, 2)
	if took := time.Since(began); err == nil || took > 8*time.Second {
		t.Errorf("with etcd stopped an order took %v: %v", took, err)
	}
	if err := c.SignalEtcd(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	until(t, "it goes on", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := s.Capacity(ctx); err != nil {
			return false
		}
		return s.Scale(ctx, 2) == nil
	})
	settled(t, s, 2)
}

// A restart of the API server is an error, and then as if nothing had been.
func testRestart(t *testing.T, c *kubecluster.Cluster, k *kubernetes.Client) {
	s := k.Scaler("deployment/deployment", nil)
	e := k.Elector(&leader.Options{Name: "restart", Holder: "one", TTL: 3 * time.Second, Renew: 300 * time.Millisecond, Logger: quiet})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	var first autoscale.Term
	until(t, "it leads", func() bool { var leads bool; first, leads = e.Current(); return leads })
	c.StopAPI(syscall.SIGKILL)
	short, stop := context.WithTimeout(t.Context(), 2*time.Second)
	defer stop()
	if now, err := s.Capacity(short); err == nil {
		t.Errorf("without an API server the size is %+v", now)
	}
	until(t, "it does not trust its term any longer", func() bool { _, leads := e.Current(); return !leads })
	if err := c.StartAPI(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "it leads again", func() bool { _, leads := e.Current(); return leads })
	if again, _ := e.Current(); again.Number < first.Number {
		t.Errorf("term %d comes after %d", again.Number, first.Number)
	}
	settled(t, s, 2)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
