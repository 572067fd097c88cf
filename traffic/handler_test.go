package traffic_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
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

// What is handed on is the very same ResponseWriter, which therefore can all that
// it could.
func TestTransparent(t *testing.T) {
	rec := httptest.NewRecorder()
	req := httptest.NewRequest("GET", "/", nil)
	called := false
	traffic.New().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		called = w == http.ResponseWriter(rec) && r == req
	})).ServeHTTP(rec, req)
	if !called {
		t.Error("the handler was not given the ResponseWriter and Request as they were")
	}
}

func TestLeftOut(t *testing.T) {
	tests := []struct {
		name, method string
		header       http.Header
		path         string
		counts       bool
	}{
		{"page", "GET", http.Header{"Accept": {"text/html"}}, "/", true},
		{"post", "POST", nil, "/", true},
		{"probe", "GET", http.Header{autoscale.HeaderTimeout: {"5000"}}, "/", false},
		{"websocket", "GET", http.Header{"Upgrade": {"WebSocket"}, "Connection": {"Upgrade"}}, "/", false},
		{"websocket over HTTP/2", "CONNECT", http.Header{":protocol": {"websocket"}}, "/", false},
		{"the offer of HTTP/2", "GET", http.Header{"Upgrade": {"h2c"}}, "/", true},
		{"event stream", "GET", http.Header{"Accept": {"text/event-stream"}}, "/", false},
		{"one that would take a stream as well", "POST", http.Header{"Accept": {"application/json, text/event-stream"}}, "/", true},
		{"posts have no EventSource", "POST", http.Header{"Accept": {"text/event-stream"}}, "/", true},
		{"skipped", "GET", nil, "/static/logo.png", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := traffic.New(traffic.Options{Skip: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/static/") }})
			called := 0
			h := tr.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called++ }))
			r := httptest.NewRequest(tt.method, "http://example.com"+tt.path, nil)
			r.Header = tt.header
			h.ServeHTTP(httptest.NewRecorder(), r)
			want := 0
			if tt.counts {
				want = 1
			}
			counted(t, tr, want, want)
			if called != 1 {
				t.Errorf("the handler was called %d times", called)
			}
		})
	}
}

func TestPanicGoesThroughAndCounts(t *testing.T) {
	tr := traffic.New()
	boom := errors.New("boom")
	h := tr.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(boom) }))
	func() {
		defer func() {
			if p := recover(); p != boom {
				t.Errorf("recovered %v, want %v", p, boom)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}()
	counted(t, tr, 1, 1)
}

func TestNilHandler(t *testing.T) {
	rec := httptest.NewRecorder()
	traffic.New().Handler(nil).ServeHTTP(rec, httptest.NewRequest("GET", "/nobody/handles/this", nil))
	if rec.Code != http.StatusNotFound {
		t.Errorf("status %d, want that of http.DefaultServeMux", rec.Code)
	}
}

// serve starts a real server, whose Close waits for its handlers.
func serve(t *testing.T, tr *traffic.Traffic, h http.HandlerFunc, http2 bool) *httptest.Server {
	s := httptest.NewUnstartedServer(tr.Handler(h))
	s.EnableHTTP2 = http2
	if http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func TestServer(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		name := map[bool]string{false: "HTTP 1.1", true: "HTTP 2"}[http2]
		t.Run(name, func(t *testing.T) {
			tr := traffic.New()
			release := make(chan struct{})
			s := serve(t, tr, func(w http.ResponseWriter, r *http.Request) {
				c := http.NewResponseController(w)
				if err := c.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
					t.Errorf("SetWriteDeadline: %v", err)
				}
				io.WriteString(w, "first\n")
				if err := c.Flush(); err != nil {
					t.Errorf("Flush: %v", err)
				}
				<-release // the client has read the first line by then
				if _, ok := w.(io.ReaderFrom); ok == http2 {
					t.Errorf("io.ReaderFrom: %v", ok)
				}
				if _, ok := w.(http.Pusher); ok != http2 {
					t.Errorf("http.Pusher: %v", ok)
				}
				io.Copy(w, strings.NewReader(r.Proto))
			}, http2)
			res, err := s.Client().Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body := bufio.NewReader(res.Body)
			if line, err := body.ReadString('\n'); line != "first\n" {
				t.Fatalf("%q, %v", line, err)
			}
			counted(t, tr, 1, 0) // while it runs
			close(release)
			rest, err := io.ReadAll(body)
			if err != nil || string(rest) != res.Proto || (res.ProtoMajor == 2) != http2 {
				t.Errorf("%q, %v over %s", rest, err, res.Proto)
			}
			s.Close()
			counted(t, tr, 1, 1)
		})
	}
}

func TestHijack(t *testing.T) {
	tr := traffic.New()
	ended := make(chan struct{})
	s := serve(t, tr, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("Hijack: %v", err)
			return
		}
		defer conn.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		rw.Flush()
		line, _ := rw.ReadString('\n')
		rw.WriteString(strings.ToUpper(line))
		rw.Flush()
	}, false)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	res, err := s.Client().Do(r)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	conn := res.Body.(io.ReadWriteCloser)
	defer conn.Close()
	io.WriteString(conn, "hello\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "HELLO\n" {
		t.Errorf("%q, %v", line, err)
	}
	<-ended
	counted(t, tr, 0, 0)
}
