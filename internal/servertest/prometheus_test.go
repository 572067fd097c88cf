package servertest

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/servertest/servers"
	"github.com/autoscalebot/autoscale/probe"
)

// TestJSONReadsPrometheus has a real Prometheus scrape a service.
func TestJSONReadsPrometheus(t *testing.T) {
	var waiting atomic.Int64
	waiting.Store(37)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "jobs_waiting{queue=\"mail\"} %d\njobs_waiting{queue=\"bill\"} 5\nempty NaN\nage_seconds 1.5\n", waiting.Load())
	}))
	defer service.Close()
	prometheus := servers.Prometheus(t, service.URL+"/metrics")

	prober := func(query string, signal autoscale.Signals) *probe.JSON {
		p := &probe.JSON{
			URL:     prometheus + "/api/v1/query?" + url.Values{"query": {query}}.Encode(),
			Path:    "data.result.0.value.1",
			Signal:  signal,
			Timeout: 30 * time.Second,
		}
		t.Cleanup(p.CloseIdleConnections)
		return p
	}
	// until asks again and again: scrapes take their time, and one that fails
	// leaves a gap.
	until := func(p *probe.JSON, want func(autoscale.Sample, error) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		again := time.NewTicker(50 * time.Millisecond)
		defer again.Stop()
		for {
			s, err := p.Probe(ctx)
			if want(s, err) {
				return
			}
			select {
			case <-again.C:
			case <-ctx.Done():
				t.Fatalf("Prometheus says %v, %v", s, err)
			}
		}
	}
	is := func(want autoscale.Sample) func(autoscale.Sample, error) bool {
		return func(s autoscale.Sample, err error) bool {
			s.Time = time.Time{}
			return err == nil && s == want
		}
	}
	backlog := func(n float64) func(autoscale.Sample, error) bool {
		return is(autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: n})
	}
	value := func(v float64) func(autoscale.Sample, error) bool {
		return is(autoscale.Sample{Signals: autoscale.SignalValue, Value: v})
	}

	sum := prober(`sum(jobs_waiting)`, autoscale.SignalBacklog)
	until(sum, backlog(42))
	until(prober(`jobs_waiting{queue="bill"}`, autoscale.SignalBacklog), backlog(5))
	until(prober(`age_seconds`, autoscale.SignalQueueTime), is(autoscale.Sample{Signals: autoscale.SignalQueueTime, QueueTime: 1500 * time.Millisecond}))
	until(prober(`up{job="service"}`, 0), value(1))
	waiting.Store(1000000)
	until(sum, backlog(1000005))

	scalar := prober(`scalar(sum(jobs_waiting))`, 0) // not a vector: its path is shorter
	scalar.Path = "data.result.1"
	until(scalar, value(1000005))

	for query, want := range map[string]string{
		`no_such_series`:     "data.result has no element 0: it is an empty array",
		`empty`:              "data.result.0.value.1 is NaN, and not a finite number",
		`age_seconds / 0`:    "data.result.0.value.1 is +Inf, and not a finite number",
		`-sum(jobs_waiting)`: `data.result.0.value.1 is -1.000005e+06, and no backlog is negative`,
		`sum(`:               "status 400",
	} {
		until(prober(query, autoscale.SignalBacklog), func(_ autoscale.Sample, err error) bool {
			return err != nil && strings.Contains(err.Error(), want)
		})
	}
}
