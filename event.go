package autoscale

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/limit"
)

// A Notifier passes an [Event] on to people. Notifiers run alongside the loop and cannot
// hold it up. Each has ten seconds for an event. Their errors are logged and counted, and
// change nothing else. An Autoscaler gives a notifier one event at a time. A notifier
// that several Autoscalers share must be safe for concurrent use.
//
// A Notifier may also be a [Subscriber]. Its method is also found through a wrapper that
// embeds the Notifier, or that has a method
//
//	Unwrap() autoscale.Notifier
type Notifier interface {
	Notify(ctx context.Context, e Event) error
}

// A Subscriber is a [Notifier] that says which kinds of event it gets, instead of
// [Config.NotifyOn]. Kinds is called once.
type Subscriber interface {
	Kinds() EventKind
}

// NotifierFunc lets an ordinary function be a [Notifier].
type NotifierFunc func(ctx context.Context, e Event) error

// Notify calls f(ctx, e).
func (f NotifierFunc) Notify(ctx context.Context, e Event) error { return f(ctx, e) }

// EventKind is a set of kinds of event. The Kind of an [Event] is one of them.
//
// Each kind is an occurrence or a condition. Notifiers get an occurrence each time. They
// get a condition when it begins, again after each [Config.RepeatAfter], and once when it
// ends. A condition ends if it was not seen for five minutes. Paused, Yielding,
// DiffExceeded and StoreFailing end at once.
type EventKind uint32

// The kinds of event.
const (
	// Probed: a probe measured something. Each tick.
	Probed EventKind = 1 << iota
	// ProbeFailed: a probe measured nothing. Each time.
	ProbeFailed
	// ProbeFailing is a condition: three or more probes in a row measured nothing. The
	// size is held until a probe measures something.
	ProbeFailing
	// Decided: the decider was asked. Each tick with a measurement.
	Decided
	// Scaled: the platform took an order of ours. Each time.
	Scaled
	// ScaleFailed: the size could not be read or set. Each time.
	ScaleFailed
	// ScaleFailing is a condition: three ticks or more in a row could not read
	// or set the size.
	ScaleFailing
	// Changed: somebody else changed the size. Each time.
	Changed
	// LimitReached: the platform permits fewer processes than were ordered. Each time a
	// limit becomes known.
	LimitReached
	// NeedsAboveMax is a condition: the size is at Max, and more processes are needed.
	NeedsAboveMax
	// NeedsBelowMin is a condition: the size is at Min, which is above 1, and fewer
	// processes would be enough.
	NeedsBelowMin
	// DiffExceeded is a condition: within [Diff.Period] the size moved by more
	// than [Diff.Threshold].
	DiffExceeded
	// Paused is a condition: the size is held because Pause was called, because
	// somebody set it to 0, or because the application is in maintenance.
	Paused
	// Yielding is a condition: another autoscaler is at work, and this one
	// leaves the size alone.
	Yielding
	// LeaderChanged: this process began or ceased to lead. Each time.
	LeaderChanged
	// NotifyFailed: a notifier failed, or events were dropped since the last
	// tick. Each tick in which that happened. Only the log and Observe get it.
	NotifyFailed
	// Panicked is a condition: a part that the host supplied panics. The panic
	// was recovered and the size held.
	Panicked
	// StoreFailing is a condition: the Store has not answered for two minutes, or the state
	// could not be saved three times in a row. While a Store that is also the Elector does
	// not answer, no process leads, and notifiers get nothing. But the log, Observe and
	// Status of every process show this condition.
	StoreFailing
	// Ineffective is a condition: more processes are recommended, but the last increases
	// did not help. See [limit.DiminishingReturns].
	Ineffective
	// BudgetShort is a condition: 80 % of the [limit.Budget] is spent, or all of it.
	BudgetShort
	// WarmingUp: the Prober has just started, and has not measured anything yet. Once,
	// when that is first seen. See [ErrWarmingUp].
	WarmingUp
	// Stalled: a part does not return although its context has ended, and holds up the
	// loop. Once for each tick that it holds up. Observe does not get this event, because
	// it runs on the loop. See also [Status.Stalled].
	Stalled
	// NotFollowed is a condition: with [Config.RecommendOnly], the size has not moved to
	// the one that is published for ten minutes. From is the size, and To the published one.
	NotFollowed

	lastKind = NotFollowed
)

const (
	// DefaultKinds are the kinds that notifiers get by default: more processes are
	// needed than are permitted, or the autoscaler cannot do its work.
	DefaultKinds = NeedsAboveMax | ProbeFailing | ScaleFailing | LimitReached | Panicked | Yielding | StoreFailing | Ineffective | BudgetShort | Stalled | NotFollowed

	// AllKinds is every kind. A notifier then gets several events a tick.
	AllKinds = lastKind<<1 - 1

	// NoKinds sends nothing to notifiers, except to those that are a [Subscriber].
	NoKinds EventKind = 1 << 31
)

