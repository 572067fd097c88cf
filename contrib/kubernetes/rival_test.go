package kubernetes_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

func lists(s *kubetest.Server, resource string) (n int) {
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, "/"+resource) {
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
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		h := s.AddHPA(kubetest.HPAConfig{Name: "keda-hpa-web", Target: "web", ScaledObject: "so"})
		put := func(annotation string) {
			annotations := map[string]any{}
			for _, a := range strings.Fields(annotation) {
				key, value, _ := strings.Cut(a, "=")
				annotations["autoscaling.keda.sh/"+key] = value
			}
			s.Put(map[string]any{
				"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
				"metadata": map[string]any{"name": "so", "namespace": "default", "annotations": annotations},
				"spec":     map[string]any{"scaleTargetRef": map[string]any{"name": "web"}},
			})
		}
		expect := func(what, want string) {
			t.Helper()
			if got := rivalOf(t, c, "deployment/web"); got != want {
				t.Errorf("%s: %q, want %q", what, got, want)
			}
		}
		const withHPA, alone = "KEDA ScaledObject so (HorizontalPodAutoscaler keda-hpa-web)", "KEDA ScaledObject so"
		expect("the ScaledObject is not known", withHPA)
		for _, tt := range []struct {
			annotations, pause string
		}{
			{"", ""},
			{"paused=true", ", which an annotation pauses"},
			{"paused=yes", ", which an annotation pauses"}, // what KEDA cannot read pauses too
			{"paused=false", ""},
			{"paused-replicas=3 paused=true", ", which an annotation pauses at 3"},
			{"paused-scale-in=true", ", which an annotation keeps from scaling in"},
			{"paused-scale-out=true", ", which an annotation keeps from scaling out"},
			{"paused-scale-in=true paused-scale-out=true", ", which an annotation keeps from scaling in and out"},
		} {
			put(tt.annotations)
			expect(tt.annotations, withHPA+tt.pause)
		}
		put("")
		w.SetReplicas(0)
		expect("at 0, where KEDA scales from", withHPA)
		w.SetReplicas(2)
		h.Remove()
		expect("without an HPA", alone)
		put("paused-replicas=3")
		expect("paused at 3", alone+", which an annotation pauses at 3")
		put("paused=true")
		expect("paused", "")
		s.AddWorkload(kubetest.WorkloadConfig{Kind: "StatefulSet", Name: "web", Replicas: 2})
		put("")
		if got := rivalOf(t, c, "statefulset/web"); got != "" {
			t.Errorf("of another kind: %q", got)
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
// A failed look is not an error, and what was seen stands for a while.
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
		if n := lists(s, "horizontalpodautoscalers"); n != 4 { // at 0, 30, 60 and 90 seconds
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

// A caller waits for another one's look no longer than its own context allows.
func TestRivalWaitsForItsContext(t *testing.T) {
	inBubble(t, "", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		s.Inject(kubetest.Fault{Path: "/apis/autoscaling/v2/namespaces/default/*", Hang: true, Times: -1})
		web := c.Scaler("deployment/web", nil)
		var first sync.WaitGroup
		first.Go(func() { _, _ = web.Capacity(t.Context()) })
		synctest.Wait() // its look is under way
		for _, patience := range []time.Duration{0, 100 * time.Millisecond, 2 * time.Second} {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			began := time.Now()
			now, err := web.Capacity(ctx)
			if took := time.Since(began); took > patience/2 {
				t.Errorf("with a context of %v it took %v", patience, took)
			}
			if patience > 0 && (err != nil || now.Desired != 2) {
				t.Errorf("with a context of %v the size is %+v, %v", patience, now, err)
			}
			cancel()
		}
		first.Wait()
	})
}

// Where KEDA is not installed, it is seldom asked for.
func TestNoKEDA(t *testing.T) {
	inBubble(t, "", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		none := kubetest.Error(404, "NotFound", "the server could not find the requested resource")
		none.Path, none.Times = "/apis/keda.sh/v1alpha1/namespaces/default/scaledobjects", -1
		s.Inject(none)
		web := c.Scaler("deployment/web", nil)
		tick(t, web, 30*time.Minute)
		if n := lists(s, "scaledobjects"); n != 6 {
			t.Errorf("%d lists", n)
		}
		s.ClearFaults()
	})
}
