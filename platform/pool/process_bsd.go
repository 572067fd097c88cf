//go:build unix && !linux

package pool

import "syscall"

// ownGroup gives a process a process group, so that a signal reaches what it starts too,
// and a Ctrl-C for the Pool does not.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
