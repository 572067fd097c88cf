package clienttest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/option"
	run "google.golang.org/api/run/v2"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/cloudrun"
	"github.com/autoscalebot/autoscale/platform/cloudrun/cloudruntest"
)

// withToken presents the token of the fake.
type withToken struct{ next http.RoundTripper }

func (t withToken) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+cloudruntest.Token)
	return t.next.RoundTrip(req)
}

// The fake answers the client that Google generates from the API's description as it
// answers ours, and the requests of both are the same.
func TestCloudRunIsGooglesAPI(t *testing.T) {
	s := cloudruntest.NewServer()
	defer s.Close()
	s.Add(cloudruntest.Resource{Name: "web", Manual: true, Size: 2})
	s.Add(cloudruntest.Resource{Name: "auto", Min: 3})
	s.Add(cloudruntest.Resource{Name: "jobs", WorkerPool: true, Size: 1})
	ours, theirs := &recorder{to: s.URL}, &recorder{to: s.URL}
	client := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL, Transport: ours})
	service, err := run.NewService(t.Context(), option.WithEndpoint(s.URL), option.WithHTTPClient(&http.Client{Transport: withToken{theirs}}))
	if err != nil {
		t.Fatal(err)
	}
	const parent = "projects/" + cloudruntest.Project + "/locations/" + cloudruntest.Region
	services, pools := service.Projects.Locations.Services, service.Projects.Locations.WorkerPools

	if err := client.Scaler(cloudruntest.Project, cloudruntest.Region, "web").Scale(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if err := client.Scaler(cloudruntest.Project, cloudruntest.Region, "auto").SwitchToManual(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	if err := client.WorkerPool(cloudruntest.Project, cloudruntest.Region, "jobs").Scale(t.Context(), 5); err != nil {
		t.Fatal(err)
	}

	s.Add(cloudruntest.Resource{Name: "web", Manual: true, Size: 2})
	s.Add(cloudruntest.Resource{Name: "auto", Min: 3})
	s.Add(cloudruntest.Resource{Name: "jobs", WorkerPool: true, Size: 1})
	web, err := services.Get(parent + "/services/web").Do()
	if err != nil || web.Scaling.ScalingMode != "MANUAL" || web.Scaling.ManualInstanceCount != 2 || web.Etag == "" || web.Generation == 0 {
		t.Fatalf("%+v, %v", web, err)
	}
	if at, err := time.Parse(time.RFC3339Nano, web.UpdateTime); err != nil || time.Since(at) > time.Minute {
		t.Errorf("%s, %v", web.UpdateTime, err)
	}
	op, err := services.Patch(web.Name, &run.GoogleCloudRunV2Service{
		Etag: web.Etag, Scaling: &run.GoogleCloudRunV2ServiceScaling{ManualInstanceCount: 0, ForceSendFields: []string{"ManualInstanceCount"}},
	}).UpdateMask("scaling.manualInstanceCount").Do()
	if err != nil || op.Name == "" || op.Error != nil {
		t.Errorf("%+v, %v", op, err)
	}
	auto, err := services.Get(parent + "/services/auto").Do()
	if err != nil || auto.Scaling.ScalingMode != "AUTOMATIC" || auto.Scaling.MinInstanceCount != 3 {
		t.Fatalf("%+v, %v", auto, err)
	}
	if _, err := services.Patch(auto.Name, &run.GoogleCloudRunV2Service{
		Etag: auto.Etag, Scaling: &run.GoogleCloudRunV2ServiceScaling{ScalingMode: "MANUAL", ManualInstanceCount: 4},
	}).UpdateMask("scaling.manualInstanceCount,scaling.scalingMode").Do(); err != nil {
		t.Error(err)
	}
	jobs, err := pools.Get(parent + "/workerPools/jobs").Do()
	if err != nil || jobs.Scaling.ManualInstanceCount != 1 {
		t.Fatalf("%+v, %v", jobs, err)
	}
	if _, err := pools.Patch(jobs.Name, &run.GoogleCloudRunV2WorkerPool{
		Etag: jobs.Etag, Scaling: &run.GoogleCloudRunV2WorkerPoolScaling{ManualInstanceCount: 5},
	}).UpdateMask("scaling.manualInstanceCount").Do(); err != nil {
		t.Error(err)
	}

	if len(ours.requests) != 6 || len(theirs.requests) != 6 {
		t.Fatalf("%d and %d requests", len(ours.requests), len(theirs.requests))
	}
	for i, our := range ours.requests {
		their := theirs.requests[i]
		if our.Method != their.Method || our.URL.Path != their.URL.Path || our.URL.Query().Get("updateMask") != their.URL.Query().Get("updateMask") {
			t.Errorf("ours is %s %s, theirs is %s %s", our.Method, our.URL, their.Method, their.URL)
		}
		if our.Method == http.MethodPatch && sorted(t, ours.bodies[i]) != sorted(t, theirs.bodies[i]) {
			t.Errorf("ours is %s, theirs is %s", ours.bodies[i], theirs.bodies[i])
		}
	}
}

// Our default URL is that of the API's description.
func TestCloudRunURL(t *testing.T) {
	service, err := run.NewService(t.Context(), option.WithHTTPClient(http.DefaultClient))
	if err != nil || strings.TrimSuffix(service.BasePath, "/") != cloudrun.DefaultBaseURL {
		t.Errorf("%q, %v", service.BasePath, err)
	}
}
