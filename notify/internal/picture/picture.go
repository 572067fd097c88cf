// Package picture draws the last hour of an Autoscaler as a PNG: the size, what the rule
// recommended, and the load.
package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/internal/names"
)

// Width and Height are the size at which to show the picture. It has twice as many
// pixels in each direction.
const (
	Width  = 600
	Height = 240
)

// Span is how much time a picture shows.
const Span = time.Hour

// The colours of the lines, as 0xRRGGBB.
const (
	SizeColour        = 0x1E6FD9
	RecommendedColour = 0xD97706
	LoadColour        = 0x2E7D32
	BoundColour       = 0x9AA3AD
)

// A Picture is a drawn hour, and what it shows in words.
type Picture struct {
	PNG         []byte
	Text        string // sentences for people who cannot see it
	Load        string // what the load line shows, such as "latency". Empty: there is none
	Recommended bool   // there is a line for the recommendations
}

// Draw draws the hour before now. It returns false if there are fewer than two points.
func Draw(points []history.Point, now time.Time) (Picture, bool) {
	from := now.Add(-Span)
	var shown []history.Point
	for _, p := range points {
		p.Size, p.Recommended = clamp(p.Size), clamp(p.Recommended)
		p.Min, p.Max = clamp(p.Min), clamp(p.Max)
		if p.Time.After(from) && !p.Time.After(now) {
			shown = append(shown, p)
		}
	}
	if len(shown) < 2 {
		return Picture{}, false
	}
	load := loadOf(shown)
	c := newCanvas()
	c.draw(shown, load, from)
	var b bytes.Buffer
	if err := png.Encode(&b, c.img); err != nil {
		return Picture{}, false
	}
	p := Picture{PNG: b.Bytes(), Text: describe(shown, load), Load: load.name}
	for _, s := range shown {
		p.Recommended = p.Recommended || s.Recommends
	}
	return p, true
}

// clamp limits a number of processes to what can be drawn.
func clamp(n int) int { return min(max(n, 0), 1_000_000) }

// load is the line of the load, for the signal of the last point that has one.
type load struct {
	name    string
	seconds bool // the values are times
	values  []float64
	max     float64
}

// loadOf returns the value of each point. NaN: not measured.
func loadOf(points []history.Point) load {
	var l load
	wait := false
	for i := len(points) - 1; i >= 0 && l.name == ""; i-- {
		if p := points[i]; p.Delay != "" {
			l.name, wait = p.Delay, true
		} else if p.Signal != "" {
			l.name = p.Signal
		}
	}
	l.seconds = wait || l.name == "latency" || l.name == "queue_time" || l.name == "service_time"
	for _, p := range points {
		v := math.NaN()
		if wait && p.Delay == l.name {
			v = p.Wait
		} else if !wait && l.name != "" && p.Signal == l.name {
			v = p.Load
		}
		if math.IsInf(v, 0) || v < 0 {
			v = math.NaN()
		}
		l.values = append(l.values, v)
		if v > l.max {
			l.max = v
		}
	}
	l.name = strings.ReplaceAll(l.name, "_", " ")
	return l
}

// number writes a value of the load.
func (l load) number(v float64) string {
	switch {
	case l.seconds && v < 1:
		return strconv.Itoa(int(math.Round(v*1000))) + "ms"
	case l.seconds:
		return strconv.FormatFloat(v, 'f', 1, 64) + "s"
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 3, 64) + "M"
	case v >= 1e4:
		return strconv.FormatFloat(v/1e3, 'f', 0, 64) + "k"
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

func describe(points []history.Point, l load) string {
	least, most, recommended := math.MaxInt, 0, 0
	for _, p := range points {
		least, most = min(least, p.Size), max(most, p.Size)
		if p.Recommends {
			recommended = max(recommended, p.Recommended)
		}
	}
	now := points[len(points)-1].Size
	var b strings.Builder
	if least == most {
		fmt.Fprintf(&b, "In the last hour the size was always %d.", now)
	} else {
		fmt.Fprintf(&b, "In the last hour the size was %d to %d, and is %d now.", least, most, now)
	}
	if recommended > 0 {
		fmt.Fprintf(&b, " The rule recommended at most %s.", names.Count(recommended, "process", "processes"))
	}
	if l.name != "" {
		low, last := math.Inf(1), math.NaN()
		for _, v := range l.values {
			if !math.IsNaN(v) {
				low, last = min(low, v), v
			}
		}
		switch {
		case math.IsNaN(last):
		case l.number(low) == l.number(l.max):
			fmt.Fprintf(&b, " The %s was always %s.", l.name, l.number(last))
		default:
			fmt.Fprintf(&b, " The %s was %s to %s, and is %s now.", l.name, l.number(low), l.number(l.max), l.number(last))
		}
	}
	return b.String()
}

// canvas is the picture being drawn, in pixels.
type canvas struct{ img *image.Paletted }

// The palette.
const (
	white = iota
	ink
	grid
	bound
	size
	fill
	recommended
	loads
)

func rgb(c int) color.RGBA { return color.RGBA{uint8(c >> 16), uint8(c >> 8), uint8(c), 255} }

func newCanvas() canvas {
	return canvas{image.NewPaletted(image.Rect(0, 0, 2*Width, 2*Height), color.Palette{
		white: rgb(0xFFFFFF), ink: rgb(0x4A5560), grid: rgb(0xE6EAEE), bound: rgb(BoundColour), size: rgb(SizeColour), fill: rgb(0xDCE9FA), recommended: rgb(RecommendedColour), loads: rgb(LoadColour),
	})}
}

func (c canvas) rect(x0, y0, x1, y1 int, ink uint8) {
	r := image.Rect(x0, y0, x1, y1).Intersect(c.img.Rect)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		row := c.img.Pix[y*c.img.Stride+r.Min.X : y*c.img.Stride+r.Max.X]
		for i := range row {
			row[i] = ink
		}
	}
}

