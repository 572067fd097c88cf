package ecs_test

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
	"github.com/autoscalebot/autoscale/platform/ecs"
	"github.com/autoscalebot/autoscale/platform/ecs/ecstest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

func serve(t *testing.T, v ecstest.Service) (*ecstest.Server, *ecs.Scaler) {
	v.Cluster, v.Name = "production", "web"
	s := ecstest.NewServer()
	t.Cleanup(s.Close)
	s.AddService(v)
	c := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL, CallsPerHour: 100_000})
	t.Cleanup(c.CloseIdleConnections)
	return s, c.Scaler("production", "web")
}

func TestScaler(t *testing.T) {
	s, scaler := serve(t, ecstest.Service{Desired: 1})
	autoscaletest.Scaler(t, scaler, autoscaletest.ScalerOptions{Sizes: []int{2, 1, 3, 3, 0, 1}, Fail: func(fail bool) {
		s.ClearFaults()
		if fail {
			s.Inject(platformtest.Fault{Times: -1, Status: 418})
		}
	}, Busy: func(busy bool) {
		s.ClearFaults()
		if busy {
			s.Inject(platformtest.Fault{Times: -1, Status: 400, Body: `{"__type":"ThrottlingException","message":"Rate exceeded"}`})
		}
	}})
}

func TestFaults(t *testing.T) {
	s, _ := serve(t, ecstest.Service{Desired: 1})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler("production", "web")
	}, ecstest.SecretAccessKey, ecstest.SessionToken)
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	_, scaler := serve(t, ecstest.Service{Desired: 1})
	platformsuite.Waits(t, scaler)
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	s, _ := serve(t, ecstest.Service{Desired: 2})
	platformsuite.Chaos(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler("production", "web")
	}, func() int { return s.Desired("production", "web") })
}

// What ECS says of a service is what Capacity returns.
func TestCapacity(t *testing.T) {
	const rival = "Application Auto Scaling (1 to 10 tasks), which `aws application-autoscaling deregister-scalable-target` removes"
	for _, tt := range []struct {
		name    string
		service ecstest.Service
		want    autoscale.Capacity
	}{
		{"a worker", ecstest.Service{Desired: 3}, autoscale.Capacity{Desired: 3, PendingKnown: true}},
		{"behind a load balancer", ecstest.Service{Desired: 3, LoadBalancer: true}, autoscale.Capacity{Desired: 3}},
		{"starting", ecstest.Service{Desired: 3, Missing: 2, LoadBalancer: true}, autoscale.Capacity{Desired: 3, Pending: 2, PendingKnown: true}},
		{"more run than are desired", ecstest.Service{Desired: 3, Missing: -2}, autoscale.Capacity{Desired: 3, PendingKnown: true}},
		{"none", ecstest.Service{}, autoscale.Capacity{PendingKnown: true}},
		{"in a deployment", ecstest.Service{Desired: 2, Rollout: time.Minute}, autoscale.Capacity{Desired: 2, PendingKnown: true}},
		{"a scalable target", ecstest.Service{Desired: 2, Target: true}, autoscale.Capacity{Desired: 2, PendingKnown: true, ExternalAutoscaler: rival}},
		{"a target whose scheduled scaling goes on", ecstest.Service{Desired: 2, Target: true, SuspendedIn: true, SuspendedOut: true}, autoscale.Capacity{Desired: 2, PendingKnown: true, ExternalAutoscaler: rival}},
		{"a target whose scaling out goes on", ecstest.Service{Desired: 2, Target: true, SuspendedIn: true, SuspendedScheduled: true}, autoscale.Capacity{Desired: 2, PendingKnown: true, ExternalAutoscaler: rival}},
		{"a target whose scaling in goes on", ecstest.Service{Desired: 2, Target: true, SuspendedOut: true, SuspendedScheduled: true}, autoscale.Capacity{Desired: 2, PendingKnown: true, ExternalAutoscaler: rival}},
		{"a target, suspended", ecstest.Service{Desired: 2, Target: true, SuspendedIn: true, SuspendedOut: true, SuspendedScheduled: true}, autoscale.Capacity{Desired: 2, PendingKnown: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, scaler := serve(t, tt.service)
			if got, err := scaler.Capacity(t.Context()); err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

// ARNs are as good as names.
func TestARNs(t *testing.T) {
	s, _ := serve(t, ecstest.Service{Desired: 2, Target: true})
	c := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL})
	defer c.CloseIdleConnections()
	scaler := c.Scaler("arn:aws:ecs:eu-west-1:123456789012:cluster/production", "arn:aws:ecs:eu-west-1:123456789012:service/production/web")
	got, err := scaler.Capacity(t.Context())
	if err != nil || got.Desired != 2 || got.ExternalAutoscaler == "" {
		t.Errorf("%+v, %v", got, err)
	}
	if err := scaler.Scale(t.Context(), 4); err != nil || s.Desired("production", "web") != 4 {
		t.Error(err)
	}
}

// What cannot be scaled is an error that says why.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name             string
		service          ecstest.Service
		cluster, scalesA string
		want             string
	}{
		{"a daemon", ecstest.Service{Desired: 2, Daemon: true}, "production", "web", "DAEMON, which has one task on each instance"},
		{"draining", ecstest.Service{Desired: 2, Draining: true}, "production", "web", `status of the service is "DRAINING"`},
		{"another name", ecstest.Service{}, "production", "wep", "there is no such service"},
		{"another cluster", ecstest.Service{}, "staging", "web", "ClusterNotFoundException): Cluster not found [request c5410059-b04c-1ee0-0530-3aed430f6e66]: check the cluster and the region"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := serve(t, tt.service)
			c := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL})
			defer c.CloseIdleConnections()
			scaler := c.Scaler(tt.cluster, tt.scalesA)
			if got, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Capacity: %+v, %v; want %q", got, err, tt.want)
			}
			if err := scaler.Scale(t.Context(), 5); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Scale: %v; want %q", err, tt.want)
			}
			if n := s.Calls("UpdateService"); n != 0 {
				t.Errorf("%d orders were sent", n)
			}
		})
	}
}

