// Package rules holds rules of other autoscalers that were rewritten for the
// simulator, because their own code is not public, or is no library. They follow
// what the makers' documentation says; where it says nothing, the comment does,
// and the choice was meant to be a good one. They are not the makers' code, and
// what they reach is a hint of what the makers' would.
package rules

import (
	"context"
	"math"
	"time"

	"github.com/autoscalebot/autoscale/sim"
)

// Latency is a rule that moves by one process on a percentile of the latency.
type Latency struct {
	Every      time.Duration // between two looks, and what is looked at
	Percentile float64
	High       time.Duration // above it a look is a breach,
	Low        time.Duration // below it one of the other kind
	Up         int           // breaches in a row before one is added
	Down       int           // and removed
	DownRest   time.Duration // after any change before one is removed

	highs, lows int
	changed     time.Duration
}

// Heroku returns a rule like Heroku's own autoscaling of web dynos: the 95th
// percentile of the response time, one dyno at a time, at least a minute apart,
// and slower down. Heroku works out the fewest dynos from the last hour by a
// formula that is not published; here one goes when the percentile has been below
// four fifths of the limit for three minutes.
//
// Source: devcenter.heroku.com/articles/autoscaling-dynos.
func Heroku(p95 time.Duration) *Latency {
	return &Latency{Every: time.Minute, Percentile: 95, High: p95, Low: p95 * 4 / 5, Up: 1, Down: 3, DownRest: 2 * time.Minute}
}

// HireFire returns a rule like HireFire's on the response time: a look each
// minute, one dyno more after two breaches in a row, one fewer after ten. Its
// documentation advises 2 to 5 and 10 to 30.
//
// Source: help.hirefire.io.
func HireFire(p95 time.Duration) *Latency {
	return &Latency{Every: time.Minute, Percentile: 95, High: p95, Low: p95 * 4 / 5, Up: 2, Down: 10}
}

// Interval returns Every.
func (l *Latency) Interval() time.Duration { return l.Every }

// Tick applies the rule.
func (l *Latency) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	latency, ok := v.Latency(l.Every, l.Percentile)
	if !ok {
		return v.Desired, nil
	}
	return l.move(v, latency), nil
}

func (l *Latency) move(v *sim.View, seen time.Duration) int {
	switch {
	case seen > l.High:
		l.highs, l.lows = l.highs+1, 0
	case seen < l.Low:
		l.highs, l.lows = 0, l.lows+1
	default:
		l.highs, l.lows = 0, 0
	}
	size := v.Desired
	switch {
	case l.highs >= l.Up:
		size++
	case l.lows >= l.Down && size > 1 && v.Elapsed-l.changed >= l.DownRest:
		size--
	default:
		return size
	}
	l.highs, l.lows, l.changed = 0, 0, v.Elapsed
	return size
}

// Judoscale is a rule like Judoscale's: the 95th percentile of the queue time
// every ten seconds; one more at once when it is above the upper bound, and again
// each UpEvery; one fewer when it was below the lower bound for ten minutes.
//
// The simulator shows the mean of the queue time. Its 95th percentile is worked
// out from that and the utilisation, by Erlang's formula for the wait.
//
// Source: Judoscale's documentation. It names no bounds: Dynoscale's are 100 ms
// and 50 ms.
type Judoscale struct {
	High, Low time.Duration
	UpEvery   time.Duration
	DownEvery time.Duration

	up, down, low time.Duration // when it last went up and down, and since when it is low
	begun         bool
}

// Interval is ten seconds.
func (j *Judoscale) Interval() time.Duration { return 10 * time.Second }

