package autoscale

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/limit"
)

// MarshalJSON writes the event for machines: names in snake case, and times in RFC 3339
// in UTC. Most zero fields are left out. "text" is the sentence of [Event.String]. Later
// releases may add fields, and will not change the meaning of these.
func (e Event) MarshalJSON() ([]byte, error) {
	out := struct {
		Kind        EventKind  `json:"kind"`
		Phase       Phase      `json:"phase"`
		Level       string     `json:"level"`
		Time        time.Time  `json:"time"`
		Name        string     `json:"name"`
		Text        string     `json:"text"`
		From        int        `json:"from"`
		To          int        `json:"to"`
		Min         int        `json:"min"`
		Max         int        `json:"max"`
		Recommended *int       `json:"recommended,omitempty"`
		Code        ReasonCode `json:"reason_code,omitempty"`
		Reason      string     `json:"reason,omitempty"`
		Limit       string     `json:"limit,omitempty"`
		Until       time.Time  `json:"until,omitzero"`
		Since       time.Time  `json:"since,omitzero"`
		Count       int        `json:"count,omitempty"`
		Error       string     `json:"error,omitempty"`
		Detail      string     `json:"detail,omitempty"`
		DryRun      bool       `json:"dry_run,omitempty"`
		Sample      *Sample    `json:"sample,omitempty"`
	}{
		Kind: e.Kind, Phase: e.Phase, Level: strings.ToLower(e.Level().String()), Time: e.Time.UTC(), Name: e.Name, Text: e.String(),
		From: e.From, To: e.To, Min: e.Min, Max: e.Max, Code: e.Decision.Reason.Code,
		Until: e.Until.UTC(), Since: e.Since.UTC(), Count: e.Count, Detail: e.Detail, DryRun: e.DryRun,
	}
	if e.Decision.Act {
		out.Recommended = &e.Decision.Size
	}
	if !e.Decision.Reason.IsZero() {
		out.Reason = e.Decision.Reason.String()
	}
	if e.Limit != limit.None {
		out.Limit = e.Limit.String()
	}
	out.Error = message(e.Err)
	if e.Sample.Signals != 0 || e.Sample.Failure != NoFailure {
		out.Sample = &e.Sample
	}
	return json.Marshal(out)
}

