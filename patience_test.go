package autoscale_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
)

// TestNoScriptSilencesIt goes through any past, then through half an hour in which the platform
// takes no order, in whatever words, and then through one in which it takes all. The first is
// reported, however it is mixed, and the second ends with the size that is recommended and
// without an alarm. Leaders may change meanwhile.
func TestNoScriptSilencesIt(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { silencing(t, seed) })
		})
	}
}

func silencing(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 11))
	want := 6
	w := &world{registry: new(registry), change: func(c *autoscale.Config) {
		c.Max = autoscale.Fixed(12)
		c.Decider = autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: want} })
	}}
	w.rig = newRig(t, w.change)
	w.replace()
	often := random.IntN(8)
	alarms := 0
	tick := func() {
		time.Sleep(30 * time.Second)
		if often > 0 && random.IntN(often) == 0 {
			w.replace()
		}
		w.seen = nil
		_, _ = w.a.Tick(t.Context(), time.Now())
		for _, e := range w.seen {
			if e.Kind == autoscale.ScaleFailing {
				alarms++
			}
		}
	}
	calm := func() {
		p := w.platform
		p.failing, p.lost, p.readErr, p.atOnce, p.limit, p.maint, p.deploys, p.rival = nil, nil, nil, 0, 0, false, false, ""
		w.gauge.latency(fine)
		if err := w.a.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range random.IntN(80) {
		scriptStep(random)(t, w)
		w.platform.limit = 0 // a limit is remembered for longer
		want = 1 + random.IntN(12)
		tick()
	}

	calm()
	alarms = 0
	w.platform.set(3)
	want = 6
	fault := errors.New("503 Service Unavailable")
	busy := func(minutes ...int) error {
		return &autoscale.BusyError{RetryAfter: time.Duration(minutes[random.IntN(len(minutes))]) * time.Minute, Err: errors.New("a release is under way")}
	}
	refusals := []func() error{
		func() error { return fault },
		func() error { return busy(0, 0, 1, 2) },
		func() error { return busy(9, 10, 20, 1e6) },
		func() error { return &autoscale.BusyError{Unsure: true} },
		func() error { return &autoscale.PartialError{Size: 6, Reached: 3, Err: busy(0, 5, 10)} },
		func() error { return &autoscale.PartialError{Size: 6, Reached: 9, Err: fault} },
		func() error { return &autoscale.LimitError{Size: 6, Limit: 9, Err: fault} },
		func() error { return &autoscale.LimitError{Size: 6, Limit: 0, Err: busy(0, 5)} },
	}
	random.Shuffle(len(refusals), func(i, j int) { refusals[i], refusals[j] = refusals[j], refusals[i] })
	refusals = refusals[:1+random.IntN(len(refusals))]
	unread := random.IntN(3) // how many of ten reads fail
	for range 80 {
		w.platform.failing, w.platform.readErr = refusals[random.IntN(len(refusals))](), nil
		if random.IntN(10) < unread {
			w.platform.readErr = []error{fault, busy(0, 3)}[random.IntN(2)]
		}
		w.platform.deploys = random.IntN(10) == 0
		tick()
	}
	if alarms == 0 {
		t.Errorf("the platform took no order for 40 minutes, and nobody was told: %v", w.a.Status())
	}
	if w.platform.size != 3 {
		t.Errorf("the size is %d", w.platform.size)
	}

	calm()
	for range 60 {
		tick()
	}
	if w.platform.size != want {
		t.Errorf("the platform takes every order since half an hour, and the size is %d, not %d: %v", w.platform.size, want, w.a.Status())
	}
	for _, e := range w.a.Status().Conditions {
		if e.Kind == autoscale.ScaleFailing {
			t.Errorf("half an hour after the last failure: %v", e)
		}
	}
}
