package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/limit"
)

const documentVersion = 1

// document is what --json prints, and what status.json of a page holds. Times are in RFC
// 3339 in UTC, and durations in seconds. What is not known is left out.
type document struct {
	Version     int         `json:"version"`
	Time        time.Time   `json:"time"`
	App         string      `json:"app,omitempty"`
	Autoscalers []described `json:"autoscalers"`
}

// described is what a document says of one process type.
type described struct {
	Name        string             `json:"name"`
	Text        string             `json:"text"`
	DryRun      bool               `json:"dry_run,omitempty"`
	Leader      string             `json:"leader,omitempty"`
	Term        int64              `json:"term,omitempty"`
	Age         float64            `json:"age_seconds,omitempty"`
	Ticked      time.Time          `json:"ticked,omitzero"`
	Size        *int               `json:"size,omitempty"`
	Ready       *int               `json:"ready,omitempty"`
	Min         int                `json:"min"`
	Max         int                `json:"max"`
	Recommended *int               `json:"recommended,omitempty"`
	Reason      string             `json:"reason,omitempty"`
	Limit       string             `json:"limit,omitempty"`
	Until       time.Time          `json:"until,omitzero"`
	NextUp      time.Time          `json:"next_up,omitzero"`
	NextDown    time.Time          `json:"next_down,omitzero"`
	Command     string             `json:"command,omitempty"`
	Stalled     string             `json:"stalled,omitempty"`
	Error       string             `json:"error,omitempty"`
	Boot        float64            `json:"boot_seconds,omitempty"`
	Budget      float64            `json:"budget_spent,omitempty"`
	Measured    map[string]float64 `json:"measured,omitempty"`
	Conditions  []happening        `json:"conditions"`
	Events      []happening        `json:"events"`
}

// happening is what a document says of an event.
type happening struct {
	Time  time.Time `json:"time"`
	Since time.Time `json:"since,omitzero"` // of a condition
	Kind  string    `json:"kind"`
	Phase string    `json:"phase,omitempty"` // of a condition
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

func describe(s autoscale.Status) described {
	d := described{
		Name: s.Name, Text: s.String(), DryRun: s.DryRun, Leader: s.Term.Holder, Term: s.Term.Number, Age: s.Age.Seconds(),
		Ticked: s.Ticked.UTC(), Min: s.Min, Max: s.Max, Until: s.Last.Until.UTC(), NextUp: s.Last.NextUp.UTC(), NextDown: s.Last.NextDown.UTC(),
		Command: s.Command, Stalled: s.Stalled, Boot: s.Last.Boot.Seconds(), Budget: s.Last.Spent,
		Measured: measured(s.Last.Sample), Conditions: happenings(s.Conditions), Events: happenings(s.Events),
	}
	if s.Known {
		ready := s.Capacity.Ready()
		d.Size, d.Ready = &s.Capacity.Desired, &ready
	}
	if s.Last.Recommendation.Act {
		d.Recommended = &s.Last.Recommendation.Size
	}
	if !s.Last.Decision.Reason.IsZero() {
		d.Reason = s.Last.Decision.Reason.String()
	}
	if s.Last.Limit != limit.None {
		d.Limit = s.Last.Limit.String()
	}
	if s.Last.Err != nil {
		d.Error = s.Last.Err.Error()
	}
	return d
}

// measured returns the numbers of a sample, by signal. Times are in seconds.
func measured(s autoscale.Sample) map[string]float64 {
	data, err := json.Marshal(s)
	var fields map[string]any
	if err != nil || json.Unmarshal(data, &fields) != nil {
		return nil
	}
	out := make(map[string]float64)
	for name := range strings.SplitSeq(s.Signals.String(), "|") {
		if v, ok := fields[name].(float64); ok {
			out[name] = v
		}
	}
	return out
}

func happenings(all []autoscale.Event) []happening {
	out := make([]happening, 0, len(all))
	for _, e := range all {
		h := happening{Time: e.Time.UTC(), Since: e.Since.UTC(), Kind: e.Kind.String(), Level: strings.ToLower(e.Level().String()), Text: e.String()}
		if e.Phase != autoscale.Occurred {
			h.Phase = e.Phase.String()
		}
		out = append(out, h)
	}
	return out
}

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
	if len(d.Measured) > 0 {
		row("measured", "%s", d.numbers())
	}
	if !d.Ticked.IsZero() {
		row("next", "processes are added %s and removed %s", possible(d.NextUp, now, zone), possible(d.NextDown, now, zone))
	}
	for _, c := range d.Conditions {
		row("holds", "%s, since %s: %s", c.Kind, clock(c.Since, now, zone), strings.TrimPrefix(c.Text, d.Name+": "))
	}
	if d.Stalled != "" {
		row("stalled", "%s", d.Stalled)
	}
	if d.DryRun {
		row("dry run", "nothing is ordered")
	}
	switch age := now.Sub(d.Ticked).Round(time.Second); {
	case d.Ticked.IsZero():
		row("tick", "none yet")
	case age > stale:
		row("tick", "%s ago: no process seems to lead, or its store fails. Look whether the service runs. %s led last, in term %d", age, d.Leader, d.Term)
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

var inUTC = regexp.MustCompile(`\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)

// local writes the times in a sentence as clock does.
func local(text string, now time.Time, zone *time.Location) string {
	return inUTC.ReplaceAllStringFunc(text, func(s string) string {
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return s
		}
		return clock(t, now, zone)
	})
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
