package sim_test

import (
	"math"
	"testing"

	"github.com/autoscalebot/autoscale/sim"
)

// steps turns a size at each of some times into one for each moment below end.
func steps(end int, sizes map[int]int) []int {
	out := make([]int, end)
	for t, size := 0, 0; t < end; t++ {
		if n, ok := sizes[t]; ok {
			size = n
		}
		out[t] = size
	}
	return out
}

// The demand and the supply are those of the tests of BUNGEE (Apache-2.0), and
// so are areas, times and jitter; the others are worked out by hand.
func TestMeasure(t *testing.T) {
	demand := steps(20, map[int]int{0: 1, 7: 5, 16: 3, 17: 2, 19: 4})
	supply := steps(20, map[int]int{0: 1, 2: 2, 3: 1, 5: 3, 9: 7, 11: 6, 12: 8, 14: 2})
	got := sim.Measure(demand, supply)
	want := sim.Elasticity{
		ThetaU: 14.16667, ThetaO: 36, TauU: 100 * 6. / 20, TauO: 100 * 8. / 20,
		K: 6. / 19, KPrime: 5. / 19, Upsilon: 100 * 11. / 19,
		AccuracyU: 13. / 20, AccuracyO: 16. / 20, Jitter: (17. - 9) / 20,
	}
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"ThetaU", got.ThetaU, want.ThetaU},
		{"ThetaO", got.ThetaO, want.ThetaO},
		{"TauU", got.TauU, want.TauU},
		{"TauO", got.TauO, want.TauO},
		{"K", got.K, want.K},
		{"KPrime", got.KPrime, want.KPrime},
		{"Upsilon", got.Upsilon, want.Upsilon},
		{"AccuracyU", got.AccuracyU, want.AccuracyU},
		{"AccuracyO", got.AccuracyO, want.AccuracyO},
		{"Jitter", got.Jitter, want.Jitter},
	} {
		if math.Abs(tt.got-tt.want) > 1e-4 {
			t.Errorf("%s is %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if got := sim.Measure(nil, nil); got != (sim.Elasticity{}) {
		t.Errorf("nothing measures %v", got)
	}
}
