package email

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/notify/internal/picture"
	"github.com/autoscalebot/autoscale/notify/internal/plain"
	"github.com/autoscalebot/autoscale/notify/internal/words"
)

const (
	// maxSubject is the most characters of a subject line. Mail programs do not show
	// more.
	maxSubject = 100
	// maxSentence is how many characters of an event a mail shows.
	maxSentence = 4000
)

// messages writes a mail of e to each recipient. hour is nil if there is no picture.
func (n *notifier) messages(e autoscale.Event, hour *picture.Picture) []*gomail.Msg {
	m := words.Of(e)
	subject, text := subject(n.subject, m), n.text(e, m, hour)
	now := time.Now()
	domain := n.from.Address[strings.LastIndexByte(n.from.Address, '@')+1:]
	cid := rand.Text() + "@" + domain
	html, err := n.html(e, m, hour, cid)
	msgs := make([]*gomail.Msg, len(n.to))
	for i, to := range n.to {
		m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
		m.FromMailAddress(n.from)
		m.ToMailAddress(to)
		m.Subject(subject)
		m.SetDateWithValue(now)
		m.SetMessageIDWithValue(rand.Text() + "@" + domain)
		m.SetGenHeader("Auto-Submitted", "auto-generated") // so that no absence notice is sent in reply
		m.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
		m.SetBodyString(gomail.TypeTextPlain, text)
		if err == nil {
			m.AddAlternativeString(gomail.TypeTextHTML, html)
			if hour != nil {
				m.EmbedReadSeeker("last-hour.png", bytes.NewReader(hour.PNG),
					gomail.WithFileContentID(cid), gomail.WithFileContentType("image/png"), gomail.WithFileDescription("The last hour"))
			}
		}
		msgs[i] = m
	}
	return msgs
}

// subject returns the title of the message, cut between words.
func subject(prefix string, m words.Message) string {
	line := plain.Line(prefix+m.Title, 4*maxSubject)
	short := plain.Cut(line, maxSubject)
	if short == line {
		return line
	}
	if i := strings.LastIndexByte(short, ' '); i > len(short)/2 {
		short = short[:i] + "…"
	}
	return short
}

// text returns the message as plain text, and below it the numbers.
func (n *notifier) text(e autoscale.Event, m words.Message, hour *picture.Picture) string {
	var b strings.Builder
	for _, p := range m.Parts() {
		if p.Label != "" {
			b.WriteString(p.Label + ": ")
		}
		b.WriteString(p.Text + "\n\n")
	}
	if hour != nil {
		b.WriteString(hour.Text + "\n\n")
	}
	if n.page != "" {
		b.WriteString("Status page: " + n.page + "\n\n")
	}
	for _, r := range rows(e) {
		fmt.Fprintf(&b, "%-12s %s\n", r.Name+":", r.Value)
	}
	return b.String()
}

// A row is a number of the event, or another detail.
type row struct{ Name, Value string }

// rows returns the details of an event.
func rows(e autoscale.Event) []row {
	var all []row
	row := func(name, format string, args ...any) {
		all = append(all, row{name, plain.Line(fmt.Sprintf(format, args...), maxSentence)})
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
	return all
}
