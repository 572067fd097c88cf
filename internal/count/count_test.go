package count_test

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/autoscalebot/autoscale/internal/count"
)

func at(seconds float64) int64 { return int64(seconds * 1e9) }

// A play is what happens to a counter: requests that begin, and end or leave.
type play struct {
	begins, ends float64
	waited       time.Duration
	leaves       bool
}

// counter plays requests in the order of time.
func counter(until float64, plays ...play) *count.Counter {
	c := count.New(time.Minute, 1)
	type step struct {
		at   float64
		do   func()
		rank int
	}
	var steps []step
	for _, p := range plays {
		var s *count.Shard
		steps = append(steps, step{p.begins, func() { s = c.Begin(at(p.begins), p.waited) }, 1})
		steps = append(steps, step{p.ends, func() {
			if p.leaves {
				c.Leave(s, at(p.ends))
			} else {
				c.End(s, at(p.begins), at(p.ends))
			}
		}, 0})
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		switch {
		case a.at < b.at || a.at == b.at && a.rank < b.rank:
			return -1
		case a.at == b.at && a.rank == b.rank:
			return 0
		}
		return 1
	})
	for _, s := range steps {
		if s.at >= until {
			break
		}
		c.Advance(at(s.at))
		s.do()
	}
	return c
}

func TestSeconds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plays []play
		until float64
		want  []count.Second
	}{
		{
			"one a second, which takes half",
			[]play{{begins: .2, ends: .7}, {begins: 1.2, ends: 1.7}, {begins: 2.2, ends: 2.7}},
			7.5, // from the second after the first request on
			[]count.Second{{1, 1, .5, 1}, {1, 1, .5, 1}, {}, {}, {}, {}},
		},
		{
			"one that goes on",
			[]play{{begins: .5, ends: 99}, {begins: 2.25, ends: 2.5}},
			6,
			[]count.Second{{0, 0, 1, 1}, {1, 1, 1.25, 2}, {0, 0, 1, 1}, {0, 0, 1, 1}, {0, 0, 1, 1}},
		},
		{
			"one that leaves was in progress until then",
			[]play{{begins: .5, ends: .6}, {begins: 1.5, ends: 1.75, leaves: true}},
			6,
			[]count.Second{{0, 0, .25, 1}, {}, {}, {}, {}},
		},
		{
			"one that leaves later than it came",
			[]play{{begins: .5, ends: .6}, {begins: 1.5, ends: 2.5, leaves: true}},
			6,
			[]count.Second{{1, 0, .5, 1}, {0, 0, .5, 1}, {}, {}, {}},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := counter(tt.until, tt.plays...).Report(at(tt.until), 15*time.Second)
			if !ok {
				t.Fatal("no report")
			}
			if diff := cmp.Diff(tt.want, r.Seconds, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if r.Ended != time.Duration(tt.until)*time.Second {
				t.Errorf("it ended at %v", r.Ended)
			}
		})
	}
}

// A process reports from five seconds after its first request, or from a whole
// window without any.
func TestReportBegins(t *testing.T) {
	one := play{begins: 3.5, ends: 3.6}
	for _, tt := range []struct {
		name    string
		plays   []play
		now     float64
		ok      bool
		seconds int
	}{
		{"nothing for a while", nil, 14.9, false, 0},
		{"nothing for a window", nil, 15, true, 15},
		{"nothing for long", nil, 500, true, 15},
		{"four seconds", []play{one}, 8.9, false, 0},
		{"five seconds", []play{one}, 9, true, 5},
		{"a minute", []play{one}, 64, true, 60},
		{"more than a minute", []play{one}, 300, true, 60},
		{"from a late first request on", []play{{begins: 40, ends: 41}}, 46.5, true, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, ok := counter(tt.now, tt.plays...).Report(at(tt.now), 15*time.Second)
			if ok != tt.ok || len(r.Seconds) != tt.seconds {
				t.Errorf("%v, %d seconds; want %v, %d", ok, len(r.Seconds), tt.ok, tt.seconds)
			}
		})
	}
}

// steady is a process with ten requests a second of 50 ms, from start on.
func steady(start, until float64) *count.Counter {
	var plays []play
	for i := range int((until - start) * 10) {
		begins := start + float64(i)/10 + .01
		plays = append(plays, play{begins: begins, ends: begins + .05, waited: 20 * time.Millisecond})
	}
	return counter(until, plays...)
}

// Sums are by the second: each is divided by those who reported it.
func TestSum(t *testing.T) {
	var s count.Sum
	now := time.Unix(1000, 0)
	own, _ := steady(0, 100).Report(at(100), 15*time.Second)
	late, _ := steady(0, 92).Report(at(92), 15*time.Second)     // published 8 s ago
	young, _ := steady(90, 100).Report(at(100), 15*time.Second) // began 10 s ago
	s.Add(&own, 0, true)
	strange, err := s.Gather([]count.Posted{
		{Data: late.Encode(400 * time.Millisecond), Age: 8 * time.Second},
		{Data: young.Encode(0), Age: 300 * time.Millisecond},
		{Data: []byte{77}, Age: time.Second},
	}, 300*time.Millisecond, 25*time.Second)
	if strange != 1 || err == nil {
		t.Errorf("%d strange, %v", strange, err)
	}
	got := s.Sample(15*time.Second, 95, now)
	if len(got.Breakdown.Pieces) != 15 || got.Span != 15*time.Second || got.Processes != 2 && got.Processes != 3 {
		t.Fatalf("%+v", got)
	}
	for i, p := range got.Breakdown.Pieces {
		ago := 14 - i
		want := 1 // own
		if ago >= 8 {
			want++ // late
		}
		if ago < 9 { // whole seconds from its first request on
			want++
		}
		if p.Processes != want || p.Span != time.Second || !p.Time.Equal(now.Add(-time.Duration(ago)*time.Second)) ||
			math.Abs(p.Arrivals-10*float64(want)) > 1e-9 || math.Abs(p.Throughput-p.Arrivals) > 1e-9 || math.Abs(p.Busy-.5*float64(want)) > .01 {
			t.Errorf("%d s ago: %+v, want %d processes with 10/s each", ago, p, want)
		}
	}
	if got.ServiceTime != 50*time.Millisecond || (got.QueueTime-20*time.Millisecond).Abs() > 3*time.Millisecond || got.Peak != 1 {
		t.Errorf("%+v", got)
	}
}

