package status

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/advice"
	"github.com/autoscalebot/autoscale/internal/chart"
	"github.com/autoscalebot/autoscale/internal/holding"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/internal/published"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"clock": clock, "timed": timed}).Parse(pageText + chart.Template))

// view is the data of the template.
type view struct {
	Title   string
	Now     time.Time
	Control bool
	Panels  []panel
	Shown   int
	Left    int // how many more there are
}

// panel shows one Autoscaler.
type panel struct {
	autoscale.Status
	Sentence  string
	Size      string // "not known" if it is not
	Ready     int
	Published string
	Leader    string
	Known     string // where what is shown comes from
	Figures   []figure
	Why       []step
	Charts    []chart.Chart
	NoPast    string // why there are no charts
	Advice    []advice.Advice
	Shares    []autoscale.Share
	NoShares  string // why they are not known
	Recent    []autoscale.Event
}

// figure is a number with its name.
type figure struct {
	Name, Value string
	Time        time.Time // instead of Value
}

// step is one line of the table that says how the last tick came to its decision.
type step struct{ Who, Size, Why string }

func (p *Page) servePage(w http.ResponseWriter, r *http.Request, _ string) {
	name := "page"
	if r.URL.Query().Get("part") == "main" {
		name = "main"
	}
	v := view{Title: p.opts.Title, Now: time.Now().UTC(), Control: p.opts.Control}
	shown, left := p.shown(r)
	v.Shown, v.Left = len(shown), left
	ctx, cancel := p.refresh(r.Context(), shown)
	defer cancel()
	for _, a := range shown {
		v.Panels = append(v.Panels, p.panel(ctx, a, v.Now))
	}
	var page bytes.Buffer
	if err := pageTemplate.ExecuteTemplate(&page, name, v); err != nil {
		http.Error(w, "status: the page cannot be drawn: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(page.Bytes())
}

func (p *Page) panel(ctx context.Context, a *autoscale.Autoscaler, now time.Time) panel {
	s := a.Status()
	out := panel{Status: s, Sentence: strings.TrimPrefix(s.String(), s.Name+": "), Size: "not known", Ready: s.Capacity.Ready(), Published: "not known", Leader: s.Term.Holder, Recent: slices.Clone(s.Events)}
	slices.Reverse(out.Recent)
	if s.Known {
		out.Size = fmt.Sprint(s.Capacity.Desired)
	}
	if size, err := published.Size(s, now, p.opts.StaleAfter); err == nil {
		out.Published = fmt.Sprint(size)
	}
	switch {
	case s.Leading && s.Term.Number > 0:
		out.Known = "This process leads."
	case s.Leading:
		out.Known = "This process acts. It has no Elector: every copy does."
	case s.Age > 0:
		out.Known = fmt.Sprintf("Another process leads. It saved this %s ago.", names.Duration(s.Age.Round(time.Second)))
	case errors.Is(s.Last.Err, autoscale.ErrStoreSilent):
		out.Known = "Nothing is known yet: the Store has not answered since this process started."
	case s.Term.Holder != "":
		out.Known = fmt.Sprintf("The process %s leads, or led last, and has saved nothing yet.", s.Term.Holder)
	case s.Ticked.IsZero():
		out.Known = "Nothing is known yet: this process has not led, and has read nothing of a leader."
	default:
		out.Known = "This process does not lead, and there is no Store: this is what it knew when it last led."
	}
	out.Figures = figures(s)
	out.Why = why(s.Last)
	c := p.read(ctx, a)
	out.Charts, out.NoPast, out.Shares, out.NoShares = c.charts, c.noPast, c.shares, c.noShares
	out.Advice = c.advice
	return out
}

func figures(s autoscale.Status) []figure {
	out := []figure{{Name: "bounds", Value: fmt.Sprintf("%d to %d", s.Min, s.Max)}}
	add := func(name, value string) { out = append(out, figure{Name: name, Value: value}) }
	at := func(name string, t time.Time) {
		if !t.IsZero() {
			out = append(out, figure{Name: name, Time: t.UTC()})
		}
	}
	add("rule", s.Rule)
	add("measured", s.Last.Sample.String())
	if s.Last.Boot > 0 {
		add("boot time", names.Duration(s.Last.Boot))
	}
	if s.Last.Spent > 0 {
		add("budget spent", fmt.Sprintf("%.0f %%", 100*s.Last.Spent))
	}
	at("size changed", s.Changed)
	if until := holding.Until(s.Last.Limit, s.Command != ""); until != "" && s.Last.NextUp.IsZero() && s.Last.NextDown.IsZero() {
		add("may change", "not "+until)
	}
	at("may add from", s.Last.NextUp)
	at("may remove from", s.Last.NextDown)
	at("last tick", s.Ticked)
	if s.Term.Holder != "" {
		add("leader", fmt.Sprintf("%s, term %d", s.Term.Holder, s.Term.Number))
	}
	c := s.Counters
	add("this process", fmt.Sprintf("%d ticks, %d orders, %d notices, %d of them lost", c.Ticks, c.Scales, c.Notified+c.NotifyFailures, c.NotifyFailures+c.Dropped))
	return out
}

func why(e autoscale.Explanation) []step {
	var out []step
	size := func(d autoscale.Decision) string {
		if d.Act {
			return fmt.Sprint(d.Size)
		}
		return "hold"
	}
	reason := func(d autoscale.Decision) string {
		if d.Reason.IsZero() {
			return ""
		}
		return d.Reason.String()
	}
	for _, r := range e.Rules {
		out = append(out, step{"rule " + r.Rule, size(r.Decision), reason(r.Decision)})
	}
	out = append(out, step{"recommendation", size(e.Recommendation), reason(e.Recommendation)})
	for _, a := range e.Adjustments {
		text := fmt.Sprintf("instead of %d", a.From)
		if !a.Until.IsZero() {
			text += ", until " + a.Until.UTC().Format(time.RFC3339)
		}
		out = append(out, step{"limit " + a.By.String(), fmt.Sprint(a.To), text})
	}
	came := "the size is left alone"
	if e.Decision.Act {
		came = fmt.Sprintf("ordered instead of %d", e.From)
	}
	return append(out, step{"decision", fmt.Sprint(e.Decision.Size), came})
}
