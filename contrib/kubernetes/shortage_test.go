package kubernetes_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// limited orders size, and expects a LimitError of limit without a request.
func limited(t *testing.T, s *kubetest.Server, web autoscale.Scaler, size, limit int, says string) {
	t.Helper()
	before := len(s.Requests())
	err := web.Scale(t.Context(), size)
	var e *autoscale.LimitError
	if !errors.As(err, &e) || e.Size != size || e.Limit != limit || e.Guessed || !strings.Contains(err.Error(), says) {
		t.Errorf("%v, want a limit of %d that says %q", err, limit, says)
	}
	if n := len(s.Requests()) - before; n != 0 {
		t.Errorf("%d requests", n)
	}
}

// tick reads the capacity every 30 seconds.
func tick(t *testing.T, web autoscale.Scaler, d time.Duration) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(30 * time.Second) {
		capacity(t, web)
	}
}

func podLists(s *kubetest.Server) (n int) {
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, "/pods") {
			n++
		}
	}
	return n
}

func TestShortage(t *testing.T) {
	for _, kind := range []string{"Deployment", "ReplicaSet"} {
		inBubble(t, "quota of a "+kind, func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
			w := s.AddWorkload(kubetest.WorkloadConfig{Kind: kind, Name: "web", Replicas: 2, Quota: 3})
			web := c.Scaler(strings.ToLower(kind)+"/web", nil)
			time.Sleep(time.Second)
			scale(t, web, 5)
			time.Sleep(time.Second)
			tick(t, web, time.Minute) // no limit before that
			scale(t, web, 6)
			time.Sleep(time.Second)
			tick(t, web, time.Minute)
			limited(t, s, web, 7, 3, "exceeded quota")
			if podLists(s) != 0 {
				t.Error("pods were listed")
			}
			scale(t, web, 6) // what is ordered already is no more
			scale(t, web, 4)

			// It is tried again some minutes after it was last seen.
			time.Sleep(6 * time.Minute)
			scale(t, web, 7)
			time.Sleep(time.Second)
			tick(t, web, time.Minute)
			limited(t, s, web, 8, 3, "exceeded quota")
			w.SetQuota(20)
			time.Sleep(time.Second)
			tick(t, web, time.Second)
			scale(t, web, 8)
		})
	}
	inBubble(t, "a pod that is never ready leaves new ones their time", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 10, Nodes: 11, Boot: 24 * time.Hour})
		web := c.Scaler("deployment/web", nil)
		time.Sleep(time.Second)
		scale(t, web, 11) // there is a node for it, and it does not become ready
		time.Sleep(time.Second)
		tick(t, web, 15*time.Minute)
		scale(t, web, 20)
		time.Sleep(time.Second)
		tick(t, web, 2*time.Minute)
		scale(t, web, 25) // a cluster autoscaler may still add nodes
		time.Sleep(time.Second)
		tick(t, web, 10*time.Minute)
		limited(t, s, web, 30, 11, "14 of 25 pods cannot be scheduled")
	})
	inBubble(t, "nodes", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2, Nodes: 4})
		web := c.Scaler("deployment/web", nil)
		time.Sleep(time.Second)
		scale(t, web, 10)
		time.Sleep(time.Second)
		tick(t, web, 10*time.Minute) // a cluster autoscaler may add nodes
		scale(t, web, 12)
		if n := podLists(s); n != 0 {
			t.Errorf("pods were listed %d times", n)
		}
		time.Sleep(time.Second)
		tick(t, web, 2*time.Minute)
		limited(t, s, web, 13, 4, "8 of 12 pods cannot be scheduled: 0/1 nodes are available")
		if n := podLists(s); n < 1 || n > 3 {
			t.Errorf("pods were listed %d times", n)
		}
		w.SetNodes(5) // one more becomes ready
		time.Sleep(time.Second)
		tick(t, web, time.Second)
		scale(t, web, 13)
	})
	inBubble(t, "the pods may not be listed", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2, Nodes: 4})
		web := c.Scaler("deployment/web", nil)
		denied := kubetest.Error(403, "Forbidden", "no")
		denied.Path, denied.Times = "/api/v1/namespaces/default/pods", -1
		s.Inject(denied)
		time.Sleep(time.Second)
		scale(t, web, 10)
		tick(t, web, 15*time.Minute)
		scale(t, web, 11)
	})
	inBubble(t, "pods that wait for a gate", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2, Nodes: 4})
		web := c.Scaler("deployment/web", nil)
		time.Sleep(time.Second)
		scale(t, web, 6)
		time.Sleep(time.Second)
		s.StopControllers(true)
		for _, pod := range w.Pods() {
			s.Edit("Pod", "", pod, func(o map[string]any) {
				o["status"] = map[string]any{"phase": "Pending", "conditions": []any{map[string]any{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}}}
			})
		}
		tick(t, web, 15*time.Minute)
		scale(t, web, 7)
	})
	inBubble(t, "slow pods are no shortage", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2, Boot: 20 * time.Minute})
		web := c.Scaler("deployment/web", nil)
		time.Sleep(time.Second)
		scale(t, web, 10)
		tick(t, web, 15*time.Minute)
		scale(t, web, 11)
	})
}

// A CustomResourceDefinition may have a maximum, which the refusal names.
func TestMaximum(t *testing.T) {
	inBubble(t, "", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Kind: "Rollout", Name: "web", Replicas: 2})
		web := c.Scaler("rollout/web", nil)
		refusal := kubetest.Error(422, "Invalid", `Rollout.argoproj.io "web" is invalid: spec.replicas: Invalid value: 12: spec.replicas in body should be less than or equal to 10`)
		refusal.Method = http.MethodPut
		s.Inject(refusal)
		err := web.Scale(t.Context(), 12)
		var e *autoscale.LimitError
		if !errors.As(err, &e) || e.Limit != 10 || e.Guessed {
			t.Error(err)
		}
	})
}
