package status

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/published"
	"github.com/autoscalebot/autoscale/limit"
)

// version grows when the meaning of a field changes, or a field goes. New fields may come
// without it.
const version = 1

// A Document is the content of status.json. Times are in RFC 3339 in UTC, and durations
// in seconds. A field that is not known is left out.
type Document struct {
	Version     int          `json:"version"` // 1
	Time        time.Time    `json:"time"`    // when the document was made, by the clock of this process
	Autoscalers []Autoscaler `json:"autoscalers"`
	Left        int          `json:"left,omitempty"` // how many more there are: ask for status.json?name=
}

// An Autoscaler is the part of a [Document] about one process type.
type Autoscaler struct {
	Name          string `json:"name"` // the process type
	Text          string `json:"text"` // the last tick in one sentence
	Rule          string `json:"rule,omitempty"`
	Running       bool   `json:"running"`
	DryRun        bool   `json:"dry_run"`
	RecommendOnly bool   `json:"recommend_only"` // another autoscaler orders the published size
	Leading       bool   `json:"leading"`        // the process that answers leads

	Leader string  `json:"leader,omitempty"`      // the process that leads
	Term   int64   `json:"term,omitempty"`        // the number of its term
	Age    float64 `json:"age_seconds,omitempty"` // of what it saved, if another process leads

	Ticked      time.Time `json:"ticked,omitzero"` // the last tick
	Size        *int      `json:"size,omitempty"`
	Ready       *int      `json:"ready,omitempty"` // of these, how many serve
	Min         int       `json:"min"`
	Max         int       `json:"max"`
	Recommended *int      `json:"recommended,omitempty"`    // by the rule, before the limits. Left out: hold
	Published   *int      `json:"published_size,omitempty"` // the size to run; see PublishedSize
	Reason      string    `json:"reason,omitempty"`
	Limit       string    `json:"limit,omitempty"` // the limit that decided
	Until       time.Time `json:"until,omitzero"`  // until when it holds
	NextUp      time.Time `json:"next_up,omitzero"`
	NextDown    time.Time `json:"next_down,omitzero"`
	Command     string    `json:"command,omitempty"` // that a person gave, and who
	Resumed     string    `json:"resumed,omitempty"` // when a person ended a pause or an override, and who. For a day
	Stalled     string    `json:"stalled,omitempty"`
	Error       string    `json:"error,omitempty"`

	Boot   float64 `json:"boot_seconds,omitempty"`
	Budget float64 `json:"budget_spent,omitempty"` // the share, 0 to 1

	Measured   map[string]float64 `json:"measured,omitempty"` // by signal
	Conditions []Event            `json:"conditions"`         // that hold
	Events     []Event            `json:"events"`             // the last ones, oldest first
	Advice     []Advice           `json:"advice"`             // that the history gives; see package advice
}

// Advice is one piece of advice in a [Document].
type Advice struct {
	Code     string `json:"code"`
	Evidence string `json:"evidence"`
	Do       string `json:"do"`
}

// An Event is an event in a [Document].
type Event struct {
	Time  time.Time `json:"time"`
	Since time.Time `json:"since,omitzero"` // of a condition
	Kind  string    `json:"kind"`
	Phase string    `json:"phase,omitempty"` // of a condition
	Level string    `json:"level"`
	Text  string    `json:"text"`
}

// A PublishedSize is the content of size.json: the size that an autoscaler of the
// platform is to run. That may be KEDA's metrics-api scaler, with valueLocation
// "published_size" and targetValue "1". If the size is not known, or the last tick is
// older than [Options.StaleAfter], the status is 503, and Error says why. If there are
// several Autoscalers, the query must name one, as size.json?name=web.
type PublishedSize struct {
	Version   int       `json:"version"`
	Name      string    `json:"name,omitempty"`
	Published *int      `json:"published_size,omitempty"`
	Ticked    time.Time `json:"ticked,omitzero"`
	Error     string    `json:"error,omitempty"`
}

