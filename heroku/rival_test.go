package heroku_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/internal/safebuffer"
)

const native = "Heroku's own autoscaling, which `heroku ps:autoscale:disable` switches off"

var (
	performance = herokutest.AppConfig{Formation: []herokutest.Process{{Type: "web", Quantity: 2, Size: "Performance-M"}}}
	scaling     = herokutest.Monitor{Name: "LATENCY_SCALE", ActionType: "scale", IsActive: true, MinQuantity: 1, MaxQuantity: 4}
	idle        = herokutest.Monitor{Name: "LATENCY_SCALE", ActionType: "scale"}
	alerting    = herokutest.Monitor{Name: "ERROR_RATE", ActionType: "alert", IsActive: true}
)

func TestRival(t *testing.T) {
	tests := []struct {
		name      string
		typ, size string
		monitors  []herokutest.Monitor
		want      string
		looks     int
	}{
		{"active", "web", "Performance-M", []herokutest.Monitor{scaling}, native, 1},
		{"among others", "web", "Performance-L", []herokutest.Monitor{alerting, idle, scaling}, native, 1},
		{"private", "web", "Private-S", []herokutest.Monitor{scaling}, native, 1},
		{"shield", "web", "Shield-L", []herokutest.Monitor{scaling}, native, 1},
		{"inactive", "web", "Performance-M", []herokutest.Monitor{idle}, "", 1},
		{"an alert alone", "web", "Performance-M", []herokutest.Monitor{alerting}, "", 1},
		{"none", "web", "Performance-M", nil, "", 1},
		{"another type", "worker", "Performance-M", []herokutest.Monitor{scaling}, "", 0},
		{"standard", "web", "Standard-1X", []herokutest.Monitor{scaling}, "", 0},
		{"basic", "web", "Basic", []herokutest.Monitor{scaling}, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := herokutest.AppConfig{Formation: []herokutest.Process{{Type: tt.typ, Quantity: 1, Size: tt.size}}}
			bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
				app.SetMonitors(tt.typ, tt.monitors...)
				got, err := c.Scaler("shop", tt.typ).Capacity(within(t, 30*time.Second))
				if err != nil || got.ExternalAutoscaler != tt.want || got.Desired != 1 {
					t.Errorf("got %+v, %v, want Rival %q", got, err, tt.want)
				}
				if n, _ := looks(s); n != tt.looks {
					t.Errorf("%d looks, want %d", n, tt.looks)
				}
			})
		})
	}
}

