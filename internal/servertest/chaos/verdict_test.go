//go:build linux

package chaos_test

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/servertest/chaos/journal"
)

// A write is a change of the size that the platform took.
type write struct {
	at    int64 // when it arrived
	to    int
	order string // which it is, and
	host  string // whose; empty: nobody's
}

var sender = regexp.MustCompile(`^(\S+)/term=\d+ trust=\S+ order=(\S+)$`)

// newWrite reads the sender that a host gives with its orders.
func newWrite(at int64, to int, from string) write {
	w := write{at: at, to: to}
	if m := sender.FindStringSubmatch(from); m != nil {
		w.host, w.order = m[1], m[2]
	}
	return w
}

// A record is all that is known of a trial.
type record struct {
	lines    []journal.Line
	writes   []write // in the order of their arrival
	steps    []step  // of the database's clock
	aways    []away  // of the lease's table
	min, max int
}

// An away is a time for which the hosts could not use the lease's table.
type away struct {
	from, until int64 // 0: it is away still
	lost        bool  // its row was lost
}

// A step is one of the database's clock: forward, it lets a lease expire early.
type step struct {
	at int64 // before it
	by time.Duration
}

// A verdict is what a record comes to.
type verdict struct {
	terms    int // that anybody led in
	early    int // that began before the trust in another had ended, as the database's clock was set forward
	gaveUp   int // hosts whose elector failed for good
	orders   int // that began to be written
	slow     int // of these, given out in time, and written when the trust of their sender had ended
	writes   int // that the platform took
	late     int // writes that arrived when the trust of their sender had ended,
	stale    int // and when a later term had begun
	notices  int
	against  []string // what must not be
	tookBack int      // orders that seemed to fail and were told later
}

func (v *verdict) fault(format string, args ...any) {
	v.against = append(v.against, fmt.Sprintf(format, args...))
}

// A term is the time for which one host led, as its journal says.
type term struct {
	number int64
	host   string
	begin  int64 // it led then, or before
	until  int64 // it trusted itself until then, or led then for the last time if that is known
}

// judge holds a record against what was promised.
func judge(r record) *verdict {
	v := &verdict{}
	terms := v.findTerms(r)
	v.order(r, terms)
	v.tell(r)
	v.giveUp(r)
	return v
}

// findTerms finds the terms, by number, and asserts that none overlap.
func (v *verdict) findTerms(r record) []*term {
	byNumber := make(map[int64]*term)
	held := make(map[string]int64) // by host, the term that it holds
	for _, l := range r.lines {
		t := byNumber[l.Term]
		switch l.What {
		case journal.Trusted:
			if t == nil {
				t = &term{number: l.Term, host: l.Host, begin: l.At}
				byNumber[l.Term] = t
			}
			if t.host != l.Host {
				v.fault("term %d was held by %s and by %s", l.Term, t.host, l.Host)
			}
			t.until = max(t.until, l.Until)
			held[l.Host] = l.Term
		case journal.Ended:
			if t != nil && l.Seen >= t.until {
				v.fault("%s said that it led in term %d, %v after it could trust itself", l.Host, l.Term, time.Duration(l.Seen-t.until))
			}
			if t != nil {
				t.until = l.Seen
			}
			delete(held, l.Host)
		case journal.Resigned:
			if t := byNumber[held[l.Host]]; t != nil {
				t.until = min(t.until, l.At)
			}
		}
	}
	var terms []*term
	for _, t := range byNumber {
		terms = append(terms, t)
	}
	slices.SortFunc(terms, func(a, b *term) int { return cmp.Compare(a.number, b.number) })
	v.terms = len(terms)
	for i, t := range terms[:max(0, len(terms)-1)] {
		next := successor(terms[i+1:])
		switch {
		case t.until <= next.begin:
		case r.steppedForward(t, next):
			v.early++
		default:
			v.fault("terms %d of %s and %d of %s overlap by %v", t.number, t.host, next.number, next.host, time.Duration(t.until-next.begin))
		}
	}
	return terms
}

// successor returns, of later terms, the one that began first.
func successor(later []*term) *term {
	return slices.MinFunc(later, func(a, b *term) int { return cmp.Compare(a.begin, b.begin) })
}

// steppedForward reports whether the database's clock was set forward while a
// term lasted and before a later one began.
func (r record) steppedForward(t, later *term) bool {
	return slices.ContainsFunc(r.steps, func(s step) bool { return s.by > 0 && s.at > t.begin && s.at <= later.begin })
}

