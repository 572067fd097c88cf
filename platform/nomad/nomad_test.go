package nomad_test

import (
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
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

var web = nomad.Group{Job: "shop", Name: "web"}

// shop is a job whose only group is web.
func shop(g nomadtest.Group) nomadtest.Job {
	return nomadtest.Job{ID: "shop", Groups: map[string]nomadtest.Group{"web": g}}
}

func serve(t *testing.T, j nomadtest.Job) (*nomadtest.Server, *nomad.Scaler) {
	s := nomadtest.NewServer()
	t.Cleanup(s.Close)
	s.AddJob(j)
	c := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL, CallsPerHour: 100_000})
	t.Cleanup(c.CloseIdleConnections)
	return s, c.Scaler(web)
}

// bubble is serve for a test in a synctest bubble.
func bubble(s *nomadtest.Server) *nomad.Scaler {
	return nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL, Transport: s.Transport(), CallsPerHour: 100_000}).Scaler(web)
}

// refusal is an answer of Nomad that takes no order.
func refusal(status int, message string) platformtest.Fault {
	return platformtest.Fault{Times: -1, Method: "PUT", Status: status, Body: message, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}}
}

func TestScaler(t *testing.T) {
	s, scaler := serve(t, shop(nomadtest.Group{Count: 1}))
	change := func(f func(*nomadtest.Group)) {
		s.Change("", "shop", func(j *nomadtest.Job) {
			g := j.Groups["web"]
			f(&g)
			j.Groups["web"] = g
		})
	}
	autoscaletest.Scaler(t, scaler, autoscaletest.ScalerOptions{
		Sizes: []int{2, 1, 3, 3, 0, 1},
		Fail: func(fail bool) {
			s.ClearFaults()
			if fail {
				s.Inject(platformtest.Fault{Times: -1, Status: 418})
			}
		},
		Busy: func(busy bool) {
			s.ClearFaults()
			if busy {
				s.Inject(refusal(400, "job scaling blocked due to active deployment"))
			}
		},
		Deploying: func(on bool) { s.Change("", "shop", func(j *nomadtest.Job) { j.Deploying = on }) },
		Rival: func(on bool) {
			change(func(g *nomadtest.Group) { g.Scaling = &nomadtest.Scaling{Max: 100, Policy: on} })
		},
		Limit: func(most int) {
			change(func(g *nomadtest.Group) { g.Scaling = nil })
			if most > 0 {
				change(func(g *nomadtest.Group) { g.Scaling = &nomadtest.Scaling{Max: most} })
			}
		},
	})
}

func TestFaults(t *testing.T) {
	s, _ := serve(t, shop(nomadtest.Group{Count: 1}))
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(web)
	}, nomadtest.Token)
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	_, scaler := serve(t, shop(nomadtest.Group{Count: 1}))
	platformsuite.Waits(t, scaler)
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	s, _ := serve(t, shop(nomadtest.Group{Count: 2}))
	platformsuite.Chaos(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		s.AddJob(shop(nomadtest.Group{Count: 2})) // without a deployment on another bubble's clock
		return nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(web)
	}, func() int { return s.Count("", "shop", "web") })
}

