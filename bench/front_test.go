package main

import (
	"math"
	"testing"
)

func TestFront(t *testing.T) {
	f := newFront([]point{{.04, 1.1}, {.01, 1.6}, {.02, 1.3}, {.03, 1.4}, {.02, 1.35}})
	if len(f) != 3 {
		t.Fatalf("the front is %v: the points that another beats in both are no part of it", f)
	}
	for _, c := range []struct {
		violations, cost float64
		ok               bool
	}{
		{.01, 1.6, true},
		{math.Sqrt(.01 * .02), 1.45, true}, // half-way in ratio
		{.02, 1.3, true},
		{.04, 1.1, true},
		{.009, 0, false},
		{.041, 0, false},
	} {
		got, ok := f.cost(c.violations)
		if ok != c.ok || math.Abs(got-c.cost) > 1e-9 {
			t.Errorf("%v violations cost %v, %v; want %v, %v", c.violations, got, ok, c.cost, c.ok)
		}
		if !c.ok {
			continue
		}
		if v, ok := f.violations(c.cost); !ok || math.Abs(v-c.violations) > 1e-9 {
			t.Errorf("a cost of %v buys %v, %v; want %v", c.cost, v, ok, c.violations)
		}
	}
}

// A front half-way between the better of two and the bound is half-way.
func TestStandings(t *testing.T) {
	r := &results{scene: &scene{}}
	add := func(family string, costs ...float64) {
		for i, c := range costs {
			o := outcome{violations: .01 * math.Pow(2, float64(i)), cost: c}
			r.list = append(r.list, result{candidate: candidate{family: family}, mean: o, loads: []outcome{o}})
		}
	}
	add(kubernetes, 1.8, 1.6, 1.4)
	add(knative, 2.0, 1.5, 1.45)
	add(clairvoyant, 1.4, 1.2, 1.0)
	add(ours, 1.6, 1.35, 1.2)
	list := r.standings(ours, -1)
	if len(list) == 0 {
		t.Fatal("no standings of fronts that have all in common")
	}
	first, last := list[0], list[len(list)-1]
	if math.Abs(first.way()-.5) > 1e-9 || math.Abs(last.way()-.5) > 1e-9 {
		t.Errorf("the way is %v and %v at the ends, want a half", first.way(), last.way())
	}
	if w, ok := meanWay(list); !ok || w < .45 || w > .6 {
		t.Errorf("the mean way is %v, %v, want about a half", w, ok)
	}
	if b := first.behind(); math.Abs(b-(1.6/1.8-1)) > 1e-9 {
		t.Errorf("behind by %v", b)
	}
	r.list = r.list[:6]
	if list := r.standings(ours, 0); list != nil {
		t.Errorf("standings without a front of ours: %v", list)
	}
}

// The way is the share of the gaps added up, so that one that is next to nothing does not
// outweigh the others, and is not known where there is no gap.
func TestMeanWay(t *testing.T) {
	for _, c := range []struct {
		name string
		list []standing
		want float64
		ok   bool
	}{
		{"half of one gap", []standing{{mine: 1.5, hpa: 2, kpa: 3, bound: 1}}, .5, true},
		{"dearer", []standing{{mine: 2.5, hpa: 2, kpa: 3, bound: 1}}, -.5, true},
		{"a gap of next to nothing", []standing{{mine: 1.5, hpa: 2, kpa: 3, bound: 1}, {mine: 1.1, hpa: 1.001, kpa: 1.2, bound: 1}}, .401 / 1.001, true},
		{"no gap", []standing{{mine: 1.1, hpa: 1.001, kpa: 1.2, bound: 1}}, 0, false},
		{"the bound is dearer", []standing{{mine: .9, hpa: .95, kpa: 1.2, bound: 1}}, 0, false},
		{"nothing in common", nil, 0, false},
	} {
		got, ok := meanWay(c.list)
		if ok != c.ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, %v; want %v, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func TestCommandLine(t *testing.T) {
	got := commandLine([]string{"-seeds", "2", "-traces", "somewhere", "--traces=elsewhere", "-only", "HPA"})
	if want := "go run . -seeds 2 -traces DIR -traces DIR -only HPA"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
