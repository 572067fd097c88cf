// Package published says which size an autoscaler of the platform is to run, such as KEDA. The
// page and contrib/keda share it, so that every door gives the same answer.
package published

import (
	"errors"
	"fmt"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// StaleAfter is the default for how long the result of a tick holds.
const StaleAfter = 5 * time.Minute

// mute is how many probes in a row may measure nothing until the size is not known. One lost
// probe holds the size, as it does when the Autoscaler orders by itself.
const mute = 3

// Size returns the size to run. It returns an error if the size is not known, if the last
// tick is older than stale, or if the last probes measured nothing: a size that is not known
// is never 0.
func Size(s autoscale.Status, now time.Time, stale time.Duration) (int, error) {
	switch age := now.Sub(s.Ticked); {
	case s.Ticked.IsZero():
		return 0, fmt.Errorf("no tick yet: the autoscaler of %s has just started, or no process leads", s.Name)
	case age > stale:
		return 0, fmt.Errorf("the last tick of %s was %s ago, and what it came to holds for %s", s.Name, age.Round(time.Second), stale)
	case errors.Is(s.Last.Err, autoscale.ErrStoreSilent):
		return 0, fmt.Errorf("the Store of the autoscaler of %s has not answered yet", s.Name)
	case s.Last.Limit == limit.ByNotLeader:
		return 0, fmt.Errorf("another process leads the autoscaler of %s, and there is no Store that says what it recommends", s.Name)
	case s.ProbeFailures >= mute:
		return 0, fmt.Errorf("%d probes of %s in a row measured nothing, so no size can be recommended", s.ProbeFailures, s.Name)
	case !s.Known || s.ScaleFailures > 0 || s.Last.Decision.Size < 0:
		return 0, fmt.Errorf("the size of %s is not known: the platform could not be asked", s.Name)
	}
	return s.Last.Decision.Size, nil
}
