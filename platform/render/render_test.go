package render_test

import (
	"context"
	"errors"
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
	"github.com/autoscalebot/autoscale/platform/render"
	"github.com/autoscalebot/autoscale/platform/render/rendertest"
)

func serve(t *testing.T, v rendertest.Service) (*rendertest.Server, string, *render.Scaler) {
	s := rendertest.NewServer()
	t.Cleanup(s.Close)
	id := s.AddService(v)
	c := render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL, CallsPerHour: 100_000})
	t.Cleanup(c.CloseIdleConnections)
	return s, id, c.Scaler(id)
}

func TestScaler(t *testing.T) {
	s, id, scaler := serve(t, rendertest.Service{Instances: 1})
	fail := func(f platformtest.Fault) func(bool) {
		return func(fail bool) {
			s.ClearFaults()
			if fail {
				s.Inject(f)
			}
		}
	}
	autoscaletest.Scaler(t, scaler, autoscaletest.ScalerOptions{
		Fail:  fail(platformtest.Fault{Times: -1, Status: 418}),
		Busy:  fail(platformtest.Fault{Times: -1, Method: "POST", Status: 409}),
		Rival: func(on bool) { s.Change(id, func(v *rendertest.Service) { v.Autoscaling = on }) },
	})
}

func TestFaults(t *testing.T) {
	s, id, _ := serve(t, rendertest.Service{Instances: 1})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(id)
	}, rendertest.Key)
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	_, _, scaler := serve(t, rendertest.Service{Instances: 1})
	platformsuite.Waits(t, scaler)
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	s, id, _ := serve(t, rendertest.Service{Instances: 2})
	platformsuite.Chaos(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(id)
	}, func() (n int) { s.Change(id, func(v *rendertest.Service) { n = v.Instances }); return n })
}

func TestInterrupted(t *testing.T) {
	s, id, _ := serve(t, rendertest.Service{Instances: 1})
	platformsuite.Interrupted(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(id)
	})
}

