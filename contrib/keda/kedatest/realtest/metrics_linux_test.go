package realtest_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startPrometheus starts a Prometheus that scrapes the addresses, and returns its URL.
func (s *service) startPrometheus(t testing.TB, addrs ...string) string {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("there is no prometheus: install it")
	}
	dir := t.TempDir()
	var targets []string
	for _, addr := range addrs {
		targets = append(targets, net.JoinHostPort(addr, s.http))
	}
	list, err := json.Marshal(targets)
	if err != nil {
		t.Fatal(err)
	}
	// The label is what the discovery of pods would give.
	config := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: web\n  static_configs:\n  - targets: %s\n    labels: {namespace: default}\n", list)
	if err := os.WriteFile(filepath.Join(dir, "config.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := "127.0.0.1:" + freePort(t)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "config.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("the last words of prometheus:\n%s", text[max(0, len(text)-2000):])
		}
	})
	return "http://" + addr
}

// startAdapter serves the metric of hpa.yaml: what Prometheus answers to the query of
// prometheus.yaml. It stands for prometheus-adapter, whose version of Kubernetes is another.
// It returns its port.
func startAdapter(t testing.TB, prometheus string) int {
	t.Helper()
	const version, metric = "external.metrics.k8s.io/v1beta1", "autoscale_process_published"
	answer := func(w http.ResponseWriter, kind string, fields map[string]any) {
		fields["kind"], fields["apiVersion"] = kind, version
		if kind == "APIResourceList" {
			fields["apiVersion"] = "v1"
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(fields)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /apis/"+version, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "APIResourceList", map[string]any{"groupVersion": version, "resources": []map[string]any{
			{"name": metric, "singularName": "", "namespaced": true, "kind": "ExternalMetricValueList", "verbs": []string{"get"}},
		}})
	})
	mux.HandleFunc("GET /apis/"+version+"/namespaces/{namespace}/"+metric, func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.FormValue("labelSelector"), "name=")
		if !ok {
			http.Error(w, "no name", http.StatusBadRequest)
			return
		}
		query := fmt.Sprintf("max(%s{name=%q, namespace=%q})", metric, name, r.PathValue("namespace"))
		res, err := http.Get(prometheus + "/api/v1/query?" + url.Values{"query": {query}}.Encode())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		var found struct {
			Data struct{ Result []struct{ Value [2]any } }
		}
		if err := json.NewDecoder(res.Body).Decode(&found); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		items := []map[string]any{}
		for _, each := range found.Data.Result {
			items = append(items, map[string]any{"metricName": metric, "metricLabels": map[string]string{"name": name}, "timestamp": time.Now().UTC().Format(time.RFC3339), "value": each.Value[1]})
		}
		answer(w, "ExternalMetricValueList", map[string]any{"metadata": map[string]any{}, "items": items})
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().(*net.TCPAddr).Port
}