// line draws a straight line, three pixels wide.
func (c canvas) line(x0, y0, x1, y1 int, ink uint8) {
	steps := max(abs(x1-x0), abs(y1-y0), 1)
	for i := range steps + 1 {
		x, y := x0+(x1-x0)*i/steps, y0+(y1-y0)*i/steps
		c.rect(x-1, y-1, x+2, y+2, ink)
	}
}

func abs(n int) int { return max(n, -n) }

// The panels, in pixels.
const (
	left, right           = 150, 2*Width - 20
	top, middle           = 24, 270 // of the sizes
	lower, bottom         = 310, 2*Height - 56
	dotted, dashed, solid = 4, 14, 0
)

func (c canvas) draw(points []history.Point, l load, from time.Time) {
	x := func(t time.Time) int { return left + int(int64(right-left)*int64(t.Sub(from))/int64(Span)) }
	highest := 1
	for _, p := range points {
		highest = max(highest, p.Size, min(p.Max, 10*max(p.Size, 1)))
		if p.Recommends {
			highest = max(highest, p.Recommended)
		}
	}
	y := func(n int) int { return middle - int(int64(middle-top)*int64(min(n, highest))/int64(highest)) }

	for i := range 5 { // the quarters of the hour
		t := from.Add(time.Duration(i) * Span / 4)
		c.rect(x(t), top, x(t)+2, bottom, grid)
		label := t.UTC().Format("15:04")
		c.text(min(x(t)-width(label)/2, 2*Width-width(label)-4), bottom+14, label)
	}
	for _, n := range ticks(highest) {
		c.rect(left, y(n), right, y(n)+2, grid)
		c.text(left-14-width(strconv.Itoa(n)), y(n)-glyphHeight/2, strconv.Itoa(n))
	}

	steps := func(of func(p history.Point) (int, bool), ink uint8, gap int, area bool) {
		for i, p := range points {
			n, ok := of(p)
			if !ok {
				continue
			}
			end := right
			if i+1 < len(points) {
				end = x(points[i+1].Time)
			}
			if area {
				c.rect(x(p.Time), y(n), end, middle, fill)
				continue
			}
			for at := x(p.Time); at < end; at++ {
				if gap == solid || at/gap%2 == 0 {
					c.rect(at, y(n)-2, at+1, y(n)+2, ink)
				}
			}
			if i > 0 && gap != dotted {
				if was, ok := of(points[i-1]); ok && was != n {
					c.line(x(p.Time), y(was), x(p.Time), y(n), ink)
				}
			}
		}
	}
	sizes := func(p history.Point) (int, bool) { return p.Size, true }
	steps(sizes, fill, solid, true)
	steps(func(p history.Point) (int, bool) { return p.Max, p.Max > 0 && p.Max <= highest }, bound, dotted, false)
	steps(func(p history.Point) (int, bool) { return p.Min, p.Min > 0 }, bound, dotted, false)
	steps(sizes, size, solid, false)
	steps(func(p history.Point) (int, bool) { return p.Recommended, p.Recommends }, recommended, dashed, false)
	c.rect(left, middle, right, middle+2, ink)

	c.rect(left, bottom, right, bottom+2, ink)
	if l.name == "" {
		return
	}
	most := l.max
	if most <= 0 {
		most = 1
	}
	c.text(left-14-width(l.number(most)), lower-4, l.number(most))
	c.text(left-14-width("0"), bottom-glyphHeight, "0")
	at := func(v float64) int { return bottom - int(float64(bottom-lower)*v/most) }
	for i, v := range l.values {
		if math.IsNaN(v) {
			continue
		}
		px, py := x(points[i].Time), at(v)
		if i > 0 && !math.IsNaN(l.values[i-1]) {
			c.line(x(points[i-1].Time), at(l.values[i-1]), px, py, loads)
		} else {
			c.rect(px-2, py-2, px+3, py+3, loads)
		}
	}
}

// ticks are at most six whole numbers up to highest, 0 included.
func ticks(highest int) []int {
	step := 1
	for i := 0; highest/step > 5; i++ {
		step = []int{2, 5, 10}[i%3] * int(math.Pow10(i/3))
	}
	var all []int
	for n := 0; n <= highest; n += step {
		all = append(all, n)
	}
	return all
}
