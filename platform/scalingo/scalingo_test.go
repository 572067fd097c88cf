package scalingo_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/platformtest"
	"github.com/autoscalebot/autoscale/platform/scalingo"
	"github.com/autoscalebot/autoscale/platform/scalingo/scalingotest"
)

func serve(t *testing.T, a scalingotest.App) (*scalingotest.Server, *scalingo.Scaler) {
	s := scalingotest.NewServer()
	t.Cleanup(s.Close)
	a.Name = "shop"
	if a.Containers == nil {
		a.Containers = map[string]int{"web": 1, "worker": 2}
	}
	s.AddApp(a)
	c := scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL, CallsPerHour: 100_000})
	t.Cleanup(c.CloseIdleConnections)
	return s, c.Scaler("shop", "web")
}

// inMemory returns a Scaler for a bubble.
func inMemory(s *scalingotest.Server) *scalingo.Scaler {
	return scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL, Transport: s.Transport()}).Scaler("shop", "web")
}

func TestScaler(t *testing.T) {
	s, scaler := serve(t, scalingotest.App{})
	autoscaletest.Scaler(t, scaler, autoscaletest.ScalerOptions{
		Fail: func(fail bool) {
			s.ClearFaults()
			if fail {
				s.Inject(platformtest.Fault{Times: -1, Status: 418})
			}
		},
		Busy: func(busy bool) { s.Change("shop", func(a *scalingotest.App) { a.Busy = busy }) },
		Limit: func(most int) {
			if most == 0 {
				most = 10
			}
			s.Change("shop", func(a *scalingotest.App) { a.Limit = most })
		},
	})
	if n := s.Amount("shop", "worker"); n != 2 {
		t.Errorf("worker has %d containers", n)
	}
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	_, scaler := serve(t, scalingotest.App{})
	platformsuite.Waits(t, scaler)
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	s, _ := serve(t, scalingotest.App{})
	platformsuite.Chaos(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler("shop", "web")
	}, func() int { return s.Amount("shop", "web") })
}

// Whatever fails, the exchange of the token or what follows it.
func TestFaults(t *testing.T) {
	s, _ := serve(t, scalingotest.App{})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler("shop", "web")
	}, scalingotest.Token)
}

func TestInterrupted(t *testing.T) {
	s, _ := serve(t, scalingotest.App{})
	platformsuite.Interrupted(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler("shop", "web")
	})
}

func TestFaultsAfterTheExchange(t *testing.T) {
	s, _ := serve(t, scalingotest.App{})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL, Transport: exchanging{rt}}).Scaler("shop", "web")
	}, scalingotest.Token, "eyJhbGciOiJub25lIn0.0001.exchanged")
}

// exchanging answers the exchange of a token itself.
type exchanging struct{ next http.RoundTripper }

func (e exchanging) RoundTrip(req *http.Request) (*http.Response, error) {
	if strings.HasSuffix(req.URL.Path, "/tokens/exchange") {
		return platformtest.Answer(200, `{"token":"eyJhbGciOiJub25lIn0.0001.exchanged"}`).RoundTrip(req)
	}
	return e.next.RoundTrip(req)
}

