package autoscale_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
)

func TestValidateReportsAllFaults(t *testing.T) {
	err := autoscale.Config{
		Prober:    &probe.HTTP{URL: "ftp://user:secret@host/x?token=secret", Timeout: -1},
		Decider:   autoscale.Highest(autoscale.Consecutive{Low: time.Second, High: time.Millisecond}, rule.Average{N: -1, Increment: -2}, nil),
		Scaler:    (*platform)(nil),
		Min:       autoscale.Daily(time.UTC, map[string]int{"25:00": 1, "9:00": -4}),
		Max:       autoscale.Fixed(-1),
		Interval:  -time.Second,
		Timeout:   -time.Second,
		Limits:    limit.Limits{Up: limit.Behavior{Cooldown: -1}, Down: limit.Behavior{Step: -1}},
		Notifiers: []autoscale.Notifier{nil, autoscale.NotifierFunc(nil)},
		NotifyOn:  1<<30 | autoscale.NoKinds,
		NotifyDiff: autoscale.Diff{
			Threshold: 3,
		},
	}.Validate()
	if !errors.Is(err, autoscale.ErrConfig) {
		t.Fatalf("error %v does not wrap ErrConfig", err)
	}
	for _, want := range []string{
		"Prober: probe.HTTP.URL ftp://host/x", "probe.HTTP.Timeout is -1ns",
		"Highest: decider 1: Consecutive.Low is 1s and High is 1ms", "Highest: decider 2: Average.N is -1",
		"Average.Increment is -2", "Highest: decider 3 is nil", "Scaler is a nil *autoscale_test.platform",
		`Min: "25:00" is not a time of day`, `the entry for "9:00" is -4`, "Max: -1 processes", "Interval is -1s", "Timeout is -1s",
		"Limits.Up.Cooldown is -1ns", "Limits.Down.Step is -1", "Notifiers[0] is nil", "Notifiers[1] is a nil autoscale.NotifierFunc",
		"NotifyOn has the unknown bits 0x40000000", "NotifyDiff is 3 processes in 0s",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error holds a secret:\n%v", err)
	}
}

// Validate looks from now on, so that the moment it names depends on the time of
// day: a bubble's clock is always the same.
func TestValidateBounds(t *testing.T) { synctest.Test(t, testValidateBounds) }

func testValidateBounds(t *testing.T) {
	berlin, tokyo := zone(t, "Europe/Berlin"), zone(t, "Asia/Tokyo")
	day := map[string]int{"0:00": 2, "9:00": 5, "17:00": 2}
	for _, tt := range []struct {
		name     string
		min, max autoscale.Schedule
		want     string // "": fine
	}{
		{"unset", autoscale.Schedule{}, autoscale.Schedule{}, ""},
		{"zero", autoscale.Fixed(0), autoscale.Fixed(0), ""},
		{"fixed", autoscale.Fixed(4), autoscale.Fixed(3), "Min is 4 and Max is 3: Min must not be above Max"},
		{"default max", autoscale.Fixed(4), autoscale.Schedule{}, "Min is 4 and Max is 3"},
		{"in the day", autoscale.Daily(berlin, day), autoscale.Fixed(4), "at 09:00 CE"},
		{"touching", autoscale.Daily(berlin, day), autoscale.Daily(berlin, day), ""},
		{"on Sunday", autoscale.Fixed(3), autoscale.Weekly(berlin, map[time.Weekday]map[string]int{time.Sunday: {"3:00": 2}, time.Monday: {"3:00": 4}}), "Sunday at 03:00"},
		{"zones apart", autoscale.Daily(berlin, day), autoscale.Daily(tokyo, day), "Min is 5 and Max is 2"},
		{"zones whose difference changes", autoscale.Daily(berlin, map[string]int{"0:00": 1, "9:00": 5, "15:00": 1}), autoscale.Daily(tokyo, map[string]int{"0:00": 5, "23:00": 1, "23:30": 5}), ""},
		{"only in winter", autoscale.Daily(berlin, map[string]int{"0:00": 1, "9:00": 5, "15:00": 1}), autoscale.Daily(tokyo, map[string]int{"0:00": 5, "22:00": 1, "22:30": 5}), "Min is 5 and Max is 1"},
	} {
		err := autoscale.Config{Prober: &gauge{}, Scaler: &platform{}, Min: tt.min, Max: tt.max}.Validate()
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v does not say %q", tt.name, err, tt.want)
		}
	}
}

