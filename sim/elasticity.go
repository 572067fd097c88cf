package sim

import "math"

// Elasticity measures how well a supply of processes followed a demand, sampled once a
// minute. In the formulas, d is the fewest processes that meet the objective at the rate
// of the moment, s is how many serve, and T is the number of samples.
//
// Sources: Herbst et al., "Ready for Rain? A View from SPEC Research on the
// Future of Cloud Metrics" (2016) for θ, τ and υ; Ilyushkin et al., "An
// Experimental Performance Evaluation of Autoscaling Policies for Complex
// Workflows" (2017) for k; Herbst et al., BUNGEE (2015) for accuracy and jitter.
// All depend on the sampling, and θO is large if the demand is small.
type Elasticity struct {
	ThetaU float64 `json:"theta_u"` // under-provisioning accuracy, percent: 100/T · Σ max(d−s, 0)/d
	ThetaO float64 `json:"theta_o"` // over-provisioning accuracy, percent of the demand: 100/T · Σ max(s−d, 0)/d
	TauU   float64 `json:"tau_u"`   // under-provisioning timeshare, percent: 100/T · Σ [d > s]
	TauO   float64 `json:"tau_o"`   // over-provisioning timeshare, percent: 100/T · Σ [s > d]

	// Instability counts the T−1 steps between samples. Only the signs of the changes
	// count. K is the share of steps in which the sign is greater for the supply than
	// for the demand. KPrime is the share in which it is greater for the demand. Upsilon
	// is the percentage of steps in which the signs differ.
	K       float64 `json:"k"`       // 1/(T−1) · Σ min(1, max(0, sgn Δs − sgn Δd))
	KPrime  float64 `json:"k_prime"` // 1/(T−1) · Σ min(1, max(0, sgn Δd − sgn Δs))
	Upsilon float64 `json:"upsilon"` // 100/(T−1) · Σ min(1, |sgn Δs − sgn Δd|)

	AccuracyU float64 `json:"accuracy_u"` // processes missing on average: 1/T · Σ max(d−s, 0)
	AccuracyO float64 `json:"accuracy_o"` // processes too many on average: 1/T · Σ max(s−d, 0)
	Jitter    float64 `json:"jitter"`     // changes a minute that the supply made beyond the demand's: 1/T · (Σ|Δs| − Σ|Δd|)
}

// Measure returns the Elasticity of a supply beside a demand, sample by sample.
// It panics if their lengths differ.
func Measure(demand, supply []int) Elasticity {
	if len(demand) != len(supply) {
		panic("sim: Measure: the demand and the supply differ in length")
	}
	var t tracker
	for i := range demand {
		t.add(demand[i], supply[i])
	}
	return t.elasticity()
}

// tracker adds up an Elasticity.
type tracker struct {
	n            int
	d, s         int // of the last sample
	sum          Elasticity
	moves        int
	demand, size float64
}

func (t *tracker) add(d, s int) {
	under, over := float64(max(d-s, 0)), float64(max(s-d, 0))
	share := math.Max(1, float64(d)) // a demand of 0 counts as one process
	t.sum.ThetaU += under / share
	t.sum.ThetaO += over / share
	t.sum.TauU += indicator(d > s)
	t.sum.TauO += indicator(s > d)
	t.sum.AccuracyU += under
	t.sum.AccuracyO += over
	t.demand += float64(d)
	t.size += float64(s)
	if t.n > 0 {
		ds, dd := s-t.s, d-t.d
		t.sum.K += float64(min(1, max(0, sign(ds)-sign(dd))))
		t.sum.KPrime += float64(min(1, max(0, sign(dd)-sign(ds))))
		t.sum.Upsilon += indicator(sign(ds) != sign(dd))
		t.moves += abs(ds) - abs(dd)
	}
	t.n++
	t.d, t.s = d, s
}

func (t *tracker) elasticity() Elasticity {
	if t.n == 0 {
		return Elasticity{}
	}
	n, steps := float64(t.n), math.Max(1, float64(t.n-1))
	return Elasticity{
		ThetaU: 100 * t.sum.ThetaU / n, ThetaO: 100 * t.sum.ThetaO / n,
		TauU: 100 * t.sum.TauU / n, TauO: 100 * t.sum.TauO / n,
		K: t.sum.K / steps, KPrime: t.sum.KPrime / steps, Upsilon: 100 * t.sum.Upsilon / steps,
		AccuracyU: t.sum.AccuracyU / n, AccuracyO: t.sum.AccuracyO / n,
		Jitter: float64(t.moves) / n,
	}
}

func sign(n int) int {
	switch {
	case n > 0:
		return 1
	case n < 0:
		return -1
	}
	return 0
}

func abs(n int) int { return max(n, -n) }

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
