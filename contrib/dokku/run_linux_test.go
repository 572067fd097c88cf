package dokku_test

import (
	"os/exec"
	"runtime"
	"syscall"
)

// run starts a command that ends when the test does, however that ends.
func run(cmd *exec.Cmd) (<-chan struct{}, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return wait(func() error {
		// The signal comes when the thread ends that started the command. This one ends
		// with its goroutine, which waits for the command.
		runtime.LockOSThread()
		return cmd.Start()
	}, cmd)
}
