package settings

import (
	"slices"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

var limitKeys = slices.Concat(
	directionKeys("UP", "ADDED", "added", "Up", func(v *values) *limit.Behavior { return &v.limits.Up }),
	directionKeys("DOWN", "REMOVED", "removed", "Down", func(v *values) *limit.Behavior { return &v.limits.Down }),
	otherLimitKeys,
)

// directionKeys are the limits of one direction.
func directionKeys(direction, done, verb, field string, to func(*values) *limit.Behavior) []key {
	of := "Limits." + field + "."
	rate := "RATE_OF_SCALE_" + direction
	rest := "the size is held"
	more := "more"
	if direction == "DOWN" {
		rest = "no more are removed"
		more = "fewer"
	}
	heading := ""
	if direction == "UP" {
		heading = "How fast the size may change"
	}
	return []key{
		{
			heading: heading,
			name:    "MAX_DYNOS_" + done + "_AT_ONCE", initial: "0",
			field: of + "Step",
			doc:   "The most processes " + verb + " at once. 0: any number.",
			read:  whole(0, func(v *values) *int { return &to(v).Step }),
		},
		{
			name: "COOLDOWN_AFTER_SCALE_" + direction + "_IN_SECONDS", initial: "0",
			field: of + "Cooldown",
			doc:   "How long after processes were " + verb + " " + rest + ".",
			read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &to(v).Cooldown }),
		},
		{
			name: "STABILIZATION_BEFORE_SCALE_" + direction + "_IN_SECONDS", initial: "0",
			field: of + "Stabilization",
			doc:   "How long the rule must ask for " + more + " processes before any are " + verb + ". 0: at once.",
			read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &to(v).Stabilization }),
		},
		{
			name: rate + "_IN_DYNOS", initial: "0",
			field: of + "Rate.Processes",
			doc:   "The most processes " + verb + " within " + rate + "_PERIOD_IN_SECONDS. The higher of this and the next counts.",
			read:  whole(0, func(v *values) *int { return &to(v).Rate.Processes }),
		},
		{
			name: rate + "_IN_PERCENT", initial: "0",
			field: of + "Rate.Share",
			doc:   "The same in percent of the size at the beginning of the period. It permits at least one process.",
			read:  percent(0, 1e6, func(v *values) *float64 { return &to(v).Rate.Share }),
		},
		{
			name: rate + "_PERIOD_IN_SECONDS", initial: "0",
			field: of + "Rate.Period",
			doc:   "The period of the two settings above. 0: they do not count.",
			read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &to(v).Rate.Period }),
		},
	}
}

var otherLimitKeys = []key{
	{
		name: "BOOT_TIME_IN_SECONDS", initial: "0",
		field: "BootTime",
		doc:   "How long a process takes from being ordered to serving, until that is learned. 0: not known.",
		read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &v.boot }),
	},
	{
		name: "COOLDOWN_COVERS_BOOT", initial: "false",
		field: "Limits.CooldownCoversBoot",
		doc:   "Let the cooldown after processes were added last at least as long as a process takes to boot.",
		read:  flag(func(v *values) *bool { return &v.limits.CooldownCoversBoot }),
	},
	{
		name: "TOLERANCE_IN_PERCENT", initial: "0",
		field: "Limits.Tolerance",
		doc:   "How far a recommendation must differ from the size to be carried out, in percent of the size. 0: any difference counts.",
		read:  percent(0, 99, func(v *values) *float64 { return &v.limits.Tolerance }),
	},
	{
		name: "FORECAST_SHARE_IN_PERCENT", initial: "0",
		field: "Limits.Forecast.Share",
		doc:   "Keep at least this much of what the rule asked for at the same time yesterday and a week ago, in TIME_ZONE. It is forgotten when the worker restarts. 0: no forecast.",
		read:  percent(0, 100, func(v *values) *float64 { return &v.limits.Forecast.Share }),
	},
	{
		name: "FORECAST_LEAD_IN_SECONDS", initial: "0",
		field: "Limits.Forecast.Lead",
		doc:   "How far ahead the forecast looks. 0: the boot time, if it is known.",
		read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &v.limits.Forecast.Lead }),
	},
	{
		name: "DIMINISHING_RETURNS_AFTER", initial: "0",
		field: "Limits.DiminishingReturns.After",
		doc:   "After this many increases in a row that did not help, add nothing for a while. 0: never.",
		read:  whole(0, func(v *values) *int { return &v.limits.DiminishingReturns.After }),
	},
	{
		name: "DIMINISHING_RETURNS_HOLD_IN_SECONDS", initial: seconds(limit.DefaultHold),
		field: "Limits.DiminishingReturns.Hold",
		doc:   "How long nothing is added then.",
		read:  span(time.Second, "seconds", time.Second, func(v *values) *time.Duration { return &v.limits.DiminishingReturns.Hold }),
	},
	{
		name: "BUDGET_IN_DYNO_HOURS", initial: "0",
		field: "Limits.Budget.Hours",
		doc:   "The most process-hours of BUDGET_PERIOD; after them MIN_DYNOS is the most. What was spent is forgotten when the worker restarts. 0: no budget.",
		read:  number(1, 0, 1e9, "hours", func(v *values) *float64 { return &v.limits.Budget.Hours }),
	},
	{
		name: "BUDGET_PERIOD", initial: "day",
		field: "Limits.Budget.Per",
		doc:   "The period of the budget: day or month, in TIME_ZONE.",
		read:  budgetPeriod,
	},
}
