package measure_test

import (
	"math"
	"testing"

	"github.com/autoscalebot/autoscale/internal/measure"
)

func TestPlus(t *testing.T) {
	for _, tt := range []struct{ size, n, want int }{
		{2, 3, 5},
		{2, -3, 0},
		{0, 0, 0},
		{math.MaxInt - 1, 1, math.MaxInt},
		{math.MaxInt - 1, 2, math.MaxInt},
		{math.MaxInt, math.MaxInt, math.MaxInt},
		{0, math.MinInt, 0},
	} {
		if got := measure.Plus(tt.size, tt.n); got != tt.want {
			t.Errorf("Plus(%d, %d) = %d, want %d", tt.size, tt.n, got, tt.want)
		}
	}
}

func TestBounded(t *testing.T) {
	for _, tt := range []struct{ v, want float64 }{
		{1.5, 1.5},
		{0, 0},
		{-1, 0},
		{math.NaN(), 0},
		{math.Inf(-1), 0},
		{math.Inf(1), 1e9},
		{1e10, 1e9},
	} {
		if got := measure.Bounded(tt.v); got != tt.want {
			t.Errorf("Bounded(%v) = %v, want %v", tt.v, got, tt.want)
		}
	}
}
