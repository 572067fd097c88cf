package autoscale

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/limit"
)

// An Explanation is what one tick found, recommended and did, and why. [Status.String]
// returns it as one sentence. In the log, at debug, it is a group of attributes.
type Explanation struct {
	Sample Sample        // what was measured. No Signals and no Failure: nothing
	From   int           // the size before
	Boot   time.Duration // how long a process takes to serve, learned or assumed. 0: not known

	Rules          []Recommendation   // the recommendation of each rule, if the Decider consists of several
	Recommendation Decision           // the recommendation of the Decider
	Adjustments    []limit.Adjustment // each limit that changed the recommendation, in order

	// Decision is what the limits made of the recommendation. If Act is true, Size was
	// ordered. With Config.RecommendOnly nothing is ordered, and Size is the published
	// size.
	Decision Decision

	Limit limit.Kind // the limit that decided it
	Until time.Time  // until when that limit holds. Zero: not known

	Spent float64 // the share of [limit.Budget] that is spent. 0: nothing, or there is no budget

	// NextUp and NextDown are the earliest times at which processes can be added and
	// removed, whatever is recommended. A person who ends a pause, an override or yielding
	// makes that earlier. Zero: the next tick may change the size, or Limit holds the size
	// and it is not known until when; see [limit.Kind.Holds].
	NextUp, NextDown time.Time

	Err error // what kept the tick from its work, or what is wrong with the Config. Nil: nothing
}

// A Recommendation is what one rule recommends.
type Recommendation struct {
	Rule string
	Decision
}

// clone returns e with its own copies of the lists. It reuses the arrays of into.
func (e Explanation) clone(into Explanation) Explanation {
	e.Rules = append(into.Rules[:0], e.Rules...)
	e.Adjustments = append(into.Adjustments[:0], e.Adjustments...)
	return e
}

// sentence returns, as one sentence, what the tick that began at ticked did. If ticked is
// zero, there has been no tick yet.
func (e *Explanation) sentence(ticked time.Time) string {
	switch {
	case e.Err != nil:
		return e.Err.Error()
	case ticked.IsZero():
		return "no tick yet"
	}
	return explain(e.Recommendation, e.Limit, e.From, e.Decision.Size, e.Until, ticked)
}

// LogValue returns the attributes of an explanation.
func (e Explanation) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("sample", e.Sample.String()), slog.Int("from", e.From), slog.Int("to", e.Decision.Size),
		slog.Bool("ordered", e.Decision.Act), slog.String("reason", e.Decision.Reason.String()),
	}
	if e.Recommendation.Act {
		attrs = append(attrs, slog.Int("recommendation", e.Recommendation.Size))
	}
	for _, r := range e.Rules {
		attrs = append(attrs, slog.String("rule."+r.Rule, r.words(e.From)))
	}
	for _, a := range e.Adjustments {
		attrs = append(attrs, slog.String("limit."+a.By.String(), fmt.Sprintf("%d to %d", a.From, a.To)))
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

func (r Recommendation) words(size int) string {
	if !r.Act {
		return fmt.Sprintf("stay at %d: %v", size, r.Reason)
	}
	return fmt.Sprintf("%d: %v", r.Size, r.Reason)
}

// MarshalJSON writes the rule, its size and its reason. The size is left out if the rule
// holds.
func (r Recommendation) MarshalJSON() ([]byte, error) {
	out := struct {
		Rule   string `json:"rule"`
		Size   *int   `json:"size,omitempty"`
		Reason string `json:"reason"`
	}{Rule: r.Rule, Reason: r.Reason.String()}
	if r.Act {
		out.Size = &r.Size
	}
	return json.Marshal(out)
}

// maxRules bounds the recommendations and the adjustments that are kept.
const maxRules = 16

// explain returns, in words, how the limits changed a recommendation.
func explain(d Decision, by limit.Kind, from, to int, until, now time.Time) string {
	var b strings.Builder
	switch {
	case by == limit.ByBounds:
		fmt.Fprintf(&b, "from %d to %d, the nearest bound", from, to)
		return b.String()
	case by == limit.ByOverride:
		if to == from {
			fmt.Fprintf(&b, "stay at %d", from)
		} else {
			fmt.Fprintf(&b, "from %d to %d", from, to)
		}
		// The size that was asked for may be outside the bounds.
		fmt.Fprintf(&b, ", because somebody set the size until %s", until.UTC().Format(time.RFC3339))
		return b.String()
	case to != from:
		fmt.Fprintf(&b, "from %d to %d", from, to)
	default:
		fmt.Fprintf(&b, "stay at %d", from)
	}
	fmt.Fprintf(&b, ": %v", d.Reason)
	if by == limit.None || by == limit.ByUndecided {
		return b.String()
	}
	if by == limit.ByMin && from == to {
		b.WriteString("; the size is at the minimum already")
		return b.String()
	}
	if d.Act {
		fmt.Fprintf(&b, "; %d recommended", d.Size)
	}
	switch by {
	case limit.ByNotLeader:
		b.WriteString(", but another process leads")
	case limit.ByPause:
		if from == 0 {
			b.WriteString(", but the size was set to 0 by hand, which pauses")
		} else {
			b.WriteString(", but the autoscaler is paused")
			if !until.IsZero() {
				b.WriteString(" until " + until.UTC().Format(time.RFC3339))
			}
		}
	case limit.ByMaintenance:
		b.WriteString(", but the application is in maintenance")
	case limit.ByYielding:
		b.WriteString(", but another autoscaler is at work")
	case limit.ByForecast:
		b.WriteString(", raised to what was needed at this time on earlier days")
	case limit.ByDiminishingReturns:
		fmt.Fprintf(&b, ", but the last increases did not help: the bottleneck is elsewhere. It will try one more in %s", names.Left(until.Sub(now)))
	case limit.ByTolerance:
		b.WriteString(", but that is within the tolerance")
	case limit.ByStabilization:
		b.WriteString(", but not throughout the stabilization window")
		if !until.IsZero() {
			fmt.Fprintf(&b, ", which lasts %s more", names.Left(until.Sub(now)))
		}
	case limit.ByRate:
		b.WriteString(", as much as the rate permits")
	case limit.ByBudget:
		b.WriteString(", but the budget of process-hours is spent")
	case limit.ByCooldown:
		fmt.Fprintf(&b, ", but the cooldown lasts %s more", names.Left(until.Sub(now)))
	case limit.ByStep:
		b.WriteString(", as much as the step permits")
	case limit.ByMax:
		b.WriteString(", but that is above the maximum")
	case limit.ByMin:
		b.WriteString(", but that is below the minimum")
	case limit.ByPlatform:
		b.WriteString(", but the platform permits no more")
		if !until.IsZero() {
			fmt.Fprintf(&b, ". It will be asked for more in %s", names.Left(until.Sub(now)))
		}
	case limit.ByDeployment:
		b.WriteString(", but a deployment is under way")
	case limit.ByBusy:
		b.WriteString(", but the platform is busy with another operation")
	}
	return b.String()
}
