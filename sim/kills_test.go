package sim_test

import (
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/sim"
)

// TestKills: processes are killed as often as MTBF says, and boot again.
func TestKills(t *testing.T) {
	for _, s := range []sim.Service{{}, {Discipline: sim.ProcessorSharing}, {Dependency: sim.Dependency{Connections: 50, Share: .5}}} {
		s.MTBF, s.Boot = 10*time.Minute, time.Minute
		var n, ready, used float64
		r := run(t, sim.Options{
			Load: steady(t, 40, 10*time.Hour), Initial: 10, Utilization: .6, Service: s, Seed: 1,
			Controller: script{t, func(_ time.Duration, v *sim.View) int {
				n++
				ready += float64(v.Ready)
				processes := v.Processes(10 * time.Second)
				if len(processes) != v.Ready {
					t.Fatalf("%d processes of %d", len(processes), v.Ready)
				}
				for _, p := range processes {
					used += p.Utilization
				}
				return 10
			}},
		})
		// A process serves for ten minutes and boots for one.
		within(t, "the processes that serve", ready/n, 10*10./11, .02)
		within(t, "the slots in use", 2*used/n, 4, .02)
		within(t, "the kills", float64(r.Kills), 10*600/11., .1)
		within(t, "the requests that failed", float64(r.Failed), 0, 0)
	}
}
