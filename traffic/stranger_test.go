package traffic_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

// strange are requests that strangers may send. They count as any other: one arrival each,
// which is in progress for as long as it is served.
var strange = []struct {
	name, method, target string
	header               []string // names and values
}{
	{name: "HEAD", method: http.MethodHead},
	{name: "POST", method: http.MethodPost},
	{name: "OPTIONS *", method: http.MethodOptions, target: "*"},
	{name: "a method of its own", method: "PURGE"},
	{name: "the heartbeat's path", target: "/autoscalebot/heartbeat/"},
	{name: "a long path", target: "/" + strings.Repeat("a", 64<<10)},
	{name: "a path with escapes", target: "/%2e%2e/%00?%zz;a=1"},
	{name: "the prober's header", header: []string{"Autoscale-Timeout-Ms", "1"}},
	{name: "the heartbeat's header", header: []string{"Autoscale-Heartbeat", "ok"}},
	{name: "a token", header: []string{"Authorization", "Bearer secret"}},
	{name: "an event stream is wanted", header: []string{"Accept", "text/event-stream"}},
	{name: "an event stream is sent", header: []string{"Content-Type", "text/event-stream"}},
	{name: "an upgrade", header: []string{"Connection", "Upgrade", "Upgrade", "websocket"}},
	{name: "HTTP/2 cleartext", header: []string{"Upgrade", "h2c", "HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"}},
	{name: "a cache's headers", header: []string{"Age", "100", "X-Cache", "Hit", "If-None-Match", "*", "Cache-Control", "only-if-cached"}},
	{name: "a range", header: []string{"Range", "bytes=0-0"}},
	{name: "an expectation", header: []string{"Expect", "100-continue"}},
	{name: "timings", header: []string{"Server-Timing", "total;dur=99999"}},
	{name: "a queue time that is none", header: []string{"X-Request-Start", "-"}},
	{name: "a queue time of a year", header: []string{"X-Request-Start", "t=1"}},
	{name: "a queue time to come", header: []string{"X-Request-Start", "t=99999999999999999999"}},
	{name: "a long queue time", header: []string{"X-Request-Start", strings.Repeat("9", 1<<20)}},
	{name: "a flood of queue times", header: []string{"X-Queue-Start", strings.Repeat("t=,", 1<<18)}},
	{name: "another's address", header: []string{"X-Forwarded-For", "127.0.0.1", "Forwarded", "for=127.0.0.1", "Host", "localhost"}},
	{name: "another method", header: []string{"X-HTTP-Method-Override", "CONNECT"}},
}

// What a stranger sends has no effect on what is measured beyond the work that it causes.
// An X-Request-Start that is believable is the exception: a proxy must remove it.
func TestStrangersCountAsOthers(t *testing.T) {
	measure := func(t *testing.T, method, target string, header []string) (s autoscale.Sample) {
		synctest.Test(t, func(t *testing.T) {
			tr := traffic.New(nil)
			h := tr.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(100 * time.Millisecond) }))
			for range 100 {
				r := httptest.NewRequest(method, "/", nil)
				if target != "" {
					r.URL.Path, r.RequestURI = target, target
				}
				for i := 0; i < len(header); i += 2 {
					r.Header.Set(header[i], header[i+1])
				}
				go h.ServeHTTP(httptest.NewRecorder(), r)
				time.Sleep(200 * time.Millisecond)
			}
			var err error
			if s, err = tr.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Time = time.Time{}
		})
		for i := range s.Breakdown.Pieces {
			s.Breakdown.Pieces[i].Time = time.Time{}
		}
		return s
	}
	want := measure(t, http.MethodGet, "/", nil)
	if want.Arrivals != 5 || want.Signals.Has(autoscale.SignalQueueTime) {
		t.Fatalf("the control is %+v", want)
	}
	for _, tt := range strange {
		t.Run(tt.name, func(t *testing.T) {
			method := tt.method
			if method == "" {
				method = http.MethodGet
			}
			if diff := gocmp.Diff(want, measure(t, method, tt.target, tt.header), near); diff != "" {
				t.Errorf("it differs from an ordinary request: %s", diff)
			}
		})
	}
}
