//go:build unix

package pool

import "syscall"

// signal sends a signal to a process and what it started, and reports whether anybody got
// it.
func (s *process) signal(how syscall.Signal) bool {
	return syscall.Kill(-s.cmd.Process.Pid, how) == nil
}
