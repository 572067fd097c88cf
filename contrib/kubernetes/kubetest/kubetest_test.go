package kubetest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

const (
	deployments = "/apis/apps/v1/namespaces/default/deployments"
	web         = deployments + "/web"
	leases      = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
	configMaps  = "/api/v1/namespaces/default/configmaps"
)

// A caller sends requests with one token.
type caller struct {
	t      testing.TB
	client *http.Client
	url    string
	token  string
}

func as(t testing.TB, s *kubetest.Server, token string) caller {
	return caller{t, s.Client(), s.URL, token}
}

func (c caller) do(method, path, body string) (int, map[string]any) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("User-Agent", "test/1.0")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	res, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(data, &o); err != nil && bytes.HasPrefix(data, []byte("{")) {
		c.t.Fatal(err)
	}
	return res.StatusCode, o
}

func field(o map[string]any, path ...string) any {
	var v any = o
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func newWeb(t *testing.T) (*kubetest.Server, caller) {
	t.Helper()
	s := kubetest.NewServer()
	t.Cleanup(s.Close)
	s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 3})
	return s, as(t, s, kubetest.Token)
}

// Versions are compared and swapped as kube-apiserver v1.34 did.
func TestVersions(t *testing.T) {
	_, c := newWeb(t)
	version := func() string {
		_, o := c.do("GET", web, "")
		return field(o, "metadata", "resourceVersion").(string)
	}
	_, scale := c.do("GET", web+"/scale", "")
	first := version()
	if scale["kind"] != "Scale" || field(scale, "spec", "replicas") != 3.0 || field(scale, "status", "replicas") != 3.0 || field(scale, "status", "selector") != "app=web" || field(scale, "metadata", "resourceVersion") != first {
		t.Fatalf("the scale is %v", scale)
	}
	put := func(replicas int, version string) string {
		meta := `"name":"web","namespace":"default"`
		if version != "" {
			meta += `,"resourceVersion":"` + version + `"`
		}
		return fmt.Sprintf(`{"kind":"Scale","apiVersion":"autoscaling/v1","metadata":{%s},"spec":{"replicas":%d}}`, meta, replicas)
	}
	for _, step := range []struct {
		name, method, body string
		code               int
		reason             any
	}{
		{"a put with the present version", "PUT", put(4, first), 200, nil},
		{"one with that version again", "PUT", put(5, first), 409, "Conflict"},
		{"one without a version", "PUT", put(5, ""), 200, nil},
		{"a patch", "PATCH", `{"spec":{"replicas":6}}`, 200, nil},
		{"a patch with an old version", "PATCH", `{"metadata":{"resourceVersion":"` + first + `"},"spec":{"replicas":7}}`, 409, "Conflict"},
		{"minus one", "PATCH", `{"spec":{"replicas":-1}}`, 422, "Invalid"},
		{"not JSON", "PATCH", `nope`, 400, "BadRequest"},
	} {
		if code, o := c.do(step.method, web+"/scale", step.body); code != step.code || o["reason"] != step.reason {
			t.Errorf("%s: %d, %v; want %d, %v", step.name, code, o, step.code, step.reason)
		}
	}
	before := version()
	if code, _ := c.do("PATCH", web+"/scale", `{"spec":{"replicas":6}}`); code != 200 || version() != before {
		t.Errorf("the same value again: %d, version %s after %s", code, version(), before)
	}
	rollout := "/apis/argoproj.io/v1alpha1/namespaces/default/rollouts"
	c.do("POST", rollout, `{"metadata":{"name":"web"},"spec":{"replicas":3}}`)
	if code, o := c.do("PATCH", rollout+"/web/scale", `{"spec":{"replicas":-1}}`); code != 422 || !strings.Contains(fmt.Sprint(o["message"]), "should be a non-negative integer") {
		t.Errorf("minus one of a Rollout: %d, %v", code, o)
	}
	_, o := c.do("GET", web, "")
	if g := field(o, "metadata", "generation"); g != 4.0 || field(o, "status", "observedGeneration") != g {
		t.Errorf("after three changes the generation is %v, observed %v", g, field(o, "status", "observedGeneration"))
	}
	_, scale = c.do("PATCH", web+"/scale", `{"spec":{"replicas":0}}`)
	if spec := field(scale, "spec").(map[string]any); len(spec) != 0 {
		t.Errorf("the spec of no replicas is %v", spec)
	}
	for _, e := range field(o, "metadata", "managedFields").([]any) {
		e := e.(map[string]any)
		if _, timed := e["time"]; e["manager"] == "test" && (e["subresource"] != "scale" || timed) {
			t.Errorf("the manager of the scale is %v", e)
		}
	}
}

