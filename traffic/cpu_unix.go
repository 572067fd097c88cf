//go:build aix || darwin || dragonfly || freebsd || linux || netbsd || openbsd

package traffic

import (
	"syscall"
	"time"
)

// processTime returns the CPU time that this process has used.
func processTime() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
