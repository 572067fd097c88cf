package email

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/notify/internal/plain"
)

const (
	// maxSubject is how many characters a subject line has at most. Mail programs show no
	// more.
	maxSubject = 100
	// maxSentence is how many characters of an event a mail shows.
	maxSentence = 4000
)

// messages writes a mail of e to each recipient.
func (n *notifier) messages(e autoscale.Event) []*gomail.Msg {
	subject, body := subject(n.subject, e), body(e)
	now := time.Now()
	domain := n.from.Address[strings.LastIndexByte(n.from.Address, '@')+1:]
	msgs := make([]*gomail.Msg, len(n.to))
	for i, to := range n.to {
		m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
		m.FromMailAddress(n.from)
		m.ToMailAddress(to)
		m.Subject(subject)
		m.SetDateWithValue(now)
		m.SetMessageIDWithValue(rand.Text() + "@" + domain)
		m.SetGenHeader("Auto-Submitted", "auto-generated") // so that no absence notice answers
		m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
		m.SetBodyString(gomail.TypeTextPlain, body)
		msgs[i] = m
	}
	return msgs
}

// subject returns the first words of the event.
func subject(prefix string, e autoscale.Event) string {
	line := plain.Line(prefix+e.String(), 4*maxSubject)
	short := plain.Cut(line, maxSubject)
	if short == line {
		return line
	}
	if i := strings.LastIndexByte(short, ' '); i > len(short)/2 {
		short = short[:i] + "…"
	}
	return short
}

// body returns the event in words, and below it the numbers.
func body(e autoscale.Event) string {
	var b strings.Builder
	b.WriteString(plain.Line(e.String(), maxSentence))
	b.WriteString("\n\n")
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name+":", plain.Line(fmt.Sprintf(format, args...), maxSentence))
	}
	row("process", "%s", e.Name)
	if e.Phase == autoscale.Occurred {
		row("event", "%v (%v)", e.Kind, e.Level())
	} else {
		row("event", "%v, %v (%v)", e.Kind, e.Phase, e.Level())
	}
	row("time", "%s", e.Time.Format(time.RFC1123Z))
	if !e.Since.IsZero() {
		row("since", "%s", e.Since.Format(time.RFC1123Z))
	}
	if e.From != e.To {
		row("size", "%d, before %d", e.To, e.From)
	} else {
		row("size", "%d", e.To)
	}
	row("bounds", "%d to %d", e.Min, e.Max)
	if e.Sample.Signals != 0 || e.Sample.Failure != autoscale.NoFailure {
		row("measured", "%v", e.Sample)
	}
	if e.Decision.Act {
		row("recommended", "%d", e.Decision.Size)
	}
	if !e.Decision.Reason.IsZero() {
		row("reason", "%v", e.Decision.Reason)
	}
	if e.Limit != limit.None {
		row("limit", "%v", e.Limit)
	}
	if !e.Until.IsZero() {
		row("until", "%s", e.Until.Format(time.RFC1123Z))
	}
	if e.Count != 0 {
		row("count", "%d", e.Count)
	}
	if e.Err != nil {
		row("error", "%v", e.Err)
	}
	if e.DryRun {
		row("dry run", "nothing was ordered")
	}
	return b.String()
}
