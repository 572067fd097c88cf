package kubernetes

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
)

// advice says what to do about a status.
func (e *Error) advice() string {
	switch {
	case e.Status == http.StatusInternalServerError && strings.Contains(e.Message, "spec replicas field"):
		return "the object does not say its size: set this field once, in its manifest"
	case e.webhook():
		return "an admission webhook of the cluster decides this: ask those who run it, `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations` lists them"
	case e.quota():
		return "the namespace's quota permits no more: lower Max or raise the quota, which `kubectl describe quota --namespace " + e.Namespace + "` shows"
	}
	switch e.Status {
	case http.StatusBadRequest:
		return "the API server did not understand the request: this is a fault of this library, or something other than the API server answered"
	case http.StatusUnauthorized:
		return "the credentials are not valid: in a pod, check that its service account exists and was not replaced; outside, that the kubeconfig's login is fresh (`kubectl auth whoami`)"
	case http.StatusForbidden:
		if !e.denied() {
			return ""
		}
		return fmt.Sprintf("%s may not %s %s: apply the Role and the RoleBinding that the method Role of this error returns", cmp.Or(e.User, "the user"), e.Verb, e.object())
	case http.StatusNotFound:
		return "check the name, the namespace " + e.Namespace + " and the kind, which `kubectl get` lists; a kind without a scale subresource cannot be scaled"
	case http.StatusConflict:
		return "somebody else changed it at the same time: it is read again and decided again"
	case http.StatusGone:
		return "the API server has forgotten this version: it is listed again"
	case http.StatusUnprocessableEntity:
		return "the cluster does not accept this value: check Min and Max, and the policies of the cluster"
	case http.StatusTooManyRequests:
		return "the API server sheds load: the size stays until it accepts requests again"
	}
	switch {
	case e.Status >= 500:
		return "the API server is in trouble: the size stays, `kubectl get --raw /readyz?verbose` says more"
	case e.Status/100 == 3:
		return "redirects are not followed: check the URL of the API server"
	}
	return ""
}

// webhook reports whether an admission webhook refused, or failed.
func (e *Error) webhook() bool {
	return e.Status >= 400 && strings.Contains(e.Message, "webhook") && (strings.Contains(e.Message, "denied the request") || strings.Contains(e.Message, "failed calling"))
}

// quota reports whether a ResourceQuota refused.
func (e *Error) quota() bool {
	return e.Status == http.StatusForbidden && strings.Contains(e.Message, "exceeded quota")
}

// denied reports whether RBAC refused, and not an admission plugin.
func (e *Error) denied() bool {
	return e.Status == http.StatusForbidden && !e.webhook() && !e.quota() && (e.User != "" || strings.Contains(e.Message, " cannot ") || e.Message == "")
}

// object names what RBAC was asked about, as `deployments.apps/scale "web"`.
func (e *Error) object() string {
	resource, sub, _ := strings.Cut(e.Resource, "/")
	s := resource
	if e.Group != "" {
		s += "." + e.Group
	}
	if sub != "" {
		s += "/" + sub
	}
	if e.Name != "" {
		s += fmt.Sprintf(" %q", e.Name)
	}
	if e.Namespace == "" {
		return s + " in all namespaces"
	}
	return s + " in namespace " + e.Namespace
}
