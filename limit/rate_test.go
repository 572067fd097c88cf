package limit_test

import (
	"slices"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

func TestRate(t *testing.T) {
	const minute = time.Minute
	for _, tt := range []struct {
		name        string
		rate        limit.Rate // in both directions
		size        int
		recommended []int
		want        []int
	}{
		{"no period", limit.Rate{}, 1, []int{99}, []int{99}},
		// The default policy of Kubernetes' HPA: 4 processes or 100 % in each period.
		{"processes or a share", limit.Rate{Processes: 4, Share: 1, Period: minute}, 1, []int{99, 99, 99, 99, 99, 99}, []int{5, 5, 10, 10, 20, 20}},
		{"in parts", limit.Rate{Processes: 4, Period: minute}, 1, []int{3, 99, 99, 99}, []int{3, 5, 7, 9}},
		{"down", limit.Rate{Share: .1, Period: minute}, 20, []int{1, 1, 1, 1}, []int{18, 18, 16, 16}},
		{"a share rounds up", limit.Rate{Share: .1, Period: minute}, 3, []int{1, 1, 1}, []int{2, 2, 1}},
		{"a share that is whole but for the float", limit.Rate{Share: .07, Period: minute}, 100, []int{1}, []int{93}},
		// Without the one process that a share permits, a service at 0 stays there.
		{"a share of 0 processes permits one", limit.Rate{Share: 1, Period: minute}, 0, []int{40, 40, 40, 40, 40, 40}, []int{1, 1, 2, 2, 4, 4}},
		{"the other direction does not count", limit.Rate{Processes: 2, Period: minute}, 5, []int{7, 3, 3}, []int{7, 5, 5}},
		{"a share of the size at the beginning", limit.Rate{Share: .5, Period: minute}, 10, []int{12, 99, 99}, []int{12, 15, 18}},
		{"more was moved than the rate permits", limit.Rate{Processes: 2, Period: minute}, 5, []int{7, 99}, []int{7, 7}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(limit.Limits{Up: limit.Behavior{Rate: tt.rate}, Down: limit.Behavior{Rate: tt.rate}}, tt.size)
			if got, _ := s.ticks(tt.recommended...); !slices.Equal(got, tt.want) {
				t.Errorf("recommended %v: %v, want %v", tt.recommended, got, tt.want)
			}
		})
	}
}

// TestRateSaysWhen looks at when the rate permits more: as soon as the first change of
// the period leaves it.
func TestRateSaysWhen(t *testing.T) {
	s := newService(limit.Limits{Up: limit.Behavior{Rate: limit.Rate{Processes: 2, Period: 2 * time.Minute}}}, 5)
	s.ticks(6, 7)
	first := start.Add(30 * time.Second)
	if out := s.tick(9); out.By != limit.ByRate || out.Size != 7 || !out.Until.Equal(first.Add(2*time.Minute)) {
		t.Errorf("%d by %v until %v", out.Size, out.By, out.Until)
	}
	// Somebody else's change counts as well.
	s.memory.Moved(s.input.Now, 7, 30)
	s.input.Size = 30
	s.input.Now = first.Add(2 * time.Minute)
	if out := s.tick(40); out.By != limit.ByRate || out.Size != 30 {
		t.Errorf("%d by %v", out.Size, out.By)
	}
}

// TestToleranceIsNotOffByAFloat has shares whose product with the size is a hair below
// the whole number.
func TestToleranceIsNotOffByAFloat(t *testing.T) {
	for _, tt := range []struct {
		tolerance   float64
		size        int
		recommended int
		want        int
	}{
		{.29, 100, 129, 100},
		{.29, 100, 130, 130},
		{.35, 180, 243, 180},
		{.35, 180, 117, 180},
		{.57, 100, 157, 100},
		{.57, 100, 43, 100},
		{.57, 100, 42, 42},
		{.1, 20, 22, 20},
		{.1, 20, 23, 23},
		{.9, 0, 1, 1},
	} {
		s := newService(limit.Limits{Tolerance: tt.tolerance}, tt.size)
		s.input.Max = 1000
		if out := s.tick(tt.recommended); out.Size != tt.want {
			t.Errorf("a tolerance of %v and a size of %d: recommended %d, ordered %d, want %d", tt.tolerance, tt.size, tt.recommended, out.Size, tt.want)
		}
	}
}
