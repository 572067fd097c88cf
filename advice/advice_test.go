package advice_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/advice"
	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/limit"
)

var now = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

// past returns what was seen over length before now, a tick each interval.
func past(length, interval time.Duration, of func(before time.Duration, p *history.Point)) *history.Log {
	l := new(history.Log)
	for before := length; before >= 0; before -= interval {
		p := history.Point{Time: now.Add(-before), Size: 4, Ready: 4, Min: 4, Max: 8, Signal: "busy", Load: 10}
		of(before, &p)
		l.Add(p)
	}
	return l
}

func codes(list []advice.Advice) (out []string) {
	for _, a := range list {
		out = append(out, a.Code)
	}
	return out
}

func TestFrom(t *testing.T) {
	const day = 24 * time.Hour
	nothing := func(time.Duration, *history.Point) {}
	limited := func(kind limit.Kind, within time.Duration) func(time.Duration, *history.Point) {
		return func(before time.Duration, p *history.Point) {
			if before < within {
				p.Limit, p.Size = kind, 8
			}
		}
	}
	flagged := func(flag history.Flags, every int) func(time.Duration, *history.Point) {
		return func(before time.Duration, p *history.Point) {
			if int(before/time.Minute)%every == 0 {
				p.Flags = flag
			}
		}
	}
	daily := func(days int) func(time.Duration, *history.Point) {
		return func(before time.Duration, p *history.Point) {
			if before%day == 3*time.Hour && int(before/day) < days {
				p.Flags = history.Changed
			}
		}
	}
	turning := func(every time.Duration) func(time.Duration, *history.Point) {
		return func(before time.Duration, p *history.Point) {
			if (before/every)%2 == 0 {
				p.Size = 5
			}
			p.Flags = history.Ordered
		}
	}
	size := func(n int) func(time.Duration, *history.Point) {
		return func(_ time.Duration, p *history.Point) { p.Size = n }
	}
	ineffective := autoscale.Status{Min: 4, Max: 8, Events: []autoscale.Event{{Kind: autoscale.Ineffective, Phase: autoscale.Began, Time: now.Add(-time.Hour)}}}
	booting := func(d time.Duration) autoscale.Status {
		return autoscale.Status{Min: 4, Max: 8, Last: autoscale.Explanation{Boot: d}}
	}
	slots := func(n float64) autoscale.Status { return autoscale.Status{Min: 4, Max: 8, Slots: n} }
	// For 20 minutes at a time.
	saturated := func(at float64, every time.Duration) func(time.Duration, *history.Point) {
		return func(before time.Duration, p *history.Point) {
			if before%every > 0 && before%every < 11*time.Minute && before < day {
				p.Slots = at
			}
		}
	}
	waiting := func(n float64, every int) func(time.Duration, *history.Point) {
		return func(before time.Duration, p *history.Point) {
			if int(before/time.Minute)%every == 0 {
				p.PoolWaiting = n
			}
		}
	}
	plain := autoscale.Status{Min: 4, Max: 8}
	for _, tt := range []struct {
		name string
		s    autoscale.Status
		past *history.Log
		want string // the codes
		says string
	}{
		{"no history", plain, nil, "", ""},
		{"a quiet week", plain, past(7*day, time.Minute, nothing), "", ""},
		{"two hours at Max", plain, past(2*day, time.Minute, limited(limit.ByMax, 2*time.Hour)), "at_max", "which is 8, or the platform permits, for 2.0 of the last 24 hours"},
		{"under an hour at Max", plain, past(2*day, time.Minute, limited(limit.ByMax, 50*time.Minute)), "", ""},
		{"at Max, but only five hours were seen", plain, past(5*time.Hour, time.Minute, limited(limit.ByMax, 5*time.Hour)), "", ""},
		{"at Max, and more did not help", ineffective, past(2*day, time.Minute, limited(limit.ByMax, 2*time.Hour)), "bottleneck", ""},
		{"the budget is spent", plain, past(2*day, time.Minute, limited(limit.ByBudget, 2*time.Hour)), "", ""},
		{"never below 9, with a Max of 8 now", plain, past(3*day, time.Minute, size(9)), "", ""},
		{"the platform permits no more", plain, past(day, time.Minute, limited(limit.ByPlatform, 3*time.Hour)), "at_max", ""},
		{"one probe in fifty fails the service", plain, past(day, time.Minute, flagged(history.Failure, 50)), "failing", "failed 29 of 1441"},
		{"one probe in two hundred does", plain, past(day, time.Minute, flagged(history.Failure, 200)), "", ""},
		{"one tick in ten measures nothing", plain, past(day, time.Minute, flagged(history.ProbeFailed, 10)), "probes", "measured nothing"},
		{"one in thirty does", plain, past(day, time.Minute, flagged(history.ProbeFailed, 30)), "", ""},
		{"never below 6", plain, past(3*day, time.Minute, size(6)), "never_below", "Set Min to 6"},
		{"never below 6, for a day", plain, past(day, time.Minute, size(6)), "", ""},
		{"never below 6, but paused", plain, past(3*day, time.Minute, func(b time.Duration, p *history.Point) {
			if p.Size = 6; b < time.Hour {
				p.Limit = limit.ByPause
			}
		}), "", ""},
		{"up and down every ten minutes", plain, past(3*time.Hour, time.Minute, turning(10*time.Minute)), "flapping", "8 times"},
		{"up and down every half-hour", plain, past(3*time.Hour, time.Minute, turning(30*time.Minute)), "", ""},
		{"up and down, for an hour", plain, past(time.Hour, time.Minute, turning(time.Minute)), "", ""},
		{"a rival at nine on four days", plain, past(7*day, time.Minute, daily(4)), "rival", "between 09:00 and 09:30 UTC on 4 of the last 7 days"},
		{"a rival at nine on two days", plain, past(7*day, time.Minute, daily(2)), "", ""},
		{"five slots that look like three", slots(5), past(2*day, time.Minute, saturated(3, 6*time.Hour)), "slots", "worked on at most 3 at once, in 40 ticks of 4 half-hours"},
		{"that, for a while only", slots(5), past(2*day, time.Minute, saturated(3, 12*time.Hour+15*time.Minute)), "", ""},
		{"five slots that look like 4.5", slots(5), past(2*day, time.Minute, saturated(4.5, 6*time.Hour)), "", ""},
		{"a rule that says nothing of slots", plain, past(2*day, time.Minute, saturated(3, 6*time.Hour)), "", ""},
		{"requests wait for the pool", plain, past(day, time.Minute, waiting(2.5, 10)), "pool", "In 145 or more of 1441 ticks"},
		{"they hardly do", plain, past(day, time.Minute, waiting(.5, 10)), "", ""},
		{"they seldom do", plain, past(day, time.Minute, waiting(2.5, 50)), "", ""},
		{"increases did not help", ineffective, past(time.Hour, time.Minute, nothing), "bottleneck", "most recently at 9 Mar 11:00 UTC"},
		{"a tick a minute, a boot of 20 s", booting(20 * time.Second), past(time.Hour, time.Minute, nothing), "slow_ticks", "Set Interval to 20s"},
		{"a tick a minute, a boot of two", booting(2 * time.Minute), past(time.Hour, time.Minute, nothing), "", ""},
		{"a tick every 20 s, a boot of 5", booting(5 * time.Second), past(time.Hour, 20*time.Second, nothing), "", ""},
	} {
		got := advice.From(tt.s, tt.past, now)
		if c := strings.Join(codes(got), " "); c != tt.want {
			t.Errorf("%s: %q, want %q: %v", tt.name, c, tt.want, got)
		}
		if text := fmt.Sprint(got); !strings.Contains(text, tt.says) {
			t.Errorf("%s: %s, want %q in it", tt.name, text, tt.says)
		}
	}
}

