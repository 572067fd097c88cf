package clienttest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
)

// The fake answers Nomad's own client as it answers ours, refusals included.
func TestNomadFakeAnswersNomadsClient(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	s.AddJob(nomadtest.Job{ID: "team/shop", Namespace: "production", Groups: map[string]nomadtest.Group{
		"web":    {Count: 2, Unhealthy: 1, Scaling: &nomadtest.Scaling{Min: 1, Max: 9, Policy: true}},
		"worker": {Count: 3, Room: 1, Quota: "team"},
	}})
	client, err := api.NewClient(&api.Config{Address: s.URL, SecretID: nomadtest.Token, Namespace: "production"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()

	job, _, err := client.Jobs().Info("team/shop", nil)
	if err != nil || *job.ID != "team/shop" || *job.Type != "service" || *job.Stop || len(job.TaskGroups) != 2 || time.Since(time.Unix(0, *job.SubmitTime)) > time.Minute {
		t.Fatalf("%+v, %v", job, err)
	}
	web := job.TaskGroups[0]
	if *web.Name != "web" || *web.Count != 2 || *web.Scaling.Min != 1 || *web.Scaling.Max != 9 || !*web.Scaling.Enabled || len(web.Scaling.Policy) == 0 || job.TaskGroups[1].Scaling != nil {
		t.Errorf("%+v", web)
	}
	status, _, err := client.Jobs().ScaleStatus("team/shop", nil)
	if err != nil || status.JobID != "team/shop" || status.JobModifyIndex != *job.ModifyIndex || status.JobCreateIndex != *job.CreateIndex {
		t.Fatalf("%+v, %v", status, err)
	}
	if g := status.TaskGroups["web"]; g.Desired != 2 || g.Placed != 2 || g.Running != 2 || g.Healthy != 1 || g.Unhealthy != 1 || len(g.Events) != 0 {
		t.Errorf("%+v", g)
	}
	if d, _, err := client.Jobs().LatestDeployment("team/shop", nil); err != nil || d != nil {
		t.Errorf("%+v, %v", d, err)
	}
	evaluations, _, err := client.Jobs().Evaluations("team/shop", nil)
	if err != nil || len(evaluations) != 3 {
		t.Fatalf("%+v, %v", evaluations, err)
	}
	if e := evaluations[2]; e.Status != "blocked" || e.QuotaLimitReached != "team" || e.FailedTGAllocs["worker"].DimensionExhausted["memory"] != 2 || e.FailedTGAllocs["web"] != nil {
		t.Errorf("%+v", e)
	}

	four := 4
	ordered, _, err := client.Jobs().Scale("team/shop", "web", &four, "by hand", false, map[string]any{"by": "me"}, nil)
	if err != nil || ordered.JobModifyIndex <= *job.ModifyIndex || ordered.EvalID == "" {
		t.Fatalf("%+v, %v", ordered, err)
	}
	if status, _, err = client.Jobs().ScaleStatus("team/shop", nil); err != nil || status.JobModifyIndex != ordered.JobModifyIndex {
		t.Fatalf("%+v, %v", status, err)
	}
	if g := status.TaskGroups["web"]; g.Desired != 4 || len(g.Events) != 1 || *g.Events[0].Count != 4 || g.Events[0].PreviousCount != 2 ||
		g.Events[0].Message != "by hand" || g.Events[0].Meta["by"] != "me" || time.Since(time.Unix(0, int64(g.Events[0].Time))) > time.Minute {
		t.Errorf("%+v", g)
	}
	d, _, err := client.Jobs().LatestDeployment("team/shop", nil)
	if err != nil || d.Status != api.DeploymentStatusSuccessful || d.JobCreateIndex != *job.CreateIndex || d.TaskGroups["web"].DesiredTotal != 4 {
		t.Errorf("%+v, %v", d, err)
	}

	refused := func(name string, count int, status int, words string) {
		t.Helper()
		_, _, err := client.Jobs().Scale("team/shop", name, &count, "", false, nil, nil)
		var e api.UnexpectedResponseError
		if !errors.As(err, &e) || e.StatusCode() != status || !strings.Contains(e.Body(), words) {
			t.Errorf("%s to %d: %v", name, count, err)
		}
	}
	refused("web", 10, 400, "greater than scaling policy maximum: 10 > 9")
	refused("web", 0, 400, "less than scaling policy minimum: 0 < 1")
	refused("wep", 1, 400, "does not exist in job")
	refused("worker", -1, 400, "can't be negative")
	s.SetJobMaxCount(8)
	refused("worker", 5, 500, "job_max_count: 9 > 8")
	s.Change("production", "team/shop", func(j *nomadtest.Job) { j.Deploying = true })
	refused("web", 5, 400, "job scaling blocked due to active deployment")
	if d, _, err := client.Jobs().LatestDeployment("team/shop", nil); err != nil || d.Status != api.DeploymentStatusRunning {
		t.Errorf("%+v, %v", d, err)
	}
	client.SetNamespace("default")
	var e api.UnexpectedResponseError
	if _, _, err := client.Jobs().ScaleStatus("team/shop", nil); !errors.As(err, &e) || e.StatusCode() != 404 || e.Body() != "job not found" {
		t.Errorf("another namespace: %v", err)
	}
	client.SetSecretID("")
	if _, _, err := client.Jobs().ScaleStatus("team/shop", nil); !errors.As(err, &e) || e.StatusCode() != 403 || e.Body() != "Permission denied" {
		t.Errorf("without a token: %v", err)
	}
}

// The objects of the fake have no field that Nomad's types lack.
func TestNomadFakeHasNomadsTypes(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	s.AddJob(nomadtest.Job{ID: "shop", MinHealthyTime: time.Hour, Groups: map[string]nomadtest.Group{"web": {Count: 2, Room: 2, Scaling: &nomadtest.Scaling{Max: 9, Policy: true}}}})
	body := func(method, path, body string) []byte {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Nomad-Token", nomadtest.Token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s, %v", path, res.StatusCode, text, err)
		}
		return text
	}
	fits := func(method, path, send string, into any) {
		t.Helper()
		text := body(method, path, send)
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(into); err != nil {
			t.Errorf("%s %s: %v: %s", method, path, err, text)
		}
	}
	fits("GET", "/v1/job/shop", "", new(api.Job))
	fits("PUT", "/v1/job/shop/scale", `{"Count":3,"Target":{"Group":"web"}}`, new(struct {
		api.JobRegisterResponse
		Index     uint64 // Nomad sends its QueryMeta, whose names the client does not read
		NextToken string
	}))
	fits("GET", "/v1/job/shop/scale", "", new(api.JobScaleStatusResponse))
	fits("GET", "/v1/job/shop/deployment", "", new(api.Deployment))
	fits("GET", "/v1/job/shop/evaluations", "", new([]api.Evaluation))
	fits("GET", "/v1/job/shop/allocations", "", new([]api.AllocationListStub))
}

