package status

import (
	"iter"
	"math"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/internal/chart"
)

// gap is after how long without a point a line is broken.
const gap = 3 * time.Minute

// column is the least time between two values of a measurement that are drawn. Values
// that are closer are drawn as their mean.
const column = 30 * time.Second

// charts draws the last hours and the last days.
func charts(past *history.Log, now time.Time) []chart.Chart {
	points, spans := past.Points(), past.Spans()
	start := now.Add(-history.Recent).UTC()
	for len(points) > 0 && points[0].Time.Before(start) {
		points = points[1:]
	}
	if len(points) > 0 && points[0].Time.Sub(start) > history.Recent/2 {
		start = points[0].Time.UTC() // a process that has just started has little to show
	}
	length := max(now.Sub(start), 10*time.Minute)
	var out []chart.Chart
	if len(points) > 0 {
		out = recent(points, start, length)
	}
	if len(spans) > 2 {
		out = append(out, days(spans, now)...)
	}
	return out
}

func recent(points []history.Point, start time.Time, length time.Duration) []chart.Chart {
	last := points[len(points)-1]
	most := 2.0
	for _, p := range points {
		most = max(most, float64(p.Size), float64(p.Recommended))
	}
	size := chart.New("processes", start, length, most)
	size.About = "The processes of the last three hours, tick by tick"
	size.Add("ready", "serving", values(points, start, func(p history.Point) (float64, bool) { return float64(p.Ready), true }))
	size.Add("size", "ordered", values(points, start, func(p history.Point) (float64, bool) { return float64(p.Size), true }))
	size.Add("recommended", "recommended", values(points, start, func(p history.Point) (float64, bool) { return float64(p.Recommended), p.Recommends }))
	if float64(last.Max) <= 2*most {
		size.Mark("bound", "Max", float64(last.Max))
	}
	out := []chart.Chart{size}
	if unit := last.Signal; unit != "" {
		of := func(p history.Point) (float64, bool) { return p.Load, p.Signal == unit }
		c := chart.New(words(unit), start, length, highest(points, of))
		c.About = words(unit) + " of the last three hours"
		c.Add("load", words(unit), means(points, start, of))
		out = append(out, c)
	}
	if unit := last.Delay; unit != "" {
		of := func(p history.Point) (float64, bool) { return p.Wait, p.Delay == unit && p.Wait > 0 }
		if low, high := lowest(points, of), highest(points, of); high > 0 {
			c := chart.NewLog(words(unit), start, length, low, high)
			c.About = words(unit) + " of the last three hours, on an axis that grows by tens"
			c.Add("wait", words(unit), means(points, start, of))
			out = append(out, c)
		}
	}
	return out
}

func days(spans []history.Span, now time.Time) []chart.Chart {
	start := spans[0].Start.UTC()
	length := max(now.Sub(start), history.Width)
	most, load := 2.0, 0.0
	for _, s := range spans {
		most, load = max(most, float64(s.MaxSize)), max(load, s.MaxLoad)
	}
	over := func(of func(history.Span) float64) iter.Seq[chart.Step] {
		return func(yield func(chart.Step) bool) {
			for _, s := range spans {
				from := s.Start.Sub(start).Seconds()
				to := min(from+history.Width.Seconds(), length.Seconds())
				if !yield(chart.Step{From: from, To: to, Value: of(s)}) {
					return
				}
			}
		}
	}
	size := chart.New("processes", start, length, most)
	size.About = "The processes of the last seven days, by the half-hour"
	size.Add("ready", "largest", over(func(s history.Span) float64 { return float64(s.MaxSize) }))
	size.Add("size", "mean", over(func(s history.Span) float64 { return s.Size }))
	out := []chart.Chart{size}
	if unit := spans[len(spans)-1].Signal; unit != "" && load > 0 {
		c := chart.New(words(unit), start, length, load)
		c.About = words(unit) + " of the last seven days, by the half-hour"
		c.Add("wait", "highest", over(func(s history.Span) float64 { return s.MaxLoad }))
		c.Add("load", "mean", over(func(s history.Span) float64 { return s.Load }))
		out = append(out, c)
	}
	return out
}

// words writes a signal's name for people.
func words(signal string) string {
	switch signal {
	case "busy":
		return "requests in flight"
	case "arrivals", "throughput":
		return signal + " per second"
	case "backlog":
		return "backlog, in jobs"
	}
	return strings.ReplaceAll(signal, "_", " ")
}

// values returns what of says of each point, until the next point.
func values(points []history.Point, start time.Time, of func(history.Point) (float64, bool)) iter.Seq[chart.Step] {
	return func(yield func(chart.Step) bool) {
		for i, p := range points {
			v, ok := of(p)
			if !ok {
				continue
			}
			to := p.Time.Add(history.Spacing)
			if i+1 < len(points) && points[i+1].Time.Sub(p.Time) < gap {
				to = points[i+1].Time
			}
			if !yield(chart.Step{From: p.Time.Sub(start).Seconds(), To: to.Sub(start).Seconds(), Value: v}) {
				return
			}
		}
	}
}

// means is values with one mean for each column.
func means(points []history.Point, start time.Time, of func(history.Point) (float64, bool)) iter.Seq[chart.Step] {
	return func(yield func(chart.Step) bool) {
		var now chart.Step
		n := 0.0
		for s := range values(points, start, of) {
			if n > 0 && (s.From > now.To || s.To-now.From > column.Seconds()) {
				now.Value = round(now.Value / n)
				if !yield(now) {
					return
				}
				n = 0
			}
			if n == 0 {
				now = chart.Step{From: s.From}
			}
			now.To, now.Value, n = s.To, now.Value+s.Value, n+1
		}
		if n > 0 {
			now.Value = round(now.Value / n)
			yield(now)
		}
	}
}

// round keeps what can be seen of a value.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	ten := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*ten) / ten
}

func highest(points []history.Point, of func(history.Point) (float64, bool)) (most float64) {
	for _, p := range points {
		if v, ok := of(p); ok {
			most = max(most, v)
		}
	}
	return most
}

func lowest(points []history.Point, of func(history.Point) (float64, bool)) float64 {
	least := math.Inf(1)
	for _, p := range points {
		if v, ok := of(p); ok {
			least = min(least, v)
		}
	}
	return least
}
