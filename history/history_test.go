package history_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/limit"
)

var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// fill adds a week and an hour of ticks, every interval.
func fill(l *history.Log, interval time.Duration) (last time.Time) {
	random := rand.New(rand.NewPCG(1, 2))
	for last = monday; last.Before(monday.Add(history.Past + time.Hour)); last = last.Add(interval) {
		p := history.Point{
			Time: last, Size: 3 + random.IntN(40), Ready: 3 + random.IntN(40), Recommends: random.IntN(4) > 0, Recommended: random.IntN(50),
			Min: 3, Max: 60, Signal: "busy", Load: random.ExpFloat64() * 20, Delay: "latency", Wait: random.ExpFloat64(),
			Limit: limit.Kind(random.IntN(int(limit.ByPlatform) + 1)), Flags: history.Flags(random.IntN(32)),
		}
		if p.Slots = random.Float64() * 40; random.IntN(3) > 0 {
			p.Slots, p.PoolWaiting = 0, random.ExpFloat64()
		}
		l.Add(p)
	}
	return last.Add(-interval)
}

func TestLogIsBounded(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Hour} {
		t.Run(interval.String(), func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			l := new(history.Log)
			last := fill(l, interval)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<10+4<<10 { // and what the runtime itself needs
				t.Errorf("a log takes %d bytes of the heap", grown)
			}
			points, spans := l.Points(), l.Spans()
			if reach := last.Sub(points[0].Time); reach > history.Recent*17/16+interval || reach < history.Recent-history.Spacing-2*interval {
				t.Errorf("%d points reach back %v", len(points), reach)
			}
			if n := len(spans); interval < history.Width && n != int(history.Past/history.Width) {
				t.Errorf("there are %d half-hours", n)
			}
			for i, p := range points[1:] {
				if p.Time.Sub(points[i].Time) < history.Spacing && i+2 < len(points) {
					t.Fatalf("points %d and %d are %v apart", i, i+1, p.Time.Sub(points[i].Time))
				}
			}
			data, err := l.MarshalBinary()
			if err != nil || len(data) > history.MaxBytes {
				t.Fatalf("MarshalBinary wrote %d bytes, %v", len(data), err)
			}
			var read history.Log
			if err := read.UnmarshalBinary(data); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(points, read.Points()); d != "" {
				t.Error("points:", d)
			}
			if d := cmp.Diff(spans, read.Spans()); d != "" {
				t.Error("spans:", d)
			}
			runtime.KeepAlive(l)
		})
	}
}

func TestSpan(t *testing.T) {
	var l history.Log
	for i, p := range []history.Point{
		{Size: 2, Recommends: true, Recommended: 9, Signal: "busy", Load: 4, Delay: "latency", Wait: 1, Limit: limit.ByMax, Flags: history.Ordered, Slots: 3},
		{Size: 4, Signal: "busy", Load: 8, Limit: limit.ByPlatform, Flags: history.Changed | history.Failure, Slots: 2.5, PoolWaiting: 1.5},
		{Size: 3, Limit: limit.ByPause, Flags: history.ProbeFailed, PoolWaiting: .5},
		{Size: 3, Delay: "latency", Wait: 3, Limit: limit.ByYielding, Flags: history.ScaleFailed, Load: math.NaN()},
	} {
		p.Time, p.Min, p.Max = monday.Add(time.Duration(i)*time.Minute), 2, 4
		l.Add(p)
	}
	want := []history.Span{{
		Start: monday.Local(), Ticks: 4, Size: 3, MinSize: 2, MaxSize: 4, MaxRecommended: 9, Min: 2, Max: 4, AtMax: 2, AtMin: 1,
		Signal: "busy", Load: 6, MaxLoad: 8, Delay: "latency", Wait: 2, MaxWait: 3,
		Orders: 1, Changes: 1, ProbeFailures: 1, ScaleErrors: 1, Failures: 1, Paused: 1, Yielding: 1,
		Saturated: 2, Slots: 3, PoolWaits: 1,
	}}
	if d := cmp.Diff(want, l.Spans()); d != "" {
		t.Error(d)
	}
}

