package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// server answers one query as Prometheus does, with each of the values in
// turn and then with no series.
func server(values ...string) *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != "/api/v1/query" || r.FormValue("query") != `sum(jobs_waiting{app="shop"})`:
			http.Error(w, `{"status":"error"}`, http.StatusBadRequest)
		case r.Header.Get("Authorization") != "Bearer secret":
			http.Error(w, "", http.StatusUnauthorized)
		case len(values) == 0:
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"vector","result":[]}}`)
		default:
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1764000000.5,%q]}]}}`, values[0])
			values = values[1:]
		}
	}))
}

func environment(url string) func(string) string {
	return func(name string) string {
		return map[string]string{
			"PROMETHEUS_URL":   url + "/",
			"PROMETHEUS_QUERY": `sum(jobs_waiting{app="shop"})`,
			"PROMETHEUS_TOKEN": "secret",
		}[name]
	}
}

func Example() {
	prometheus := server("4", "37")
	defer prometheus.Close()
	cfg, err := configure(os.Stdout, environment(prometheus.URL))
	if err != nil {
		fmt.Println(err)
		return
	}
	a := autoscale.New(cfg)
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for range 2 {
		if _, err := a.Tick(context.Background(), now); err != nil {
			fmt.Println(err)
		}
		now = now.Add(30 * time.Second)
	}
	// Output:
	// worker: measured backlog 4
	// worker: stay at 1: 4 jobs waiting, at 10 a process, need 1
	// worker: measured backlog 37
	// worker: from 1 to 4: 37 jobs waiting, at 10 a process, need 4
	// worker: scaled from 1 to 4 (bounds 1 to 5): 37 jobs waiting, at 10 a process, need 4
}

func TestAnEmptyResultHoldsTheSize(t *testing.T) {
	prometheus := server()
	defer prometheus.Close()
	var out bytes.Buffer
	cfg, err := configure(&out, environment(prometheus.URL))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := autoscale.New(cfg).Tick(t.Context(), time.Now()); err == nil {
		t.Error("an empty result is a measurement")
	}
	if text := out.String(); !strings.Contains(text, "data.result has no element 0: it is an empty array") || strings.Contains(text, "secret") {
		t.Errorf("it says %q", text)
	}
}

func TestAQueryIsRequired(t *testing.T) {
	if _, err := configure(nil, func(string) string { return "" }); err == nil || !strings.Contains(err.Error(), "PROMETHEUS_QUERY") {
		t.Errorf("%v", err)
	}
}

func TestMetrics(t *testing.T) {
	prometheus := server("37")
	defer prometheus.Close()
	cfg, err := configure(io.Discard, environment(prometheus.URL))
	if err != nil {
		t.Fatal(err)
	}
	a := autoscale.New(cfg)
	if _, err := a.Tick(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	page := httptest.NewRecorder()
	metrics(a).ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{`autoscale_process_desired{name="worker"} 4`, `autoscale_sample_backlog{name="worker"} 37`} {
		if !strings.Contains(page.Body.String(), line+"\n") {
			t.Errorf("the page has no line %s", line)
		}
	}
}
