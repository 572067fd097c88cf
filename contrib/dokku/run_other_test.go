//go:build !linux

package dokku_test

import "os/exec"

// run starts a command. If the test is killed, the command goes on.
func run(cmd *exec.Cmd) (<-chan struct{}, error) { return wait(cmd.Start, cmd) }
