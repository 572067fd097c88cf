package kubernetes

import (
	"fmt"
	"strings"
)

// Role returns the Role and the RoleBinding that permit what was refused, as YAML for
// `kubectl apply -f -`. It is empty if the error is not a refusal of RBAC.
//
// The Role permits this one request. The folder deploy of this module has a Role for
// everything that a [Scaler] does.
func (e *Error) Role() string {
	if !e.denied() || e.Resource == "" || e.Namespace == "" {
		return ""
	}
	name := strings.NewReplacer("/", "-", ".", "-").Replace("autoscale-" + e.Verb + "-" + e.Resource)
	if e.Name != "" {
		name += "-" + e.Name
	}
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: %s
  namespace: %s
rules:
- apiGroups: [%q]
  resources: [%q]
  verbs: [%q]
`, name, e.Namespace, e.Group, e.Resource, e.Verb)
	if e.Name != "" && e.Verb != "create" { // the API server does not know the name of a new object
		fmt.Fprintf(&b, "  resourceNames: [%q]\n", e.Name)
	}
	fmt.Fprintf(&b, `---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: %s
  namespace: %s
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: %s
subjects:
%s`, name, e.Namespace, name, e.subject())
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
