package gauge

import (
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/published"
	"github.com/autoscalebot/autoscale/limit"
)

// Metrics are all metrics, in the order of the documentation.
var Metrics = [...]Metric{
	// What every process knows of itself.
	flag("running", Every, "1 while Run is under way.", func(s *autoscale.Status) bool { return s.Running }),
	flag("leader", Every, "1 if this process acted in the last tick.", func(s *autoscale.Status) bool { return s.Leading }),
	{
		Name: "autoscale.term", Unit: "{term}", Whole: true, Who: Every,
		Help: "The number of the leader's term, as far as this process knows. Absent without an Elector.",
		read: func(s *autoscale.Status, emit func(string, float64)) { known(emit, float64(s.Term.Number)) },
	},
	flag("recommend_only", Every, "1 if it publishes the size for another autoscaler, and never scales.", func(s *autoscale.Status) bool { return s.RecommendOnly }),
	flag("dry_run", Every, "1 if it decides and never scales.", func(s *autoscale.Status) bool { return s.DryRun }),
	flag("stalled", Every, "1 if a part holds the tick although its context has ended.", func(s *autoscale.Status) bool { return s.Stalled != "" }),
	{
		Name: "autoscale.state.age", Unit: "s", Who: Others,
		Help: "How old the state is that the leader last saved. Absent without a Store.",
		read: func(s *autoscale.Status, emit func(string, float64)) { known(emit, s.Age.Seconds()) },
	},

	// Counters of the process.
	counter("ticks", "{tick}", "Ticks, also those of a process that does not lead.", func(c *autoscale.Counters) uint64 { return c.Ticks }),
	counter("probes", "{probe}", "Probes that measured something.", func(c *autoscale.Counters) uint64 { return c.Probes }),
	counter("probe.failures", "{probe}", "Probes that measured nothing.", func(c *autoscale.Counters) uint64 { return c.ProbeFailures }),
	counter("scales", "{order}", "Orders that the platform took.", func(c *autoscale.Counters) uint64 { return c.Scales }),
	counter("scale.failures", "{order}", "Orders, and readings of the size, that failed.", func(c *autoscale.Counters) uint64 { return c.ScaleFailures }),
	counter("changes", "{change}", "Changes of the size by somebody else.", func(c *autoscale.Counters) uint64 { return c.Changes }),
	counter("notifications", "{notification}", "Notifications that were sent.", func(c *autoscale.Counters) uint64 { return c.Notified }),
	counter("notification.failures", "{notification}", "Notifications that failed.", func(c *autoscale.Counters) uint64 { return c.NotifyFailures }),
	counter("notification.drops", "{notification}", "Notifications for which there was no room or no time.", func(c *autoscale.Counters) uint64 { return c.Dropped }),
	counter("panics", "{panic}", "Panics of parts that the host supplied, recovered.", func(c *autoscale.Counters) uint64 { return c.Panics }),

	// The size.
	size("desired", "How many processes were ordered, by anybody. Absent until it is known.", func(s *autoscale.Status) (int, bool) { return s.Capacity.Desired, s.Known }),
	size("ready", "How many of them serve. Absent if the platform does not say.", func(s *autoscale.Status) (int, bool) { return s.Capacity.Ready(), pendingKnown(s) }),
	size("pending", "How many of them do not serve yet. Absent if the platform does not say.", func(s *autoscale.Status) (int, bool) { return s.Capacity.Pending, pendingKnown(s) }),
	bound("recommended", "What the rule recommended in the last tick. Absent if it holds, or measured nothing.", func(s *autoscale.Status) (int, bool) {
		return s.Last.Recommendation.Size, s.Last.Recommendation.Act
	}),
	bound("published", "The size to run, after the limits. Absent if it is not known, or five minutes old.", func(s *autoscale.Status) (int, bool) {
		size, err := published.Size(*s, time.Now(), published.StaleAfter)
		return size, err == nil
	}),
	bound("min", "The lower bound at the last tick.", func(s *autoscale.Status) (int, bool) { return s.Min, true }),
	bound("max", "The upper bound at the last tick.", func(s *autoscale.Status) (int, bool) { return s.Max, true }),

	// The last sample.
	signal("latency", "s", autoscale.SignalLatency, "How long a response took, or the prober's percentile of many.", func(s *autoscale.Sample) float64 { return s.Latency.Seconds() }),
	signal("queue_time", "s", autoscale.SignalQueueTime, "Mean time that work waited before a process began it.", func(s *autoscale.Sample) float64 { return s.QueueTime.Seconds() }),
	signal("service_time", "s", autoscale.SignalServiceTime, "Mean time that the work itself took.", func(s *autoscale.Sample) float64 { return s.ServiceTime.Seconds() }),
	signal("throughput", "{job}/s", autoscale.SignalThroughput, "Work done per second, by the whole service.", func(s *autoscale.Sample) float64 { return s.Throughput }),
	signal("arrivals", "{job}/s", autoscale.SignalArrivals, "Work begun or queued per second, in the whole service.", func(s *autoscale.Sample) float64 { return s.Arrivals }),
	signal("busy", "{job}", autoscale.SignalBusy, "Concurrency: mean work in progress in the whole service.", func(s *autoscale.Sample) float64 { return s.Busy }),
	signal("utilization", "1", autoscale.SignalUtilization, "The share of the processes' capacity that is in use, 0 to 1.", func(s *autoscale.Sample) float64 { return s.Utilization }),
	signal("backlog", "{job}", autoscale.SignalBacklog, "Work waiting, in jobs.", func(s *autoscale.Sample) float64 { return s.Backlog }),
	signal("value", "{value}", autoscale.SignalValue, "A number of the host's own.", func(s *autoscale.Sample) float64 { return s.Value }),
	{
		Name: "autoscale.sample.failure", Unit: "{sample}", Type: Sum, Whole: true, Who: Leader, Label: "failure",
		Help: "1 for how the service failed the last probe under its load.",
		read: func(s *autoscale.Status, emit func(string, float64)) {
			for f := autoscale.Timeout; f <= autoscale.ServerError; f++ {
				emit(f.String(), number(s.Last.Sample.Failure == f))
			}
		},
	},

	// What the last tick came to.
	timestamp("last_tick", "When the last tick began, in seconds since 1970.", func(s *autoscale.Status) time.Time { return s.Ticked }),
	timestamp("last_change", "When the size last changed, in seconds since 1970. Absent if that is not known.", func(s *autoscale.Status) time.Time { return s.Changed }),
	timestamp("next_increase", "Before this time no processes are added, in seconds since 1970. Absent: the next tick may do it, or it is not known.", func(s *autoscale.Status) time.Time { return s.Last.NextUp }),
	timestamp("next_decrease", "Before this time no processes are removed, in seconds since 1970. Absent: the next tick may do it, or it is not known.", func(s *autoscale.Status) time.Time { return s.Last.NextDown }),
	{
		Name: "autoscale.interval", Unit: "s", Who: Leader,
		Help: "The time between the starts of two ticks, as configured.",
		read: func(s *autoscale.Status, emit func(string, float64)) { known(emit, s.Interval.Seconds()) },
	},
	{
		Name: "autoscale.boot.time", Unit: "s", Who: Leader,
		Help: "How long a process takes to serve, learned or configured. Absent if that is not known.",
		read: func(s *autoscale.Status, emit func(string, float64)) { known(emit, s.Last.Boot.Seconds()) },
	},
	{
		Name: "autoscale.budget.spent", Unit: "1", Who: Leader,
		Help: "The share of the budget of process-hours that is spent, 0 to 1. Absent if nothing is spent, or there is no budget.",
		read: func(s *autoscale.Status, emit func(string, float64)) { known(emit, s.Last.Spent) },
	},
	{
		Name: "autoscale.reason", Unit: "{decision}", Type: Sum, Whole: true, Who: Leader, Label: "reason",
		Help: "1 for the code of the reason for the last decision. The other codes are absent.",
		read: func(s *autoscale.Status, emit func(string, float64)) {
			if r := s.Last.Decision.Reason; !r.IsZero() {
				emit(Code(r.Code), 1)
			}
		},
	},
	{
		Name: "autoscale.limit", Unit: "{decision}", Type: Sum, Whole: true, Who: Leader, Label: "limit",
		Help: "1 for the limit that decided the last tick, none if there was none. The other limits are absent.",
		read: func(s *autoscale.Status, emit func(string, float64)) {
			if s.Last.Limit != limit.ByNotLeader {
				emit(s.Last.Limit.String(), 1)
			}
		},
	},
	{
		Name: "autoscale.probe.consecutive_failures", Unit: "{probe}", Whole: true, Who: Leader,
		Help: "Probes in a row that measured nothing.",
		read: func(s *autoscale.Status, emit func(string, float64)) { emit("", float64(s.ProbeFailures)) },
	},
	{
		Name: "autoscale.scale.consecutive_failures", Unit: "{tick}", Whole: true, Who: Leader,
		Help: "Ticks in a row that could not read or set the size.",
		read: func(s *autoscale.Status, emit func(string, float64)) { emit("", float64(s.ScaleFailures)) },
	},
	flag("paused", Leader, "1 if the size is held because of Pause, a size of 0 set by hand, or maintenance.", func(s *autoscale.Status) bool {
		return held(s).Has(autoscale.Paused)
	}),
	{
		Name: "autoscale.condition", Unit: "{condition}", Type: Sum, Whole: true, Who: Mixed, Label: "condition",
		Help: "1 for each condition that holds, 0 for the others. Every process exports panicked and store_failing.",
		read: func(s *autoscale.Status, emit func(string, float64)) {
			holding := held(s)
			for _, c := range conditions {
				if s.Leading || c.every {
					emit(c.name, number(holding.Has(c.kind)))
				}
			}
		},
	},
}

