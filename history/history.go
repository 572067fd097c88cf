// Package history keeps what an Autoscaler did: the last three hours tick by tick, and the
// last seven days in half-hours. It is for pages, advice and charts. No decision depends on
// it.
//
// A [Log] needs at most 64 KiB of memory, and [Log.MarshalBinary] writes at most
// [MaxBytes]. Package history does no I/O.
package history

import (
	"math"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

// The bounds of what a [Log] keeps.
const (
	Recent  = 3 * time.Hour      // of points
	Past    = 7 * 24 * time.Hour // of spans
	Width   = 30 * time.Minute   // of a span. Spans begin at whole half-hours in UTC
	Spacing = 10 * time.Second   // of points, if ticks are closer

	// Old points are dropped several at a time, because each time the others are moved.
	batch     = int(Recent / Spacing / 16)
	maxPoints = int(Recent/Spacing) + batch
	maxSpans  = int(Past / Width)
)

// A Point is one tick. Ticks that follow each other within [Spacing] share a point, which
// has the sizes of the last of them.
type Point struct {
	Time        time.Time
	Size        int  // the processes that the platform was asked for, after the tick
	Ready       int  // how many of these serve
	Recommended int  // what the rule recommended. Not known if Recommends is false
	Recommends  bool // false: nothing was measured, or the rule held the size
	Min, Max    int

	Signal string  // what Load measures, such as "busy" or "backlog". Empty: nothing was measured
	Load   float64 // in the unit of the signal. Times are in seconds
	Delay  string  // what Wait measures: "latency" or "queue_time". Empty: neither was measured
	Wait   float64 // seconds

	Limit limit.Kind // the limit that decided
	Flags Flags

	// The fields below are kept for half-hours, but not for single ticks.

	Slots       float64 // how many requests a process works on at once, measured while it was saturated. 0: it was not saturated
	PoolWaiting float64 // callers that waited for a connection of the database's pool, on average. 0: none, or not known
}

// Flags say what happened in a tick.
type Flags uint8

// The flags. Those of several ticks are added up.
const (
	Ordered     Flags = 1 << iota // the size was ordered
	Changed                       // somebody else changed the size
	ProbeFailed                   // nothing was measured
	ScaleFailed                   // the size could not be read or set
	Failure                       // the service failed a probe under its load
)

// Has reports whether f contains every flag of other.
func (f Flags) Has(other Flags) bool { return f&other == other }

// A Span is what happened in a half-hour.
type Span struct {
	Start time.Time
	Ticks int // the ticks in the half-hour

	Size             float64 // the mean
	MinSize, MaxSize int
	MaxRecommended   int // 0: the rule never recommended a size
	Min, Max         int // the bounds in the last tick
	AtMax            int // ticks that were held down by Max or the platform
	AtMin            int // ticks at Min

	Signal        string  // of the last tick that measured something
	Load, MaxLoad float64 // mean and greatest. 0: nothing was measured
	Delay         string
	Wait, MaxWait float64 // mean and greatest, seconds

	Orders, Changes            int // how often the size was ordered, and changed by others
	ProbeFailures, ScaleErrors int // ticks
	Failures                   int // ticks in which the service failed a probe
	Paused                     int // ticks in which the autoscaler was paused
	Yielding                   int // ticks in which another autoscaler was at work

	Saturated int     // ticks in which the processes were saturated, up to 255
	Slots     float64 // the most requests that a process then worked on at once. 0: not known
	PoolWaits int     // ticks, up to 255, in which one caller or more waited for a connection of the pool, on average
}

// A Log keeps points and spans. The zero Log is empty and ready to use. It is not safe for
// concurrent use.
type Log struct {
	points []point // oldest first
	spans  []span
	names  []string // of signals, by number. 0: none
}

// point is a Point in little memory.
type point struct {
	at                               int64 // milliseconds since 1970
	load, wait                       float32
	size, ready, recommended, lo, hi uint16
	limit, flags, signal, delay      uint8
}

// none stands for no recommendation.
const none = math.MaxUint16

// span is a Span in little memory. Means are kept as sums.
type span struct {
	start                                                                 int32 // of Width since 1970
	sizes, loads, waits                                                   float32
	maxLoad, maxWait                                                      float32
	loaded, waited                                                        uint16 // the number of ticks in each sum
	ticks, atMax, atMin                                                   uint16
	least, most, recommended, lo, hi                                      uint16
	orders, changes, probeFailures, scaleErrors, failed, paused, yielding uint16
	signal, delay                                                         uint8

	slots             uint16 // the most, in hundredths
	saturated, pooled uint8  // ticks, of which 255 count
}

// confirmed is how many ticks must follow a leap in time before the points from before it
// are dropped for their age. A clock that was set far ahead by mistake is soon set back.
const confirmed = 10

// Add appends a point. If the clock was set back, points from after p.Time are dropped.
func (l *Log) Add(p Point) {
	q := point{
		at: p.Time.UnixMilli(), load: finite(p.Load), wait: finite(p.Wait),
		size: small(p.Size), ready: small(p.Ready), recommended: none, lo: small(p.Min), hi: small(p.Max),
		limit: uint8(p.Limit), flags: uint8(p.Flags), signal: l.number(p.Signal), delay: l.number(p.Delay),
	}
	if p.Recommends {
		q.recommended = small(p.Recommended)
	}
	l.addSpan(q)
	s := &l.spans[len(l.spans)-1]
	if p.Slots > 0 {
		s.slots = max(s.slots, hundredths(p.Slots))
		s.saturated = few(s.saturated, 1)
	}
	if p.PoolWaiting >= 1 {
		s.pooled = few(s.pooled, 1)
	}
	for len(l.points) > 0 && l.points[len(l.points)-1].at > q.at {
		l.points = l.points[:len(l.points)-1]
	}
	if n := len(l.points); n > 1 && l.points[n-1].at-l.points[n-2].at < Spacing.Milliseconds() {
		// The last point takes up further ticks until it is far enough from the one before
		// it.
		q.flags |= l.points[n-1].flags
		l.points[n-1] = q
		return
	}
	l.addPoint(q)
}

func (l *Log) addPoint(q point) {
	n, drop := len(l.points), 0
	if n == maxPoints {
		drop = batch
	}
	if oldest := l.oldest(q.at); n > 0 && l.points[0].at < oldest-Recent.Milliseconds()/16 {
		for drop < n && l.points[drop].at < oldest {
			drop++
		}
	}
	l.points = push(l.points, drop, q, maxPoints)
}

// oldest returns the time before which points are too old, if the next point is at the
// given time. What came before a leap is kept until enough ticks have followed it.
func (l *Log) oldest(at int64) int64 {
	next := at
	for _, q := range slices.Backward(l.points[max(0, len(l.points)-confirmed):]) {
		if next-q.at > Recent.Milliseconds() {
			at = q.at
		}
		next = q.at
	}
	return at - Recent.Milliseconds()
}

func (l *Log) addSpan(q point) {
	start := int32(q.at / Width.Milliseconds())
	for len(l.spans) > 0 && l.spans[len(l.spans)-1].start > start {
		l.spans = l.spans[:len(l.spans)-1]
	}
	if n := len(l.spans); n == 0 || l.spans[n-1].start < start {
		drop, newest := 0, start
		later := start
		for _, s := range slices.Backward(l.spans[max(0, n-2):]) { // after a leap they are kept, as points are
			if int(later)-int(s.start) > maxSpans {
				newest = s.start
			}
			later = s.start
		}
		for drop < n && (int(l.spans[drop].start) <= int(newest)-maxSpans || n-drop >= maxSpans) {
			drop++
		}
		l.spans = push(l.spans, drop, span{start: start, least: q.size}, maxSpans)
	}
	l.spans[len(l.spans)-1].add(q)
}

func (s *span) add(q point) {
	if s.ticks == math.MaxUint16 { // ticks of less than 30 ms
		return
	}
	s.ticks++
	s.sizes += float32(q.size)
	s.least, s.most, s.lo, s.hi = min(s.least, q.size), max(s.most, q.size), q.lo, q.hi
	if q.recommended != none {
		s.recommended = max(s.recommended, q.recommended)
	}
	if q.signal != 0 {
		if q.signal != s.signal {
			s.signal, s.loaded, s.loads, s.maxLoad = q.signal, 0, 0, 0
		}
		s.loaded++
		s.loads += q.load
		s.maxLoad = max(s.maxLoad, q.load)
	}
	if q.delay != 0 {
		if q.delay != s.delay {
			s.delay, s.waited, s.waits, s.maxWait = q.delay, 0, 0, 0
		}
		s.waited++
		s.waits += q.wait
		s.maxWait = max(s.maxWait, q.wait)
	}
	kind, flags := limit.Kind(q.limit), Flags(q.flags)
	count(&s.atMax, kind == limit.ByMax || kind == limit.ByPlatform)
	count(&s.atMin, q.size == q.lo)
	count(&s.paused, kind == limit.ByPause)
	count(&s.yielding, kind == limit.ByYielding)
	count(&s.orders, flags.Has(Ordered))
	count(&s.changes, flags.Has(Changed))
	count(&s.probeFailures, flags.Has(ProbeFailed))
	count(&s.scaleErrors, flags.Has(ScaleFailed))
	count(&s.failed, flags.Has(Failure))
}

// Points returns the points, oldest first.
func (l *Log) Points() []Point {
	out := make([]Point, len(l.points))
	for i, q := range l.points {
		out[i] = Point{
			Time: time.UnixMilli(q.at), Size: int(q.size), Ready: int(q.ready), Min: int(q.lo), Max: int(q.hi),
			Signal: l.name(q.signal), Load: float64(q.load), Delay: l.name(q.delay), Wait: float64(q.wait),
			Limit: limit.Kind(q.limit), Flags: Flags(q.flags),
		}
		if q.recommended != none {
			out[i].Recommends, out[i].Recommended = true, int(q.recommended)
		}
	}
	return out
}

// Spans returns the half-hours in which there were ticks, oldest first.
func (l *Log) Spans() []Span {
	out := make([]Span, len(l.spans))
	for i, s := range l.spans {
		out[i] = Span{
			Start: time.UnixMilli(int64(s.start) * Width.Milliseconds()), Ticks: int(s.ticks),
			Size: mean(s.sizes, s.ticks), MinSize: int(s.least), MaxSize: int(s.most), MaxRecommended: int(s.recommended),
			Min: int(s.lo), Max: int(s.hi), AtMax: int(s.atMax), AtMin: int(s.atMin),
			Signal: l.name(s.signal), Load: mean(s.loads, s.loaded), MaxLoad: float64(s.maxLoad),
			Delay: l.name(s.delay), Wait: mean(s.waits, s.waited), MaxWait: float64(s.maxWait),
			Orders: int(s.orders), Changes: int(s.changes), ProbeFailures: int(s.probeFailures), ScaleErrors: int(s.scaleErrors),
			Failures: int(s.failed), Paused: int(s.paused), Yielding: int(s.yielding),
			Saturated: int(s.saturated), Slots: float64(s.slots) / 100, PoolWaits: int(s.pooled),
		}
	}
	return out
}

// Follow puts in front of l what older has from before l began. It is for a new leader,
// which has begun its own Log by the time it reads that of the last leader. If both have a
// part of the same half-hour, the parts are added up.
func (l *Log) Follow(older *Log) {
	next := older.Clone()
	for _, s := range l.spans {
		s.signal, s.delay = next.number(l.name(s.signal)), next.number(l.name(s.delay))
		for len(next.spans) > 0 && next.spans[len(next.spans)-1].start > s.start {
			next.spans = next.spans[:len(next.spans)-1]
		}
		n := len(next.spans)
		switch {
		case n == 0 || next.spans[n-1].start < s.start:
			drop := max(0, n-maxSpans+1)
			next.spans = push(next.spans, drop, s, maxSpans)
		default:
			next.spans[n-1].join(s)
		}
	}
	if len(l.points) > 0 {
		first := l.points[0].at
		for len(next.points) > 0 && next.points[len(next.points)-1].at >= first {
			next.points = next.points[:len(next.points)-1]
		}
	}
	for _, q := range l.points {
		q.signal, q.delay = next.number(l.name(q.signal)), next.number(l.name(q.delay))
		next.addPoint(q)
	}
	*l = *next
}

// join adds what another leader saw later in the same half-hour.
func (s *span) join(o span) {
	s.sizes += o.sizes
	s.least, s.most, s.recommended, s.lo, s.hi = min(s.least, o.least), max(s.most, o.most), max(s.recommended, o.recommended), o.lo, o.hi
	if o.signal == s.signal || o.signal == 0 {
		s.loads, s.maxLoad, s.loaded = s.loads+o.loads, max(s.maxLoad, o.maxLoad), sum(s.loaded, o.loaded)
	} else {
		s.signal, s.loads, s.maxLoad, s.loaded = o.signal, o.loads, o.maxLoad, o.loaded
	}
	if o.delay == s.delay || o.delay == 0 {
		s.waits, s.maxWait, s.waited = s.waits+o.waits, max(s.maxWait, o.maxWait), sum(s.waited, o.waited)
	} else {
		s.delay, s.waits, s.maxWait, s.waited = o.delay, o.waits, o.maxWait, o.waited
	}
	s.slots, s.saturated, s.pooled = max(s.slots, o.slots), few(s.saturated, o.saturated), few(s.pooled, o.pooled)
	for _, p := range [...][2]*uint16{
		{&s.ticks, &o.ticks},
		{&s.atMax, &o.atMax},
		{&s.atMin, &o.atMin},
		{&s.orders, &o.orders},
		{&s.changes, &o.changes},
		{&s.probeFailures, &o.probeFailures},
		{&s.scaleErrors, &o.scaleErrors},
		{&s.failed, &o.failed},
		{&s.paused, &o.paused},
		{&s.yielding, &o.yielding},
	} {
		*p[0] = sum(*p[0], *p[1])
	}
}

// Clone returns a copy that shares nothing with l.
func (l *Log) Clone() *Log {
	return &Log{points: slices.Clone(l.points), spans: slices.Clone(l.spans), names: slices.Clone(l.names)}
}

// push drops the oldest elements of list and appends x, in an array of at most most elements.
func push[E any](list []E, drop int, x E, most int) []E {
	if drop > 0 {
		list = list[:copy(list, list[drop:])]
	}
	if n := len(list); n == cap(list) {
		list = append(make([]E, 0, min(max(8, 2*n), most)), list...)
	}
	return append(list, x)
}

// number returns the number of a signal's name. There are few names, and a name for which
// there is no room is not kept.
func (l *Log) number(name string) uint8 {
	if name == "" {
		return 0
	}
	if i := slices.Index(l.names, name); i >= 0 {
		return uint8(i + 1)
	}
	if len(l.names) >= maxNames || len(name) > maxName {
		return 0
	}
	l.names = append(l.names, name)
	return uint8(len(l.names))
}

// The bounds of the names of signals.
const (
	maxNames = 16
	maxName  = 40 // bytes
)

func (l *Log) name(number uint8) string {
	if number == 0 || int(number) > len(l.names) {
		return ""
	}
	return l.names[number-1]
}

func count(n *uint16, yes bool) {
	if yes {
		*n = sum(*n, 1)
	}
}

func sum(a, b uint16) uint16 { return uint16(min(int(a)+int(b), math.MaxUint16)) }

func few(a, b uint8) uint8 { return uint8(min(int(a)+int(b), math.MaxUint8)) }

func hundredths(v float64) uint16 { return uint16(min(math.Round(100*v), math.MaxUint16)) }

func small(n int) uint16 { return uint16(max(0, min(n, none-1))) }

func mean(total float32, n uint16) float64 {
	if n == 0 {
		return 0
	}
	return float64(total) / float64(n)
}

func finite(v float64) float32 {
	if f := float32(v); f-f == 0 {
		return f
	}
	return 0
}