// Switching it on or off is noticed within ten minutes, as is a change to dynos that it is
// not offered for, for no request.
func TestRivalChanges(t *testing.T) {
	bubble(t, performance, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		scaler := c.Scaler("shop", "web")
		var got []string
		for tick := range 100 {
			switch tick {
			case 5, 65:
				app.SetMonitors("web", scaling)
			case 35:
				app.SetMonitors("web", idle)
			case 85:
				resize(t, s, "Standard-2X")
			case 90:
				resize(t, s, "performance-l") // the case is Heroku's to choose
			}
			c, err := scaler.Capacity(within(t, 30*time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if len(got) == 0 && c.ExternalAutoscaler != "" || len(got)%2 == 1 && c.ExternalAutoscaler == "" || len(got) > 0 && len(got)%2 == 0 && c.ExternalAutoscaler != "" {
				got = append(got, fmt.Sprint(tick, " ", c.ExternalAutoscaler))
			}
			time.Sleep(30 * time.Second)
		}
		if diff := cmp.Diff([]string{"20 " + native, "40 ", "80 " + native, "85 ", "90 " + native}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func resize(t *testing.T, s *herokutest.Server, size string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "PATCH", s.URL+formation, strings.NewReader(`{"size":"`+size+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+herokutest.Token)
	req.Header.Set("Accept", "application/vnd.heroku+json; version=3")
	req.Header.Set("Content-Type", "application/json")
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
}

// Whatever its host does instead of answering, the formation is read as if it were not
// there: without an error, without much delay, without another try.
func TestRivalUnreadable(t *testing.T) {
	faults := map[string]herokutest.Fault{
		"401":           herokutest.Error(401, "unauthorized", "Invalid credentials provided: "+herokutest.Token),
		"403":           herokutest.Error(403, "forbidden", "No."),
		"404":           herokutest.Error(404, "not_found", "Couldn't find that."),
		"429":           {Status: 429, Header: http.Header{"Retry-After": {"3600"}, "Ratelimit-Remaining": {"0"}}},
		"500":           {Status: 500},
		"503 HTML":      {Status: 503, Body: "<html>Application error</html>"},
		"302":           {Status: 302, Header: http.Header{"Location": {"/apps/shop"}}},
		"200 empty":     {Status: 200},
		"200 HTML":      {Status: 200, Body: "<html>Sign in</html>"},
		"200 object":    {Status: 200, Body: `{"action_type":"scale","is_active":true}`},
		"200 null":      {Status: 200, Body: `null`},
		"200 string":    {Status: 200, Body: `"scale"`},
		"200 numbers":   {Status: 200, Body: `[1]`},
		"200 no word":   {Status: 200, Body: `[{"action_type":"scale"}]`},
		"200 a string":  {Status: 200, Body: `[{"action_type":"scale","is_active":"yes"}]`},
		"206 of a list": {Status: 206, Body: `[]`},
		"half":          {Truncate: true},
		"hang":          {Hang: true},
		"slow":          {Delay: 20 * time.Second},
		"reset":         {Reset: true},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, performance, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
				tries := 1
				if fault.Reset {
					tries = 2 // net/http itself asks again where a used connection was gone
				}
				fault.Path, fault.Times = "/apps/*/formation/web/monitors", -1
				s.Inject(fault)
				app.SetMonitors("web", scaling)
				scaler := c.Scaler("shop", "web")
				read := func(limit, most time.Duration) string {
					t.Helper()
					start := time.Now()
					got, err := scaler.Capacity(within(t, limit))
					if err != nil || got.Desired != 2 {
						t.Errorf("got %+v, %v", got, err)
					}
					if took := time.Since(start); took > most {
						t.Errorf("took %v of %v", took, limit)
					}
					return got.ExternalAutoscaler
				}
				// It was never known: that is none.
				if got := read(8*time.Second, 2*time.Second); got != "" {
					t.Errorf("Rival = %q", got)
				}
				if n, _ := looks(s); n != tries {
					t.Errorf("%d requests, want %d", n, tries)
				}
				// It is known: that stands for half an hour.
				s.ClearFaults()
				time.Sleep(10 * time.Minute)
				if got := read(30*time.Second, 0); got != native {
					t.Errorf("Rival = %q", got)
				}
				s.Inject(fault)
				before, _ := looks(s)
				stood := 0
				start := time.Now()
				for tick := range 120 {
					time.Sleep(time.Until(start.Add(time.Duration(tick+1) * 30 * time.Second)))
					if read(30*time.Second, 5*time.Second) == native {
						stood++
					} else if tick < 59 {
						t.Errorf("forgotten after %v", time.Since(start))
						break
					}
				}
				if n, _ := looks(s); n != before+6*tries {
					t.Errorf("%d requests in an hour, want %d", n-before, 6*tries)
				}
				if stood != 59 {
					t.Errorf("it stood for %d ticks, want 59: less than half an hour", stood)
				}
				// It can be read again.
				s.ClearFaults()
				time.Sleep(10 * time.Minute)
				if got := read(30*time.Second, 0); got != native {
					t.Errorf("afterwards: Rival = %q", got)
				}
			})
		})
	}
}

const shopID = "01234567-89ab-4def-8123-456789abcdef"

// dedicated returns a platform of three Performance dynos, whose monitors are answered by f.
func dedicated(f func() *http.Response) *platform {
	return &platform{answer: func(req *http.Request, _ int) (*http.Response, error) {
		switch path := req.URL.Path; {
		case strings.HasSuffix(path, "/monitors"):
			return f(), nil
		case strings.HasSuffix(path, formation):
			return reply(200, `{"app":{"id":"`+shopID+`","name":"shop"},"type":"web","quantity":3,"size":"Performance-M"}`), nil
		case strings.HasSuffix(path, "/dynos"):
			return reply(200, threeUp), nil
		}
		return reply(200, shopInfo), nil
	}}
}

// The token goes to the hosts that were named, or to Heroku's own, and to no other.
func TestMetricsURL(t *testing.T) {
	const metrics = "/apps/" + shopID + "/formation/web/monitors"
	tests := []struct {
		name    string
		options heroku.Options
		want    string // where it is asked; none: it is not
	}{
		{"Heroku's", heroku.Options{}, "https://api.metrics.heroku.com" + metrics},
		{"Heroku's, in words", heroku.Options{BaseURL: heroku.DefaultBaseURL + "/"}, "https://api.metrics.heroku.com" + metrics},
		{"another API", heroku.Options{BaseURL: "https://proxy.example.com/heroku/"}, "https://proxy.example.com/heroku" + metrics},
		{"another API in plain", heroku.Options{BaseURL: "http://herokutest.invalid"}, "http://herokutest.invalid" + metrics},
		{"another one", heroku.Options{MetricsURL: "https://metrics.example.com/"}, "https://metrics.example.com" + metrics},
		{"both", heroku.Options{BaseURL: "https://a.example.com", MetricsURL: "https://b.example.com/x"}, "https://b.example.com/x" + metrics},
		{"a loopback", heroku.Options{MetricsURL: "http://localhost:8080"}, "http://localhost:8080" + metrics},
		{"none", heroku.Options{MetricsURL: "-"}, ""},
		{"none of another API", heroku.Options{BaseURL: "https://a.example.com", MetricsURL: "-"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := dedicated(func() *http.Response { return reply(200, `[{"action_type":"scale","is_active":true}]`) })
				got, err := client(p, tt.options).Scaler("shop", "web").Capacity(t.Context())
				if err != nil || (got.ExternalAutoscaler != "") != (tt.want != "") {
					t.Errorf("got %+v, %v", got, err)
				}
				var asked string
				for _, s := range p.sent {
					if strings.HasSuffix(s.path, "/monitors") {
						asked += s.host + s.path
						if s.method != "GET" || s.header.Get("Authorization") != "Bearer "+token || s.header.Get("Accept") != "application/vnd.heroku+json; version=3" {
							t.Errorf("sent %+v", s)
						}
					}
				}
				if asked != tt.want {
					t.Errorf("asked %q, want %q", asked, tt.want)
				}
			})
		})
	}
}

