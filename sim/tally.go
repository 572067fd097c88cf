package sim

import (
	"math"
	"time"

	"github.com/autoscalebot/autoscale/internal/count"
)

// A tally has what one process counted of its own requests. It uses the code of
// traffic.Traffic. A process without a tally counts nothing.
type tally struct {
	counter *count.Counter
	base    float64         // when the process began to count
	sync    func(t float64) // brings the process to t; nil: plan says what happens
	stopped bool            // it no longer serves
	inFront bool            // requests wait in front of the handler, and not in it

	// The requests whose times are known in advance. They begin in the order in
	// which they came.
	begins queue[planned]
	ends   heap[running]

	posts []post // reports on the board, and on the way to it
}

// planned is a request whose work will begin and end.
type planned struct{ arrived, start, end float64 }

// running is a request that is worked on.
type running struct {
	end   float64
	began int64
	shard *count.Shard
}

func (r running) key() float64 { return r.end }

func newTally(base float64, longest time.Duration) *tally {
	return &tally{counter: count.New(longest, 1), base: base}
}

// moment returns t as the counter counts time.
func (c *tally) moment(t float64) int64 {
	return int64(math.Round((t - c.base) * float64(time.Second)))
}

// begin counts a request whose handler begins at t.
func (c *tally) begin(t, waited float64) (*count.Shard, int64) {
	now := c.moment(t)
	c.counter.Advance(now)
	return c.counter.Begin(now, seconds(waited)), now
}

// end counts the end of a request.
func (c *tally) end(s *count.Shard, began int64, t float64) {
	now := c.moment(t)
	c.counter.Advance(now)
	c.counter.End(s, began, now)
}

// plan takes a request that arrives now, and the times at which the work on it will begin
// and end.
func (c *tally) plan(arrived, start, end float64) {
	c.play(arrived)
	if c.inFront {
		c.begins.push(planned{arrived, start, end})
		return
	}
	shard, began := c.begin(arrived, 0)
	c.ends.push(running{end, began, shard})
}

// play counts the planned requests up to t, in the order of time. A slot that one request
// leaves can be taken by another at the same moment.
func (c *tally) play(t float64) {
	for {
		next := math.Inf(1)
		if c.begins.len() > 0 {
			next = c.begins.front().start
		}
		switch {
		case len(c.ends) > 0 && c.ends[0].end <= min(t, next):
			r := c.ends.pop()
			c.end(r.shard, r.began, r.end)
		case next <= t:
			p := c.begins.pop()
			shard, began := c.begin(p.start, p.start-p.arrived)
			c.ends.push(running{p.end, began, shard})
		default:
			return
		}
	}
}

// report returns what the process counted up to t, and how long ago the last second
// of it ended.
func (c *tally) report(t float64, window time.Duration) (r count.Report, age time.Duration, ok bool) {
	if c.sync != nil {
		c.sync(t)
	} else {
		c.play(t)
	}
	now := c.moment(t)
	r, ok = c.counter.Report(now, window)
	return r, time.Duration(now) - r.Ended, ok
}
