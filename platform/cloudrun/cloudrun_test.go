package cloudrun_test

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
	"github.com/autoscalebot/autoscale/platform/cloudrun"
	"github.com/autoscalebot/autoscale/platform/cloudrun/cloudruntest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

func serve(t *testing.T, v cloudruntest.Resource) (*cloudruntest.Server, *cloudrun.Scaler) {
	v.Name = "web"
	s := cloudruntest.NewServer()
	t.Cleanup(s.Close)
	s.Add(v)
	c := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL, CallsPerHour: 100_000})
	t.Cleanup(c.CloseIdleConnections)
	if v.WorkerPool {
		return s, c.WorkerPool(cloudruntest.Project, cloudruntest.Region, "web")
	}
	return s, c.Scaler(cloudruntest.Project, cloudruntest.Region, "web")
}

func TestScaler(t *testing.T) {
	for name, v := range map[string]cloudruntest.Resource{"service": {Manual: true, Size: 1}, "worker pool": {WorkerPool: true, Size: 1}} {
		t.Run(name, func(t *testing.T) {
			s, scaler := serve(t, v)
			options := autoscaletest.ScalerOptions{
				Sizes: []int{2, 1, 3, 3, 0, 1},
				Fail: func(fail bool) {
					s.ClearFaults()
					if fail {
						s.Inject(platformtest.Fault{Times: -1, Status: 418})
					}
				},
				Busy: func(busy bool) {
					s.Change("web", func(v *cloudruntest.Resource) {
						if v.Racing = 0; busy {
							v.Racing = 1000
						}
					})
				},
			}
			if !v.WorkerPool {
				options.Rival = func(on bool) { s.Change("web", func(v *cloudruntest.Resource) { v.Manual = !on }) }
			}
			autoscaletest.Scaler(t, scaler, options)
		})
	}
}

func TestFaults(t *testing.T) {
	s, _ := serve(t, cloudruntest.Resource{Manual: true, Size: 1})
	platformsuite.Faults(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		c := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL, Transport: rt})
		return c.Scaler(cloudruntest.Project, cloudruntest.Region, "web")
	}, cloudruntest.Token)
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	_, scaler := serve(t, cloudruntest.Resource{Manual: true, Size: 1})
	platformsuite.Waits(t, scaler)
}

// An autoscaler knows its own orders, whatever becomes of the calls.
func TestChaos(t *testing.T) {
	s, _ := serve(t, cloudruntest.Resource{Manual: true, Size: 2})
	platformsuite.Chaos(t, s.Server, func(rt http.RoundTripper) autoscale.Scaler {
		return cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL, Transport: rt}).Scaler(cloudruntest.Project, cloudruntest.Region, "web")
	}, func() int { return s.Size("web") })
}

