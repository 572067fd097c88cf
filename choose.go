package autoscale

import (
	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// ruleFor returns the rule that a prober names, or autoscalebot's rule if it names none.
func ruleFor(p Prober) Decider {
	var rule Decider
	// Validate reports a Prober that panics.
	_ = guard.Do(func() error {
		if c, ok := part.As[RuleChooser](p); ok {
			rule = c.Rule()
		}
		return nil
	})
	if rule == nil {
		return Consecutive{}
	}
	return rule
}

// A RuleChooser is a [Prober] that knows which rule suits what it measures. A [Config]
// without a Decider uses that rule. It is found through a wrapper too: one that embeds the
// Prober, or that has a method
//
//	Unwrap() autoscale.Prober
type RuleChooser interface {
	// Rule returns the rule, or nil if none suits.
	Rule() Decider
}
