package calls_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const token = "tok-1234567890"

func dialect() calls.Dialect {
	return calls.Dialect{
		Platform: "acme", BaseURL: "https://api.example.com", CallsPerHour: 3600, Secrets: []string{token}, Like: regexp.MustCompile(`AC_[a-z]+`),
		Authorize: func(_ context.Context, req *http.Request, _ []byte) error {
			req.Header.Set("Authorization", "Bearer "+token)
			return nil
		},
		Advise:  func(e *platform.Error) string { return map[int]string{403: "ask for the role"}[e.Status] },
		Passing: func(e *platform.Error) bool { return e.Code == "deploying" },
	}
}

// What a server answers decides the error, its words and how often it is asked.
func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		tries  int32
		busy   bool
		want   []string
	}{
		{"good", func(w http.ResponseWriter) { fmt.Fprint(w, `{"n":3}`) }, 1, false, nil},
		{"no content", func(w http.ResponseWriter) { w.WriteHeader(204) }, 1, false, []string{"is not JSON"}},
		{"forbidden", func(w http.ResponseWriter) {
			w.Header().Set("X-Request-Id", "r1")
			w.WriteHeader(403)
			fmt.Fprintf(w, `{"code":"no","message":"not with %s or AC_secret\nat all"}`, token)
		}, 1, false, []string{"acme: scale to 3: web: 403 Forbidden (no): not with [redacted] or [redacted] at all [request r1]: ask for the role"}},
		{"deploying", func(w http.ResponseWriter) { w.WriteHeader(422); fmt.Fprint(w, `{"code":"deploying"}`) }, 1, true, []string{"ends by itself"}},
		{"too many", func(w http.ResponseWriter) { w.Header().Set("Retry-After", "3600"); w.WriteHeader(429) }, 1, true, []string{"tried again in 10m0s"}},
		{"in trouble", func(w http.ResponseWriter) { w.WriteHeader(503) }, 3, false, []string{"after 3 tries", "in trouble"}},
		{"elsewhere", func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://evil.example")
			w.WriteHeader(302)
		}, 1, false, []string{"redirects are not followed"}},
		{"HTML", func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") }, 1, false, []string{"is not JSON: something other than the platform's API"}},
		{"another shape", func(w http.ResponseWriter) { fmt.Fprint(w, `{"n":"three"}`) }, 1, false, []string{"has a string where the API has a int, at N"}},
		{"too long", func(w http.ResponseWriter) { fmt.Fprint(w, strings.Repeat(" ", 5<<20)) }, 1, false, []string{"more than 4194304 bytes"}},
		{"broken off", func(w http.ResponseWriter) { w.Header().Set("Content-Length", "100"); fmt.Fprint(w, "{") }, 3, false, []string{"broke off after 1 bytes"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if got := r.Header.Get("Authorization"); got != "Bearer "+token {
					t.Errorf("authorized with %q", got)
				}
				tt.answer(w)
			}))
			defer s.Close()
			c := calls.New(dialect(), &platform.Options{BaseURL: s.URL})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var out struct{ N int }
			err := c.Do(ctx, calls.Call{Op: "scale to 3", Subject: "web", Method: http.MethodPost, Path: "/scale", Body: map[string]int{"n": 3}, Urgency: calls.Urgent}, &out)
			if tt.want == nil && (err != nil || out.N != 3) {
				t.Fatalf("error %v, answer %+v", err, out)
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if asked.Load() != tt.tries {
				t.Errorf("asked %d times, want %d", asked.Load(), tt.tries)
			}
			var busy *autoscale.BusyError
			if errors.As(c.Held(err), &busy) != tt.busy {
				t.Errorf("busy: %v", c.Held(err))
			}
		})
	}
}