func (p *Page) serveJSON(w http.ResponseWriter, r *http.Request, _ string) {
	now := time.Now()
	d := Document{Version: version, Time: now.UTC(), Autoscalers: []Autoscaler{}}
	shown, left := p.shown(r)
	d.Left = left
	ctx, cancel := p.refresh(r.Context(), shown)
	defer cancel()
	for _, a := range shown {
		s := a.Status()
		out := Describe(s)
		if size, err := published.Size(s, now, p.opts.StaleAfter); err == nil {
			out.Published = &size
		}
		for _, each := range p.read(ctx, a).advice {
			out.Advice = append(out.Advice, Advice(each))
		}
		d.Autoscalers = append(d.Autoscalers, out)
	}
	writeJSON(w, http.StatusOK, d)
}

func (p *Page) serveSize(w http.ResponseWriter, r *http.Request, _ string) {
	name, all := r.URL.Query().Get("name"), p.source.Members()
	for _, a := range all {
		if a.Name() != name && (name != "" || len(all) > 1) {
			continue
		}
		s := a.Status()
		out := PublishedSize{Version: version, Name: s.Name, Ticked: s.Ticked.UTC()}
		size, err := published.Size(s, time.Now(), p.opts.StaleAfter)
		if err != nil {
			out.Error = err.Error()
			writeJSON(w, http.StatusServiceUnavailable, out)
			return
		}
		out.Published = &size
		writeJSON(w, http.StatusOK, out)
		return
	}
	names := make([]string, min(len(all), maxShown))
	for i := range names {
		names[i] = all[i].Name()
	}
	fault := fmt.Sprintf("there is no autoscaler of the process type %.40q", name)
	if name == "" && len(all) > 1 {
		fault = "there are several process types"
	}
	writeJSON(w, http.StatusNotFound, PublishedSize{Version: version, Error: fmt.Sprintf("%s: ask for size.json?name= and one of %q", fault, names)})
}

// Describe returns the part of a [Document] about s, without a published size and without
// advice.
func Describe(s autoscale.Status) Autoscaler {
	out := Autoscaler{
		Name: s.Name, Text: s.String(), Rule: s.Rule, Running: s.Running, DryRun: s.DryRun, RecommendOnly: s.RecommendOnly, Leading: s.Leading,
		Leader: s.Term.Holder, Term: s.Term.Number, Age: s.Age.Seconds(), Ticked: s.Ticked.UTC(), Min: s.Min, Max: s.Max,
		Until: s.Last.Until.UTC(), NextUp: s.Last.NextUp.UTC(), NextDown: s.Last.NextDown.UTC(),
		Command: s.Command, Resumed: s.Resumed, Stalled: s.Stalled, Boot: s.Last.Boot.Seconds(), Budget: s.Last.Spent,
		Measured: measured(s.Last.Sample), Conditions: events(s.Conditions), Events: events(s.Events), Advice: []Advice{},
	}
	if s.Known {
		ready := s.Capacity.Ready()
		out.Size, out.Ready = &s.Capacity.Desired, &ready
	}
	if s.Last.Recommendation.Act {
		out.Recommended = &s.Last.Recommendation.Size
	}
	if !s.Last.Decision.Reason.IsZero() {
		out.Reason = s.Last.Decision.Reason.String()
	}
	if s.Last.Limit != limit.None {
		out.Limit = s.Last.Limit.String()
	}
	if s.Last.Err != nil {
		out.Error = s.Last.Err.Error()
	}
	return out
}

// measured returns the numbers of a sample, by signal. Times are in seconds.
func measured(s autoscale.Sample) map[string]float64 {
	data, err := json.Marshal(s)
	if err != nil {
		return nil
	}
	var fields map[string]any
	if json.Unmarshal(data, &fields) != nil {
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

func events(all []autoscale.Event) []Event {
	out := make([]Event, 0, len(all))
	for _, e := range all {
		event := Event{Time: e.Time.UTC(), Since: e.Since.UTC(), Kind: e.Kind.String(), Level: strings.ToLower(e.Level().String()), Text: e.String()}
		if e.Phase != autoscale.Occurred {
			event.Phase = e.Phase.String()
		}
		out = append(out, event)
	}
	return out
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, "status: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}
