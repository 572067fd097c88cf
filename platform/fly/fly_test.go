package fly_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/fly/flytest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// bubble runs f in a synctest bubble, with a fake whose requests go through memory.
func bubble(t *testing.T, f func(t *testing.T, s *flytest.Server, web *fly.Scaler)) {
	t.Helper()
	s := flytest.NewServer()
	defer s.Close()
	transport := s.Transport()
	synctest.Test(t, func(t *testing.T) {
		f(t, s, fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: transport}).Scaler(flytest.App, "web"))
	})
}

// states counts the machines by state.
func states(s *flytest.Server) map[string]int {
	n := make(map[string]int)
	for _, m := range s.Machines() {
		n[m.State]++
	}
	return n
}

func TestSuite(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web", Release: 2})
		s.Add(flytest.Machine{Group: "worker"})
		for _, size := range []int{2, 1, 3, 3, 0, 2, 1} {
			for range 2 { // an order is absolute
				if err := web.Scale(t.Context(), size); err != nil {
					t.Fatalf("scale to %d: %v", size, err)
				}
			}
			if c, err := web.Capacity(t.Context()); err != nil || c.Desired != size {
				t.Fatalf("%+v, %v; want %d", c, err, size)
			}
		}
		// The pool has no more than the greatest size, and the other group is as it was.
		if got := states(s); got["started"] != 2 || got["stopped"] != 2 {
			t.Errorf("machines: %v", got)
		}
		for _, m := range s.Machines() {
			if m.Cordoned != (m.State == "stopped") {
				t.Errorf("machine %s is %s, cordoned %v", m.ID, m.State, m.Cordoned)
			}
		}
	})
}

func TestConformance(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	s.Add(flytest.Machine{Group: "web", Checks: []string{"passing"}})
	for range 3 {
		s.Add(flytest.Machine{Group: "web", State: "stopped", Checks: []string{"passing"}})
	}
	c := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL})
	defer c.CloseIdleConnections()
	inject := func(f platformtest.Fault) func(bool) {
		return func(on bool) {
			if s.ClearFaults(); on {
				s.Inject(f)
			}
		}
	}
	autoscaletest.Scaler(t, c.Scaler(flytest.App, "web"), autoscaletest.ScalerOptions{
		Sizes: []int{2, 1, 3, 3, 2},
		Fail:  inject(platformtest.Fault{Status: 404, Times: -1}),
		Busy:  inject(platformtest.Fault{Method: "POST", Status: 409, Times: -1, Body: `{"error":"failed_precondition: lease currently held"}`}),
		Deploying: func(deploying bool) {
			s.Change(func(m *flytest.Machine) bool {
				if m.Release = 1; deploying && m.State == "started" {
					m.Release, m.Updated, deploying = 2, time.Now(), false // one of them is new
				}
				return true
			})
		},
		Rival: func(on bool) {
			s.Change(func(m *flytest.Machine) bool {
				m.Config = nil
				if on {
					m.Config = map[string]any{"services": []any{map[string]any{"autostop": "stop"}}}
				}
				return true
			})
		},
		Partial: func() {
			s.Inject(platformtest.Fault{Method: "POST", Path: "/v1/apps/*/machines/*/start", Skip: 1, Status: 422, Body: `{"error":"no"}`})
		},
	})
}

func TestFaults(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	s.Add(flytest.Machine{Group: "web"})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(flytest.App, "web")
	}, flytest.Token)
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	platformsuite.Waits(t, fly.NewClient(flytest.Token, nil).Scaler(flytest.App, "web"))
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	s.Add(flytest.Machine{Group: "web"})
	for range 4 {
		s.Add(flytest.Machine{Group: "web", State: "stopped"})
	}
	platformsuite.Chaos(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(flytest.App, "web")
	}, func() int { return states(s)["started"] })
}

