package sim

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"iter"
	"time"

	"github.com/autoscalebot/autoscale/internal/chart"
)

//go:embed page.html
var pageText string

// HTML writes an HTML page that shows the reports: a table that compares them, the load,
// and the sizes and response times of each report over time. Times are in the time zone of
// the load. The page has no scripts and loads nothing.
func HTML(w io.Writer, reports ...*Report) error {
	t, err := template.New("page").Parse(pageText + chart.Template)
	if err != nil {
		return fmt.Errorf("sim: the page: %w", err)
	}
	if err := t.Execute(w, newPage(reports)); err != nil {
		return fmt.Errorf("sim: write the page: %w", err)
	}
	return nil
}

// page is the data of the template.
type page struct {
	Title, When string
	Names       []string
	Rows        []pageRow
	Load        chart.Chart
	Reports     []pageReport
}

type pageRow struct {
	Name, Help string
	Values     []string
}

type pageReport struct {
	Name        string
	Size, Times chart.Chart
}

func newPage(reports []*Report) page {
	p := page{Title: "Simulation"}
	if len(reports) == 0 {
		return p
	}
	first := reports[0]
	p.When = fmt.Sprintf("%s, %v; %d requests; objective: at most %.4g %% of the requests over %v",
		first.Start.Format("Monday 2 January 2006 15:04 MST"), days(first.Duration), first.Requests, 100*first.Objective.Share, first.Objective.Latency)
	for _, r := range rows(reports) {
		line := pageRow{Name: r.name, Help: r.help}
		for _, report := range reports {
			line.Values = append(line.Values, r.value(report))
		}
		p.Rows = append(p.Rows, line)
	}
	p.Load = newChart(first, "requests per second", top(reports, func(q Point) float64 { return q.Rate }))
	p.Load.Add("load", "load", steps(first, func(q Point) float64 { return q.Rate }))

	most := top(reports, func(q Point) float64 { return max(q.Demand, q.Desired, q.Ready) })
	for _, r := range reports {
		p.Names = append(p.Names, r.Name)
		size := newChart(r, "processes", most)
		size.Add("ready", "serving", steps(r, func(q Point) float64 { return q.Ready }))
		size.Add("desired", "ordered", steps(r, func(q Point) float64 { return q.Desired }))
		size.Add("demand", "demanded", steps(r, func(q Point) float64 { return q.Demand }))
		times := newLogChart(r, "response time")
		times.Add("p95", "95th percentile", steps(r, func(q Point) float64 { return q.P95.Seconds() }))
		times.Add("p50", "median", steps(r, func(q Point) float64 { return q.P50.Seconds() }))
		times.Mark("objective", "objective", r.Objective.Latency.Seconds())
		p.Reports = append(p.Reports, pageReport{r.Name, size, times})
	}
	return p
}

// newChart returns a chart as long as the report.
func newChart(r *Report, unit string, most float64) chart.Chart {
	return chart.New(unit, r.Start, length(r), most)
}

// newLogChart returns a chart of response times.
func newLogChart(r *Report, unit string) chart.Chart {
	low, high := r.Objective.Latency.Seconds(), r.Objective.Latency.Seconds()
	for _, q := range r.Series.Points {
		if q.P50 > 0 {
			low, high = min(low, q.P50.Seconds()), max(high, q.P95.Seconds())
		}
	}
	return chart.NewLog(unit, r.Start, length(r), low, high)
}

func length(r *Report) time.Duration {
	return time.Duration(len(r.Series.Points)) * r.Series.Step
}

// steps returns a value of each point.
func steps(r *Report, f func(Point) float64) iter.Seq[chart.Step] {
	return func(yield func(chart.Step) bool) {
		step := r.Series.Step.Seconds()
		for i, q := range r.Series.Points {
			if !yield(chart.Step{From: float64(i) * step, To: float64(i+1) * step, Value: f(q)}) {
				return
			}
		}
	}
}

// days writes a long duration in days.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.String()
	}
	return fmt.Sprintf("%.4g days", d.Hours()/24)
}

// top returns the highest value of any point.
func top(reports []*Report, f func(Point) float64) float64 {
	var most float64
	for _, r := range reports {
		for _, q := range r.Series.Points {
			most = max(most, f(q))
		}
	}
	return most
}
