package programs

import (
	"os/exec"
	"runtime"
	"syscall"
)

// confine has the kernel kill the program with the thread that starts it, which is then that
// of the calling goroutine alone, and ends with it.
func confine(cmd *exec.Cmd) {
	runtime.LockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
