package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
)

// clientOf returns a client of s that presents token.
func clientOf(s *kubetest.Server, token string) *kubernetes.Client {
	config := &rest.Config{Host: s.URL, BearerToken: token, TLSClientConfig: rest.TLSClientConfig{CAData: s.CA()}}
	if s.CA() == nil {
		config.Dial = s.Dial
	}
	return kubernetes.FromConfig(config, nil)
}

// inBubble runs f with a server and its client in fake time.
func inBubble(t *testing.T, name string, f func(t *testing.T, s *kubetest.Server, c *kubernetes.Client)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := kubetest.NewPipeServer()
			defer s.Close()
			c := clientOf(s, kubetest.Token)
			defer c.CloseIdleConnections()
			f(t, s, c)
		})
	})
}

func capacity(t *testing.T, s autoscale.Scaler) autoscale.Capacity {
	t.Helper()
	c, err := s.Capacity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func scale(t *testing.T, s autoscale.Scaler, size int) {
	t.Helper()
	if err := s.Scale(t.Context(), size); err != nil {
		t.Fatal(err)
	}
}

// TestScalerKeepsItsPromises runs the suite for every kind that has a short name, and for
// some that are written in full.
func TestScalerKeepsItsPromises(t *testing.T) {
	for target, kind := range map[string]string{
		"deployment/web": "Deployment", "statefulset/web": "StatefulSet", "replicaset/web": "ReplicaSet",
		"rollout/web": "Rollout", "deployments.apps/web": "Deployment",
	} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			s := kubetest.NewServer()
			defer s.Close()
			s.AddWorkload(kubetest.WorkloadConfig{Kind: kind, Name: "web", Replicas: 1, Boot: 10 * time.Millisecond})
			autoscaletest.Scaler(t, clientOf(s, kubetest.Token).Scaler(target, nil), autoscaletest.ScalerOptions{
				Fail: func(fail bool) {
					s.ClearFaults()
					if fail {
						s.Inject(kubetest.Fault{Reset: true, Times: -1})
					}
				},
			})
		})
	}
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	platformsuite.Waits(t, kubernetes.FromConfig(&rest.Config{Host: "http://127.0.0.1:1"}, nil).Scaler("deployment/web", nil))
}

func TestCapacity(t *testing.T) {
	for _, kind := range []string{"Deployment", "StatefulSet", "ReplicaSet", "Rollout"} {
		inBubble(t, kind, func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
			w := s.AddWorkload(kubetest.WorkloadConfig{Kind: kind, Name: "web", Replicas: 2, Boot: 20 * time.Second, Grace: 5 * time.Second})
			web := c.Scaler(strings.ToLower(kind)+"/web", nil)
			expect := func(desired, pending int) {
				t.Helper()
				got := capacity(t, web)
				if got.Desired != desired || got.Pending != pending || !got.PendingKnown || got.ExternalAutoscaler != "" {
					t.Errorf("%+v, want %d desired and %d pending", got, desired, pending)
				}
			}
			expect(2, 0)
			time.Sleep(time.Second)
			scale(t, web, 5)
			expect(5, 3)
			time.Sleep(21 * time.Second)
			expect(5, 0)
			w.Deploy() // more pods than were ordered, and all that were ordered are ready
			time.Sleep(time.Second)
			expect(5, 0)
			time.Sleep(time.Minute)
			scale(t, web, 0)
			expect(0, 0)
			if n := len(s.Scales()); n != 2 {
				t.Errorf("%d orders", n)
			}
		})
	}
}

// A status that is of the spec before says nothing of the pods that were ordered since.
func TestStaleStatus(t *testing.T) {
	inBubble(t, "", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		web := c.Scaler("deployment/web", nil)
		s.StopControllers(true)
		scale(t, web, 4)
		if got := capacity(t, web); got.Desired != 4 || got.Pending != 2 || got.PendingKnown {
			t.Errorf("%+v", got)
		}
		s.StopControllers(false)
		time.Sleep(time.Second)
		if got := capacity(t, web); got.Pending != 0 || !got.PendingKnown {
			t.Errorf("%+v", got)
		}
	})
}

