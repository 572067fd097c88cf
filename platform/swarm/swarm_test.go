package swarm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	"github.com/autoscalebot/autoscale/platform/swarm"
	"github.com/autoscalebot/autoscale/platform/swarm/swarmtest"
)

const secret = "an-environment-that-is-secret"

func serve(t *testing.T, v swarmtest.Service) (*swarmtest.Server, *swarm.Scaler) {
	v.Name = "web"
	v.Env = append(v.Env, "HINT="+secret[:9], "PASSWORD="+secret, "PORT=80")
	s := swarmtest.NewServer()
	t.Cleanup(s.Close)
	s.AddService(v)
	c := swarm.NewClient("", &platform.Options{BaseURL: s.URL, CallsPerHour: 1_000_000})
	t.Cleanup(c.CloseIdleConnections)
	return s, c.Scaler("web")
}

// inMemory returns a Scaler for a bubble.
func inMemory(s *swarmtest.Server) *swarm.Scaler {
	return swarm.NewClient("", &platform.Options{BaseURL: s.URL, Transport: s.Transport()}).Scaler("web")
}

func TestScaler(t *testing.T) {
	s, scaler := serve(t, swarmtest.Service{Replicas: 1})
	update := func(state string) func(bool) {
		return func(on bool) {
			if on {
				s.SetUpdate("web", state)
			} else {
				s.SetUpdate("web", "completed")
			}
		}
	}
	autoscaletest.Scaler(t, scaler, autoscaletest.ScalerOptions{
		Fail: func(fail bool) {
			s.ClearFaults()
			if fail {
				s.Inject(platformtest.Fault{Times: -1, Status: 418})
			}
		},
		Busy: update("rollback_paused"), Deploying: update("rollback_started"),
		Rival: func(on bool) { s.SetLabels("web", map[string]string{"swarm.autoscaler": fmt.Sprint(on)}) },
	})
}

func TestFaults(t *testing.T) {
	s, _ := serve(t, swarmtest.Service{Replicas: 1})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return swarm.NewClient("", &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler("web")
	}, "") // there is no token
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	_, scaler := serve(t, swarmtest.Service{Replicas: 1})
	platformsuite.Waits(t, scaler)
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	s, _ := serve(t, swarmtest.Service{Replicas: 2})
	platformsuite.Chaos(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		s.AddService(swarmtest.Service{Name: "web", Replicas: 2}) // without tasks on another bubble's clock
		return swarm.NewClient("", &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler("web")
	}, func() int { return s.Replicas("web") })
}

// Whatever becomes of an order itself, no text shows the environment that it sends.
func TestFaultsOfAnOrder(t *testing.T) {
	s, _ := serve(t, swarmtest.Service{Replicas: 1})
	busy := func(err error) bool { return errors.As(err, new(*autoscale.BusyError)) }
	for _, tt := range []struct {
		name  string
		fault platformtest.Fault
		busy  bool
		sent  int
		want  string
	}{
		{"refused with all of the environment", platformtest.Fault{Status: 400, Body: `{"message":"rpc error: code = InvalidArgument desc = expanding env failed: PASSWORD=` + secret + ` is bad"}`}, false, 1, "400 Bad Request (InvalidArgument): expanding env failed: PASSWORD=[redacted] is bad"},
		{"refused in HTML", platformtest.Fault{Status: 502, Body: "<html>" + secret}, false, 1, "502 Bad Gateway: the Docker daemon is in trouble"},
		{"refused by a proxy", platformtest.Fault{Status: 403, Body: `<html>`}, false, 1, "it must permit GET /services/{name}"},
		{"conflict", platformtest.Fault{Status: 409, Body: `{"message":"busy"}`}, true, 1, "busy"},
		{"too many", platformtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"7"}}}, true, 1, "7s"},
		{"out of sequence for ever", platformtest.Fault{Status: 500, Body: `{"message":"rpc error: code = Unknown desc = update out of sequence"}`}, true, 4, "(update out of sequence): somebody else changed the service"},
		{"no leader", platformtest.Fault{Status: 500, Body: `{"message":"rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online."}`}, false, 1, "more than half of the managers must be up"},
		{"reset", platformtest.Fault{Reset: true}, false, 1, "no answer"},
		{"hang", platformtest.Fault{Hang: true}, false, 1, "gave up after 10s"},
		{"carried out without an answer", platformtest.Fault{Reset: true, Apply: true}, false, 1, "no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.Method, tt.fault.Times = "POST", -1
			defer s.ClearFaults()
			synctest.Test(t, func(t *testing.T) {
				scaler := inMemory(s)
				order(t, scaler, 1)
				before := s.Count("POST", "/services/web/update")
				s.Inject(tt.fault)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				err := scaler.Scale(ctx, 2)
				if err == nil || busy(err) != tt.busy || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("busy %v: %v; want %q", busy(err), err, tt.want)
				}
				for err := err; err != nil; err = errors.Unwrap(err) {
					platformsuite.Text(t, "the error", err.Error(), secret)
				}
				if n := s.Count("POST", "/services/web/update") - before; n != tt.sent {
					t.Errorf("sent %d times, want %d", n, tt.sent)
				}
				s.ClearFaults()
				order(t, scaler, 1)
			})
		})
	}
}

