// Package words says what an event means, as a colleague would: what happened, why, what to
// do, and when something happens next. It has the texts of all notices to people.
package words

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/notify/internal/plain"
)

// The most characters of each part of a Message.
const (
	MaxTitle = 120
	MaxPart  = 600
	MaxFacts = 300
)

// A Message is an event in words. Each part is one line of plain text, which may quote the
// host and the platform. Escape it for the service that shows it. What, Why, Do and Next
// are whole sentences. Title, What and Facts are never empty.
type Message struct {
	Title string // what happened, in a few words
	What  string // what happened
	Why   string // the reason, or the error
	Do    string // what the reader should do
	Next  string // what the autoscaler does next, and when
	Facts string // the numbers and the time
}

// Of returns the message for an event.
func Of(e autoscale.Event) Message {
	var m Message
	if e.Phase == autoscale.Ended {
		m = ended(e)
	} else {
		m = told(e)
		if e.Phase == autoscale.Repeated || e.Phase == autoscale.Ongoing {
			if d := e.Time.Sub(e.Since); m.Title != "" && !e.Since.IsZero() && d > 0 {
				m.Title += fmt.Sprintf(" (for %s now)", Span(d))
			}
		}
	}
	if m.Title == "" { // a kind from a later version
		m.Title, m.What = e.Kind.String(), sentence(e.String())
	}
	if e.Name != "" {
		m.Title = e.Name + ": " + m.Title
	}
	m.Title = plain.Line(m.Title, MaxTitle)
	m.What, m.Why = plain.Line(m.What, MaxPart), plain.Line(m.Why, MaxPart)
	m.Do, m.Next = plain.Line(m.Do, MaxPart), plain.Line(m.Next, MaxPart)
	m.Facts = plain.Line(facts(e), MaxFacts)
	return m
}

// A Part is a labelled part of a message. The Label of What is empty.
type Part struct{ Label, Text string }

// Parts returns What, Why, Do and Next, without those that are empty.
func (m Message) Parts() []Part {
	var parts []Part
	for _, p := range []Part{{"", m.What}, {"Why", m.Why}, {"What to do", m.Do}, {"Next", m.Next}} {
		if p.Text != "" {
			parts = append(parts, p)
		}
	}
	return parts
}

// Text returns the message as plain text: the title, the parts with their labels, and the
// facts, each on a line of its own.
func (m Message) Text() string {
	var b strings.Builder
	b.WriteString(m.Title)
	for _, p := range m.Parts() {
		b.WriteByte('\n')
		if p.Label != "" {
			b.WriteString(p.Label + ": ")
		}
		b.WriteString(p.Text)
	}
	b.WriteString("\n" + m.Facts)
	return b.String()
}

// A Tone is the look of a notice.
type Tone uint8

// The tones.
const (
	Quiet   Tone = iota // what happens in every tick
	Info                // a change
	Good                // a condition has ended
	Warning             // what somebody should look at
	Broken              // a broken part of the host
)

// ToneOf returns the tone of an event.
func ToneOf(e autoscale.Event) Tone {
	switch level := e.Level(); {
	case e.Phase == autoscale.Ended:
		return Good
	case level >= slog.LevelError:
		return Broken
	case level >= slog.LevelWarn:
		return Warning
	case level >= slog.LevelInfo:
		return Info
	}
	return Quiet
}

// Colour returns the tone's colour as 0xRRGGBB.
func (t Tone) Colour() int {
	return [...]int{Quiet: 0x808A94, Info: 0x1E6FD9, Good: 0x2E7D32, Warning: 0xF2A100, Broken: 0xC62828}[t]
}

