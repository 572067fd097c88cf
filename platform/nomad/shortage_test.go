package nomad_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// What keeps allocations from being placed becomes a limit: a quota after a minute, nodes
// without room after ten. It ends when another one is placed.
func TestShortage(t *testing.T) {
	for _, tt := range []struct {
		name, quota string
		after       time.Duration
		why         string
	}{
		{"nodes", "", 10 * time.Minute, "3 of 6 allocations cannot be placed: 3 nodes evaluated, 1 excluded by constraints, 2 without room (memory on 2): add nodes, or lower Max"},
		{"quota", "team", time.Minute, `3 of 6 allocations cannot be placed: the quota "team" is reached: raise it`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := nomadtest.NewServer()
			defer s.Close()
			synctest.Test(t, func(t *testing.T) {
				s.AddJob(shop(nomadtest.Group{Count: 2, Room: 3, Quota: tt.quota}))
				scaler := bubble(s)
				ticks := func(d time.Duration) {
					t.Helper()
					for end := time.Now().Add(d); ; time.Sleep(30 * time.Second) {
						if c, err := scaler.Capacity(t.Context()); err != nil || c.Ready() > 3 && !c.Deploying {
							t.Fatalf("%+v, %v", c, err)
						}
						if !time.Now().Before(end) {
							return
						}
					}
				}
				ticks(0)
				if err := scaler.Scale(t.Context(), 6); err != nil {
					t.Fatal(err)
				}
				var limit *autoscale.LimitError
				ticks(tt.after - 30*time.Second)
				if err := scaler.Scale(t.Context(), 7); errors.As(err, &limit) {
					t.Errorf("%v before its time: %v", 30*time.Second, err)
				}
				ticks(time.Minute)
				orders := s.Orders("shop")
				err := scaler.Scale(t.Context(), 9)
				if !errors.As(err, &limit) || limit.Limit != 3 || limit.Size != 9 || limit.Guessed || limit.RetryAfter <= 0 || limit.RetryAfter > 5*time.Minute || !strings.Contains(err.Error(), tt.why) || s.Orders("shop") != orders {
					t.Errorf("%v (%+v), after %d orders", err, limit, s.Orders("shop")-orders)
				}
				if n := s.Count("", "shop", "web"); n != 6 {
					t.Fatalf("the count is %d", n)
				}
				// A smaller size needs no room.
				if err := scaler.Scale(t.Context(), 5); errors.As(err, &limit) {
					t.Error(err)
				}
				s.Change("", "shop", func(j *nomadtest.Job) { j.Groups["web"] = nomadtest.Group{Count: 6, Room: 4, Quota: tt.quota} })
				ticks(0)
				if err := scaler.Scale(t.Context(), 9); errors.As(err, &limit) {
					t.Errorf("after one more was placed: %v", err)
				}
			})
		})
	}
}

// Where no node is eligible, the limit is one allocation, and not none. An evaluation that
// waits for another group's says nothing of this one.
func TestNoEligibleNode(t *testing.T) {
	for body, want := range map[string]string{
		"": "no node is eligible",
		`[{"Status":"blocked","FailedTGAllocs":{"worker":{}}},{"Status":"complete","FailedTGAllocs":{"web":{}}},{"Status":"blocked"}]`: "",
	} {
		s := nomadtest.NewServer()
		defer s.Close()
		synctest.Test(t, func(t *testing.T) {
			s.AddJob(shop(nomadtest.Group{Count: 3, Room: -1}))
			if body != "" {
				s.Inject(platformtest.Fault{Times: -1, Path: "/v1/job/*/evaluations", Status: 200, Body: body})
			}
			scaler := bubble(s)
			for i := range 2 {
				time.Sleep(time.Duration(i) * 10 * time.Minute)
				if c, err := scaler.Capacity(t.Context()); err != nil || c.Ready() != 0 {
					t.Fatalf("%+v, %v", c, err)
				}
			}
			var limit *autoscale.LimitError
			switch err := scaler.Scale(t.Context(), 5); {
			case errors.As(err, &limit) != (want != ""):
				t.Errorf("%q: %v", body, err)
			case limit != nil && (limit.Limit != 1 || !strings.Contains(err.Error(), want)):
				t.Errorf("%v (%+v)", err, limit)
			}
		})
	}
}

// While nothing is missing, and in the first minute, the evaluations are not read. After
// that they are read once a minute. If they cannot be read, nothing is learned.
func TestEvaluationsAreReadSeldom(t *testing.T) {
	s := nomadtest.NewServer()
	defer s.Close()
	synctest.Test(t, func(t *testing.T) {
		s.AddJob(shop(nomadtest.Group{Count: 3, Room: 1}))
		s.Inject(platformtest.Fault{Times: -1, Path: "/v1/job/*/evaluations", Status: 500})
		scaler := bubble(s)
		for range 40 { // 20 minutes
			if _, err := scaler.Capacity(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Second)
		}
		if n := s.Server.Count("GET", "/v1/job/*/evaluations"); n != 19 {
			t.Errorf("read %d times", n)
		}
		var limit *autoscale.LimitError
		if err := scaler.Scale(t.Context(), 5); errors.As(err, &limit) {
			t.Error(err)
		}
	})
}
