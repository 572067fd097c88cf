// Package chart draws lines over time as SVG, for the pages of sim and of status.
package chart

import (
	_ "embed"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
	"time"
)

// Template defines the template "chart" of html/template, which draws a [Chart]. Its
// classes are "grid", "unit" and those of the lines. It has no style of its own.
//
//go:embed chart.html
var Template string

// The size of a chart, in units of its viewBox, and of the frame in it.
const (
	width  = 960
	height = 220
	left   = 58
	right  = 12
	top    = 28
	bottom = 24
)

// A Chart is lines over time.
type Chart struct {
	Unit  string
	About string // what it shows, for who cannot see it. Empty: the unit over time
	X, Y  []Tick
	Lines []Line

	start     time.Time
	low, high float64
	log       bool
	span      float64 // seconds
}

// A Tick is a label of an axis.
type Tick struct {
	At   float64
	Text string
	Time time.Time // of a label of the time axis
}

// A Line is a drawn line, with its name in the legend.
type Line struct {
	Class, Name, Path string
	Legend            float64
}

// A Step is a value that holds from one time to another, in seconds from the start.
type Step struct{ From, To, Value float64 }

// Width, Height, Left, Right, Top and Bottom are for the template.
func (c Chart) Width() int  { return width }
func (c Chart) Height() int { return height }
func (c Chart) Left() int   { return left }
func (c Chart) Right() int  { return width - right }
func (c Chart) Top() int    { return top }
func (c Chart) Bottom() int { return height - bottom }

// New returns a chart of values from 0 to most, over the time from start. The labels of
// the time axis are in the zone of start.
func New(unit string, start time.Time, length time.Duration, most float64) Chart {
	c := Chart{Unit: unit, start: start, span: max(1, length.Seconds())}
	step := nice(max(most, 1) / 4)
	if most <= 1 {
		step = tenth(most / 4)
	}
	c.high = step * max(1, math.Ceil(most/step))
	for i := 0; float64(i)*step <= c.high*1.0001; i++ {
		v := float64(i) * step
		c.Y = append(c.Y, Tick{At: c.y(v), Text: strconv.FormatFloat(v, 'g', 4, 64)})
	}
	c.times()
	return c
}

// NewLog returns a chart of seconds from low to high, whose axis grows by tens.
func NewLog(unit string, start time.Time, length time.Duration, low, high float64) Chart {
	c := Chart{Unit: unit, start: start, span: max(1, length.Seconds()), log: true}
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high)+.05)
	c.low, c.high = math.Pow(10, first), math.Pow(10, last)
	for e := first; e <= last; e++ {
		v := math.Pow(10, e)
		text := fmt.Sprintf("%.4g s", v)
		if v < 1 {
			text = fmt.Sprintf("%.4g ms", 1000*v)
		}
		c.Y = append(c.Y, Tick{At: c.y(v), Text: text})
	}
	c.times()
	return c
}

// tenth is nice for values below 1. It is 0.25 for 0.
func tenth(v float64) float64 {
	if v <= 0 {
		return .25
	}
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range [...]float64{1, 2, 5} {
		if n*ten >= v*.9999 {
			return n * ten
		}
	}
	return 10 * ten
}

// nice returns the least of 1, 2, 5, 10, 20, ... that is not below v.
func nice(v float64) float64 {
	ten := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range [...]float64{1, 2, 5} {
		if n*ten >= v*.9999 {
			return max(1, n*ten)
		}
	}
	return max(1, 10*ten)
}

func (c *Chart) x(t float64) float64 {
	return math.Round(10*(left+t/c.span*(width-left-right))) / 10
}

func (c *Chart) y(v float64) float64 {
	part := v / c.high
	if c.log {
		part = math.Log(max(v, c.low)/c.low) / math.Log(c.high/c.low)
	}
	return math.Round(10*(height-bottom-part*(height-top-bottom))) / 10
}

// timeSteps are the possible distances between the labels of the time axis.
var timeSteps = [...]time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour,
}

// times labels the time, at round hours of the zone of start.
func (c *Chart) times() {
	step := timeSteps[len(timeSteps)-1]
	for _, s := range timeSteps {
		if c.span/s.Seconds() <= 12 {
			step = s
			break
		}
	}
	step = max(step, time.Duration(c.span/24)*time.Second) // years
	format := "15:04"
	if step >= 24*time.Hour {
		format = "2 Jan"
	}
	year, month, day := c.start.Date()
	at := time.Date(year, month, day, 0, 0, 0, 0, c.start.Location())
	for ; at.Sub(c.start).Seconds() <= c.span; at = at.Add(step) {
		// A label at the very end would be cut off.
		if offset := at.Sub(c.start).Seconds(); offset >= 0 && offset < .98*c.span {
			text := at.Format(format)
			if text == "00:00" {
				text = at.Format("Mon 2 Jan")
			}
			c.X = append(c.X, Tick{c.x(offset), text, at})
		}
	}
}

// Add draws steps, which come in order. There is a gap where one does not begin where the
// last ended, and, in a chart that grows by tens, where the value is 0.
func (c *Chart) Add(class, name string, steps iter.Seq[Step]) {
	var b strings.Builder
	var end, level, reach float64 // of the last step: its end in seconds, y and x
	pen := false
	for s := range steps {
		if c.log && s.Value == 0 {
			pen = false
			continue
		}
		from, to, y := c.x(s.From), c.x(s.To), c.y(s.Value)
		switch {
		case !pen || s.From > end:
			if pen {
				fmt.Fprintf(&b, "H%g", reach)
			}
			fmt.Fprintf(&b, "M%g %g", from, y)
		case y != level:
			fmt.Fprintf(&b, "H%gV%g", from, y)
		}
		pen, end, level, reach = true, s.To, y, to
	}
	if pen {
		fmt.Fprintf(&b, "H%g", reach)
	}
	c.legend(class, name, b.String())
}

// Mark draws a horizontal line.
func (c *Chart) Mark(class, name string, v float64) {
	c.legend(class, name, fmt.Sprintf("M%d %gH%d", left, c.y(v), width-right))
}

// legend adds a line, its name at the right of the names before it.
func (c *Chart) legend(class, name, path string) {
	at := 200.0
	if n := len(c.Lines); n > 0 {
		last := c.Lines[n-1]
		at = last.Legend + 46 + 6.6*float64(len(last.Name))
	}
	c.Lines = append(c.Lines, Line{class, name, path, at})
}
