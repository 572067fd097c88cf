package main

import (
	"fmt"
	"strings"
	"time"
)

// heading writes the text above all tables.
func heading(w *strings.Builder, sc *scene, s settings, command string) {
	fmt.Fprintf(w, "# Side by side\n\nMade by `%s`, where DIR is a folder of traces.\n\n", command)
	fmt.Fprintf(w, `All scale the same simulated service: processes with %d slots, work of %v on
average (CV %g), first in, first out, requests spread at random. A
violation is a request that takes over %v or fails. The cost is the process-hours
ordered over those of the demand, which is the fewest processes that keep
violations at %.0f %% or below: a utilisation of %.3f. Violations and costs are the
mean over the seeds, here %d, ± its standard deviation.

`, slots, service.Mean, sc.service.CV, objective.Latency, 100*objective.Share, sc.utilization, s.seeds)
	fmt.Fprintf(w, "%s Each rate rests on at least %g requests of the trace (sim.Load.Smooth), because a sparse count that is scaled up makes load of its noise. Then all are scaled so that their peak demands %g processes.\n\n", days(s), s.smooth, s.peak)
	w.WriteString("| load | from | length | step | rates times | mean rate/s | peak:mean |\n|-|-|-|-|-|-|-|\n")
	for _, l := range sc.loads {
		fmt.Fprintf(w, "| %s | %s | %v | %v | %.3g | %.4g | %.3g |\n",
			l.name, l.begin.UTC().Format("2006-01-02 15:04"), l.Duration(), l.Step(), l.factor, l.Mean(), l.Peak()/l.Mean())
	}
	w.WriteString(`
Whose code: *ours* is autoscale's Config, run as it is. *Their code* is the real
controller of Kubernetes (HorizontalController with its replica calculator, of
k8s.io/kubernetes/pkg/controller/podautoscaler) and the real autoscaler of Knative
(its UniScaler and MetricCollector), unchanged. *Rewritten* is rules whose code is not
public, after their documentation. A *bound* is no autoscaler: METHOD.md says what
each of them knows, and how the loads are smoothed.
`)
}

// section writes the tables of one boot time.
func section(w *strings.Builder, r *results, boot time.Duration) {
	fmt.Fprintf(w, "\n## Boot %v\n\n", boot)
	w.WriteString("In the deployed view each simulated process counts its own requests with the code of package traffic. The leader sees its own counts, or adds up what all published on a metrics board every ten seconds. In the ideal view a rule sees the true numbers of the whole service, as the rules of others do here. A process takes up every request at once, so that its service times have the wait for a slot in them.\n\n")
	ways(w, r)
	for _, family := range judged {
		figure(w, r, family)
	}
	against(w, r, heartbeat, heroku)
	w.WriteString("\n### All settings\n\nThe mean of the loads. The last column is the cost over that of the clairvoyant with as many violations.\n\n")
	w.WriteString("| candidate | setting | whose code | violations % | failed % | bad minutes % | cost | changes/h | θU % | × clairvoyant |\n|-|-|-|-|-|-|-|-|-|-|\n")
	bound := r.front(clairvoyant, -1)
	for _, x := range r.list {
		if x.kind == part {
			continue
		}
		m := x.mean
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.3f | %.2f | %.3f ± %.3f | %.1f | %.2f | %s |\n",
			x.family, x.setting, x.kind, spread(m), 100*m.failed, 100*m.badMinutes, m.cost, m.costSD, m.changes, m.thetaU, over(m, bound))
	}
	parts(w, r)
	w.WriteString("\n### Each load\n\nViolations % at cost.\n\n| candidate | setting |")
	for _, l := range r.scene.loads {
		fmt.Fprintf(w, " %s |", l.name)
	}
	w.WriteString("\n|-|-|" + strings.Repeat("-|", len(r.scene.loads)) + "\n")
	for _, x := range r.list {
		if x.kind == part {
			continue
		}
		fmt.Fprintf(w, "| %s | %s |", x.family, x.setting)
		for _, o := range x.loads {
			fmt.Fprintf(w, " %.2f at %.2f |", 100*o.violations, o.cost)
		}
		w.WriteString("\n")
	}
}

func spread(o outcome) string {
	return fmt.Sprintf("%.2f ± %.2f", 100*o.violations, 100*o.violationsSD)
}

func over(o outcome, f front) string {
	if c, ok := f.cost(o.violations); ok {
		return fmt.Sprintf("%.3f", o.cost/c)
	}
	return ""
}

// judged are the families that are placed between the better of HPA and KPA and the
// clairvoyant: ours that have several settings, and the reference lines.
var judged = []string{ours, oneShare, idealView, heartbeat, presentRate, foresight}

