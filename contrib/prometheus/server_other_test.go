//go:build !linux

package autoscaleprom_test

import "os/exec"

// run starts a command. Where the test is killed, the command goes on.
func run(cmd *exec.Cmd) (<-chan struct{}, error) { return wait(cmd.Start, cmd) }
