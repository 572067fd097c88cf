//go:build !linux

package main

import "syscall"

// dieWithParent: a dyno learns of the demo's death by the end of its input.
func dieWithParent() *syscall.SysProcAttr { return nil }