// However long Fly refuses to create machines, each order asks once. fly-autoscaler asked
// without end.
func TestCreatingIsBounded(t *testing.T) {
	for _, f := range []platformtest.Fault{{Status: 500}, {Status: 422, Body: `{"error":"no"}`}, {Status: 429}, {Reset: true}, {Truncate: true}, {Status: 409, Body: `{"error":"already_exists: unique machine name violation"}`}, {Status: 200, Body: `{}`}} {
		bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
			s.Add(flytest.Machine{Group: "web"})
			f.Method, f.Path, f.Times = "POST", "/v1/apps/*/machines", -1
			s.Inject(f)
			for range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				if err := web.Scale(ctx, 50); err == nil {
					t.Errorf("%+v: no error", f)
				}
				cancel()
				time.Sleep(30 * time.Second)
			}
			if n := s.Count("POST", "/v1/apps/*/machines"); n > 20 {
				t.Errorf("%+v: %d creates for 20 orders", f, n)
			}
			if n := len(s.Machines()); n > 50 {
				t.Errorf("%+v: %d machines", f, n)
			}
		})
	}
}

// Machines that are created and vanish are not created for ever.
func TestVanishing(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web"})
		var last error
		for range 18 { // nine minutes
			last = web.Scale(t.Context(), 3)
			s.Change(func(m *flytest.Machine) bool { return !strings.HasPrefix(m.Name, "autoscale-") })
			time.Sleep(30 * time.Second)
		}
		if n := s.Count("POST", "/v1/apps/*/machines"); n != 4 || last == nil || !strings.Contains(last.Error(), "4 machines that were created within ten minutes are gone") {
			t.Errorf("%d creates: %v", n, last)
		}
	})
}

// An answer that was lost makes no second machine.
func TestLostAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web"})
		s.Inject(platformtest.Fault{Method: "POST", Path: "/v1/apps/*/machines", Apply: true, Reset: true})
		if err := web.Scale(t.Context(), 2); err == nil {
			t.Error("no error")
		}
		if err := web.Scale(t.Context(), 2); err != nil || len(s.Machines()) != 2 {
			t.Errorf("%d machines: %v", len(s.Machines()), err)
		}
	})
}

// A clone has what the machine has, and not its volumes, nor what is a standby's.
func TestClone(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web", Config: map[string]any{"mounts": []any{map[string]any{"volume": "vol_1"}}}})
		s.Add(flytest.Machine{Group: "web", State: "stopped", Config: map[string]any{"standbys": []string{"e1"}}})
		var limit *autoscale.LimitError
		if err := web.Scale(t.Context(), 2); !errors.As(err, &limit) || limit.Limit != 1 || len(s.Machines()) != 2 {
			t.Errorf("with volumes: %v", err)
		}
		s.Add(flytest.Machine{Group: "web", Region: "ord", Config: map[string]any{"env": map[string]any{"A": "b"}, "new_field": 1.5}})
		if err := web.Scale(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		got := s.Machines()[3:]
		text, _ := json.Marshal(got[0].Config)
		if len(got) != 2 || got[0].Region == got[1].Region || !strings.Contains(string(text), `"new_field":1.5`) ||
			!strings.Contains(string(text), "@sha256:597c") || strings.Contains(string(text), "mounts") {
			t.Errorf("clones: %+v", got)
		}
	})
}

