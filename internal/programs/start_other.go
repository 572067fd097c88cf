//go:build !linux

package programs

import "os/exec"

// confine can do nothing here: a program outlives a test that is killed.
func confine(*exec.Cmd) {}
