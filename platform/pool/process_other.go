//go:build !linux

package pool

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
