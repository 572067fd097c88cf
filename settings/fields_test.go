package settings_test

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/settings"
)

// Every field of the rules, the limits and the probers has a setting.
func TestEveryFieldHasASetting(t *testing.T) {
	without := map[string]string{
		"probe.HTTP.Client": "a Go value: it is for tests and for transports of a program's own",
		"probe.JSON.Client": "a Go value: it is for tests and for transports of a program's own",
	}
	names := settings.SettingOf()
	var walk func(name string, of reflect.Type)
	walk = func(name string, of reflect.Type) {
		for i := range of.NumField() {
			f := of.Field(i)
			field := name + "." + f.Name
			switch {
			case !f.IsExported():
			case f.Type.Kind() == reflect.Struct && f.Type.PkgPath() == reflect.TypeFor[limit.Limits]().PkgPath():
				walk(field, f.Type)
			case without[field] != "":
				delete(without, field)
			case names[field] == "":
				t.Errorf("%s has no setting", field)
			}
		}
	}
	walk("Consecutive", reflect.TypeFor[autoscale.Consecutive]())
	walk("Average", reflect.TypeFor[rule.Average]())
	walk("MOfN", reflect.TypeFor[rule.MOfN]())
	walk("TargetTracking", reflect.TypeFor[rule.TargetTracking]())
	walk("Backlog", reflect.TypeFor[rule.Backlog]())
	walk("Limits", reflect.TypeFor[limit.Limits]())
	walk("probe.HTTP", reflect.TypeFor[probe.HTTP]())
	walk("probe.JSON", reflect.TypeFor[probe.JSON]())
	if len(without) > 0 {
		t.Errorf("excluded, and no field: %v", without)
	}
}

