package kubetest

import (
	"fmt"
	"strings"
)

// A resource is a kind of object that is served.
type resource struct {
	group, version, plural, kind string

	status      bool // it has the subresource status
	scale       bool // it has the subresource scale
	generation  bool // metadata.generation grows with the spec
	custom      bool // it is a custom resource
	conditional bool // an update must name a resourceVersion
	upsert      bool // an update creates an object that is missing
}

var resources = []*resource{
	{version: "v1", plural: "pods", kind: "Pod", status: true},
	{version: "v1", plural: "configmaps", kind: "ConfigMap"},
	{group: "apps", version: "v1", plural: "deployments", kind: "Deployment", status: true, scale: true, generation: true},
	{group: "apps", version: "v1", plural: "statefulsets", kind: "StatefulSet", status: true, scale: true, generation: true},
	{group: "apps", version: "v1", plural: "replicasets", kind: "ReplicaSet", status: true, scale: true, generation: true},
	{group: "argoproj.io", version: "v1alpha1", plural: "rollouts", kind: "Rollout", status: true, scale: true, generation: true, custom: true, conditional: true},
	{group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers", kind: "HorizontalPodAutoscaler", status: true},
	{group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease", conditional: true, upsert: true},
	{group: "discovery.k8s.io", version: "v1", plural: "endpointslices", kind: "EndpointSlice", generation: true},
	{group: "keda.sh", version: "v1alpha1", plural: "scaledobjects", kind: "ScaledObject", status: true, generation: true, custom: true, conditional: true},
}

func (r *resource) apiVersion() string {
	if r.group == "" {
		return r.version
	}
	return r.group + "/" + r.version
}

// groupResource returns the name of the resource in messages.
func (r *resource) groupResource() string {
	if r.group == "" {
		return r.plural
	}
	return r.plural + "." + r.group
}

// findResource returns a resource by its plural name and its group and version, such as
// "apps/v1" or "/v1". It returns nil if there is none.
func findResource(groupVersion, plural string) *resource {
	for _, r := range resources {
		if r.group+"/"+r.version == groupVersion && r.plural == plural {
			return r
		}
	}
	return nil
}

// ofKind returns the resource of a kind. It panics if there is none, because then the
// test is wrong.
func ofKind(kind string) *resource {
	for _, r := range resources {
		if r.kind == kind {
			return r
		}
	}
	panic(fmt.Sprintf("kubetest: the kind %q is not served", kind))
}

// discover answers a request for a path that is not a resource. It returns nil for
// other paths.
func discover(path string) *answer {
	switch path {
	case "/healthz", "/livez", "/readyz":
		return &answer{status: 200, header: map[string][]string{"Content-Type": {"text/plain; charset=utf-8"}}, body: []byte("ok")}
	case "/version":
		return answerJSON(200, object{"major": "1", "minor": "35", "gitVersion": "v1.35.0", "platform": "linux/amd64"})
	case "/api":
		return answerJSON(200, object{"kind": "APIVersions", "versions": []string{"v1"}})
	}
	var groups []any
	lists := map[string][]any{}
	for _, r := range resources {
		where := "/apis/" + r.apiVersion()
		if r.group == "" {
			where = "/api/v1"
		} else if lists[where] == nil {
			v := object{"groupVersion": r.apiVersion(), "version": r.version}
			groups = append(groups, object{"name": r.group, "versions": []any{v}, "preferredVersion": v})
		}
		lists[where] = append(lists[where], object{"name": r.plural, "singularName": strings.ToLower(r.kind), "namespaced": true, "kind": r.kind, "verbs": []string{"create", "delete", "get", "list", "patch", "update", "watch"}})
		if r.status {
			lists[where] = append(lists[where], object{"name": r.plural + "/status", "singularName": "", "namespaced": true, "kind": r.kind, "verbs": []string{"get", "patch", "update"}})
		}
		if r.scale {
			lists[where] = append(lists[where], object{"name": r.plural + "/scale", "singularName": "", "namespaced": true, "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": []string{"get", "patch", "update"}})
		}
	}
	for _, g := range groups {
		if g := g.(object); path == "/apis/"+g["name"].(string) {
			g["kind"], g["apiVersion"] = "APIGroup", "v1"
			return answerJSON(200, g)
		}
	}
	if path == "/apis" {
		return answerJSON(200, object{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
	}
	for _, r := range resources {
		where := "/apis/" + r.apiVersion()
		if r.group == "" {
			where = "/api/v1"
		}
		if path == where {
			return answerJSON(200, object{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": r.apiVersion(), "resources": lists[where]})
		}
	}
	return nil
}
