package traffic_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heartbeat"
	"github.com/autoscalebot/autoscale/traffic"
)

type key struct{}

func withTime(t testing.TB, d time.Duration) *http.Request {
	return httptest.NewRequest(http.MethodGet, "/", nil).WithContext(context.WithValue(t.Context(), key{}, d))
}

func counted(t *testing.T, tr *traffic.Traffic, begun, ended int) {
	t.Helper()
	if b, e := tr.Counted(); b != begun || e != ended {
		t.Errorf("%d requests began and %d ended, want %d and %d", b, e, begun, ended)
	}
}

// A client may send any headers it likes: an ordinary answer counts.
func TestNoRequestHeaderHides(t *testing.T) {
	tests := []struct {
		method string
		header http.Header
	}{
		{"GET", nil},
		{"POST", nil},
		{"GET", http.Header{"Autoscale-Timeout-Ms": {"1"}}},
		{"GET", http.Header{"Autoscale-Timeout-Ms": {""}}},
		{"HEAD", http.Header{"Autoscale-Timeout-Ms": {"5000"}, "Autoscale-Heartbeat": {"ok"}}},
		{"GET", http.Header{"Autoscale-Heartbeat": {"ok"}}},
		{"GET", http.Header{"Authorization": {"Bearer secret"}}},
		{"GET", http.Header{"Accept": {"text/event-stream"}}},
		{"GET", http.Header{"Accept": {"TEXT/EVENT-STREAM;q=1.0, */*"}, "Cache-Control": {"no-cache"}, "Last-Event-Id": {"7"}}},
		{"POST", http.Header{"Accept": {"application/json", "text/event-stream"}}},
		{"POST", http.Header{"Content-Type": {"text/event-stream"}}},
		{"GET", http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"}}},
		{"GET", http.Header{"Upgrade": {"websocket, h2c"}}},
		{"GET", http.Header{"Upgrade": {"h2c"}, "Connection": {"Upgrade, HTTP2-Settings"}, "Http2-Settings": {"AAMAAABkAARAAAAAAAIAAAAA"}}},
		{"GET", http.Header{":protocol": {"websocket"}}},
		{"GET", http.Header{"Purpose": {"prefetch"}, "User-Agent": {"kube-probe/1.33"}, "Range": {"bytes=0-0"}, "Te": {"trailers"}}},
		{"PUT", http.Header{"Expect": {"100-continue"}, "Content-Encoding": {"gzip"}}},
	}
	answers := map[string]http.HandlerFunc{
		"text":      func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") },
		"nothing":   func(http.ResponseWriter, *http.Request) {},
		"not found": http.NotFound,
		"other stream": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.(http.Flusher).Flush()
		},
	}
	for name, answer := range answers {
		for _, tt := range tests {
			tr := traffic.New(nil)
			r := httptest.NewRequest(tt.method, "/", nil)
			r.Header = tt.header
			tr.Handler(answer).ServeHTTP(httptest.NewRecorder(), r)
			if begun, ended := tr.Counted(); begun != 1 || ended != 1 {
				t.Errorf("%s with %v, answered by %s: %d began and %d ended, want 1 and 1", tt.method, tt.header, name, begun, ended)
			}
		}
	}
}

