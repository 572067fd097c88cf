package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/platform/pool"
)

// The columns of the picture: names, charts over the time of the whole run, and
// what is true now.
const (
	nameWidth = 12
	nowWidth  = 24
)

// chartsHeight is how many rows the charts take in a terminal of the usual size.
const chartsHeight = 16

// draw returns the picture of a moment.
func draw(sc scene, width, height int) *canvas {
	c := newCanvas(width, height)
	s := sc.script
	d := drawing{c: c, sc: sc, left: nameWidth, wide: width - nameWidth - nowWidth}
	d.axis = max(s.duration, sc.elapsed)

	// The charts grow with the terminal, to a point.
	loadRows, signalRows := 2, 4
	if height >= 30 {
		loadRows, signalRows = 4, 8
	}

	c.text(1, 0, bold, "autoscale")
	c.text(11, 0, normal, fmt.Sprintf("%s, %d to %d dynos, measured every %v", appName, s.min, s.max, s.interval.Round(time.Millisecond)))
	c.text(11, 1, normal, sc.page)
	at := fmt.Sprintf("%s of %s", clock(sc.elapsed), clock(d.axis))
	c.text(width-1-len(at), 0, normal, at)

	y := 2
	d.load(y, loadRows)
	y += loadRows + 1
	d.measurements(y, signalRows)
	y += signalRows + 1
	d.dynos(y)
	y += s.max + 1

	st := normal
	if sc.status.Acted {
		st = bold
	}
	c.text(1, y, normal, "decision")
	c.paragraph(nameWidth, y, 2, st, explanation(sc))
	y += 3
	d.log(y, max(0, height-y))
	return c
}

type drawing struct {
	c          *canvas
	sc         scene
	left, wide int
	axis       time.Duration
}

// column returns where a time is drawn.
func (d drawing) column(at time.Duration) int {
	return d.left + min(int(float64(at)/float64(d.axis)*float64(d.wide)), d.wide-1)
}

func (d drawing) right() int { return d.left + d.wide + 1 }

// load draws the requests a second.
func (d drawing) load(y, rows int) {
	d.c.text(1, y, normal, "load")
	for _, p := range d.sc.points {
		d.c.bar(d.column(p.at), y+rows, rows, p.load/d.sc.script.peak, blue)
	}
	lately := d.sc.lately
	d.c.text(d.right(), y, bold, fmt.Sprintf("%.0f", d.sc.load))
	d.c.text(d.right()+len(fmt.Sprintf("%.0f", d.sc.load)), y, normal, " requests/s")
	st := normal
	if lately.p95 > d.sc.script.slow || lately.failed > 0 {
		st = red
	}
	d.c.text(d.right(), y+1, st, fmt.Sprintf("95%% within %v", lately.p95.Round(10*time.Millisecond)))
}

// measurements draws what was measured, and what the rule compares it with.
func (d drawing) measurements(y, rows int) {
	s := d.sc.script
	d.c.text(1, y, normal, s.signal())
	if s.heartbeat {
		d.limits(y, rows)
	} else {
		d.targets(y, rows)
	}

	// Of the measurements that share a column it is the highest.
	highest := make(map[int]measurement)
	for _, m := range d.sc.measurements {
		for x := d.column(max(0, m.at-d.span(m))); x <= d.column(m.at); x++ {
			if old, ok := highest[x]; !ok || d.height(m) > d.height(old) {
				highest[x] = m
			}
		}
	}
	for x, m := range highest {
		if !m.measured {
			d.c.set(x, y+rows-1, '?', red)
			continue
		}
		d.c.bar(x, y+rows, rows, d.height(m), styleOf(s, m))
	}
	if n := len(d.sc.measurements); n > 0 {
		d.c.text(1, y+1, styleOf(s, d.sc.measurements[n-1]), last(d.sc))
	}
}

// span is for how long a measurement is drawn: a heartbeat for as long as it took.
func (d drawing) span(m measurement) time.Duration {
	if d.sc.script.heartbeat {
		return m.latency
	}
	return d.sc.script.interval
}

// height is how high a measurement is drawn.
func (d drawing) height(m measurement) float64 {
	if d.sc.script.heartbeat {
		return d.latencyHeight(m.latency)
	}
	return d.flightHeight(m.inFlight)
}

// latencyHeight is how high a latency is drawn. The root keeps both limits apart
// from each other and from the ends.
func (d drawing) latencyHeight(latency time.Duration) float64 {
	return math.Sqrt(min(float64(latency)/float64(d.sc.script.slow), 1))
}

// flightHeight is how high so many requests in flight are drawn.
func (d drawing) flightHeight(n float64) float64 {
	return min(n/float64(d.sc.script.max*workers), 1)
}

// limits draws the limits of the rule for heartbeats.
func (d drawing) limits(y, rows int) {
	s := d.sc.script
	row := func(limit time.Duration) int { return y + rows - 1 - int(d.latencyHeight(limit)*float64(rows)) }
	for x := d.left; x < d.left+d.wide; x++ {
		d.c.set(x, row(s.high), '┄', dim)
		d.c.set(x, row(s.low), '┄', dim)
	}
	d.c.text(d.right(), row(s.high), dim, fmt.Sprintf("%v: above, add", s.high))
	d.c.text(d.right(), row(s.low), dim, fmt.Sprintf("%v: below, remove", s.low))
}

// targets draws how many requests in flight were enough for the dynos that were up.
func (d drawing) targets(y, rows int) {
	enough := 0.0
	for _, p := range d.sc.points {
		enough = 0
		for _, dy := range p.dynos {
			if dy.State == pool.Serving {
				enough += target * workers
			}
		}
		d.c.set(d.column(p.at), y+rows-1-int(d.flightHeight(enough)*float64(rows)), '┄', dim)
	}
	d.c.text(d.right(), y, dim, fmt.Sprintf("%.1f: above, add", enough))
}

// dynos draws a row for each dyno that there may be: when it ran, and what it
// does now.
func (d drawing) dynos(y int) {
	most := d.sc.script.max
	row := func(number int) int { return y + most - number }
	for n := 1; n <= most; n++ {
		d.c.text(1, row(n), normal, fmt.Sprintf("%s.%d", processType, n))
	}
	for _, p := range d.sc.points {
		for _, dy := range p.dynos {
			switch x := d.column(p.at); dy.State {
			case pool.Booting:
				d.c.set(x, row(dy.Number), '░', yellow)
			case pool.Serving:
				d.c.set(x, row(dy.Number), '█', green)
			case pool.Stopping:
				d.c.set(x, row(dy.Number), '▒', dim)
			}
		}
	}
	for _, dy := range d.sc.dynos {
		x, y := d.right(), row(dy.Number)
		switch dy.State {
		case pool.Booting:
			d.c.text(x, y, yellow, "boots")
		case pool.Stopping:
			d.c.text(x, y, dim, "stops")
		case pool.Serving:
			working := min(dy.Requests, workers)
			d.c.text(x, y, green, strings.Repeat("■", working)+strings.Repeat("□", workers-working))
			if waiting := dy.Requests - working; waiting > 0 {
				d.c.text(x+workers+1, y, red, fmt.Sprintf("%d waiting", waiting))
			}
		}
	}
}

// log writes the last things that happened.
func (d drawing) log(y, rows int) {
	entries := d.sc.entries
	entries = entries[max(0, len(entries)-rows):]
	for i, e := range entries {
		st := dim
		if e.who == byAutoscaler {
			st = normal
		}
		d.c.text(1, y+i, dim, clock(e.at))
		d.c.text(7, y+i, st, e.text)
	}
}
