package nomad_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/nomad"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// An order begins a deployment, which ends when the new allocations are healthy. The old
// ones do not count as pending meanwhile, although Nomad forgets their health.
func TestOrderIsADeployment(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	synctest.Test(t, func(t *testing.T) {
		j := shop(nomadtest.Group{Count: 2, Start: 20 * time.Second})
		j.MinHealthyTime = 10 * time.Second
		s.AddJob(j)
		scaler := bubble(s)
		sees := func(want autoscale.Capacity) {
			t.Helper()
			got, err := scaler.Capacity(t.Context())
			got.Changed = time.Time{}
			if err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		}
		sees(autoscale.Capacity{Desired: 2, PendingKnown: true})
		if err := scaler.Scale(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		sees(autoscale.Capacity{Desired: 4, Pending: 2, PendingKnown: true, Deploying: true})
		time.Sleep(25 * time.Second)
		sees(autoscale.Capacity{Desired: 4, Deploying: true})
		var busy *autoscale.BusyError
		if err := scaler.Scale(t.Context(), 5); !errors.As(err, &busy) || !strings.Contains(err.Error(), "nomad deployment promote") {
			t.Errorf("during the deployment: %v", err)
		}
		time.Sleep(5 * time.Second)
		sees(autoscale.Capacity{Desired: 4, PendingKnown: true})
		if err := scaler.Scale(t.Context(), 1); err != nil {
			t.Error(err)
		}
		sees(autoscale.Capacity{Desired: 1, Deploying: true})
	})
}

// An order whose answer was lost begins a deployment that refuses the next try. That is not
// somebody else's deployment.
func TestLostAnswer(t *testing.T) {
	for name, f := range map[string]platformtest.Fault{
		"reset":     {Method: "PUT", Apply: true, Reset: true},
		"truncated": {Method: "PUT", Apply: true, Truncate: true},
		"502":       {Method: "PUT", Apply: true, Status: 502},
		"hang":      {Method: "PUT", Apply: true, Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := nomadtest.NewServer()
			defer s.Close()
			synctest.Test(t, func(t *testing.T) {
				j := shop(nomadtest.Group{Count: 1})
				j.MinHealthyTime = time.Minute
				s.AddJob(j)
				s.Inject(f)
				if err := bubble(s).Scale(t.Context(), 3); err != nil || s.Orders("shop") != 2 || s.Count("", "shop", "web") != 3 {
					t.Errorf("%v, after %d orders, of %d", err, s.Orders("shop"), s.Count("", "shop", "web"))
				}
			})
		})
	}
	// A deployment of somebody else that began meanwhile is one.
	s := nomadtest.NewServer()
	defer s.Close()
	synctest.Test(t, func(t *testing.T) {
		j := shop(nomadtest.Group{Count: 1})
		j.Deploying = true
		s.AddJob(j)
		s.Inject(platformtest.Fault{Method: "PUT", Reset: true})
		var busy *autoscale.BusyError
		if err := bubble(s).Scale(t.Context(), 3); !errors.As(err, &busy) {
			t.Error(err)
		}
	})
}

// A deployment of another group blocks the orders of this one.
func TestGroupsOfOneJob(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	s.AddJob(nomadtest.Job{ID: "shop", MinHealthyTime: time.Hour, Groups: map[string]nomadtest.Group{"web": {Count: 2}, "worker": {Count: 5}}})
	c := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL})
	defer c.CloseIdleConnections()
	if err := c.Scaler(nomad.Group{Job: "shop", Name: "worker"}).Scale(t.Context(), 6); err != nil {
		t.Fatal(err)
	}
	var busy *autoscale.BusyError
	if err := c.Scaler(web).Scale(t.Context(), 3); !errors.As(err, &busy) {
		t.Error(err)
	}
	if n := len(s.Requests()); n != 6 {
		t.Errorf("the two orders were %d calls", n)
	}
	if got, err := c.Scaler(web).Capacity(t.Context()); err != nil || !got.Deploying {
		t.Errorf("%+v, %v", got, err)
	}
}

// What Capacity can do without does not make it fail: it takes at most half of the time.
func TestDeploymentCannotBeRead(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	for _, f := range []platformtest.Fault{
		{Path: "/v1/job/*/deployment", Times: -1, Status: 403},
		{Path: "/v1/job/*/deployment", Times: -1, Hang: true},
		{Path: "/v1/job/*/deployment", Times: -1, Status: 500},
		{Path: "/v1/job/*/deployment", Times: -1, Status: 200, Body: `{"JobID":"shop","JobCreateIndex":999,"Status":"running"}`}, // of the job before it was purged
	} {
		synctest.Test(t, func(t *testing.T) {
			s.AddJob(shop(nomadtest.Group{Count: 2}))
			s.ClearFaults()
			s.Inject(f)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			start, before := time.Now(), s.Server.Count("GET", f.Path)
			c, err := bubble(s).Capacity(ctx)
			if n := s.Server.Count("GET", f.Path) - before; n != 1 {
				t.Errorf("%+v: asked %d times", f, n)
			}
			if took := time.Since(start); err != nil || c.Desired != 2 || c.Deploying || took > 5*time.Second {
				t.Errorf("%+v: %+v, %v, in %v", f, c, err, took)
			}
		})
	}
}
