package kubernetes_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/contrib/kubernetes"
)

// What was refused about all namespaces takes a ClusterRole.
func TestClusterRole(t *testing.T) {
	refused := kubernetes.Error{Op: "list the targets", Subject: "deployments", Verb: "list", Group: "apps", Resource: "deployments", Status: http.StatusForbidden, Reason: "Forbidden", User: "system:serviceaccount:tools:fleet"}
	for namespace, want := range map[string][]string{
		"":     {"kind: ClusterRole\n", "kind: ClusterRoleBinding\n", "- kind: ServiceAccount\n  name: fleet\n  namespace: tools\n"},
		"shop": {"kind: Role\n", "kind: RoleBinding\n", "\n  namespace: shop\nrules:"},
	} {
		e := refused
		e.Namespace = namespace
		for _, w := range want {
			if role := e.Role(); !strings.Contains(role, w) {
				t.Errorf("namespace %q: %q is not in\n%s", namespace, w, role)
			}
		}
		if namespace == "" && !strings.Contains(e.Error(), "in all namespaces") {
			t.Error(e.Error())
		}
	}
}