// A Scale counts pods that exist, ready or not, and leaves 0 out.
func TestUnknownKind(t *testing.T) {
	server := func(objects map[string]string) *kubernetes.Client {
		return answering(t, func(w http.ResponseWriter, r *http.Request) {
			if text, ok := objects[r.URL.Path]; ok {
				fmt.Fprint(w, text)
				return
			}
			http.NotFound(w, r)
		})
	}
	objects := map[string]string{
		"/apis/example.com": `{"kind":"APIGroup","preferredVersion":{"version":"v1beta2"}}`,
		"/apis/example.com/v1beta2": `{"kind":"APIResourceList","resources":[{"name":"workers","kind":"Worker"},{"name":"workers/scale","kind":"Scale"},
			{"name":"jobs","kind":"Job"}]}`,
		"/apis/example.com/v1beta2/namespaces/shop/workers/a/scale":       `{"kind":"Scale","metadata":{"name":"a","resourceVersion":"7"},"spec":{"replicas":5},"status":{"replicas":3}}`,
		"/apis/example.com/v1beta2/namespaces/shop/workers/zero/scale":    `{"kind":"Scale","metadata":{"name":"zero","resourceVersion":"7"},"spec":{},"status":{"replicas":3}}`,
		"/apis/example.com/v1beta2/namespaces/shop/workers/silent/scale":  `{"kind":"Scale","metadata":{"name":"silent","resourceVersion":"7"},"spec":{"replicas":4},"status":{"replicas":0}}`,
		"/apis/example.com/v1beta2/namespaces/shop/workers/empty/scale":   `{}`,
		"/apis/example.com/v1beta2/namespaces/shop/workers/other/scale":   `{"kind":"Scale","metadata":{"name":"a","resourceVersion":"7"},"spec":{}}`,
		"/apis/example.com/v1beta2/namespaces/shop/workers/nospec/scale":  `{"kind":"Scale","metadata":{"name":"nospec","resourceVersion":"7"}}`,
		"/apis/example.com/v1beta2/namespaces/shop/workers/minus/scale":   `{"kind":"Scale","metadata":{"name":"minus","resourceVersion":"7"},"spec":{"replicas":-2}}`,
		"/apis/example.com/v1beta2/namespaces/shop/workers/listing/scale": `[1]`,
	}
	for name, want := range map[string]autoscale.Capacity{
		"a": {Desired: 5, Pending: 2}, "zero": {}, "silent": {Desired: 4},
	} {
		if got := capacity(t, server(objects).Scaler("workers.example.com/"+name, nil)); got != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
	for _, target := range []string{
		"workers.example.com/empty", "workers.example.com/other", "workers.example.com/nospec", "workers.example.com/minus", "workers.example.com/listing",
		"workers.example.com/none", "jobs.example.com/a", "things.example.com/a", "things.example.org/a",
	} {
		c, err := server(objects).Scaler(target, nil).Capacity(t.Context())
		if err == nil {
			t.Errorf("%s: %+v", target, c)
		} else {
			t.Log(err)
		}
	}
}

// An order never undoes what somebody else ordered since the size was read.
func TestCompareAndSwap(t *testing.T) {
	inBubble(t, "another size", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		web := c.Scaler("deployment/web", nil)
		capacity(t, web)
		w.SetReplicas(7)
		err := web.Scale(t.Context(), 3)
		var busy *autoscale.BusyError
		if !errors.As(err, &busy) || w.Replicas() != 7 || !strings.Contains(err.Error(), "from 2 to 7") {
			t.Errorf("%v; %d replicas", err, w.Replicas())
		}
		scale(t, web, 3) // decided again
		if w.Replicas() != 3 {
			t.Error(w.Replicas())
		}
	})
	inBubble(t, "another field", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		web := c.Scaler("deployment/web", nil)
		capacity(t, web)
		s.Edit("Deployment", "", "web", func(o map[string]any) {
			o["metadata"].(map[string]any)["labels"] = map[string]any{"new": "label"}
		})
		scale(t, web, 3)
		if w.Replicas() != 3 {
			t.Error(w.Replicas())
		}
	})
	inBubble(t, "always another field", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		web := c.Scaler("deployment/web", nil)
		conflict := kubetest.Error(409, "Conflict", "the object has been modified")
		conflict.Method, conflict.Times = http.MethodPut, -1
		s.Inject(conflict)
		err := web.Scale(t.Context(), 3)
		var busy *autoscale.BusyError
		if !errors.As(err, &busy) || w.Replicas() != 2 {
			t.Errorf("%v; %d replicas", err, w.Replicas())
		}
		puts := 0
		for _, r := range s.Requests() {
			if r.Method == http.MethodPut {
				puts++
			}
		}
		if puts != 6 {
			t.Errorf("the order was sent %d times", puts)
		}
	})
	// The order was carried out, and its answer got lost: the second one is a conflict.
	inBubble(t, "lost answer", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		web := c.Scaler("deployment/web", nil)
		s.Inject(kubetest.Fault{Method: http.MethodPut, Apply: true, Reset: true})
		scale(t, web, 3)
		orders := 0
		for _, r := range s.Requests() {
			if r.Method == http.MethodPut {
				orders++
			}
		}
		if w.Replicas() != 3 || orders != 2 {
			t.Errorf("%d replicas after %d orders", w.Replicas(), orders)
		}
	})
}

func TestRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		fault kubetest.Fault
		busy  bool
		says  string
	}{
		"unauthorized": {kubetest.Error(401, "Unauthorized", "Unauthorized"), false, "service account exists"},
		"not found":    {kubetest.Error(404, "NotFound", `deployments.apps "web" not found`), false, "namespace default"},
		"invalid":      {kubetest.Error(422, "Invalid", "spec.replicas: Invalid value: -1"), false, "Min and Max"},
		"bad":          {kubetest.Error(400, "BadRequest", "no"), false, "did not understand"},
		"webhook":      {kubetest.Error(403, "Forbidden", `admission webhook "policy.example.com" denied the request: too many`), false, "validatingwebhookconfigurations"},
		"webhook down": {kubetest.Error(500, "InternalError", `Internal error occurred: failed calling webhook "policy.example.com"`), false, "validatingwebhookconfigurations"},
		"quota":        {kubetest.Error(403, "Forbidden", `exceeded quota: pods, requested: count/x=1`), false, "kubectl describe quota"},
		"terminating":  {kubetest.Error(403, "Forbidden", `unable to create new content in namespace default because it is being terminated`), false, "being terminated"},
		"rbac":         {kubetest.Error(403, "Forbidden", `deployments.apps "web" is forbidden: User "system:serviceaccount:default:web" cannot update resource "deployments/scale"`), false, "may not "},
		"conflict":     {kubetest.Error(409, "Conflict", "the object has been modified"), true, "decided again"},
		"shed":         {kubetest.TooManyRequests(2 * time.Minute), true, "sheds load"},
		"trouble":      {kubetest.Error(503, "ServiceUnavailable", "etcdserver: leader changed"), false, "readyz"},
		"a proxy":      {kubetest.Fault{Status: 302, Header: http.Header{"Location": {"https://login.example.com/"}}}, false, "redirects"},
		"HTML":         {kubetest.Fault{Status: 200, Body: "<html>"}, false, "check the URL"},
		"nothing":      {kubetest.Fault{Status: 200, Body: "{}"}, false, "of the kind"},
		"cut":          {kubetest.Fault{Truncate: true}, false, "EOF"},
		"reset":        {kubetest.Fault{Reset: true}, false, "no answer"},
	} {
		inBubble(t, name, func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
			w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
			web := c.Scaler("deployment/web", nil)
			capacity(t, web)
			tt.fault.Times = -1
			s.Inject(tt.fault)
			began := time.Now()
			_, readErr := web.Capacity(t.Context())
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
			for _, err := range []error{readErr, web.Scale(t.Context(), 3)} {
				if err == nil {
					t.Fatal("no error")
				}
				var busy *autoscale.BusyError
				var refusal *kubernetes.Error
				switch {
				case errors.As(err, &busy) != tt.busy:
					t.Errorf("busy is not %v: %v", tt.busy, err)
				case !errors.As(err, &refusal):
					t.Errorf("no Error: %v", err)
				case !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "deployment/web in namespace default"):
					t.Errorf("%v\ndoes not say %q", err, tt.says)
				case name == "shed" && (refusal.RetryAfter != 2*time.Minute || busy.RetryAfter != 2*time.Minute):
					t.Errorf("RetryAfter %v, %v", refusal.RetryAfter, busy.RetryAfter)
				case (name == "rbac") != (refusal.Role() != ""):
					t.Errorf("Role:\n%s", refusal.Role())
				}
			}
			if name != "cut" && w.Replicas() != 2 { // the order that was cut was carried out
				t.Errorf("%d replicas", w.Replicas())
			}
		})
	}
}

