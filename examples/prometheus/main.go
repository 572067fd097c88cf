// Prometheus scales workers by a number that a Prometheus knows: how many jobs
// wait for them.
//
//	PROMETHEUS_QUERY='sum(jobs_waiting)' go -C examples run ./prometheus
//
// It asks the Prometheus at PROMETHEUS_URL, by default http://localhost:9090,
// every second, with PROMETHEUS_TOKEN as a bearer token if that is set, and
// prints all that happens. If METRICS_ADDR is set, as in :9091, that Prometheus can scrape
// there, at /metrics, what the autoscaler does. The workers exist in memory alone: a
// host takes heroku.NewClient(key, nil).Scaler(app, "worker") in their place, and
// leaves the Interval at its default.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	autoscaleprom "github.com/autoscalebot/autoscale/contrib/prometheus"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cfg, err := configure(os.Stdout, os.Getenv)
	if err == nil {
		err = cfg.Validate() // Run would wait: a service goes on without its autoscaler
	}
	if err == nil {
		a := autoscale.New(cfg)
		if addr := os.Getenv("METRICS_ADDR"); addr != "" {
			http.Handle("/metrics", metrics(a))
			go func() {
				fmt.Fprintln(os.Stderr, http.ListenAndServe(addr, nil))
				stop()
			}()
		}
		err = a.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func configure(w io.Writer, getenv func(string) string) (autoscale.Config, error) {
	query := getenv("PROMETHEUS_QUERY")
	if query == "" {
		return autoscale.Config{}, errors.New("set PROMETHEUS_QUERY to one that returns how many jobs wait, as 'sum(jobs_waiting)'")
	}
	server := strings.TrimSuffix(cmp.Or(getenv("PROMETHEUS_URL"), "http://localhost:9090"), "/")
	prober := &probe.JSON{
		URL:     server + "/api/v1/query?" + url.Values{"query": {query}}.Encode(),
		Path:    "data.result.0.value.1", // the value of the first series; the element before it is its time
		Signal:  autoscale.SignalBacklog,
		Timeout: 5 * time.Second,
	}
	if token := getenv("PROMETHEUS_TOKEN"); token != "" {
		prober.Header = http.Header{"Authorization": {"Bearer " + token}}
	}
	return autoscale.Config{
		Name:     "worker",
		Prober:   prober,
		Decider:  rule.Backlog{PerProcess: 10},
		Scaler:   &workers{size: 1},
		Max:      autoscale.Fixed(5),
		Interval: time.Second,
		Observe:  func(e autoscale.Event) { fmt.Fprintf(w, "%v\n", e) },
		Logger:   slog.New(slog.DiscardHandler), // it would say the same once more
	}, nil
}

// metrics returns the page that a Prometheus scrapes.
func metrics(a *autoscale.Autoscaler) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(autoscaleprom.NewCollector(a))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// workers is a platform in memory. The Autoscaler uses it from one goroutine at
// a time.
type workers struct{ size int }

func (s *workers) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: s.size}, nil
}

func (s *workers) Scale(_ context.Context, size int) error {
	s.size = size
	return nil
}
