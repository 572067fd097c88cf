package limit_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale/limit"
)

// TestApply applies limits to one recommendation.
func TestApply(t *testing.T) {
	type memory = limit.Memory
	ago := func(d time.Duration) time.Time { return start.Add(-d) }
	permits := func(n int) func(*memory) { return func(m *memory) { m.Permits(start, n, 0) } }
	spent := func(m *memory) { m.Spending.Period, m.Spending.Hours, m.Spending.Until = "2026-03-02", 99, start }
	cooldown := limit.Limits{Up: limit.Behavior{Cooldown: time.Minute}, Down: limit.Behavior{Cooldown: 2 * time.Minute}}
	budget := limit.Limits{Budget: limit.Budget{Hours: 99}}

	for _, tt := range []struct {
		name   string
		limits limit.Limits
		recall func(*memory)
		change func(*limit.Input) // of size 5 in 2 to 10, where nothing is recommended
		size   int
		by     limit.Kind
		until  time.Time
	}{
		{"up", limit.Limits{}, nil, func(in *limit.Input) { in.Recommendation = 9 }, 9, limit.None, time.Time{}},
		{"down", limit.Limits{}, nil, func(in *limit.Input) { in.Recommendation = 3 }, 3, limit.None, time.Time{}},
		{"hold", limit.Limits{}, nil, func(in *limit.Input) { in.Change = false }, 5, limit.None, time.Time{}},
		{"max", limit.Limits{}, nil, func(in *limit.Input) { in.Recommendation = math.MaxInt }, 10, limit.ByMax, time.Time{}},
		{"min", limit.Limits{}, nil, func(in *limit.Input) { in.Recommendation = math.MinInt }, 2, limit.ByMin, time.Time{}},

		{"paused", limit.Limits{}, nil, func(in *limit.Input) { in.Paused, in.Maintenance, in.Recommendation = true, true, 9 }, 5, limit.ByPause, time.Time{}},
		{"paused outside the bounds", limit.Limits{}, nil, func(in *limit.Input) { in.Paused, in.Size = true, 50 }, 50, limit.ByPause, time.Time{}},
		{"maintenance", limit.Limits{}, nil, func(in *limit.Input) { in.Maintenance, in.Override = true, true }, 5, limit.ByMaintenance, time.Time{}},
		{"override", limit.Limits{Up: limit.Behavior{Step: 1}}, nil, func(in *limit.Input) {
			in.Override, in.OverrideSize, in.OverrideUntil, in.Yielding = true, 8, start.Add(time.Hour), true
		}, 8, limit.ByOverride, start.Add(time.Hour)},
		{"override within the bounds", limit.Limits{}, nil, func(in *limit.Input) { in.Override, in.OverrideSize = true, 1 }, 2, limit.ByOverride, time.Time{}},
		{"override above what the platform permits", limit.Limits{}, permits(7), func(in *limit.Input) { in.Override, in.OverrideSize = true, 9 }, 7, limit.ByOverride, time.Time{}},
		{"override, and the size is above what the platform permits", limit.Limits{}, permits(4), func(in *limit.Input) { in.Override, in.OverrideSize = true, 9 }, 5, limit.ByOverride, time.Time{}},
		{"set to 0", limit.Limits{}, nil, func(in *limit.Input) { in.SetToZero, in.Size, in.Recommendation = true, 0, 9 }, 0, limit.ByPause, time.Time{}},
		{"yielding", limit.Limits{}, nil, func(in *limit.Input) { in.Yielding, in.YieldingUntil, in.Size = true, start.Add(time.Hour), 50 }, 50, limit.ByYielding, start.Add(time.Hour)},

		{"above the bounds", cooldown, nil, func(in *limit.Input) { in.Size, in.Added, in.Measured = 50, start, false }, 10, limit.ByBounds, time.Time{}},
		{"below the bounds", cooldown, nil, func(in *limit.Input) { in.Size, in.Added, in.Measured = 1, start, false }, 2, limit.ByBounds, time.Time{}},
		{"below the bounds and what the platform permits", limit.Limits{}, permits(1), func(in *limit.Input) { in.Size = 0 }, 1, limit.ByBounds, time.Time{}},
		{"below the bounds, and the platform permits no more", limit.Limits{}, permits(1), func(in *limit.Input) { in.Size = 1 }, 1, limit.ByPlatform, start.Add(time.Hour)},
		{"not measured", limit.Limits{}, nil, func(in *limit.Input) { in.Measured, in.Recommendation = false, 9 }, 5, limit.ByUndecided, time.Time{}},

		{"tolerance", limit.Limits{Tolerance: .4}, nil, func(in *limit.Input) { in.Recommendation = 7 }, 5, limit.ByTolerance, time.Time{}},
		{"tolerance down", limit.Limits{Tolerance: .4}, nil, func(in *limit.Input) { in.Recommendation = 3 }, 5, limit.ByTolerance, time.Time{}},
		{"beyond the tolerance", limit.Limits{Tolerance: .4}, nil, func(in *limit.Input) { in.Recommendation = 8 }, 8, limit.None, time.Time{}},

		{"cooldown after an increase", cooldown, nil, func(in *limit.Input) { in.Added, in.Recommendation = ago(59*time.Second), 9 }, 5, limit.ByCooldown, start.Add(time.Second)},
		{"and it is over", cooldown, nil, func(in *limit.Input) { in.Added, in.Recommendation = ago(time.Minute), 9 }, 9, limit.None, time.Time{}},
		{"an increase holds decreases too", cooldown, nil, func(in *limit.Input) { in.Added, in.Recommendation = ago(59*time.Second), 3 }, 5, limit.ByCooldown, start.Add(time.Second)},
		{"cooldown after a decrease", cooldown, nil, func(in *limit.Input) { in.Removed, in.Recommendation = ago(time.Minute), 3 }, 5, limit.ByCooldown, start.Add(time.Minute)},
		{"a decrease holds no increase", cooldown, nil, func(in *limit.Input) { in.Removed, in.Recommendation = ago(time.Second), 9 }, 9, limit.None, time.Time{}},
		{"the longer of two cooldowns", cooldown, nil, func(in *limit.Input) {
			in.Added, in.Removed, in.Recommendation = ago(30*time.Second), ago(119*time.Second), 3
		}, 5, limit.ByCooldown, start.Add(30 * time.Second)},
		{"a cooldown as long as the boot", limit.Limits{Up: limit.Behavior{Cooldown: time.Minute}, CooldownCoversBoot: true}, nil, func(in *limit.Input) {
			in.Added, in.Boot, in.Recommendation = ago(time.Minute), 2*time.Minute, 9
		}, 5, limit.ByCooldown, start.Add(time.Minute)},
		{"a cooldown longer than the boot", limit.Limits{Up: limit.Behavior{Cooldown: time.Minute}, CooldownCoversBoot: true}, nil, func(in *limit.Input) {
			in.Added, in.Boot, in.Recommendation = ago(time.Minute), 30*time.Second, 9
		}, 9, limit.None, time.Time{}},

		{"step up", limit.Limits{Up: limit.Behavior{Step: 2}}, nil, func(in *limit.Input) { in.Recommendation = math.MaxInt }, 7, limit.ByStep, time.Time{}},
		{"step down", limit.Limits{Down: limit.Behavior{Step: 2}}, nil, func(in *limit.Input) { in.Recommendation = math.MinInt }, 3, limit.ByStep, time.Time{}},
		{"a step of the other direction", limit.Limits{Up: limit.Behavior{Step: 1}}, nil, func(in *limit.Input) { in.Recommendation = 2 }, 2, limit.None, time.Time{}},
		{"the largest step", limit.Limits{Up: limit.Behavior{Step: math.MaxInt}}, nil, func(in *limit.Input) { in.Recommendation = 9 }, 9, limit.None, time.Time{}},

		{"the budget is spent", budget, spent, func(in *limit.Input) { in.Recommendation = 9 }, 2, limit.ByBudget, time.Time{}},
		{"and at Min", budget, spent, func(in *limit.Input) { in.Size, in.Recommendation = 2, 9 }, 2, limit.ByBudget, time.Time{}},
		{"the platform permits fewer", limit.Limits{}, permits(7), func(in *limit.Input) { in.Recommendation = 9 }, 7, limit.ByPlatform, start.Add(time.Hour)},
		{"fewer than run", limit.Limits{}, permits(3), func(in *limit.Input) { in.Recommendation = 9 }, 5, limit.ByPlatform, start.Add(time.Hour)},
		{"a permission that is old", limit.Limits{}, func(m *memory) { m.Permits(ago(time.Hour), 7, 0) }, func(in *limit.Input) { in.Recommendation = 9 }, 9, limit.None, time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := new(memory)
			if tt.recall != nil {
				tt.recall(m)
			}
			in := limit.Input{Now: start, Size: 5, Min: 2, Max: 10, Measured: true, Change: true, Recommendation: 5}
			tt.change(&in)
			out := tt.limits.Apply(m, in)
			if out.Size != tt.size || out.By != tt.by || !out.Until.Equal(tt.until) {
				t.Errorf("%d by %v until %v; want %d by %v until %v", out.Size, out.By, out.Until, tt.size, tt.by, tt.until)
			}
		})
	}
}