// A throttled call has the status 400, and is held all the same.
func TestThrottled(t *testing.T) {
	s, scaler := serve(t, ecstest.Service{Desired: 1})
	for _, code := range []string{"ThrottlingException", "com.amazonaws.ecs#ThrottlingException", "Throttling", "TooManyRequestsException:http://internal.amazon.com/"} {
		s.Inject(platformtest.Fault{Status: 400, Body: `{"__type":"` + code + `","Message":"Rate exceeded"}`})
		_, err := scaler.Capacity(t.Context())
		var busy *autoscale.BusyError
		if !errors.As(err, &busy) || !strings.Contains(err.Error(), "Rate exceeded") {
			t.Errorf("%s became %v", code, err)
		}
	}
	s.Inject(platformtest.Fault{Status: 400, Body: `{"__type":"InvalidParameterException","message":"no"}`})
	var busy *autoscale.BusyError
	if _, err := scaler.Capacity(t.Context()); err == nil || errors.As(err, &busy) {
		t.Errorf("a refusal became %v", err)
	}
}

// The size is not decreased in the first ten minutes of a deployment.
func TestDeployment(t *testing.T) {
	for _, tt := range []struct {
		rollout time.Duration
		size    int
		held    bool
	}{{0, 2, false}, {time.Minute, 2, true}, {time.Minute, 4, false}, {9 * time.Minute, 0, true}, {11 * time.Minute, 2, false}} {
		s, scaler := serve(t, ecstest.Service{Desired: 3, Rollout: tt.rollout})
		err := scaler.Scale(t.Context(), tt.size)
		var busy *autoscale.BusyError
		if errors.As(err, &busy) != tt.held || (err != nil) != tt.held || (s.Desired("production", "web") == 3) != tt.held {
			t.Errorf("to %d, %v after the beginning: %v", tt.size, tt.rollout, err)
		}
	}
}

