package main

import (
	"cmp"
	"math"
	"slices"
)

// point is a share of violations and its cost.
type point struct{ violations, cost float64 }

// front has the points of a family that no other point beats in both violations and cost,
// the fewest violations first.
type front []point

// newFront returns the front of some points.
func newFront(points []point) (f front) {
	points = slices.Clone(points)
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.violations, b.violations), cmp.Compare(a.cost, b.cost))
	})
	for _, p := range points {
		if p.violations > 0 && (len(f) == 0 || p.cost < f[len(f)-1].cost) {
			f = append(f, p)
		}
	}
	return f
}

// cost returns the cost of a share of violations on the front. It interpolates over the
// logarithm of the violations. Beyond the ends of the front the cost is not known.
func (f front) cost(violations float64) (float64, bool) {
	for i, p := range f {
		switch {
		case violations == p.violations:
			return p.cost, true
		case violations < p.violations && i == 0:
			return 0, false
		case violations < p.violations:
			a := f[i-1]
			part := math.Log(violations/a.violations) / math.Log(p.violations/a.violations)
			return a.cost + part*(p.cost-a.cost), true
		}
	}
	return 0, false
}

// front returns the front of a family under one load, or, for a load of -1, in
// the mean of the loads.
func (r *results) front(family string, load int) front {
	var points []point
	for _, x := range r.family(family) {
		o := x.at(load)
		points = append(points, point{o.violations, o.cost})
	}
	return newFront(points)
}

// at returns the outcome under one load, or for -1 the mean of the loads.
func (r result) at(load int) outcome {
	if load < 0 {
		return r.mean
	}
	return r.loads[load]
}

// levels returns shares of violations in equal ratios, over the range that the fronts have in
// common. It returns nil if they have none.
func levels(n int, fronts ...front) (out []float64) {
	low, high := 0.0, math.Inf(1)
	for _, f := range fronts {
		if len(f) == 0 {
			return nil
		}
		low, high = max(low, f[0].violations), min(high, f[len(f)-1].violations)
	}
	if low >= high {
		return nil
	}
	for i := range n {
		v := low * math.Pow(high/low, float64(i)/float64(n-1))
		out = append(out, min(max(v, low), high))
	}
	return out
}

// standing is how a front stands among others, at one share of violations.
type standing struct {
	violations            float64
	mine, hpa, kpa, bound float64 // cost
}

// way returns how far mine is on the way from the better of the other two to the
// clairvoyant. It is 0 if mine costs as much as the better one, 1 if mine costs as much as
// the clairvoyant, and below 0 if mine costs more than the better one.
func (s standing) way() float64 {
	best := min(s.hpa, s.kpa)
	return (best - s.mine) / (best - s.bound)
}

// behind returns how much more mine costs than the better of the two, as a share.
func (s standing) behind() float64 { return s.mine/min(s.hpa, s.kpa) - 1 }

// standings compares a family's front with those of the HPA, the KPA and the
// clairvoyant, at the shares of violations that all four reach.
func (r *results) standings(family string, load int) (out []standing) {
	mine, h, k, c := r.front(family, load), r.front(kubernetes, load), r.front(knative, load), r.front(clairvoyant, load)
	for _, v := range levels(21, mine, h, k, c) {
		s := standing{violations: v}
		var ok [4]bool
		s.mine, ok[0] = mine.cost(v)
		s.hpa, ok[1] = h.cost(v)
		s.kpa, ok[2] = k.cost(v)
		s.bound, ok[3] = c.cost(v)
		if ok == [4]bool{true, true, true, true} {
			out = append(out, s)
		}
	}
	return out
}

// meanWay returns the way over all standings. It adds up the gaps between the better of the
// two and the clairvoyant, and returns the share of the sum that mine saves. It adds up
// first, because a tiny gap says nothing about the way. It returns false if the better of
// the two costs at most a hundredth more than the clairvoyant.
func meanWay(list []standing) (float64, bool) {
	var saved, gap, bound float64
	for _, s := range list {
		best := min(s.hpa, s.kpa)
		saved += best - s.mine
		gap += best - s.bound
		bound += s.bound
	}
	if gap <= .01*bound {
		return 0, false
	}
	return saved / gap, true
}

// worstBehind returns the highest of behind over the standings, and the mean.
func worstBehind(list []standing) (worst, mean float64) {
	worst = math.Inf(-1)
	for _, s := range list {
		worst = max(worst, s.behind())
		mean += s.behind() / float64(len(list))
	}
	return worst, mean
}

// violations returns the share of violations at a cost. It is the inverse of cost.
func (f front) violations(cost float64) (float64, bool) {
	for i, p := range f {
		switch {
		case cost == p.cost:
			return p.violations, true
		case cost > p.cost && i == 0:
			return 0, false
		case cost > p.cost:
			a := f[i-1]
			part := (cost - a.cost) / (p.cost - a.cost)
			return a.violations * math.Pow(p.violations/a.violations, part), true
		}
	}
	return 0, false
}
