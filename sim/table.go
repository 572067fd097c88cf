package sim

import (
	"fmt"
	"strings"
	"time"
)

// row is one line of a comparison.
type row struct {
	name, help string
	value      func(r *Report) string
}

// rows returns the lines of a comparison. If there is a price, one line is the cost.
func rows(reports []*Report) []row {
	percent := func(f func(r *Report) float64) func(*Report) string {
		return func(r *Report) string { return fmt.Sprintf("%.2f %%", f(r)) }
	}
	latency := func(f func(r *Report) time.Duration) func(*Report) string {
		return func(r *Report) string { return round(f(r)).String() }
	}
	number := func(format string, f func(r *Report) float64) func(*Report) string {
		return func(r *Report) string { return fmt.Sprintf(format, f(r)) }
	}
	over, minutes := "requests over the objective or failed", "bad minutes"
	if len(reports) > 0 {
		o := reports[0].Objective
		over = fmt.Sprintf("requests over %v or failed", o.Latency)
		minutes = fmt.Sprintf("minutes with more than %.4g %% of these", 100*o.Share)
	}
	out := []row{
		{"view", "what the rule sees of the service", func(r *Report) string { return r.View }},
		{over, "", percent(func(r *Report) float64 { return 100 * r.BadShare })},
		{"requests failed", "timed out, refused, or met no process", percent(func(r *Report) float64 { return 100 * float64(r.Failed) / max(1, float64(r.Requests)) })},
		{minutes, "", number("%.0f", func(r *Report) float64 { return float64(r.BadMinutes) })},
		{"response time, median", "", latency(func(r *Report) time.Duration { return r.P50 })},
		{"response time, 95th percentile", "", latency(func(r *Report) time.Duration { return r.P95 })},
		{"response time, 99th percentile", "", latency(func(r *Report) time.Duration { return r.P99 })},
		{"process-hours", "ordered", number("%.1f", func(r *Report) float64 { return r.ProcessHours })},
		{"process-hours ÷ demand", "the demand is the fewest processes that meet the objective", number("%.2f", func(r *Report) float64 { return r.CostRatio })},
	}
	for _, r := range reports {
		if r.Price > 0 {
			out = append(out, row{"cost", "price times process-hours", number("%.2f", func(r *Report) float64 { return r.Cost })})
			break
		}
	}
	return append(out,
		row{"changes of size", "", number("%.0f", func(r *Report) float64 { return float64(r.Changes) })},
		row{"most processes", "", number("%.0f", func(r *Report) float64 { return float64(r.MaxSize) })},
		row{"processes missing, θU", "100/T · Σ max(d−s, 0)/d, sampled each minute", percent(func(r *Report) float64 { return r.Elasticity.ThetaU })},
		row{"processes too many, θO", "100/T · Σ max(s−d, 0)/d", percent(func(r *Report) float64 { return r.Elasticity.ThetaO })},
		row{"time with too few, τU", "100/T · Σ [d > s]", percent(func(r *Report) float64 { return r.Elasticity.TauU })},
		row{"time with too many, τO", "100/T · Σ [s > d]", percent(func(r *Report) float64 { return r.Elasticity.TauO })},
		row{"instability k", "share of the minutes in which the supply rises more than the demand, in sign", number("%.3f", func(r *Report) float64 { return r.Elasticity.K })},
		row{"instability k′", "the converse", number("%.3f", func(r *Report) float64 { return r.Elasticity.KPrime })},
		row{"instability υ", "100/(T−1) · Σ [sgn Δs ≠ sgn Δd]", percent(func(r *Report) float64 { return r.Elasticity.Upsilon })},
		row{"jitter per minute", "1/T · (Σ|Δs| − Σ|Δd|)", number("%.3f", func(r *Report) float64 { return r.Elasticity.Jitter })},
	)
}

// round rounds a time to three digits. A histogram is not more exact than that.
func round(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// Markdown returns a table of the reports, side by side.
func Markdown(reports ...*Report) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, r := range reports {
		fmt.Fprintf(&b, " %s |", strings.NewReplacer("|", `\|`, "\n", " ").Replace(r.Name))
	}
	b.WriteString("\n|-|" + strings.Repeat("-:|", len(reports)) + "\n")
	for _, row := range rows(reports) {
		fmt.Fprintf(&b, "| %s |", row.name)
		for _, r := range reports {
			fmt.Fprintf(&b, " %s |", row.value(r))
		}
		b.WriteByte('\n')
	}
	return b.String()
}
