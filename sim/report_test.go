package sim_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/sim"
)

// TestReport: the numbers of a report agree with each other and with the load.
func TestReport(t *testing.T) {
	load, err := sim.Step(30, 90, time.Hour, 2*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	var shares []float64
	r := run(t, sim.Options{
		Name: "one", Load: load, Controller: sim.Constant(4), Initial: 4, Utilization: .6, Price: 2, Seed: 1,
		Progress: func(done float64) { shares = append(shares, done) },
	})
	within(t, "process-hours", r.ProcessHours, 8, 1e-9)
	within(t, "cost", r.Cost, 16, 1e-9)
	within(t, "demand-hours", r.DemandHours, 3+8, .03) // 30/12 and 90/12, rounded up
	within(t, "cost ratio", r.CostRatio, 8./11, .03)
	within(t, "τU", r.Elasticity.TauU, 50, .03)
	within(t, "τO", r.Elasticity.TauO, 50, .03)
	within(t, "θU", r.Elasticity.ThetaU, 25, .03)
	within(t, "requests", float64(r.Requests), 3600*120, .01)
	if r.Minutes != 120 || r.BadMinutes < 55 || r.BadMinutes > 62 {
		t.Errorf("%d of %d minutes are bad, want those of the overloaded hour", r.BadMinutes, r.Minutes)
	}
	var requests, over uint64
	for _, p := range r.Series.Points {
		requests += p.Requests
		over += p.Over
	}
	if requests != r.Requests || over != r.Over || r.Over < r.Failed || len(r.Series.Points) != 120 {
		t.Errorf("%d points with %d requests, %d over, in a report of %d and %d, %d failed", len(r.Series.Points), requests, over, r.Requests, r.Over, r.Failed)
	}
	if r.P50 > r.P95 || r.P95 > r.P99 || r.P99 > sim.DefaultTimeout {
		t.Errorf("the quantiles are %v, %v and %v", r.P50, r.P95, r.P99)
	}
	if len(shares) != 2 || shares[1] != .5 {
		t.Errorf("the progress was %v", shares)
	}
	var back sim.Report
	if data, err := json.Marshal(r); err != nil || json.Unmarshal(data, &back) != nil || back.Requests != r.Requests || back.P95 != r.P95 {
		t.Errorf("in JSON it is %+v, %v", back, err)
	}
}

// TestLongSeries: a series stays short however long the load is, and loses no
// request.
func TestLongSeries(t *testing.T) {
	r := run(t, sim.Options{Load: steady(t, .05, 100*24*time.Hour), Controller: sim.Constant(2), Utilization: .6})
	var requests uint64
	for _, p := range r.Series.Points {
		requests += p.Requests
	}
	if n := len(r.Series.Points); n > 2000 || n < 1000 || time.Duration(n)*r.Series.Step < r.Duration || requests != r.Requests {
		t.Errorf("%d points of %v with %d of %d requests", n, r.Series.Step, requests, r.Requests)
	}
}

func TestMarkdown(t *testing.T) {
	a := &sim.Report{Name: "a|b", Requests: 200, Over: 3, Failed: 1, BadShare: .015, P95: 1234567890, ProcessHours: 2, Objective: sim.Objective{Latency: time.Second, Share: .05}}
	b := &sim.Report{Name: "c", Price: 1, Cost: 2}
	table := sim.Markdown(a, b)
	for _, want := range []string{
		"| | a\\|b | c |\n|-|-:|-:|\n", "| requests over 1s or failed | 1.50 % | 0.00 % |\n", "| requests failed | 0.50 % | 0.00 % |\n",
		"| response time, 95th percentile | 1.23s | 0s |\n", "| cost | 0.00 | 2.00 |\n",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
	if strings.Contains(sim.Markdown(a), "cost |") {
		t.Error("a cost without a price")
	}
}

// TestHTML: the page is well-formed, stands alone, and escapes what it is given.
func TestHTML(t *testing.T) {
	load, err := sim.FlashCrowd(20, 5, 20*time.Minute, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, sim.Options{
		Name: "<script>alert(1)</script>", Load: load, Utilization: .6,
		Controller: sim.Autoscaler(autoscale.Config{Max: autoscale.Fixed(9)}, sim.Signals{}),
	})
	none := run(t, sim.Options{Name: "none", Load: steady(t, 0, time.Hour), Controller: sim.Constant(0), Utilization: .6})
	for _, reports := range [][]*sim.Report{{r, r}, {none}, nil} {
		var b strings.Builder
		if err := sim.HTML(&b, reports...); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if strings.Contains(page, "<script") || strings.Contains(page, "http") || strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
			t.Errorf("the page of %d reports has a script, an address or no number", len(reports))
		}
		if n, want := strings.Count(page, "<svg"), 1+2*len(reports); len(reports) > 0 && n != want {
			t.Errorf("%d charts, want %d", n, want)
		}
		d := xml.NewDecoder(strings.NewReader(page))
		d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := sim.HTML(failingWriter{}, r); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("an error of the writer is %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestFront: foresight at more processes is better, and a rule without foresight
// pays more for as much.
func TestFront(t *testing.T) {
	load, err := sim.FlashCrowd(40, 6, time.Hour, 3*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	o := sim.Options{Load: load, Seed: 1, Utilization: .65}
	front, err := sim.NewFront(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(front); i++ {
		if a, b := front[i-1], front[i]; a.ProcessHours <= b.ProcessHours || a.BadShare >= b.BadShare {
			t.Errorf("%+v and then %+v", a, b)
		}
	}
	o.Controller = sim.Clairvoyant(.6)
	if d, ok := front.Distance(run(t, o)); !ok || d < .95 || d > 1.05 {
		t.Errorf("foresight is %v from itself", d)
	}
	o.Controller = sim.Constant(15)
	if d, ok := front.Distance(run(t, o)); !ok || d < 1.2 {
		t.Errorf("a constant size is %v from foresight", d)
	}
	if _, ok := front.Distance(&sim.Report{}); ok {
		t.Error("better than the front, and there is a distance")
	}
	if d, ok := front.Distance(&sim.Report{BadShare: 1, ProcessHours: 2 * front[len(front)-1].ProcessHours}); !ok || d != 2 {
		t.Errorf("worse than the front the distance is %v", d)
	}
}