// Each of the settings of rules, limits and probers ends up in its field.
func TestEveryFieldIsSet(t *testing.T) {
	c := load(t, `
DECISION_BACKEND=m_of_n
COUNT_FAILURES_AS=nothing
M_OF_N_BASELINE_IN_MS=40
M_OF_N_MARGIN_IN_MS=200
M_OF_N_M=4
M_OF_N_N=9
M_OF_N_FACTOR_IN_PERCENT=150
M_OF_N_WARMUP_IN_SECONDS=45
M_OF_N_QUIET_SHARE_IN_PERCENT=10
M_OF_N_QUIET_N=-1
M_OF_N_DOWN_DELAY_IN_SECONDS=0
M_OF_N_DOWN_DELAY_AFTER_UP_IN_SECONDS=600
TIME_ZONE=UTC
BOOT_TIME_IN_SECONDS=20
MAX_DYNOS_ADDED_AT_ONCE=4
COOLDOWN_AFTER_SCALE_UP_IN_SECONDS=1
STABILIZATION_BEFORE_SCALE_UP_IN_SECONDS=60
RATE_OF_SCALE_UP_IN_DYNOS=3
RATE_OF_SCALE_UP_IN_PERCENT=50
RATE_OF_SCALE_UP_PERIOD_IN_SECONDS=120
MAX_DYNOS_REMOVED_AT_ONCE=5
COOLDOWN_AFTER_SCALE_DOWN_IN_SECONDS=2
STABILIZATION_BEFORE_SCALE_DOWN_IN_SECONDS=300
RATE_OF_SCALE_DOWN_IN_DYNOS=1
RATE_OF_SCALE_DOWN_IN_PERCENT=10
RATE_OF_SCALE_DOWN_PERIOD_IN_SECONDS=60
COOLDOWN_COVERS_BOOT=true
TOLERANCE_IN_PERCENT=12
FORECAST_SHARE_IN_PERCENT=80
FORECAST_LEAD_IN_SECONDS=90
DIMINISHING_RETURNS_AFTER=3
DIMINISHING_RETURNS_HOLD_IN_SECONDS=700
BUDGET_IN_DYNO_HOURS=2000
BUDGET_PERIOD=month
HEARTBEAT_URL=https://www.example.com/up
HEARTBEAT_TOKEN=s3cret
HEARTBEAT_HEADERS={"X-Probe": "1"}
HEARTBEAT_TIMEOUT_IN_MS=700
HEARTBEAT_REQUESTS=3
HEARTBEAT_PERCENTILE=90
HEARTBEAT_SPLIT=true
HEARTBEAT_SERVER_LATENCY=true
`).Config
	want := autoscale.Decider(rule.MOfN{
		Baseline: 40 * time.Millisecond, Margin: 200 * time.Millisecond, M: 4, N: 9, Factor: 1.5, Warmup: 45 * time.Second,
		QuietShare: 0.1, QuietN: -1, DownDelay: -1, DownDelayAfterUp: 10 * time.Minute, Failures: autoscale.Ignore,
	})
	if diff := cmp.Diff(want, c.Decider); diff != "" {
		t.Errorf("the rule: (-want +got)\n%s", diff)
	}
	limits := limit.Limits{
		Up:                 limit.Behavior{Step: 4, Cooldown: time.Second, Stabilization: time.Minute, Rate: limit.Rate{Processes: 3, Share: 0.5, Period: 2 * time.Minute}},
		Down:               limit.Behavior{Step: 5, Cooldown: 2 * time.Second, Stabilization: 5 * time.Minute, Rate: limit.Rate{Processes: 1, Share: 0.1, Period: time.Minute}},
		CooldownCoversBoot: true, Tolerance: 0.12,
		Forecast:           limit.Forecast{Share: 0.8, Lead: 90 * time.Second, Location: time.UTC},
		DiminishingReturns: limit.DiminishingReturns{After: 3, Hold: 700 * time.Second},
		Budget:             limit.Budget{Hours: 2000, Per: limit.Month, Location: time.UTC},
	}
	if !reflect.DeepEqual(limits, c.Limits) || c.BootTime != 20*time.Second {
		t.Errorf("the limits are %+v and the boot time %v, want %+v and 20s", c.Limits, c.BootTime, limits)
	}
	p := unwrap(c.Prober).(*probe.HTTP)
	header := http.Header{"Authorization": {"Bearer s3cret"}, "X-Probe": {"1"}}
	if p.Timeout != 700*time.Millisecond || p.Requests != 3 || p.Percentile != 90 || !p.Split || !p.ServerLatency || !reflect.DeepEqual(p.Header, header) {
		t.Errorf("the prober is %+v", reflect.ValueOf(p).Elem())
	}

	const json = "MEASUREMENT_BACKEND=json\nJSON_URL=https://www.example.com/m\nDECISION_BACKEND="
	for _, tt := range []struct {
		text string
		want autoscale.Decider
	}{
		{"target_tracking", rule.TargetTracking{Target: 0.6, Tolerance: 0.15, Decay: 3 * time.Minute}},
		{
			"target_tracking\nTARGET_TRACKING_CONCURRENCY=2.5\nTARGET_TRACKING_TARGET_IN_PERCENT=70\nTARGET_TRACKING_TOLERANCE_IN_PERCENT=0\nTARGET_TRACKING_DECAY_IN_SECONDS=0\n" +
				`JSON_PATH={"arrivals": "a", "service_time": "s"}`,
			rule.TargetTracking{Concurrency: 2.5, Target: 0.7, Tolerance: -1, Decay: -1},
		},
		{"backlog", rule.Backlog{Idle: rule.DefaultIdle, DownWindow: rule.DefaultDownWindow}},
		{"backlog\nBACKLOG_JOBS_PER_DYNO=8\nBACKLOG_CONCURRENCY=4\nBACKLOG_IDLE_IN_SECONDS=-1\nBACKLOG_DOWN_WINDOW_IN_SECONDS=0", rule.Backlog{PerProcess: 8, Concurrency: 4, Idle: -1, DownWindow: -1}},
		{
			"backlog\nBACKLOG_DRAIN_IN_SECONDS=60\nBACKLOG_MAX_AGE_IN_SECONDS=30\nBACKLOG_FINISH=true\n" +
				`JSON_PATH={'backlog': 'a', 'busy': 'b', 'queue_time': 'c', 'throughput': 'd'}`,
			rule.Backlog{Drain: time.Minute, MaxAge: 30 * time.Second, Finish: true, Idle: rule.DefaultIdle, DownWindow: rule.DefaultDownWindow},
		},
	} {
		if diff := cmp.Diff(tt.want, load(t, json+tt.text).Config.Decider); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", tt.text, diff)
		}
	}
	j := unwrap(load(t, json+"backlog\nJSON_PATH=data.0\nJSON_ORDERED=true\nJSON_TIMEOUT_IN_MS=900\n"+`JSON_HEADERS={"X-Key": "k"}`).Config.Prober).(*probe.JSON)
	if j.Path != "data.0" || !j.Ordered || j.Signal != autoscale.SignalBacklog || j.Timeout != 900*time.Millisecond || j.Header.Get("X-Key") != "k" {
		t.Errorf("the prober is %+v", reflect.ValueOf(j).Elem())
	}
}

func unwrap(p autoscale.Prober) autoscale.Prober {
	return p.(interface{ Unwrap() autoscale.Prober }).Unwrap()
}

// An error of the worker names what its user has: settings.
func TestErrorsNameSettings(t *testing.T) {
	for name, setting := range settings.SettingOf() {
		if !strings.Contains(name, ".") {
			continue
		}
		if got, want := settings.InSettings("check "+name+": it is wrong"), "check "+setting+": it is wrong"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{`the name "x" did not resolve: check the host in probe.HTTP.URL`, `the name "x" did not resolve: check the host in HEARTBEAT_URL`},
		{"have limits of their own: lower Max, change", "have limits of their own: lower MAX_DYNOS, change"},
		{"Maximum and Minutes", "Maximum and Minutes"},
	} {
		if got := settings.InSettings(tt.text); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	p := load(t, "HEARTBEAT_URL=http://no-such-host.invalid/").Config.Prober
	if _, err := p.Probe(t.Context()); err == nil || strings.Contains(err.Error(), "HTTP.URL") {
		t.Errorf("the probe of a name that does not resolve: %v", err)
	}
}