// facts are the numbers of an event, for the small print.
func facts(e autoscale.Event) string {
	var parts []string
	if e.Min != 0 || e.Max != 0 || e.From != 0 || e.To != 0 {
		size := fmt.Sprintf("Size %d", e.To)
		switch {
		case e.Kind == autoscale.LimitReached || e.Kind == autoscale.ScaleFailed || e.Kind == autoscale.Decided:
			size = "" // From and To are orders, not sizes
		case e.Kind == autoscale.Scaled && e.DryRun:
			size = fmt.Sprintf("Size %d", e.From)
		}
		if size != "" {
			parts = append(parts, size)
		}
	}
	if e.Min != 0 || e.Max != 0 {
		parts = append(parts, fmt.Sprintf("bounds %d to %d", e.Min, e.Max))
	}
	if e.Sample.Signals != 0 || e.Sample.Failure != autoscale.NoFailure {
		parts = append(parts, "measured "+e.Sample.String())
	}
	if e.DryRun {
		parts = append(parts, "dry run")
	}
	parts = append(parts, e.Time.UTC().Format("2 Jan 2006, 15:04 UTC"))
	return upper(strings.Join(parts, " · "))
}

// processes returns "1 process" or "2 processes".
func processes(n int) string { return names.Count(n, "process", "processes") }

// Span writes a duration as people say it: "40 seconds", "5 minutes", "1 hour 5 minutes",
// "3 days 2 hours".
func Span(d time.Duration) string {
	switch {
	case d < time.Second:
		return names.Duration(max(d, 0))
	case d < 2*time.Minute:
		return names.Count(int(d/time.Second), "second", "seconds")
	case d < time.Hour:
		return names.Count(int(d/time.Minute), "minute", "minutes")
	case d < 24*time.Hour:
		return two(int(d/time.Hour), "hour", int(d%time.Hour/time.Minute), "minute")
	}
	return two(int(d/(24*time.Hour)), "day", int(d%(24*time.Hour)/time.Hour), "hour")
}

func two(n int, one string, m int, small string) string {
	text := names.Count(n, one, one+"s")
	if m > 0 {
		text += " " + names.Count(m, small, small+"s")
	}
	return text
}

// clock writes a time, as seen from now: "17:05 UTC" on the same day, and with the date
// otherwise.
func clock(t, now time.Time) string {
	t, now = t.UTC(), now.UTC()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04 UTC")
	}
	return t.Format("15:04 UTC on 2 January")
}

// until returns " until 17:05 UTC", or nothing if no time is known.
func until(e autoscale.Event) string {
	if e.Until.IsZero() || !e.Until.After(e.Time) {
		return ""
	}
	return " until " + clock(e.Until, e.Time)
}

// sentence makes a sentence of a text: a capital letter and a full stop.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	text = upper(text)
	if !strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "!") && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return text
}

// upper makes the first letter upper-case, if the first word is an ordinary one.
func upper(text string) string {
	word, _, _ := strings.Cut(text, " ")
	word = strings.TrimRight(word, ",;")
	if strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsLower(r) }) {
		return text
	}
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:]
}

// reason returns the Decider's reason as a sentence.
func reason(e autoscale.Event) string {
	if e.Decision.Reason.IsZero() {
		return ""
	}
	return sentence(e.Decision.Reason.String())
}

// fault returns the error of an event as a sentence.
func fault(e autoscale.Event) string {
	if e.Err == nil {
		return ""
	}
	return sentence(e.Err.Error())
}

// held says what a limit did to a recommendation. Empty: nothing.
func held(e autoscale.Event) string {
	by := map[limit.Kind]string{
		limit.ByNotLeader: "another process leads", limit.ByPause: "the autoscaler is paused", limit.ByMaintenance: "the application is in maintenance",
		limit.ByOverride: "somebody set the size by hand", limit.ByYielding: "another autoscaler is at work",
		limit.ByBounds: "the size was outside the bounds", limit.ByForecast: "more were needed at this time on earlier days",
		limit.ByDiminishingReturns: "the last increases did not help", limit.ByTolerance: "the difference is within the tolerance",
		limit.ByStabilization: "the recommendation has not lasted for the stabilization window", limit.ByCooldown: "the cooldown is not over",
		limit.ByRate: "the rate permits no more", limit.ByStep: "the step permits no more", limit.ByBudget: "the budget of process-hours is spent",
		limit.ByMax: "that is above Max", limit.ByMin: "that is below Min", limit.ByPlatform: "the platform permits no more",
		limit.ByDeployment: "a deployment is under way", limit.ByBusy: "the platform is busy with another operation",
	}[e.Limit]
	if by == "" {
		return ""
	}
	return sentence(by + until(e))
}
