//go:build linux

package chaos_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/heroku/herokutest"

	"github.com/autoscalebot/autoscale/internal/servertest/chaos/journal"
)

// look reads what is new in the journal and at the platform.
func (x *trial) look() {
	x.mu.Lock()
	defer x.mu.Unlock()
	lines, read, err := journal.Read(x.path, x.read)
	if err != nil {
		x.faults = append(x.faults, err)
	}
	x.lines, x.read = append(x.lines, lines...), read
	for _, l := range lines {
		switch l.What {
		case journal.Trusted:
			x.holds[l.Host] = l
		case journal.Ended:
			delete(x.holds, l.Host)
		case journal.Resigned:
			delete(x.holds, l.Host)
			x.rests[l.Host] = l.Until
		case journal.Knows:
			x.knows[l.Host] = l.Term
		case journal.GaveUp:
			x.gaveUp[l.Host] = true
		case journal.Ticked:
			x.tick = l
		}
	}
	writes := x.server.Writes()
	if i := slices.IndexFunc(writes, func(w herokutest.Write) bool { return w.RequestID == x.lastSeen }); i >= 0 {
		writes = writes[i+1:]
	}
	for _, w := range writes {
		x.writes = append(x.writes, newWrite(x.clock.At(w.Time), w.To, w.Sender))
		x.lastSeen = w.RequestID
	}
}

// holder returns the line that says who leads now.
func (x *trial) holder() (journal.Line, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var holders []journal.Line
	for _, p := range x.procs { // those that run, not those that were killed
		if l, ok := x.holds[p.host()]; ok && l.Until > x.clock.Now() {
			holders = append(holders, l)
		}
	}
	if len(holders) == 0 {
		return journal.Line{}, false
	}
	return slices.MaxFunc(holders, func(a, b journal.Line) int { return cmp.Compare(a.Term, b.Term) }), true
}

// leader returns the process that leads now, or nil.
func (x *trial) leader() *process {
	l, ok := x.holder()
	if !ok {
		return nil
	}
	i := slices.IndexFunc(x.procs, func(p *process) bool { return strings.HasPrefix(l.Host, p.name+"#") })
	return x.procs[i]
}

// leads returns since when somebody who leads now is known to, 0 if nobody is,
// and when somebody could campaign, after all was well: who resigned does not at once.
func (x *trial) leads(healed int64) (at, from int64) {
	l, ok := x.holder()
	x.mu.Lock()
	defer x.mu.Unlock()
	for i, p := range x.procs {
		until := x.rests[p.host()]
		if i == 0 || until < from {
			from = until
		}
	}
	if ok {
		at = l.At
	}
	return at, max(from, healed)
}

// limit returns what bent the last decision.
func (x *trial) limit() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.tick.Limit
}

func (x *trial) count(what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.counts[what]++
}

// check notes an error, which fails the trial when it is over.
func (x *trial) check(err error) {
	if err == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = append(x.faults, err)
}

// sound reports whether nothing has gone wrong that ends the trial.
func (x *trial) sound() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.faults) == 0
}

// verdict holds the record of the trial against what was promised.
func (x *trial) verdict() *verdict {
	x.mu.Lock()
	defer x.mu.Unlock()
	return judge(record{x.lines, x.writes, x.steps, x.aways, smallest, largest})
}

// summary says what was done, and what came of it.
func (x *trial) summary(v *verdict) string {
	x.mu.Lock()
	defer x.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %v of faults, %d processes, TTL %v, renewal %v, margin %v\n", x.seed, *duration, processes, ttl, renew, margin)
	for _, what := range slices.Sorted(maps.Keys(x.counts)) {
		fmt.Fprintf(&b, "  %-32s %6d\n", what, x.counts[what])
	}
	row := func(n int, what string) { fmt.Fprintf(&b, "%6d %s\n", n, what) }
	row(v.terms, "terms")
	row(v.early, "of them began early, as the database's clock was set forward")
	row(v.gaveUp, "processes gave up for good, as the first thing that they saw was a table that was away or not theirs, and were started again")
	row(v.orders, "orders, each given out while its sender could trust itself unless said otherwise below")
	row(v.slow, "of them began to be written after that, as their sender was frozen or had no processor in between")
	row(v.writes, "writes that the platform took")
	row(v.late, "of them arrived after the trust of their sender had ended (in flight)")
	row(v.stale, "of these after a later term had begun")
	row(v.notices, "notices")
	row(v.tookBack, "of them of orders that had seemed to fail")
	row(x.pages.served, fmt.Sprintf("pages served by the hosts, the slowest in %v", x.pages.slowest.Round(time.Millisecond)))
	fmt.Fprintf(&b, "after the last fault somebody led within %s\n", spread(x.toLead))
	fmt.Fprintf(&b, "then the size was right within %s\n", spread(x.toSize))
	row(len(v.against), "violations")
	return b.String()
}

// spread gives the median and the longest of times.
func spread(times []time.Duration) string {
	if len(times) == 0 {
		return "no time known"
	}
	times = slices.Sorted(slices.Values(times))
	return fmt.Sprintf("%v (median) and %v (longest of %d)", times[len(times)/2].Round(time.Millisecond), times[len(times)-1].Round(time.Millisecond), len(times))
}
