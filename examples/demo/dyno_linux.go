package main

import "syscall"

// dieWithParent has the kernel tell a dyno of the demo's death, whatever it
// died of.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
