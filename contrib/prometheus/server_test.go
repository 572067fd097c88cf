package autoscaleprom_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// program returns the path of a program of Prometheus: the one that an environment
// variable names, or else the installed one.
func program(t testing.TB, name, env string) string {
	t.Helper()
	path, err := exec.LookPath(cmp.Or(os.Getenv(env), name))
	if err != nil {
		programs.Missing(t, "%s is not installed: install prometheus, or set %s to its path", name, env)
	}
	return path
}

func promtool(t testing.TB) string { return program(t, "promtool", "AUTOSCALE_TEST_PROMTOOL") }

// server is a private Prometheus.
type server struct {
	t   testing.TB
	url string
}

// startServer starts a Prometheus with rules.yml that scrapes targets several times a
// second, until the test ends.
func startServer(t testing.TB, targets ...string) *server {
	t.Helper()
	prometheus := program(t, "prometheus", "AUTOSCALE_TEST_PROMETHEUS")
	rules, err := filepath.Abs("rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	quoted, _ := json.Marshal(targets)
	config := fmt.Sprintf(`global: {evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
- job_name: shop
  scrape_interval: 200ms
  scrape_timeout: 200ms
  static_configs:
  - targets: %s
`, rules, quoted)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	// Somebody else may take the port.
	for range 10 {
		addr := programs.FreeAddress(t)
		s := &server{t: t, url: "http://" + addr}
		log, err := os.Create(filepath.Join(dir, "log"))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address="+addr)
		cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
		ended, err := programs.Start(cmd)
		_ = log.Close()
		if err != nil {
			t.Fatal(err)
		}
		stop := func() { _ = cmd.Process.Kill(); <-ended }
		if s.ready(ended) {
			t.Cleanup(stop)
			return s
		}
		stop()
	}
	log, _ := os.ReadFile(filepath.Join(dir, "log"))
	t.Fatalf("Prometheus does not start:\n%s", log)
	return nil
}

func (s *server) ready(ended <-chan struct{}) bool {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for patience := time.After(time.Minute); ; {
		if res, err := http.Get(s.url + "/-/ready"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-ended:
			return false
		case <-patience:
			return false
		case <-ticker.C:
		}
	}
}

// get asks the API.
func (s *server) get(path string, query url.Values, data any) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	answer := struct {
		Status, Error string
		Data          any
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %w", res.Status, err)
	}
	if answer.Status != "success" {
		return fmt.Errorf("%s: %s", res.Status, answer.Error)
	}
	return nil
}

// query returns the values of an instant vector, by the values of their labels.
func (s *server) query(expr string) (map[string]float64, error) {
	var data struct {
		ResultType string
		Result     []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := s.get("/api/v1/query", url.Values{"query": {expr}}, &data); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	if data.ResultType != "vector" {
		return nil, fmt.Errorf("%s is a %s", expr, data.ResultType)
	}
	out := make(map[string]float64)
	for _, r := range data.Result {
		var labels []string
		for _, name := range []string{"name", "condition", "limit", "reason"} {
			if r.Metric[name] != "" {
				labels = append(labels, r.Metric[name])
			}
		}
		v, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return nil, err
		}
		out[strings.Join(labels, " ")] = v
	}
	return out, nil
}

// eventually waits until Prometheus answers as wanted. Scrapes take their time.
func (s *server) eventually(expr string, what string, ok func(map[string]float64) bool) {
	s.t.Helper()
	s.until(func() error {
		got, err := s.query(expr)
		if err != nil || !ok(got) {
			return fmt.Errorf("%s is %v (%v), want %s", expr, got, err, what)
		}
		return nil
	})
}

// until waits until check finds nothing.
func (s *server) until(check func() error) {
	s.t.Helper()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for patience := time.After(time.Minute); ; {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-patience:
			s.t.Fatal(err)
		case <-ticker.C:
		}
	}
}
