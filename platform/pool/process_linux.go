package pool

import "syscall"

// ownGroup gives a process a process group, so that a signal reaches what it starts too,
// and a Ctrl-C for the Pool does not. The kernel sends it SIGTERM if the Pool's own process
// is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