func TestCapacity(t *testing.T) {
	for _, tt := range []struct {
		name string
		app  scalingotest.App
		want autoscale.Capacity
	}{
		{"quiet", scalingotest.App{}, autoscale.Capacity{Desired: 1, PendingKnown: true}},
		{"none", scalingotest.App{Containers: map[string]int{"web": 0}}, autoscale.Capacity{PendingKnown: true}},
		{"none running", scalingotest.App{Boot: time.Hour}, autoscale.Capacity{Desired: 1}},
		{"autoscaled", scalingotest.App{Autoscaled: []string{"web"}}, autoscale.Capacity{Desired: 1, PendingKnown: true, ExternalAutoscaler: "Scalingo autoscaler"}},
		{"autoscaler disabled", scalingotest.App{Disabled: []string{"web"}}, autoscale.Capacity{Desired: 1, PendingKnown: true}},
		{"another autoscaled", scalingotest.App{Autoscaled: []string{"worker"}}, autoscale.Capacity{Desired: 1, PendingKnown: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, scaler := serve(t, tt.app)
			if got, err := scaler.Capacity(t.Context()); err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

// Containers are read each time, and autoscalers once a minute. What was not read is not known.
func TestCalls(t *testing.T) {
	s, _ := serve(t, scalingotest.App{})
	synctest.Test(t, func(t *testing.T) {
		s.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 2}})
		scaler := inMemory(s)
		read := func() autoscale.Capacity {
			t.Helper()
			c, err := scaler.Capacity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		called := func(what string) int { return s.Count("GET", "/v1/apps/shop/"+what) }
		for range 20 {
			read()
			time.Sleep(30 * time.Second)
		}
		if ps, rival := called("ps"), called("autoscalers"); ps != 20 || rival != 10 {
			t.Errorf("in ten minutes: containers %d times, autoscalers %d times", ps, rival)
		}
		s.Change("shop", func(a *scalingotest.App) { a.Containers["web"], a.Boot, a.Autoscaled = 4, time.Minute, []string{"web"} })
		if c := read(); c.Pending != 2 || !c.PendingKnown || c.ExternalAutoscaler == "" {
			t.Errorf("after an increase: %+v", c)
		}
		s.Inject(platformtest.Fault{Path: "/v1/apps/shop/ps", Status: 500}, platformtest.Fault{Path: "/v1/apps/shop/autoscalers", Status: 500, Times: -1})
		time.Sleep(2 * time.Minute)
		if c := read(); c.Pending != 0 || c.PendingKnown || c.ExternalAutoscaler == "" {
			t.Errorf("without the lists: %+v", c)
		}
		if c := read(); c.Pending != 0 || !c.PendingKnown {
			t.Errorf("all run: %+v", c)
		}
		time.Sleep(10 * time.Minute)
		if c := read(); c.ExternalAutoscaler != "" {
			t.Errorf("the rival is remembered after twelve minutes: %+v", c)
		}
		s.ClearFaults()
		s.Inject(platformtest.Fault{Path: "/v1/apps/shop/ps", Status: 500})
		if c := read(); c.Pending != 0 || c.PendingKnown {
			t.Errorf("hours after an increase, without the list: %+v", c)
		}
		s.Change("shop", func(a *scalingotest.App) { a.Containers["web"] = 3 })
		s.Change("shop", func(a *scalingotest.App) { a.Containers["web"], a.Boot = 4, time.Hour })
		if c := read(); c.Pending != 1 || !c.PendingKnown {
			t.Errorf("one that started again: %+v", c)
		}
	})
}

// A list of autoscalers that is missing is not a list without one.
func TestMissingAutoscalers(t *testing.T) {
	s, _ := serve(t, scalingotest.App{})
	synctest.Test(t, func(t *testing.T) {
		s.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 2}, Autoscaled: []string{"web"}})
		scaler := inMemory(s)
		missing := platformtest.Fault{Path: "/v1/apps/shop/autoscalers", Status: 404, Body: `{"resource":"app","error":"not found"}`}
		s.Inject(missing)
		if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler != "" {
			t.Errorf("never known: %+v, %v", c, err)
		}
		if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler == "" {
			t.Errorf("once it is there: %+v, %v", c, err)
		}
		for _, f := range []platformtest.Fault{missing, {Path: missing.Path, Hang: true}} {
			time.Sleep(time.Minute)
			s.Inject(f)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if c, err := scaler.Capacity(ctx); err != nil || c.ExternalAutoscaler == "" || !c.PendingKnown {
				t.Errorf("while it is known: %+v, %v", c, err)
			}
			cancel()
		}
	})
}