// TestNextWhileHeld looks at what an Outcome says about the next change while recommendations
// are not followed.
func TestNextWhileHeld(t *testing.T) {
	soon, late, never := start.Add(time.Minute), start.Add(time.Hour), time.Time{}
	cooldown := limit.Limits{Up: limit.Behavior{Cooldown: time.Minute}}
	for _, tt := range []struct {
		name     string
		limits   limit.Limits
		change   func(*limit.Input)
		up, down time.Time
		holds    bool
	}{
		{"paused until", limit.Limits{}, func(in *limit.Input) { in.Paused, in.PausedUntil = true, late }, late, late, true},
		{"paused, with no end", limit.Limits{}, func(in *limit.Input) { in.Paused = true }, never, never, true},
		{"the pause ends first", cooldown, func(in *limit.Input) { in.Paused, in.PausedUntil, in.Added = true, soon, start.Add(time.Second) }, start.Add(61 * time.Second), start.Add(61 * time.Second), true},
		{"set by a person", limit.Limits{}, func(in *limit.Input) { in.Override, in.OverrideSize, in.OverrideUntil = true, 5, late }, late, late, true},
		{"paused and set", limit.Limits{}, func(in *limit.Input) {
			in.Paused, in.PausedUntil, in.Override, in.OverrideSize, in.OverrideUntil = true, soon, true, 5, late
		}, soon, soon, true},
		{"in maintenance", limit.Limits{}, func(in *limit.Input) { in.Maintenance, in.Override, in.OverrideUntil = true, true, late }, never, never, true},
		{"it yields", limit.Limits{}, func(in *limit.Input) { in.Yielding, in.YieldingUntil = true, late }, late, late, true},
		{"set to 0 by hand", limit.Limits{}, func(in *limit.Input) { in.Size, in.SetToZero, in.Yielding, in.YieldingUntil = 0, true, true, late }, never, never, true},
		{"a deployment may end sooner", limit.Limits{}, func(in *limit.Input) { in.DeployingUntil = late }, never, never, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := limit.Input{Now: start, Size: 5, Min: 2, Max: 10, Measured: true, Change: true, Recommendation: 9}
			tt.change(&in)
			out := tt.limits.Apply(new(limit.Memory), in)
			if !out.NextUp.Equal(tt.up) || !out.NextDown.Equal(tt.down) || out.By.Holds() != tt.holds {
				t.Errorf("next up %v, down %v, held by %v; want %v, %v", out.NextUp, out.NextDown, out.By, tt.up, tt.down)
			}
		})
	}
}

