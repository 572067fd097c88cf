package probe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/wire"
	"github.com/autoscalebot/autoscale/probe"
)

func TestHTTP(t *testing.T) {
	mux := http.NewServeMux()
	status := func(path string, code int, header ...string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		})
	}
	status("/ok", 200)
	status("/teapot", 418)
	status("/gone", 404)
	status("/moved", 302, "Location", "/ok?token=secret")
	status("/error", 500)
	status("/down", 503)
	status("/fail", 503, wire.HeaderHeartbeat, "fail")
	status("/shed", 429, wire.HeaderHeartbeat, "shed")
	mux.HandleFunc("/reset", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
	mux.HandleFunc("/close", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.Close()
	})
	mux.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("half"))
	})
	hang := make(chan struct{})
	mux.HandleFunc("/hang", func(http.ResponseWriter, *http.Request) { <-hang })
	mux.HandleFunc("/hang-in-body", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("begin"))
		http.NewResponseController(w).Flush()
		<-hang
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(hang) // before Close, which waits for the handlers
	tlsServer := httptest.NewUnstartedServer(mux)
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0) // the refused handshakes
	tlsServer.StartTLS()
	defer tlsServer.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	for _, tt := range []struct {
		url     string
		failure autoscale.Failure
		err     string // "": a sample
	}{
		{url: server.URL + "/ok"},
		{url: server.URL + "/error", failure: autoscale.ServerError},
		{url: server.URL + "/down", failure: autoscale.ServerError},
		{url: server.URL + "/reset", failure: autoscale.Refused},
		{url: server.URL + "/close", failure: autoscale.Refused},
		{url: server.URL + "/half", failure: autoscale.Refused},
		{url: server.URL + "/hang", failure: autoscale.Timeout},
		{url: server.URL + "/hang-in-body", failure: autoscale.Timeout},
		{url: "http://" + closed.Addr().String() + "/", failure: autoscale.Refused},
		{url: server.URL + "/gone?token=secret", err: "status 404: check the URL of the heartbeat"},
		{url: server.URL + "/teapot", err: "status 418"},
		{url: server.URL + "/moved", err: "redirects to " + server.URL + "/ok, and redirects are not followed"},
		{url: server.URL + "/fail", err: "depends on is down"},
		{url: server.URL + "/shed", err: "too busy to measure"},
		{url: "http://no-such-host.invalid/?token=secret", err: `"no-such-host.invalid" did not resolve`},
		{url: tlsServer.URL + "/ok?token=secret", err: "TLS: "},
		{url: strings.Replace(server.URL, "http:", "https:", 1) + "/?token=secret", err: ""},
		{url: "http://user:secret@[::1/", err: "does not parse"},
		{url: "", err: "probe.HTTP.URL is empty"},
		{url: "/relative", err: "is relative and Base is nil"},
	} {
		name := strings.ReplaceAll(tt.url, "secret", "…")
		p := &probe.HTTP{URL: tt.url, Timeout: time.Minute}
		if tt.failure == autoscale.Timeout {
			p.Timeout = 50 * ms
		}
		if strings.HasPrefix(tt.url, "https:") && tt.err == "" {
			tt.err = "HTTP" // net/http's words for an answer without TLS
		}
		s, err := p.Probe(t.Context())
		switch {
		case tt.err == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.err == "" && (s.Failure != tt.failure || !s.Signals.Has(autoscale.SignalLatency) || s.Latency <= 0 || s.Time.IsZero()):
			t.Errorf("%s: %+v, want the failure %v and a latency", name, s, tt.failure)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: error %v does not say %q", name, err, tt.err)
		}
		for _, text := range []string{fmt.Sprint(err), fmt.Sprintf("%v %+v %#v %s", p, p, p, p), s.Detail} {
			if strings.Contains(text, "secret") {
				t.Errorf("%s: a secret shows in %q", name, text)
			}
		}
		p.CloseIdleConnections()
	}
}

func TestHTTPTellsItsTimeout(t *testing.T) {
	var got http.Header
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	defer server.Close()
	p := &probe.HTTP{URL: server.URL, Timeout: 1500 * ms, Header: http.Header{"Authorization": {"Bearer secret"}}}
	defer p.CloseIdleConnections()
	if _, err := p.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.Get(wire.HeaderTimeout) != "1500" || got.Get("Authorization") != "Bearer secret" || got.Get("User-Agent") != "autoscale" {
		t.Errorf("headers %v", got)
	}
	if len(p.Header) != 1 {
		t.Errorf("the prober changed the host's headers: %v", p.Header)
	}
	if s := fmt.Sprintf("%+v %#v", p, p); strings.Contains(s, "secret") {
		t.Errorf("a secret shows in %q", s)
	}
}

func TestHTTPBase(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/autoscalebot/heartbeat/" {
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	asked := 0
	answers := []func() (string, error){
		func() (string, error) { return "", errors.New("503") },
		func() (string, error) { return "not a url", nil },
		func() (string, error) { return server.URL + "/", nil },
	}
	p := &probe.HTTP{URL: "/autoscalebot/heartbeat/", Base: func(context.Context) (string, error) {
		asked++
		return answers[min(asked, len(answers))-1]()
	}}
	defer p.CloseIdleConnections()
	if err := p.Validate(); err != nil || asked != 0 {
		t.Errorf("Validate = %v, and asked %d times: it does no I/O", err, asked)
	}
	for i, want := range []string{"503", "not an absolute", "", ""} {
		_, err := p.Probe(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("probe %d: %v, want %q", i+1, err, want)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times, want 3: an answer is kept", asked)
	}
	server.Config.Handler = http.NotFoundHandler()
	for range 2 {
		p.Probe(t.Context())
	}
	if asked != 4 {
		t.Errorf("asked %d times, want 4: once more after a probe that measured nothing", asked)
	}
}

func TestHTTPNameServerTimesOut(t *testing.T) {
	p := &probe.HTTP{URL: "http://name.invalid/", Client: &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "i/o timeout", Name: "name.invalid", IsTimeout: true}}
		},
	}}}
	if s, err := p.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "did not resolve") {
		t.Errorf("Probe = %v, %v: want an error about the name, and not a sample of a timeout", s, err)
	}
}

func TestHTTPEndsWithItsContext(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	p := &probe.HTTP{URL: server.URL, Timeout: time.Hour}
	stopped := errors.New("the host stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*ms, func() { cancel(stopped) })
	if s, err := p.Probe(ctx); !errors.Is(err, stopped) {
		t.Errorf("Probe = %+v, %v: want the context's cause, and no sample of a timeout", s, err)
	}
}

func TestHTTPWithTheHostsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		client := &http.Client{Timeout: time.Nanosecond, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			time.Sleep(700 * ms)
			return &http.Response{StatusCode: 200, Body: closer{&closed}, Request: r}, nil
		})}
		s, err := (&probe.HTTP{URL: "http://example.com", Client: client}).Probe(t.Context())
		if err != nil || s.Latency != 700*ms || closed.Load() != 1 {
			t.Errorf("sample %+v, error %v, body closed %d times", s, err, closed.Load())
		}
	})
}
