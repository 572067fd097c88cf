// Package advice suggests better settings from the history of an Autoscaler. Each piece
// of advice has its evidence. If there is not enough history, there is no advice. The
// package does no I/O.
//
// The thresholds are choices of this package. They are set so that a week of a well
// configured service gives no advice. The code has each threshold beside its rule.
package advice

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/history"
)

// An Advice is one suggestion.
type Advice struct {
	Code     string // as "at_max". It identifies the rule, and does not change
	Evidence string // what was seen, in one sentence
	Do       string // what to set, or to look at, in one sentence
}

// String returns the evidence and what to do.
func (a Advice) String() string { return a.Evidence + " " + a.Do }

// From returns the advice that the history of the last days gives, as of now. s is the
// Status of the same Autoscaler. past may be nil.
func From(s autoscale.Status, past *history.Log, now time.Time) []Advice {
	if past == nil {
		past = new(history.Log)
	}
	p := period{status: s, now: now, points: past.Points(), spans: past.Spans()}
	p.points = slices.DeleteFunc(p.points, func(q history.Point) bool { return now.Sub(q.Time) > history.Recent })
	p.spans = slices.DeleteFunc(p.spans, func(q history.Span) bool { return now.Sub(q.Start) > history.Past })
	for _, q := range p.spans {
		if now.Sub(q.Start) <= day {
			p.today = append(p.today, q)
		}
	}
	var out []Advice
	for _, rule := range []func(period) *Advice{atMax, failures, slots, pool, bottleneck, neverBelow, flapping, rival, probes, slowTicks} {
		if a := rule(p); a != nil {
			out = append(out, *a)
		}
	}
	return out
}

const day = 24 * time.Hour

// period is what the rules look at.
type period struct {
	status autoscale.Status
	now    time.Time
	points []history.Point // of the last three hours
	spans  []history.Span  // of the last seven days
	today  []history.Span  // of the last 24 hours
}

// share returns for how much of the time of spans something held, by how many ticks it did,
// and the whole time.
func (p period) share(spans []history.Span, of func(history.Span) int) (held, seen time.Duration) {
	for _, s := range spans {
		width := max(0, min(history.Width, p.now.Sub(s.Start))) // the last one is not over
		seen += width
		held += time.Duration(float64(of(s)) / float64(s.Ticks) * float64(width))
	}
	return held, seen
}

// atMax: an hour or more of the last 24 at Max, of 6 or more that were seen.
func atMax(p period) *Advice {
	held, seen := p.share(p.today, func(s history.Span) int { return s.AtMax })
	if seen < 6*time.Hour || held < time.Hour || bottleneck(p) != nil { // more would not help
		return nil
	}
	last := p.today[len(p.today)-1]
	return &Advice{
		"at_max", fmt.Sprintf("More processes were needed than Max, which is %d, or the platform permits, for %.1f of the last 24 hours.", last.Max, held.Hours()),
		fmt.Sprintf("Raise Max above %d, or find out what else holds the service back.", last.Max),
	}
}

// failures: the service failed one probe in a hundred or more in the last 24 hours, and 20
// or more.
func failures(p period) *Advice {
	failed, ticks := 0, 0
	for _, s := range p.today {
		failed, ticks = failed+s.Failures, ticks+s.Ticks
	}
	if failed < 20 || failed*100 < ticks {
		return nil
	}
	return &Advice{
		"failing", fmt.Sprintf("The service failed %d of %d probes in the last 24 hours: it timed out, refused a connection or answered with a server error.", failed, ticks),
		"If this was under load, raise Min, or lower the load that one process is meant to take.",
	}
}

// bottleneck: increases did not help, as an Ineffective event says.
func bottleneck(p period) *Advice {
	n := 0
	var last autoscale.Event
	for _, e := range p.status.Events {
		if e.Kind == autoscale.Ineffective && e.Phase != autoscale.Ended && p.now.Sub(e.Time) <= day {
			n, last = n+1, e
		}
	}
	if n == 0 {
		return nil
	}
	return &Advice{
		"bottleneck", fmt.Sprintf("Adding processes did not help, most recently at %s.", clock(last.Time)),
		"Look at what all processes share: the pool of the database, a lock, a queue, another service.",
	}
}

// slots: in three half-hours or more of the last seven days, and in 20 ticks or more, the
// processes were saturated, and in none of these half-hours did one work on more than four
// fifths of what the rule takes it to. What a process does at once is
// [history.Span.Slots], as the rule measures it.
func slots(p period) *Advice {
	set := p.status.Slots
	ticks, halves, most := 0, 0, 0.
	for _, s := range p.spans {
		if s.Saturated > 0 {
			ticks, halves, most = ticks+s.Saturated, halves+1, max(most, s.Slots)
		}
	}
	if set <= 0 || halves < 3 || ticks < 20 || most > .8*set {
		return nil
	}
	fit := max(1, math.Round(most))
	return &Advice{
		"slots", fmt.Sprintf("While requests waited, a process worked on at most %.2g at once, in %d ticks of %d half-hours of the last 7 days. The rule assumes %.4g.", most, ticks, halves, set),
		fmt.Sprintf("Set TargetTracking.Concurrency to %.0f, or find out what keeps a process from using its workers.", fit),
	}
}

