package heroku_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/probe"
)

func TestCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) { return healthy(req), nil }}
		got, err := client(p).Scaler("shop", "web").Capacity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := autoscale.Capacity{Desired: 3, PendingKnown: true, Changed: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for _, s := range p.sent {
			if got := s.header.Get("Authorization"); got != "Bearer "+token {
				t.Errorf("Authorization = %q", got)
			}
			if got := s.header.Get("Accept"); got != "application/vnd.heroku+json; version=3" {
				t.Errorf("Accept = %q", got)
			}
			if s.header.Get("Request-Id") == "" || !strings.HasPrefix(s.header.Get("User-Agent"), "autoscale") {
				t.Errorf("Request-Id or User-Agent missing: %v", s.header)
			}
		}
	})
}

// An order is absolute, and leaves the size of the dynos alone.
func TestScaleOrders(t *testing.T) {
	p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) {
		return reply(200, `{"type":"web","quantity":0}`), nil
	}}
	if err := client(p).Scaler("shop", "web").Scale(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if len(p.sent) != 1 || p.sent[0].method != "PATCH" || p.sent[0].path != formation || p.sent[0].body != `{"quantity":0}` {
		t.Errorf("sent %+v", p.sent)
	}
}

func TestMaintenance(t *testing.T) {
	one := herokutest.AppConfig{Formation: []herokutest.Process{{Type: "web", Quantity: 1}}}

	t.Run("is at most a minute old", func(t *testing.T) {
		bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
			scaler := c.Scaler("shop", "web")
			var seen []bool
			for tick := range 5 {
				app.SetMaintenance(tick == 1 || tick == 2)
				got, err := scaler.Capacity(within(t, 30*time.Second))
				if err != nil {
					t.Fatal(err)
				}
				seen = append(seen, got.Maintenance)
				time.Sleep(30 * time.Second)
			}
			if diff := cmp.Diff([]bool{false, false, true, true, false}, seen); diff != "" {
				t.Error(diff)
			}
		})
	})
	t.Run("never known is an error", func(t *testing.T) {
		bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
			s.Inject(herokutest.Fault{Path: "/apps/shop", Status: 503, Times: -1})
			_, err := c.Scaler("shop", "web").Capacity(within(t, 30*time.Second))
			var e *heroku.Error
			if !errors.As(err, &e) || e.Status != 503 || e.Tries != 3 {
				t.Errorf("err = %v", err)
			}
		})
	})
	t.Run("is trusted for five minutes", func(t *testing.T) {
		bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
			scaler := c.Scaler("shop", "web")
			app.SetMaintenance(true)
			if _, err := scaler.Capacity(within(t, 30*time.Second)); err != nil {
				t.Fatal(err)
			}
			s.Inject(herokutest.Fault{Path: "/apps/shop", Hang: true, Times: -1})
			time.Sleep(4 * time.Minute)
			start := time.Now()
			got, err := scaler.Capacity(within(t, 8*time.Second))
			if err != nil || !got.Maintenance {
				t.Errorf("after 4 minutes: %+v, %v", got, err)
			}
			if took := time.Since(start); took != 4*time.Second {
				t.Errorf("a hung answer that has a stand-in took %v of 8s", took)
			}
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			if _, err := scaler.Capacity(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: %v", err)
			}
			s.ClearFaults()
			s.Inject(herokutest.Fault{Path: "/apps/shop", Status: 503, Times: -1})
			before := len(s.Requests())
			if got, err := scaler.Capacity(within(t, 8*time.Second)); err != nil || !got.Maintenance || len(s.Requests()) != before+2 {
				t.Errorf("%d calls: %+v, %v", len(s.Requests())-before, got, err)
			}
			time.Sleep(time.Minute)
			if got, err := scaler.Capacity(within(t, 8*time.Second)); err == nil {
				t.Errorf("after 5 minutes: %+v, want an error", got)
			}
		})
	})
}

