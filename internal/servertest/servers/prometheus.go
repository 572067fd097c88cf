package servers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Prometheus returns the URL of a private Prometheus that scrapes target, the
// URL of a page of metrics, several times a second. No other can be used in its
// place, as it would not scrape target.
func Prometheus(t testing.TB, target string) string {
	t.Helper()
	prometheus := find(t, "install prometheus", "prometheus")
	page, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	dir := tempDir(t)
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf(`scrape_configs:
- job_name: service
  scrape_interval: 200ms
  scrape_timeout: 200ms
  metrics_path: %q
  static_configs:
  - targets: [%q]
`, page.Path, page.Host)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var server string
	serve(t, dir, func(port int) *exec.Cmd {
		addr := "127.0.0.1:" + strconv.Itoa(port)
		server = "http://" + addr
		return exec.Command(prometheus, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	}, func(ctx context.Context) error { return ready(ctx, server+"/-/ready") })
	return server
}

// ready reports whether a URL answers 200.
func ready(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New("unexpected status " + res.Status)
	}
	return nil
}