// pool: in one tick of twenty or more of the last 24 hours, and 20 or more, a caller or more
// waited on average for a connection of the database's pool.
func pool(p period) *Advice {
	waits, ticks := 0, 0
	for _, s := range p.today {
		waits, ticks = waits+s.PoolWaits, ticks+s.Ticks
	}
	if waits < 20 || waits*20 < ticks {
		return nil
	}
	return &Advice{
		"pool", fmt.Sprintf("In %d or more of %d ticks of the last 24 hours, an average of at least one request waited for a connection of the database's pool.", waits, ticks),
		"Raise the pool's SetMaxOpenConns if the database takes that many from each of Max processes. Otherwise make the queries shorter: more processes do not help.",
	}
}

// neverBelow: the size was above Min for all of two days or more that were seen.
func neverBelow(p period) *Advice {
	least := 0
	for i, s := range p.spans {
		if s.Paused > 0 || s.Yielding > 0 {
			return nil // others set the size
		}
		if i == 0 || s.MinSize < least {
			least = s.MinSize
		}
	}
	seen := time.Duration(len(p.spans)) * history.Width
	if seen < 2*day || least <= p.status.Min || least > p.status.Max {
		return nil
	}
	return &Advice{
		"never_below", fmt.Sprintf("The size was never below %d in the %.1f days that were seen. Min is %d.", least, seen.Hours()/24, p.status.Min),
		fmt.Sprintf("Set Min to %d: it costs nothing more, and a wrong measurement can do less harm.", least),
	}
}

// flapping: the size turned round 12 times or more within three hours, and two or more of
// these turns were seen.
func flapping(p period) *Advice {
	if len(p.points) < 2 || p.points[len(p.points)-1].Time.Sub(p.points[0].Time) < 2*time.Hour {
		return nil
	}
	turns, way := 0, 0
	for i, q := range p.points[1:] {
		step := q.Size - p.points[i].Size
		if step == 0 || !q.Flags.Has(history.Ordered) {
			continue
		}
		now := 1
		if step < 0 {
			now = -1
		}
		if way == -now {
			turns++
		}
		way = now
	}
	if turns < 12 {
		return nil
	}
	return &Advice{
		"flapping", fmt.Sprintf("The size went up and down again %d times in the last three hours.", turns/2),
		"Set a longer Limits.Down.Stabilization or Limits.Down.Cooldown, or a Limits.Tolerance.",
	}
}

// rival: somebody else changed the size in the same half-hour of the day on three days or more.
func rival(p period) *Advice {
	days := make(map[time.Duration]int)
	var at time.Duration
	for _, s := range p.spans {
		start := s.Start.UTC()
		half := start.Sub(start.Truncate(day))
		if s.Changes > 0 {
			days[half]++
			if days[half] > days[at] || days[half] == days[at] && half < at {
				at = half
			}
		}
	}
	if days[at] < 3 {
		return nil
	}
	when := time.Time{}.Add(at).Format("15:04")
	return &Advice{
		"rival", fmt.Sprintf("Something else changed the size between %s and %s UTC on %d of the last 7 days.", when, time.Time{}.Add(at+history.Width).Format("15:04"), days[at]),
		"Find out what does it: a scheduled job, a deployment, another autoscaler. A Schedule as Min or Max can do the same.",
	}
}

// probes: one tick in twenty or more measured nothing in the last 24 hours, and 20 or more.
func probes(p period) *Advice {
	failed, ticks := 0, 0
	for _, s := range p.today {
		failed, ticks = failed+s.ProbeFailures, ticks+s.Ticks
	}
	if failed < 20 || failed*20 < ticks {
		return nil
	}
	return &Advice{
		"probes", fmt.Sprintf("%d of %d ticks of the last 24 hours measured nothing, and the size was held.", failed, ticks),
		"Look at the events of the kind probe_failed: they say why.",
	}
}

// slowTicks: the ticks are more than 30 seconds apart, and further than a process takes to boot.
func slowTicks(p period) *Advice {
	if len(p.points) < 20 || p.status.Last.Boot <= 0 {
		return nil
	}
	var apart []time.Duration
	for i, q := range p.points[1:] {
		apart = append(apart, q.Time.Sub(p.points[i].Time))
	}
	slices.Sort(apart)
	interval, boot := apart[len(apart)/2].Round(time.Second), p.status.Last.Boot.Round(time.Second)
	if interval <= 30*time.Second || interval <= boot {
		return nil
	}
	return &Advice{
		"slow_ticks", fmt.Sprintf("A tick comes every %v, and a process boots in %v: most of the delay in a rise is the wait for a tick.", interval, boot),
		fmt.Sprintf("Set Interval to %v.", max(boot, 10*time.Second)),
	}
}

func clock(t time.Time) string { return t.UTC().Format("2 Jan 15:04 UTC") }
