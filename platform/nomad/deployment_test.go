package nomad_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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
		if err := bubble(s).Scale(t.Context(), 3); !errors.As(err, &busy) || !busy.Unsure {
			t.Errorf("%v (%+v)", err, busy)
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

// An Autoscaler waits for the deployments that its own orders begin, and takes neither them
// nor its orders for somebody else's.
func TestAutoscalerOnNomad(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	synctest.Test(t, func(t *testing.T) {
		j := shop(nomadtest.Group{Count: 1, Start: 50 * time.Second, Scaling: &nomadtest.Scaling{Min: 1, Max: 4}})
		j.MinHealthyTime = 10 * time.Second
		s.AddJob(j)
		latency := 5 * time.Second
		var orders []int
		a := autoscale.New(autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				return autoscale.Sample{Time: time.Now(), Signals: autoscale.SignalLatency, Latency: latency}, nil
			}),
			Decider: autoscale.Consecutive{}, Scaler: bubble(s), Max: autoscale.Fixed(6), Logger: slog.New(slog.DiscardHandler),
			Observe: func(e autoscale.Event) {
				switch e.Kind {
				case autoscale.Scaled:
					orders = append(orders, e.To)
				case autoscale.Probed, autoscale.Decided, autoscale.LeaderChanged, autoscale.LimitReached, autoscale.NeedsAboveMax, autoscale.NeedsBelowMin:
				default:
					t.Errorf("%v: %+v", e.Kind, e)
				}
			},
		})
		ticks := func(n int) {
			for range n {
				if _, err := a.Tick(t.Context(), time.Now()); err != nil {
					t.Error(err)
				}
				time.Sleep(30 * time.Second)
			}
		}
		ticks(40)
		if want := []int{2, 3, 4}; !slices.Equal(orders, want) || s.Orders("shop") != 4 {
			t.Errorf("orders of %v, want %v, by %d requests", orders, want, s.Orders("shop"))
		}
		if st := a.Status(); st.Capacity.Desired != 4 || st.Capacity.Ready() != 4 {
			t.Errorf("%+v", st.Capacity)
		}
		latency = time.Millisecond
		ticks(40)
		if n := s.Count("", "shop", "web"); n != 1 {
			t.Errorf("%d allocations are left, after orders of %v", n, orders)
		}
	})
}
