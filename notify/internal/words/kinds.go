package words

import (
	"fmt"
	"strings"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/limit"
)

const nothing = "Nothing."

// told writes the message for an event that occurred, or for a condition that
// holds.
func told(e autoscale.Event) Message {
	name := e.Name
	if name == "" {
		name = "the service"
	}
	keeps := fmt.Sprintf("%s keeps its size of %d", name, e.To)
	switch e.Kind {
	case autoscale.Probed:
		return Message{
			Title: "measured", What: sentence(fmt.Sprintf("the probe measured: %v", e.Sample)), Do: nothing,
		}
	case autoscale.ProbeFailed:
		m := Message{
			Title: "a probe measured nothing", What: "The last probe measured nothing.", Why: fault(e),
			Do:   "Nothing yet. A single failed probe is usually harmless.",
			Next: "The next tick probes again. Until a probe works, " + keeps + ".",
		}
		if e.Count > 1 {
			m.What = fmt.Sprintf("The last %d probes measured nothing.", e.Count)
			m.Do = "Wait for the next probes. If they fail too, check the service and the prober."
		}
		return m
	case autoscale.ProbeFailing:
		return Message{
			Title: "the probes fail", What: fmt.Sprintf("The last %d probes measured nothing, so the autoscaler does not know how busy %s is.", e.Count, name), Why: fault(e),
			Do:   "Check that the service answers, and that the prober has the right address and token.",
			Next: "The autoscaler probes again each tick. Until a probe works, " + keeps + ".",
		}
	case autoscale.WarmingUp:
		return Message{
			Title: "the prober is warming up", What: "The prober has just started and has not measured anything yet.", Why: sentence(e.Detail),
			Do: nothing, Next: "Until the prober measures something, " + keeps + ".",
		}
	case autoscale.Decided:
		return decided(e, name)
	case autoscale.Scaled:
		return scaled(e, name)
	case autoscale.ScaleFailed:
		m := Message{
			Title: "the size could not be read or set", What: fmt.Sprintf("Reading or setting the size of %s failed.", name), Why: fault(e),
			Do:   "Nothing yet. The autoscaler tries again by itself.",
			Next: fmt.Sprintf("The next tick tries again. Until then, %s keeps its size of %d.", name, e.From),
		}
		if e.Limit == limit.ByBusy {
			m.Title, m.What = "the platform is busy", fmt.Sprintf("The platform is busy with another operation, so %s keeps its size of %d.", name, e.From)
			m.Next = "The autoscaler tries again by itself. If the platform is still busy after ten minutes, that counts as a failure."
			return m
		}
		if e.From != e.To {
			m.Title = fmt.Sprintf("could not scale from %d to %d", e.From, e.To)
			m.What = fmt.Sprintf("The order to scale %s from %d to %s failed.", name, e.From, processes(e.To))
		}
		if e.Count > 1 {
			m.What += fmt.Sprintf(" That is %d failures in a row.", e.Count)
		}
		return m
	case autoscale.ScaleFailing:
		return Message{
			Title: "the size cannot be read or set", What: fmt.Sprintf("Reading or setting the size of %s has failed %d times in a row.", name, e.Count), Why: fault(e),
			Do:   "Check that the platform is up, and that the token is valid and may scale this application.",
			Next: fmt.Sprintf("The autoscaler tries again each tick. Until the platform answers, %s keeps its size.", name),
		}
	case autoscale.Changed:
		return Message{
			Title: fmt.Sprintf("somebody changed the size from %d to %d", e.From, e.To),
			What:  fmt.Sprintf("Another person or program changed the size of %s from %d to %s.", name, e.From, processes(e.To)),
			Do:    "If nobody on your team did this, look for another autoscaler or a script.",
			Next:  fmt.Sprintf("The autoscaler continues from %d, with new samples.", e.To),
		}
	case autoscale.LimitReached:
		return Message{
			Title: "the platform permits only " + processes(e.To),
			What:  fmt.Sprintf("The autoscaler ordered %s, but the platform permits only %d.", processes(e.From), e.To), Why: fault(e),
			Do:   fmt.Sprintf("Ask the platform for a higher limit, or set Max to %d.", e.To),
			Next: fmt.Sprintf("The autoscaler orders at most %s%s.", processes(e.To), until(e)),
		}
	case autoscale.NeedsAboveMax:
		return Message{
			Title: "more than " + needed(e.Max), What: fmt.Sprintf("%s runs at its maximum of %s%s.", name, processes(e.Max), butRecommends(e)), Why: reason(e),
			Do:   "If your plan and your database have room for more processes, raise Max. If not, expect slow responses until the load falls.",
			Next: fmt.Sprintf("%s stays at %d until the load falls or Max is raised.", name, e.To),
		}
	case autoscale.NeedsBelowMin:
		return Message{
			Title: "fewer than " + needed(e.Min), What: fmt.Sprintf("%s runs at its minimum of %s%s.", name, processes(e.Min), butRecommends(e)), Why: reason(e),
			Do:   "If you do not need the reserve, lower Min to save money.",
			Next: fmt.Sprintf("%s stays at %d until the load rises or Min is lowered.", name, e.To),
		}
	case autoscale.DiffExceeded:
		what := fmt.Sprintf("The size of %s moved from %d to %d", name, e.From, e.To)
		if e.Detail != "" {
			what += " " + e.Detail
		}
		return Message{
			Title: fmt.Sprintf("the size moved from %d to %d", e.From, e.To), What: what + ". That is more than the threshold that you set.", Why: reason(e),
			Do:   "Check whether the load explains this. If not, look at the rule. A smaller step or a longer cooldown makes it calmer.",
			Next: "The autoscaler continues as usual.",
		}
	case autoscale.Paused:
		return paused(e, name)
	case autoscale.Yielding:
		other := "Another autoscaler"
		if e.Detail != "" {
			other += " (" + e.Detail + ")"
		}
		return Message{
			Title: "another autoscaler is at work", What: fmt.Sprintf("%s changes the size of %s, so this one leaves the size alone.", other, name),
			Do:   "Decide which one you want, and switch the other one off.",
			Next: "This autoscaler keeps out of the way for as long as the other one is at work.",
		}
	case autoscale.LeaderChanged:
		m := Message{
			Title: "leadership changed", What: sentence(e.Detail), Why: fault(e),
			Do: "Nothing, if this follows a deploy or a restart. If it happens often, check the Store and the connection to it.",
		}
		if e.Detail == "" {
			m.What = "Another process leads now."
		}
		if e.Err != nil {
			m.Next = "It starts without the saved state, and learns it again."
		}
		return m
	case autoscale.NotifyFailed:
		return Message{
			Title: "notices were lost", What: fmt.Sprintf("%s failed or %s dropped since the last tick.", names.Count(e.Count, "notice", "notices"), was(e.Count)), Why: fault(e),
			Do:   "Check the address and the token of the notifier, and the network.",
			Next: "Lost notices are not sent again. The log has them.",
		}
	case autoscale.Panicked:
		part := part(e)
		return Message{
			Title: "the " + part + " panicked", What: fmt.Sprintf("The %s panicked. The autoscaler recovered the panic, and the service keeps running.", part), Why: fault(e),
			Do:   "Fix the panic. The log has its stack.",
			Next: fmt.Sprintf("The next tick calls the %s again.", part),
		}
	case autoscale.StoreFailing:
		m := Message{
			Title: "the Store fails", What: "The Store does not answer, or cannot save.", Why: fault(e),
			Do:   "Check the database that holds the Store, and the connection to it.",
			Next: "Until it works again, nothing is ordered and " + keeps + ".",
		}
		if e.Detail != "" {
			m.What = "The Store does not answer: " + e.Detail + "."
		}
		return m
	case autoscale.Ineffective:
		m := Message{
			Title: "more processes do not help",
			What:  fmt.Sprintf("%s got more processes %s, and that did not help%s.", name, timesInARow(e.Count), stillRecommends(e)), Why: reason(e),
			Do:   "Look for a bottleneck elsewhere, for example in the database, its connection pool or another service.",
			Next: fmt.Sprintf("%s stays at %d.", name, e.To),
		}
		if !e.Until.IsZero() && e.Until.After(e.Time) {
			m.Next = fmt.Sprintf("%s stays at %d until %s. Then the autoscaler tries one process more.", name, e.To, clock(e.Until, e.Time))
		}
		return m
	case autoscale.BudgetShort:
		spent, then, _ := strings.Cut(strings.NewReplacer("of day are", "of this day are", "of month are", "of this month are").Replace(e.Detail), "; ")
		m := Message{
			Title: "the budget runs short", What: sentence(spent),
			Do:   "If the service needs more, raise the budget. To make it last longer, lower Max.",
			Next: "When all of it is spent, only Min is ordered until the period ends.",
		}
		if then != "" {
			m.Title, m.Next = "the budget is spent", sentence(then)
		}
		if spent == "" {
			m.What = "Most of the budget of process-hours is spent."
		}
		return m
	case autoscale.Stalled:
		m := Message{
			Title: "a part hangs, and the autoscaler with it", What: sentence(e.Detail),
			Do:   "Let that part return when its context ends. If it does not return by itself, restart the process.",
			Next: "Until it returns, nothing is measured or ordered, and " + keeps + ".",
		}
		if e.Detail == "" {
			m.What = "A part has not returned, although its context has ended."
		}
		return m
	case autoscale.NotFollowed:
		m := Message{
			Title: fmt.Sprintf("nobody scales from %d to %d", e.From, e.To),
			What:  fmt.Sprintf("The autoscaler publishes a size of %d for %s, and the size stays at %d.", e.To, name, e.From), Why: reason(e),
			Do:   "Check the autoscaler that should order the size, such as KEDA or a HorizontalPodAutoscaler: whether it is there, reads this metric, and has bounds as wide as Min and Max.",
			Next: fmt.Sprintf("%s keeps its size until that autoscaler orders another.", name),
		}
		if e.Detail != "" {
			m.Do = "Set its tolerance to 0, which is likely the reason: " + e.Detail + "."
		}
		return m
	}
	return Message{}
}

