package heroku_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/internal/safebuffer"
)

// Every answer that is not what it must be is an *Error with its status, its
// request and what to do; no redirect is followed and nothing becomes 0.
func TestBadAnswers(t *testing.T) {
	const api = `{"id":%q,"message":"In so many words.","url":"https://example.com"}`
	tests := []struct {
		name   string
		status int
		body   string
		id     string
		tries  int
		want   []string
	}{
		{"400", 400, fmt.Sprintf(api, "bad_request"), "bad_request", 1, []string{"400 Bad Request (bad_request): In so many words"}},
		{"401", 401, fmt.Sprintf(api, "unauthorized"), "unauthorized", 1, []string{"check HEROKU_API_KEY", "authorizations:create --scope write"}},
		{"402", 402, fmt.Sprintf(api, "delinquent"), "delinquent", 1, []string{"pay"}},
		{"403", 403, fmt.Sprintf(api, "forbidden"), "forbidden", 1, []string{"collaborator", "scope write"}},
		{"403 suspended", 403, fmt.Sprintf(api, "suspended"), "suspended", 1, []string{"suspended", "support"}},
		{"404", 404, fmt.Sprintf(api, "not_found"), "not_found", 1, []string{"web of app shop", "Procfile", "collaborator"}},
		{"406", 406, fmt.Sprintf(api, "not_acceptable"), "not_acceptable", 1, []string{"406"}},
		{"409", 409, fmt.Sprintf(api, "conflict"), "conflict", 1, []string{"409"}},
		{"422", 422, fmt.Sprintf(api, "invalid_params"), "invalid_params", 1, []string{"deployed"}},
		{"422 verify", 422, fmt.Sprintf(api, "verification_needed"), "verification_needed", 1, []string{"verified"}},
		{"429", 429, fmt.Sprintf(api, "rate_limit"), "rate_limit", 3, []string{"used up", "after 3 tries"}},
		{"429 bare", 429, "", "", 3, []string{"429 Too Many Requests", "used up"}},
		{"500", 500, fmt.Sprintf(api, "internal"), "internal", 3, []string{"status.heroku.com"}},
		{"503 HTML", 503, "<html><h1>Application error</h1></html>", "", 3, []string{"503 Service Unavailable", "status.heroku.com"}},
		{"503 empty", 503, "", "", 3, []string{"503 Service Unavailable"}},
		{"599", 599, "", "", 3, []string{"599"}},
		{"302", 302, "", "", 1, []string{"redirects are not followed"}},
		{"301 JSON", 301, fmt.Sprintf(api, "moved"), "moved", 1, []string{"redirects are not followed"}},
		{"304", 304, "", "", 1, []string{"304"}},
		{"404 array", 404, `["not_found"]`, "", 1, []string{"404"}},
		{"404 string", 404, `"not_found"`, "", 1, []string{"404"}},
		{"404 empty object", 404, `{}`, "", 1, []string{"404"}},
		{"404 null", 404, `null`, "", 1, []string{"404"}},
		{"404 of other kinds", 404, `{"id":4,"message":["x"],"url":null}`, "", 1, []string{"404"}},
		{"400 of before version 3", 400, `{"id":"missing_version","error":"Please specify a version.\n"}`, "missing_version", 1, []string{"Please specify a version"}},
		{"400 of two lines", 400, `{"id":"x","message":"a\nlevel=ERROR b\u001b[31m"}`, "x", 1, []string{"a level=ERROR b [31m"}},

		{"200 empty", 200, "", "", 1, []string{"not JSON"}},
		{"204", 204, "", "", 1, []string{"not JSON"}},
		{"200 HTML", 200, "<html>Log in</html>", "", 1, []string{"not JSON", "text/html", "Options.BaseURL"}},
		{"200 half", 200, web3[:20], "", 1, []string{"not JSON"}},
		{"200 and more", 200, web3 + "<!-- x -->", "", 1, []string{"not JSON"}},
		{"200 {}", 200, `{}`, "", 1, []string{"no type"}},
		{"200 null", 200, `null`, "", 1, []string{"no type"}},
		{"200 array", 200, `[` + web3 + `]`, "", 1, []string{"array"}},
		{"200 no quantity", 200, `{"type":"web","updated_at":"2026-05-04T03:02:01Z"}`, "", 1, []string{"no quantity"}},
		{"200 null quantity", 200, `{"type":"web","quantity":null}`, "", 1, []string{"no quantity"}},
		{"200 string quantity", 200, `{"type":"web","quantity":"3"}`, "", 1, []string{"string", "quantity"}},
		{"200 fraction", 200, `{"type":"web","quantity":2.5}`, "", 1, []string{"2.5"}},
		{"200 negative", 200, `{"type":"web","quantity":-1}`, "", 1, []string{"-1"}},
		{"200 no type", 200, `{"quantity":3}`, "", 1, []string{"no type"}},
		{"200 another type", 200, `{"type":"worker","quantity":3}`, "", 1, []string{`"worker"`}},
		{"200 bad time", 200, `{"type":"web","quantity":3,"updated_at":"yesterday"}`, "", 1, []string{"yesterday"}},
		{"200 time of many lines", 200, `{"type":"web","quantity":3,"updated_at":"a\nlevel=ERROR b` + "\x7f" + `"}`, "", 1, []string{"parsing time"}},
		{"200 error object", 200, fmt.Sprintf(api, "unauthorized"), "", 1, []string{"no type"}},
		{"200 huge", 200, `{"type":"` + strings.Repeat("w", 5<<20) + `"}`, "", 1, []string{"more than"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, op := range []string{"read the size", "scale to 3"} {
				synctest.Test(t, func(t *testing.T) {
					p := answering(formation, func(int) (*http.Response, error) {
						return reply(tt.status, tt.body, "Location", "https://elsewhere.example.com/"), nil
					})
					scaler := client(p, heroku.Options{TokenName: "HEROKU_API_KEY"}).Scaler("shop", "web")
					var got autoscale.Capacity
					var err error
					if op == "read the size" {
						got, err = scaler.Capacity(within(t, 30*time.Second))
					} else {
						err = scaler.Scale(within(t, 30*time.Second), 3)
					}
					if err == nil || got != (autoscale.Capacity{}) {
						t.Fatalf("%s: %+v, %v", op, got, err)
					}
					var e *heroku.Error
					if !errors.As(err, &e) {
						t.Fatalf("%s: %T is no *heroku.Error", op, err)
					}
					if e.Status != tt.status || e.Code != tt.id || e.RequestID != "req-1" || e.Tries != tt.tries {
						t.Errorf("%s: status %d id %q request %q tries %d: %v", op, e.Status, e.Code, e.RequestID, e.Tries, err)
					}
					if e.Op != op || e.Subject != "web of app shop" {
						t.Errorf("op %q, subject %q", e.Op, e.Subject)
					}
					for _, want := range append(tt.want, "heroku: "+op+": web of app shop: ", "req-1") {
						if !strings.Contains(err.Error(), want) {
							t.Errorf("%s: %q is not in %q", op, want, err)
						}
					}
					if text := err.Error(); strings.ContainsAny(text, "\n\x1b") || len(text) > 2000 {
						t.Errorf("%s: not one line for a log: %q", op, text)
					}
					if n := len(p.calls()); n != tt.tries {
						t.Errorf("%s: %d calls: %q", op, n, p.calls())
					}
				})
			}
		})
	}
}