func TestPending(t *testing.T) {
	cfg := herokutest.AppConfig{Boot: 50 * time.Second, Formation: []herokutest.Process{
		{Type: "web", Quantity: 1}, {Type: "worker", Quantity: 4},
	}}
	bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		scaler := c.Scaler("shop", "web")
		known := false
		read := func() int {
			t.Helper()
			c, err := scaler.Capacity(within(t, 30*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			known = c.PendingKnown
			return c.Pending
		}
		lists := func() (n int) {
			for _, r := range s.Requests() {
				if r.Path == "/apps/shop/dynos" {
					n++
				}
			}
			return n
		}
		var got []int
		step := func(prepare func()) {
			prepare()
			got = append(got, read())
			time.Sleep(30 * time.Second)
		}
		step(func() {}) // one is booting
		step(func() {}) // still
		step(func() {}) // up: watching ends
		step(func() {}) // quiet
		if !known {
			t.Error("all were up, and it is not known that none is pending")
		}
		step(func() { app.Scale("web", 4) })                                            // three boot
		step(func() { app.SetDynoState("web.2", herokutest.Crashed) })                  // one crashed: not on its way
		step(func() { app.SetDynoState("web.3", herokutest.Idle) })                     // all settled
		step(func() { app.Scale("web", 2) })                                            // fewer: nothing to wait for
		step(func() { app.SetDynoState("web.1", herokutest.Starting) })                 // a restart is not looked for
		step(func() { app.Scale("web", 3) })                                            // one boots, one restarts
		step(func() { s.Inject(herokutest.Fault{Path: "/apps/*/dynos", Status: 500}) }) // not known
		if diff := cmp.Diff([]int{1, 1, 0, 0, 3, 2, 0, 0, 0, 2, 0}, got); diff != "" {
			t.Error(diff)
		}
		if n := lists(); n != 8 {
			t.Errorf("the dynos were listed %d times, want 8: only while they can be booting", n)
		}
		// One that never comes up is not watched for ever.
		app.Scale("web", 5)
		app.SetDynoState("web.5", herokutest.Starting)
		before := lists()
		for range 20 {
			read()
			time.Sleep(30 * time.Second)
		}
		if n := lists() - before; n != 10 {
			t.Errorf("a dyno that never starts was looked at %d times in 10 minutes, want 10: for 5 minutes", n)
		}
		if known {
			t.Error("that none is pending is known of a dyno that is not looked at")
		}
	})
}

// A page of a longer list says nothing of how many are pending.
func TestPendingOfPartialList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := answering("/apps/shop/dynos", func(int) (*http.Response, error) { return reply(206, `[{"type":"web","state":"up"}]`), nil })
		if got, err := client(p).Scaler("shop", "web").Capacity(t.Context()); err != nil || got.Pending != 0 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

// What the package's documentation says that it costs.
func TestCallsPerHour(t *testing.T) {
	cfg := herokutest.AppConfig{Boot: 40 * time.Second, Formation: []herokutest.Process{{Type: "web", Quantity: 1}}}
	bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		scaler := c.Scaler("shop", "web")
		hour := func(at func(tick int)) (calls int) {
			before := len(s.Requests())
			for tick := range 120 {
				at(tick)
				if _, err := scaler.Capacity(within(t, 30*time.Second)); err != nil {
					t.Fatal(err)
				}
				// Ticks jitter.
				time.Sleep(30*time.Second + time.Duration(tick%3-1)*time.Second)
			}
			return len(s.Requests()) - before
		}
		hour(func(int) {}) // its first tick looks at the dynos
		if n := hour(func(int) {}); n != 180 {
			t.Errorf("a quiet hour costs %d calls, want 180", n)
		}
		n := hour(func(tick int) {
			switch tick {
			case 10:
				if err := scaler.Scale(within(t, 30*time.Second), 3); err != nil {
					t.Fatal(err)
				}
			case 60:
				if err := scaler.Scale(within(t, 30*time.Second), 1); err != nil {
					t.Fatal(err)
				}
			}
		})
		// Two orders, and the dynos are listed at 0, 30 and 60 s after the one that added some.
		if n != 185 {
			t.Errorf("an hour with a change up and one down costs %d calls, want 185", n)
		}
	})
}

