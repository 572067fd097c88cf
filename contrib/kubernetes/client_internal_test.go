package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

const testToken = "test-token-of-the-client"

// serve returns a client of a server that answers with handler.
func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return FromConfig(&rest.Config{Host: server.URL, BearerToken: testToken}, &Options{Namespace: "shop"})
}

func TestDo(t *testing.T) {
	n := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		body, _ := io.ReadAll(r.Body)
		if n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"seen":%q}`, r.Method+" "+r.URL.String()+" "+string(body)+" "+r.Header.Get("Authorization"))
	})
	var out struct{ Seen string }
	err := c.do(t.Context(), call{op: "test", subject: "x", method: http.MethodPut, api: "apps/v1", resource: "deployments", name: "web", sub: "scale"}, map[string]int{"a": 1}, &out)
	if want := `PUT /apis/apps/v1/namespaces/shop/deployments/web/scale {"a":1} Bearer ` + testToken; err != nil || out.Seen != want || n != 2 {
		t.Errorf("do: %v, %d requests, server saw\n%s\nwant\n%s", err, n, out.Seen, want)
	}
}

func TestRefusals(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"kind":"Status","reason":"Forbidden","code":403,"message":"deployments.apps \"web\" is forbidden: User \"system:serviceaccount:shop:bot\" cannot get resource \"deployments/scale\" in API group \"apps\" in the namespace \"shop\" `+testToken+`"}`)
	})
	err := c.do(t.Context(), call{op: "read the size", subject: "deployment/web", api: "apps/v1", resource: "deployments", name: "web", sub: "scale"}, nil, nil)
	var e *Error
	if !errors.As(err, &e) || e.Status != 403 || e.User != "system:serviceaccount:shop:bot" || e.Verb != "get" || e.Group != "apps" || e.Resource != "deployments/scale" || e.Name != "web" || e.Namespace != "shop" {
		t.Errorf("%+v", e)
	}
	if text := err.Error(); strings.Contains(text, testToken) || strings.Contains(text, "\n") {
		t.Error(text)
	}
}

func TestWatch(t *testing.T) {
	n := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n++
		if q := r.URL.Query(); q.Get("watch") != "true" || q.Get("resourceVersion") != "7" {
			t.Errorf("query %v", q)
		}
		if n == 1 {
			io.WriteString(w, `{"type":"ADDED","object":{"a":1}}`+"\n"+`{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}`+"\n")
			return
		}
		io.WriteString(w, `{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}`+"\n")
	})
	var seen []string
	each := func(e watchEvent) error { seen = append(seen, e.Type+string(e.Object)); return nil }
	k := call{op: "watch", subject: "deployments", api: "apps/v1", resource: "deployments"}
	err := c.watch(t.Context(), k, "7", each)
	if want := `[ADDED{"a":1} BOOKMARK{"metadata":{"resourceVersion":"9"}}]`; err != nil || fmt.Sprint(seen) != want {
		t.Errorf("%v, %v", seen, err)
	}
	err = c.watch(t.Context(), k, "7", each)
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusGone || e.Verb != "watch" {
		t.Errorf("%v", err)
	}
}

// A client that was not used yet, one that was, and a copy of it show no token.
func TestFormat(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") })
	for range 2 {
		text, err := json.Marshal(c)
		all := fmt.Sprintf("%v %+v %#v %s %d %x", c, c, c, c, c, c) + string(text)
		if err != nil || strings.Contains(all, testToken) {
			t.Errorf("%s, %v", all, err)
		}
		if err := c.do(t.Context(), call{op: "x", subject: "y"}, nil, nil); err != nil {
			t.Error(err)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []*Client{
		FromConfig(nil, nil),
		FromConfig(&rest.Config{Host: "http://a", BearerToken: "x"}, &Options{Namespace: "No", QPS: -1, Burst: -1, AttemptTimeout: -1, UserAgent: "a\nb"}),
		FromKubeconfig(t.TempDir()+"/none", "", nil),
	} {
		if err := c.Validate(); err == nil {
			t.Error("no fault")
		} else {
			t.Log(err)
		}
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if err := InCluster(nil).Validate(); err == nil || !strings.Contains(err.Error(), "FromKubeconfig") {
		t.Error(err)
	}
}