// One bearer token serves for an hour, and one that was revoked is renewed once.
func TestBearer(t *testing.T) {
	s, _ := serve(t, scalingotest.App{})
	synctest.Test(t, func(t *testing.T) {
		scaler := inMemory(s)
		exchanged := func() int { return s.Count("POST", "/v1/tokens/exchange") }
		for range 100 {
			if _, err := scaler.Capacity(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
		}
		if exchanged() != 1 {
			t.Errorf("%d exchanges in 50 minutes", exchanged())
		}
		s.Revoke()
		if err := scaler.Scale(t.Context(), 3); err != nil || exchanged() != 2 || s.Amount("shop", "web") != 3 {
			t.Errorf("revoked: %v, %d exchanges", err, exchanged())
		}
		time.Sleep(56 * time.Minute)
		s.Inject(platformtest.Fault{Path: "/v1/tokens/exchange", Status: 401, Body: `{"error":"invalid token"}`, Times: 2})
		if _, err := scaler.Capacity(t.Context()); err != nil {
			t.Errorf("with a token that is still good: %v", err)
		}
		time.Sleep(5 * time.Minute)
		_, err := scaler.Capacity(t.Context())
		if want := "scalingo: read the size: web of app shop: 401 Unauthorized: getting an access token: invalid token: check the API token given to scalingo.NewClient"; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name   string
		app    scalingotest.App
		status int // of a fault
		body   string
		size   int
		limit  int // 0: no LimitError
		busy   bool
		want   string
	}{
		{"busy", scalingotest.App{Busy: true}, 0, "", 3, 0, true, "an operation is already in progress"},
		{"busy, another status", scalingotest.App{}, 400, `{"error":"the app is deploying"}`, 3, 0, true, "the app is deploying"},
		{"limit", scalingotest.App{}, 0, "", 15, 8, false, "lower Max, or ask Scalingo's support"},
		{"forbidden", scalingotest.App{}, 403, `{"error":"no","code":"x"}`, 3, 0, false, "403 Forbidden (x): no: the user of the API token must be a collaborator"},
		{"to pay", scalingotest.App{}, 402, `{"error":"no","url":"https://u"}`, 3, 0, false, "must pay first"},
		{"another amount", scalingotest.App{}, 202, `{"containers":[{"name":"web","amount":2}]}`, 3, 0, false, "the answer says that the amount is 2"},
		{"another type", scalingotest.App{}, 202, `{"containers":[{"name":"worker","amount":3}]}`, 3, 0, false, "no such process type"},
		{"negative", scalingotest.App{}, 0, "", -1, 0, false, "must not be negative"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, scaler := serve(t, tt.app)
			if tt.status != 0 {
				s.Inject(platformtest.Fault{Method: "POST", Path: "/v1/apps/shop/scale", Status: tt.status, Body: tt.body})
			}
			err := scaler.Scale(t.Context(), tt.size)
			var limit *autoscale.LimitError
			var busy *autoscale.BusyError
			if got := errors.As(err, &limit); got != (tt.limit > 0) || got && (limit.Limit != tt.limit || !limit.Guessed) {
				t.Errorf("a LimitError: %v", err)
			}
			if errors.As(err, &busy) != tt.busy {
				t.Errorf("a BusyError: %v", err)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	s, scaler := serve(t, scalingotest.App{})
	if err := scaler.Scale(t.Context(), 1); err != nil || s.Count("POST", "/v1/apps/shop/scale") != 0 {
		t.Errorf("the same size: %v", err)
	}
}

func TestAbsurdAnswers(t *testing.T) {
	s, scaler := serve(t, scalingotest.App{})
	for body, want := range map[string]string{
		`{}`:                              "no containers",
		`{"containers":[]}`:               "no such process type",
		`{"containers":[{"name":"web"}]}`: "no amount",
		`{"containers":[{"name":"web","amount":-1}]}`:      "the amount -1",
		`{"containers":[{"name":"web","amount":9999999}]}`: "the amount 9999999",
		`{"containers":[{"name":"web","amount":"1"}]}`:     "where the API has a int",
	} {
		s.Inject(platformtest.Fault{Method: "GET", Path: "/v1/apps/shop/containers", Status: 200, Body: body})
		if c, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s became %+v, %v; want %q", body, c, err, want)
		}
	}
}

// The API token goes to Scalingo, or to what stands in for it.
func TestWhereTheTokenGoes(t *testing.T) {
	for base, want := range map[string]string{
		"": "auth.scalingo.com", "https://api.osc-secnum-fr1.scalingo.com": "auth.scalingo.com",
		"https://scalingo.example.com": "scalingo.example.com", "https://evil.example/.scalingo.com": "evil.example", "https://api.scalingo.com.evil.example": "api.scalingo.com.evil.example",
	} {
		var hosts []string
		c := scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: base, Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
			if _, token, _ := req.BasicAuth(); token == scalingotest.Token {
				hosts = append(hosts, req.URL.Host)
			}
			return nil, errors.New("no network")
		})})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := c.Scaler("shop", "web").Capacity(ctx)
		cancel()
		if err == nil || len(hosts) != 1 || hosts[0] != want {
			t.Errorf("%q: the token went to %v: %v", base, hosts, err)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestSecrets(t *testing.T) {
	s, scaler := serve(t, scalingotest.App{})
	if _, err := scaler.Capacity(t.Context()); err != nil {
		t.Fatal(err)
	}
	secrets := []string{scalingotest.Token, s.Bearer()}
	s.Inject(platformtest.Fault{Times: -1, Status: 400, Body: fmt.Sprintf(`{"code":%q,"error":%q,"errors":{%q:[%q]}}`, s.Bearer(), s.Bearer(), s.Bearer(), scalingotest.Token)})
	_, err := scaler.Capacity(t.Context())
	bad := scalingo.NewClient(`"`+scalingotest.Token, &platform.Options{TokenName: scalingotest.Token})
	c := scalingo.NewClient(scalingotest.Token, nil)
	platformsuite.Hidden(t, secrets, scaler, err, c, *c, c.Scaler(scalingotest.Token, scalingotest.Token), bad, bad.Scaler("x", "y").Validate())
}

// A bearer token of another form than today's does not show either.
func TestOpaqueBearer(t *testing.T) {
	s, scaler := serve(t, scalingotest.App{})
	const opaque = "another0form0of0token"
	s.Inject(platformtest.Fault{Path: "/v1/tokens/exchange", Status: 200, Body: `{"token":"` + opaque + `"}`}, platformtest.Fault{Status: 400, Body: `{"error":"not with ` + opaque + `"}`})
	_, err := scaler.Capacity(t.Context())
	if err == nil || !strings.Contains(err.Error(), "not with [redacted]") {
		t.Errorf("error %v", err)
	}
}

func TestSelf(t *testing.T) {
	t.Setenv("APP", "shop")
	t.Setenv("CONTAINER", "web-1")
	if app, container := scalingo.Self(); app != "shop" || container != "web-1" {
		t.Errorf("got %q, %q", app, container)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"token":"eyJ","containers":[{"name":"web","amount":3}],"autoscalers":[{"container_type":"web"}]}`)
	f.Add(200, `{"token":"eyJ","containers":[{"name":"web","amount":3,"type":"web","state":"running"}],"autoscalers":[]}`)
	f.Add(422, `{"errors":{"amount":["is above the limit"],"`+scalingotest.Token+`":null}}`)
	f.Add(409, `[]`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 999 {
			t.Skip()
		}
		transport := exchanging{platformtest.Answer(status, body)}
		synctest.Test(t, func(t *testing.T) {
			scaler := scalingo.NewClient(scalingotest.Token, &platform.Options{Transport: transport}).Scaler("shop", "web")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := scaler.Capacity(ctx)
			if err == nil && (c.Desired < 0 || c.Pending < 0 || c.Pending > c.Desired || status/100 != 2) {
				t.Errorf("%d %q became %+v", status, body, c)
			}
			order := scaler.Scale(ctx, 7)
			for _, err := range []error{err, order} {
				if err != nil {
					platformsuite.Text(t, "error", err.Error(), scalingotest.Token)
				}
			}
			var limit *autoscale.LimitError
			if errors.As(order, &limit) && (limit.Limit < 0 || limit.Limit >= 7) {
				t.Errorf("%d %q: the limit %d", status, body, limit.Limit)
			}
		})
	})
}
