package cloudfoundry_test

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
	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/cloudfoundry/cftest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

const guid = "00000000-0000-4000-8000-000000000001"

func serve(t *testing.T, a cftest.App) (*cftest.Server, *cloudfoundry.Scaler) {
	s := cftest.NewServer()
	t.Cleanup(s.Close)
	if a.Processes == nil {
		a.Processes = map[string]int{"web": 1, "worker": 2}
	}
	s.AddApp(a)
	creds := cftest.Credentials()
	creds.AutoscalerURL = s.URL
	c := cloudfoundry.NewClient(creds, &platform.Options{BaseURL: s.URL, CallsPerHour: 100_000})
	t.Cleanup(c.CloseIdleConnections)
	return s, c.Scaler(guid, "web")
}

// inMemory returns a Scaler for a bubble.
func inMemory(s *cftest.Server, creds cloudfoundry.Credentials) *cloudfoundry.Scaler {
	return cloudfoundry.NewClient(creds, &platform.Options{BaseURL: s.URL, Transport: s.Transport()}).Scaler(guid, "web")
}

func TestScaler(t *testing.T) {
	s, scaler := serve(t, cftest.App{})
	autoscaletest.Scaler(t, scaler, autoscaletest.ScalerOptions{
		Sizes: []int{2, 0, 3, 3, 1},
		Fail: func(fail bool) {
			s.ClearFaults()
			if fail {
				s.Inject(platformtest.Fault{Times: -1, Status: 418})
			}
		},
		Busy:      func(busy bool) { s.Change(guid, func(a *cftest.App) { a.Deploying = busy }) },
		Deploying: func(deploying bool) { s.Change(guid, func(a *cftest.App) { a.Deploying = deploying }) },
		Limit: func(most int) {
			s.Change(guid, func(a *cftest.App) {
				if a.Quota = most; most > 0 {
					a.Quota += a.Processes["worker"]
				}
			})
		},
	})
	if n := s.Instances(guid, "worker"); n != 2 {
		t.Errorf("worker has %d instances", n)
	}
}

// Whatever fails, the way to a token or what follows it.
func TestFaults(t *testing.T) {
	s, _ := serve(t, cftest.App{})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(guid, "web")
	}, cftest.ClientSecret)
}

func TestInterrupted(t *testing.T) {
	s, _ := serve(t, cftest.App{})
	platformsuite.Interrupted(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(guid, "web")
	})
}

func TestFaultsOfUAA(t *testing.T) {
	s, _ := serve(t, cftest.App{})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		creds := cftest.Credentials()
		creds.UAAURL = s.URL
		return cloudfoundry.NewClient(creds, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(guid, "web")
	}, cftest.ClientSecret)
}

const exchanged = "eyJhbGciOiJub25lIn0.0001.exchanged"

func TestFaultsWithAToken(t *testing.T) {
	s, _ := serve(t, cftest.App{})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL, Transport: exchanging{rt}}).Scaler(guid, "web")
	}, cftest.ClientSecret, exchanged)
}

// exchanging answers the exchange of a token itself.
type exchanging struct{ next http.RoundTripper }

func (e exchanging) RoundTrip(req *http.Request) (*http.Response, error) {
	switch req.URL.Path {
	case "/":
		return platformtest.Answer(200, `{"links":{"uaa":{"href":"http://127.0.0.1:1"}}}`).RoundTrip(req)
	case "/oauth/token":
		return platformtest.Answer(200, `{"access_token":"`+exchanged+`","expires_in":599}`).RoundTrip(req)
	}
	return e.next.RoundTrip(req)
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	_, scaler := serve(t, cftest.App{})
	platformsuite.Waits(t, scaler)
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	s, _ := serve(t, cftest.App{Processes: map[string]int{"web": 2}})
	platformsuite.Chaos(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(guid, "web")
	}, func() int { return s.Instances(guid, "web") })
}

