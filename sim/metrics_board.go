package sim

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale/internal/count"
	"github.com/autoscalebot/autoscale/traffic"
)

// A MetricsBoard is where the processes of a [DeployedView] publish their reports, like
// processes with a traffic.Shared.
type MetricsBoard struct {
	// Interval is how often a process publishes, from 1 s to 5 min. Each process has
	// a phase of its own. 0: traffic.DefaultInterval.
	Interval time.Duration

	// Delay is how long a report takes to reach the board, at most 1 min.
	Delay time.Duration

	// Outages are the times in which the board fails. The process that leads then sees only
	// its own counts, and reports that would arrive are lost.
	Outages []Outage
}

// An Outage is a time in which something fails. It begins at From and ends before To, both
// counted from the start of the load.
type Outage struct{ From, To time.Duration }

// maxDelay bounds MetricsBoard.Delay.
const maxDelay = time.Minute

func (b MetricsBoard) withDefaults() MetricsBoard {
	b.Interval = cmp.Or(b.Interval, traffic.DefaultInterval)
	return b
}

// validate reports what is wrong with b.
func (b MetricsBoard) validate() error {
	b = b.withDefaults()
	var errs []error
	if b.Interval < time.Second || b.Interval > 5*time.Minute {
		errs = append(errs, fmt.Errorf("Signals.MetricsBoard.Interval is %v: it must be 1s to 5m, or 0 for %v", b.Interval, traffic.DefaultInterval))
	}
	if b.Delay < 0 || b.Delay > maxDelay {
		errs = append(errs, fmt.Errorf("Signals.MetricsBoard.Delay is %v: it must be 0 to %v", b.Delay, maxDelay))
	}
	return errors.Join(append(errs, validOutages("Signals.MetricsBoard.Outages", b.Outages))...)
}

func validOutages(name string, outages []Outage) error {
	for i, o := range outages {
		if o.From < 0 || o.To <= o.From {
			return fmt.Errorf("%s[%d] is from %v to %v: it must begin at 0 or later, and end after it begins", name, i, o.From, o.To)
		}
	}
	return nil
}

// out reports whether one of the outages is under way.
func out(outages []Outage, t float64) bool {
	at := seconds(t)
	return slices.ContainsFunc(outages, func(o Outage) bool { return o.From <= at && at < o.To })
}

// A board is a MetricsBoard within a simulation.
type board struct {
	MetricsBoard
	window  time.Duration
	members []*tally // that may have something on it
	due     heap[publication]
}

// publication is the next time at which a process publishes.
type publication struct {
	at float64
	by *tally
}

func (p publication) key() float64 { return p.at }

// post is a report and the time at which it arrives. A post without data removes the
// last report.
type post struct {
	arrives float64
	data    []byte
}

// join makes a process publish, for the first time at the given moment.
func (b *board) join(c *tally, at float64) {
	b.members = append(b.members, c)
	b.due.push(publication{at, c})
}

// publish publishes the reports that are due at t.
func (b *board) publish(t float64) {
	for len(b.due) > 0 && b.due[0].at <= t {
		p := b.due.pop()
		if p.by.stopped {
			continue
		}
		next := time.Second // until there is something to publish
		if r, age, ok := p.by.report(t, b.window); ok {
			next = b.Interval
			b.put(p.by, t, r.Encode(age))
		}
		b.due.push(publication{p.at + next.Seconds(), p.by})
	}
}

// put sends a report of c.
func (b *board) put(c *tally, t float64, data []byte) {
	if at := t + b.Delay.Seconds(); !out(b.Outages, at) {
		c.posts = append(c.posts, post{at, data})
	}
}

// posted is the report of one process.
type posted struct {
	by *tally
	count.Posted
}

// read returns the reports that are younger than fresh, at most as many as a board
// returns, and false while the board fails.
func (b *board) read(t float64, fresh time.Duration) ([]posted, bool) {
	if out(b.Outages, t) {
		return nil, false
	}
	var reports []posted
	kept := b.members[:0]
	for _, c := range b.members {
		last := -1
		for i := range c.posts {
			if c.posts[i].arrives <= t {
				last = i
			}
		}
		c.posts = slices.Delete(c.posts, 0, max(0, last))
		if last >= 0 {
			p := c.posts[0]
			age := seconds(t - p.arrives)
			if p.data != nil && age < fresh {
				reports = append(reports, posted{c, count.Posted{Data: p.data, Age: age}})
			} else if c.stopped && len(c.posts) == 1 {
				continue // its report will never be read again
			}
		} else if c.stopped && len(c.posts) == 0 {
			continue
		}
		kept = append(kept, c)
	}
	clear(b.members[len(kept):])
	b.members = kept
	if len(reports) > traffic.MaxReports {
		slices.SortStableFunc(reports, func(x, y posted) int { return cmp.Compare(x.Age, y.Age) })
		reports = reports[:traffic.MaxReports]
	}
	return reports, true
}
