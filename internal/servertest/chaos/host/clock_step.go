//go:build linux && stepclock

package main

import "time"

// stepClock moves the wall clock of this process to so many seconds from the true
// one, and leaves the monotonic clock alone, as a step of the system's clock would.
// time.StepClock is in the standard library that the test builds this with.
func stepClock(seconds int64) error {
	time.StepClock(seconds)
	return nil
}
