package settings

import (
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

// The values of DECISION_BACKEND.
const (
	consecutiveRule = "consecutive"
	averageRule     = "average"
	mOfNRule        = "m_of_n"
	trackingRule    = "target_tracking"
	backlogRule     = "backlog"
)

// thresholds are the rules that compare a latency with two limits.
const thresholds = consecutiveRule + " " + averageRule

var ruleKeys = []key{
	{
		heading: "When processes are added and removed",
		name:    "DECISION_BACKEND", initial: consecutiveRule, sample: mOfNRule,
		field: "Decider",
		doc:   "The rule: consecutive, which is autoscalebot's; average, of the last responses; m_of_n, the best one for a heartbeat; target_tracking, for a utilization or the requests; backlog, for the jobs of a queue. The last two need MEASUREMENT_BACKEND=json.",
		read:  ruleName,
	},
	{
		name: "MAX_RESPONSE_TIME_IN_MS", initial: "1000",
		field: "Consecutive.High, Average.High",
		doc:   "consecutive, average: a slower response is too high. HEARTBEAT_TIMEOUT_IN_MS follows it.",
		read:  span(time.Millisecond, "milliseconds", time.Millisecond, func(v *values) *time.Duration { return &v.high }),
	},
	{
		name: "MIN_RESPONSE_TIME_IN_MS", initial: "200", rules: thresholds,
		field: "Consecutive.Low, Average.Low",
		doc:   "consecutive, average: a faster response is too low; one between the two is just right. 0: no response is too low.",
		read:  threshold(func(v *values) *time.Duration { return &v.low }),
	},
	{
		name: "NUMBER_OF_FAILS_TO_SCALE_UP_AFTER", initial: "3", rules: consecutiveRule,
		field: "Consecutive.UpAfter",
		doc:   "consecutive: after this many responses in a row that are too high, all since the size last changed, processes are added. -1: never.",
		read:  streak(func(v *values) *int { return &v.upAfter }),
	},
	{
		name: "NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER", initial: "5", rules: consecutiveRule,
		field: "Consecutive.DownAfter",
		doc:   "consecutive: after this many responses in a row that are too low, all since the size last changed, processes are removed. -1: never.",
		read:  streak(func(v *values) *int { return &v.downAfter }),
	},
	{
		name: "INCREMENT", initial: "1", rules: thresholds,
		field: "Consecutive.Increment, Average.Increment",
		doc:   "consecutive, average: how many processes are added or removed at once.",
		read:  whole(1, func(v *values) *int { return &v.increment }),
	},
	{
		name: "NUMBER_OF_MEASUREMENTS_TO_AVERAGE", initial: "5", rules: averageRule,
		field: "Average.N",
		doc:   "average: how many responses the mean is taken of, all since the size last changed.",
		read:  whole(1, func(v *values) *int { return &v.averageOf }),
	},
	{
		name: "COUNT_FAILURES_AS", initial: "too_high", rules: thresholds + " " + mOfNRule,
		field: "Consecutive.Failures, Average.Failures, MOfN.Failures",
		doc:   "consecutive, average, m_of_n: what a refused connection or a server error counts as: too_high, or nothing, which skips it. A timeout is always too high.",
		read:  failurePolicy,
	},
	{
		name: "M_OF_N_BASELINE_IN_MS", initial: "0", rules: mOfNRule,
		field: "MOfN.Baseline",
		doc:   "m_of_n: the response time of an idle service. 0: it is learned.",
		read:  span(time.Millisecond, "milliseconds", 0, func(v *values) *time.Duration { return &v.mOfN.Baseline }),
	},
	{
		name: "M_OF_N_MARGIN_IN_MS", initial: milliseconds(rule.DefaultMargin), rules: mOfNRule,
		field: "MOfN.Margin",
		doc:   "m_of_n: a response that is slower than the baseline by more than this is slow.",
		read:  span(time.Millisecond, "milliseconds", time.Millisecond, func(v *values) *time.Duration { return &v.mOfN.Margin }),
	},
	{
		name: "M_OF_N_M", initial: "3", rules: mOfNRule,
		field: "MOfN.M",
		doc:   "m_of_n: if this many of the newest M_OF_N_N responses are slow, processes are added.",
		read:  between(1, autoscale.MaxSamples, func(v *values) *int { return &v.mOfN.M }),
	},
	{
		name: "M_OF_N_N", initial: "6", rules: mOfNRule,
		field: "MOfN.N",
		doc:   "m_of_n: how many of the newest responses M_OF_N_M looks at.",
		read:  between(1, autoscale.MaxSamples, func(v *values) *int { return &v.mOfN.N }),
	},
	{
		name: "M_OF_N_FACTOR_IN_PERCENT", initial: "125", rules: mOfNRule,
		field: "MOfN.Factor",
		doc:   "m_of_n: what the size becomes when processes are added, in percent of the present one. At least one is added.",
		read:  percent(101, 1e6, func(v *values) *float64 { return &v.mOfN.Factor }),
	},
	{
		name: "M_OF_N_WARMUP_IN_SECONDS", rules: mOfNRule,
		field: "MOfN.Warmup",
		doc:   "m_of_n: how long after a change of the size responses do not count towards adding more. Without it: the boot time, if it is known, or 30.",
		read:  noneAtZero(time.Second, "seconds", func(v *values) *time.Duration { return &v.mOfN.Warmup }),
	},
	{
		name: "M_OF_N_QUIET_SHARE_IN_PERCENT", initial: "15", rules: mOfNRule,
		field: "MOfN.QuietShare",
		doc:   "m_of_n: if a smaller share of the newest M_OF_N_QUIET_N responses is slow, one process is removed.",
		read:  percent(0.1, 100, func(v *values) *float64 { return &v.mOfN.QuietShare }),
	},
	{
		name: "M_OF_N_QUIET_N", initial: "60", rules: mOfNRule,
		field: "MOfN.QuietN",
		doc:   "m_of_n: how many of the newest responses M_OF_N_QUIET_SHARE_IN_PERCENT looks at. -1: never remove a process.",
		read:  atMost(autoscale.MaxSamples, streak(func(v *values) *int { return &v.mOfN.QuietN })),
	},
	{
		name: "M_OF_N_DOWN_DELAY_IN_SECONDS", initial: seconds(rule.DefaultDownDelay), rules: mOfNRule,
		field: "MOfN.DownDelay",
		doc:   "m_of_n: how long after any change of the size no process is removed.",
		read:  noneAtZero(time.Second, "seconds", func(v *values) *time.Duration { return &v.mOfN.DownDelay }),
	},
	{
		name: "M_OF_N_DOWN_DELAY_AFTER_UP_IN_SECONDS", initial: seconds(rule.DefaultDownDelayAfterUp), rules: mOfNRule,
		field: "MOfN.DownDelayAfterUp",
		doc:   "m_of_n: how long after processes were added none is removed.",
		read:  noneAtZero(time.Second, "seconds", func(v *values) *time.Duration { return &v.mOfN.DownDelayAfterUp }),
	},
	{
		name: "TARGET_TRACKING_CONCURRENCY", rules: trackingRule,
		field: "TargetTracking.Concurrency",
		doc:   "target_tracking: how many requests a process works on at once. With it the rule uses arrivals and service_time, and without it utilization.",
		read:  number(1, 0.01, 1e6, "how many requests a process works on at once", func(v *values) *float64 { return &v.tracking.Concurrency }),
	},
	{
		name: "TARGET_TRACKING_TARGET_IN_PERCENT", initial: "60", rules: trackingRule,
		field: "TargetTracking.Target",
		doc:   "target_tracking: the share of the capacity to have in use.",
		read:  percent(1, 100, func(v *values) *float64 { return &v.tracking.Target }),
	},
	{
		name: "TARGET_TRACKING_TOLERANCE_IN_PERCENT", initial: "15", rules: trackingRule,
		field: "TargetTracking.Tolerance",
		doc:   "target_tracking: how far the need must differ from the size to change it, in percent of the size. 0: any difference counts.",
		read:  negativeAtZero(percent(0, 99, func(v *values) *float64 { return &v.tracking.Tolerance }), func(v *values) *float64 { return &v.tracking.Tolerance }),
	},
	{
		name: "TARGET_TRACKING_DECAY_IN_SECONDS", initial: seconds(rule.DefaultDecay), rules: trackingRule,
		field: "TargetTracking.Decay",
		doc:   "target_tracking: how long a load continues to count, 60 or more. 0: the size comes down at once.",
		read:  noneAtZero(time.Second, "seconds", func(v *values) *time.Duration { return &v.tracking.Decay }),
	},
	{
		name: "BACKLOG_JOBS_PER_DYNO", rules: backlogRule,
		field: "Backlog.PerProcess",
		doc:   "backlog: how many jobs may wait for each process. Without it: 5, unless BACKLOG_DRAIN_IN_SECONDS is given.",
		read:  number(1, 0.001, 1e9, "the jobs that may wait for each process", func(v *values) *float64 { return &v.jobs.PerProcess }),
	},
	{
		name: "BACKLOG_DRAIN_IN_SECONDS", initial: "0", rules: backlogRule,
		field: "Backlog.Drain",
		doc:   "backlog: how fast to work off the waiting jobs, instead of BACKLOG_JOBS_PER_DYNO. It needs the signal throughput or service_time. 0: not used.",
		read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &v.jobs.Drain }),
	},
	{
		name: "BACKLOG_MAX_AGE_IN_SECONDS", initial: "0", rules: backlogRule,
		field: "Backlog.MaxAge",
		doc:   "backlog: if the oldest job has waited longer than this, processes are added. It needs the signal queue_time. 0: any age.",
		read:  span(time.Second, "seconds", 0, func(v *values) *time.Duration { return &v.jobs.MaxAge }),
	},
	{
		name: "BACKLOG_CONCURRENCY", rules: backlogRule,
		field: "Backlog.Concurrency",
		doc:   "backlog: how many jobs a process works on at once. Without it: not known.",
		read:  number(1, 0.01, 1e6, "how many jobs a process works on at once", func(v *values) *float64 { return &v.jobs.Concurrency }),
	},
	{
		name: "BACKLOG_FINISH", initial: "false", rules: backlogRule,
		field: "Backlog.Finish",
		doc:   "backlog: remove processes only if no job is under way. It needs the signal busy.",
		read:  flag(func(v *values) *bool { return &v.jobs.Finish }),
	},
	{
		name: "BACKLOG_IDLE_IN_SECONDS", initial: seconds(rule.DefaultIdle), rules: backlogRule,
		field: "Backlog.Idle",
		doc:   "backlog: how long there must be no job before the size becomes 0. -1: it never does.",
		read:  neverAtMinusOne(time.Second, "seconds", func(v *values) *time.Duration { return &v.jobs.Idle }),
	},
	{
		name: "BACKLOG_DOWN_WINDOW_IN_SECONDS", initial: seconds(rule.DefaultDownWindow), rules: backlogRule,
		field: "Backlog.DownWindow",
		doc:   "backlog: the size comes down to the most that was needed within this time. 0: at once.",
		read:  noneAtZero(time.Second, "seconds", func(v *values) *time.Duration { return &v.jobs.DownWindow }),
	},
}
