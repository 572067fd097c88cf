package kubetest

import (
	"fmt"
	"net/http"
	"time"
)

// scaleOf returns the subresource scale of a workload. As in autoscaling/v1, 0 replicas are
// left out of its spec, but not out of its status.
func scaleOf(res *resource, o object) object {
	spec := object{}
	if n := number(o, "spec", "replicas"); n != 0 {
		spec["replicas"] = n
	}
	status := object{"replicas": number(o, "status", "replicas")}
	selector := selectorOf(o)
	if res.custom {
		status["replicas"], selector = number(o, "status", "HPAReplicas"), text(o, "status", "selector")
	}
	if selector != "" {
		status["selector"] = selector
	}
	meta := object{}
	for _, field := range []string{"name", "namespace", "uid", "resourceVersion", "creationTimestamp"} {
		meta[field] = at(o, "metadata", field)
	}
	return normal(object{"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta, "spec": spec, "status": status})
}

// selectorOf returns spec.selector as text.
func selectorOf(o object) string {
	labels, _ := at(o, "spec", "selector", "matchLabels").(object)
	return joinLabels(labels)
}

// updateScale sets the replicas of a workload to those of a Scale.
func (s *Server) updateScale(q *query, k key, old, scale object) (*answer, *apiError) {
	if text(scale, "kind") != "Scale" {
		return nil, badRequest(fmt.Sprintf("expected input object type to be Scale, but %q", text(scale, "kind")))
	}
	if err := notInt32(scale, "replicas"); err != nil {
		return nil, misread("Scale", "v1", scale, q.Method == http.MethodPatch, err)
	}
	n := number(scale, "spec", "replicas")
	if n < 0 && k.res.custom {
		return nil, negative(k, n)
	}
	if n < 0 {
		return nil, invalid("Scale", "autoscaling", k.name, "spec.replicas", invalidValue, fmt.Sprintf("Invalid value: %d: must be greater than or equal to 0", n))
	}
	to := normal(old)
	child(to, "spec")["replicas"] = float64(n)
	if q.values.Get("dryRun") == "All" {
		return answerJSON(http.StatusOK, scaleOf(k.res, to)), nil
	}
	s.scaled(q, k, old, n)
	next := s.put(k, old, to, q.manager(), "scale")
	return answerJSON(http.StatusOK, scaleOf(k.res, next)), nil
}

// negative refuses negative replicas of a custom resource.
func negative(k key, n int) *apiError {
	return invalid(k.res.kind, k.res.group, k.name, ".spec.replicas", invalidValue, fmt.Sprintf("Invalid value: %d: should be a non-negative integer", n))
}

// scaled remembers an order.
func (s *Server) scaled(q *query, k key, old object, to int) {
	if len(s.scales) >= 2*maxRecorded {
		s.scales = append(s.scales[:0:0], s.scales[maxRecorded:]...)
	}
	s.scales = append(s.scales, Scale{
		Time: time.Now(), Kind: k.res.kind, Name: k.name, From: number(old, "spec", "replicas"), To: to, Account: q.record.Account,
	})
}