// MarshalJSON writes the snapshot for machines, like [Event.MarshalJSON]. "text" is the
// sentence of [Status.String].
func (s Status) MarshalJSON() ([]byte, error) {
	out := struct {
		Name          string             `json:"name"`
		Text          string             `json:"text"`
		Running       bool               `json:"running"`
		DryRun        bool               `json:"dry_run,omitempty"`
		RecommendOnly bool               `json:"recommend_only,omitempty"`
		Rule          string             `json:"rule,omitempty"`
		Leading       bool               `json:"leading"`
		Holder        string             `json:"holder,omitempty"`
		Term          int64              `json:"term,omitempty"`
		Age           float64            `json:"age_seconds,omitempty"`
		Command       string             `json:"command,omitempty"`
		Resumed       string             `json:"resumed,omitempty"`
		Ticked        time.Time          `json:"ticked,omitzero"`
		Size          *int               `json:"size,omitempty"` // left out until it is known
		Pending       int                `json:"pending,omitempty"`
		Changed       time.Time          `json:"changed,omitzero"`
		Min           int                `json:"min"`
		Max           int                `json:"max"`
		Boot          float64            `json:"boot_seconds,omitempty"`
		Recommended   *int               `json:"recommended,omitempty"` // left out: hold
		Reason        string             `json:"reason,omitempty"`
		Rules         []Recommendation   `json:"rules,omitempty"`
		Limit         string             `json:"limit,omitempty"`
		Adjustments   []limit.Adjustment `json:"adjustments,omitempty"`
		Until         time.Time          `json:"until,omitzero"`
		NextUp        time.Time          `json:"next_up,omitzero"`
		NextDown      time.Time          `json:"next_down,omitzero"`
		Spent         float64            `json:"budget_spent,omitempty"`
		Error         string             `json:"error,omitempty"`
		Stalled       string             `json:"stalled,omitempty"`
		Samples       []Sample           `json:"samples"`
		Conditions    []Event            `json:"conditions"`
		Events        []Event            `json:"events"`
		Counters      Counters           `json:"counters"`
	}{
		Name: s.Name, Text: s.String(), Running: s.Running, DryRun: s.DryRun, RecommendOnly: s.RecommendOnly, Rule: s.Rule,
		Leading: s.Leading, Holder: s.Term.Holder, Term: s.Term.Number, Age: s.Age.Seconds(), Command: s.Command, Resumed: s.Resumed,
		Ticked: s.Ticked.UTC(), Pending: s.Capacity.Pending, Changed: s.Changed.UTC(), Min: s.Min, Max: s.Max,
		Boot: s.Last.Boot.Seconds(), Rules: s.Last.Rules, Adjustments: s.Last.Adjustments,
		Until: s.Last.Until.UTC(), NextUp: s.Last.NextUp.UTC(), NextDown: s.Last.NextDown.UTC(), Spent: s.Last.Spent, Error: message(s.Last.Err), Stalled: s.Stalled,
		Samples: s.Samples, Conditions: s.Conditions, Events: s.Events, Counters: s.Counters,
	}
	if s.Known {
		out.Size = &s.Capacity.Desired
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
	return json.Marshal(out)
}

// MarshalJSON writes only the signals that were measured. Times are in seconds.
func (s Sample) MarshalJSON() ([]byte, error) { return json.Marshal(newSampleOut(s)) }

// UnmarshalJSON reads what MarshalJSON writes.
func (s *Sample) UnmarshalJSON(data []byte) error {
	var in sampleOut
	if err := json.Unmarshal(data, &in); err != nil {
		return err
	}
	*s = Sample{
		Time: in.Time, Ready: in.Ready, Peak: in.Peak, PoolWaiting: in.PoolWaiting, Requests: in.Requests, Detail: in.Detail,
		Span: time.Duration(math.Round(in.Span * float64(time.Second))),
	}
	for i, field := range in.fields() {
		if *field != nil {
			s.put(Signals(1)<<i, **field)
		}
	}
	if in.Failure == "" {
		return nil
	}
	return s.Failure.UnmarshalText([]byte(in.Failure))
}

// jsonNumber returns v, or 0 if JSON cannot represent it.
func jsonNumber(v float64) float64 {
	if v-v != 0 {
		return 0
	}
	return v
}

// sampleOut is a Sample in JSON.
type sampleOut struct {
	Time        time.Time `json:"time"`
	Latency     *float64  `json:"latency,omitempty"`
	QueueTime   *float64  `json:"queue_time,omitempty"`
	ServiceTime *float64  `json:"service_time,omitempty"`
	Throughput  *float64  `json:"throughput,omitempty"`
	Arrivals    *float64  `json:"arrivals,omitempty"`
	Busy        *float64  `json:"busy,omitempty"`
	Utilization *float64  `json:"utilization,omitempty"`
	Backlog     *float64  `json:"backlog,omitempty"`
	Value       *float64  `json:"value,omitempty"`
	Peak        float64   `json:"peak,omitempty"`
	PoolWaiting float64   `json:"pool_waiting,omitempty"`
	Requests    float64   `json:"requests,omitempty"`
	Ready       float64   `json:"ready,omitempty"`
	Span        float64   `json:"span,omitempty"`
	Failure     string    `json:"failure,omitempty"`
	Detail      string    `json:"detail,omitempty"`
}

// fields returns the fields of the signals, in their order.
func (o *sampleOut) fields() [len(signalNames)]**float64 {
	return [...]**float64{
		&o.Latency, &o.QueueTime, &o.ServiceTime, &o.Throughput, &o.Arrivals, &o.Busy, &o.Utilization, &o.Backlog, &o.Value,
	}
}

func newSampleOut(s Sample) sampleOut {
	out := sampleOut{
		Time: s.Time.UTC(), Ready: jsonNumber(s.Ready), Peak: jsonNumber(s.Peak), PoolWaiting: jsonNumber(s.PoolWaiting), Requests: jsonNumber(s.Requests),
		Span: s.Span.Seconds(), Detail: s.Detail,
	}
	for i, field := range out.fields() {
		signal := Signals(1) << i
		if !s.Signals.Has(signal) {
			continue
		}
		if v := s.value(signal); v-v == 0 { // JSON has neither NaN nor infinity
			*field = &v
		}
	}
	if s.Failure != NoFailure {
		out.Failure = s.Failure.String()
	}
	return out
}