// Every field of a Span is set by TestSpan: a new field must be counted there.
func TestSpanIsWhole(t *testing.T) {
	var l history.Log
	fill(&l, time.Minute)
	v := reflect.ValueOf(l.Spans()[5])
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			t.Errorf("Span.%s stays zero in a week of everything", v.Type().Field(i).Name)
		}
	}
	v = reflect.ValueOf(l.Points())
	for i := range v.Index(0).NumField() {
		set := false
		for j := range v.Len() {
			set = set || !v.Index(j).Field(i).IsZero()
		}
		name := v.Index(0).Type().Field(i).Name
		if !set && name != "Slots" && name != "PoolWaiting" { // kept of half-hours
			t.Errorf("Point.%s stays zero in a week of everything", name)
		}
	}
}

// A leader that follows another one after any tick has the same history as one that
// leads throughout.
func TestFollow(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 20 {
		var whole, older, newer history.Log
		cut := random.IntN(2000)
		for i := range 2000 {
			p := history.Point{
				Time: monday.Add(time.Duration(i) * 20 * time.Second), Size: random.IntN(9), Max: 9,
				Signal: []string{"busy", "backlog"}[i/1500], Load: float64(random.IntN(100)),
			}
			whole.Add(p)
			if i < cut {
				older.Add(p)
			} else {
				newer.Add(p)
			}
		}
		newer.Follow(&older)
		later := func(l *history.Log) (out []history.Point) {
			for _, p := range l.Points() {
				if !p.Time.Before(monday.Add(2000*20*time.Second - history.Recent)) {
					out = append(out, p)
				}
			}
			return out
		}
		if d := cmp.Diff(later(&whole), later(&newer)); d != "" {
			t.Fatalf("round %d, cut after %d: points: %s", round, cut, d)
		}
		if d := cmp.Diff(whole.Spans(), newer.Spans()); d != "" {
			t.Fatalf("round %d, cut after %d: spans: %s", round, cut, d)
		}
	}
}

func TestClockSetBack(t *testing.T) {
	var l history.Log
	for i := range 100 {
		l.Add(history.Point{Time: monday.Add(time.Duration(i) * time.Minute), Size: 1})
	}
	l.Add(history.Point{Time: monday.Add(10*time.Minute + time.Second), Size: 7})
	points := l.Points()
	if n := len(points); n != 12 || points[n-1].Size != 7 {
		t.Errorf("%d points are left, want 12", n)
	}
	if spans := l.Spans(); len(spans) != 1 {
		t.Errorf("%d half-hours are left, want 1", len(spans))
	}
}

func TestAddBounds(t *testing.T) {
	var l history.Log
	for i := range 100 {
		l.Add(history.Point{
			Time: monday.Add(time.Duration(i) * time.Minute), Size: math.MaxInt, Ready: -1, Recommends: true, Recommended: math.MaxInt,
			Signal: fmt.Sprint("signal", i), Delay: strings.Repeat("x", 1000), Load: math.Inf(1), Wait: math.NaN(),
		})
	}
	data, err := l.MarshalBinary()
	if err != nil || len(data) > history.MaxBytes {
		t.Fatal(len(data), err)
	}
	if p := l.Points()[99]; !p.Recommends || p.Size != math.MaxUint16-1 || p.Ready != 0 || p.Load != 0 || p.Signal != "" || p.Delay != "" {
		t.Errorf("%+v", p)
	}
}