// order asserts that nobody gave out an order who could not trust itself any more,
// and that what was ordered was within the bounds. Between that and the write the
// process may be frozen, or wait for a processor.
func (v *verdict) order(r record, terms []*term) {
	until := make(map[string]int64)
	after := make(map[string]*term) // the term that followed the one of an order
	for _, l := range r.lines {
		if l.What != journal.Ordered {
			continue
		}
		v.orders++
		until[l.ID] = l.Until
		switch {
		case l.Until <= l.Given:
			v.fault("%s gave out order %s, of term %d, %v after it could trust itself", l.Host, l.ID, l.Term, time.Duration(l.Given-l.Until))
		case l.Until <= l.At:
			v.slow++
		}
		i := slices.IndexFunc(terms, func(t *term) bool { return t.number == l.Term })
		if i < 0 {
			v.fault("%s gave out order %s in the term %d, in which nobody led", l.Host, l.ID, l.Term)
			continue
		}
		if i+1 < len(terms) {
			next := successor(terms[i+1:])
			after[l.ID] = next
			if next.begin < l.Given && !r.steppedForward(terms[i], next) {
				v.fault("%s gave out order %s in term %d, %v after term %d had begun", l.Host, l.ID, l.Term, time.Duration(l.Given-next.begin), next.number)
			}
		}
	}
	for _, w := range r.writes {
		if w.to < r.min || w.to > r.max {
			v.fault("%s ordered %d, which is not within %d to %d", w.host, w.to, r.min, r.max)
		}
		if w.host == "" {
			continue
		}
		v.writes++
		end, began := until[w.order]
		if !began {
			v.fault("order %s arrived, and nobody began to write it", w.order)
		}
		if w.at > end {
			v.late++
			if next := after[w.order]; next != nil && next.begin < w.at {
				v.stale++
			}
		}
	}
}

// quietPeriod is how long more must not have been needed before that is over,
// and can be told anew.
const quietPeriod = 5 * time.Minute

// tell asserts that nothing was told twice, by whichever process.
func (v *verdict) tell(r record) {
	var told []journal.Line
	for _, l := range r.lines {
		if l.What == journal.Told {
			told = append(told, l)
		}
	}
	v.notices = len(told)
	v.tellScaled(r, told)

	once := make(map[string]string)
	var above int64 = math.MinInt64
	for _, l := range told {
		key := fmt.Sprintf("%s %s %s %d to %d of the tick at %d of %s", l.Kind, l.Phase, l.Detail, l.From, l.To, l.Tick, l.Host)
		if l.Kind == "paused" && strings.Contains(l.Detail, "paused since") {
			key = l.Kind + " " + l.Phase + " " + l.Detail // a command is given once
		}
		if by, ok := once[key]; ok {
			v.fault("%s was told by %s and again by %s", key, by, l.Host)
		}
		once[key] = l.Host
		if l.Kind == "needs_above_max" && l.Phase == "began" {
			// How old the state is that a leader starts from is known by the
			// database's clock, as it was meanwhile.
			least := quietPeriod - r.stepped(above, l.At) - time.Second
			if above != math.MinInt64 && !r.lost(above, l.At) && time.Duration(l.At-above) < least {
				v.fault("%s told that more is needed than the maximum, %v after that had been told", l.Host, time.Duration(l.At-above))
			}
			above = l.At
		}
	}
}

// lost reports whether the row of the lease was lost in a time, and with it what had
// been told.
func (r record) lost(from, to int64) bool {
	return slices.ContainsFunc(r.aways, func(a away) bool { return a.lost && a.from <= to && (a.until == 0 || a.until >= from) })
}

// stepped is how far the database's clock was moved, to and fro, in a time.
func (r record) stepped(from, to int64) (far time.Duration) {
	for _, s := range r.steps {
		if s.at >= from && s.at <= to {
			far += max(s.by, -s.by)
		}
	}
	return far
}

// tellScaled asserts that each notice of a new size is of a write of its own.
func (v *verdict) tellScaled(r record, told []journal.Line) {
	taken := make([]bool, len(r.writes))
	// find takes the last write that fits.
	find := func(fits func(write) bool) bool {
		for i, w := range slices.Backward(r.writes) {
			if !taken[i] && fits(w) {
				taken[i] = true
				return true
			}
		}
		return false
	}
	later := told[:0:0]
	for _, l := range told {
		switch {
		case l.Kind != "scaled":
		case l.Detail != "":
			later = append(later, l)
		case !find(func(w write) bool { return w.host == l.Host && w.to == l.To && w.at >= l.Tick && w.at <= l.At }):
			v.fault("%s told that it had scaled from %d to %d, and no write of that tick is left that was not told", l.Host, l.From, l.To)
		}
	}
	for _, l := range later { // by an order that had seemed to fail, whosesoever
		v.tookBack++
		if !find(func(w write) bool { return w.to == l.To && w.at <= l.At }) {
			v.fault("%s told that an earlier order had scaled to %d, and no write is left that was not told", l.Host, l.To)
		}
	}
}

// patience is how long after the table is back a host may still find that it was away.
const patience = 5 * time.Second

// giveUp asserts that an elector failed for good only where its host had never led, and
// while the table was away.
func (v *verdict) giveUp(r record) {
	led := make(map[string]bool)
	for _, l := range r.lines {
		switch l.What {
		case journal.Trusted:
			led[l.Host] = true
		case journal.GaveUp:
			v.gaveUp++
			excused := slices.ContainsFunc(r.aways, func(a away) bool {
				return a.from <= l.At && (a.until == 0 || l.At <= a.until+int64(patience))
			})
			if led[l.Host] || !excused {
				v.fault("%s gave up (it had led: %v; the table was away: %v): %s", l.Host, led[l.Host], excused, l.Detail)
			}
		}
	}
}