func decided(e autoscale.Event, name string) Message {
	m := Message{Title: fmt.Sprintf("stays at %d", e.To), What: fmt.Sprintf("%s stays at %s.", name, processes(e.To)), Why: reason(e), Do: nothing}
	if e.From != e.To {
		m.Title = fmt.Sprintf("from %d to %d", e.From, e.To)
		m.What = fmt.Sprintf("%s goes from %d to %s.", name, e.From, processes(e.To))
	}
	if e.Decision.Act && e.Decision.Size != e.To {
		m.What += fmt.Sprintf(" The rule recommends %d.", e.Decision.Size)
		if why := held(e); why != "" {
			m.What += " " + why
		}
	}
	return m
}

func scaled(e autoscale.Event, name string) Message {
	way, last := "up", ""
	if e.To < e.From {
		way = "down"
	}
	switch {
	case way == "up" && e.To == e.Max:
		last = "That is the maximum. If the load grows further, the autoscaler cannot add more."
	case way == "down" && e.To == e.Min:
		last = "That is the minimum."
	}
	m := Message{
		Title: fmt.Sprintf("scaled %s from %d to %d", way, e.From, e.To),
		What:  fmt.Sprintf("%s goes %s from %d to %s.", name, way, e.From, processes(e.To)), Why: reason(e), Do: nothing, Next: last,
	}
	if e.Detail != "" {
		m.What = strings.TrimSuffix(m.What, ".") + ", " + e.Detail + "."
	}
	if e.DryRun {
		m.Title = "would have " + m.Title
		m.What = fmt.Sprintf("%s would go %s from %d to %s. This is a dry run, so nothing was ordered.", name, way, e.From, processes(e.To))
		m.Do, m.Next = "If you agree, switch DryRun off to let the autoscaler work.", ""
	}
	return m
}

