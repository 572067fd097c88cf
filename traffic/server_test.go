package traffic_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/traffic"
)

// serve starts a real server, whose Close waits for its handlers.
func serve(t *testing.T, tr *traffic.Traffic, h http.Handler, http2 bool) *httptest.Server {
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

// bothProtocols runs f over each of them.
func bothProtocols(t *testing.T, f func(t *testing.T, http2 bool)) {
	t.Run("HTTP 1.1", func(t *testing.T) { f(t, false) })
	t.Run("HTTP 2", func(t *testing.T) { f(t, true) })
}

func do(t *testing.T, c *http.Client, method, url string, body io.Reader, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestServer(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		tr := traffic.New(nil)
		release := make(chan struct{})
		s := serve(t, tr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			for name, err := range map[string]error{
				"SetReadDeadline":  c.SetReadDeadline(time.Now().Add(time.Minute)),
				"SetWriteDeadline": c.SetWriteDeadline(time.Now().Add(time.Minute)),
				"EnableFullDuplex": c.EnableFullDuplex(),
			} {
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
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
			io.Copy(w, r.Body)
		}), http2)
		in, out := io.Pipe()
		res := do(t, s.Client(), "POST", s.URL, in)
		body := bufio.NewReader(res.Body)
		if line, err := body.ReadString('\n'); line != "first\n" {
			t.Fatalf("%q, %v", line, err)
		}
		counted(t, tr, 1, 0) // while it runs
		close(release)
		io.WriteString(out, res.Proto)
		out.Close()
		rest, err := io.ReadAll(body)
		if err != nil || string(rest) != res.Proto || (res.ProtoMajor == 2) != http2 {
			t.Errorf("%q, %v over %s", rest, err, res.Proto)
		}
		s.Close()
		counted(t, tr, 1, 1)
	})
}

// A deadline that has passed ends the request, through the wrapper.
func TestDeadline(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		s := serve(t, traffic.New(nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(-time.Second))
			_, err := r.Body.Read(make([]byte, 1))
			fmt.Fprint(w, err != nil && strings.Contains(err.Error(), "timeout"))
		}), http2)
		in, out := io.Pipe()
		defer out.Close()
		res := do(t, s.Client(), "POST", s.URL, in)
		if b, err := io.ReadAll(res.Body); string(b) != "true" {
			t.Errorf("%q, %v, want a timeout", b, err)
		}
	})
}

// eventStream sends its headers and then waits for done.
func eventStream(done <-chan struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=UTF-8")
		http.NewResponseController(w).Flush()
		select {
		case <-done:
			io.WriteString(w, "data: end\n\n")
		case <-r.Context().Done():
		}
	}
}

func TestEventStream(t *testing.T) {
	bothProtocols(t, func(t *testing.T, http2 bool) {
		for _, accept := range []string{
			"", "text/event-stream", "text/event-stream, */*", "application/json, text/event-stream",
			"text/event-stream;q=1.0", "Text/Event-Stream",
		} {
			for _, method := range []string{"GET", "POST"} {
				for _, proxied := range []bool{false, true} {
					tr, done := traffic.New(nil), make(chan struct{})
					var h http.Handler = eventStream(done)
					if proxied {
						inner := httptest.NewServer(h)
						defer inner.Close()
						u, _ := url.Parse(inner.URL)
						h = httputil.NewSingleHostReverseProxy(u)
					}
					s := serve(t, tr, h, http2)
					res := do(t, s.Client(), method, s.URL, nil, "Accept", accept)
					counted(t, tr, 0, 0) // as soon as the client has the headers
					close(done)
					if b, err := io.ReadAll(res.Body); string(b) != "data: end\n\n" {
						t.Errorf("%q, %v", b, err)
					}
					s.Close()
					counted(t, tr, 0, 0)
				}
			}
		}
	})
}

// shout upgrades to a protocol of lines that come back in upper case.
func shout(t *testing.T, ended chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
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
	}
}

func TestHijack(t *testing.T) {
	for _, proxied := range []bool{false, true} {
		for _, upgrade := range []string{"websocket", "WebSocket", "websocket, h2c", "websocket/13"} {
			if proxied && upgrade != "websocket" {
				continue // the proxy wants to see what it asked for
			}
			tr, ended := traffic.New(nil), make(chan struct{})
			var h http.Handler = shout(t, ended)
			if proxied {
				inner := httptest.NewServer(h)
				defer inner.Close()
				u, _ := url.Parse(inner.URL)
				h = httputil.NewSingleHostReverseProxy(u)
			}
			s := serve(t, tr, h, false)
			res := do(t, s.Client(), "GET", s.URL, nil, "Connection", "Upgrade", "Upgrade", upgrade)
			if res.StatusCode != http.StatusSwitchingProtocols {
				t.Fatalf("%q: %s", upgrade, res.Status)
			}
			counted(t, tr, 0, 0) // while it waits
			conn := res.Body.(io.ReadWriteCloser)
			io.WriteString(conn, "hello\n")
			if line, err := bufio.NewReader(conn).ReadString('\n'); line != "HELLO\n" {
				t.Errorf("%q, %v", line, err)
			}
			conn.Close()
			<-ended
			s.Close()
			counted(t, tr, 0, 0)
		}
	}
}

