package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/part"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/sim"
)

// simulated returns the Config with what the simulator should measure for its rule.
func simulated(cfg autoscale.Config) (autoscale.Config, sim.Signals) {
	var signals sim.Signals
	if p, ok := part.As[*probe.HTTP](cfg.Prober); ok {
		cfg.Prober = p // the simulator takes its timeout
		return cfg, signals
	}
	switch cfg.Decider.(type) {
	case rule.Backlog:
		signals.Backlog = true
	case rule.TargetTracking:
		signals.Traffic = true
	}
	return cfg, signals
}

const (
	dear       = 1.6 // process-hours, of those that the load needs
	manyHourly = 12  // changes of size
	atMaxTime  = 0.3 // the share of the time at MAX_DYNOS, from which on it is the bottleneck
)

// advice says in one or two sentences what is poor about a simulation, and which
// settings to change. "": nothing is.
func advice(r *sim.Report, cfg autoscale.Config) string {
	hours := max(r.Duration.Hours(), 1)
	share := r.Objective.Share
	if share == 0 {
		share = sim.DefaultShare
	}
	var text []string
	switch full := timeAtMax(r, cfg.Max); {
	case r.BadShare <= share:
	case full > atMaxTime:
		text = append(text, fmt.Sprintf("%.1f %% of the requests were too slow, and as many processes as MAX_DYNOS permits were ordered in %.0f %% of the time: raise MAX_DYNOS.",
			100*r.BadShare, 100*full))
	default:
		text = append(text, fmt.Sprintf("%.1f %% of the requests were too slow: %s.", 100*r.BadShare, faster(cfg)))
	}
	switch {
	case r.CostRatio > dear && len(text) == 0:
		text = append(text, fmt.Sprintf("It costs %.1f times what the load needs: %s.", r.CostRatio, cheaper(r, cfg)))
	case float64(r.Changes)/hours > manyHourly:
		text = append(text, fmt.Sprintf("The size changes %.0f times an hour: raise STABILIZATION_BEFORE_SCALE_DOWN_IN_SECONDS, for example to 300.", float64(r.Changes)/hours))
	}
	return strings.Join(text, " ")
}

// timeAtMax is the share of the time in which the most processes were ordered.
func timeAtMax(r *sim.Report, most autoscale.Schedule) float64 {
	n := 0
	for i, p := range r.Series.Points {
		if p.Desired >= float64(most.At(r.Start.Add(time.Duration(i)*r.Series.Step))) {
			n++
		}
	}
	return float64(n) / float64(max(len(r.Series.Points), 1))
}

// faster says which setting makes a rule add processes sooner.
func faster(cfg autoscale.Config) string {
	switch d := cfg.Decider.(type) {
	case rule.MOfN:
		if cfg.Interval.Seconds() > 5 {
			return "write HEARTBEAT_INTERVAL_IN_SECONDS=5, so that the rule sees an overload sooner"
		}
		return fmt.Sprintf("lower M_OF_N_MARGIN_IN_MS, which is %d, or raise M_OF_N_FACTOR_IN_PERCENT, which is %.0f", d.Margin.Milliseconds(), 100*d.Factor)
	case rule.TargetTracking:
		return fmt.Sprintf("lower TARGET_TRACKING_TARGET_IN_PERCENT, which is %.0f, or raise MIN_DYNOS", 100*d.Target)
	case rule.Backlog:
		return "lower BACKLOG_JOBS_PER_DYNO, or raise MIN_DYNOS"
	}
	return "write DECISION_BACKEND=m_of_n and HEARTBEAT_INTERVAL_IN_SECONDS=5, the best rule for a heartbeat, or raise MIN_DYNOS"
}

// cheaper says which setting makes a rule keep fewer processes.
func cheaper(r *sim.Report, cfg autoscale.Config) string {
	if least := cfg.Min.At(r.Start); least > 1 && leastSize(r) <= float64(least) {
		return "lower MIN_DYNOS"
	}
	switch cfg.Decider.(type) {
	case rule.MOfN:
		return "raise M_OF_N_MARGIN_IN_MS, or lower MAX_DYNOS"
	case rule.TargetTracking:
		return "raise TARGET_TRACKING_TARGET_IN_PERCENT, or lower TARGET_TRACKING_DECAY_IN_SECONDS"
	case rule.Backlog:
		return "raise BACKLOG_JOBS_PER_DYNO, or lower BACKLOG_DOWN_WINDOW_IN_SECONDS"
	}
	return "raise MIN_RESPONSE_TIME_IN_MS, or lower MAX_DYNOS"
}

// leastSize is the smallest size that was ordered.
func leastSize(r *sim.Report) float64 {
	if len(r.Series.Points) == 0 {
		return 0
	}
	least := r.Series.Points[0].Desired
	for _, p := range r.Series.Points {
		least = min(least, p.Desired)
	}
	return least
}
