package pool

import "syscall"

func ownGroup() *syscall.SysProcAttr { return nil }

// signal kills a process if the signal is SIGKILL. Windows has no other signal.
func (s *process) signal(how syscall.Signal) bool {
	return how == syscall.SIGKILL && s.cmd.Process.Kill() == nil
}