// What Fly says decides the error.
func TestRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web"})
		stopping := s.Add(flytest.Machine{Group: "web", State: "stopping", Updated: time.Now()})
		var busy *autoscale.BusyError
		if err := web.Scale(t.Context(), 2); !errors.As(err, &busy) || len(s.Machines()) != 2 {
			t.Errorf("while a machine stops: %v", err)
		}
		s.Change(func(m *flytest.Machine) bool { return m.ID != stopping })

		s.SetLimit(3)
		var part *autoscale.PartialError
		var limit *autoscale.LimitError
		if err := web.Scale(t.Context(), 5); !errors.As(err, &part) || part.Reached != 3 {
			t.Errorf("above the limit: %v", err)
		}
		if err := web.Scale(t.Context(), 5); !errors.As(err, &limit) || limit.Limit != 3 || !strings.Contains(err.Error(), "billing@fly.io to raise") {
			t.Errorf("at the limit: %v", err)
		}
		s.SetLimit(0)
		s.Inject(platformtest.Fault{Method: "POST", Path: "/v1/apps/*/machines", Status: 503, Body: `{"error":"no capacity","status":"insufficient_capacity"}`})
		if err := web.Scale(t.Context(), 4); !errors.As(err, &busy) || !errors.As(err, &limit) || limit.Limit != 3 || limit.RetryAfter != 5*time.Minute {
			t.Errorf("without room: %v", err)
		}
		s.Inject(platformtest.Fault{Path: "/v1/apps/*/machines/*/stop", Status: 409, Body: `{"error":"failed_precondition: lease currently held"}`})
		if err := web.Scale(t.Context(), 1); !errors.As(err, &part) || part.Reached != 2 {
			t.Errorf("with a lease: %v", err)
		}
		for _, m := range s.Machines() {
			if m.Cordoned && m.State == "started" {
				t.Errorf("machine %s runs without requests", m.ID)
			}
		}
	})
}

func TestCapacity(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name     string
		machines []flytest.Machine
		want     string
	}{
		{"checks", []flytest.Machine{{Checks: []string{"passing"}}, {Checks: []string{"passing", "critical"}}, {State: "starting"}, {State: "stopped"}}, "3 2 true false "},
		{"no checks", []flytest.Machine{{}, {}}, "2 0 false false "},
		{"a host that does not answer", []flytest.Machine{{Host: "unreachable"}, {Checks: []string{"passing"}}, {State: "stopped", Host: "unreachable"}}, "2 1 true false "},
		{"not started for long", []flytest.Machine{{State: "created"}, {State: "failed"}, {State: "created", Updated: now}}, "1 1 true false "},
		{"two releases", []flytest.Machine{{Release: 1}, {Release: 2, Updated: now}}, "2 0 false true "},
		{"two releases for long", []flytest.Machine{{Release: 1}, {Release: 2}}, "2 0 false false "},
		{"replacing", []flytest.Machine{{State: "replacing"}}, "1 1 true true "},
		{"autostop", []flytest.Machine{{Config: service("suspend", true)}}, "1 0 false false Fly Proxy autostop"},
		{"autostop as a boolean", []flytest.Machine{{Config: service(true, true)}}, "1 0 false false Fly Proxy autostop"},
		{"autostart", []flytest.Machine{{Config: service("off", true)}}, "1 0 false false Fly Proxy autostart"},
		{"neither", []flytest.Machine{{Config: service(false, false)}}, "1 0 false false "},
		{"jobs", []flytest.Machine{{}, {Config: map[string]any{"schedule": "hourly"}}, {Config: map[string]any{"auto_destroy": true}}}, "1 0 false false "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := flytest.NewServer()
			defer s.Close()
			for _, m := range tt.machines {
				m.Group = "web"
				s.Add(m)
			}
			c := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL})
			defer c.CloseIdleConnections()
			got, err := c.Scaler(flytest.App, "web").Capacity(t.Context())
			rival, _, _ := strings.Cut(got.ExternalAutoscaler, ",")
			if text := fmt.Sprintln(got.Desired, got.Pending, got.PendingKnown, got.Deploying, rival); err != nil || strings.TrimSpace(text) != strings.TrimSpace(tt.want) {
				t.Errorf("got %s, %v; want %s", text, err, tt.want)
			}
			if got.Changed.IsZero() {
				t.Error("Changed is not known")
			}
		})
	}
}

func service(autostop, autostart any) map[string]any {
	return map[string]any{"services": []any{map[string]any{"autostop": autostop, "autostart": autostart}}}
}

// We are stopped last.
func TestSelfIsLast(t *testing.T) {
	t.Setenv("FLY_MACHINE_ID", "e286500001")
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		for range 3 {
			s.Add(flytest.Machine{Group: "web"})
		}
		if err := web.Scale(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if m := s.Machines(); m[0].State != "started" || m[1].State != "stopped" || m[2].State != "stopped" {
			t.Errorf("machines: %+v", m)
		}
	})
}

