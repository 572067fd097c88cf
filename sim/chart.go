package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The size of a chart, in units of its viewBox, and of the frame in it.
const (
	chartWidth  = 960
	chartHeight = 220
	chartLeft   = 58
	chartRight  = 12
	chartTop    = 28
	chartBottom = 24
)

// A chart is lines over time.
type chart struct {
	Unit  string
	X, Y  []tick
	Lines []line

	low, high float64
	log       bool
	span      float64 // seconds
}

type tick struct {
	At   float64
	Text string
}

type line struct {
	Class, Name, Path string
	Legend            float64
}

// Width, Height, Left, Right, Top and Bottom are for the template.
func (c chart) Width() int  { return chartWidth }
func (c chart) Height() int { return chartHeight }
func (c chart) Left() int   { return chartLeft }
func (c chart) Right() int  { return chartWidth - chartRight }
func (c chart) Top() int    { return chartTop }
func (c chart) Bottom() int { return chartHeight - chartBottom }

func newChart(r *Report, unit string, most float64) chart {
	c := chart{Unit: unit, span: span(r)}
	step := nice(max(most, 1) / 4)
	c.high = step * max(1, math.Ceil(most/step))
	for i := 0; float64(i)*step <= c.high*1.0001; i++ {
		v := float64(i) * step
		c.Y = append(c.Y, tick{c.y(v), strconv.FormatFloat(v, 'g', 6, 64)})
	}
	c.times(r)
	return c
}

// newLogChart makes a chart of seconds, whose axis grows by tens.
func newLogChart(r *Report, unit string) chart {
	c := chart{Unit: unit, span: span(r), log: true}
	low, high := r.Objective.Latency.Seconds(), r.Objective.Latency.Seconds()
	for _, q := range r.Series.Points {
		if q.P50 > 0 {
			low, high = min(low, q.P50.Seconds()), max(high, q.P95.Seconds())
		}
	}
	first, last := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high)+.05)
	c.low, c.high = math.Pow(10, first), math.Pow(10, last)
	for e := first; e <= last; e++ {
		v := math.Pow(10, e)
		text := fmt.Sprintf("%.4g s", v)
		if v < 1 {
			text = fmt.Sprintf("%.4g ms", 1000*v)
		}
		c.Y = append(c.Y, tick{c.y(v), text})
	}
	c.times(r)
	return c
}

func span(r *Report) float64 {
	return max(1, float64(len(r.Series.Points))*r.Series.Step.Seconds())
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

func (c *chart) x(t float64) float64 {
	return math.Round(10*(chartLeft+t/c.span*(chartWidth-chartLeft-chartRight))) / 10
}

func (c *chart) y(v float64) float64 {
	part := v / c.high
	if c.log {
		part = math.Log(max(v, c.low)/c.low) / math.Log(c.high/c.low)
	}
	return math.Round(10*(chartHeight-chartBottom-part*(chartHeight-chartTop-chartBottom))) / 10
}

// timeSteps are the possible distances between the labels of the time axis.
var timeSteps = [...]time.Duration{
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour, 14 * 24 * time.Hour, 28 * 24 * time.Hour,
}

// times labels the time, at round hours of the load's own zone.
func (c *chart) times(r *Report) {
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
	year, month, day := r.Start.Date()
	at := time.Date(year, month, day, 0, 0, 0, 0, r.Start.Location())
	for ; at.Sub(r.Start).Seconds() <= c.span; at = at.Add(step) {
		// A label at the very end would be cut off.
		if offset := at.Sub(r.Start).Seconds(); offset >= 0 && offset < .98*c.span {
			text := at.Format(format)
			if text == "00:00" {
				text = at.Format("Mon 2 Jan")
			}
			c.X = append(c.X, tick{c.x(offset), text})
		}
	}
}

// add draws a value of each point, as steps. In a chart of times a 0 was not measured.
func (c *chart) add(class, name string, r *Report, f func(Point) float64) {
	var b strings.Builder
	step := r.Series.Step.Seconds()
	pen := false
	for i, q := range r.Series.Points {
		v := f(q)
		if c.log && v == 0 {
			pen = false
			continue
		}
		from, to, y := c.x(float64(i)*step), c.x(float64(i+1)*step), c.y(v)
		if pen {
			fmt.Fprintf(&b, "V%gH%g", y, to)
		} else {
			fmt.Fprintf(&b, "M%g %gH%g", from, y, to)
		}
		pen = true
	}
	c.legend(class, name, b.String())
}

// mark draws a horizontal line.
func (c *chart) mark(class, name string, v float64) {
	c.legend(class, name, fmt.Sprintf("M%d %gH%d", chartLeft, c.y(v), chartWidth-chartRight))
}

// legend adds a line, its name at the right of the names before it.
func (c *chart) legend(class, name, path string) {
	at := 200.0
	if n := len(c.Lines); n > 0 {
		last := c.Lines[n-1]
		at = last.Legend + 46 + 6.6*float64(len(last.Name))
	}
	c.Lines = append(c.Lines, line{class, name, path, at})
}