// A redirect to another host is not followed.
func TestRivalNoRedirect(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the redirect was followed")
	}))
	defer other.Close()
	s := herokutest.NewServer()
	defer s.Close()
	s.AddApp(herokutest.AppConfig{Name: "shop", Formation: performance.Formation})
	s.Inject(herokutest.Fault{Path: "/apps/*/formation/web/monitors", Status: 307, Header: http.Header{"Location": {other.URL}}})
	c := heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: s.URL})
	defer c.CloseIdleConnections()
	if got, err := c.Scaler("shop", "web").Capacity(t.Context()); err != nil || got.ExternalAutoscaler != "" {
		t.Errorf("got %+v, %v", got, err)
	}
	if n, _ := looks(s); n != 1 {
		t.Errorf("%d looks", n)
	}
}

// The app's id goes into a path: what is no id is not asked about.
func TestRivalBadID(t *testing.T) {
	for _, id := range []string{``, `../account`, `shop`, shopID + `/x`, shopID + `?x`, `HRKU-x`} {
		synctest.Test(t, func(t *testing.T) {
			p := answering(formation, func(int) (*http.Response, error) {
				return reply(200, `{"app":{"id":"`+id+`"},"type":"web","quantity":3,"size":"Performance-M"}`), nil
			})
			if got, err := client(p).Scaler("shop", "web").Capacity(t.Context()); err != nil || got.ExternalAutoscaler != "" {
				t.Errorf("%q: %+v, %v", id, got, err)
			}
			for _, call := range p.calls() {
				if strings.HasSuffix(call, "/monitors") {
					t.Errorf("%q: %s", id, call)
				}
			}
		})
	}
}

