package kubernetes_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

func hpaLists(s *kubetest.Server) (n int) {
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, "/horizontalpodautoscalers") {
			n++
		}
	}
	return n
}

func TestRivals(t *testing.T) {
	rivalOf := func(t *testing.T, c *kubernetes.Client, target string) string {
		t.Helper()
		time.Sleep(26 * time.Second)
		return capacity(t, c.Scaler(target, nil)).ExternalAutoscaler
	}
	inBubble(t, "HPA", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		s.AddWorkload(kubetest.WorkloadConfig{Name: "other", Replicas: 2})
		s.AddWorkload(kubetest.WorkloadConfig{Kind: "StatefulSet", Name: "web", Replicas: 2})
		s.AddWorkload(kubetest.WorkloadConfig{Kind: "Rollout", Name: "web", Replicas: 2})
		h := s.AddHPA(kubetest.HPAConfig{Name: "a", Target: "web"})
		if got := rivalOf(t, c, "deployment/web"); got != "HorizontalPodAutoscaler a" {
			t.Errorf("%q", got)
		}
		for _, target := range []string{"deployment/other", "statefulset/web", "rollout/web"} {
			if got := rivalOf(t, c, target); got != "" {
				t.Errorf("%s: %q", target, got)
			}
		}
		w.SetReplicas(0) // switches it off
		if got := rivalOf(t, c, "deployment/web"); got != "" {
			t.Errorf("at 0: %q", got)
		}
		w.SetReplicas(2)
		h.Remove()
		if got := rivalOf(t, c, "deployment/web"); got != "" {
			t.Errorf("removed: %q", got)
		}
	})
	inBubble(t, "another version and kind", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Kind: "Rollout", Name: "web", Replicas: 2})
		s.AddHPA(kubetest.HPAConfig{Name: "a", Kind: "Rollout", Target: "web"})
		s.Edit("HorizontalPodAutoscaler", "", "a", func(o map[string]any) {
			o["spec"].(map[string]any)["scaleTargetRef"].(map[string]any)["apiVersion"] = "argoproj.io/v1"
		})
		if got := rivalOf(t, c, "rollout/web"); got != "HorizontalPodAutoscaler a" {
			t.Errorf("%q", got)
		}
	})
	inBubble(t, "KEDA", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		s.AddHPA(kubetest.HPAConfig{Name: "keda-hpa-web", Target: "web", ScaledObject: "web"})
		const name = "KEDA ScaledObject web (HorizontalPodAutoscaler keda-hpa-web"
		if got := rivalOf(t, c, "deployment/web"); got != name+")" {
			t.Errorf("%q", got)
		}
		for annotation, want := range map[string]string{
			"paused-replicas: 3":     ", paused at 3 by an annotation)",
			"paused: true":           ", paused by an annotation)",
			"paused: false":          ")",
			"paused-scale-in: true":  ", which does not scale in, by an annotation)",
			"paused-scale-out: true": ")",
		} {
			key, value, _ := strings.Cut(annotation, ": ")
			s.Put(map[string]any{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": map[string]any{
				"name": "web", "namespace": "default", "annotations": map[string]any{"autoscaling.keda.sh/" + key: value},
			}})
			if got := rivalOf(t, c, "deployment/web"); got != name+want {
				t.Errorf("%s: %q", annotation, got)
			}
		}
		denied := kubetest.Error(403, "Forbidden", "no")
		denied.Path, denied.Times = "/apis/keda.sh/*/*/*/*/*", -1
		s.Inject(denied)
		if got := rivalOf(t, c, "deployment/web"); got != name+")" {
			t.Errorf("not permitted: %q", got)
		}
	})
	inBubble(t, "Knative", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		s.Edit("Deployment", "", "web", func(o map[string]any) {
			o["metadata"].(map[string]any)["labels"] = map[string]any{"serving.knative.dev/service": "shop"}
		})
		if got := rivalOf(t, c, "deployment/web"); !strings.HasPrefix(got, "Knative Service shop") {
			t.Errorf("%q", got)
		}
	})
}

// The autoscalers of a namespace are listed once for all Scalers, and not in each tick.
// A failed look is no error, and what was seen stands for a while.
func TestRivalIsLookedUpSeldom(t *testing.T) {
	inBubble(t, "", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		for i := range 5 {
			s.AddWorkload(kubetest.WorkloadConfig{Name: fmt.Sprint("web", i), Replicas: 2})
		}
		s.AddHPA(kubetest.HPAConfig{Name: "a", Target: "web0"})
		web := c.Scaler("deployment/web0", nil)
		for range 10 {
			for i := range 5 {
				capacity(t, c.Scaler(fmt.Sprint("deployment/web", i), nil))
			}
			time.Sleep(10 * time.Second)
		}
		if n := hpaLists(s); n != 4 { // at 0, 30, 60 and 90 seconds
			t.Errorf("%d lists", n)
		}
		fault := kubetest.Fault{Path: "/apis/autoscaling/v2/namespaces/default/*", Hang: true, Times: -1}
		s.Inject(fault)
		for i := range 12 {
			time.Sleep(time.Minute)
			began := time.Now()
			got := capacity(t, web).ExternalAutoscaler
			if want := time.Since(began) > 5*time.Second; want {
				t.Error("a look took", time.Since(began))
			}
			if (got != "") != (i < 9) {
				t.Errorf("minute %d: %q", i+1, got)
			}
		}
		s.ClearFaults()
		time.Sleep(time.Minute)
		if got := capacity(t, web).ExternalAutoscaler; got == "" {
			t.Error("not seen again")
		}
	})
}