// TestAdjustments has every limit that lowers an increase, and looks at their order.
func TestAdjustments(t *testing.T) {
	s := newService(limit.Limits{
		Up:       limit.Behavior{Stabilization: time.Minute, Rate: limit.Rate{Processes: 8, Period: time.Minute}, Step: 6},
		Forecast: limit.Forecast{Share: 1},
	}, 10)
	s.input.Min, s.input.Max = 1, 15
	// Yesterday at this time.
	for range 3 {
		s.tick(40)
	}
	s.input.Now = start.Add(24 * time.Hour)
	s.input.Size = 10
	s.ticks(25, 25, 25)
	s.input.Size = 10
	s.memory.Moves = nil
	out := s.tick(20)
	want := []limit.Adjustment{
		{By: limit.ByForecast, From: 20, To: 40},
		{By: limit.ByRate, From: 40, To: 18},
		{By: limit.ByStep, From: 18, To: 16},
		{By: limit.ByMax, From: 16, To: 15},
	}
	if diff := cmp.Diff(want, out.Adjustments); diff != "" {
		t.Errorf("adjustments (-want +got)\n%s", diff)
	}
	// Nothing was remembered of the day before: the size at the start was the first
	// recommendation.
	fresh := newService(limit.Limits{Up: limit.Behavior{Stabilization: time.Minute}}, 10)
	out = fresh.tick(20)
	if diff := cmp.Diff([]limit.Adjustment{{By: limit.ByStabilization, From: 20, To: 10}}, out.Adjustments); diff != "" {
		t.Errorf("adjustments (-want +got)\n%s", diff)
	}
}