// Our requests are those of Nomad's client.
func TestNomadRequestsAreNomads(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	group := nomad.Group{Job: "team/100%", Name: "the web", Namespace: "production", Region: "eu"}
	add := func() {
		s.AddJob(nomadtest.Job{ID: group.Job, Namespace: group.Namespace, Groups: map[string]nomadtest.Group{group.Name: {Count: 1, Room: 1}}})
	}
	add()
	ours, theirs := &recorder{to: s.URL}, &recorder{to: s.URL}
	scaler := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL, Transport: ours}).Scaler(group)
	if err := scaler.Scale(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := scaler.Capacity(t.Context()); err != nil {
		t.Fatal(err)
	}

	add()
	client, err := api.NewClient(&api.Config{Address: s.URL, SecretID: nomadtest.Token, Namespace: group.Namespace, Region: group.Region, HttpClient: &http.Client{Transport: theirs}})
	if err != nil {
		t.Fatal(err)
	}
	jobs, three := client.Jobs(), int64(3)
	steps := []func() error{
		func() error { _, _, err := jobs.ScaleStatus(group.Job, nil); return err },
		func() error { _, _, err := jobs.Info(group.Job, nil); return err },
		func() error {
			_, _, err := jobs.ScaleWithRequest(group.Job, &api.ScalingRequest{Count: &three, Target: map[string]string{"Group": group.Name}, Message: "ordered by autoscale"}, nil)
			return err
		},
		func() error { _, _, err := jobs.ScaleStatus(group.Job, nil); return err },
		func() error { _, _, err := jobs.Info(group.Job, nil); return err },
		func() error { _, _, err := jobs.LatestDeployment(group.Job, nil); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if len(ours.requests) != len(theirs.requests) {
		t.Fatalf("we sent %d requests, Nomad's client %d", len(ours.requests), len(theirs.requests))
	}
	for i, a := range ours.requests {
		b := theirs.requests[i]
		if a.Method != b.Method || a.URL.String() != b.URL.String() || a.Header.Get("X-Nomad-Token") != b.Header.Get("X-Nomad-Token") {
			t.Errorf("we sent %s %s, Nomad's client %s %s", a.Method, a.URL, b.Method, b.URL)
		}
		if a.Method == http.MethodPut {
			var mine, his api.ScalingRequest
			if json.Unmarshal([]byte(ours.bodies[i]), &mine) != nil || json.Unmarshal([]byte(theirs.bodies[i]), &his) != nil ||
				*mine.Count != *his.Count || mine.Target["Group"] != his.Target["Group"] || mine.Message != his.Message {
				t.Errorf("we sent %s, Nomad's client %s", ours.bodies[i], theirs.bodies[i])
			}
		}
	}
}