// Deployments that follow each other hold a decrease for less time than an autoscaler waits
// without an alarm, however often the size is read meanwhile. The next ones do so again.
func TestDeploymentAfterDeployment(t *testing.T) {
	s := ecstest.NewServer()
	defer s.Close()
	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 3, Rollout: time.Minute}) // it is always a minute old
	synctest.Test(t, func(t *testing.T) {
		scaler := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL, Transport: s.Transport()}).Scaler("production", "web")
		for range 2 {
			start := time.Now()
			for s.Desired("production", "web") == 3 && time.Since(start) < time.Hour {
				time.Sleep(30 * time.Second)
				if _, err := scaler.Capacity(t.Context()); err != nil {
					t.Fatal(err)
				}
				var busy *autoscale.BusyError
				if err := scaler.Scale(t.Context(), 2); err != nil && !errors.As(err, &busy) {
					t.Fatal(err)
				}
			}
			if held := time.Since(start); held < 9*time.Minute || held >= 10*time.Minute {
				t.Errorf("the size was held for %v", held)
			}
			s.Change("production", "web", func(v *ecstest.Service) { v.Desired, v.Rollout = 3, 0 })
			if _, err := scaler.Capacity(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Change("production", "web", func(v *ecstest.Service) { v.Rollout = time.Minute })
		}
	})
}

// An order that changes nothing is not sent.
func TestNoNeedlessOrder(t *testing.T) {
	s, scaler := serve(t, ecstest.Service{Desired: 3})
	if err := scaler.Scale(t.Context(), 3); err != nil || s.Calls("UpdateService") != 0 || s.Calls("DescribeServices") != 1 {
		t.Errorf("%v, %d orders", err, s.Calls("UpdateService"))
	}
}

// The scalable target is read every ten minutes, is not needed, and is remembered for half
// an hour.
func TestRivalIsRemembered(t *testing.T) {
	s := ecstest.NewServer()
	defer s.Close()
	s.AddService(ecstest.Service{Cluster: "production", Name: "web", Desired: 1, Target: true})
	synctest.Test(t, func(t *testing.T) {
		scaler := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: s.URL, Transport: s.Transport()}).Scaler("production", "web")
		read := func() bool {
			c, err := scaler.Capacity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return c.ExternalAutoscaler != ""
		}
		for range 20 {
			if !read() {
				t.Fatal("no rival")
			}
			time.Sleep(30 * time.Second)
		}
		if n := s.Calls("DescribeScalableTargets"); n != 1 {
			t.Errorf("read %d times in ten minutes", n)
		}
		// Each lookup is refused now: it is the second call of each Capacity.
		refuse := func() {
			s.ClearFaults()
			s.Inject(platformtest.Fault{Skip: 1, Status: 400, Body: `{"__type":"AccessDeniedException"}`})
		}
		refuse()
		if !read() {
			t.Error("the rival was forgotten after ten minutes")
		}
		time.Sleep(21 * time.Minute)
		refuse()
		if read() {
			t.Error("the rival is remembered after half an hour")
		}
	})
}

// An answer that lacks what it must have is an error and not a size.
func TestAbsurdAnswers(t *testing.T) {
	s, scaler := serve(t, ecstest.Service{Desired: 1})
	of := func(fields string) string {
		return `{"services":[{"serviceName":"web","status":"ACTIVE","schedulingStrategy":"REPLICA"` + fields + `}]}`
	}
	for body, want := range map[string]string{
		`{"services":[]}`:    "0 services",
		`{"services":[{}]}`:  `about the service ""`,
		`{"services":[1,2]}`: "where the API has a",
		`{"services":[{"serviceName":"wep","desiredCount":1,"runningCount":1}]}`: `about the service "wep"`,
		`{"services":[{"serviceName":"web","desiredCount":1,"runningCount":1}]}`: "scheduling strategy",
		`{"failures":[{"reason":"` + strings.Repeat("x", 500) + `"}]}`:           "could not describe",
		of(``):                  "no desiredCount",
		of(`,"desiredCount":1`): "no runningCount",
		of(`,"desiredCount":null,"runningCount":1`):                               "no desiredCount",
		of(`,"desiredCount":-1,"runningCount":1`):                                 "desiredCount -1",
		of(`,"desiredCount":9999999,"runningCount":1`):                            "desiredCount 9999999",
		of(`,"desiredCount":"1","runningCount":1`):                                "where the API has a int",
		of(`,"desiredCount":1,"runningCount":1,"deployments":[{"createdAt":-1}]`): "a time that is not one",
	} {
		s.ClearFaults()
		s.Inject(platformtest.Fault{Status: 200, Body: body})
		if c, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 600 {
			t.Errorf("%s became %+v, %v; want %q", body, c, err, want)
		}
	}
	for body, want := range map[string]string{
		`{}`: "no service",
		`{"service":{"serviceName":"web","status":"ACTIVE","schedulingStrategy":"REPLICA","desiredCount":2,"runningCount":1}}`: "desired count is 2",
	} {
		s.ClearFaults()
		s.Inject(platformtest.Fault{Skip: 1, Status: 200, Body: body})
		if err := scaler.Scale(t.Context(), 3); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s became %v; want %q", body, err, want)
		}
	}
}