// What Cloud Run says is what Capacity returns.
func TestCapacity(t *testing.T) {
	const rival = "Cloud Run's automatic scaling, which `gcloud run services update web --scaling N` switches to manual"
	for _, tt := range []struct {
		name     string
		resource cloudruntest.Resource
		want     autoscale.Capacity
	}{
		{"a service", cloudruntest.Resource{Manual: true, Size: 3}, autoscale.Capacity{Desired: 3}},
		{"a disabled service", cloudruntest.Resource{Manual: true}, autoscale.Capacity{}},
		{"a worker pool", cloudruntest.Resource{WorkerPool: true, Size: 2}, autoscale.Capacity{Desired: 2}},
		{"automatic", cloudruntest.Resource{}, autoscale.Capacity{Desired: 1, ExternalAutoscaler: rival}},
		{"automatic, with a minimum", cloudruntest.Resource{Min: 4}, autoscale.Capacity{Desired: 4, ExternalAutoscaler: rival}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, scaler := serve(t, tt.resource)
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

// Scale never changes the mode. SwitchToManual does, when it is asked to.
func TestMode(t *testing.T) {
	s, scaler := serve(t, cloudruntest.Resource{Min: 2})
	err := scaler.Scale(t.Context(), 3)
	if err == nil || !strings.Contains(err.Error(), "the scaling mode is automatic") || s.Count("PATCH", "/v2/projects/*/locations/*/services/*") != 0 {
		t.Errorf("in automatic mode: %v", err)
	}
	if err := scaler.SwitchToManual(t.Context(), 3); err != nil || s.Size("web") != 3 {
		t.Errorf("%v, size %d", err, s.Size("web"))
	}
	for _, order := range []func(context.Context, int) error{scaler.Scale, scaler.SwitchToManual} {
		if err := order(t.Context(), 5); err != nil || s.Size("web") != 5 {
			t.Errorf("%v, size %d", err, s.Size("web"))
		}
	}
	last := s.Requests()[len(s.Requests())-2] // an order of the size that it has is not sent
	if !strings.HasSuffix(last.Path, "?updateMask=scaling.manualInstanceCount") {
		t.Errorf("in manual mode the mask is %s", last.Path)
	}
}

// An order is not carried out if somebody else changed the service since it was read.
func TestCompareAndSwap(t *testing.T) {
	s, scaler := serve(t, cloudruntest.Resource{Manual: true, Size: 1, Racing: 1})
	err := scaler.Scale(t.Context(), 3)
	var busy *autoscale.BusyError
	if !errors.As(err, &busy) || s.Size("web") != 1 || !strings.Contains(err.Error(), "somebody else changed it") {
		t.Errorf("%v, size %d", err, s.Size("web"))
	}
	if err := scaler.Scale(t.Context(), 3); err != nil || s.Size("web") != 3 {
		t.Errorf("%v, size %d", err, s.Size("web"))
	}
}

// An answer that lacks what it must have is an error and not a size.
func TestAbsurdAnswers(t *testing.T) {
	s, scaler := serve(t, cloudruntest.Resource{Manual: true, Size: 1})
	_, pool := serve(t, cloudruntest.Resource{WorkerPool: true})
	of := func(kind, rest string) string {
		return `{"name":"projects/123/locations/europe-west1/` + kind + `/web"` + rest + `}`
	}
	for _, tt := range []struct {
		pool       bool
		body, want string
	}{
		{false, `{}`, `about ""`},
		{false, `{"name":"projects/a/locations/europe-west1/services/other","etag":"x"}`, "and not about this service"},
		{false, of("services", ``), "no etag"},
		{false, of("services", `,"etag":"x","deleteTime":"2026-01-02T03:04:05Z"`), "is being deleted"},
		{false, of("services", `,"etag":"x","scaling":{"scalingMode":"MANUAL"}`), "no manualInstanceCount"},
		{false, of("services", `,"etag":"x","scaling":{"scalingMode":"MANUAL","manualInstanceCount":null}`), "no manualInstanceCount"},
		{false, of("services", `,"etag":"x","scaling":{"scalingMode":"MANUAL","manualInstanceCount":-1}`), "manualInstanceCount -1"},
		{false, of("services", `,"etag":"x","scaling":{"scalingMode":"MANUAL","manualInstanceCount":"1"}`), "where the API has a int"},
		{false, of("services", `,"etag":"x","scaling":{"scalingMode":"PREDICTIVE","manualInstanceCount":1}`), `scaling mode is "PREDICTIVE"`},
		{false, of("services", `,"etag":"x","scaling":{"minInstanceCount":-1}`), "minInstanceCount -1"},
		{true, of("workerPools", `,"etag":"x"`), "no manualInstanceCount: set it once, by `gcloud run worker-pools update web --scaling N`"},
	} {
		server, scaled := s, scaler
		if tt.pool {
			s := cloudruntest.NewServer()
			defer s.Close()
			server = s
			c := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL})
			scaled = c.WorkerPool(cloudruntest.Project, cloudruntest.Region, "web")
		}
		server.Inject(platformtest.Fault{Status: 200, Body: tt.body})
		if c, err := scaled.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s became %+v, %v; want %q", tt.body, c, err, tt.want)
		}
	}
	// The project's number stands for its id, and no mode is the automatic one.
	s.Inject(platformtest.Fault{Status: 200, Body: of("services", `,"etag":"x"`)})
	if c, err := scaler.Capacity(t.Context()); err != nil || c.ExternalAutoscaler == "" {
		t.Errorf("%+v, %v", c, err)
	}
	for body, want := range map[string]string{
		`{}`: "the answer has no name",
		`{"name":"o","done":true,"error":{"code":8,"message":"quota"}}`: "scale to 3: service \"web\" of \"cloudruntest\" in \"europe-west1\": status 200 (code 8): quota",
	} {
		s.Inject(platformtest.Fault{Method: "PATCH", Status: 200, Body: body})
		if err := scaler.Scale(t.Context(), 3); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s became %v; want %q", body, err, want)
		}
	}
	if _, err := pool.Capacity(t.Context()); err != nil {
		t.Error(err)
	}
}