// faulty is a part whose Validate fails or panics.
type faulty struct {
	autoscale.Scaler
	err error
}

func (f faulty) Validate() error {
	if f.err == nil {
		panic("bad validator")
	}
	return f.err
}

func TestValidateAsksTheParts(t *testing.T) {
	own := errors.New("no such app")
	err := autoscale.Config{Prober: &gauge{}, Scaler: faulty{err: own}}.Validate()
	if !errors.Is(err, own) || !strings.Contains(err.Error(), "Scaler: no such app") {
		t.Errorf("error %v", err)
	}
	err = autoscale.Config{Prober: &gauge{}, Scaler: faulty{}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "its Validate or Unwrap panicked: bad validator") {
		t.Errorf("error %v", err)
	}
}

// TestNoFieldIsLost sets every field and looks whether New and its defaults
// keep it: an Autoscaler behaves as its Config says.
func TestNoFieldIsLost(t *testing.T) {
	store := new(registry).seat("web.1")
	store.lead()
	cfg := autoscale.Config{
		Name: "worker", Prober: &gauge{sample: latency(slow)}, Scaler: &platform{size: 2},
		Decider: autoscale.Consecutive{UpAfter: 1}, Min: autoscale.Fixed(2), Max: autoscale.Fixed(7),
		Interval: time.Second, Timeout: time.Minute, Limits: limit.Limits{
			Up:        limit.Behavior{Cooldown: 1, Step: 1, Rate: limit.Rate{Processes: 4, Share: 1, Period: time.Minute}},
			Down:      limit.Behavior{Cooldown: 1, Step: 1, Stabilization: time.Minute},
			Tolerance: 0.1, Forecast: limit.Forecast{Share: 1}, DiminishingReturns: limit.DiminishingReturns{After: 3}, Budget: limit.Budget{Hours: 100},
		},
		BootTime: time.Second, Store: store,
		NotifyOn: autoscale.Scaled, RepeatAfter: time.Minute, NotifyDiff: autoscale.Diff{Threshold: 1, Period: time.Minute},
		Observe: func(autoscale.Event) {}, Elector: store, DryRun: true, Logger: silent,
	}
	notified := 0
	cfg.Notifiers = []autoscale.Notifier{autoscale.NotifierFunc(func(context.Context, autoscale.Event) error { notified++; return nil })}
	v := reflect.ValueOf(cfg)
	for i := range v.NumField() {
		// RecommendOnly excludes DryRun, and TestRecommendOnly has it.
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "RecommendOnly" {
			t.Errorf("this test does not set Config.%s", name)
		}
	}
	a := autoscale.New(cfg)
	cfg.Notifiers[0] = nil // New keeps a list of its own
	if _, err := a.Tick(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	s := a.Status()
	if s.Name != "worker" || s.Min != 2 || s.Max != 7 || !s.DryRun || notified != 1 || s.Last.Decision.Size != 3 {
		t.Errorf("status %+v, notified %d", s, notified)
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		value fmt.Stringer
		want  string
	}{
		{autoscale.Scaled, "scaled"},
		{autoscale.Scaled | autoscale.Panicked, "scaled|panicked"},
		{autoscale.EventKind(0), "none"},
		{autoscale.Timeout, "timeout"},
		{autoscale.Failure(9), "Failure(9)"},
		{limit.ByPlatform, "platform"},
		{autoscale.Ended, "ended"},
		{autoscale.SignalLatency | autoscale.SignalValue, "latency|value"},
		{autoscale.Signals(0), "none"},
	} {
		if got := tt.value.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	for i := range 17 {
		kind := autoscale.EventKind(1 << i)
		text, _ := kind.MarshalText()
		var back autoscale.EventKind
		if err := back.UnmarshalText(text); err != nil || back != kind {
			t.Errorf("%s reads as %v, %v", text, back, err)
		}
		if e := (autoscale.Event{Kind: kind, Name: "web"}).String(); strings.Contains(e, kind.String()) && strings.Contains(kind.String(), "_") {
			t.Errorf("%v has no sentence: %q", kind, e)
		}
	}
	var k autoscale.EventKind
	if err := k.UnmarshalText([]byte("scaled|nonsense")); err == nil {
		t.Error("an unknown kind was read")
	}
}

func TestIntervalWithoutUnit(t *testing.T) {
	c := autoscale.Config{Prober: &gauge{}, Scaler: &platform{}, Interval: 30}
	if c.Validate() == nil {
		t.Error("Interval: 30 (ns) is accepted")
	}
}