// What Nomad says of a group is what Capacity returns.
func TestCapacity(t *testing.T) {
	job := func(g nomadtest.Group, f func(*nomadtest.Job)) nomadtest.Job {
		j := shop(g)
		f(&j)
		return j
	}
	as := func(*nomadtest.Job) {}
	for _, tt := range []struct {
		name string
		job  nomadtest.Job
		want autoscale.Capacity
	}{
		{"healthy", job(nomadtest.Group{Count: 3}, as), autoscale.Capacity{Desired: 3, PendingKnown: true}},
		{"none", job(nomadtest.Group{}, as), autoscale.Capacity{PendingKnown: true}},
		{"unhealthy", job(nomadtest.Group{Count: 3, Unhealthy: 1}, as), autoscale.Capacity{Desired: 3, Pending: 1, PendingKnown: true}},
		{"without room", job(nomadtest.Group{Count: 3, Room: 1}, as), autoscale.Capacity{Desired: 3, Pending: 2, PendingKnown: true}},
		{"in a deployment", job(nomadtest.Group{Count: 3}, func(j *nomadtest.Job) { j.Deploying = true }), autoscale.Capacity{Desired: 3, Deploying: true}},
		{"stopped", job(nomadtest.Group{Count: 3}, func(j *nomadtest.Job) { j.Stopped = true }), autoscale.Capacity{Desired: 3, Pending: 3, PendingKnown: true, Maintenance: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, scaler := serve(t, tt.job)
			got, err := scaler.Capacity(t.Context())
			if age := time.Since(got.Changed); age < 0 || age > time.Hour {
				t.Errorf("changed at %v", got.Changed)
			}
			got.Changed = time.Time{}
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

// What cannot be scaled is an error that says why, and nothing is ordered.
func TestRefusals(t *testing.T) {
	of := func(f func(*nomadtest.Job)) nomadtest.Job {
		j := shop(nomadtest.Group{Count: 2})
		f(&j)
		return j
	}
	for _, tt := range []struct {
		name  string
		job   nomadtest.Job
		token string
		group nomad.Group
		want  string
	}{
		{"system", of(func(j *nomadtest.Job) { j.Type = "system" }), nomadtest.Token, web, `the type of the job is "system"`},
		{"batch", of(func(j *nomadtest.Job) { j.Type = "batch" }), nomadtest.Token, web, `the type of the job is "batch"`},
		{"periodic", of(func(j *nomadtest.Job) { j.Periodic = true }), nomadtest.Token, web, "periodic or parameterized"},
		{"another group", of(func(*nomadtest.Job) {}), nomadtest.Token, nomad.Group{Job: "shop", Name: "wep"}, "no such group: it has web"},
		{"another job", of(func(*nomadtest.Job) {}), nomadtest.Token, nomad.Group{Job: "shops", Name: "web"}, "404 Not Found: job not found: check the job's id"},
		{"another namespace", of(func(j *nomadtest.Job) { j.Namespace = "production" }), nomadtest.Token, web, "job not found: check the job's id, its namespace"},
		{"another token", of(func(*nomadtest.Job) {}), "0f0e0d0c-0000-4000-8000-000000000000", web, "ACL token not found: check NOMAD_TOKEN"},
		{"no token", of(func(*nomadtest.Job) {}), "", web, "403 Forbidden: Permission denied: check NOMAD_TOKEN: it may have ended, or lack the capabilities read-job and scale-job"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := serve(t, tt.job)
			c := nomad.NewClient(tt.token, &platform.Options{BaseURL: s.URL, TokenName: "NOMAD_TOKEN"})
			defer c.CloseIdleConnections()
			scaler := c.Scaler(tt.group)
			if got, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Capacity: %+v, %v; want %q", got, err, tt.want)
			}
			if err := scaler.Scale(t.Context(), 5); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Scale: %v; want %q", err, tt.want)
			}
			if n := s.Orders("shop"); n != 0 {
				t.Errorf("%d orders were sent", n)
			}
		})
	}
}

// Other refusals are errors that say what to do.
func TestAdvice(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	for _, tt := range []struct {
		fault platformtest.Fault
		want  string
	}{
		{refusal(400, "group count was less than scaling policy minimum: 3 < 4"), "raise Min"},
		{refusal(403, "Job registration, dispatch, and scale are disabled by the scheduler configuration"), "-reject-job-registration=false"},
		{refusal(403, "Permission denied"), "capabilities read-job and scale-job"},
		{refusal(401, "Unauthorized"), "identity { env = true }"},
		{refusal(500, "rpc error: No cluster leader"), "No cluster leader"},
		{refusal(500, "No path to region"), "check the region"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s.AddJob(shop(nomadtest.Group{Count: 5}))
			s.ClearFaults()
			s.Inject(tt.fault)
			var busy *autoscale.BusyError
			var limit *autoscale.LimitError
			err := bubble(s).Scale(t.Context(), 3)
			if err == nil || errors.As(err, &busy) || errors.As(err, &limit) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.fault.Body) {
				t.Errorf("%v; want %q", err, tt.want)
			}
		})
	}
	_, scaler := serve(t, shop(nomadtest.Group{Count: 2, Scaling: &nomadtest.Scaling{Min: 2, Max: 9}}))
	if err := scaler.Scale(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "minimum: 1 < 2: raise Min") {
		t.Error(err)
	}
}