// A token has the rights of its rules, by verb, resource and name, and the existence of an
// object plays no part.
func TestRights(t *testing.T) {
	s, admin := newWeb(t)
	s.AddAccount("scaler", kubetest.Account{Name: "system:serviceaccount:default:scaler", Namespace: "default", Rules: []kubetest.Rule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, ResourceNames: []string{"web"}, Verbs: []string{"get", "update"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"create"}},
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, ResourceNames: []string{"a"}, Verbs: []string{"get", "list"}},
	}})
	scaler := as(t, s, "scaler")
	for _, test := range []struct {
		who          caller
		method, path string
		body         string
		code         int
	}{
		{scaler, "GET", web + "/scale", "", 200},
		{scaler, "PATCH", web + "/scale", "{}", 403},
		{scaler, "GET", web, "", 403},
		{scaler, "GET", deployments + "/other/scale", "", 403},
		{scaler, "POST", leases, `{"metadata":{"name":"a"}}`, 201},
		{scaler, "POST", leases, `{"metadata":{"name":"a"}}`, 409},
		{scaler, "GET", leases, "", 403},
		{scaler, "GET", leases + "?fieldSelector=metadata.name%3Da", "", 200},
		{scaler, "GET", leases + "?fieldSelector=metadata.name%3Db", "", 403},
		{scaler, "GET", strings.ReplaceAll(web, "default", "other") + "/scale", "", 403},
		{as(t, s, "wrong"), "GET", web, "", 401},
		{as(t, s, ""), "GET", web, "", 403},
		{admin, "GET", deployments + "/other/scale", "", 404},
		{admin, "GET", strings.ReplaceAll(deployments, "deployments", "daemonsets"), "", 404},
		{admin, "GET", "/apis/apps/v1", "", 200},
		{admin, "GET", "/readyz", "", 200},
	} {
		if code, o := test.who.do(test.method, test.path, test.body); code != test.code {
			t.Errorf("%s of %q: %s %s: %d, want %d: %v", test.who.token, test.body, test.method, test.path, code, test.code, o["message"])
		}
	}
}

// What is too large or not allowed is refused.
func TestValidation(t *testing.T) {
	_, c := newWeb(t)
	note := func(n int) string {
		return fmt.Sprintf(`{"metadata":{"name":"a","annotations":{"k":%q}}}`, strings.Repeat("x", n-1))
	}
	data := func(n int) string {
		return fmt.Sprintf(`{"metadata":{"name":"a"},"binaryData":{"k":%q}}`, base64.StdEncoding.EncodeToString(make([]byte, n)))
	}
	for _, test := range []struct {
		name, method, path, body string
		code                     int
	}{
		{"annotations that fit", "POST", leases, note(256 << 10), 201},
		{"annotations that do not", "PATCH", leases + "/a", `{"metadata":{"resourceVersion":"",` + note(256<<10 + 1)[len(`{"metadata":{`):], 422},
		{"a lease without a version", "PUT", leases + "/a", `{"metadata":{"name":"a"}}`, 422},
		{"a lease by put", "PUT", leases + "/b", `{"metadata":{"name":"b"}}`, 201},
		{"another name", "PUT", leases + "/b", `{"metadata":{"name":"a"}}`, 400},
		{"no duration", "POST", leases, `{"metadata":{"name":"c"},"spec":{"leaseDurationSeconds":0}}`, 422},
		{"no name of DNS", "POST", leases, `{"metadata":{"name":"a/b"}}`, 422},
		{"a time", "PATCH", leases + "/b", `{"spec":{"renewTime":"2026-11-26T18:00:00.000001Z"}}`, 200},
		{"a time without microseconds", "PATCH", leases + "/b", `{"spec":{"renewTime":"2026-11-26T18:00:00Z"}}`, 422},
		{"one that is created", "POST", leases, `{"metadata":{"name":"c"},"spec":{"renewTime":"2026-11-26T18:00:00Z"}}`, 400},
		{"no such namespace", "POST", "/apis/coordination.k8s.io/v1/namespaces/nope/leases", `{"metadata":{"name":"a"}}`, 404},
		{"data that fit", "POST", configMaps, data(1 << 20), 201},
		{"data that do not", "POST", configMaps, data(1<<20 + 1), 422},
		{"an object that etcd refuses", "POST", deployments, `{"metadata":{"name":"big"},"spec":{"x":"` + strings.Repeat("x", 3<<19) + `"}}`, 500},
		{"a body that is refused", "POST", deployments, `{"x":"` + strings.Repeat("x", 3<<20) + `"}`, 413},
	} {
		if code, o := c.do(test.method, test.path, test.body); code != test.code {
			t.Errorf("%s: %d, want %d: %.200v", test.name, code, test.code, o["message"])
		}
	}
}
