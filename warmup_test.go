package autoscale_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/autoscalebot/autoscale"
)

// A Prober that has only just begun holds the size, and raises no alarm. One that
// says so for more than two minutes counts as one that fails.
func TestWarmingUp(t *testing.T) {
	r := newRig(t, nil)
	r.gauge.broken(fmt.Errorf("traffic: %w", autoscale.ErrWarmingUp))
	for range 4 { // at 0, 30, 60 and 90 s
		d, err := r.tick()
		if err != nil || d.Act || d.Reason.Code != autoscale.ReasonWarmingUp {
			t.Errorf("%+v, %v; want the size held without an error", d, err)
		}
	}
	if s := r.a.Status(); s.ProbeFailures != 0 || s.Counters.ProbeFailures != 0 || len(s.Conditions) != 0 || s.Last.Err != nil {
		t.Errorf("%d failures, conditions %v, %v", s.ProbeFailures, s.Conditions, s.Last.Err)
	}
	if n := r.has(autoscale.WarmingUp); n != 1 {
		t.Errorf("WarmingUp was seen %d times, want once", n)
	}
	if got := r.take(); len(got) != 0 {
		t.Errorf("notified of %q", got)
	}
	r.gauge.latency(fine)
	r.ticks(1)
	// It may begin a second time, as in a process that leads later.
	r.gauge.broken(autoscale.ErrWarmingUp)
	r.ticks(4)
	if s := r.a.Status(); s.ProbeFailures != 0 {
		t.Errorf("%d failures", s.ProbeFailures)
	}
	for range 3 {
		if _, err := r.tick(); !errors.Is(err, autoscale.ErrWarmingUp) {
			t.Errorf("after two minutes: %v", err)
		}
	}
	if s := r.a.Status(); s.ProbeFailures != 3 || !slices.ContainsFunc(s.Conditions, func(e autoscale.Event) bool { return e.Kind == autoscale.ProbeFailing }) {
		t.Errorf("%d failures, %v; want 3 and ProbeFailing", s.ProbeFailures, s.Conditions)
	}
	// After a failure it is one, whatever it says.
	r = newRig(t, nil)
	r.gauge.broken(errors.New("no route"))
	if _, err := r.tick(); err == nil {
		t.Error("a failing prober is not reported")
	}
	r.gauge.broken(autoscale.ErrWarmingUp)
	if _, err := r.tick(); err == nil {
		t.Error("a failing prober says that it is warming up, and is believed")
	}
}
