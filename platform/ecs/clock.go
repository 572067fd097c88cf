package ecs

import (
	"net/http"
	"sync/atomic"
	"time"
)

// skew is the difference from the clock of AWS at which the clock of this machine counts
// as wrong, as in the AWS SDKs. AWS refuses a signature whose time is wrong by five
// minutes.
const skew = 4 * time.Minute

// A clock is the clock of this machine, corrected by the time that AWS sends.
type clock struct{ ahead atomic.Int64 } // AWS's

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// set takes the header Date of an answer that refuses the time of a request.
func (c *clock) set(date string) {
	told, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ahead := time.Until(told)
	if ahead.Abs() < skew {
		ahead = 0
	}
	c.ahead.Store(int64(ahead))
}