// Whatever happened, no advice is given twice, and each can be read at a glance.
func TestAnyHistory(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		length := time.Duration(r.Int64N(int64(8 * 24 * time.Hour)))
		l := past(length, time.Duration(1+r.IntN(10))*time.Minute, func(_ time.Duration, p *history.Point) {
			p.Size, p.Min, p.Max = r.IntN(60), r.IntN(5), 5+r.IntN(60)
			p.Limit, p.Flags = limit.Kind(r.IntN(int(limit.ByPlatform)+1)), history.Flags(r.IntN(32))
			p.Slots, p.PoolWaiting = r.Float64()*float64(r.IntN(2)), 3*r.Float64()
		})
		s := autoscale.Status{Min: r.IntN(5), Slots: 9 * r.Float64(), Last: autoscale.Explanation{Boot: time.Duration(r.Int64N(int64(2 * time.Minute)))}}
		list := advice.From(s, l, now)
		seen := codes(list)
		slices.Sort(seen)
		if len(slices.Compact(seen)) != len(list) {
			t.Errorf("seed %d: %v", seed, list)
		}
		for _, a := range list {
			if n := len(a.String()); n > 300 || a.Evidence == "" || !strings.HasSuffix(a.Do, ".") || strings.Contains(a.String(), "NaN") {
				t.Errorf("seed %d: %d bytes: %s", seed, n, a)
			}
		}
	}
}

func ExampleFrom() {
	l := past(24*time.Hour, time.Minute, func(before time.Duration, p *history.Point) {
		if before < 4*time.Hour {
			p.Size, p.Limit = 8, limit.ByMax
		}
	})
	for _, a := range advice.From(autoscale.Status{Name: "web", Min: 4, Max: 8}, l, now) {
		fmt.Println(a.Evidence)
		fmt.Println(a.Do)
	}
	// Output:
	// More processes were needed than Max, which is 8, or the platform permits, for 4.0 of the last 24 hours.
	// Raise Max above 8, or find out what else holds the service back.
}
