package kubernetes

import (
	"fmt"
	"strings"
)

// Role returns the Role and the RoleBinding that permit what was refused, as YAML for
// `kubectl apply -f -`. For a request about all namespaces they are a ClusterRole and a
// ClusterRoleBinding. It is empty if the error is not a refusal of RBAC.
//
// The Role permits this one request. The folder deploy of this module has a Role for
// everything that a [Scaler] does.
func (e *Error) Role() string {
	if !e.denied() || e.Resource == "" {
		return ""
	}
	name := strings.NewReplacer("/", "-", ".", "-").Replace("autoscale-" + e.Verb + "-" + e.Resource)
	if e.Name != "" {
		name += "-" + e.Name
	}
	kind, where := "ClusterRole", ""
	if e.Namespace != "" {
		kind, where = "Role", "\n  namespace: "+e.Namespace
	}
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: rbac.authorization.k8s.io/v1
kind: %s
metadata:
  name: %s%s
rules:
- apiGroups: [%q]
  resources: [%q]
  verbs: [%q]
`, kind, name, where, e.Group, e.Resource, e.Verb)
	if e.Name != "" && e.Verb != "create" { // the API server does not know the name of a new object
		fmt.Fprintf(&b, "  resourceNames: [%q]\n", e.Name)
	}
	fmt.Fprintf(&b, `---
apiVersion: rbac.authorization.k8s.io/v1
kind: %sBinding
metadata:
  name: %s%s
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: %s
  name: %s
subjects:
%s`, kind, name, where, kind, name, e.subject())
	return b.String()
}

// subject returns who asked, as an entry of a RoleBinding.
func (e *Error) subject() string {
	if account, ok := strings.CutPrefix(e.User, "system:serviceaccount:"); ok {
		if namespace, name, ok := strings.Cut(account, ":"); ok && validNamespace.MatchString(namespace) && validName.MatchString(name) {
			return fmt.Sprintf("- kind: ServiceAccount\n  name: %s\n  namespace: %s\n", name, namespace)
		}
	}
	user := e.User
	if user == "" {
		user = "NAME" // the API server did not say it
	}
	return fmt.Sprintf("- kind: User\n  apiGroup: rbac.authorization.k8s.io\n  name: %q\n", user)
}