var kindNames = [...]string{
	"probed", "probe_failed", "probe_failing", "decided", "scaled", "scale_failed", "scale_failing", "changed",
	"limit_reached", "needs_above_max", "needs_below_min", "diff_exceeded", "paused", "yielding",
	"leader_changed", "notify_failed", "panicked", "store_failing", "ineffective", "budget_short",
	"warming_up", "stalled", "not_followed",
}

// Has reports whether k contains every kind of other.
func (k EventKind) Has(other EventKind) bool { return k&other == other }

// String returns the names of the kinds in k, for example "scaled" or "scaled|changed". For
// no kind it returns "none".
func (k EventKind) String() string {
	if k == NoKinds {
		return noKinds
	}
	return names.OfSet(kindNames[:], uint32(k))
}

// noKinds is not "none": that is the zero set, which Config replaces by
// DefaultKinds.
const noKinds = "no_kinds"

// MarshalText returns [EventKind.String].
func (k EventKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText writes. An unknown name is an error.
func (k *EventKind) UnmarshalText(text []byte) error {
	if string(text) == noKinds {
		*k = NoKinds
		return nil
	}
	set, err := names.ParseSet(kindNames[:], text, "event kind")
	*k = EventKind(set)
	return err
}

// Phase is the phase of a condition.
type Phase uint8

// The phases of a condition. Events that are not conditions have the phase Occurred.
const (
	Occurred Phase = iota
	Began          // notified
	Ongoing        // each tick, for Observe only
	Repeated       // notified, each Config.RepeatAfter
	Ended          // notified
)

var phaseNames = [...]string{"occurred", "began", "ongoing", "repeated", "ended"}

// String returns the phase's name in lower case.
func (p Phase) String() string { return names.Of(phaseNames[:], int(p), "Phase") }

// MarshalText returns [Phase.String].
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText writes. An unknown name is an error.
func (p *Phase) UnmarshalText(text []byte) error {
	i, err := names.Parse(phaseNames[:], text, "phase")
	*p = Phase(i)
	return err
}

// An Event is something that happened in a tick.
type Event struct {
	Kind  EventKind // exactly one
	Phase Phase     // the phase of a condition
	Time  time.Time // the time of the tick
	Name  string    // Config.Name, the process type

	From, To int // the size before and after. Equal: nothing changed. For LimitReached, what was ordered and what is permitted
	Min, Max int // the bounds at that time

	Sample   Sample     // what was measured, for Probed and Decided and conditions of load
	Decision Decision   // the Decider's recommendation, if there is one
	Limit    limit.Kind // the limit that decided how much of it was carried out
	Until    time.Time  // until when that limit holds. Zero: not known
	Since    time.Time  // when a condition began
	Count    int        // how many failures in a row, or, for NotifyFailed, since the last tick

	Err    error  // the error of a failure. It never contains a secret
	Detail string // further explanation
	DryRun bool   // nothing was ordered, but would have been
}

// Level is how much an event matters: Error if a part of the host is broken, Warn if
// somebody should look at it, Info for changes, and Debug for events of every tick,
// such as failures that continue.
func (e Event) Level() slog.Level {
	switch {
	case e.Phase == Ongoing, e.Kind&(Probed|Decided) != 0,
		e.Kind&(ProbeFailed|ScaleFailed) != 0 && e.Count >= failingAfter: // the condition reports it
		return slog.LevelDebug
	case e.Phase == Ended, e.Kind&(Scaled|Changed|NeedsBelowMin|LeaderChanged|Paused|WarmingUp) != 0:
		return slog.LevelInfo
	case e.Kind&(Panicked|StoreFailing|Stalled) != 0:
		return slog.LevelError
	}
	return slog.LevelWarn
}

// String says in one sentence what happened.
func (e Event) String() string {
	var b strings.Builder
	b.WriteString(e.Name)
	b.WriteString(": ")
	if e.Phase == Ended {
		fmt.Fprintf(&b, "resolved: %s (it began %s ago)", e.Kind.phrase(), names.Duration(e.Time.Sub(e.Since)))
		if e.Kind&(Paused|Yielding) != 0 && e.Detail != "" {
			b.WriteString("; " + e.Detail)
		}
		return b.String()
	}
	e.sentence(&b)
	if e.Detail != "" {
		b.WriteString("; ")
		b.WriteString(e.Detail)
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	if (e.Phase == Repeated || e.Phase == Ongoing) && !e.Since.IsZero() {
		fmt.Fprintf(&b, " (for %s now)", names.Duration(e.Time.Sub(e.Since)))
	}
	return b.String()
}

// phrase names a condition, for the sentence that reports its end.
func (k EventKind) phrase() string {
	switch k {
	case ProbeFailing:
		return "probes measured nothing"
	case ScaleFailing:
		return "the size could not be read or set"
	case NeedsAboveMax:
		return "more processes were needed than the maximum permits"
	case NeedsBelowMin:
		return "fewer processes than the minimum were enough"
	case DiffExceeded:
		return "the size moved by more than the threshold"
	case Paused:
		return "the size was paused"
	case Yielding:
		return "another autoscaler was at work"
	case Panicked:
		return "a part that the host supplied panicked"
	case StoreFailing:
		return "the Store failed"
	case Ineffective:
		return "more processes did not help"
	case BudgetShort:
		return "the budget of process-hours ran short"
	case NotFollowed:
		return "nobody ordered the size that is published"
	}
	return k.String()
}

// held writes the reason of a Paused event. If that is a command, the Detail says
// who gave it.
func (e Event) held(b *strings.Builder) {
	switch {
	case e.Limit == limit.ByMaintenance:
		fmt.Fprintf(b, "the application is in maintenance, and the size is held at %d", e.To)
	case e.Detail == "" && e.To == 0:
		b.WriteString("the size was set to 0 by hand, which pauses")
	case e.Detail == "":
		fmt.Fprintf(b, "paused; the size is held at %d", e.To)
	default:
		fmt.Fprintf(b, "the size is held at %d", e.To)
	}
}

// processes returns "1 process" or "2 processes".
func processes(n int) string { return names.Count(n, "process", "processes") }

func were(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func (e Event) sentence(b *strings.Builder) {
	switch e.Kind {
	case Probed:
		fmt.Fprintf(b, "measured %v", e.Sample)
	case Stalled:
		b.WriteString("a part holds the autoscaler, and the size stays as it is")
	case WarmingUp:
		b.WriteString("the prober is warming up; the size is held until it measures something")
	case ProbeFailed:
		fmt.Fprintf(b, "the probe measured nothing (%d in a row); the size is held", e.Count)
	case ProbeFailing:
		fmt.Fprintf(b, "%s in a row measured nothing; the size is held until one does; check the prober", names.Count(e.Count, "probe", "probes"))
	case Decided:
		b.WriteString(explain(e.Decision, e.Limit, e.From, e.To, e.Until, e.Time))
	case Scaled:
		verb := "scaled"
		if e.DryRun {
			verb = "would have scaled"
		}
		fmt.Fprintf(b, "%s from %d to %d (bounds %d to %d): %v", verb, e.From, e.To, e.Min, e.Max, e.Decision.Reason)
	case ScaleFailed:
		if e.Limit == limit.ByBusy {
			b.WriteString("the platform is busy; the size is held")
			if !e.Until.IsZero() {
				fmt.Fprintf(b, " for %s at most", names.Duration(e.Until.Sub(e.Time)))
			}
			break
		}
		fmt.Fprintf(b, "could not read or set the size (%d in a row); the next tick tries again", e.Count)
	case ScaleFailing:
		fmt.Fprintf(b, "could not read or set the size %s in a row; the service keeps its size until the platform answers", names.Count(e.Count, "time", "times"))
	case Changed:
		fmt.Fprintf(b, "somebody else changed the size from %d to %d; the sample count restarts", e.From, e.To)
	case LimitReached:
		fmt.Fprintf(b, "the platform permits %s, but %d were ordered; no more than that is ordered", processes(e.To), e.From)
		if !e.Until.IsZero() {
			b.WriteString(" for " + names.Duration(e.Until.Sub(e.Time)))
		}
	case NeedsAboveMax:
		fmt.Fprintf(b, "at the maximum of %s, but more are needed: %v", processes(e.Max), e.Decision.Reason)
	case NeedsBelowMin:
		fmt.Fprintf(b, "at the minimum of %s, but fewer are enough: %v", processes(e.Min), e.Decision.Reason)
	case DiffExceeded:
		fmt.Fprintf(b, "the size moved by %d, from %d to %d, which is above the threshold", abs(e.To-e.From), e.From, e.To)
	case Paused:
		e.held(b)
	case Yielding:
		b.WriteString("another autoscaler changes the size; this one leaves it alone; switch one of them off")
	case LeaderChanged:
		b.WriteString("leadership changed")
	case NotifyFailed:
		fmt.Fprintf(b, "%s failed or %s dropped since the last tick", names.Count(e.Count, "notification", "notifications"), were(e.Count))
	case StoreFailing:
		b.WriteString("the Store fails; orders and notifications wait until it answers, and the service keeps its size")
	case Ineffective:
		fmt.Fprintf(b, "%s in a row did not help, but more processes are recommended; the size is held at %d; look for a bottleneck elsewhere, as in a database or another service", names.Count(e.Count, "increase", "increases"), e.To)
	case BudgetShort:
		b.WriteString("the budget of process-hours runs short")
	case NotFollowed:
		fmt.Fprintf(b, "the size stays at %d, although %d is published; check the autoscaler that should order it", e.From, e.To)
	case Panicked:
		b.WriteString("a part that the host supplied panicked; the panic was recovered")
	default:
		b.WriteString(e.Kind.String())
	}
}

// failingAfter is how many failures in a row make a condition. It is not worth waking
// somebody for one lost packet.
const failingAfter = 3

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
