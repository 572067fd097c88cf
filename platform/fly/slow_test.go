package fly_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform/fly"
	"github.com/autoscalebot/autoscale/platform/fly/flytest"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Calls that hang take a part of the time of an order, and leave the rest of it to others.
func TestHangingCalls(t *testing.T) {
	for _, tt := range []struct {
		name        string
		paths       []string
		from, to, n int // how many machines are on before, ordered, and at least on their way
		within      time.Duration
	}{
		{"one cordon", []string{"/v1/apps/*/machines/e286500003/cordon"}, 5, 1, 4, 2 * time.Second},
		{"all cordons", []string{cordons}, 5, 1, 4, 2 * time.Second},
		{"all cordons of a hundred", []string{cordons}, 100, 1, 99, 2 * time.Second},
		{"one stop", []string{"/v1/apps/*/machines/e286500003/stop"}, 5, 1, 3, 2 * time.Second},
		{"the stops of eight", []string{"/v1/apps/*/machines/e28650000?/stop"}, 30, 1, 20, 2 * time.Second},
		{"all stops, and all that follows", []string{stops, "/v1/apps/*/machines/*/uncordon"}, 100, 1, 0, 2 * time.Second},
		{"one start", []string{"/v1/apps/*/machines/e286500003/start"}, 1, 5, 3, 2 * time.Second},
		{"all starts, and all that follows", []string{starts, "/v1/apps/*/machines/*/uncordon"}, 1, 100, 0, 2 * time.Second},
		{"one create", []string{creates}, 5, 7, 0, 2 * time.Second},
		{"everything but the list", []string{creates, "/v1/apps/*/machines/*/*"}, 50, 1, 0, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
				for i := range max(tt.from, tt.to) {
					state := "started"
					if i >= tt.from {
						state = "stopped"
					}
					if i < tt.from || tt.name != "one create" {
						s.Add(flytest.Machine{Group: "web", State: state})
					}
				}
				for _, path := range tt.paths {
					s.Inject(platformtest.Fault{Method: "POST", Path: path, Hang: true, Times: -1})
				}
				ctx, cancel := context.WithTimeout(t.Context(), tt.within)
				defer cancel()
				start := time.Now()
				err := web.Scale(ctx, tt.to)
				if took := time.Since(start); took > tt.within+time.Second {
					t.Errorf("took %v of %v", took, tt.within)
				}
				n := states(s)["started"] - tt.from
				if n = max(n, -n); n < tt.n || (err == nil) != (n == max(tt.from, tt.to)-min(tt.from, tt.to)) {
					t.Errorf("%d machines changed, want %d: %v", n, tt.n, err)
				}
				var part *autoscale.PartialError
				if errors.As(err, &part) && part.Reached != states(s)["started"] {
					t.Errorf("%d are on: %v", states(s)["started"], err)
				}
			})
		})
	}
}

// What is owed to machines leaves a look at the size its time.
func TestHangingUncordon(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		for i := range 21 {
			s.Add(flytest.Machine{Group: "web", State: []string{"started", "stopped"}[min(i, 1)], Cordoned: i > 0})
		}
		s.Inject(platformtest.Fault{Method: "POST", Path: "/v1/apps/*/machines/*/uncordon", Hang: true, Times: -1})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_ = web.Scale(ctx, 21)
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if c, err := web.Capacity(ctx); err != nil || c.Desired != 21 || c.Pending != 20 || time.Since(start) > 500*time.Millisecond {
			t.Errorf("%+v, %v after %v of 2s", c, err, time.Since(start))
		}
	})
}

// Calls that are slow are made at the same time.
func TestSlowCalls(t *testing.T) {
	for name, faults := range map[string][]platformtest.Fault{
		"all":                          {{Delay: 200 * time.Millisecond, Times: -1}},
		"stops, and no cordon answers": {{Path: cordons, Hang: true, Times: -1}, {Path: stops, Delay: 500 * time.Millisecond, Times: -1}},
	} {
		bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
			for range 100 {
				s.Add(flytest.Machine{Group: "web"})
			}
			s.Inject(faults...)
			for _, size := range []int{1, 100} {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				if err := web.Scale(ctx, size); err != nil || states(s)["started"] != size {
					t.Errorf("%s: to %d: %v, %v", name, size, err, states(s))
				}
				cancel()
			}
		})
	}
}

// Without time for Fly's pace of creations, the order is for later.
func TestPaceOfCreations(t *testing.T) {
	bubble(t, func(t *testing.T, s *flytest.Server, web *fly.Scaler) {
		s.Add(flytest.Machine{Group: "web"})
		for i := range 12 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			err := web.Scale(ctx, 8)
			cancel()
			var part *autoscale.PartialError
			var busy *autoscale.BusyError
			if err != nil && !errors.As(err, &busy) || errors.As(err, &part) && part.Reached != states(s)["started"] {
				t.Errorf("order %d: %v", i, err)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if n := states(s)["started"]; n != 8 {
			t.Errorf("%d started", n)
		}
	})
}