// An order whose answer tells of another quantity was not carried out.
func TestScaleAnsweredOtherwise(t *testing.T) {
	p := answering(formation, func(int) (*http.Response, error) { return reply(200, web3), nil })
	if err := client(p).Scaler("shop", "web").Scale(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "quantity is 3") {
		t.Errorf("err = %v", err)
	}
}

// A transport that breaks the contract is the host's, and no reason to crash it.
func TestBrokenTransport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(*http.Request, int) (*http.Response, error) { return nil, nil }}
		if _, err := client(p).Scaler("shop", "web").Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), "neither an answer nor an error") {
			t.Errorf("err = %v", err)
		}
	})
}

// brokenBody ends with an error, as a connection does that is reset.
type brokenBody struct {
	io.Reader
	closed *atomic.Int64
}

func (b brokenBody) Close() error { b.closed.Add(1); return nil }

func TestBrokenBodies(t *testing.T) {
	tests := []struct {
		status int
		tries  int
	}{{200, 3}, {500, 3}, {404, 1}}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			var closed atomic.Int64
			p := answering(formation, func(int) (*http.Response, error) {
				res := reply(tt.status, "")
				res.Body = brokenBody{io.MultiReader(strings.NewReader(`{"id":`), iotestErr{syscall.ECONNRESET}), &closed}
				return res, nil
			})
			_, err := client(p).Scaler("shop", "web").Capacity(t.Context())
			var e *heroku.Error
			if !errors.As(err, &e) || e.Status != tt.status || e.Tries != tt.tries || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%d: %v", tt.status, err)
			}
			if closed.Load() != int64(tt.tries) {
				t.Errorf("%d bodies closed, of %d", closed.Load(), tt.tries)
			}
		})
	}
}