// What was given wrongly is reported, all at once, before anything is sent.
func TestValidate(t *testing.T) {
	c := cloudrun.NewClient(nil, &platform.Options{BaseURL: "http://example.com", CallsPerHour: -1})
	err := c.Scaler("A", "eu", "../web").Validate()
	for _, want := range []string{"BaseURL is http", "CallsPerHour is -1", `project "A"`, `region "eu"`, `service "../web"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if err := cloudrun.NewClient(nil, nil).WorkerPool("my-project", "europe-west1", "").Validate(); err == nil || !strings.Contains(err.Error(), `worker pool ""`) {
		t.Error(err)
	}
	for _, project := range []string{"my-project", "123456789012", "example.com:my-project"} {
		if err := cloudrun.NewClient(nil, nil).Scaler(project, "northamerica-northeast1", "w").Validate(); err != nil {
			t.Error(err)
		}
	}
}

// A token is fetched once, again before its end, and once more if it is refused.
func TestToken(t *testing.T) {
	s := cloudruntest.NewServer()
	defer s.Close()
	s.Add(cloudruntest.Resource{Name: "web", Manual: true, Size: 1})
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		var fail error
		c := cloudrun.NewClient(func(context.Context) (string, time.Time, error) {
			fetched++
			return cloudruntest.Token, time.Now().Add(time.Hour), fail
		}, &platform.Options{BaseURL: s.URL, Transport: s.Transport()})
		scaler := c.Scaler(cloudruntest.Project, cloudruntest.Region, "web")
		for range 3 {
			if _, err := scaler.Capacity(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if fetched != 1 {
			t.Errorf("fetched %d times", fetched)
		}
		time.Sleep(58 * time.Minute)
		fail = errors.New("no token for " + cloudruntest.Token)
		if _, err := scaler.Capacity(t.Context()); err != nil || fetched != 2 {
			t.Errorf("with a token that is still good: %v, fetched %d times", err, fetched)
		}
		time.Sleep(3 * time.Minute)
		_, err := scaler.Capacity(t.Context())
		if err == nil || fetched != 3 || !strings.Contains(err.Error(), "no token for [redacted]") {
			t.Errorf("%v, fetched %d times", err, fetched)
		}
	})
}

// Neither a Client nor its errors show the token.
func TestSecrets(t *testing.T) {
	leaky := roundTripper(func(req *http.Request) (*http.Response, error) {
		return nil, errors.New("sending " + req.Header.Get("Authorization"))
	})
	const secret = "zqx-not-of-the-usual-form"
	c := cloudrun.NewClient(func(context.Context) (string, time.Time, error) { return secret, time.Time{}, nil }, &platform.Options{Transport: leaky})
	s := c.Scaler(cloudruntest.Project, cloudruntest.Region, "web")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.Capacity(ctx)
	if err == nil || !strings.Contains(err.Error(), "sending Bearer [redacted]") {
		t.Error(err)
	}
	platformsuite.Hidden(t, []string{secret}, c, *c, s, err)
	swapped := c.Scaler(cloudruntest.Token, cloudruntest.Token, cloudruntest.Token)
	platformsuite.Hidden(t, []string{cloudruntest.Token}, swapped, swapped.Validate())
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// Whatever Google answers, Capacity returns a size within reason or an error, and does not
// panic.
func FuzzCapacity(f *testing.F) {
	for _, seed := range []string{
		`{"name":"projects/1/locations/europe-west1/services/web","etag":"x","updateTime":"2026-01-02T03:04:05Z","scaling":{"scalingMode":"MANUAL","manualInstanceCount":2}}`,
		`{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}`, `null`,
	} {
		f.Add(200, seed)
		f.Add(400, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		if status < 200 || status > 499 || status == 429 {
			return
		}
		c := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: "http://127.0.0.1", Transport: platformtest.Answer(status, body)})
		got, err := c.Scaler(cloudruntest.Project, cloudruntest.Region, "web").Capacity(t.Context())
		if err == nil && (status/100 != 2 || got.Desired < 0) || err != nil && got != (autoscale.Capacity{}) {
			t.Errorf("%d %q became %+v, %v", status, body, got, err)
		}
		if err != nil {
			platformsuite.Text(t, "the error", err.Error())
		}
	})
}
