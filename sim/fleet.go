package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/count"
	"github.com/autoscalebot/autoscale/traffic"
)

// maxDeployed is the most processes of a [DeployedView] at once. Each takes some 70 KiB.
const maxDeployed = 2000

// A viewer is a [Controller] that has a view to name in the report.
type viewer interface {
	// seen returns the name of the view, and for a [DeployedView] its Signals.
	seen() (name string, deployed *Signals)
}

// A fleet has the processes of a simulation that count their own requests. One of them
// leads.
type fleet struct {
	options traffic.Options
	inFront bool    // requests wait in front of the handler
	every   float64 // between forced changes of the leader, in s; 0: none
	board   *board  // nil: none
	random  *rand.Rand

	leader *tally
	since  float64 // when it began to lead
	led    int     // how many have led
}

func newFleet(s Signals, inFront bool, random *rand.Rand) *fleet {
	f := &fleet{inFront: inFront, options: s.traffic(), every: s.LeaderEvery.Seconds(), random: random}
	if s.MetricsBoard != nil {
		f.board = &board{MetricsBoard: s.MetricsBoard.withDefaults(), window: f.options.Window}
	}
	return f
}

// start returns the tally of a process that serves from t on. The tally began to count up
// to a second before, so that the seconds of each process begin at another moment.
func (f *fleet) start(t float64) *tally {
	c := newTally(t-f.random.Float64(), f.options.Longest)
	c.inFront = f.inFront
	if f.board != nil {
		first := c.base + 1 // as soon as there may be something to publish
		if t == 0 {         // the process has been publishing for a long time
			first = f.random.Float64() * f.board.Interval.Seconds()
		}
		f.board.join(c, first)
	}
	return c
}

// stop ends the tally of a process. A process that stops removes its report. A process that
// is killed does not.
func (f *fleet) stop(t float64, c *tally, killed bool) {
	c.stopped = true
	if f.board != nil && !killed {
		f.board.put(c, t, nil)
	}
}

// next returns when the next process publishes.
func (f *fleet) next() float64 {
	if f.board == nil || len(f.board.due) == 0 {
		return math.Inf(1)
	}
	return f.board.due[0].at
}

// lead chooses the leader, and reports whether there is one. The oldest process replaces a
// leader that has stopped. If it is time for a change, any other process leads.
func (f *fleet) lead(t float64, members []member) bool {
	if len(members) == 0 {
		f.leader = nil
		return false
	}
	switch {
	case f.leader == nil || f.leader.stopped:
		f.leader = members[0].tally
	case f.every > 0 && t-f.since >= f.every && len(members) > 1:
		i := f.random.IntN(len(members) - 1)
		if members[i].tally == f.leader {
			i = len(members) - 1
		}
		f.leader = members[i].tally
	default:
		return true
	}
	f.since = t
	f.led++
	return true
}

// sample returns what the leader measures at t, as traffic.Traffic.Probe and
// traffic.Shared.Probe do.
func (f *fleet) sample(t float64, now time.Time) (autoscale.Sample, error) {
	window := f.options.Window
	own, since, ok := f.leader.report(t, window)
	var all count.Sum
	if ok {
		all.Add(&own, 0, true)
	} else {
		since = 0
	}
	detail := ""
	if f.board != nil {
		fresh, oldest := count.Ages(f.board.Interval, window)
		reports, up := f.board.read(t, oldest)
		if !up {
			detail = "only this process was measured, because the metrics board could not be read"
		}
		var posted []count.Posted
		for _, s := range reports {
			if s.by != f.leader || !ok {
				posted = append(posted, s.Posted)
			}
		}
		if strange, err := all.Gather(posted, since, fresh); strange > 0 {
			return autoscale.Sample{}, fmt.Errorf("sim: %d of %d reports on the metrics board could not be read: %w", strange, len(reports), err)
		}
	}
	s := all.Sample(window, f.options.Percentile, now.Add(-since))
	if s.Processes == 0 {
		return autoscale.Sample{}, fmt.Errorf("sim: %w: the process that leads has counted for too short a time", autoscale.ErrWarmingUp)
	}
	s.Detail = detail
	return s, nil
}