// A machine that runs is never left without requests: not if the order is broken off, and
// not for longer than a tick if it could not be uncordoned.
func TestNoMachineIsLeftCordoned(t *testing.T) {
	cordoned := func(t *testing.T, s *flytest.Server) (n int) {
		for _, m := range s.Machines() {
			if m.State == "started" && m.Cordoned {
				n++
			}
		}
		return n
	}
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		for range 4 {
			s.Add(flytest.Machine{Group: "web"})
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel) // within the drain
		if err := web.Scale(ctx, 1); err == nil {
			t.Error("an order that was broken off returned nil")
		}
		if n := cordoned(t, s); n != 0 {
			t.Errorf("%d machines run without requests", n)
		}
	})
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web"})
		s.Add(flytest.Machine{Group: "web", State: "stopped", Cordoned: true})
		s.Inject(platformtest.Fault{Method: "POST", Path: "/v1/apps/*/machines/*/uncordon", Status: 409})
		if err := web.Scale(t.Context(), 2); err == nil {
			t.Error("a machine that could not be uncordoned was not told")
		}
		if n := cordoned(t, s); n != 1 {
			t.Fatalf("%d machines are cordoned", n)
		}
		if c, err := web.Capacity(t.Context()); err != nil || c.Desired != 2 || c.Pending != 0 || cordoned(t, s) != 0 {
			t.Errorf("in the next tick: %+v, %v, %d cordoned", c, err, cordoned(t, s))
		}
	})
}

// An answer that cannot be is an error, and never a size.
func TestAbsurdAnswers(t *testing.T) {
	s := flytest.NewServer()
	defer s.Close()
	c := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL})
	defer c.CloseIdleConnections()
	for _, body := range []string{`null`, `[]`, `{}`, `[null]`, `[{}]`, `<html>`, `[{"id":"../x","state":"started","region":"ams","config":{}}]`, `[{"id":"a","region":"ams","config":{}}]`, `[{"id":"a","state":"started","config":{}}]`, `[{"id":"a","state":"started","region":"ams"}]`} {
		s.Inject(platformtest.Fault{Status: 200, Body: body})
		if got, err := c.Scaler(flytest.App, "web").Capacity(t.Context()); err == nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
}

func TestTokensAndURLs(t *testing.T) {
	for _, tt := range []struct {
		token, url string
		want       string // of Validate
	}{
		{"fm2_abc,fm2_def", "", ""},
		{"FlyV1 fm2_abc", "http://_api.internal:4280", ""},
		{"abcdef", "http://api.machines.dev", "is http"},
		{"", "", "FLY_API_TOKEN is empty"},
		{"FlyV1 'fm2_abc'", "", "has characters that no token has"},
	} {
		err := fly.NewClient(tt.token, &platform.Options{BaseURL: tt.url, TokenName: "FLY_API_TOKEN"}).Scaler("shop", "web").Validate()
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "abc")) {
			t.Errorf("%q at %q: %v", tt.token, tt.url, err)
		}
	}
	err := fly.NewClient("x", nil).Scaler("No App", "").Validate()
	for _, want := range []string{"the app", "the process group"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not tell of %s", err, want)
		}
	}
}

func FuzzCapacity(f *testing.F) {
	s := flytest.NewServer()
	defer s.Close()
	f.Add(`[{"id":"a","state":"started","region":"ams","config":{"metadata":{"fly_process_group":"web"},"services":[{"autostop":1}]}}]`)
	f.Fuzz(func(t *testing.T, body string) {
		s.Inject(platformtest.Fault{Status: 200, Body: body})
		defer s.ClearFaults()
		c := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL, Transport: s.Transport()})
		got, err := c.Scaler(flytest.App, "web").Capacity(t.Context())
		if err == nil && (got.Desired < 0 || got.Pending > got.Desired || slices.Contains([]string{"", "null", "[]"}, body)) {
			t.Errorf("%q: %+v", body, got)
		}
	})
}