// The limits that Nomad names are learned, also where the limit is that of all groups of
// the job together.
func TestLimits(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	for _, tt := range []struct {
		size, maxCount int
		fault          platformtest.Fault
		want           int // -1: it is not a LimitError
		believed       time.Duration
	}{
		{size: 12, want: 9},
		{size: 8, maxCount: 10, want: 5, believed: 5 * time.Minute}, // the other group may shrink
		{size: 8, fault: refusal(500, "rpc error: total count was greater than configured job_max_count: 13 > 10"), want: 5, believed: 5 * time.Minute},
		{size: 8, fault: refusal(400, "total count was greater than configured job_max_count: 8 > 6"), want: 6},
		{size: 8, fault: refusal(400, "total count was greater than configured job_max_count: 13 > 99"), want: -1},
		{size: 8, fault: refusal(400, "total count was greater than configured job_max_count: 99 > 10"), want: -1},
		{size: 8, fault: refusal(400, "total count was greater than configured job_max_count: 9999999999 > 1"), want: -1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s.AddJob(nomadtest.Job{ID: "shop", Groups: map[string]nomadtest.Group{"web": {Count: 2, Scaling: &nomadtest.Scaling{Max: 9}}, "worker": {Count: 5}}})
			s.SetJobMaxCount(tt.maxCount)
			s.ClearFaults()
			if tt.fault.Status != 0 {
				s.Inject(tt.fault)
			}
			err := bubble(s).Scale(t.Context(), tt.size)
			var limit *autoscale.LimitError
			switch is := errors.As(err, &limit); {
			case err == nil || is != (tt.want >= 0):
				t.Errorf("%+v: %v", tt, err)
			case is && (limit.Size != tt.size || limit.Limit != tt.want || limit.RetryAfter != tt.believed || limit.Guessed || !strings.Contains(err.Error(), "lower Max")):
				t.Errorf("%+v: %v (%+v)", tt, err, limit)
			}
		})
	}
}

