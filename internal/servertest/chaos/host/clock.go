//go:build linux && !stepclock

package main

import "errors"

// stepClock would step the wall clock of this process, in a build that can.
func stepClock(int64) error { return errors.New("this build cannot step its clock") }
