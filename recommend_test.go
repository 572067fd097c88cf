package autoscale_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// recommends always recommends a size.
func recommends(size int) autoscale.Decider {
	return autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision {
		return autoscale.Decision{Act: true, Size: size, Reason: autoscale.Reason{Code: "test", Detail: autoscale.ReasonText("a test says so")}}
	})
}

// A size that is published is never ordered, and who orders it is no rival.
func TestRecommendOnly(t *testing.T) {
	size := 4
	r := newRig(t, func(c *autoscale.Config) {
		c.RecommendOnly, c.Max, c.NotifyOn = true, autoscale.Fixed(9), autoscale.AllKinds
		c.Decider = autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: size} })
	})
	r.platform.rival = "HorizontalPodAutoscaler web"
	if orders := r.ticks(3); orders != nil {
		t.Fatalf("%v were ordered", orders)
	}
	s := r.a.Status()
	if d := s.Last.Decision; d.Act || d.Size != 4 || !s.RecommendOnly || s.Last.Limit != limit.None {
		t.Errorf("published %+v, held by %v", d, s.Last.Limit)
	}
	if text := s.String(); !strings.HasPrefix(text, "web: from 1 to 4: ") || !strings.HasSuffix(text, "; another autoscaler is to order it") {
		t.Errorf("Status says %q", text)
	}
	// It follows, first half of the way, and back and forth more often than a rival may.
	for _, size = range []int{4, 8, 2, 9, 3, 8, 2} {
		r.ticks(1)
		r.platform.set((r.platform.size + size) / 2)
		r.ticks(1)
		r.platform.set(size)
		r.ticks(1)
	}
	if n := r.has(autoscale.Changed) + r.has(autoscale.Yielding); n != 0 {
		t.Errorf("who follows was taken for somebody else %d times", n)
	}
	if n := r.has(autoscale.Scaled); n < 8 {
		t.Errorf("%d changes were reported", n)
	}
	// Somebody else changes the size: it is reported, and not yielded to.
	for range 5 {
		r.platform.set(7)
		r.ticks(1)
		r.platform.set(2)
		r.ticks(1)
	}
	if r.has(autoscale.Changed) == 0 || r.has(autoscale.Yielding) != 0 {
		t.Errorf("%d changes by others, %d times yielding", r.has(autoscale.Changed), r.has(autoscale.Yielding))
	}
}

// A size of 0 is what was published, or KEDA's, and no pause.
func TestRecommendFromZero(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.RecommendOnly, c.Decider = true, recommends(2) })
	r.platform.size = 0
	r.ticks(1)
	if d := r.a.Status().Last; d.Decision.Size != 1 || d.Limit != limit.ByBounds {
		t.Errorf("published %d by %v", d.Decision.Size, d.Limit)
	}
}

// A deployment holds orders back, and not what is published.
func TestRecommendDuringADeployment(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.RecommendOnly, c.Decider = true, recommends(2) })
	r.platform.deploys = true
	r.ticks(1)
	if d := r.a.Status().Last; d.Decision.Size != 2 {
		t.Errorf("published %d by %v", d.Decision.Size, d.Limit)
	}
}

// While the platform is too busy to say the size, what was published stays, and who
// follows it meanwhile is not taken for somebody else.
func TestRecommendWhileBusy(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.RecommendOnly, c.Decider, c.Max = true, recommends(10), autoscale.Fixed(20)
	})
	r.platform.size = 4
	r.ticks(1)
	r.platform.set(10)
	r.platform.readErr = &autoscale.BusyError{Err: errors.New("429")}
	r.tryTicks(3)
	if d := r.a.Status().Last.Decision; d.Size != 10 {
		t.Errorf("published %d", d.Size)
	}
	r.platform.readErr = nil
	r.ticks(1)
	if r.has(autoscale.Changed) != 0 || r.has(autoscale.Scaled) != 1 {
		t.Errorf("%d changes by somebody else, %d by who follows", r.has(autoscale.Changed), r.has(autoscale.Scaled))
	}
}