// Nomad Autoscaler is seen by its policy in the job, and by its orders for half an hour.
// Our own orders are not its.
func TestRival(t *testing.T) {
	other := shop(nomadtest.Group{Count: 2})
	other.Groups["worker"] = nomadtest.Group{Count: 2, Scaling: &nomadtest.Scaling{Max: 10, Policy: true}}
	_, scaler := serve(t, other)
	if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler != "" {
		t.Errorf("for another group: %+v, %v", c, err)
	}
	now := time.Now()
	for event, want := range map[string]bool{
		fmt.Sprintf(`{"Time":%d,"Meta":{"nomad_policy_id":"a"}}`, now.UnixNano()):                                 true,
		fmt.Sprintf(`{"Time":%d,"Meta":{"nomad_policy_id":"a","nomad_autoscaler.dry_run":true}}`, now.UnixNano()): false,
		fmt.Sprintf(`{"Time":%d,"Meta":{"by":"me"}}`, now.UnixNano()):                                             false,
		fmt.Sprintf(`{"Time":%d,"Meta":null}`, now.UnixNano()):                                                    false,
		fmt.Sprintf(`{"Time":%d,"Meta":{"nomad_policy_id":"a"}}`, now.Add(time.Hour).UnixNano()):                  false, // by a clock that is wrong
	} {
		s, scaler := serve(t, shop(nomadtest.Group{Count: 2}))
		s.Inject(platformtest.Fault{Path: "/v1/job/*/scale", Status: 200, Body: `{"JobID":"shop","TaskGroups":{"web":{"Desired":2,"Placed":2,"Running":2,"Healthy":2,"Unhealthy":0,"Events":[` + event + `]}}}`})
		if c, err := scaler.Capacity(t.Context()); err != nil || (c.ExternalAutoscaler != "") != want {
			t.Errorf("%s: %+v, %v", event, c, err)
		}
	}
	for _, tt := range []struct {
		scaling nomadtest.Scaling
		want    string
	}{
		{nomadtest.Scaling{Min: 1, Max: 10, Policy: true}, "Nomad Autoscaler (1 to 10 allocations), which enabled = false in the group's scaling block switches off"},
		{nomadtest.Scaling{Min: 1, Max: 10, Policy: true, Disabled: true}, ""},
		{nomadtest.Scaling{Min: 1, Max: 10}, ""},
	} {
		_, scaler := serve(t, shop(nomadtest.Group{Count: 2, Scaling: &tt.scaling}))
		if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler != tt.want {
			t.Errorf("%+v: %+v, %v", tt.scaling, c, err)
		}
	}
	s := nomadtest.NewServer()
	defer s.Close()
	synctest.Test(t, func(t *testing.T) {
		s.AddJob(shop(nomadtest.Group{Count: 2}))
		scaler := bubble(s)
		rival := func() string {
			c, err := scaler.Capacity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return c.ExternalAutoscaler
		}
		if err := scaler.Scale(t.Context(), 3); err != nil || rival() != "" {
			t.Errorf("after an order of ours: %v, %q", err, rival())
		}
		s.OrderByNomadAutoscaler("", "shop", "web")
		time.Sleep(29 * time.Minute)
		if err := scaler.Scale(t.Context(), 4); err != nil || !strings.Contains(rival(), "by a policy of its own") {
			t.Errorf("after 29 minutes: %v, %q", err, rival())
		}
		time.Sleep(2 * time.Minute)
		if name := rival(); name != "" {
			t.Errorf("after 31 minutes: %q", name)
		}
	})
}

// The job is read once, and again when it was changed.
func TestCalls(t *testing.T) {
	s, scaler := serve(t, shop(nomadtest.Group{Count: 2}))
	tick := func(reads int) {
		t.Helper()
		before := len(s.Requests())
		for range 3 {
			if _, err := scaler.Capacity(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(s.Requests()) - before; n != 3*2+reads {
			t.Errorf("%d calls for three Capacities, want %d", n, 3*2+reads)
		}
	}
	tick(1)
	tick(0)
	s.Change("", "shop", func(j *nomadtest.Job) { j.Groups["web"] = nomadtest.Group{Count: 3} })
	tick(1)
	before := len(s.Requests())
	if err := scaler.Scale(t.Context(), 3); err != nil || len(s.Requests())-before != 1 || s.Orders("shop") != 0 {
		t.Errorf("an order that changes nothing: %v, %d calls", err, len(s.Requests())-before)
	}
	if err := scaler.Scale(t.Context(), 4); err != nil || len(s.Requests())-before != 3 {
		t.Errorf("an order: %v, %d calls", err, len(s.Requests())-before-1)
	}
	tick(1)
}

// The environment is the one of the options.
func TestGetenv(t *testing.T) {
	t.Setenv("NOMAD_ADDR", "https://wrong.example.com")
	t.Setenv("NOMAD_SECRETS_DIR", "/wrong")
	for name, want := range map[string]string{"NOMAD_ADDR": "https://right.example.com", "NOMAD_SECRETS_DIR": "/right"} {
		c := nomad.NewClient("", &platform.Options{Getenv: func(asked string) string {
			if asked == name {
				return want
			}
			return ""
		}})
		if text := fmt.Sprint(c); !strings.Contains(text, want) {
			t.Errorf("%s: %s, want %s", name, text, want)
		}
	}
}