// A call that is not idempotent is made once, and no call is made without time or room.
func TestOnce(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(500)
	}))
	defer s.Close()
	c := calls.New(dialect(), &platform.Options{BaseURL: s.URL, CallsPerHour: 1})
	call := calls.Call{Op: "create", Subject: "a machine", Method: http.MethodPost, Path: "/", Once: true, Urgency: calls.Urgent}
	if err := c.Do(t.Context(), call, nil); err == nil || asked.Load() != 1 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Do(ended, call, nil); !errors.Is(err, context.Canceled) || asked.Load() != 1 {
		t.Errorf("asked %d times: %v", asked.Load(), err)
	}
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var room *platform.CallBudgetError
	for range 30 {
		if err := c.Do(short, call, nil); errors.As(err, &room) {
			break
		}
	}
	if room == nil || room.Op != "create" || room.Subject != "a machine" || !strings.HasPrefix(room.Error(), "acme: create: a machine: no call was made: this client makes at most 1 calls an hour") {
		t.Errorf("a spent budget: %v", room)
	}
	var busy *autoscale.BusyError
	if held := c.Held(room); !errors.As(held, &busy) || busy.RetryAfter <= 0 || busy.RetryAfter > calls.MaxRetryAfter {
		t.Errorf("a spent budget is not busy: %v", held)
	}
}

// A client that was made of something bad makes no call and says all that is wrong.
func TestFaults(t *testing.T) {
	fault := errors.New("no token")
	for _, base := range []string{"ftp://x", "http://api.example.com", "https://u:" + token + "@api.example.com", "https://api.example.com?t=" + token, "://" + token} {
		c := calls.New(dialect(), &platform.Options{BaseURL: base, CallsPerHour: -1, AttemptTimeout: -1}, fault)
		err := c.Do(t.Context(), calls.Call{Op: "read", Subject: "web", Path: "/"}, nil)
		for _, want := range []string{"acme: read: web: no token", "Options.BaseURL", "CallsPerHour is -1", "AttemptTimeout is -1"} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), token) {
				t.Errorf("%s: error %v, want %q", base, err, want)
			}
		}
	}
	if err := calls.New(dialect(), &platform.Options{BaseURL: "http://127.0.0.1:1"}).Fault(); err != nil {
		t.Errorf("the loopback by http: %v", err)
	}
}

// Requests by plain HTTP, as to a network of the platform's own, go to no proxy, which could
// read the token. The environment is read once in a process, so the test runs another.
func TestNoProxy(t *testing.T) {
	base := os.Getenv("CALLS_TEST_BASE_URL")
	if base != "" {
		d := dialect()
		d.Plain = strings.HasPrefix(base, "http:")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		call := read
		call.Once = true
		t.Logf("got %v", calls.New(d, &platform.Options{BaseURL: base}).Do(ctx, call, nil))
		return
	}
	for base, want := range map[string]int32{"http://private.invalid:4280": 0, "https://api.invalid": 1} {
		var asked atomic.Int32
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			w.WriteHeader(502)
		}))
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoProxy$", "-test.v")
		cmd.Env = append(os.Environ(), "CALLS_TEST_BASE_URL="+base, "HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+proxy.URL, "NO_PROXY=")
		out, err := cmd.CombinedOutput()
		proxy.Close()
		if err != nil || !strings.Contains(string(out), "got acme: read: web: no answer") || asked.Load() != want {
			t.Errorf("%s: the proxy was asked %d times, want %d: %v\n%s", base, asked.Load(), want, err, out)
		}
	}
}

// An exchange of credentials that fails is told as what it is.
func TestAuthorizeFails(t *testing.T) {
	d := dialect()
	d.Authorize = func(context.Context, *http.Request, []byte) error {
		return &platform.Error{Status: 401, Message: "the token has ended"}
	}
	err := calls.New(d, &platform.Options{BaseURL: "http://127.0.0.1:1"}).Do(t.Context(), calls.Call{Op: "read", Subject: "web", Path: "/"}, nil)
	if err == nil || err.Error() != "acme: read: web: 401 Unauthorized: the token has ended" {
		t.Errorf("error %v", err)
	}
}

// No order is sent of a size that no platform has.
func TestCheckOrder(t *testing.T) {
	c := calls.New(dialect(), nil)
	call := calls.Call{Op: "scale", Subject: "web"}
	for _, tt := range []struct {
		fault error
		size  int
		want  string
	}{
		{nil, 0, ""},
		{nil, calls.MaxSize, ""},
		{nil, -1, "acme: scale: web: a size must not be negative"},
		{nil, calls.MaxSize + 1, "a size must be at most 1000000: check Max"},
		{errors.New("no name"), 1, "no name"},
	} {
		err := c.CheckOrder(call, tt.fault, tt.size)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, %d: %v, want %q", tt.fault, tt.size, err, tt.want)
		}
	}
}
