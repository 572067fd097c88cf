//go:build unix && !linux

package pool

import "syscall"

// ownGroup gives a process its own process group. So a signal also reaches the processes
// that it starts, and a Ctrl-C for the Pool does not reach it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