// conditions are the kinds of event that last.
var conditions = func() (out []condition) {
	const every = autoscale.Panicked | autoscale.StoreFailing
	for _, kind := range []autoscale.EventKind{
		autoscale.ProbeFailing, autoscale.ScaleFailing, autoscale.NeedsAboveMax, autoscale.NeedsBelowMin, autoscale.DiffExceeded,
		autoscale.Paused, autoscale.Yielding, autoscale.Panicked, autoscale.StoreFailing, autoscale.Ineffective, autoscale.BudgetShort, autoscale.NotFollowed,
	} {
		out = append(out, condition{kind, kind.String(), every.Has(kind)})
	}
	return out
}()

type condition struct {
	kind  autoscale.EventKind
	name  string
	every bool // every process can see it by itself
}

// held returns the conditions that hold.
func held(s *autoscale.Status) (kinds autoscale.EventKind) {
	for i := range s.Conditions {
		kinds |= s.Conditions[i].Kind
	}
	return kinds
}

// pendingKnown reports whether the platform says which processes serve.
func pendingKnown(s *autoscale.Status) bool {
	return s.Known && (s.Capacity.PendingKnown || s.Capacity.Pending > 0)
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// known emits v, unless it is 0, which means that it is not known.
func known(emit func(string, float64), v float64) {
	if v != 0 {
		emit("", v)
	}
}

func flag(name string, who Who, help string, of func(*autoscale.Status) bool) Metric {
	return Metric{
		Name: "autoscale." + name, Unit: "{process}", Type: Sum, Whole: true, Who: who, Help: help,
		read: func(s *autoscale.Status, emit func(string, float64)) { emit("", number(of(s))) },
	}
}

func counter(name, unit, help string, of func(*autoscale.Counters) uint64) Metric {
	return Metric{
		Name: "autoscale." + name, Unit: unit, Type: Counter, Whole: true, Who: Every, Help: help,
		read: func(s *autoscale.Status, emit func(string, float64)) { emit("", float64(of(&s.Counters))) },
	}
}

func size(name, help string, of func(*autoscale.Status) (int, bool)) Metric {
	m := bound(name, help, of)
	m.Type = Sum
	return m
}

func bound(name, help string, of func(*autoscale.Status) (int, bool)) Metric {
	return Metric{
		Name: "autoscale.process." + name, Unit: "{process}", Whole: true, Who: Leader, Help: help,
		read: func(s *autoscale.Status, emit func(string, float64)) {
			if n, ok := of(s); ok {
				emit("", float64(n))
			}
		},
	}
}

func signal(name, unit string, signal autoscale.Signals, help string, of func(*autoscale.Sample) float64) Metric {
	return Metric{
		Name: "autoscale.sample." + name, Unit: unit, Who: Leader,
		Help: help + " Absent if the last tick did not measure it.",
		read: func(s *autoscale.Status, emit func(string, float64)) {
			if s.Last.Sample.Signals.Has(signal) {
				emit("", of(&s.Last.Sample))
			}
		},
	}
}

func timestamp(name, help string, of func(*autoscale.Status) time.Time) Metric {
	return Metric{
		Name: "autoscale." + name + ".timestamp", Unit: "s", Who: Leader, Help: help,
		read: func(s *autoscale.Status, emit func(string, float64)) {
			if t := of(s); !t.IsZero() {
				emit("", float64(t.UnixMilli())/1e3)
			}
		},
	}
}
