package sim_test

import (
	"errors"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/sim"
)

// What the reference lines order at a moment of a load that goes up and down in straight
// lines: a utilization of 0.5 and two slots of 100 ms are 10 requests a second a process.
func TestReferenceLines(t *testing.T) {
	rates := []float64{50, 50, 110, 110, 50, 50}
	for _, c := range []struct {
		name       string
		controller sim.Controller
		minute     int
		want       float64
	}{
		{"PresentRate before the rise", sim.PresentRate(.5), 85, 5},
		{"PresentRate half-way up", sim.PresentRate(.5), 125, 9},
		{"PresentRate half-way down", sim.PresentRate(.5), 245, 8},
		{"Foresight a boot before half-way up", sim.Foresight(.5), 95, 9},
		{"Foresight half-way up", sim.Foresight(.5), 125, 11},
		{"Foresight half-way down", sim.Foresight(.5), 245, 8},
		{"Clairvoyant a boot before half-way up", sim.Clairvoyant(.5), 95, 9},
	} {
		t.Run(c.name, func(t *testing.T) {
			load, err := sim.NewLoad(time.Unix(0, 0), time.Hour, rates)
			if err != nil {
				t.Fatal(err)
			}
			r := run(t, sim.Options{
				Load: load, Controller: c.controller, Utilization: .6,
				Service: sim.Service{Boot: 30 * time.Minute},
			})
			if got := r.Series.Points[c.minute].Desired; got != c.want {
				t.Errorf("after %d minutes it orders %v processes, want %v", c.minute, got, c.want)
			}
		})
	}
	load, err := sim.NewLoad(time.Unix(0, 0), time.Hour, rates)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []sim.Controller{sim.PresentRate(2), sim.Foresight(-1)} {
		if _, err := sim.Run(t.Context(), sim.Options{Load: load, Controller: c}); !errors.Is(err, sim.ErrOptions) {
			t.Errorf("a bad utilization: %v", err)
		}
	}
}