// Tick applies the rule.
func (j *Judoscale) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	now, w := v.Elapsed, v.Recent(10*time.Second)
	if w.Completions == 0 {
		return v.Desired, nil
	}
	p95 := queueP95(w.QueueTime, w.Utilization, v.Slots)
	if p95 >= j.Low || !j.begun {
		j.low, j.begun = now, true
	}
	switch {
	case p95 > j.High && (j.up == 0 || now-j.up >= j.UpEvery):
		j.up = now
		return v.Desired + 1, nil
	case now-j.low >= 10*time.Minute && now-j.down >= j.DownEvery && v.Desired > 1:
		j.down = now
		return v.Desired - 1, nil
	}
	return v.Desired, nil
}

// queueP95 returns the 95th percentile of a wait of which the mean is known, in
// a queue of M/M/c: P(W>t) = C·exp(−t·C/E[W]), C being the share that waits.
func queueP95(mean time.Duration, utilization float64, slots int) time.Duration {
	waits := erlangC(slots, min(utilization, .999)*float64(slots))
	if waits <= .05 {
		return 0
	}
	return time.Duration(float64(mean) / waits * math.Log(waits/.05))
}

// erlangC returns the share of the requests that wait, at a load in Erlangs.
func erlangC(servers int, load float64) float64 {
	term, sum := 1.0, 0.0
	for n := range servers {
		sum += term
		term *= load / float64(n+1)
	}
	last := term / (1 - load/float64(servers))
	return last / (sum + last)
}

// AWS is a rule like the target tracking of AWS Application Auto Scaling on the
// utilisation: when three one-minute means in a row are above the target it adds
// in proportion, and when fifteen are below nine tenths of it, it removes in
// proportion to the highest of them. After adding it adds more only where more is
// needed than was ordered, and for Cooldown removes none.
//
// Source: AWS' user guide for Application Auto Scaling; the numbers of points are
// those of the alarms that it creates.
type AWS struct {
	Target   float64
	Cooldown time.Duration // 0: five minutes

	means   []float64
	changed time.Duration
}

// Interval is a minute.
func (a *AWS) Interval() time.Duration { return time.Minute }

// Tick applies the rule.
func (a *AWS) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	if a.Cooldown == 0 {
		a.Cooldown = 5 * time.Minute
	}
	w := v.Recent(time.Minute)
	a.means = append(a.means, w.Utilization)
	a.means = a.means[max(0, len(a.means)-15):]
	n := len(a.means)
	needed := func(utilization float64) int { return int(math.Ceil(w.Ready*utilization/a.Target - 1e-9)) }
	high, low := n >= 3, n == 15
	for i, u := range a.means {
		high = high && (i < n-3 || u > a.Target)
		low = low && u < .9*a.Target
	}
	size := v.Desired
	switch {
	case high:
		size = max(size, needed(w.Utilization))
	case low && (a.changed == 0 || v.Elapsed-a.changed >= a.Cooldown):
		most := 0.0
		for _, u := range a.means {
			most = max(most, u)
		}
		size = max(1, min(size, needed(most)))
	}
	if size != v.Desired {
		a.changed = v.Elapsed
		if size < v.Desired {
			a.means = a.means[:0] // what was measured belongs to the former size
		}
	}
	return size, nil
}

// React is the rule of Chieu and others: each minute one more when all
// processes are above the upper threshold, one fewer when two at least are below
// the lower. Theirs counts sessions; here it is the share of the slots in use.
//
// Source: T. Chieu et al., Dynamic Scaling of Web Applications in a Virtualized
// Cloud Computing Environment (2009).
type React struct{ High, Low float64 }

// Interval is a minute.
func (r React) Interval() time.Duration { return time.Minute }

// Tick applies the rule.
func (r React) Tick(_ context.Context, _ time.Time, v *sim.View) (int, error) {
	above, below := 0, 0
	processes := v.Processes(time.Minute)
	for _, p := range processes {
		if p.Utilization > r.High {
			above++
		}
		if p.Utilization < r.Low {
			below++
		}
	}
	switch {
	case len(processes) > 0 && above == len(processes):
		return v.Desired + 1, nil
	case below >= 2:
		return v.Desired - 1, nil
	}
	return v.Desired, nil
}