// A fault that passes within the time of a call is no fault.
// CheckOrder says what an order would meet, and orders nothing.
func TestCheckOrder(t *testing.T) {
	s := newServer(t)
	web := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 3})
	s.AddAccount("reader", kubetest.Account{Name: "reader", Namespace: "default", Rules: []kubetest.Rule{{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"}}}})
	if err := tokenClient(t, s, kubetest.Token).Scaler("deployment/web", nil).CheckOrder(t.Context()); err != nil {
		t.Error(err)
	}
	err := tokenClient(t, s, "reader").Scaler("deployment/web", nil).CheckOrder(t.Context())
	var e *kubernetes.Error
	if !errors.As(err, &e) || e.Status != http.StatusForbidden || !strings.Contains(e.Role(), "deployments/scale") {
		t.Errorf("without the right: %v", err)
	}
	if err := tokenClient(t, s, kubetest.Token).Scaler("deployment/absent", nil).CheckOrder(t.Context()); err == nil {
		t.Error("of what is not there: nil")
	}
	if web.Replicas() != 3 || len(s.Scales()) > 0 {
		t.Errorf("it ordered %v", s.Scales())
	}
}

func TestTriesAgain(t *testing.T) {
	for name, fault := range map[string]kubetest.Fault{
		"503": {Status: 503}, "reset": {Reset: true}, "429": kubetest.Error(429, "TooManyRequests", "later"), "cut": {Truncate: true},
	} {
		inBubble(t, name, func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
			w := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
			fault.Times = 2
			s.Inject(fault)
			web := c.Scaler("deployment/web", nil)
			capacity(t, web)
			s.ClearFaults()
			s.Inject(fault)
			scale(t, web, 3)
			if w.Replicas() != 3 {
				t.Error(w.Replicas())
			}
		})
	}
}

// A refusal after a try that had no answer leaves open what became of that.
func TestBusyUnsure(t *testing.T) {
	for _, unsure := range []bool{false, true} {
		inBubble(t, fmt.Sprint(unsure), func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
			s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
			web := c.Scaler("deployment/web", nil)
			capacity(t, web)
			refused := kubetest.Error(429, "TooManyRequests", "later")
			refused.Times = 3
			if unsure {
				s.Inject(kubetest.Fault{Status: 503})
			}
			s.Inject(refused)
			err := web.Scale(t.Context(), 3)
			var busy *autoscale.BusyError
			if !errors.As(err, &busy) || busy.Unsure != unsure {
				t.Errorf("%+v", err)
			}
		})
	}
}

func TestBadArguments(t *testing.T) {
	c := kubernetes.FromConfig(&rest.Config{Host: "http://127.0.0.1:1"}, nil)
	for _, target := range []string{"", "web", "deployment/", "/web", "pod/web", "deployment/Web", "deployment/../x", "deployment/a/b", "Workers/web", "a.b/c?d", "workers.example.com/", "deployment/" + strings.Repeat("a", 254)} {
		s := c.Scaler(target, nil)
		_, err := s.Capacity(t.Context())
		if s.Validate() == nil || err == nil || s.Scale(t.Context(), 1) == nil || strings.Contains(err.Error(), "refused") {
			t.Errorf("%q: %v, %v", target, s.Validate(), err)
		}
	}
	for _, target := range []string{"deployment/web", "Deployment/web", "deployments/web", "deployments.apps/web", "rollouts.argoproj.io/web", "workers.example.com/a.b"} {
		if err := c.Scaler(target, nil).Validate(); err != nil {
			t.Errorf("%q: %v", target, err)
		}
	}
	if err := c.Scaler("deployment/web", &kubernetes.ScalerOptions{Namespace: "a/b"}).Validate(); err == nil {
		t.Error("no fault of the namespace")
	}
	for _, size := range []int{-1, 1 << 31} {
		if err := c.Scaler("deployment/web", nil).Scale(context.Background(), size); err == nil || strings.Contains(err.Error(), "refused") {
			t.Errorf("%d: %v", size, err)
		}
	}
}

// A Client that was not made says so.
func TestNoClient(t *testing.T) {
	for _, c := range []*kubernetes.Client{nil, {}} {
		s := c.Scaler("deployment/web", nil)
		_, err := s.Capacity(t.Context())
		for _, err := range []error{s.Validate(), err, s.Scale(t.Context(), 1), c.Validate()} {
			if err == nil || !strings.Contains(err.Error(), "was not made") {
				t.Error(err)
			}
		}
		s.CloseIdleConnections()
		_ = fmt.Sprint(s, c, c.Namespace())
	}
}

// An object of a custom resource may have no size, and the API server has no better
// status for that than 500.
func TestNoSize(t *testing.T) {
	inBubble(t, "", func(t *testing.T, s *kubetest.Server, c *kubernetes.Client) {
		s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
		none := kubetest.Error(500, "InternalError", `Internal error occurred: the spec replicas field ".spec.replicas" does not exist`)
		none.Times = -1
		s.Inject(none)
		_, err := c.Scaler("deployment/web", nil).Capacity(t.Context())
		if err == nil || !strings.Contains(err.Error(), "set this field once") {
			t.Error(err)
		}
	})
}