// A handler that wanted to hijack and could not has answered a request.
func TestHijackRefused(t *testing.T) {
	tr := traffic.New(nil)
	s := serve(t, tr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Hijacker); ok {
			t.Error("the connection of HTTP/2 can be hijacked")
		}
		if _, _, err := http.NewResponseController(w).Hijack(); err == nil {
			t.Error("the connection of HTTP/2 was hijacked")
		}
	}), true)
	do(t, s.Client(), "GET", s.URL, nil)
	s.Close()
	counted(t, tr, 1, 1)
}

// hijackable is a ResponseWriter whose connection can be hijacked, unless err is set.
type hijackable struct {
	http.ResponseWriter
	err error
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, h.err }

// A connection can also be hijacked after a part of the answer, and only while the
// request lasts.
func TestHijackAtAnyTime(t *testing.T) {
	for _, tt := range []struct {
		name         string
		err          error
		before       func(w http.ResponseWriter)
		during, then int
	}{
		{"at once", nil, func(http.ResponseWriter) {}, 0, 0},
		{"after the header", nil, func(w http.ResponseWriter) { w.WriteHeader(200) }, 0, 0},
		{"twice", nil, func(w http.ResponseWriter) { w.(http.Hijacker).Hijack() }, 0, 0},
		{"in vain", http.ErrNotSupported, func(http.ResponseWriter) {}, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr := traffic.New(nil)
			var kept http.ResponseWriter
			tr.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				tt.before(w)
				if _, _, err := w.(http.Hijacker).Hijack(); err != tt.err {
					t.Errorf("Hijack: %v, want %v", err, tt.err)
				}
				counted(t, tr, tt.during, 0)
				kept = w
			})).ServeHTTP(hijackable{httptest.NewRecorder(), tt.err}, httptest.NewRequest("GET", "/", nil))
			counted(t, tr, tt.then, tt.then)
			kept.(http.Hijacker).Hijack()
			counted(t, tr, tt.then, tt.then)
		})
	}
	t.Run("after the end", func(t *testing.T) {
		tr := traffic.New(nil)
		var kept http.ResponseWriter
		tr.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { kept = w })).
			ServeHTTP(hijackable{httptest.NewRecorder(), nil}, httptest.NewRequest("GET", "/", nil))
		kept.(http.Hijacker).Hijack()
		counted(t, tr, 1, 1)
	})
}

// CONNECT opens a tunnel, as a WebSocket over HTTP/2 does, if it is accepted.
func TestConnect(t *testing.T) {
	tr := traffic.New(nil)
	s := serve(t, tr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		io.Copy(w, r.Body)
	}), true)
	in, out := io.Pipe()
	res := do(t, s.Client(), "CONNECT", s.URL, in)
	if res.ProtoMajor != 2 || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s", res.Proto, res.Status)
	}
	counted(t, tr, 0, 0)
	io.WriteString(out, "through the tunnel")
	out.Close()
	if b, err := io.ReadAll(res.Body); string(b) != "through the tunnel" {
		t.Errorf("%q, %v", b, err)
	}
	s.Close()
	counted(t, tr, 0, 0)
}

// A handler may send its answer from several goroutines, and one of them may
// still do so when the handler returns. Run it with -race.
func TestAnswerFromSeveralGoroutines(t *testing.T) {
	for _, contentType := range []string{"text/event-stream", "text/plain"} {
		want := 0
		if contentType == "text/plain" {
			want = 100
		}
		tr := traffic.New(nil)
		var all sync.WaitGroup
		h := tr.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			for range 3 {
				all.Go(w.(http.Flusher).Flush)
			}
			all.Go(func() { io.WriteString(w, "data: 1\n\n") })
			w.(http.Flusher).Flush()
		}))
		for range 100 {
			h.ServeHTTP(&locked{header: http.Header{}}, httptest.NewRequest("GET", "/", nil))
			all.Wait()
		}
		counted(t, tr, want, want)
	}
}

// What keeps the ResponseWriter after the request changes nothing about it.
func TestKeptAfterTheEnd(t *testing.T) {
	tr := traffic.New(nil)
	var kept http.ResponseWriter
	h := tr.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { kept = w }))
	first := httptest.NewRecorder()
	h.ServeHTTP(first, httptest.NewRequest("GET", "/", nil))
	old := kept
	second := httptest.NewRecorder()
	h.ServeHTTP(second, httptest.NewRequest("GET", "/", nil))
	old.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(old, "late")
	counted(t, tr, 2, 2)
	if second.Body.Len() > 0 || first.Body.String() != "late" {
		t.Errorf("%q and %q: an answer went to another request", first.Body, second.Body)
	}
}

// locked is a ResponseWriter that several goroutines may use, as that of HTTP/2.
type locked struct {
	mu     sync.Mutex
	header http.Header
	sent   int
}

func (l *locked) Header() http.Header { return l.header }
func (l *locked) WriteHeader(int)     {}
func (l *locked) Flush()              {}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent += len(b)
	return len(b), nil
}
