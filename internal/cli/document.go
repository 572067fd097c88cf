package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/holding"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/status"
)

const documentVersion = 1

// document is what --json prints: what status.json of a page holds, and the application.
type document struct {
	Version     int         `json:"version"`
	Time        time.Time   `json:"time"`
	App         string      `json:"app,omitempty"`
	Autoscalers []described `json:"autoscalers"`
}

// described is what a document says of one process type.
type described struct{ status.Autoscaler }

// stale is how old what a leader saved is when something is wrong: it saves each minute or
// more often.
const stale = 3 * time.Minute

// print writes what there is to know of one process type, at most a screen.
func (d *described) print(w io.Writer, app string, now time.Time, zone *time.Location) {
	row := func(subject, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", subject, local(oneLine(fmt.Sprintf(format, args...)), now, zone))
	}
	who := d.Name
	if app != "" {
		who = app + "/" + d.Name
	}
	switch {
	case d.Size == nil:
		row(who, "the size is not known yet")
	default:
		row(who, "%s, bounds %d to %d%s", names.Count(*d.Size, "process", "processes"), d.Min, d.Max, d.starting())
	}
	row("why", "%s", d.why())
	if d.Command != "" {
		row("command", "%s", d.Command)
	}
	if d.Resumed != "" {
		row("command", "%s", d.Resumed)
	}
	if len(d.Measured) > 0 {
		row("measured", "%s", d.numbers())
	}
	if !d.Ticked.IsZero() {
		row("next", "%s", d.next(now, zone))
	}
	for _, c := range d.Conditions {
		seen := ""
		if c.Time.Before(d.Ticked) { // it ends if it is not seen for a while
			seen = ", last seen at " + clock(c.Time, now, zone)
		}
		row("holds", "%s, since %s%s: %s", c.Kind, clock(c.Since, now, zone), seen, strings.TrimPrefix(c.Text, d.Name+": "))
	}
	if d.Stalled != "" {
		row("stalled", "%s", d.Stalled)
	}
	if d.DryRun {
		row("dry run", "nothing is ordered")
	}
	if d.RecommendOnly {
		row("recommend only", "another autoscaler orders the size")
	}
	switch age := now.Sub(d.Ticked).Round(time.Second); {
	case d.Ticked.IsZero():
		row("tick", "none yet")
	case age > stale:
		row("tick", "%s ago: no process seems to lead, or its store fails. Check whether the service runs. %s led last, in term %d", age, d.Leader, d.Term)
	case d.Leader == "": // it has no Elector
		row("tick", "%s ago, at %s", max(age, 0), clock(d.Ticked, now, zone))
	default:
		row("tick", "%s ago, at %s, by %s in term %d", max(age, 0), clock(d.Ticked, now, zone), d.Leader, d.Term)
	}
}

func (d *described) starting() string {
	if d.Ready == nil || *d.Ready >= *d.Size {
		return ""
	}
	return fmt.Sprintf(", %d of them not ready", *d.Size-*d.Ready)
}

func (d *described) why() string {
	if d.Size == nil && d.Reason == "" && d.Error == "" {
		return "its first tick is under way, or has not begun"
	}
	return strings.TrimPrefix(d.Text, d.Name+": ")
}

func (d *described) numbers() string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d.Measured)) {
		v := d.Measured[name]
		switch name {
		case "latency", "queue_time", "service_time":
			all = append(all, fmt.Sprintf("%s %s", strings.ReplaceAll(name, "_", " "), names.Duration(time.Duration(v*float64(time.Second)))))
		case "throughput", "arrivals":
			all = append(all, fmt.Sprintf("%s %.4g/s", name, v))
		case "utilization":
			all = append(all, fmt.Sprintf("%s %.0f %%", name, 100*v))
		default:
			all = append(all, fmt.Sprintf("%s %.4g", name, v))
		}
	}
	return strings.Join(all, ", ")
}

// next says when processes can be added, and when they can be removed.
func (d *described) next(now time.Time, zone *time.Location) string {
	var by limit.Kind
	_ = by.UnmarshalText([]byte(d.Limit)) // a page of a later release may have another one
	until := holding.Until(by, d.Command != "")
	switch {
	case d.NextUp.IsZero() && d.NextDown.IsZero() && until != "":
		return "no processes are added or removed " + until
	case d.NextUp.Equal(d.NextDown):
		return "processes are added and removed " + possible(d.NextUp, now, zone)
	}
	return fmt.Sprintf("processes are added %s and removed %s", possible(d.NextUp, now, zone), possible(d.NextDown, now, zone))
}

// possible says when something may happen. Zero: at the next tick.
func possible(at, now time.Time, zone *time.Location) string {
	if !at.After(now) {
		return "at any tick"
	}
	return fmt.Sprintf("after %s (in %s)", clock(at, now, zone), names.Duration(at.Sub(now)))
}

// clock writes a time for people: without the date if that is today's.
func clock(t, now time.Time, zone *time.Location) string {
	t, now = t.In(zone), now.In(zone)
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05 MST")
	}
	return t.Format("Mon 2 Jan 15:04 MST")
}

// local writes the times in a sentence as clock does.
func local(text string, now time.Time, zone *time.Location) string {
	var b strings.Builder
	names.Times(text, func(s string) { b.WriteString(s) }, func(t time.Time) { b.WriteString(clock(t, now, zone)) })
	return b.String()
}

// oneLine keeps text of others from drawing on the terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, text)
}