// A report of the first release counts by its totals, spread over its window.
func TestOldRelease(t *testing.T) {
	var s count.Sum
	old := []byte{1, 10, 20, 0x80, 0x94, 0xeb, 0xdc, 0x03, 0, 0, 0, 0, 10, 20} // 20 in 10 s, busy for 1 s
	if strange, err := s.Gather([]count.Posted{{Data: old, Age: 2 * time.Second}}, 0, time.Minute); strange != 0 {
		t.Fatal(err)
	}
	got := s.Sample(15*time.Second, 95, time.Unix(1000, 0))
	if n := len(got.Breakdown.Pieces); n != 10 || math.Abs(got.Arrivals-2) > 1e-9 || math.Abs(got.Throughput-2) > 1e-9 || math.Abs(got.Busy-.1) > 1e-9 {
		t.Errorf("%d seconds, %+v", n, got)
	}
	if last := got.Breakdown.Pieces[9].Time; !last.Equal(time.Unix(998, 0)) {
		t.Errorf("it ends at %v", last)
	}
}

// FuzzDecode decodes anything. What it accepts is finite, not negative, and the same
// after another round.
func FuzzDecode(f *testing.F) {
	r, _ := steady(0, 30).Report(at(30), 15*time.Second)
	f.Add(r.Encode(time.Second))
	f.Add([]byte{1, 15, 10, 20, 5, 2, 3, 1, 3, 4, 0, 6})
	f.Add([]byte{1, 60, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, age, err := count.Decode(b)
		if err != nil {
			return
		}
		var s count.Sum
		s.Add(&r, 0, true)
		got := s.Sample(time.Minute, 95, time.Time{})
		for _, x := range []float64{got.Arrivals, got.Throughput, got.Busy, got.Peak, got.Latency.Seconds(), got.ServiceTime.Seconds(), got.QueueTime.Seconds(), age.Seconds()} {
			if !(x >= 0 && x < 1e13) {
				t.Fatalf("%x: %+v", b, got)
			}
		}
		if max(got.ServiceTime, got.QueueTime) > time.Minute {
			t.Fatalf("%x: %+v", b, got)
		}
		if b[0] == 1 {
			return // it has no seconds of its own
		}
		again, age2, err := count.Decode(r.Encode(age))
		if err != nil || age2 != age || !bytes.Equal(again.Encode(age), r.Encode(age)) {
			t.Fatalf("%x: %+v, %v, %v; want %+v", b, again, age2, err, r)
		}
	})
}

// What somebody else put on the board is not taken for a report.
func TestStrangeReports(t *testing.T) {
	good := []byte{2, 0, 1, 1, 10, 10, 5, 1, 5, 0, 0, 1, 10, 10}
	if _, _, err := count.Decode(good); err != nil {
		t.Fatal(err)
	}
	replaced := func(i int, with ...byte) []byte { return slices.Concat(good[:i], with, good[i+1:]) }
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f} // 2^63-1
	for name, b := range map[string][]byte{
		"empty":                         nil,
		"another version":               replaced(0, 3),
		"cut off in the head":           good[:3],
		"cut off in a second":           good[:6],
		"cut off in a slot":             good[:13],
		"more than it says":             append(slices.Clone(good), 0),
		"an endless number":             append(slices.Clone(good[:13]), 0x80),
		"a number beyond 64 bits":       replaced(4, append(huge[:8:8], 0xff, 0x7f)...),
		"an age of a year":              replaced(1, huge...),
		"no window":                     replaced(2, 0),
		"a window longer than it knows": replaced(2, 2),
		"a window of an hour":           replaced(2, 61),
		"more requests than there are":  replaced(4, huge...),
		"more busy than can be":         replaced(6, huge...),
		"more service than a minute":    replaced(8, 0x81, 0xe0, 0xa5, 0x96, 0xbb, 0x11), // above 10 min
		"a slot that is none":           replaced(12, 160, 1),
		"an empty slot":                 replaced(13, 0),
		"too large":                     append(slices.Clone(good), make([]byte, count.MaxSize)...),
		"version 1 without a window":    {1, 0, 1, 0, 0, 0, 0, 0},
		"version 1, a queue of nobody":  {1, 10, 10, 5, 0, 11, 9, 1, 10, 10},
	} {
		if r, _, err := count.Decode(b); err == nil {
			t.Errorf("%s: %x was taken, as %+v", name, b, r)
		}
	}
}

func TestAges(t *testing.T) {
	const s = time.Second
	for _, tt := range []struct{ interval, window, times, rates time.Duration }{
		{10 * s, 15 * s, 25 * s, 25 * s},
		{10 * s, 60 * s, 25 * s, 70 * s},
		{s, s, 2500 * time.Millisecond, 2500 * time.Millisecond},
		{5 * time.Minute, 15 * s, 750 * s, 750 * s},
	} {
		if times, rates := count.Ages(tt.interval, tt.window); times != tt.times || rates != tt.rates {
			t.Errorf("Ages(%v, %v) is %v and %v, want %v and %v", tt.interval, tt.window, times, rates, tt.times, tt.rates)
		}
	}
}
