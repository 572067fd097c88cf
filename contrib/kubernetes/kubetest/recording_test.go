package kubetest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// recording has the answers of a real kube-apiserver to the steps below. Record writes it.
const recording = "testdata/recording.json"

// A step is one request. {{name}} in its path and body is what a step before saved.
type step struct {
	name, token  string // of the admin, if empty
	method, path string
	body         string
	save         string // the name under which the answer's resourceVersion is kept
}

// An answer is what is compared: what a client can rely on.
type answer struct {
	Step    string         `json:"step"`
	Status  int            `json:"status"`
	Kind    string         `json:"kind,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Details map[string]any `json:"details,omitempty"` // the kind and name that a refusal is about
	Fields  map[string]any `json:"fields,omitempty"`  // spec.replicas and so on, of an object
	Moved   bool           `json:"moved,omitempty"`   // the resourceVersion of a Lease or ConfigMap is another one than before
}

// fields are compared where an answer has them.
var fields = [][]string{
	{"metadata", "name"},
	{"metadata", "generation"},
	{"spec", "replicas"},
	{"spec", "holderIdentity"},
	{"spec", "leaseTransitions"},
	{"spec", "leaseDurationSeconds"},
	{"spec", "renewTime"},
	{"data", "state"},
}

const deployment = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"recorded"},"spec":{"replicas":2,"selector":{"matchLabels":{"app":"recorded"}},"template":{"metadata":{"labels":{"app":"recorded"}},"spec":{"containers":[{"name":"main","image":"none"}]}}}}`

func scaleTo(replicas, version string) string {
	if version != "" {
		version = `,"resourceVersion":"` + version + `"`
	}
	return `{"apiVersion":"autoscaling/v1","kind":"Scale","metadata":{"name":"recorded","namespace":"default"` + version + `},"spec":{"replicas":` + replicas + `}}`
}

func leaseOf(holder string, transitions int, version string) string {
	if version != "" {
		version = `,"resourceVersion":"` + version + `"`
	}
	return fmt.Sprintf(`{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"recorded"%s},"spec":{"holderIdentity":%q,"leaseDurationSeconds":15,"leaseTransitions":%d,"renewTime":"2026-01-02T03:04:05.678901Z"}}`, version, holder, transitions)
}

// steps are what the clients of this module send, and what goes wrong with it. The
// deployment's size is read and set while no controller runs on it: 0 pods.
var steps = []step{
	{name: "create", method: "POST", path: deployments, body: strings.Replace(deployment, `"replicas":2`, `"replicas":0`, 1)},
	{name: "create again", method: "POST", path: deployments, body: deployment},
	{name: "read", method: "GET", path: deployments + "/recorded"},
	{name: "read what is not there", method: "GET", path: deployments + "/absent"},
	{name: "read the scale", method: "GET", path: deployments + "/recorded/scale", save: "old"},
	{name: "scale of what is not there", method: "GET", path: deployments + "/absent/scale"},
	{name: "negative", method: "PUT", path: deployments + "/recorded/scale", body: scaleTo("-1", "")},
	{name: "not a number", method: "PUT", path: deployments + "/recorded/scale", body: scaleTo(`"three"`, "")},
	{name: "not JSON", method: "PUT", path: deployments + "/recorded/scale", body: "{"},
	{name: "patch the size with a stale version", method: "PATCH", path: deployments + "/recorded/scale", body: `{"metadata":{"resourceVersion":"1"},"spec":{"replicas":4}}`},
	{name: "put the size with a stale version", method: "PUT", path: deployments + "/recorded/scale", body: scaleTo("4", "1")},
	{name: "a wrong token", token: "wrong", method: "GET", path: deployments + "/recorded"},
	{name: "no rights to read", token: "poor", method: "GET", path: deployments + "/recorded"},
	{name: "no rights to what is not there", token: "poor", method: "GET", path: deployments + "/absent"},
	{name: "put the size in a dry run", method: "PUT", path: deployments + "/recorded/scale?dryRun=All", body: scaleTo("5", "")},
	{name: "read the scale after a dry run", method: "GET", path: deployments + "/recorded/scale"},
	{name: "no rights to scale in a dry run", token: "poor", method: "PUT", path: deployments + "/recorded/scale?dryRun=All", body: scaleTo("3", "")},
	{name: "no rights to scale", token: "poor", method: "PUT", path: deployments + "/recorded/scale", body: scaleTo("3", "")},
	{name: "no rights to list", token: "poor", method: "GET", path: "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"},
	{name: "list autoscalers", method: "GET", path: "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"},
	{name: "an unknown API", method: "GET", path: "/apis/example.com/v1/namespaces/default/things/x"},

	{name: "make a lease", method: "POST", path: leases, body: leaseOf("one", 1, ""), save: "lease"},
	{name: "make it again", method: "POST", path: leases, body: leaseOf("two", 2, "")},
	{name: "take it at a stale version", method: "PUT", path: leases + "/recorded", body: leaseOf("two", 2, "1")},
	{name: "take it", method: "PUT", path: leases + "/recorded", body: leaseOf("two", 2, "{{lease}}"), save: "taken"},
	{name: "take it at the version before", method: "PUT", path: leases + "/recorded", body: leaseOf("three", 3, "{{lease}}")},
	{name: "patch it at a stale version", method: "PATCH", path: leases + "/recorded", body: `{"metadata":{"resourceVersion":"{{lease}}"},"spec":{"holderIdentity":"four"}}`},
	{name: "patch it", method: "PATCH", path: leases + "/recorded", body: `{"metadata":{"resourceVersion":"{{taken}}"},"spec":{"holderIdentity":"four"}}`},
	{name: "patch it to what it is", method: "PATCH", path: leases + "/recorded", body: `{"spec":{"holderIdentity":"four"}}`},
	{name: "a duration of 0", method: "PATCH", path: leases + "/recorded", body: `{"spec":{"leaseDurationSeconds":0}}`},
	{name: "a time that is none", method: "PATCH", path: leases + "/recorded", body: `{"spec":{"renewTime":"yesterday"}}`},
	{name: "annotations of 300 KiB", method: "PATCH", path: leases + "/recorded", body: `{"metadata":{"annotations":{"a":"` + strings.Repeat("x", 300<<10) + `"}}}`},
	{name: "a name in capitals", method: "POST", path: leases, body: strings.Replace(leaseOf("one", 1, ""), `"recorded"`, `"Recorded"`, 1)},
	{name: "another name than the path's", method: "PUT", path: leases + "/other", body: leaseOf("one", 1, "{{taken}}")},
	{name: "patch what is not there", method: "PATCH", path: leases + "/absent", body: `{"spec":{"holderIdentity":"one"}}`},
	{name: "no rights to a lease", token: "poor", method: "POST", path: leases, body: leaseOf("one", 1, "")},
	{name: "delete it at a version before", method: "DELETE", path: leases + "/recorded", body: `{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"{{lease}}"}}`},
	{name: "delete another of its name", method: "DELETE", path: leases + "/recorded", body: `{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"uid":"00000000-0000-4000-8000-000000000000"}}`},
	{name: "its version", method: "PATCH", path: leases + "/recorded", body: `{"spec":{"holderIdentity":"five"}}`, save: "last"},
	{name: "delete it", method: "DELETE", path: leases + "/recorded", body: `{"apiVersion":"v1","kind":"DeleteOptions","preconditions":{"resourceVersion":"{{last}}"}}`},
	{name: "delete it again", method: "DELETE", path: leases + "/recorded"},
	{name: "put it with the UID of one that is gone", method: "PUT", path: leases + "/recorded", body: strings.Replace(leaseOf("six", 1, ""), `"name":"recorded"`, `"name":"recorded","uid":"00000000-0000-4000-8000-000000000000"`, 1)},
	{name: "put it with the version of one that is gone", method: "PUT", path: leases + "/recorded", body: leaseOf("six", 1, "{{last}}")},
	{name: "put it", method: "PUT", path: leases + "/recorded", body: leaseOf("six", 1, "")},
	{name: "delete what was put", method: "DELETE", path: leases + "/recorded"},

	{name: "make a config map", method: "POST", path: configMaps, body: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"recorded"},"data":{"state":"one"}}`, save: "map"},
	{name: "patch its state", method: "PATCH", path: configMaps + "/recorded", body: `{"metadata":{"resourceVersion":"{{map}}"},"data":{"state":"two"}}`},
	{name: "patch it at the version before", method: "PATCH", path: configMaps + "/recorded", body: `{"metadata":{"resourceVersion":"{{map}}"},"data":{"state":"three"}}`},
	{name: "a config map of 2 MiB", method: "PATCH", path: configMaps + "/recorded", body: `{"data":{"state":"` + strings.Repeat("x", 2<<20) + `"}}`},
	{name: "delete the config map", method: "DELETE", path: configMaps + "/recorded"},
	{name: "delete", method: "DELETE", path: deployments + "/recorded"},
}

// play sends all steps, and returns what is compared of each answer.
func play(t *testing.T, send func(token string) caller) []answer {
	t.Helper()
	saved := map[string]string{}
	versions := map[string]string{}
	var all []answer
	for _, s := range steps {
		fill := func(text string) string {
			for name, version := range saved {
				text = strings.ReplaceAll(text, "{{"+name+"}}", version)
			}
			return text
		}
		status, o := send(s.token).do(s.method, fill(s.path), fill(s.body))
		a := answer{Step: s.name, Status: status}
		a.Kind, _ = o["kind"].(string)
		a.Reason, _ = o["reason"].(string)
		if d, ok := o["details"].(map[string]any); ok {
			a.Details = map[string]any{}
			for _, key := range []string{"kind", "name", "group"} {
				if v, ok := d[key]; ok {
					a.Details[key] = v
				}
			}
		}
		if version, ok := dig(o, "metadata", "resourceVersion").(string); ok && a.Kind != "Status" && !strings.HasSuffix(a.Kind, "List") {
			object := strings.TrimSuffix(s.path, "/scale")
			if s.method == http.MethodPost {
				object += "/recorded"
			}
			// Controllers change a Deployment meanwhile.
			a.Moved = !strings.HasPrefix(object, deployments) && versions[object] != "" && versions[object] != version
			versions[object] = version
			if s.save != "" {
				saved[s.save] = version
			}
		}
		for _, path := range fields {
			if v := dig(o, path...); v != nil && a.Kind != "Status" {
				if a.Fields == nil {
					a.Fields = map[string]any{}
				}
				if text, ok := v.(string); ok && len(text) > 100 {
					v = fmt.Sprintf("%d bytes", len(text))
				}
				a.Fields[strings.Join(path, ".")] = v
			}
		}
		all = append(all, a)
	}
	return all
}

func dig(o map[string]any, path ...string) any {
	for i, key := range path {
		if i == len(path)-1 {
			return o[key]
		}
		o, _ = o[key].(map[string]any)
	}
	return nil
}

// The fake answers as a real kube-apiserver did, which package realtest records.
func TestRecording(t *testing.T) {
	data, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	var want []answer
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	s := kubetest.NewServer()
	defer s.Close()
	s.AddAccount("poor", kubetest.Account{Name: "poor"})
	tokens := map[string]string{"": kubetest.Token, "poor": "poor", "wrong": "wrong"}
	got := play(t, func(token string) caller { return as(t, s, tokens[token]) })
	if len(got) != len(want) {
		t.Fatalf("%d steps are recorded, and there are %d: record them again", len(want), len(got))
	}
	for i := range got {
		// Numbers are float64 on both sides, and nil maps are none.
		if diff := cmp.Diff(want[i], got[i], cmp.Comparer(func(a, b map[string]any) bool { return len(a) == 0 && len(b) == 0 || reflect.DeepEqual(a, b) })); diff != "" {
			t.Errorf("%s: the real API server answers otherwise (-real +fake):\n%s", got[i].Step, diff)
		}
	}
}
