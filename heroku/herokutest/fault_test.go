package herokutest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	heroku "github.com/heroku/heroku-go/v5"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// Each fault reaches heroku-go as the fault that it imitates.
func TestFaults(t *testing.T) {
	herokuError := func(status int, id string) func(*heroku.Formation, error) bool {
		return func(_ *heroku.Formation, err error) bool {
			var e heroku.Error
			return errors.As(err, &e) && e.StatusCode == status && e.ID == id
		}
	}
	text := func(s string) func(*heroku.Formation, error) bool {
		return func(_ *heroku.Formation, err error) bool {
			return err != nil && strings.HasSuffix(err.Error(), "encountered an error : "+s)
		}
	}
	is := func(targets ...error) func(*heroku.Formation, error) bool {
		return func(_ *heroku.Formation, err error) bool {
			for _, target := range targets {
				if errors.Is(err, target) {
					return true
				}
			}
			return false
		}
	}
	// This is the trap: heroku-go takes it for a formation of no dynos.
	zero := func(f *heroku.Formation, err error) bool { return err == nil && f.Type == "" && f.Quantity == 0 }
	three := func(f *heroku.Formation, err error) bool { return err == nil && f.Quantity == 3 }

	for name, tt := range map[string]struct {
		fault herokutest.Fault
		ok    func(*heroku.Formation, error) bool
		then  int // the quantity afterwards; it was 2, and 3 was asked for
	}{
		"error of the API":      {herokutest.Error(402, "delinquent", "Pay."), herokuError(402, "delinquent"), 2},
		"error with no fields":  {herokutest.Fault{Status: 500, Body: `{}`}, herokuError(500, ""), 2},
		"HTML":                  {herokutest.Fault{Status: 503, Body: "<html>Oops</html>"}, text("503 Service Unavailable"), 2},
		"no body":               {herokutest.Fault{Status: 503}, text("503 Service Unavailable"), 2},
		"bare 429":              {herokutest.Fault{Status: 429, Header: http.Header{"Retry-After": {"30"}}}, text("429 Too Many Requests"), 2},
		"redirect":              {herokutest.Fault{Status: 302, Header: http.Header{"Location": {"/elsewhere"}}}, text("302 Found"), 2},
		"200 with no body":      {herokutest.Fault{Status: 200}, is(io.EOF), 2},
		"204":                   {herokutest.Fault{Status: 204}, is(io.EOF), 2},
		"200 {}":                {herokutest.Fault{Status: 200, Body: `{}`}, zero, 2},
		"200 null":              {herokutest.Fault{Status: 200, Body: `null`}, zero, 2},
		"200 of a wrong type":   {herokutest.Fault{Status: 200, Body: `{"quantity":"three"}`}, as[*json.UnmarshalTypeError], 2},
		"200 HTML":              {herokutest.Fault{Status: 200, Body: `<html>`}, as[*json.SyntaxError], 2},
		"truncated":             {herokutest.Fault{Truncate: true}, is(io.ErrUnexpectedEOF), 3},
		"truncated, not done":   {herokutest.Fault{Status: 200, Body: `{"type":"web","quantity":3}`, Truncate: true}, is(io.ErrUnexpectedEOF), 2},
		"truncated to nothing":  {herokutest.Fault{Status: 200, Truncate: true}, is(io.ErrUnexpectedEOF), 2},
		"reset":                 {herokutest.Fault{Reset: true}, is(syscall.ECONNRESET, io.EOF), 2},
		"reset, but done":       {herokutest.Fault{Apply: true, Reset: true}, is(syscall.ECONNRESET, io.EOF), 3},
		"503, but done":         {herokutest.Fault{Apply: true, Status: 503}, text("503 Service Unavailable"), 3},
		"slow":                  {herokutest.Fault{Delay: time.Millisecond}, three, 3},
		"headers alone":         {herokutest.Fault{Header: http.Header{"retry-after": {"1"}}}, three, 3},
		"another method":        {herokutest.Fault{Method: "GET", Status: 503}, three, 3},
		"another path":          {herokutest.Fault{Path: "/apps/*/formation", Status: 503}, three, 3},
		"this method, any case": {herokutest.Fault{Method: "patch", Path: "/apps/*/formation/web", Status: 503}, text("503 Service Unavailable"), 2},
		"the next one":          {herokutest.Fault{Skip: 1, Status: 503}, three, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := herokutest.NewServer()
			defer s.Close()
			app := quietRiver(s)
			s.Inject(tt.fault)
			f, err := newService(s).FormationUpdate(t.Context(), "quiet-river", "web", heroku.FormationUpdateOpts{Quantity: heroku.Int(3)})
			if !tt.ok(f, err) {
				t.Errorf("got %+v, %#v", f, err)
			}
			if n := app.Quantity("web"); n != tt.then {
				t.Errorf("web has %d dynos then, want %d", n, tt.then)
			}
			if n := len(s.Writes()); n != tt.then-2 {
				t.Errorf("%d writes, want %d", n, tt.then-2)
			}
		})
	}
}

func as[E error](_ *heroku.Formation, err error) bool {
	var e E
	return errors.As(err, &e)
}