// Nothing boots where nothing was ordered.
func TestNoDynos(t *testing.T) {
	p := answering(formation, func(int) (*http.Response, error) { return reply(200, `{"type":"web","quantity":0}`), nil })
	if got, err := client(p).Scaler("shop", "web").Capacity(t.Context()); err != nil || got != (autoscale.Capacity{PendingKnown: true}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := len(p.calls()); n != 2 {
		t.Errorf("%d calls: %q", n, p.calls())
	}
}

func TestWebURL(t *testing.T) {
	bubble(t, herokutest.AppConfig{WebURL: "https://shop-5f3c2a.herokuapp.com/"}, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		base := (&probe.HTTP{Base: c.WebURL("shop")}).Base
		if got, err := base(t.Context()); got != app.WebURL() || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	for _, body := range []string{`{}`, `null`, `{"web_url":null}`, `{"web_url":""}`, `{"web_url":"/"}`, `{"web_url":"ftp://x/"}`, `{"web_url":7}`, `{"web_url":"http://%zz"}`, `[]`} {
		p := answering("/apps/shop", func(int) (*http.Response, error) { return reply(200, body), nil })
		got, err := client(p).WebURL("shop")(t.Context())
		if got != "" || err == nil || !strings.Contains(err.Error(), "app shop") {
			t.Errorf("%s: got %q, %v", body, got, err)
		}
	}
	p := &platform{answer: func(*http.Request, int) (*http.Response, error) { panic("no call is made for a bad name") }}
	if got, err := client(p).WebURL("../account")(t.Context()); got != "" || err == nil {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestValidate(t *testing.T) {
	good := heroku.NewClient("  "+token+"\n", nil)
	tests := []struct {
		name   string
		scaler *heroku.Scaler
		want   []string // none: valid
	}{
		{"good", good.Scaler("quiet-river", "web"), nil},
		{"an id", good.Scaler("01234567-89AB-cdef-0123-456789abcdef", "-w_1"), nil},
		{"a loopback", heroku.NewClient(token, &heroku.Options{BaseURL: "http://[::1]:8080/"}).Scaler("shop", "web"), nil},
		{"no token", heroku.NewClient(" ", nil).Scaler("shop", "web"), []string{"token given to heroku.NewClient is empty", "authorizations:create"}},
		{"a named one", heroku.NewClient("", &heroku.Options{TokenName: "HEROKU_API_KEY"}).Scaler("shop", "web"), []string{"HEROKU_API_KEY is empty"}},
		{"quotes", heroku.NewClient(`"`+token+`"`, nil).Scaler("shop", "web"), []string{"quotes"}},
		{"two lines", heroku.NewClient(token+"\nx", nil).Scaler("shop", "web"), []string{"white space"}},
		{"app", good.Scaler("../account", "web"), []string{`app "../account"`}},
		{"no app", good.Scaler("", "web"), []string{`app ""`}},
		{"type", good.Scaler("shop", "web?x"), []string{`process type "web?x"`}},
		{"long type", good.Scaler("shop", strings.Repeat("w", 129)), []string{"1 to 128"}},
		{"relative", heroku.NewClient(token, &heroku.Options{BaseURL: "api.heroku.com"}).Scaler("shop", "web"), []string{"Options.BaseURL is not an absolute"}},
		{"plain", heroku.NewClient(token, &heroku.Options{BaseURL: "http://api.heroku.com"}).Scaler("shop", "web"), []string{"can read the token"}},
		{"user", heroku.NewClient(token, &heroku.Options{BaseURL: "https://u:p4ss@api.heroku.com"}).Scaler("shop", "web"), []string{"has a user"}},
		{"metrics", heroku.NewClient(token, &heroku.Options{MetricsURL: "https://metrics.example.com/"}).Scaler("shop", "web"), nil},
		{"a loopback's metrics", heroku.NewClient(token, &heroku.Options{MetricsURL: "http://127.0.0.1:8080"}).Scaler("shop", "web"), nil},
		{"no metrics", heroku.NewClient(token, &heroku.Options{MetricsURL: "-"}).Scaler("shop", "web"), nil},
		{"metrics with the API", heroku.NewClient(token, &heroku.Options{BaseURL: "http://herokutest.invalid", MetricsURL: "http://herokutest.invalid/", Transport: &platform{}}).Scaler("shop", "web"), nil},
		{"plain metrics", heroku.NewClient(token, &heroku.Options{MetricsURL: "http://api.metrics.heroku.com", Transport: &platform{}}).Scaler("shop", "web"), []string{"Options.MetricsURL is http", "can read the token"}},
		{"relative metrics", heroku.NewClient(token, &heroku.Options{MetricsURL: "none"}).Scaler("shop", "web"), []string{"Options.MetricsURL is not an absolute", heroku.DefaultMetricsURL}},
		{"metrics user", heroku.NewClient(token, &heroku.Options{MetricsURL: "https://u:p4ss@api.metrics.heroku.com"}).Scaler("shop", "web"), []string{"Options.MetricsURL has a user"}},
		{
			"all at once",
			heroku.NewClient("", &heroku.Options{BaseURL: ":", MetricsURL: "%", CallsPerHour: -1, AttemptTimeout: -1}).Scaler("a/b", "a#f"),
			[]string{"is empty", "BaseURL", "MetricsURL", "CallsPerHour is -1", "AttemptTimeout is -1ns", `"a/b"`, `"a#f"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.scaler.Validate()
			if (err != nil) != (tt.want != nil) {
				t.Fatalf("Validate() = %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
			if err == nil {
				return
			}
			if strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "p4ss") {
				t.Errorf("a secret is in %v", err)
			}
			// A caller that did not ask gets the error from each call, and nothing is sent.
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err1 := tt.scaler.Capacity(ctx)
			err2 := tt.scaler.Scale(ctx, 1)
			for _, err := range []error{err1, err2} {
				if err == nil || !strings.Contains(err.Error(), tt.want[0]) {
					t.Errorf("a call answers %v", err)
				}
			}
			cfg := autoscale.Config{Scaler: tt.scaler, Prober: &probe.HTTP{URL: "https://example.com/"}}
			if err := cfg.Validate(); !errors.Is(err, autoscale.ErrConfig) || !strings.Contains(err.Error(), tt.want[0]) {
				t.Errorf("Config.Validate() = %v", err)
			}
		})
	}
	p := &platform{answer: func(*http.Request, int) (*http.Response, error) { panic("no call is made for a bad size") }}
	if err := client(p).Scaler("shop", "web").Scale(t.Context(), -1); err == nil || !strings.Contains(err.Error(), "scale to -1: web of app shop: a size must not be negative") {
		t.Errorf("Scale(-1) = %v", err)
	}
	if got := fmt.Sprint(good.Scaler("shop", "web")); got != "heroku.Scaler(web of app shop)" {
		t.Errorf("a Scaler is written %q", got)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
