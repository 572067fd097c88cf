package probe_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/probe"
)

// An answer from a cache measures nothing, whatever its status.
func TestCache(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		status      int
		cached      bool
	}{
		{"Age", "17", 200, true},
		{"Age", "8", 504, true},
		{"Age", "99999999999999999999999", 200, true},
		{"Age", "17, 0", 200, true},
		{"Age", "0", 200, false},
		{"Age", "0, 17", 200, false},
		{"Age", "", 200, false},
		{"Age", "old", 200, false},
		{"Age", "-1", 200, false},
		{"X-Cache", "Hit from cloudfront", 200, true},
		{"X-Cache", "HIT", 200, true},
		{"X-Cache", "MISS, HIT", 200, true},
		{"X-Cache", "TCP_HIT from a.example.com", 200, true},
		{"X-Cache", "TCP_MEM_HIT", 200, true},
		{"X-Cache", "TCP_REFRESH_HIT", 200, false},
		{"X-Cache", "RefreshHit from cloudfront", 200, false},
		{"X-Cache", "Miss from cloudfront", 200, false},
		{"X-Cache", "MISS", 200, false},
		{"X-Cache", "MISS from white.example.com", 200, false},
		{"Cache-Status", "ExampleCache; hit; ttl=376", 200, true},
		{"Cache-Status", "ExampleCache; fwd=uri-miss; stored", 200, false},
		{"Cache-Status", "ExampleCache; fwd=stale; key=hit", 200, false},
		{"Cache-Status", `hit; fwd=miss`, 200, false},
		{"Cache-Status", `"a; hit"; fwd=miss, "b\"; hit, c"; fwd=miss`, 200, false},
		{"Cache-Status", `A; fwd=miss, "B"; hit`, 200, true},
		{"Cache-Status", "A;hit=?0", 200, false},
		{"Cache-Status", "A;hit=?1", 200, true},
		{"X-Cache", "MISS from hit.example.com", 200, false},
		{"X-Cache", "STALE", 200, true},
		{"X-Cache", "TCP_STALE_HIT", 200, true},
		{"X-Cache-Status", "HIT", 200, true},
		{"X-Cache-Status", "UPDATING", 200, true},
		{"X-Cache-Status", "BYPASS", 200, false},
		{"X-Cache-Status", "EXPIRED", 200, false},
		{"X-Proxy-Cache", "HIT", 200, true},
		{"X-Vercel-Cache", "HIT", 503, true},
		{"X-Vercel-Cache", "MISS", 200, false},
		{"Cdn-Cache", "HIT", 200, true},
		{"X-Cache-Lookup", "HIT from squid:3128", 200, false}, // it may have asked the service
		{"X-Cache-Hits", "0, 2", 200, true},
		{"X-Cache-Hits", "0, 0", 200, false},
		{"X-Varnish", "123 456", 200, true},
		{"X-Varnish", "123", 200, false},
		{"Warning", `110 - "Response is Stale"`, 200, true},
		{"Warning", `199 - "hit"`, 200, false},
		{"X-Hit", "hit", 200, false},
		{"Cf-Cache-Status", "STALE", 200, true},
		{"Cf-Cache-Status", "REVALIDATED", 200, false},
		{"Cf-Cache-Status", "HIT", 200, true},
		{"Cf-Cache-Status", "DYNAMIC", 200, false},
	} {
		var asked string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = r.Header.Get("Cache-Control")
			w.Header()[tt.name] = []string{tt.value}
			w.WriteHeader(tt.status)
			w.Write([]byte("5"))
		}))
		page := &probe.HTTP{URL: server.URL}
		_, err := page.Probe(t.Context())
		if cached := err != nil && strings.Contains(err.Error(), "came from a cache"); cached != tt.cached || !cached && err != nil {
			t.Errorf("HTTP, %s: %s, status %d: %v", tt.name, tt.value, tt.status, err)
		}
		if asked != "no-cache" {
			t.Errorf("Cache-Control %q", asked)
		}
		number := &probe.JSON{URL: server.URL}
		if _, err := number.Probe(t.Context()); (err != nil) != tt.cached {
			t.Errorf("JSON, %s: %s: %v", tt.name, tt.value, err)
		}
		page.CloseIdleConnections()
		number.CloseIdleConnections()
		server.Close()
	}
}

func TestJSONSeveralSeries(t *testing.T) {
	const (
		one     = `{"data":{"result":[{"value":[1,"3"]}]}}`
		two     = `{"data":{"result":[{"value":[1,"3"]},{"value":[1,"900"]}]}}`
		samples = `{"data":{"result":[{"values":[[1,"3"],[2,"900"]]}]}}`
	)
	for _, tt := range []struct {
		body, path string
		ordered    bool
		want       float64 // below 0: an error that says to aggregate
	}{
		{one, "data.result.0.value.1", false, 3},
		{two, "data.result.0.value.1", false, -1},
		{two, "data.result.1.value.1", false, -1},
		{two, "data.result.1.value.1", true, 900},
		{samples, "data.result.0.values.1.1", false, 900},
		{`[{"n":1},{"n":2}]`, "0.n", false, -1},
		{`[1,2]`, "1", false, 2},
		{`{"rows":[["web",3],["worker",900]]}`, "rows.0.1", false, -1},
		{`{"rows":[["web",3],["worker",900]]}`, "rows.1.1", true, 900},
		{`{"rows":[["web",3]]}`, "rows.0.1", false, 3},
		{`{"rows":[[{"name":"web"},3],[{"name":"worker"},900]]}`, "rows.0.1", false, -1},
		{`[[null,1],[5,2]]`, "1.0", false, 5},
		{`[["NaN",1],["5",2]]`, "1.0", false, 5},
	} {
		p := &probe.JSON{URL: "http://example.com", Path: tt.path, Ordered: tt.ordered, Client: answering(tt.body)}
		s, err := p.Probe(t.Context())
		switch {
		case tt.want < 0 && (err == nil || !strings.Contains(err.Error(), "aggregate")):
			t.Errorf("%s at %s: %v, %v; want an error that says to aggregate", tt.body, tt.path, s.Value, err)
		case tt.want >= 0 && (err != nil || s.Value != tt.want):
			t.Errorf("%s at %s: %v, %v; want %v", tt.body, tt.path, s.Value, err, tt.want)
		}
	}
}

// A key that is there twice has no value that counts. Elsewhere in the answer it does not matter.
func TestJSONKeysOnce(t *testing.T) {
	for _, tt := range []struct {
		body, path string
		want       float64 // below 0: an error
	}{
		{`{"n":3,"n":900}`, "n", -1},
		{`{"n":3,"\u006e":900}`, "n", -1},
		{`{"a":[{"n":3}],"a":[{"n":900}]}`, "a.0.n", -1},
		{`{"a":[0,{"n":3,"n":900}]}`, `a.0`, -1}, // which of two elements is not known either
		{`[[1,[{"n":3,"n":3}]]]`, `0.1.0.n`, -1},
		{`{"b":1,"b":2,"a":{"c":[],"c":{},"n":7}}`, "a.n", 7},
		{`{"N":3,"n":900}`, "n", 900},
		{`{"":3}`, `""`, 3},
	} {
		p := &probe.JSON{URL: "http://example.com", Path: tt.path, Client: answering(tt.body)}
		s, err := p.Probe(t.Context())
		if (err != nil) != (tt.want < 0) || err == nil && s.Value != tt.want {
			t.Errorf("%s at %s: %v, %v; want %v", tt.body, tt.path, s.Value, err, tt.want)
		}
	}
}