// Over TCP, a reset is one.
func TestResetIsReset(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	s.Inject(herokutest.Fault{Reset: true})
	_, err := s.Client().Post(s.URL, "application/json", strings.NewReader("{}"))
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got the error %v, want a connection reset", err)
	}
}

func TestFaultOrderAndCount(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	quietRiver(s)
	expect := func(when string, want ...int) {
		t.Helper()
		for i, status := range want {
			if res, _ := do(t, s, "GET", "/apps/quiet-river", "", nil); res.StatusCode != status {
				t.Errorf("%s, request %d: got %d, want %d", when, i, res.StatusCode, status)
			}
		}
	}
	s.Inject(
		herokutest.Fault{Path: "/account", Status: 500},
		herokutest.Fault{Skip: 1, Times: 2, Status: 503},
		herokutest.Fault{Status: 502},
		herokutest.Fault{Skip: 1, Status: 504, Times: -1},
	)
	// The first request is spared by the second fault and struck by the third.
	expect("with faults", 502, 503, 503, 200, 504, 504)
	s.ClearFaults()
	expect("cleared", 200, 200)

	requests := s.Requests()
	if got := requests[1].Status; got != 503 {
		t.Errorf("the record has the status %d of an injected fault, want 503", got)
	}
	for _, f := range []herokutest.Fault{{Path: "["}, {Status: 100}, {Status: 1000}} {
		if panics(func() { s.Inject(f) }) == "" {
			t.Errorf("Inject(%+v) did not panic", f)
		}
	}
}

func TestFaultAnswers(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	for _, tt := range []struct {
		fault       herokutest.Fault
		contentType string
	}{
		{herokutest.Fault{Status: 503, Body: "<html>"}, "text/html; charset=utf-8"},
		{herokutest.Fault{Status: 503, Body: "null"}, "application/json"},
		{herokutest.Fault{Status: 503}, ""},
		{herokutest.Fault{Status: 503, Body: "busy", Header: http.Header{"content-type": {"text/plain"}, "Retry-After": {"7"}}}, "text/plain"},
	} {
		s.Inject(tt.fault)
		res, body := do(t, s, "GET", "/apps", "", nil)
		if string(body) != tt.fault.Body || res.Header.Get("Content-Type") != tt.contentType || res.Header.Get("Request-Id") == "" {
			t.Errorf("%+v: got %q, %v", tt.fault, body, res.Header)
		}
		if got, want := res.Header.Get("Retry-After"), tt.fault.Header.Get("Retry-After"); got != want {
			t.Errorf("Retry-After: %q, want %q", got, want)
		}
	}
}

// A change that takes effect at once, though its answer comes too late or never.
func TestHangAndDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		defer s.Close()
		app := quietRiver(s)
		service := newService(s)
		scale := func(n int) (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start := time.Now()
			_, err := service.FormationUpdate(ctx, "quiet-river", "web", heroku.FormationUpdateOpts{Quantity: heroku.Int(n)})
			synctest.Wait() // for the server to notice that the client left
			return time.Since(start), err
		}
		for _, tt := range []struct {
			fault herokutest.Fault
			took  time.Duration
			fails bool
			then  int
		}{
			{herokutest.Fault{Delay: 3 * time.Second}, 3 * time.Second, false, 3},
			{herokutest.Fault{Delay: time.Minute}, 10 * time.Second, true, 2},
			{herokutest.Fault{Delay: time.Minute, Apply: true}, 10 * time.Second, true, 3},
			{herokutest.Fault{Hang: true}, 10 * time.Second, true, 2},
			{herokutest.Fault{Hang: true, Apply: true}, 10 * time.Second, true, 3},
		} {
			app.Scale("web", 2)
			s.Inject(tt.fault)
			took, err := scale(3)
			if took != tt.took || (err != nil) != tt.fails || tt.fails && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%+v: %v after %v", tt.fault, err, took)
			}
			if n := app.Quantity("web"); n != tt.then {
				t.Errorf("%+v: web has %d dynos then, want %d", tt.fault, n, tt.then)
			}
			requests := s.Requests()
			if got := requests[len(requests)-1].Status; (got == 0) != tt.fails {
				t.Errorf("%+v: the record has the status %d", tt.fault, got)
			}
		}
	})
}

// Behind another server, too, a hang ends when the client leaves and when the fake is closed.
func TestHangOfHandlerEnds(t *testing.T) {
	for name, end := range map[string]func(*herokutest.Server, context.CancelFunc){
		"client leaves": func(_ *herokutest.Server, leave context.CancelFunc) { leave() },
		"closed":        func(s *herokutest.Server, _ context.CancelFunc) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := herokutest.New()
				s.Inject(herokutest.Fault{Hang: true})
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				var ended any
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer func() { ended = recover() }()
					s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/apps", nil))
				}()
				synctest.Wait()
				select {
				case <-done:
					t.Fatal("it did not hang")
				default:
				}
				end(s, leave)
				<-done
				if ended != http.ErrAbortHandler {
					t.Errorf("it ended with %v", ended)
				}
			})
		})
	}
}
