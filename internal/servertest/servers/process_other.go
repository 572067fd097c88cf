//go:build !linux

package servers

import "os/exec"

// own gives a directory to whom the servers run as: here, the test itself.
func own(string) error { return nil }

// confine has nothing to do where the servers run as the test does.
func confine(*exec.Cmd) error { return nil }

// keep starts the command; ended is closed when it has ended.
func keep(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		cmd.Wait()
	}()
	return done, nil
}
