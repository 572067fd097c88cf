package sim

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed page.html
var pageText string

// HTML writes an HTML page that shows the reports: a table side by side, the load, and the
// sizes and response times of each report over time, in the time zone of the load. The page
// has no scripts and loads nothing.
func HTML(w io.Writer, reports ...*Report) error {
	t, err := template.New("page").Parse(pageText)
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
	Load        chart
	Reports     []pageReport
}

type pageRow struct {
	Name, Help string
	Values     []string
}

type pageReport struct {
	Name        string
	Size, Times chart
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
	p.Load.add("load", "load", first, func(q Point) float64 { return q.Rate })

	most := top(reports, func(q Point) float64 { return max(q.Demand, q.Desired, q.Ready) })
	for _, r := range reports {
		p.Names = append(p.Names, r.Name)
		size := newChart(r, "processes", most)
		size.add("ready", "serving", r, func(q Point) float64 { return q.Ready })
		size.add("desired", "ordered", r, func(q Point) float64 { return q.Desired })
		size.add("demand", "demanded", r, func(q Point) float64 { return q.Demand })
		times := newLogChart(r, "response time")
		times.add("p95", "95th percentile", r, func(q Point) float64 { return q.P95.Seconds() })
		times.add("p50", "median", r, func(q Point) float64 { return q.P50.Seconds() })
		times.mark("objective", "objective", r.Objective.Latency.Seconds())
		p.Reports = append(p.Reports, pageReport{r.Name, size, times})
	}
	return p
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
