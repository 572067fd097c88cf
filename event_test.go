package autoscale_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
)

// The time that is left is in whole seconds, and never over before it is.
func TestTimeLeft(t *testing.T) {
	now := time.Date(2026, 1, 2, 9, 0, 0, 0, time.UTC)
	for by, want := range map[limit.Kind]string{
		limit.ByStabilization:      "which lasts 1s more",
		limit.ByCooldown:           "the cooldown lasts 1s more",
		limit.ByDiminishingReturns: "It will try one more in 1s",
	} {
		e := autoscale.Event{
			Kind: autoscale.Decided, Time: now, From: 3, To: 3, Limit: by, Until: now.Add(822 * time.Microsecond),
			Decision: autoscale.Decision{Act: true, Size: 2, Reason: autoscale.Reason{Code: "few"}},
		}
		if text := e.String(); !strings.Contains(text, want) {
			t.Errorf("%v: %s, want %q", by, text, want)
		}
	}
}

func TestEvents(t *testing.T) {
	reason := autoscale.Reason{Code: autoscale.ReasonTooHigh, Detail: autoscale.ReasonText("latency 2s is above 1s, 3 times in a row (3 needed)")}
	base := autoscale.Event{Time: start, Name: "web", From: 2, To: 2, Min: 1, Max: 3, Decision: autoscale.Decision{Act: true, Size: 3, Reason: reason}}
	event := func(kind autoscale.EventKind, change func(*autoscale.Event)) autoscale.Event {
		e := base
		e.Kind = kind
		if change != nil {
			change(&e)
		}
		return e
	}
	for _, tt := range []struct {
		e     autoscale.Event
		level slog.Level
		want  string
	}{
		{event(autoscale.Scaled, func(e *autoscale.Event) { e.To = 3 }), slog.LevelInfo, "web: scaled from 2 to 3 (bounds 1 to 3): latency 2s is above 1s, 3 times in a row (3 needed)"},
		{event(autoscale.ScaleFailed, func(e *autoscale.Event) { e.Count, e.Err = 2, errors.New("401") }), slog.LevelWarn, "web: could not read or set the size (2 in a row); the next tick tries again: 401"},
		{event(autoscale.Changed, func(e *autoscale.Event) { e.To = 7 }), slog.LevelInfo, "web: somebody else changed the size from 2 to 7; the sample count restarts"},
		{event(autoscale.NeedsAboveMax, func(e *autoscale.Event) { e.Phase = autoscale.Began }), slog.LevelWarn, "web: at the maximum of 3 processes, but more are needed: latency 2s is above 1s, 3 times in a row (3 needed)"},
		{event(autoscale.NeedsAboveMax, func(e *autoscale.Event) {
			e.Phase, e.Since = autoscale.Ended, start.Add(-90*time.Minute)
		}), slog.LevelInfo, "web: resolved: more processes were needed than the maximum permits (it began 1h30m ago)"},
		{event(autoscale.ProbeFailing, func(e *autoscale.Event) {
			e.Phase, e.Since, e.Count, e.Err = autoscale.Repeated, start.Add(-time.Hour), 120, errors.New("404")
		}), slog.LevelWarn, "web: 120 probes in a row measured nothing; the size is held until one does; check the prober: 404 (for 1h00m now)"},
		{event(autoscale.LimitReached, func(e *autoscale.Event) { e.From, e.To, e.Until = 20, 10, e.Time.Add(5*time.Minute) }), slog.LevelWarn, "web: the platform permits 10 processes, but 20 were ordered; no more than that is ordered for 5m00s"},
		{event(autoscale.Paused, func(e *autoscale.Event) { e.Limit = limit.ByMaintenance }), slog.LevelInfo, "web: the application is in maintenance, and the size is held at 2"},
		{event(autoscale.Paused, func(e *autoscale.Event) {
			e.Limit, e.Detail = limit.ByPause, "paused until 2026-11-27T09:50:02Z (by ada)"
		}), slog.LevelInfo, "web: the size is held at 2; paused until 2026-11-27T09:50:02Z (by ada)"},
		{event(autoscale.Paused, func(e *autoscale.Event) { e.Limit = limit.ByPause }), slog.LevelInfo, "web: paused; the size is held at 2"},
		{event(autoscale.Paused, func(e *autoscale.Event) { e.Limit, e.From, e.To = limit.ByPause, 0, 0 }), slog.LevelInfo, "web: the size was set to 0 by hand, which pauses"},
		{event(autoscale.WarmingUp, nil), slog.LevelInfo, "web: the prober is warming up; the size is held until it measures something"},
		{event(autoscale.Decided, func(e *autoscale.Event) { e.Limit, e.Until = limit.ByCooldown, start.Add(90*time.Second) }), slog.LevelDebug, "web: stay at 2: latency 2s is above 1s, 3 times in a row (3 needed); 3 recommended, but the cooldown lasts 1m30s more"},
	} {
		if got := tt.e.String(); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
		if got := tt.e.Level(); got != tt.level {
			t.Errorf("%v: level %v, want %v", tt.e.Kind, got, tt.level)
		}
	}
}

