//go:build !(aix || darwin || dragonfly || freebsd || linux || netbsd || openbsd || windows)

package traffic

import (
	"errors"
	"time"
)

func processTime() (time.Duration, error) { return 0, errors.ErrUnsupported }
