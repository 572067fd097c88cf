package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/sim"
)

// result has the outcomes of one candidate.
type result struct {
	candidate
	loads []outcome // of each load
	mean  outcome   // of the loads
}

// outcome has the means over the seeds, and their standard deviations.
type outcome struct {
	violations, cost   float64 // share of the requests; process-hours over demand-hours
	violationsSD       float64
	costSD             float64
	failed             float64 // share of the requests
	changes            float64 // of the size, an hour
	thetaU, badMinutes float64
}

// results are the results for one boot time.
type results struct {
	scene *scene
	list  []result
}

// simulate runs every candidate under every load and seed, several at a time.
func simulate(ctx context.Context, t *testing.T, sc *scene, list []candidate, boot time.Duration, s settings) (*results, error) {
	type job struct{ candidate, load, seed int }
	jobs := make(chan job)
	reports := make([][][]*sim.Report, len(list)) // by candidate, seed, load
	for i := range reports {
		reports[i] = make([][]*sim.Report, s.seeds)
		for seed := range reports[i] {
			reports[i][seed] = make([]*sim.Report, len(sc.loads))
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range s.workers {
		wg.Go(func() {
			for j := range jobs {
				r, err := one(ctx, t, sc, list[j.candidate], sc.loads[j.load], boot, uint64(j.seed+1))
				if err != nil {
					cancel(fmt.Errorf("bench: %s under %s: %w", list[j.candidate].name(), sc.loads[j.load].name, err))
				}
				reports[j.candidate][j.seed][j.load] = r
			}
		})
	}
	began := time.Now()
	for c := range list {
		for l := range sc.loads {
			for seed := range s.seeds {
				if ctx.Err() == nil {
					jobs <- job{c, l, seed}
				}
			}
		}
		fmt.Fprintf(s.progress, "%v boot %v: %d of %d, %s\n", time.Since(began).Round(time.Second), boot, c+1, len(list), list[c].name())
	}
	close(jobs)
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	out := &results{scene: sc}
	for i, c := range list {
		r := result{candidate: c}
		for l := range sc.loads {
			r.loads = append(r.loads, summarize(reports[i], l, l+1))
		}
		r.mean = summarize(reports[i], 0, len(sc.loads))
		out.list = append(out.list, r)
	}
	return out, nil
}

// one runs one simulation.
func one(ctx context.Context, t *testing.T, sc *scene, c candidate, l load, boot time.Duration, seed uint64) (r *sim.Report, err error) {
	s := sc.service
	s.Boot = boot
	work := func() {
		controller := c.make(world{load: l.Load, service: s, utilization: sc.utilization})
		if stopper, ok := controller.(interface{ Stop() }); ok {
			defer stopper.Stop()
		}
		r, err = sim.Run(ctx, sim.Options{
			Load: l.Load, Controller: controller, Service: s, Objective: objective,
			Utilization: sc.utilization, Seed: seed, Name: c.name(),
		})
	}
	if c.bubble {
		// A subtest of its own, because several run at the same time.
		t.Run(c.name(), func(t *testing.T) {
			synctest.Test(t, func(*testing.T) { work() })
		})
		return r, err
	}
	work()
	return r, err
}

// summarize returns the mean over the seeds of the mean over some of the loads.
func summarize(seeds [][]*sim.Report, from, to int) (o outcome) {
	var violations, cost []float64
	n := float64(len(seeds) * (to - from))
	for _, reports := range seeds {
		var v, c float64
		for _, r := range reports[from:to] {
			v += r.BadShare / float64(to-from)
			c += r.CostRatio / float64(to-from)
			o.failed += float64(r.Failed) / float64(r.Requests) / n
			o.changes += float64(r.Changes) / r.Duration.Hours() / n
			o.thetaU += r.Elasticity.ThetaU / n
			o.badMinutes += float64(r.BadMinutes) / float64(r.Minutes) / n
		}
		violations, cost = append(violations, v), append(cost, c)
	}
	o.violations, o.violationsSD = meanSD(violations)
	o.cost, o.costSD = meanSD(cost)
	return o
}

func meanSD(values []float64) (mean, sd float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	if len(values) == 1 {
		return mean, 0
	}
	for _, v := range values {
		sd += (v - mean) * (v - mean) / float64(len(values)-1)
	}
	return mean, math.Sqrt(sd)
}

// family returns the results of a family, those with the fewest violations first.
func (r *results) family(name string) (out []result) {
	for _, x := range r.list {
		if x.family == name {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(a, b result) int {
		switch {
		case a.mean.violations < b.mean.violations:
			return -1
		case a.mean.violations > b.mean.violations:
			return 1
		}
		return 0
	})
	return out
}