func TestCapacity(t *testing.T) {
	for _, tt := range []struct {
		name string
		app  cftest.App
		want autoscale.Capacity
	}{
		{"quiet", cftest.App{}, autoscale.Capacity{Desired: 1, PendingKnown: true}},
		{"none", cftest.App{Processes: map[string]int{"web": 0}}, autoscale.Capacity{PendingKnown: true}},
		{"starting", cftest.App{Boot: time.Hour}, autoscale.Capacity{Desired: 1, Pending: 1, PendingKnown: true}},
		{"crashed and unready", cftest.App{Processes: map[string]int{"web": 4}, Crashed: 1, Unready: 2}, autoscale.Capacity{Desired: 4, Pending: 3, PendingKnown: true}},
		{"without readiness checks", cftest.App{Processes: map[string]int{"web": 4}, OldDiego: true, Crashed: 1}, autoscale.Capacity{Desired: 4, Pending: 1, PendingKnown: true}},
		{"deploying", cftest.App{Deploying: true}, autoscale.Capacity{Desired: 1, PendingKnown: true, Deploying: true}},
		{"few rights", cftest.App{Deploying: true, Hidden: true}, autoscale.Capacity{Desired: 1}},
		{"a policy", cftest.App{Policy: true}, autoscale.Capacity{Desired: 1, PendingKnown: true, ExternalAutoscaler: "App Autoscaler"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, scaler := serve(t, tt.app)
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

// A list of deployments that have ended is no deployment.
func TestEndedDeployments(t *testing.T) {
	s, scaler := serve(t, cftest.App{})
	s.Inject(platformtest.Fault{Path: "/v3/deployments", Status: 200, Body: `{"resources":[{"status":{"value":"FINALIZED"}}]}`})
	if c, err := scaler.Capacity(t.Context()); err != nil || c.Deploying {
		t.Errorf("%+v, %v", c, err)
	}
}

// UAA may move: the API's root is read again after a token could not be had.
// Another process than web is scaled during a deployment too.
func TestWorker(t *testing.T) {
	s := cftest.NewServer()
	defer s.Close()
	s.AddApp(cftest.App{Processes: map[string]int{"web": 1, "worker": 2}, Deploying: true})
	c := cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL})
	defer c.CloseIdleConnections()
	worker := c.Scaler(guid, "worker")
	if err := worker.Scale(t.Context(), 4); err != nil || s.Instances(guid, "worker") != 4 {
		t.Errorf("%v", err)
	}
	if got, err := worker.Capacity(t.Context()); err != nil || got.Desired != 4 || got.Deploying {
		t.Errorf("%+v, %v", got, err)
	}
}

// App Autoscaler is asked once a minute, and its last answer stands for ten.
func TestRival(t *testing.T) {
	s := cftest.NewServer()
	defer s.Close()
	synctest.Test(t, func(t *testing.T) {
		s.AddApp(cftest.App{Processes: map[string]int{"web": 1}, Policy: true})
		creds := cftest.Credentials()
		creds.AutoscalerURL = s.URL
		scaler := inMemory(s, creds)
		for range 20 {
			if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler == "" {
				t.Fatalf("%+v, %v", c, err)
			}
			time.Sleep(30 * time.Second)
		}
		if n := s.Count("GET", "/v1/apps/*/policy"); n != 10 {
			t.Errorf("asked %d times in ten minutes", n)
		}
		s.Inject(platformtest.Fault{Path: "/v1/apps/*/policy", Status: 500, Times: -1})
		if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler == "" {
			t.Errorf("without an answer: %+v, %v", c, err)
		}
		s.ClearFaults()
		s.Inject(platformtest.Fault{Path: "/v1/apps/*/policy", Hang: true, Times: -1})
		short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if c, err := scaler.Capacity(short); err != nil || c.ExternalAutoscaler == "" || !c.PendingKnown {
			t.Errorf("with an App Autoscaler that hangs: %+v, %v", c, err)
		}
		time.Sleep(10 * time.Minute)
		if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler != "" {
			t.Errorf("the rival is remembered after ten minutes: %+v, %v", c, err)
		}
		s.ClearFaults()
		s.Change(guid, func(a *cftest.App) { a.Policy = false })
		if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler != "" {
			t.Errorf("without a policy: %+v, %v", c, err)
		}
		s.Inject(platformtest.Fault{Path: "/v1/apps/*/policy", Status: 200, Body: "{}"})
		if _, err := inMemory(s, creds).Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), "the answer is not a policy") {
			t.Errorf("another answer: %v", err)
		}
	})
}