// What was given wrongly is reported, all at once, before anything is sent.
func TestValidate(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	err := ecs.NewClient("", nil, &platform.Options{BaseURL: "http://example.com/a", CallsPerHour: -1, AttemptTimeout: -1}).Scaler("a b", "../x").Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"region is empty", "BaseURL is http", "BaseURL has a path", "CallsPerHour is -1", "AttemptTimeout is -1", `cluster "a b"`, `service "../x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if err := ecs.NewClient("Europe", nil, nil).Scaler("a", "b").Validate(); err == nil || !strings.Contains(err.Error(), `region "Europe"`) {
		t.Error(err)
	}
	t.Setenv("AWS_REGION", "us-gov-west-1")
	if err := ecs.NewClient("", nil, nil).Scaler("arn:aws:ecs:eu-west-1:123456789012:service/a/b", "b").Validate(); err == nil || !strings.Contains(err.Error(), "ARN of a cluster") {
		t.Error(err)
	}
	for _, region := range []string{"eu-west-1", "ap-southeast-4", "us-gov-east-1", "cn-north-1", "us-iso-east-1", "mx-central-1", "eusc-de-east-1"} {
		if err := ecs.NewClient(region, nil, nil).Scaler("a", "b").Validate(); err != nil {
			t.Error(err)
		}
	}
}

// Neither a Client nor its errors show secrets, also if AWS repeats what was signed.
func TestSecrets(t *testing.T) {
	secrets := []string{ecstest.SecretAccessKey, ecstest.SessionToken}
	leaky := roundTripper(func(req *http.Request) (*http.Response, error) {
		return nil, errors.New("sending " + strings.Join(req.Header["X-Amz-Security-Token"], "") + " signed with " + ecstest.SecretAccessKey)
	})
	c := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{Transport: leaky})
	s := c.Scaler("production", "web")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Capacity(ctx)
	if err == nil || !strings.Contains(err.Error(), "[redacted] signed with [redacted]") {
		t.Error(err)
	}
	creds, _ := ecstest.Credentials(ctx)
	platformsuite.Hidden(t, secrets, c, *c, s, err, creds, &creds)
	for err := err; err != nil; err = errors.Unwrap(err) {
		platformsuite.Text(t, "the error", err.Error(), secrets...)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Whatever AWS answers, Capacity returns a size within reason or an error, and does not panic.
func FuzzCapacity(f *testing.F) {
	for _, seed := range []string{
		`{"services":[{"serviceName":"web","status":"ACTIVE","schedulingStrategy":"REPLICA","desiredCount":2,"runningCount":1,"deployments":[{"status":"PRIMARY","createdAt":1.79e9}]}]}`,
		`{"ScalableTargets":[]}`, `{"failures":[{"reason":"MISSING"}]}`, `{"__type":"X#ThrottlingException"}`, `null`,
	} {
		f.Add(200, seed)
		f.Add(400, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 499 || status == 429 {
			return
		}
		s := ecs.NewClient(ecstest.Region, ecstest.Credentials, &platform.Options{BaseURL: "http://127.0.0.1", Transport: platformtest.Answer(status, body)}).Scaler("production", "web")
		c, err := s.Capacity(t.Context())
		if err == nil && (status/100 != 2 || c.Desired < 0 || c.Pending < 0 || c.Pending > c.Desired) || err != nil && c != (autoscale.Capacity{}) {
			t.Errorf("%d %q became %+v, %v", status, body, c, err)
		}
		if err != nil {
			platformsuite.Text(t, "the error", err.Error())
		}
	})
}
