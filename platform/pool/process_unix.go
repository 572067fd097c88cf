//go:build unix

package pool

import "syscall"

// signal sends a signal to a process and to those that it started. It reports whether any
// of them got the signal.
func (s *process) signal(how syscall.Signal) bool {
	return syscall.Kill(-s.cmd.Process.Pid, how) == nil
}
