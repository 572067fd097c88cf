package kubernetes

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/autoscalebot/autoscale/internal/calls"
)

// FuzzCapacity reads whatever a server may say of an object.
func FuzzCapacity(f *testing.F) {
	f.Add("Deployment", `{"kind":"Deployment","metadata":{"name":"web","resourceVersion":"7","generation":2,"managedFields":[{"manager":"a","time":"2026-03-01T12:00:00Z","fieldsV1":{"f:spec":{"f:replicas":{}}}}]},"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"a","operator":"In","values":["b"]}]}},"status":{"observedGeneration":2,"readyReplicas":1}}`)
	f.Add("Rollout", `{"kind":"Rollout","metadata":{"name":"web","resourceVersion":"7"},"spec":{},"status":{"observedGeneration":"5f7","readyReplicas":9}}`)
	f.Add("Scale", `{"kind":"Scale","metadata":{"name":"web","resourceVersion":"7"},"spec":{"replicas":3},"status":{"replicas":-4}}`)
	f.Fuzz(func(t *testing.T, kind, text string) {
		var w workload
		if json.Unmarshal([]byte(text), &w) != nil || w.check(kind, "web") != nil {
			return
		}
		c := w.capacity()
		if c.Desired < 0 || c.Pending < 0 || c.Pending > c.Desired {
			t.Errorf("%+v", c)
		}
		m := w.manager()
		if strings.ContainsFunc(m.String(), unicode.IsControl) || len(m.String()) > 300 {
			t.Errorf("%q", m)
		}
		w.labels()
	})
}

// FuzzExplain reads whatever a server may say of a refusal.
func FuzzExplain(f *testing.F) {
	f.Add(403, "3", `{"kind":"Status","code":403,"reason":"Forbidden","message":"pods \"x\" is forbidden: User \"a\" cannot get","details":{"retryAfterSeconds":9}}`)
	f.Add(429, "Thu, 01 Jan 1970 00:00:09 GMT", `{"kind":"Status"`)
	f.Fuzz(func(t *testing.T, code int, after, text string) {
		c := newClient(nil, nil)
		c.hidden.add(testToken)
		e := c.failed(call{op: "test", subject: "x", api: "apps/v1", resource: "deployments", name: "web", namespace: "shop"}, nil, nil)
		e.Status, e.RetryAfter = code, calls.RetryAfter(code, http.Header{"Retry-After": {after}}, time.Unix(0, 0))
		c.explain(e, []byte(text+testToken))
		if s := e.Error(); len(s) > 2000 || strings.ContainsFunc(s, unicode.IsControl) || strings.Contains(s, testToken) {
			t.Errorf("%q", s)
		}
		if e.RetryAfter < 0 || e.RetryAfter > calls.MaxRetryAfter {
			t.Error(e.RetryAfter)
		}
		_ = e.Role()
	})
}

// What kubectl takes for a kind is taken here too.
func TestKinds(t *testing.T) {
	for target, want := range map[string]string{
		"deploy/web": "deployments", "deployment/web": "deployments", "Deployments/web": "deployments", "deployments.apps/web": "deployments",
		"sts/web": "statefulsets", "rs/web": "replicasets", "ro/web": "rollouts", "rollouts.argoproj.io/web": "rollouts", "st/web": "", "ds/web": "",
	} {
		if k, _, _, err := parseTarget(target); k.resource != want || (err == nil) != (want != "") {
			t.Errorf("%s is %q, %v; want %q", target, k.resource, err, want)
		}
	}
}

// FuzzTarget reads whatever may be given as a target: what is accepted goes into a path.
func FuzzTarget(f *testing.F) {
	f.Add("deployment/web")
	f.Add("workers.example.com/web")
	f.Fuzz(func(t *testing.T, target string) {
		k, plural, name, err := parseTarget(target)
		if err != nil {
			return
		}
		if strings.Count(target, "/") != 1 || strings.ContainsAny(plural+name+k.api, "?#%") || strings.Contains(name, "..") && strings.HasPrefix(name, ".") {
			t.Errorf("%q is %q, %q, %v", target, plural, name, k)
		}
	})
}
