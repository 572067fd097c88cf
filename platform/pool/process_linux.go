package pool

import "syscall"

// dieWithParent has the kernel send SIGTERM to a process if the Pool's own is killed.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
