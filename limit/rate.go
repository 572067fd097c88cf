package limit

import (
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

// Rate is the most processes that may be added, or removed, within a Period: either
// the number Processes or a Share of the size at the beginning of the period,
// whichever is more. A Share is rounded up and permits at least one process. Rate
// counts every change of the size, whoever made it, and remembers the last 64. Without
// a Period there is no limit.
//
// Source: the scaling policies of Kubernetes' HorizontalPodAutoscaler.
type Rate struct {
	Processes int
	Share     float64 // 1 is the whole size
	Period    time.Duration
}

func (r Rate) validate(field string) error {
	switch {
	case r == Rate{}:
		return nil
	case r.Period <= 0:
		return fmt.Errorf("%s.Period is %v: it must be above 0 if Processes or Share is given", field, r.Period)
	case r.Processes < 0 || !(r.Share >= 0) || r.Share > 1e4:
		return fmt.Errorf("%s is %s or a share of %v: neither may be negative, and a share of 1 is the whole size", field, names.Count(r.Processes, "process", "processes"), r.Share)
	case r.Processes == 0 && r.Share == 0:
		return fmt.Errorf("%s permits no change at all in %v: give Processes, Share or both, or no Period", field, r.Period)
	}
	return nil
}

// room returns how many processes the rate leaves, and when it leaves more. Negative:
// there is no rate.
func (r Rate) room(m Moves, now time.Time, size int, up bool) (room int, until time.Time) {
	if r.Period <= 0 {
		return -1, time.Time{}
	}
	moved := 0 // in the direction, within the period
	start := size
	for _, v := range m {
		if now.Sub(v.At) >= r.Period {
			continue
		}
		start -= v.To - v.From
		if step := v.To - v.From; step > 0 == up {
			moved += abs(step)
			if until.IsZero() {
				until = v.At.Add(r.Period)
			}
		}
	}
	most := r.Processes
	if r.Share > 0 {
		most = max(most, ceil(float64(max(start, 0))*r.Share), 1)
	}
	return max(most-moved, 0), until
}

// ceil rounds up, and tolerates floating-point error.
func ceil(v float64) int {
	n := int(min(v, 1e9))
	if v-float64(n) > floatError {
		n++
	}
	return n
}

// floatError is how far a product of a share and a size may be off a whole number.
const floatError = 1e-9