func TestEventJSON(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	e := autoscale.Event{
		Kind: autoscale.ScaleFailing, Phase: autoscale.Began, Time: start.In(berlin), Since: start.In(berlin), Name: "web", From: 2, To: 3, Min: 1, Max: 5,
		Decision: autoscale.Decision{Act: true, Size: 3, Reason: autoscale.Reason{Code: "mine", Detail: autoscale.ReasonText("because")}},
		Limit:    limit.ByStep, Count: 3, Err: errors.New("no"),
		Sample: autoscale.Sample{Time: start, Signals: autoscale.SignalLatency | autoscale.SignalValue, Latency: 1500 * ms, Value: math.NaN(), Failure: autoscale.Timeout},
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"kind": "scale_failing", "phase": "began", "level": "warn", "time": "2026-03-02T00:00:00Z", "since": "2026-03-02T00:00:00Z", "name": "web",
		"text": "web: could not read or set the size 3 times in a row; the service keeps its size until the platform answers: no",
		"from": 2., "to": 3., "min": 1., "max": 5., "recommended": 3., "reason_code": "mine", "reason": "because", "limit": "step", "count": 3., "error": "no",
		"sample": map[string]any{"time": "2026-03-02T00:00:00Z", "latency": 1.5, "failure": "timeout"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStatusJSON(t *testing.T) {
	r := newRig(t, nil)
	for range 5 {
		r.gauge.sample = autoscale.Sample{Signals: autoscale.SignalLatency | autoscale.SignalValue, Latency: slow, Value: math.Inf(-1)}
		r.tick()
	}
	r.platform.readErr = errors.New("503")
	r.tick()
	text, err := json.Marshal(r.a.Status())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Size     int
		Error    string
		Samples  []struct{ Latency float64 }
		Events   []struct{ Kind, Text string }
		Counters map[string]int
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Size != 2 || got.Error != "autoscale: read the size of web: 503" || got.Samples[0].Latency != 2 || got.Events[0].Kind != "scaled" || got.Counters["scale_failures"] != 1 {
		t.Errorf("%s", text)
	}
}

func TestDryRunOutsideBounds(t *testing.T) {
	r := newRig(t, func(c *autoscale.Config) { c.DryRun, c.NotifyOn = true, autoscale.Scaled })
	r.platform.set(9)
	r.ticks(100)
	if n := len(r.notified); n > 2 {
		t.Errorf("notified of %d times", n)
	}
}

func TestNoKindsText(t *testing.T) {
	text, _ := autoscale.NoKinds.MarshalText()
	var k autoscale.EventKind
	if err := k.UnmarshalText(text); err != nil || k != autoscale.NoKinds {
		t.Errorf("%s reads as %d, %v: NotifyOn is then DefaultKinds", text, k, err)
	}
}

// A number is followed by a noun that fits it.
func TestEventCounts(t *testing.T) {
	for _, tt := range []struct {
		kind  autoscale.EventKind
		count int
		want  string
	}{
		{autoscale.ProbeFailing, 1, "1 probe in a row"},
		{autoscale.ProbeFailing, 3, "3 probes in a row"},
		{autoscale.ScaleFailing, 1, "1 time in a row"},
		{autoscale.ScaleFailing, 3, "3 times in a row"},
		{autoscale.NotifyFailed, 1, "1 notification failed or was dropped"},
		{autoscale.Ineffective, 1, "1 increase in a row"},
	} {
		e := autoscale.Event{Kind: tt.kind, Name: "web", Count: tt.count}
		if !strings.Contains(e.String(), tt.want) {
			t.Errorf("%q, want %q in it", e, tt.want)
		}
	}
}