type iotestErr struct{ err error }

func (r iotestErr) Read([]byte) (int, error) { return 0, r.err }

// Redirects are not followed, so that the token reaches no other host.
func TestNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.RedirectHandler(other.URL, status))
		c := heroku.NewClient(token, &heroku.Options{BaseURL: s.URL})
		err := c.Scaler("shop", "web").Scale(t.Context(), 2)
		var e *heroku.Error
		if !errors.As(err, &e) || e.Status != status {
			t.Errorf("%d: %v", status, err)
		}
		c.CloseIdleConnections()
		s.Close()
	}
}

// The transport is the Client's own, and is shared with nobody: http.DefaultClient and
// http.DefaultTransport see no token, and neither is changed.
func TestOwnTransport(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	app := s.AddApp(herokutest.AppConfig{Name: "shop", Formation: []herokutest.Process{{Type: "web", Quantity: 1}, {Type: "worker", Quantity: 1}}})
	// It must not matter what the host does with the global ones.
	before := *http.DefaultClient
	http.DefaultClient.Transport = iotestTransport{t}
	defer func() { *http.DefaultClient = before }()

	c := heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: s.URL + "/"})
	defer c.CloseIdleConnections()
	if http.DefaultTransport.(*http.Transport).HTTP2 != nil {
		t.Error("http.DefaultTransport was changed")
	}
	var wg sync.WaitGroup
	for _, typ := range []string{"web", "worker"} {
		scaler := c.Scaler("shop", typ)
		for range 4 {
			wg.Go(func() {
				if _, err := scaler.Capacity(t.Context()); err != nil {
					t.Error(err)
				}
				if err := scaler.Scale(t.Context(), 3); err != nil {
					t.Error(err)
				}
				if _, err := c.WebURL("shop")(t.Context()); err != nil {
					t.Error(err)
				}
				_ = fmt.Sprintf("%+v %#v", c, scaler)
			})
		}
	}
	wg.Wait()
	if app.Quantity("web") != 3 || app.Quantity("worker") != 3 {
		t.Errorf("web %d, worker %d", app.Quantity("web"), app.Quantity("worker"))
	}
}

type iotestTransport struct{ t *testing.T }

func (tr iotestTransport) RoundTrip(*http.Request) (*http.Response, error) {
	tr.t.Error("a global transport was used")
	return nil, errors.New("never")
}