// The answer decides, at the moment at which it is sent.
func TestAnswerDecides(t *testing.T) {
	typed := func(contentType string, send func(w http.ResponseWriter)) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", contentType)
			send(w)
		}
	}
	header := func(status int) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.WriteHeader(status) }
	}
	write := func(w http.ResponseWriter) { w.Write(nil) }
	flush := func(w http.ResponseWriter) { w.(http.Flusher).Flush() }
	control := func(w http.ResponseWriter) { http.NewResponseController(w).Flush() }
	tests := []struct {
		name, method string
		send         func(w http.ResponseWriter)
		during, end  int // the requests that count
	}{
		{"event stream", "GET", typed("text/event-stream", header(200)), 0, 0},
		{"by Write", "GET", typed("text/event-stream", write), 0, 0},
		{"by WriteString", "GET", typed("text/event-stream", func(w http.ResponseWriter) { io.WriteString(w, ":\n") }), 0, 0},
		{"by Flush", "GET", typed("text/event-stream", flush), 0, 0},
		{"by the controller's Flush", "GET", typed("text/event-stream", control), 0, 0},
		{"with parameters", "GET", typed("text/event-stream;charset=utf-8", flush), 0, 0},
		{"with spaces", "GET", typed("  Text/Event-Stream ; charset=utf-8", flush), 0, 0},
		{"in upper case", "POST", typed("TEXT/EVENT-STREAM", flush), 0, 0},
		{"with another status", "PUT", typed("text/event-stream", header(503)), 0, 0},
		{"after early hints", "GET", func(w http.ResponseWriter) {
			w.WriteHeader(103)
			typed("text/event-stream", flush)(w)
		}, 0, 0},
		{"which is empty", "GET", typed("text/event-stream", func(http.ResponseWriter) {}), 1, 0},
		{"early hints alone", "GET", typed("text/event-stream", func(w http.ResponseWriter) {
			w.WriteHeader(100)
			w.WriteHeader(102)
			w.WriteHeader(103)
			w.Header().Del("Content-Type")
		}), 1, 1},
		{"another type", "GET", typed("text/event-streams", flush), 1, 1},
		{"part of a type", "GET", typed("text/event", flush), 1, 1},
		{"a parameter", "GET", typed("text/plain; text/event-stream", flush), 1, 1},
		{"no type", "GET", write, 1, 1},
		{"a type that comes too late", "GET", func(w http.ResponseWriter) {
			w.Write(nil)
			typed("text/event-stream", header(200))(w)
		}, 1, 1},
		{"switching protocols", "GET", header(101), 0, 0},
		{"connect", "CONNECT", header(200), 0, 0},
		{"connect, by Flush", "CONNECT", flush, 0, 0},
		{"connect refused", "CONNECT", header(403), 1, 1},
		{"connect redirected", "CONNECT", header(302), 1, 1},
		{"heartbeat", "GET", func(w http.ResponseWriter) {
			w.Header().Set("Autoscale-Heartbeat", "fail")
			w.WriteHeader(503)
		}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := traffic.New(nil)
			h := tr.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				counted(t, tr, 1, 0)
				tt.send(w)
				counted(t, tr, tt.during, 0)
			}))
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(tt.method, "http://example.com/", nil))
			counted(t, tr, tt.end, tt.end)
		})
	}
}

// The pages of package heartbeat are left out, if they answer as a heartbeat.
func TestHeartbeat(t *testing.T) {
	secret := "0123456789abcdef0123456789abcdef"
	beat := func(check func(context.Context) error) http.Handler {
		return heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Check("a", check), heartbeat.Token(secret))
	}
	ok := beat(func(context.Context) error { return nil })
	tests := []struct {
		name, method, token string
		h                   http.Handler
		status, count       int
	}{
		{"ok", "GET", secret, ok, 200, 0},
		{"fail", "GET", secret, beat(func(context.Context) error { return errors.New("no") }), 503, 0},
		{"no token", "GET", "wrong", ok, 404, 1},
		{"no heartbeat", "POST", secret, ok, 405, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := traffic.New(nil)
			r := httptest.NewRequest(tt.method, "/heartbeat", nil)
			r.Header.Set("Autoscale-Timeout-Ms", "5000")
			r.Header.Set("Authorization", "Bearer "+tt.token)
			rec := httptest.NewRecorder()
			tr.Handler(tt.h).ServeHTTP(rec, r)
			if rec.Code != tt.status {
				t.Errorf("status %d, want %d", rec.Code, tt.status)
			}
			counted(t, tr, tt.count, tt.count)
		})
	}
}

func TestSkip(t *testing.T) {
	tr := traffic.New(&traffic.Options{Skip: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/static/") }})
	rec := httptest.NewRecorder()
	tr.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if w != http.ResponseWriter(rec) {
			t.Error("a request that is skipped was given another ResponseWriter")
		}
	})).ServeHTTP(rec, httptest.NewRequest("GET", "/static/logo.png", nil))
	counted(t, tr, 0, 0)
}

func TestPanicGoesThroughAndCounts(t *testing.T) {
	boom := errors.New("boom")
	for name, tt := range map[string]struct {
		before func(w http.ResponseWriter)
		want   int
	}{
		"at once":           {func(http.ResponseWriter) {}, 1},
		"before the stream": {func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/event-stream") }, 1},
		"within the stream": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(200)
		}, 0},
	} {
		tr := traffic.New(nil)
		h := tr.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			tt.before(w)
			panic(boom)
		}))
		func() {
			defer func() {
				if p := recover(); p != boom {
					t.Errorf("%s: recovered %v, want %v", name, p, boom)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		counted(t, tr, tt.want, tt.want)
	}
}

func TestNilHandler(t *testing.T) {
	rec := httptest.NewRecorder()
	traffic.New(nil).Handler(nil).ServeHTTP(rec, httptest.NewRequest("GET", "/nobody/handles/this", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("status %d, want that of http.DefaultServeMux", rec.Code)
	}
}