// ways writes how far each of these families is, on each load and in their mean.
func ways(w *strings.Builder, r *results) {
	var rows strings.Builder
	for _, family := range judged {
		if len(r.family(family)) == 0 {
			continue
		}
		fmt.Fprintf(&rows, "| %s | %s |", family, way(r.standings(family, -1)))
		for i := range r.scene.loads {
			fmt.Fprintf(&rows, " %s |", way(r.standings(family, i)))
		}
		rows.WriteString("\n")
	}
	if rows.Len() == 0 {
		return
	}
	w.WriteString("### The way to the clairvoyant\n\nThe share, in percent, of the cost between the better of HPA and KPA and the clairvoyant that a family saves at equal violations: 0 is as dear as the better of the two, 100 as cheap as the clairvoyant. A dash: the fronts have no violations in common, or there is no gap.\n\n| family | mean of the loads |")
	for _, l := range r.scene.loads {
		fmt.Fprintf(w, " %s |", l.name)
	}
	w.WriteString("\n|-|-|" + strings.Repeat("-|", len(r.scene.loads)) + "\n" + rows.String() + "\n")
}

// way returns the way in percent, or a dash where it is not known.
func way(list []standing) string {
	if share, ok := meanWay(list); ok {
		return fmt.Sprintf("%.0f", 100*share)
	}
	return "–"
}

// figure writes how far a family is from the better of HPA and KPA to the clairvoyant.
func figure(w *strings.Builder, r *results, family string) {
	list := r.standings(family, -1)
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "### %s between the better of HPA and KPA and the clairvoyant\n\n", family)
	fmt.Fprintf(w, "Cost at equal violations, between the settings in a straight line. The way is 0 at the better of the two, 1 at the clairvoyant. In the mean of the loads: **%s %% of the way**.\n\n", way(list))
	w.WriteString("| violations % | it | HPA | KPA | clairvoyant | way % |\n|-|-|-|-|-|-|\n")
	for i := 0; i < len(list); i += 4 {
		s := list[i]
		fmt.Fprintf(w, "| %.2f | %.3f | %.3f | %.3f | %.3f | %.0f |\n", 100*s.violations, s.mine, s.hpa, s.kpa, s.bound, 100*s.way())
	}
	w.WriteString("\nOn each load, against the better of the two: above 0 is dearer.\n\n| load | violations % | mean % | worst % | way % |\n|-|-|-|-|-|\n")
	for i, l := range r.scene.loads {
		list := r.standings(family, i)
		if len(list) == 0 {
			fmt.Fprintf(w, "| %s | the fronts have no violations in common | | | |\n", l.name)
			continue
		}
		worst, mean := worstBehind(list)
		fmt.Fprintf(w, "| %s | %.2f to %.2f | %+.1f | %+.1f | %s |\n", l.name,
			100*list[0].violations, 100*list[len(list)-1].violations, 100*mean, 100*worst, way(list))
	}
	w.WriteString("\n")
}

// against writes a comparison of a family's settings with another's front.
func against(w *strings.Builder, r *results, family, other string) {
	f := r.front(other, -1)
	list := r.family(family)
	if len(f) == 0 || len(list) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s beside %s\n\nIn the mean of the loads. The third column is what %s has at the same cost.\n\n| setting | violations %% | cost | %s %% |\n|-|-|-|-|\n", family, other, other, other)
	for _, x := range list {
		then := "beyond its settings"
		if v, ok := f.violations(x.mean.cost); ok {
			then = fmt.Sprintf("%.2f", 100*v)
		}
		fmt.Fprintf(w, "| %s | %s | %.3f | %s |\n", x.setting, spread(x.mean), x.mean.cost, then)
	}
}

// parts writes the cost of the variants beside the cost of the whole.
func parts(w *strings.Builder, r *results) {
	whole := r.front(ours, -1)
	if list := r.family("variant"); len(list) == 0 || len(whole) == 0 {
		return
	}
	fmt.Fprintf(w, "\n### What the parts are worth\n\n%s at a target of 60 %%. The last column is what it costs beside the whole with as many violations.\n\n| variant | violations %% | cost | changes/h | at equal violations |\n|-|-|-|-|-|\n", ours)
	for _, x := range r.list {
		if x.kind != part {
			continue
		}
		then := "beyond its settings"
		if c, ok := whole.cost(x.mean.violations); ok {
			then = fmt.Sprintf("%+.1f %%", 100*(x.mean.cost/c-1))
		}
		fmt.Fprintf(w, "| %s | %s | %.3f ± %.3f | %.1f | %s |\n", x.setting, spread(x.mean), x.mean.cost, x.mean.costSD, x.mean.changes, then)
	}
}

// days says which part of each trace is taken.
func days(s settings) string {
	which := "busiest"
	if s.rank > 1 {
		which = fmt.Sprintf("number %d of the busiest", s.rank)
	}
	if s.days == 1 {
		return "Of each trace one day is taken, the " + which + "."
	}
	return fmt.Sprintf("Of each trace %g days in a row are taken, the %s.", s.days, which)
}