// A size that cannot be read publishes none.
func TestRecommendUnread(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.RecommendOnly, c.Decider = true, recommends(2) })
	r.ticks(1)
	r.platform.readErr = errors.New("no answer")
	r.tryTicks(1)
	if s := r.a.Status(); s.Last.Err == nil || s.ScaleFailures != 1 {
		t.Errorf("published %d with %v", s.Last.Decision.Size, s.Last.Err)
	}
}

func TestNotFollowed(t *testing.T) {
	for _, tt := range []struct {
		name       string
		size, want int
		tolerance  bool   // is the likely reason
		rival      string // that is to order it
	}{
		{"far above", 10, 15, false, ""},
		{"within the tolerance", 10, 11, true, ""},
		{"at its edge", 20, 22, true, ""},
		{"just above", 20, 23, false, ""},
		{"below", 15, 14, true, ""},
		{"from zero", 0, 1, false, ""},
		{"paused", 4, 8, false, "KEDA ScaledObject web, which an annotation pauses at 4"},
		{"known and within the tolerance", 10, 11, true, "HorizontalPodAutoscaler web"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, func(c *autoscale.Config) {
				c.RecommendOnly, c.Decider, c.Min, c.Max = true, recommends(tt.want), autoscale.Fixed(0), autoscale.Fixed(30)
			})
			r.platform.size, r.platform.rival = tt.size, tt.rival
			r.ticks(20)
			if told := r.take(); told != nil {
				t.Errorf("before ten minutes: %v", told)
			}
			if text := r.a.Status().String(); strings.Contains(text, "behavior.scaleUp.tolerance") != tt.tolerance {
				t.Errorf("Status says %q", text)
			}
			r.ticks(2)
			if told := r.take(); !slices.Equal(told, []string{"not_followed began"}) {
				t.Fatalf("after ten minutes: %v", told)
			}
			e := r.seen[slices.IndexFunc(r.seen, func(e autoscale.Event) bool { return e.Kind == autoscale.NotFollowed })]
			if strings.Contains(e.String(), "behavior.scaleUp.tolerance") != tt.tolerance || tt.rival != "" && !strings.Contains(e.String(), "; the size is left to "+tt.rival) || e.From != tt.size || e.To != tt.want {
				t.Errorf("the event says %q", e)
			}
			r.platform.set(tt.want)
			r.ticks(12)
			if told := r.take(); !slices.Equal(told, []string{"not_followed ended"}) {
				t.Errorf("once it followed: %v", told)
			}
		})
	}
}

// What is published has its cooldowns, counted from what was carried out.
func TestRecommendCooldown(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.RecommendOnly, c.Max, c.Limits.Up.Cooldown = true, autoscale.Fixed(9), 5*time.Minute
		c.Decider = autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			return autoscale.Decision{Act: true, Size: o.Capacity.Desired + 1}
		})
	})
	r.ticks(1)
	r.platform.set(2)
	r.ticks(5)
	if d := r.a.Status().Last; d.Decision.Size != 2 || d.Limit != limit.ByCooldown {
		t.Errorf("within the cooldown %d is published by %v", d.Decision.Size, d.Limit)
	}
	r.ticks(6)
	if d := r.a.Status().Last; d.Decision.Size != 3 {
		t.Errorf("after the cooldown %d is published by %v", d.Decision.Size, d.Limit)
	}
}

func TestRecommendOnlyExcludesDryRun(t *testing.T) {
	err := autoscale.Config{Prober: &gauge{}, Scaler: &platform{}, DryRun: true, RecommendOnly: true}.Validate()
	if err == nil || !strings.Contains(err.Error(), "DryRun and RecommendOnly are both set") {
		t.Errorf("error %v", err)
	}
}

// A size that moves on its way to the published one is followed.
func TestFollowedSlowly(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) {
		c.RecommendOnly, c.Decider, c.Max = true, recommends(20), autoscale.Fixed(30)
	})
	for size := range 4 {
		r.platform.set(size + 2)
		r.ticks(16)
	}
	if n := r.has(autoscale.NotFollowed); n != 0 {
		t.Errorf("a size that moves every eight minutes was reported %d times", n)
	}
}