// Each grant gets a token, in time, and again once it is refused.
func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name  string
		app   cftest.App
		fault platformtest.Fault
		size  int
		limit int // 0: no LimitError
		busy  bool
		want  string
	}{
		{"deploying", cftest.App{Deploying: true}, platformtest.Fault{}, 3, 0, true, "422 Unprocessable Entity (CF-UnprocessableEntity): Cannot scale this process while a deployment is in flight: this ends with the deployment"},
		{"quota", cftest.App{Quota: 5}, platformtest.Fault{}, 9, 5, false, "app_instance_limit space_app_instance_limit_exceeded: lower Max, or have the quota"},
		{"above a lowered quota", cftest.App{Processes: map[string]int{"web": 5}, Quota: 3}, platformtest.Fault{}, 4, 0, false, "app_instance_limit space_app_instance_limit_exceeded"},
		{"memory", cftest.App{}, platformtest.Fault{Status: 422, Body: `{"errors":[{"code":10008,"title":"CF-UnprocessableEntity","detail":"memory quota_exceeded"}]}`}, 2, 1, false, "memory quota_exceeded"},
		{"another 422", cftest.App{}, platformtest.Fault{Status: 422, Body: `{"errors":[{"code":10008,"title":"CF-UnprocessableEntity","detail":"no"}]}`}, 2, 0, false, "CF-UnprocessableEntity): no"},
		{"forbidden", cftest.App{}, platformtest.Fault{Status: 403, Body: `{"errors":[{"code":10003,"title":"CF-NotAuthorized","detail":"no"}]}`}, 2, 0, false, "role Space Supporter"},
		{"disabled", cftest.App{}, platformtest.Fault{Status: 403, Body: `{"errors":[{"code":330002,"title":"CF-FeatureDisabled","detail":"Feature Disabled: app_scaling"}]}`}, 2, 0, false, "enable-feature-flag app_scaling"},
		{"another size", cftest.App{}, platformtest.Fault{Status: 202, Body: `{"guid":"g","type":"web","instances":7}`}, 2, 0, false, "the answer says that there are 7 instances"},
		{"negative", cftest.App{}, platformtest.Fault{}, -1, 0, false, "must not be negative"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, scaler := serve(t, tt.app)
			if tt.fault.Status != 0 {
				tt.fault.Method, tt.fault.Path = "POST", "/v3/apps/*/processes/web/actions/scale"
				s.Inject(tt.fault)
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
	s, scaler := serve(t, cftest.App{Deploying: true})
	if err := scaler.Scale(t.Context(), 1); err != nil || s.Count("POST", "/v3/apps/*/processes/web/actions/scale") != 0 {
		t.Errorf("the same size: %v", err)
	}
}

func TestAbsurdAnswers(t *testing.T) {
	s, scaler := serve(t, cftest.App{})
	for body, want := range map[string]string{
		`{"type":"web","instances":1}`:                     "no guid",
		`{"guid":"g","type":"worker","instances":1}`:       `process type "worker"`,
		`{"guid":"g","type":"web"}`:                        "no instances",
		`{"guid":"g","type":"web","instances":null}`:       "no instances",
		`{"guid":"g","type":"web","instances":-1}`:         "-1 instances",
		`{"guid":"g","type":"web","instances":1000000000}`: "1000000000 instances",
		`{"guid":"g","type":"web","instances":"1"}`:        "where the API has a int",
	} {
		s.Inject(platformtest.Fault{Path: "/v3/apps/*/processes/web", Status: 200, Body: body})
		if c, err := scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s became %+v, %v; want %q", body, c, err, want)
		}
	}
}

// The secret goes to the UAA that the API names only if that is safe.
func TestSelf(t *testing.T) {
	t.Setenv("VCAP_APPLICATION", `{"cf_api":"https://api.sys.example.com","application_id":"`+guid+`","process_type":"web","limits":{"mem":256}}`)
	t.Setenv("CF_INSTANCE_GUID", "i-1")
	if got, want := cloudfoundry.Self(), (cloudfoundry.Instance{API: "https://api.sys.example.com", App: guid, Process: "web", Instance: "i-1"}); got != want {
		t.Errorf("got %+v", got)
	}
	if err := cloudfoundry.NewClient(cftest.Credentials(), nil).Scaler(guid, "web").Validate(); err != nil {
		t.Error(err)
	}
	t.Setenv("VCAP_APPLICATION", `{`)
	if got, want := cloudfoundry.Self(), (cloudfoundry.Instance{Instance: "i-1"}); got != want {
		t.Errorf("got %+v", got)
	}
}

func TestSecrets(t *testing.T) {
	s := cftest.NewServer()
	defer s.Close()
	s.AddApp(cftest.App{Processes: map[string]int{"web": 1}})
	creds := cloudfoundry.Credentials{RefreshToken: cftest.RefreshToken}
	c := cloudfoundry.NewClient(creds, &platform.Options{BaseURL: s.URL, TokenName: cftest.RefreshToken})
	defer c.CloseIdleConnections()
	scaler := c.Scaler(guid, "web")
	if _, err := scaler.Capacity(t.Context()); err != nil {
		t.Fatal(err)
	}
	access, refresh := s.Tokens()
	secrets := []string{cftest.RefreshToken, cftest.ClientSecret, cftest.Password, access, refresh}
	s.Inject(platformtest.Fault{Times: -1, Status: 400, Body: fmt.Sprintf(`{"errors":[{"title":%q,"detail":%q}]}`, access, access+" "+refresh)})
	_, err := scaler.Capacity(t.Context())
	platformsuite.Hidden(t, secrets, c, *c, scaler, err, creds, &creds, cftest.Credentials(), cloudfoundry.Credentials{Username: "u", Password: cftest.Password}, c.Scaler(access, refresh))
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"guid":"g","type":"web","instances":3,"resources":[{"state":"RUNNING","routable":true,"status":{"value":"ACTIVE"}}]}`)
	f.Add(200, `{"guid":"g","type":"web","instances":3,"resources":null}`)
	f.Add(422, `{"errors":[{"detail":"memory quota_exceeded","title":"`+cftest.ClientSecret+`"}]}`)
	f.Add(422, `{"errors":[]}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 999 {
			t.Skip()
		}
		transport := exchanging{platformtest.Answer(status, body)}
		synctest.Test(t, func(t *testing.T) {
			scaler := cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: "http://127.0.0.1:1", Transport: transport}).Scaler(guid, "web")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			c, err := scaler.Capacity(ctx)
			if err == nil && (c.Desired < 0 || c.Pending < 0 || c.Pending > c.Desired || status/100 != 2) {
				t.Errorf("%d %q became %+v", status, body, c)
			}
			order := scaler.Scale(ctx, 7)
			for _, err := range []error{err, order} {
				if err != nil {
					platformsuite.Text(t, "error", err.Error(), cftest.ClientSecret, exchanged)
				}
			}
			var limit *autoscale.LimitError
			if errors.As(order, &limit) && (limit.Limit < 0 || limit.Limit >= 7) {
				t.Errorf("%d %q: the limit %d", status, body, limit.Limit)
			}
		})
	})
}

// What UAA and the API's root send is not trusted either.
