package main

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/autoscalebot/autoscale/traffic"
)

// instrumented is h as the documentation of client_golang has it measured: how
// long requests take, how many there were, and how many are under way.
func instrumented(h http.Handler) http.Handler {
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "duration_seconds", Help: "-", Buckets: prometheus.DefBuckets}, []string{"code", "method"})
	total := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests_total", Help: "-"}, []string{"code", "method"})
	flight := prometheus.NewGauge(prometheus.GaugeOpts{Name: "in_flight", Help: "-"})
	prometheus.NewRegistry().MustRegister(duration, total, flight)
	return promhttp.InstrumentHandlerInFlight(flight,
		promhttp.InstrumentHandlerDuration(duration,
			promhttp.InstrumentHandlerCounter(total, h)))
}

// BenchmarkMiddleware measures what a request costs more in the middleware of
// package traffic and in that of client_golang: the difference to bare. Run it
// with -cpu 1,2.
func BenchmarkMiddleware(b *testing.B) {
	body := []byte("ok")
	bare := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(body) })
	for _, c := range []struct {
		name    string
		handler http.Handler
	}{{"bare", bare}, {"traffic", traffic.New(nil).Handler(bare)}, {"promhttp", instrumented(bare)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			r := &http.Request{Method: "GET", Header: http.Header{
				"Accept":          {"text/html,application/xhtml+xml"},
				"User-Agent":      {"Mozilla/5.0"},
				"X-Forwarded-For": {"203.0.113.7"},
				"X-Request-Start": {strconv.FormatInt(time.Now().Add(-5*time.Millisecond).UnixMilli(), 10)},
			}}
			b.RunParallel(func(pb *testing.PB) {
				w := discard{http.Header{}}
				for pb.Next() {
					c.handler.ServeHTTP(w, r)
				}
			})
		})
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// Both measure the requests that they were given.
func TestMiddleware(t *testing.T) {
	answered := 0
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answered++; w.WriteHeader(http.StatusTeapot) })
	for _, h := range []http.Handler{traffic.New(nil).Handler(h), instrumented(h)} {
		h.ServeHTTP(discard{http.Header{}}, &http.Request{Method: "GET", Header: http.Header{}})
	}
	if answered != 2 {
		t.Errorf("%d of 2 requests got through", answered)
	}
}