// A transport that panics, which is the host's, leaves no lock behind.
func TestRivalPanic(t *testing.T) {
	p := dedicated(func() *http.Response { panic("the host's") })
	scaler := client(p).Scaler("shop", "web")
	func() {
		defer func() {
			if v := recover(); v != "the host's" {
				t.Errorf("recovered %v", v)
			}
		}()
		_, _ = scaler.Capacity(t.Context())
	}()
	if got, err := scaler.Capacity(t.Context()); err != nil || got.Desired != 3 {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
}

// An autoscaler leaves the size to Heroku's own, says so once, and goes on when that
// is switched off. The token is written nowhere, whatever the host of the metrics says.
func TestRivalStandsDown(t *testing.T) {
	var output safebuffer.Buffer
	defer log.SetOutput(log.Writer())
	log.SetOutput(&output)
	bubble(t, performance, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		app.SetMonitors("web", scaling)
		var stood []string
		a := autoscale.New(autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				return autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalValue}, nil
			}),
			Decider:  autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: 4} }),
			Scaler:   c.Scaler("shop", "web"),
			Max:      autoscale.Fixed(5),
			NotifyOn: autoscale.Yielding,
			Notifiers: []autoscale.Notifier{autoscale.NotifierFunc(func(_ context.Context, e autoscale.Event) error {
				stood = append(stood, e.String())
				return nil
			})},
			Logger:  slog.New(slog.NewTextHandler(&output, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Observe: func(e autoscale.Event) { fmt.Fprintf(&output, "%v %+v\n", e, e) },
		})
		ticks := func(n int) {
			t.Helper()
			for range n {
				if _, err := a.Tick(t.Context(), time.Now()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(30 * time.Second)
			}
		}
		ticks(25)
		if n := len(s.Writes()); n != 0 || len(stood) != 1 || !strings.Contains(stood[0], native) {
			t.Errorf("%d orders; the events are %q", n, stood)
		}
		// Its host is in trouble for a while, and talks too much.
		warning := http.Header{"X-Heroku-Warning": {"beware of " + herokutest.Token}, "Request-Id": {herokutest.Token}}
		s.Inject(
			herokutest.Fault{Path: "/apps/*/formation/web/monitors", Status: 401, Body: `{"id":"unauthorized","message":"` + herokutest.Token + `"}`, Header: warning},
			herokutest.Fault{Path: "/apps/*/formation/web/monitors", Header: warning},
		)
		ticks(40)
		if n := len(s.Writes()); n != 0 {
			t.Errorf("%d orders", n)
		}
		app.SetMonitors("web", idle)
		ticks(21)
		if got := app.Quantity("web"); got != 4 {
			t.Errorf("when it is off, the quantity is %d", got)
		}
	})
	text := output.String()
	if !strings.Contains(text, native) {
		t.Error("nothing was written")
	}
	for _, no := range []string{"HRKU-", "monitor", "unauthorized", "beware"} {
		if i := strings.Index(text, no); i >= 0 {
			t.Errorf("%q was written: %q", no, text[max(0, i-100):min(len(text), i+20)])
		}
	}
}

// Whatever answers, Heroku's own autoscaling is on only where a list says so in so many
// words, and the formation is read all the same.
func FuzzMonitors(f *testing.F) {
	f.Add(200, `[{"action_type":"scale","is_active":true}]`)
	f.Add(200, `[{"action_type":"scale","is_active":false},{"action_type":"scale"}]`)
	f.Add(200, `[{"action_type":"alert","is_active":true}]`)
	f.Add(200, `[{"action_type":"scale","is_active":true},null]`)
	f.Add(200, `[{"ACTION_TYPE":"scale","Is_Active":true}]`)
	f.Add(206, `[{"action_type":"scale","is_active":true}]`)
	f.Add(200, `null`)
	f.Add(404, `[{"action_type":"scale","is_active":true}]`)
	f.Add(503, `<html>`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 999 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			p := dedicated(func() *http.Response { return reply(status, body) })
			got, err := client(p).Scaler("shop", "web").Capacity(t.Context())
			if err != nil || got.Desired != 3 || len(p.calls()) != 4 {
				t.Errorf("%d %q became %+v, %v", status, body, got, err)
			}
			type monitor struct {
				ActionType string `json:"action_type"`
				IsActive   *bool  `json:"is_active"`
			}
			var list []monitor
			on := status/100 == 2 && status != 206 && json.Unmarshal([]byte(body), &list) == nil &&
				slices.ContainsFunc(list, func(m monitor) bool { return m.ActionType == "scale" && m.IsActive != nil && *m.IsActive })
			if (got.ExternalAutoscaler != "") != on {
				t.Errorf("%d %q: Rival = %q", status, body, got.ExternalAutoscaler)
			}
		})
	})
}