// What Render says of a service is what Capacity returns.
func TestCapacity(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service rendertest.Service
		want    autoscale.Capacity
	}{
		{"web", rendertest.Service{Instances: 3}, autoscale.Capacity{Desired: 3}},
		{"private", rendertest.Service{Type: "private_service", Instances: 2}, autoscale.Capacity{Desired: 2}},
		{"worker", rendertest.Service{Type: "background_worker", Instances: 1}, autoscale.Capacity{Desired: 1}},
		{"starting", rendertest.Service{Instances: 3, Start: time.Hour}, autoscale.Capacity{Desired: 3, Pending: 3, PendingKnown: true}},
		{"maintenance", rendertest.Service{Instances: 2, Maintenance: true}, autoscale.Capacity{Desired: 2, Maintenance: true}},
		{"suspended", rendertest.Service{Instances: 2, Suspended: true}, autoscale.Capacity{Desired: 2, Maintenance: true}},
		{"autoscaled", rendertest.Service{Instances: 2, Autoscaling: true}, autoscale.Capacity{Desired: 2, ExternalAutoscaler: "Render autoscaling"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, scaler := serve(t, tt.service)
			got, err := scaler.Capacity(t.Context())
			if err != nil || got.Changed.IsZero() {
				t.Fatalf("%+v, %v", got, err)
			}
			if got.Changed = (time.Time{}); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// An answer that lacks what it must have is an error and not a size.
func TestAbsurdAnswers(t *testing.T) {
	s, id, scaler := serve(t, rendertest.Service{Instances: 1})
	good := `"id":"` + id + `","type":"web_service","suspended":"not_suspended"`
	for body, want := range map[string]string{
		`{"type":"web_service"}`: "no id",
		`{"id":"srv-other","type":"web_service","suspended":"not_suspended","serviceDetails":{"numInstances":3}}`: `about the service "srv-other"`,
		`{"id":"` + id + `","suspended":"not_suspended"}`:                                                         "no type",
		`{"id":"` + id + `","type":"static_site","suspended":"not_suspended"}`:                                    `"static_site", which has no instances`,
		`{"id":"` + id + `","type":"web_service","serviceDetails":{"numInstances":3}}`:                            "whether the service is suspended",
		`{` + good + `}`:                                           "no numInstances",
		`{` + good + `,"serviceDetails":{}}`:                       "no numInstances",
		`{` + good + `,"serviceDetails":{"numInstances":null}}`:    "no numInstances",
		`{` + good + `,"serviceDetails":{"numInstances":-1}}`:      "-1 numInstances",
		`{` + good + `,"serviceDetails":{"numInstances":9999999}}`: "9999999 numInstances",
		`{` + good + `,"serviceDetails":{"numInstances":1.5}}`:     "where the API has a int",
		`{` + good + `,"serviceDetails":{"numInstances":"3"}}`:     "where the API has a int",
	} {
		s.Inject(platformtest.Fault{Status: 200, Body: body})
		if c, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s became %+v, %v; want %q", body, c, err, want)
		}
	}
}

// The list of instances is read for five minutes after an increase, and is not needed.
func TestPending(t *testing.T) {
	s := rendertest.NewServer()
	defer s.Close()
	synctest.Test(t, func(t *testing.T) {
		id := s.AddService(rendertest.Service{Instances: 2})
		scaler := render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL, Transport: s.Transport()}).Scaler(id)
		read := func() autoscale.Capacity {
			c, err := scaler.Capacity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		listed := func() int { return s.Count("GET", "/services/*/instances") }
		read()
		if listed() != 1 {
			t.Errorf("listed %d times at first", listed())
		}
		time.Sleep(6 * time.Minute)
		read()
		if listed() != 1 {
			t.Errorf("listed %d times after six minutes", listed())
		}
		s.Change(id, func(v *rendertest.Service) { v.Instances, v.Start = 4, time.Minute })
		if c := read(); c.Pending != 2 || !c.PendingKnown {
			t.Errorf("after an increase: %+v", c)
		}
		s.Inject(platformtest.Fault{Path: "/services/*/instances", Status: 500})
		if c := read(); c.Desired != 4 || c.Pending != 0 || c.PendingKnown {
			t.Errorf("without the list: %+v", c)
		}
		time.Sleep(2 * time.Minute)
		if c := read(); c.Pending != 0 || c.PendingKnown || listed() != 4 {
			t.Errorf("all listed: %+v, %d", c, listed())
		}
	})
}

// What Render does not permit is not sent, and its limit is named.
func TestLimits(t *testing.T) {
	for _, tt := range []struct {
		name    string
		service rendertest.Service
		size    int
		limit   int // 0: another error
		want    string
	}{
		{"above 100", rendertest.Service{Instances: 1}, 101, 100, "at most 100 instances"},
		{"a disk", rendertest.Service{Instances: 1, Disk: true}, 2, 1, "a service with a disk has one instance"},
		{"free", rendertest.Service{Instances: 1, Plan: "free"}, 2, 1, "free instance type"},
		{"none", rendertest.Service{Instances: 1}, 0, 0, "set Min to 1"},
		{"negative", rendertest.Service{Instances: 1}, -1, 0, "must not be negative"},
		{"autoscaled", rendertest.Service{Instances: 1, Autoscaling: true}, 2, 0, "own autoscaling is on, and Render ignores orders then"},
		{"refused", rendertest.Service{Instances: 1, RefuseAboveOne: true}, 2, 0, "render: scale to 2: service srv-rendertest0001: 400 Bad Request (bad_request): the service cannot have more than 1 instance"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, id, scaler := serve(t, tt.service)
			err := scaler.Scale(t.Context(), tt.size)
			var limit *autoscale.LimitError
			if got := errors.As(err, &limit); got != (tt.limit > 0) || got && (limit.Limit != tt.limit || limit.Size != tt.size || limit.Guessed) {
				t.Errorf("error %v, want the limit %d", err, tt.limit)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if s.Instances(id) != 1 || tt.name != "refused" && s.Count("POST", "/services/*/scale") != 0 {
				t.Error("an order was sent")
			}
		})
	}
	// A size that is there already is no order, even one that could not be ordered.
	s, _, scaler := serve(t, rendertest.Service{Instances: 2, Disk: true})
	if err := scaler.Scale(t.Context(), 2); err != nil || s.Count("POST", "*") != 0 {
		t.Errorf("the same size: %v", err)
	}
}

// A lost answer to an order is made good by another try.
func TestLostAnswer(t *testing.T) {
	s, id, scaler := serve(t, rendertest.Service{Instances: 1})
	s.Inject(platformtest.Fault{Method: "POST", Apply: true, Reset: true})
	if err := scaler.Scale(t.Context(), 3); err != nil || s.Instances(id) != 3 || s.Count("POST", "/services/*/scale") != 2 {
		t.Errorf("%v, %d instances", err, s.Instances(id))
	}
}

func TestSecrets(t *testing.T) {
	s, id, _ := serve(t, rendertest.Service{Instances: 1})
	s.Inject(platformtest.Fault{Times: -1, Status: 400, Body: `{"id":"` + rendertest.Key + `","message":"` + rendertest.Key + `"}`})
	c := render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL, TokenName: "KEY " + rendertest.Key})
	defer c.CloseIdleConnections()
	_, err := c.Scaler(id).Capacity(t.Context())
	bad := render.NewClient(`"`+rendertest.Key, nil)
	_, err2 := bad.Scaler(rendertest.Key).Capacity(t.Context())
	platformsuite.Hidden(t, []string{rendertest.Key}, c, *c, c.Scaler(id), c.Scaler(rendertest.Key), err, err2, bad, bad.Scaler("x").Validate())
}

func TestSelf(t *testing.T) {
	t.Setenv("RENDER_SERVICE_ID", "srv-a")
	t.Setenv("RENDER_INSTANCE_ID", "srv-a-b")
	if service, instance := render.Self(); service != "srv-a" || instance != "srv-a-b" {
		t.Errorf("got %q, %q", service, instance)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"id":"srv-a","type":"web_service","suspended":"not_suspended","serviceDetails":{"numInstances":3,"disk":null,"autoscaling":{"enabled":true}}}`)
	f.Add(200, `[]`)
	f.Add(429, `{"id":"rate_limit"}`)
	f.Add(400, `{"message":"`+rendertest.Key+`"}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 999 {
			t.Skip()
		}
		s := platformtest.Answer(status, body)
		synctest.Test(t, func(t *testing.T) {
			scaler := render.NewClient(rendertest.Key, &platform.Options{Transport: s}).Scaler("srv-a")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := scaler.Capacity(ctx)
			if err == nil && (c.Desired < 0 || c.Pending < 0 || c.Pending > c.Desired || status/100 != 2) {
				t.Errorf("%d %q became %+v", status, body, c)
			}
			for _, err := range []error{err, scaler.Scale(ctx, 7)} {
				if err != nil {
					platformsuite.Text(t, "error", err.Error(), rendertest.Key)
				}
			}
		})
	})
}