// An autoscaler works through every fault that the fake platform has, on its real loop: it
// never stops, never orders what nobody recommended, and never tells the token.
func TestLoopOfFaults(t *testing.T) {
	faults := []herokutest.Fault{
		{Status: 400},
		{Status: 401},
		{Status: 402},
		{Status: 403},
		{Status: 404},
		{Status: 409},
		{Status: 422},
		{Status: 429},
		{Status: 429, Header: http.Header{"Retry-After": {"7"}}},
		{Status: 429, Header: http.Header{"Retry-After": {"86400"}}},
		{Status: 500},
		{Status: 502, Body: "<html>Bad gateway</html>"},
		{Status: 503},
		{Status: 504},
		{Status: 200},
		{Status: 200, Body: "{}"},
		{Status: 200, Body: "null"},
		{Status: 200, Body: "[]"},
		{Status: 200, Body: "<html>Sign in</html>"},
		{Status: 200, Body: `{"type":"web"}`},
		{Status: 204},
		{Status: 301, Header: http.Header{"Location": {"/apps/other"}}},
		{Status: 304},
		{Truncate: true},
		{Hang: true},
		{Reset: true},
		{Delay: time.Minute},
		{Delay: 3 * time.Second},
		{Apply: true, Reset: true},
		{Apply: true, Status: 503},
		{Apply: true, Hang: true},
		herokutest.Error(401, "unauthorized", "Invalid credentials provided: "+herokutest.Token),
		herokutest.Error(422, "cannot_run_above_limit", "Cannot run more than 2 Free size dynos."),
		{Status: 200, Body: web3, Header: http.Header{"X-Heroku-Warning": {"beware of " + herokutest.Token}}},
		{Header: http.Header{"Ratelimit-Remaining": {"-1"}}},
		{Header: http.Header{"Ratelimit-Remaining": {"0"}}},
	}
	var output safebuffer.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&output)
	logger := slog.New(slog.NewTextHandler(&output, &slog.HandlerOptions{Level: slog.LevelDebug}))
	plain := slog.New(slog.NewJSONHandler(&output, nil))

	for _, method := range []string{"", "GET", "PATCH"} {
		for i, fault := range faults {
			fault.Method, fault.Times = method, -1
			t.Run(fmt.Sprintf("%s%d", method, i), func(t *testing.T) {
				cfg := herokutest.AppConfig{Boot: 20 * time.Second, Formation: []herokutest.Process{{Type: "web", Quantity: 2}}}
				bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
					size := 4
					scaler := c.Scaler("shop", "web")
					a := autoscale.New(autoscale.Config{
						Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
							return autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalValue}, nil
						}),
						Decider: autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: size} }),
						Scaler:  scaler,
						Max:     autoscale.Fixed(5),
						Logger:  logger,
						Observe: func(e autoscale.Event) {
							fmt.Fprintf(&output, "%v %+v %#v\n", e, e, e.Err)
							plain.Info("event", "event", e, "scaler", scaler, "client", c)
						},
					})
					s.Inject(fault)
					for range 6 {
						start := time.Now()
						_, err := a.Tick(t.Context(), start)
						if err != nil {
							fmt.Fprintf(&output, "%v %+v %#v\n", err, err, err)
						}
						if took := time.Since(start); took > 2*time.Minute {
							t.Errorf("a tick took %v", took)
						}
						time.Sleep(30 * time.Second)
					}
					if q := app.Quantity("web"); q != 2 && q != 4 {
						t.Errorf("the quantity became %d", q)
					}
					s.ClearFaults()
					time.Sleep(25 * time.Hour) // what a Retry-After asked for, or what a limit is believed for
					if _, err := a.Tick(t.Context(), time.Now()); err != nil {
						t.Errorf("after the fault: %v", err)
					}
					if q := app.Quantity("web"); q != 4 {
						t.Errorf("after the fault the quantity is %d", q)
					}
					for _, w := range s.Writes() {
						if w.To != 4 {
							t.Errorf("%d processes were ordered", w.To)
						}
					}
				})
			})
		}
	}
	if text := output.String(); len(text) < 100_000 {
		t.Errorf("only %d bytes were written", len(text))
	} else if i := strings.Index(text, "HRKU-"); i >= 0 {
		t.Errorf("a token was written: %.200q", text[max(0, i-100):])
	}
}

// What the client keeps open, it closes; what the host supplied, it leaves alone.
func TestCloseIdleConnections(t *testing.T) {
	closed := make(chan struct{}, 1)
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, web3)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			closed <- struct{}{}
		}
	}
	s.Start()
	defer s.Close()
	own := heroku.NewClient(token, &heroku.Options{BaseURL: s.URL}).Scaler("shop", "web")
	for range 3 { // on one connection
		if err := own.Scale(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
	}
	own.CloseIdleConnections()
	<-closed
	if err := own.Scale(t.Context(), 3); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	own.CloseIdleConnections()
	<-closed

	host := &http.Transport{}
	defer host.CloseIdleConnections()
	theirs := heroku.NewClient(token, &heroku.Options{BaseURL: s.URL, Transport: host}).Scaler("shop", "web")
	for range 2 {
		if err := theirs.Scale(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		theirs.CloseIdleConnections()
	}
	if n := opened.Load(); n != 3 {
		t.Errorf("%d connections were opened, want two of the client's own and the host's, which is used again", n)
	}
}