// TestNext looks at what an Outcome says about the next change.
func TestNext(t *testing.T) {
	in := func(d time.Duration) time.Time { return start.Add(d) }
	never := time.Time{}
	for _, tt := range []struct {
		name     string
		limits   limit.Limits
		sizes    []int
		up, down time.Time
	}{
		{"no limits", limit.Limits{}, []int{9, 3}, never, never},
		{"cooldown up", limit.Limits{Up: limit.Behavior{Cooldown: time.Minute}}, []int{9}, never, never},
		{"after an increase", limit.Limits{Up: limit.Behavior{Cooldown: time.Minute}}, []int{9, 9}, in(90 * time.Second), in(90 * time.Second)},
		{"after a decrease", limit.Limits{Down: limit.Behavior{Cooldown: time.Minute}}, []int{3, 3}, never, in(90 * time.Second)},
		{"and it is over", limit.Limits{Down: limit.Behavior{Cooldown: time.Minute}}, []int{3, 3, 3}, never, never},
		{"rate up", limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Processes: 4, Period: time.Minute}}}, []int{9, 9}, in(90 * time.Second), never},
		{"rate with room", limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Processes: 4, Period: time.Minute}}}, []int{8, 8}, never, never},
		{"rate down", limit.Limits{Down: limit.Behavior{Rate: limit.Rate{Processes: 2, Period: time.Minute}}}, []int{3, 3}, never, in(90 * time.Second)},
		{"stabilization", limit.Limits{Down: limit.Behavior{Stabilization: time.Minute}}, []int{5, 3}, never, in(90 * time.Second)},
		{"stabilization of fewer", limit.Limits{Down: limit.Behavior{Stabilization: time.Minute}}, []int{3, 3, 3, 3, 3}, never, in(210 * time.Second)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(tt.limits, 5)
			_, out := s.ticks(tt.sizes...)
			if !out.NextUp.Equal(tt.up) || !out.NextDown.Equal(tt.down) {
				t.Errorf("next up %v, down %v; want %v, %v", out.NextUp, out.NextDown, tt.up, tt.down)
			}
		})
	}
}

// TestStabilization goes no further than all recommendations of the window agree.
func TestStabilization(t *testing.T) {
	minute := limit.Behavior{Stabilization: time.Minute}
	for _, tt := range []struct {
		name        string
		limits      limit.Limits
		size        int
		recommended []int
		want        []int
	}{
		{"down", limit.Limits{Down: minute}, 5, []int{2, 2, 2, 2}, []int{5, 5, 5, 2}},
		{"down to the highest", limit.Limits{Down: minute}, 9, []int{3, 5, 2, 2, 2, 2}, []int{9, 9, 9, 5, 2, 2}},
		{"up", limit.Limits{Up: minute}, 1, []int{4, 9, 5, 6, 6, 1, 7}, []int{1, 1, 1, 5, 5, 1, 1}},
		{"a peak counts for the other direction too", limit.Limits{Down: minute}, 1, []int{4, 1, 2, 1}, []int{4, 4, 4, 2}},
		{"a longer window up does not count down", limit.Limits{Up: limit.Behavior{Stabilization: 5 * time.Minute}, Down: minute}, 5, []int{2, 2, 2, 2}, []int{5, 5, 5, 2}},
		{"each direction has its window", limit.Limits{Up: minute, Down: limit.Behavior{Stabilization: 2 * time.Minute}}, 5, []int{9, 9, 9, 9, 1, 1, 1, 1, 1}, []int{5, 5, 5, 9, 9, 9, 9, 9, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, _ := newService(tt.limits, tt.size).ticks(tt.recommended...)
			if !slices.Equal(got, tt.want) {
				t.Errorf("recommended %v: %v, want %v", tt.recommended, got, tt.want)
			}
		})
	}
	t.Run("not in maintenance", func(t *testing.T) {
		s := newService(limit.Limits{Down: minute}, 5)
		s.input.Maintenance = true
		s.ticks(90, 90, 90)
		s.input.Maintenance = false
		if got, _ := s.ticks(2, 2, 2, 2); !slices.Equal(got, []int{5, 5, 5, 2}) {
			t.Errorf("what was recommended in maintenance counts: %v", got)
		}
	})
	t.Run("more ticks than slots", func(t *testing.T) {
		for _, every := range []time.Duration{time.Second, 40 * time.Second} {
			s := newService(limit.Limits{Down: limit.Behavior{Stabilization: time.Hour}}, 5)
			s.every = every
			wait := func(d time.Duration) {
				for range d / every {
					s.tick(2)
					if n := len(s.memory.Recommendations); n > 60 {
						t.Fatalf("%d slots", n)
					}
				}
			}
			wait(30 * time.Minute)
			s.tick(8)
			wait(time.Hour)
			if s.input.Size != 8 {
				t.Errorf("an hour later the size is %d: the highest recommendation is forgotten", s.input.Size)
			}
			wait(30 * time.Minute)
			if s.input.Size != 2 {
				t.Errorf("90 minutes later the size is %d: the highest recommendation still counts", s.input.Size)
			}
		}
	})
}