func paused(e autoscale.Event, name string) Message {
	switch {
	case e.Limit == limit.ByMaintenance:
		return Message{
			Title: "held during the maintenance", What: fmt.Sprintf("The application is in maintenance, so %s stays at %s.", name, processes(e.To)),
			Do: "If the maintenance should be over, switch it off.", Next: "The autoscaler continues when the maintenance ends.",
		}
	case e.To == 0 && e.Detail == "":
		return Message{
			Title: "paused, because the size is 0", What: fmt.Sprintf("Somebody set %s to 0 processes, which pauses the autoscaler.", name),
			Do: "To start it again, set any other size.", Next: fmt.Sprintf("%s stays off until somebody does.", name),
		}
	}
	m := Message{
		Title: "paused", What: fmt.Sprintf("Somebody paused the autoscaler, so %s stays at %s.", name, processes(e.To)), Why: sentence(e.Detail),
		Do: "If the pause was forgotten, resume the autoscaler.", Next: "The pause lasts until somebody resumes the autoscaler.",
	}
	if u := until(e); u != "" {
		m.Title = "paused" + u
		m.Next = "The autoscaler continues at " + clock(e.Until, e.Time) + "."
	}
	return m
}

// ended writes the message for a condition that has ended.
func ended(e autoscale.Event) Message {
	name := e.Name
	if name == "" {
		name = "the service"
	}
	m := Message{Do: nothing}
	switch e.Kind {
	case autoscale.ProbeFailing:
		m.Title, m.What, m.Next = "the probes work again", "The probes measure again.", "The autoscaler continues as usual."
	case autoscale.ScaleFailing:
		m.Title, m.What, m.Next = "the size can be read and set again", fmt.Sprintf("The platform answers again, and the size of %s can be read and set.", name), "The autoscaler continues as usual."
	case autoscale.NeedsAboveMax:
		m.Title, m.What = "the maximum is enough again", fmt.Sprintf("%s no longer needs more than %s.", name, processes(e.Max))
	case autoscale.NeedsBelowMin:
		m.Title, m.What = "the minimum is needed again", fmt.Sprintf("%s needs its minimum of %s again.", name, processes(e.Min))
	case autoscale.DiffExceeded:
		m.Title, m.What = "the size is steady again", fmt.Sprintf("The size of %s no longer moves by more than the threshold.", name)
	case autoscale.Paused:
		m.Why = sentence(e.Detail) // who resumed it
		m.Title, m.What, m.Next = "no longer paused", "The pause is over.", fmt.Sprintf("The autoscaler sets the size of %s again.", name)
	case autoscale.Yielding:
		if m.Why = sentence(e.Detail); m.Why != "" {
			m.Title, m.What, m.Next = "resumed", "The autoscaler no longer yields to another one.", fmt.Sprintf("It sets the size of %s again.", name)
			break
		}
		m.Title, m.What, m.Next = "the other autoscaler is gone", "No other autoscaler is at work any more.", fmt.Sprintf("This one sets the size of %s again.", name)
	case autoscale.Panicked:
		m.Title, m.What, m.Do = "the "+part(e)+" works again", fmt.Sprintf("The %s no longer panics.", part(e)), "If you have not fixed the panic, it may come back. The log has its stack."
	case autoscale.StoreFailing:
		m.Title, m.What, m.Next = "the Store works again", "The Store answers and saves again.", "The autoscaler continues as usual."
	case autoscale.Ineffective:
		m.Title, m.What = "no longer held back", fmt.Sprintf("The autoscaler no longer holds %s back.", name)
		m.Do = "If you found no bottleneck, look for it before the next peak."
	case autoscale.BudgetShort:
		m.Title, m.What, m.Next = "the budget has room again", "The budget of process-hours is no longer short.", "The autoscaler continues as usual."
	case autoscale.NotFollowed:
		m.Title, m.What = "the size follows again", fmt.Sprintf("The size of %s is again the one that is published.", name)
	default:
		return Message{}
	}
	if d := e.Time.Sub(e.Since); !e.Since.IsZero() && d > 0 {
		for _, word := range []string{"The ", "No "} {
			if rest, ok := strings.CutPrefix(m.What, word); ok {
				m.What = strings.ToLower(word) + rest
			}
		}
		m.What = "After " + Span(d) + ", " + m.What
	}
	return m
}

// butRecommends says what the rule recommends, if that is known.
func butRecommends(e autoscale.Event) string {
	if !e.Decision.Act {
		return ""
	}
	return fmt.Sprintf(", but the rule recommends %d", e.Decision.Size)
}

func stillRecommends(e autoscale.Event) string {
	if !e.Decision.Act {
		return ""
	}
	return fmt.Sprintf(". The rule still recommends more, namely %d", e.Decision.Size)
}

// part names the part that panicked.
func part(e autoscale.Event) string {
	switch e.Detail {
	case "":
		return "host's code"
	case "Notifiers":
		return "notifier"
	case "Observe":
		return "Observe function"
	}
	return e.Detail
}

// needed returns "3 processes are needed".
func needed(n int) string {
	if n == 1 {
		return "1 process is needed"
	}
	return processes(n) + " are needed"
}

func timesInARow(n int) string {
	if n <= 1 {
		return "once"
	}
	return fmt.Sprintf("%d times in a row", n)
}

func was(n int) string {
	if n == 1 {
		return "was"
	}
	return "were"
}
