package sim_test

import (
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/sim"
)

// unqueued hides the queue time from a rule.
type unqueued struct{ autoscale.Decider }

func (u unqueued) Decide(o autoscale.Observation) autoscale.Decision {
	samples := append([]autoscale.Sample(nil), o.Samples...)
	for i := range samples {
		samples[i].Signals &^= autoscale.SignalQueueTime
	}
	o.Samples = samples
	return u.Decider.Decide(o)
}

// TestTargetTrackingLearnsConcurrency sets twice the concurrency that the processes have.
// The numbers are those of one seed, with room around them.
func TestTargetTrackingLearnsConcurrency(t *testing.T) {
	load, err := sim.Day(200, 1)
	if err != nil {
		t.Fatal(err)
	}
	if load, err = load.Slice(8*time.Hour, 14*time.Hour); err != nil {
		t.Fatal(err)
	}
	run := func(d autoscale.Decider) *sim.Report {
		r, err := sim.Run(t.Context(), sim.Options{
			Load: load, Utilization: 0.65, Seed: 1,
			Controller: sim.Autoscaler(autoscale.Config{Decider: d, Max: autoscale.Fixed(100), Interval: 10 * time.Second}, sim.Signals{Traffic: true}),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v: %.1f%% over at %.2f times the demand", d, 100*r.BadShare, r.CostRatio)
		return r
	}
	right, wrong := run(rule.TargetTracking{Concurrency: 2}), run(rule.TargetTracking{Concurrency: 4})
	blind := run(unqueued{rule.TargetTracking{Concurrency: 4}})
	if right.BadShare > 0.04 || right.CostRatio > 1.3 {
		t.Errorf("the right concurrency: %.3f over at %.2f", right.BadShare, right.CostRatio)
	}
	if wrong.BadShare > 0.12 || wrong.CostRatio > 1.3 {
		t.Errorf("twice the concurrency: %.3f over at %.2f", wrong.BadShare, wrong.CostRatio)
	}
	if blind.BadShare < 0.6 {
		t.Errorf("and without the queue time only %.3f: this load tests nothing", blind.BadShare)
	}
}
