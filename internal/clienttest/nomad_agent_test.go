package clienttest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
)

// What the Scaler relies on holds for the fake, and for a real agent if
// AUTOSCALE_TEST_NOMAD has its address, as http://127.0.0.1:4646 of `nomad agent -dev`.
// The job runs `sleep` by raw_exec.
func TestNomadAgent(t *testing.T) {
	group := nomad.Group{Job: fmt.Sprintf("autoscale/test-%d", os.Getpid()), Name: "web"}
	t.Run("fake", func(t *testing.T) {
		s := nomadtest.NewServer()
		defer s.Close()
		synctest.Test(t, func(t *testing.T) {
			s.AddJob(nomadtest.Job{ID: group.Job, MinHealthyTime: time.Second, Groups: map[string]nomadtest.Group{
				"web": {Count: 1, Start: time.Second, Scaling: &nomadtest.Scaling{Min: 1, Max: 4}},
			}})
			testAgent(t, group, s.URL, nomadtest.Token, s.Transport())
		})
	})
	address := os.Getenv("AUTOSCALE_TEST_NOMAD")
	if address == "" {
		return // the fake is what the other tests stand on
	}
	t.Run("real", func(t *testing.T) {
		token := os.Getenv("NOMAD_TOKEN")
		client, err := api.NewClient(&api.Config{Address: address, SecretID: token})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		register(t, client, group)
		testAgent(t, group, address, token, http.DefaultTransport)
	})
}

// register runs a job until the test ends.
func register(t *testing.T, client *api.Client, group nomad.Group) {
	count, low, high, healthy, check := 1, int64(1), int64(4), time.Second, "task_states"
	job := api.NewServiceJob(group.Job, group.Job, "global", 50)
	job.Datacenters = []string{"*"}
	task := api.NewTask("app", "raw_exec").SetConfig("command", "sleep").SetConfig("args", []string{"3600"})
	g := api.NewTaskGroup(group.Name, count).AddTask(task)
	g.Scaling = &api.ScalingPolicy{Min: &low, Max: &high}
	g.Update = &api.UpdateStrategy{MinHealthyTime: &healthy, HealthCheck: &check}
	job.AddTaskGroup(g)
	if _, _, err := client.Jobs().Register(job, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, _, err := client.Jobs().Deregister(group.Job, true, nil); err != nil {
			t.Error(err)
		}
	})
}

// testAgent scales a group from 1 to 3 and back. Its scaling block permits 1 to 4.
func testAgent(t *testing.T, group nomad.Group, address, token string, transport http.RoundTripper) {
	scaler := nomad.NewClient(token, &platform.Options{BaseURL: address, Transport: transport, CallsPerHour: 100_000}).Scaler(group)
	client, err := api.NewClient(&api.Config{Address: address, SecretID: token, HttpClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var last autoscale.Capacity
	until := func(what string, is func(autoscale.Capacity) bool) {
		t.Helper()
		for {
			c, err := scaler.Capacity(ctx)
			if err != nil {
				t.Fatalf("%s: %v, after %+v", what, err, last)
			}
			if is(c) {
				return
			}
			last = c
			time.Sleep(20 * time.Millisecond)
		}
	}
	settled := func(size int) func(autoscale.Capacity) bool {
		return func(c autoscale.Capacity) bool {
			return c.Desired == size && c.Pending == 0 && c.PendingKnown && !c.Deploying
		}
	}
	until("the job runs", settled(1))

	before := time.Now()
	if err := scaler.Scale(ctx, 3); err != nil {
		t.Fatal(err)
	}
	until("the order begins a deployment", func(c autoscale.Capacity) bool { return c.Deploying && c.Desired == 3 })
	var busy *autoscale.BusyError
	if err := scaler.Scale(ctx, 4); !errors.As(err, &busy) {
		t.Errorf("during the deployment: %v", err)
	}
	until("the order is carried out", settled(3))
	if c, err := scaler.Capacity(ctx); err != nil || c.Changed.Before(before.Add(-time.Minute)) || c.Ready() != 3 || c.ExternalAutoscaler != "" || c.Maintenance {
		t.Errorf("%+v, %v", c, err)
	}
	status, _, err := client.Jobs().ScaleStatus(group.Job, nil)
	if err != nil || len(status.TaskGroups[group.Name].Events) != 1 || status.TaskGroups[group.Name].Events[0].Message != "ordered by autoscale" {
		t.Errorf("%+v, %v", status, err)
	}

	var limit *autoscale.LimitError
	if err := scaler.Scale(ctx, 9); !errors.As(err, &limit) || limit.Limit != 4 {
		t.Errorf("above the max: %v", err)
	}
	if err := scaler.Scale(ctx, 0); err == nil || errors.As(err, &busy) || !strings.Contains(err.Error(), "raise Min") {
		t.Errorf("below the min: %v", err)
	}
	if err := scaler.Scale(ctx, 3); err != nil {
		t.Errorf("the size that it has: %v", err)
	}

	if err := scaler.Scale(ctx, 1); err != nil {
		t.Fatal(err)
	}
	until("the order is carried out", settled(1))
	list, _, err := client.Jobs().Allocations(group.Job, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, a := range list {
		if a.DesiredStatus == "run" {
			left = append(left, a.Name)
		}
	}
	if want := group.Job + ".web[0]"; len(left) != 1 || left[0] != want {
		t.Errorf("left are %q, want %q", left, want)
	}
	wrong := nomad.NewClient(token, &platform.Options{BaseURL: address, Transport: transport}).Scaler(nomad.Group{Job: group.Job + "x", Name: "web"})
	if _, err := wrong.Capacity(ctx); err == nil || !strings.Contains(err.Error(), "404 Not Found: job not found") {
		t.Errorf("a job that there is not: %v", err)
	}
}