// A clock that leaps ahead and is soon set back costs nothing but what was added meanwhile.
// One that stays ahead drops what is too old.
func TestClockLeaps(t *testing.T) {
	for _, leap := range []time.Duration{5 * time.Hour, 30 * 24 * time.Hour} {
		var l history.Log
		at := monday
		add := func(n int, from time.Time) {
			for i := range n {
				at = from.Add(time.Duration(i) * 30 * time.Second)
				l.Add(history.Point{Time: at, Size: 3})
			}
		}
		add(300, monday)
		points, spans := len(l.Points()), len(l.Spans())
		back := at
		add(6, at.Add(leap))
		add(1, back.Add(20*time.Second))
		if n, m := len(l.Points()), len(l.Spans()); n != points+1 || m < spans || m > spans+1 {
			t.Errorf("ahead by %v and back: %d points and %d half-hours of %d and %d", leap, n, m, points, spans)
		}
		add(500, at.Add(leap))
		if first := l.Points()[0].Time; at.Sub(first) > history.Recent+history.Recent/8 {
			t.Errorf("ahead by %v for good: the first point is %v old", leap, at.Sub(first))
		}
		if first := l.Spans()[0].Start; at.Sub(first) > history.Past+2*history.Width {
			t.Errorf("ahead by %v for good: the first half-hour is %v old", leap, at.Sub(first))
		}
	}
}

// What the release before wrote is read.
func TestFormerFormat(t *testing.T) {
	data, err := os.ReadFile("testdata/format1")
	if err != nil {
		t.Fatal(err)
	}
	var l history.Log
	if err := l.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	points, spans := l.Points(), l.Spans()
	if len(points) != 20 || points[19].Size != 19 || len(spans) != 7 || spans[0].Ticks != 3 || spans[0].Orders != 3 || spans[0].Wait != .25 || spans[0].Slots != 0 {
		t.Errorf("%d points, %d half-hours, the first of which is %+v", len(points), len(spans), spans[0])
	}
	l.Add(history.Point{Time: points[19].Time.Add(time.Minute), Slots: 3, PoolWaiting: 2})
	if last := l.Spans()[6]; last.Slots != 3 || last.PoolWaits != 1 {
		t.Errorf("%+v", last)
	}
}

func FuzzUnmarshalBinary(f *testing.F) {
	var l history.Log
	for i := range 20 {
		l.Add(history.Point{Time: monday.Add(time.Duration(i) * 10 * time.Minute), Size: i, Signal: "busy", Load: 2})
	}
	data, err := l.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte{})
	f.Add([]byte{2})
	f.Add([]byte{3})
	if former, err := os.ReadFile("testdata/format1"); err == nil {
		f.Add(former)
	}
	f.Add(data[:len(data)-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		var l history.Log
		if err := l.UnmarshalBinary(data); err != nil {
			if len(l.Points())+len(l.Spans()) > 0 {
				t.Error("an error left something behind")
			}
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
				t.Errorf("the error is %q", err)
			}
			return
		}
		again, err := l.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var second history.Log
		if err := second.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		last, err := second.MarshalBinary()
		if err != nil || !bytes.Equal(again, last) {
			t.Errorf("written again it differs, %v", err)
		}
		l.Add(history.Point{Time: monday, Size: 1})
		_, _ = l.Points(), l.Spans()
	})
}

func ExampleLog() {
	var l history.Log
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for i := range 6 {
		l.Add(history.Point{Time: noon.Add(time.Duration(i) * 10 * time.Second), Size: 2 + i/3, Min: 2, Max: 10, Signal: "busy", Load: float64(i)})
	}
	for _, s := range l.Spans() {
		fmt.Printf("%s: %d ticks, %.1f processes, load %.1f\n", s.Start.UTC().Format("15:04"), s.Ticks, s.Size, s.Load)
	}
	// Output:
	// 12:00: 6 ticks, 2.5 processes, load 2.5
}

func BenchmarkAdd(b *testing.B) {
	b.ReportAllocs()
	var l history.Log
	at := fill(&l, 10*time.Second)
	for b.Loop() {
		at = at.Add(10 * time.Second)
		l.Add(history.Point{Time: at, Size: 4, Signal: "busy", Load: 3, Delay: "latency", Wait: 1})
	}
}

func BenchmarkMarshalBinary(b *testing.B) {
	var l history.Log
	fill(&l, 10*time.Second)
	for b.Loop() {
		data, err := l.MarshalBinary()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data)), "B/log")
	}
}
