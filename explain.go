package autoscale

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/names"
)

// An Explanation is what one tick found, wished and did, and why. Its String is
// one sentence for a person; logged at debug it is a group of attributes.
type Explanation struct {
	Sample Sample        // what was measured; without Signals and Failure: nothing
	From   int           // the size before
	Boot   time.Duration // how long a process takes to serve, learned or assumed; 0: not known

	Rules []Wish   // the wish of each rule, where several make the decider's
	Wish  Decision // what the decider wished
	Bends []Bend   // each limit that bent it, in their order

	Decision Decision  // what became of the wish; Act: it was ordered
	Limit    Limit     // what held it back, or bent it last
	Until    time.Time // until when that holds; zero: not known

	// Before these times no processes are added, and none removed, whatever is
	// wished. Zero: it is possible in the next tick.
	NextUp, NextDown time.Time

	Err error // what kept the tick from its work, or is wrong with the Config; nil: nothing
}

// A Wish is what one rule wishes.
type Wish struct {
	Rule string
	Decision
}

// A Bend is a wish that a limit changed.
type Bend struct {
	Limit    Limit
	From, To int
	Until    time.Time // until when it holds; zero: not known
}

// explain logs what the tick came to, whole, at debug.
func (a *Autoscaler) explain(ctx context.Context) {
	if !a.enabled(ctx, slog.LevelDebug) {
		return
	}
	s := &a.state // only the loop, which this is, writes it
	a.log(ctx, slog.LevelDebug, "autoscale: "+a.cfg.Name+": "+s.outcome.sentence(s.ticked),
		slog.String("name", a.cfg.Name), slog.Any("explanation", s.outcome))
}

// clone returns e with lists of its own, in those of into.
func (e Explanation) clone(into Explanation) Explanation {
	e.Rules = append(into.Rules[:0], e.Rules...)
	e.Bends = append(into.Bends[:0], e.Bends...)
	return e
}

// sentence says it in words, as of a tick's time; zero: before the first.
func (e *Explanation) sentence(ticked time.Time) string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case ticked.IsZero():
		return "no tick yet"
	}
	return explain(e.Wish, e.Limit, e.From, e.Decision.Size, e.Until, ticked)
}

// LogValue returns the attributes of an explanation.
func (e Explanation) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("sample", e.Sample.String()), slog.Int("from", e.From), slog.Int("to", e.Decision.Size),
		slog.Bool("ordered", e.Decision.Act), slog.String("reason", e.Decision.Reason.String()),
	}
	if e.Wish.Act {
		attrs = append(attrs, slog.Int("wish", e.Wish.Size))
	}
	for _, w := range e.Rules {
		attrs = append(attrs, slog.String("rule."+w.Rule, w.words(e.From)))
	}
	for _, b := range e.Bends {
		attrs = append(attrs, slog.String("limit."+b.Limit.String(), fmt.Sprintf("%d to %d", b.From, b.To)))
	}
	if e.Boot > 0 {
		attrs = append(attrs, slog.Duration("boot", e.Boot))
	}
	if !e.NextUp.IsZero() {
		attrs = append(attrs, slog.Time("next_up", e.NextUp))
	}
	if !e.NextDown.IsZero() {
		attrs = append(attrs, slog.Time("next_down", e.NextDown))
	}
	return slog.GroupValue(attrs...)
}

func (w Wish) words(size int) string {
	if !w.Act {
		return fmt.Sprintf("stay at %d: %v", size, w.Reason)
	}
	return fmt.Sprintf("%d: %v", w.Size, w.Reason)
}

// wishOut and bendOut are as JSON keeps them.
type wishOut struct {
	Rule   string `json:"rule"`
	Wish   *int   `json:"wish,omitempty"` // left out: hold
	Reason string `json:"reason"`
}

type bendOut struct {
	Limit Limit     `json:"limit"`
	From  int       `json:"from"`
	To    int       `json:"to"`
	Until time.Time `json:"until,omitzero"`
}

// MarshalJSON writes the rule, its wish, left out where it holds, and its reason.
func (w Wish) MarshalJSON() ([]byte, error) {
	out := wishOut{Rule: w.Rule, Reason: w.Reason.String()}
	if w.Act {
		out.Wish = &w.Size
	}
	return json.Marshal(out)
}

// MarshalJSON writes the limit and the numbers.
func (b Bend) MarshalJSON() ([]byte, error) {
	return json.Marshal(bendOut{b.Limit, b.From, b.To, b.Until.UTC()})
}

// maxRules bounds the wishes that are kept.
const maxRules = 16

// each notes the wishes of the rules that the decider consists of, if it does.
func (a *Autoscaler) each(o Observation) (err error) {
	if a.composite == nil {
		return nil
	}
	defer guard.Catch(&err)
	a.composite.Each(o, func(rule string, w Decision) {
		if len(a.rules) < maxRules {
			a.rules = append(a.rules, Wish{rule, w})
		}
	})
	return nil
}

// explain says in words what became of a wish.
func explain(wish Decision, by Limit, from, to int, until, now time.Time) string {
	var b strings.Builder
	switch {
	case by == LimitOutside:
		fmt.Fprintf(&b, "from %d to %d, the nearest bound", from, to)
		return b.String()
	case by == LimitOverride:
		fmt.Fprintf(&b, "from %d to %d, which somebody set until %s", from, to, until.UTC().Format(time.RFC3339))
		return b.String()
	case to != from:
		fmt.Fprintf(&b, "from %d to %d", from, to)
	default:
		fmt.Fprintf(&b, "stay at %d", from)
	}
	fmt.Fprintf(&b, ": %v", wish.Reason)
	if by == NotLimited || by == LimitUndecided {
		return b.String()
	}
	if by == LimitMin && from == to {
		b.WriteString("; it is at Min already")
		return b.String()
	}
	if wish.Act {
		fmt.Fprintf(&b, "; %d wished", wish.Size)
	}
	switch by {
	case LimitNotLeader:
		b.WriteString(", but another process leads")
	case LimitPaused:
		if from == 0 {
			b.WriteString(", but the size was set to 0 by hand, which pauses")
		} else {
			b.WriteString(", but it is paused")
		}
	case LimitMaintenance:
		b.WriteString(", but the application is in maintenance")
	case LimitStoodDown:
		b.WriteString(", but another autoscaler is at work")
	case LimitForecast:
		b.WriteString(", and at this time before more were needed")
	case LimitFutile:
		fmt.Fprintf(&b, ", but the last increases moved nothing: the bottleneck is elsewhere; one more is tried in %s", names.Duration(until.Sub(now)))
	case LimitTolerance:
		b.WriteString(", but that is within the tolerance")
	case LimitStabilization:
		b.WriteString(", but not for the whole stabilization window")
		if !until.IsZero() {
			fmt.Fprintf(&b, ", which lasts %s more", names.Duration(until.Sub(now)))
		}
	case LimitRate:
		b.WriteString(", as far as the rate permits")
	case LimitBudget:
		b.WriteString(", but the budget of hours is spent")
	case LimitCooldown:
		fmt.Fprintf(&b, ", but the cooldown lasts %s more", names.Duration(until.Sub(now)))
	case LimitStep:
		b.WriteString(", as far as the step permits")
	case LimitMax:
		b.WriteString(", but that is above Max")
	case LimitMin:
		b.WriteString(", but that is below Min")
	case LimitPlatform:
		b.WriteString(", but the platform permits no more")
	}
	return b.String()
}
