// Package autoscaletest tests whether an [autoscale.Elector], an [autoscale.Scaler] or an
// [autoscale.Notifier] does what its interface promises. Call [Elector], [Scaler] or
// [Notifier] from a test of the implementation.
package autoscaletest

import (
	"testing"
	"testing/synctest"
	"time"
)

// runner runs the parts of a suite as subtests, each in a bubble of its own if bubble is set.
type runner struct {
	t      *testing.T
	bubble bool
}

func (r runner) run(name string, f func(t *testing.T)) {
	r.t.Helper()
	r.t.Run(name, func(t *testing.T) {
		if r.bubble {
			synctest.Test(t, f)
			return
		}
		f(t)
	})
}

// eventually waits until ok returns true, and fails the test if that takes too long.
func eventually(t *testing.T, within, poll time.Duration, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for end := time.Now().Add(within); ; {
		if ok() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", within, what)
		}
		<-ticker.C
	}
}
