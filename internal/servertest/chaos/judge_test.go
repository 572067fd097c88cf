//go:build linux

package chaos_test

import (
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/servertest/chaos/journal"
)

// A trial proves something only if what must not be would be seen.
func TestJudge(t *testing.T) {
	const s = int64(time.Second)
	trust := func(at int64, host string, term, until int64) journal.Line {
		return journal.Line{What: journal.Trusted, At: at, Host: host, Term: term, Until: until}
	}
	order := func(at int64, host string, term, until int64) journal.Line {
		return journal.Line{What: journal.Ordered, At: at, Given: at, Host: host, Term: term, Until: until, ID: host + "/1"}
	}
	scaled := func(at int64, host string, to int, detail string) journal.Line {
		return journal.Line{What: journal.Told, At: at, Tick: at - s, Host: host, Kind: "scaled", Phase: "occurred", To: to, Detail: detail}
	}
	above := func(at int64, host string) journal.Line {
		return journal.Line{What: journal.Told, At: at, Tick: at, Host: host, Kind: "needs_above_max", Phase: "began"}
	}
	paused := func(at int64, host string) journal.Line {
		return journal.Line{What: journal.Told, At: at, Tick: at, Host: host, Kind: "paused", Phase: "began", Detail: "paused since noon"}
	}
	for _, test := range []struct {
		name    string
		record  record
		against []string // a part of each
	}{
		{name: "one after the other", record: record{lines: []journal.Line{
			trust(1*s, "a", 1, 2*s), trust(2*s, "b", 2, 3*s),
		}}},
		{"two at a time", record{lines: []journal.Line{
			trust(1*s, "a", 1, 3*s), trust(2*s, "b", 2, 3*s),
		}}, []string{"terms 1 of a and 2 of b overlap by 1s"}},
		{"a later term began before one in between", record{lines: []journal.Line{
			trust(1*s, "a", 1, 3*s), trust(2*s, "c", 3, 4*s), trust(5*s, "b", 2, 6*s),
		}}, []string{"terms 1 of a and 3 of c overlap", "terms 2 of b and 3 of c overlap"}},
		{name: "given up early", record: record{lines: []journal.Line{
			trust(1*s, "a", 1, 9*s),
			{What: journal.Resigned, At: 2 * s, Host: "a"},
			trust(3*s, "b", 2, 9*s),
			{What: journal.Ended, At: 5 * s, Host: "b", Term: 2, Seen: 4 * s},
			trust(4*s, "c", 3, 9*s),
		}}},
		{"trusted itself too long", record{lines: []journal.Line{
			trust(1*s, "a", 1, 2*s), trust(3*s, "b", 2, 9*s), {What: journal.Ended, At: 6 * s, Host: "a", Term: 1, Seen: 5 * s},
		}}, []string{"said that it led in term 1, 3s after", "overlap by 2s"}},
		{name: "the database's clock went forward", record: record{lines: []journal.Line{
			trust(1*s, "a", 1, 9*s), trust(3*s, "b", 2, 9*s),
		}, steps: []step{{2 * s, time.Minute}}}},
		{"it went back", record{lines: []journal.Line{
			trust(1*s, "a", 1, 9*s), trust(3*s, "b", 2, 9*s),
		}, steps: []step{{2 * s, -time.Minute}}}, []string{"overlap"}},
		{"one term, two holders", record{lines: []journal.Line{
			trust(1*s, "a", 1, 2*s), trust(3*s, "b", 1, 4*s),
		}}, []string{"held by a and by b"}},
		{name: "an order in time", record: record{lines: []journal.Line{
			trust(1*s, "a", 1, 3*s), order(2*s, "a", 1, 3*s),
		}, writes: []write{{at: 5 * s, to: 4, order: "a/1", host: "a"}}}},
		{"an order too late", record{lines: []journal.Line{
			trust(1*s, "a", 1, 3*s), order(3*s, "a", 1, 3*s),
		}}, []string{"0s after it could trust itself"}},
		{name: "an order given out in time, and written too late", record: record{lines: []journal.Line{
			trust(1*s, "a", 1, 2*s), trust(3*s, "b", 2, 9*s),
			{What: journal.Ordered, At: 4 * s, Given: 1 * s, Host: "a", Term: 1, Until: 2 * s, ID: "a/1"},
		}}},
		{"an order in another's term", record{lines: []journal.Line{
			trust(1*s, "a", 1, 2*s), trust(2*s, "b", 2, 4*s), order(3*s, "a", 1, 4*s),
		}}, []string{"1s after term 2 had begun"}},
		{"an order of no term", record{lines: []journal.Line{order(3*s, "a", 7, 4*s)}}, []string{"in which nobody led"}},
		{"a write out of nowhere", record{writes: []write{{at: 5 * s, to: 4, order: "a/1", host: "a"}}}, []string{"nobody began to write it"}},
		{"out of bounds", record{writes: []write{{to: 9}, {to: 1}}}, []string{"ordered 9", "ordered 1"}},
		{"told twice of one write", record{
			lines:  []journal.Line{order(1*s, "a", 1, 9*s), trust(1*s, "a", 1, 9*s), scaled(3*s, "a", 4, ""), scaled(3*s+1, "a", 4, "")},
			writes: []write{{at: 3*s - 1, to: 4, order: "a/1", host: "a"}},
		}, []string{"no write of that tick is left"}},
		{"told again by the next leader", record{
			lines:  []journal.Line{order(1*s, "a", 1, 9*s), trust(1*s, "a", 1, 9*s), scaled(3*s, "a", 4, ""), scaled(5*s, "b", 4, "by an order that had seemed to fail")},
			writes: []write{{at: 3*s - 1, to: 4, order: "a/1", host: "a"}},
		}, []string{"no write is left"}},
		{name: "told by the next leader alone", record: record{
			lines:  []journal.Line{order(1*s, "a", 1, 9*s), trust(1*s, "a", 1, 9*s), scaled(5*s, "b", 4, "by an order that had seemed to fail")},
			writes: []write{{at: 3*s - 1, to: 4, order: "a/1", host: "a"}},
		}},
		{"a condition that began twice", record{lines: []journal.Line{above(1*s, "a"), above(200*s, "b")}}, []string{"that more is needed"}},
		{name: "a condition that ended in between", record: record{lines: []journal.Line{above(1*s, "a"), above(400*s, "b")}}},
		{"a pause told by two", record{lines: []journal.Line{paused(1*s, "a"), paused(3*s, "b")}}, []string{"was told by a and again by b"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.record.min, test.record.max = smallest, largest
			v := judge(test.record)
			if len(v.against) != len(test.against) {
				t.Fatalf("it found %q, not %q", v.against, test.against)
			}
			for i, part := range test.against {
				if !strings.Contains(v.against[i], part) {
					t.Errorf("it found %q, not %q", v.against[i], part)
				}
			}
		})
	}
}