// closing is the body of an answer, which is closed when it was read.
type closing struct {
	io.ReadCloser
	then func()
}

func (c closing) Close() error {
	defer c.then()
	return c.ReadCloser.Close()
}

// An order that Swarm took is not a failure, even if the time was up just then.
func TestOrderAtTheDeadline(t *testing.T) {
	s, _ := serve(t, swarmtest.Service{Replicas: 1})
	ctx, cancel := context.WithCancel(t.Context())
	next := s.Transport()
	scaler := swarm.NewClient("", &platform.Options{BaseURL: s.URL, Transport: transport(func(req *http.Request) (*http.Response, error) {
		res, err := next.RoundTrip(req)
		if err == nil && req.Method == http.MethodPost {
			res.Body = closing{res.Body, cancel}
		}
		return res, err
	})}).Scaler("web")
	if err := scaler.Scale(ctx, 3); err != nil || s.Replicas("web") != 3 || ctx.Err() == nil {
		t.Errorf("%v, with %d replicas", err, s.Replicas("web"))
	}
}

// The tasks are of use, and are not needed.
func TestTasksUnread(t *testing.T) {
	s, _ := serve(t, swarmtest.Service{Replicas: 2, Health: true, MaxPerNode: 1})
	for name, fault := range map[string]platformtest.Fault{
		"refused": {Status: 403}, "in trouble": {Status: 500}, "HTML": {Status: 200, Body: "<html>"}, "null": {Status: 200, Body: "null"},
		"an object": {Status: 200, Body: "{}"}, "hang": {Hang: true}, "reset": {Reset: true},
		"megabytes": {Status: 200, Body: `[{"ID":"` + strings.Repeat("x", 5<<20) + `"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			fault.Path, fault.Times = "/tasks", -1
			s.Inject(fault)
			defer s.ClearFaults()
			synctest.Test(t, func(t *testing.T) {
				scaler := inMemory(s)
				ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
				defer cancel()
				start := time.Now()
				c, err := scaler.Capacity(ctx)
				if err != nil || c.Desired != 2 || c.Pending != 0 || c.PendingKnown {
					t.Errorf("%+v, %v", c, err)
				}
				if took := time.Since(start); took > 4*time.Second {
					t.Errorf("took %v of 8s", took)
				}
				if err := scaler.Scale(ctx, 3); err != nil {
					t.Error(err)
				}
				order(t, inMemory(s), 2)
			})
		})
	}
}

// What a Docker daemon says of a service is what Capacity returns.
func TestCapacity(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service swarmtest.Service
		boot    time.Duration
		update  string
		want    autoscale.Capacity
	}{
		{name: "tasks", service: swarmtest.Service{Replicas: 3}, want: autoscale.Capacity{Desired: 3}},
		{name: "none", service: swarmtest.Service{}, want: autoscale.Capacity{PendingKnown: true}},
		{name: "with a health check", service: swarmtest.Service{Replicas: 3, Health: true}, want: autoscale.Capacity{Desired: 3, PendingKnown: true}},
		{name: "starting", service: swarmtest.Service{Replicas: 3}, boot: time.Hour, want: autoscale.Capacity{Desired: 3, Pending: 3, PendingKnown: true}},
		{name: "without nodes", service: swarmtest.Service{Replicas: 3, MaxPerNode: 1}, want: autoscale.Capacity{Desired: 3, Pending: 2, PendingKnown: true}},
		{name: "updating", service: swarmtest.Service{Replicas: 1}, update: "updating", want: autoscale.Capacity{Desired: 1, Deploying: true}},
		{name: "rolling back", service: swarmtest.Service{Replicas: 1}, update: "rollback_started", want: autoscale.Capacity{Desired: 1, Deploying: true}},
		{name: "paused", service: swarmtest.Service{Replicas: 1}, update: "paused", want: autoscale.Capacity{Desired: 1}},
		{name: "completed", service: swarmtest.Service{Replicas: 1}, update: "completed", want: autoscale.Capacity{Desired: 1}},
		{name: "rolled back", service: swarmtest.Service{Replicas: 1}, update: "rollback_completed", want: autoscale.Capacity{Desired: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, scaler := serve(t, swarmtest.Service{})
			s.SetBoot(tt.boot)
			tt.service.Name = "web"
			s.AddService(tt.service)
			s.SetUpdate("web", tt.update)
			got := capacity(t, scaler)
			if got.Changed.IsZero() {
				t.Error("not known when it was changed")
			}
			if got.Changed = (time.Time{}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// During an update a slot has two tasks, and a task that ends is none.
func TestSlots(t *testing.T) {
	s, scaler := serve(t, swarmtest.Service{Replicas: 4, Health: true})
	s.Inject(platformtest.Fault{Path: "/tasks", Status: 200, Body: `[{"Slot":1,"Status":{"State":"running"}},{"Slot":1,"Status":{"State":"running"}},
		{"Slot":2,"Status":{"State":"running"}},{"Slot":3,"Status":{"State":"starting"}},{"Slot":4,"Status":{"State":"failed"}}]`})
	if c := capacity(t, scaler); c.Pending != 2 || c.Desired != 4 {
		t.Errorf("%+v", c)
	}
	s.Inject(platformtest.Fault{Path: "/tasks", Status: 200, Body: "[" + strings.Repeat(`{"Slot":1,"Status":{"State":"running"}},{"Slot":2,"Status":{"State":"running"}},{"Slot":3,"Status":{"State":"running"}},{"Slot":4,"Status":{"State":"running"}},`, 3) + `{"Slot":5,"Status":{"State":"running"}}]`})
	if c := capacity(t, scaler); c.Pending != 0 || !c.PendingKnown {
		t.Errorf("%+v", c)
	}
}

// A mode that is null is not the mode of the service.
func TestModesThatAreNull(t *testing.T) {
	s, scaler := serve(t, swarmtest.Service{})
	body := answer("", `"Replicated":{"Replicas":2},"Global":null,"ReplicatedJob":null,"GlobalJob":null`, "")
	s.Inject(platformtest.Fault{Path: "/services/web", Status: 200, Body: body}, platformtest.Fault{Path: "/tasks", Status: 200, Body: `[]`})
	if c := capacity(t, scaler); c.Desired != 2 {
		t.Errorf("%+v", c)
	}
}

// A health check that is switched off does not count.
func TestNoHealthCheck(t *testing.T) {
	s, scaler := serve(t, swarmtest.Service{})
	for test, known := range map[string]bool{`["CMD","/x"]`: true, `["CMD-SHELL","x"]`: true, `["NONE"]`: false, `[]`: false, `null`: false} {
		s.Inject(
			platformtest.Fault{Path: "/services/web", Status: 200, Body: answer("", `"Replicated":{"Replicas":1}`, `,"TaskTemplate":{"ContainerSpec":{"Healthcheck":{"Test":`+test+`}}}`)},
			platformtest.Fault{Path: "/tasks", Status: 200, Body: `[{"Slot":1,"Status":{"State":"running"}}]`},
		)
		if c := capacity(t, scaler); c.PendingKnown != known || c.Pending != 0 {
			t.Errorf("%s: %+v", test, c)
		}
	}
}

// Labels of other autoscalers are seen, and say how to get rid of them.
func TestRivals(t *testing.T) {
	s, scaler := serve(t, swarmtest.Service{Replicas: 1})
	for _, tt := range []struct{ label, value, want string }{
		{"swarm.autoscaler", "true", "docker-swarm-autoscaler"},
		{"swarm.autoscaler", "false", ""},
		{"swarm.autoscaler.enabled", "True", "swarm-hpa"},
		{"swarm.autoscale", "true", "swarm-autoscaler"},
		{"orbiter", "true", "Orbiter"},
		{"sablier.enable", "true", "Sablier"},
		{"sablier.enable", "", ""},
		{"com.df.scaleMin", "2", "Docker Flow"},
		{"com.df.scaleMax", "4", "Docker Flow"},
		{"traefik.enable", "true", ""},
	} {
		s.SetLabels("web", map[string]string{tt.label: tt.value})
		want := ""
		if tt.want != "" {
			want = fmt.Sprintf("%s, by the label %s, which `docker service update --label-rm %s web` removes", tt.want, tt.label, tt.label)
		}
		if c := capacity(t, scaler); c.ExternalAutoscaler != want {
			t.Errorf("%s=%s: %q, want %q", tt.label, tt.value, c.ExternalAutoscaler, want)
		}
	}
	if notes := scaler.Notes(); notes != nil {
		t.Errorf("notes %q", notes)
	}
}

// Each daemon that cannot speak for a swarm says what to do, at once if it will not pass.
func TestNodes(t *testing.T) {
	s, _ := serve(t, swarmtest.Service{Replicas: 1})
	for _, tt := range []struct {
		node  swarmtest.Node
		busy  bool
		tries int
		want  string
	}{
		{swarmtest.Worker, false, 1, "run on a manager: deploy with the placement constraint node.role == manager"},
		{swarmtest.NoSwarm, false, 1, "the Docker daemon is in no swarm: `docker swarm init` makes one"},
		{swarmtest.Starting, true, 3, "this ends when the manager reaches more than half of the managers"},
	} {
		s.SetNode(tt.node)
		synctest.Test(t, func(t *testing.T) {
			scaler := inMemory(s)
			_, err := scaler.Capacity(t.Context())
			for _, err := range []error{err, scaler.Scale(t.Context(), 2)} {
				var e *platform.Error
				if !errors.As(err, &e) || e.Tries != tt.tries || !strings.Contains(err.Error(), tt.want) || errors.As(err, new(*autoscale.BusyError)) != tt.busy {
					t.Errorf("%d: %v", tt.node, err)
				}
			}
		})
	}
}

// Each state of an update is held for as long as it lasts at least.
func TestUpdates(t *testing.T) {
	s, scaler := serve(t, swarmtest.Service{Replicas: 2})
	for state, want := range map[string]time.Duration{"updating": 10 * time.Second, "paused": time.Minute, "rollback_started": 10 * time.Second, "rollback_paused": time.Minute} {
		s.SetUpdate("web", state)
		for _, size := range []int{1, 3} {
			err := scaler.Scale(t.Context(), size)
			var busy *autoscale.BusyError
			if !errors.As(err, &busy) || busy.RetryAfter != want || s.Replicas("web") != 2 {
				t.Errorf("%s: %v", state, err)
			}
		}
		order(t, scaler, 2) // there is nothing to order
	}
	for pace, want := range map[string]time.Duration{
		`"Delay":60000000000`: 65 * time.Second, `"Delay":9000000000,"Monitor":8000000000`: 17 * time.Second,
		`"Delay":9223372036854775807,"Monitor":9223372036854775807`: 10 * time.Second, `"Delay":9223372036854775000`: 10 * time.Second, `"Delay":-5,"Monitor":-5`: 10 * time.Second,
		`"Delay":36000000000000`: 10 * time.Minute,
	} {
		s.Inject(platformtest.Fault{Status: 200, Body: answer(`,"UpdateStatus":{"State":"updating"}`, `"Replicated":{"Replicas":2}`, `,"UpdateConfig":{`+pace+`}`)})
		err := scaler.Scale(t.Context(), 5)
		var busy *autoscale.BusyError
		if !errors.As(err, &busy) || busy.RetryAfter != want {
			t.Errorf("%s: %v, want %v", pace, err, want)
		}
	}
}

// answer is a service, with more fields, a mode, and more fields of its spec.
func answer(more, mode, spec string) string {
	return `{"ID":"abc","Version":{"Index":7}` + more + `,"Spec":{"Name":"web","Mode":{` + mode + `}` + spec + `}}`
}

// An answer that lacks what it must have is an error and not a size.
func TestAbsurdAnswers(t *testing.T) {
	s, scaler := serve(t, swarmtest.Service{Replicas: 1})
	for body, want := range map[string]string{
		`{"ID":"abc"}`: "no ID, or no Spec",
		`{"ID":"abc","Version":{"Index":7},"Spec":[]}`:                                       "no ID, or no Spec",
		`{"Version":{"Index":7},"Spec":{"Name":"web","Mode":{"Replicated":{"Replicas":3}}}}`: "no ID, or no Spec",
		`{"ID":"abc","Spec":{"Name":"web","Mode":{"Replicated":{"Replicas":3}}}}`:            "no Version",
		`{"ID":"abc","Version":{"Index":-7},"Spec":{"Name":"web"}}`:                          "where the API has a uint64",
		`{"ID":"abc","Version":{"Index":7},"Spec":{"Name":"wep","Mode":{}}}`:                 `about the service "wep"`,
		answer("", ``, ""):                                                    "no number of Replicas",
		answer("", `"Replicated":{}`, ""):                                     "no number of Replicas",
		answer("", `"Replicated":{"Replicas":null}`, ""):                      "no number of Replicas",
		answer("", `"Replicated":{"Replicas":-1}`, ""):                        "-1 Replicas",
		answer("", `"Replicated":{"Replicas":999999999}`, ""):                 "999999999 Replicas",
		answer("", `"Replicated":{"Replicas":1.5}`, ""):                       "no ID, or no Spec",
		answer("", `"Replicated":{"Replicas":"3"}`, ""):                       "no ID, or no Spec",
		answer("", `"Replicated":{"Replicas":1e40}`, ""):                      "no ID, or no Spec",
		answer(`,"UpdatedAt":"yesterday"`, `"Replicated":{"Replicas":1}`, ""): "yesterday",
		`[` + strings.Repeat(`"x",`, 2<<20) + `"x"]`:                          "more than 4194304 bytes",
	} {
		s.Inject(platformtest.Fault{Status: 200, Body: body})
		if c, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 600 {
			t.Errorf("%.200s became %+v, %v; want %q", body, c, err, want)
		}
	}
	// A spec whose keys are not those of Docker is not sent.
	s.Inject(platformtest.Fault{Times: 2, Status: 200, Body: strings.Replace(answer("", `"Replicated":{"Replicas":1}`, ""), "Mode", "mode", 1)})
	if err := scaler.Scale(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "no Mode") || s.Count("POST", "/*/*/*") != 0 {
		t.Error(err)
	}
}

// What was given wrongly is reported before anything is sent.
func TestSizes(t *testing.T) {
	s, scaler := serve(t, swarmtest.Service{Replicas: 1})
	for size, want := range map[int]string{-1: "must not be negative", 1_000_001: "at most 1000000: check Max"} {
		if err := scaler.Scale(t.Context(), size); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d: %v", size, err)
		}
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// refusing is a transport that holds a secret.
type refusing struct{ Password string }

func (*refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, fs.ErrPermission }

// Neither a Client nor its errors show what a transport or a name may hold.
func TestSecrets(t *testing.T) {
	refused := &refusing{secret}
	c := swarm.NewClient("", &platform.Options{BaseURL: "unix:///var/run/docker.sock", Transport: refused})
	s := c.Scaler("web")
	_, err := s.Capacity(t.Context())
	var e *platform.Error
	if !errors.As(err, &e) || e.Tries != 1 || !strings.Contains(err.Error(), "run with the socket's group") {
		t.Error(err)
	}
	platformsuite.Hidden(t, []string{secret}, c, *c, s, err)
	for _, name := range []string{"a", "shop_web-2", strings.Repeat("a", 61), strings.Repeat("a", 63)} {
		var path string
		seen := transport(func(req *http.Request) (*http.Response, error) { path = req.URL.Path; return nil, fs.ErrPermission })
		good := swarm.NewClient("", &platform.Options{BaseURL: "unix:///var/run/docker.sock", Transport: seen}).Scaler(name)
		if _, err := good.Capacity(t.Context()); good.Validate() != nil || err == nil || path != "/services/"+name {
			t.Errorf("%q: %v; %s was asked for", name, good.Validate(), path)
		}
	}
	for _, name := range []string{"", "a b", "../x", "-web", "web-", strings.Repeat("a", 64), "caf\u00e9", "a/b", "a%2Fb", "a?b"} {
		bad := c.Scaler(name)
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), "is not a name of 1 to 63 letters") {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := bad.Capacity(t.Context()); err == nil {
			t.Errorf("%q was read", name)
		}
		platformsuite.Text(t, "the name", fmt.Sprint(bad, bad.Validate(), bad.Scale(t.Context(), 1)))
	}
}

func TestSelf(t *testing.T) {
	t.Setenv("SWARM_SERVICE", "shop_web")
	t.Setenv("TASK_ID", "licyquoh9r0yzza8xagj1denl")
	if service, task := swarm.Self(); service != "shop_web" || task != "licyquoh9r0yzza8xagj1denl" {
		t.Error(service, task)
	}
}
