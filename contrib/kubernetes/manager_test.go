package kubernetes_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// entry is one of managedFields, as an API server writes it.
func entry(manager, operation, subresource, at, fields string) map[string]any {
	e := map[string]any{"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1"}
	if subresource != "" {
		e["subresource"] = subresource
	}
	if at != "" {
		e["time"] = at
	}
	e["fieldsV1"] = map[string]any{"f:spec": map[string]any{fields: map[string]any{}}}
	return e
}

func TestLastManager(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		entries []any
		want    kubernetes.Manager
		text    string
	}{
		{"nobody", nil, kubernetes.Manager{}, "not known"},
		{"kubectl apply", []any{entry("kubectl-client-side-apply", "Update", "", "2026-03-01T12:00:00Z", "f:replicas")}, kubernetes.Manager{Name: "kubectl-client-side-apply", Operation: "Update", Time: at}, "kubectl-client-side-apply (Update)"},
		{"Argo CD", []any{
			entry("argocd-controller", "Apply", "", "2026-03-01T12:00:00Z", "f:replicas"), entry("kube-controller-manager", "Update", "status", "2026-03-02T12:00:00Z", "f:strategy"),
		}, kubernetes.Manager{Name: "argocd-controller", Operation: "Apply", Time: at}, "argocd-controller (Apply)"},
		{"an HPA", []any{
			entry("helm", "Update", "", "2026-03-01T12:00:00Z", "f:template"), entry("kube-controller-manager", "Update", "scale", "", "f:replicas"),
		}, kubernetes.Manager{Name: "kube-controller-manager", Operation: "Update", Subresource: "scale"}, "kube-controller-manager (Update of scale)"},
		{"what is no entry", []any{map[string]any{"manager": "x"}, map[string]any{"manager": "y", "fieldsV1": "z"}}, kubernetes.Manager{}, "not known"},
	} {
		inBubble(t, tt.name, func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
			s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
			// Any change would add an entry: the answer is made up instead.
			o := s.Object("Deployment", "", "web")
			o["metadata"].(map[string]any)["managedFields"] = tt.entries
			s.Inject(kubetest.Fault{Status: 200, Body: mustJSON(t, o), Times: -1})
			web := c.Scaler("deployment/web", nil)
			if got := web.LastManager(); got != (kubernetes.Manager{}) {
				t.Errorf("before anything was read: %v", got)
			}
			got := capacity(t, web)
			if m := web.LastManager(); m != tt.want || fmt.Sprint(m) != tt.text || !got.Changed.Equal(tt.want.Time) {
				t.Errorf("%+v, changed %v, want %+v", m, got.Changed, tt.want)
			}
		})
	}
	inBubble(t, "a Scaler", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		web := c.Scaler("deployment/web", nil)
		scale(t, web, 3)
		got := capacity(t, web)
		if m := web.LastManager(); m.Name != kubernetes.FieldManager || m.Subresource != "scale" || !got.Changed.IsZero() {
			t.Errorf("%+v, changed %v", m, got.Changed)
		}
	})
}
