package kubernetes_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// The Role that an error returns permits what was refused.
func TestRoleOfAnError(t *testing.T) {
	inBubble(t, "", func(t *testing.T, s *kubetest.Server, _ *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		account := kubetest.Account{Name: "system:serviceaccount:default:bot", Namespace: "default"}
		s.AddAccount(token, account)
		c := clientOf(s, token)
		defer c.CloseIdleConnections()
		web := c.Scaler("deployment/web", nil)
		roles := 0
		for w.Replicas() != 3 && roles < 3 {
			err := web.Scale(t.Context(), 3)
			if err == nil {
				break
			}
			var refusal *kubernetes.Error
			if !errors.As(err, &refusal) || refusal.Status != http.StatusForbidden {
				t.Fatal(err)
			}
			docs := strings.Split(refusal.Role(), "---\n")
			var role, binding manifest
			if err := errors.Join(yaml.UnmarshalStrict([]byte(docs[0]), &struct {
				APIVersion, Kind string
				Metadata         map[string]string
				Rules            []kubetest.Rule
			}{}), yaml.Unmarshal([]byte(docs[0]), &role), yaml.Unmarshal([]byte(docs[1]), &binding)); err != nil {
				t.Fatalf("%v:\n%s", err, refusal.Role())
			}
			if binding.RoleRef.Name != role.Metadata.Name || binding.Subjects[0].Name != "bot" || binding.Subjects[0].Kind != "ServiceAccount" {
				t.Errorf("%+v", binding)
			}
			account.Rules = append(account.Rules, role.Rules...)
			s.AddAccount(token, account)
			roles++
		}
		if roles != 2 || w.Replicas() != 3 { // get deployments, update deployments/scale
			t.Errorf("%d roles, %d replicas", roles, w.Replicas())
		}
	})
	for _, e := range []*kubernetes.Error{
		{Status: 404}, {Status: 403, Message: "exceeded quota", Resource: "pods", Namespace: "shop"},
	} {
		if text := e.Role(); text != "" {
			t.Errorf("%+v: %s", e, text)
		}
	}
	user := &kubernetes.Error{Status: 403, User: "ann@example.com", Verb: "list", Group: "autoscaling", Resource: "horizontalpodautoscalers", Namespace: "shop"}
	if text := user.Role(); !strings.Contains(text, "- kind: User\n  apiGroup: rbac.authorization.k8s.io\n  name: \"ann@example.com\"\n") || strings.Contains(text, "resourceNames") {
		t.Error(text)
	}
}
