package settings_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/internal/wire"
	"github.com/autoscalebot/autoscale/limit"
	"github.com/autoscalebot/autoscale/settings"
)

const required = "HEROKU_APP_NAME=quiet-river\nHEROKU_API_KEY=" + herokutest.Token + "\n"

// options are those of a file with the given text behind what is required.
func options(text string, environ ...string) settings.Options {
	return settings.Options{
		File:    "autoscale.env",
		FS:      fstest.MapFS{"autoscale.env": {Data: []byte(required + text)}},
		Environ: environ,
		Logger:  slog.New(slog.DiscardHandler),
	}
}

func load(t *testing.T, text string, environ ...string) *settings.Settings {
	t.Helper()
	s, err := settings.Load(options(text, environ...))
	if err != nil {
		t.Fatalf("Load(%q): %v", text, err)
	}
	return s
}

// faults are the lines of the error of Load.
func faults(t *testing.T, o settings.Options) []string {
	t.Helper()
	_, err := settings.Load(o)
	if err == nil {
		t.Fatal("Load: no error")
	}
	return strings.Split(err.Error(), "\n")
}

// decide asks the decider, at a size of 5, after samples of the given latencies.
func decide(c autoscale.Config, samples ...autoscale.Sample) autoscale.Decision {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for i := range samples {
		samples[i].Signals |= autoscale.SignalLatency
		samples[i].Time = now.Add(time.Duration(i) * time.Second)
	}
	return c.Decider.Decide(autoscale.Observation{
		Now: now.Add(time.Hour), Samples: samples, Min: 1, Max: 100,
		Capacity: autoscale.Capacity{Desired: 5, Changed: now.Add(-time.Hour)},
	})
}

// size is the size that decide recommends after n samples of one latency.
func size(c autoscale.Config, n int, latency time.Duration) int {
	samples := make([]autoscale.Sample, n)
	for i := range samples {
		samples[i].Latency = latency
	}
	d := decide(c, samples...)
	if !d.Act {
		return 5
	}
	return d.Size
}

func TestRule(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name, text string
		n          int
		latency    time.Duration
		want       int // of 5
	}{
		{"default MAX_RESPONSE_TIME_IN_MS", "", 3, 1001 * ms, 6},
		{"default MAX_RESPONSE_TIME_IN_MS, not above", "", 3, 1000 * ms, 5},
		{"MAX_RESPONSE_TIME_IN_MS", "MAX_RESPONSE_TIME_IN_MS=1500", 3, 1501 * ms, 6},
		{"MAX_RESPONSE_TIME_IN_MS, not above", "MAX_RESPONSE_TIME_IN_MS=1500", 3, 1500 * ms, 5},
		{"MAX_RESPONSE_TIME_IN_MS with decimals", "MAX_RESPONSE_TIME_IN_MS=1500.5", 3, 1500*ms + 501*time.Microsecond, 6},
		{"default MIN_RESPONSE_TIME_IN_MS", "", 5, 199 * ms, 4},
		{"default MIN_RESPONSE_TIME_IN_MS, not below", "", 5, 200 * ms, 5},
		{"MIN_RESPONSE_TIME_IN_MS", "MIN_RESPONSE_TIME_IN_MS=400", 5, 399 * ms, 4},
		{"MIN_RESPONSE_TIME_IN_MS, not below", "MIN_RESPONSE_TIME_IN_MS=400", 5, 400 * ms, 5},
		{"MIN_RESPONSE_TIME_IN_MS of 0 is never too low", "MIN_RESPONSE_TIME_IN_MS=0", 9, 0, 5},
		{"default NUMBER_OF_FAILS_TO_SCALE_UP_AFTER, too few", "", 2, 2000 * ms, 5},
		{"NUMBER_OF_FAILS_TO_SCALE_UP_AFTER", "NUMBER_OF_FAILS_TO_SCALE_UP_AFTER=4", 4, 2000 * ms, 6},
		{"NUMBER_OF_FAILS_TO_SCALE_UP_AFTER, too few", "NUMBER_OF_FAILS_TO_SCALE_UP_AFTER=4", 3, 2000 * ms, 5},
		{"NUMBER_OF_FAILS_TO_SCALE_UP_AFTER, never", "NUMBER_OF_FAILS_TO_SCALE_UP_AFTER=-1", 99, 2000 * ms, 5},
		{"default NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER, too few", "", 4, 10 * ms, 5},
		{"NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER", "NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER=6", 6, 10 * ms, 4},
		{"NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER, too few", "NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER=6", 5, 10 * ms, 5},
		{"NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER, never", "NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER=-1", 99, 10 * ms, 5},
		{"INCREMENT up", "INCREMENT=3", 3, 2000 * ms, 8},
		{"INCREMENT down", "INCREMENT=3", 5, 10 * ms, 2},
		{"average", "DECISION_BACKEND=average", 5, 1001 * ms, 6},
		{"average, old name", "DECISION_BACKEND=autoscalebot.backends.decision.AverageThresholdBackend", 5, 1001 * ms, 6},
		{"consecutive, old name", "DECISION_BACKEND=autoscalebot.backends.decision.ConsecutiveThresholdBackend", 3, 1001 * ms, 6},
		{"average, too few", "DECISION_BACKEND=average", 4, 1001 * ms, 5},
		{"average of N", "DECISION_BACKEND=average\nNUMBER_OF_MEASUREMENTS_TO_AVERAGE=2", 2, 1001 * ms, 6},
		{"average of N, too few", "DECISION_BACKEND=average\nNUMBER_OF_MEASUREMENTS_TO_AVERAGE=2", 1, 1001 * ms, 5},
		{"average INCREMENT", "DECISION_BACKEND=average\nINCREMENT=2", 5, 10 * ms, 3},
		{"average MAX_RESPONSE_TIME_IN_MS", "DECISION_BACKEND=average\nMAX_RESPONSE_TIME_IN_MS=1500", 5, 1500 * ms, 5},
		{"average MIN_RESPONSE_TIME_IN_MS", "DECISION_BACKEND=average\nMIN_RESPONSE_TIME_IN_MS=400", 5, 399 * ms, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := size(load(t, tt.text).Config, tt.n, tt.latency); got != tt.want {
				t.Errorf("%q: %d responses of %v make %d of 5 processes, want %d", tt.text, tt.n, tt.latency, got, tt.want)
			}
		})
	}
}

// What is averaged may go up and down; the mean counts.
func TestAverageIsOne(t *testing.T) {
	samples := []autoscale.Sample{{Latency: 5 * time.Second}, {Latency: time.Millisecond}}
	text := "DECISION_BACKEND=average\nNUMBER_OF_MEASUREMENTS_TO_AVERAGE=2"
	if d := decide(load(t, text).Config, samples...); !d.Act || d.Size != 6 {
		t.Errorf("average of 5 s and 1 ms: %+v, want 6 processes", d)
	}
}

func TestFailures(t *testing.T) {
	refused := autoscale.Sample{Failure: autoscale.Refused}
	broken := autoscale.Sample{Failure: autoscale.ServerError}
	timeout := autoscale.Sample{Failure: autoscale.Timeout, Latency: time.Second}
	tests := []struct {
		text string
		of   autoscale.Sample
		want bool
	}{
		{"", refused, true},
		{"", broken, true},
		{"", timeout, true},
		{"COUNT_FAILURES_AS=too_high", broken, true},
		{"COUNT_FAILURES_AS=nothing", refused, false},
		{"COUNT_FAILURES_AS=nothing", broken, false},
		{"COUNT_FAILURES_AS=nothing", timeout, true},
		{"COUNT_FAILURES_AS=nothing\nDECISION_BACKEND=average", broken, false},
		{"DECISION_BACKEND=average", broken, true},
	}
	for _, tt := range tests {
		d := decide(load(t, tt.text).Config, tt.of, tt.of, tt.of, tt.of, tt.of)
		if d.Act != tt.want {
			t.Errorf("%q: after five times %v: %+v, want act %t", tt.text, tt.of, d, tt.want)
		}
	}
}

func TestSizes(t *testing.T) {
	const day = `{"0:00": 2, "9:00": 5, "17:00": 2}`
	tests := []struct {
		text     string
		at       string // RFC 3339
		min, max int
	}{
		{"", "2026-03-02T12:00:00Z", 1, 3},
		{"MAX_DYNOS=7\nMIN_DYNOS=4", "2026-03-02T12:00:00Z", 4, 7},
		{"MIN_DYNOS=0", "2026-03-02T12:00:00Z", 0, 3},
		{"TIME_ZONE=UTC\nMAX_DYNOS=" + day, "2026-03-02T08:59:59Z", 1, 2},
		{"TIME_ZONE=UTC\nMAX_DYNOS=" + day, "2026-03-02T09:00:00Z", 1, 5},
		{"TIME_ZONE=UTC\nMAX_DYNOS=" + day, "2026-03-02T16:59:59Z", 1, 5},
		{"TIME_ZONE=UTC\nMAX_DYNOS=" + day, "2026-03-02T17:00:00Z", 1, 2},
		{"TIME_ZONE=UTC\nMAX_DYNOS=9\nMIN_DYNOS=" + day, "2026-03-02T09:00:00Z", 5, 9},
		// The zone counts wherever it stands.
		{"MAX_DYNOS=" + day + "\nTIME_ZONE=America/Vancouver", "2026-03-02T16:59:59Z", 1, 2},
		{"MAX_DYNOS=" + day + "\nTIME_ZONE=America/Vancouver", "2026-03-02T17:00:00Z", 1, 5},
		// Minutes count, and before the first entry the last one of the day before holds.
		{`TIME_ZONE=UTC` + "\n" + `MAX_DYNOS={"8:30": 6, "22:15": 4}`, "2026-03-02T08:29:59Z", 1, 4},
		{`TIME_ZONE=UTC` + "\n" + `MAX_DYNOS={"8:30": 6, "22:15": 4}`, "2026-03-02T08:30:00Z", 1, 6},
		// The day of 23 hours: from 2:00 to 3:00 there is no time, and 2:30 begins at 3:00.
		{`TIME_ZONE=Europe/Berlin` + "\n" + `MAX_DYNOS={"0:00": 2, "2:30": 5}`, "2026-03-29T00:59:59Z", 1, 2},
		{`TIME_ZONE=Europe/Berlin` + "\n" + `MAX_DYNOS={"0:00": 2, "2:30": 5}`, "2026-03-29T01:00:00Z", 1, 5},
		{"TIME_ZONE=Europe/Berlin\nMAX_DYNOS=" + day, "2026-03-29T06:59:59Z", 1, 2},
		{"TIME_ZONE=Europe/Berlin\nMAX_DYNOS=" + day, "2026-03-29T07:00:00Z", 1, 5},
		// The day of 25 hours: 2:30 comes twice, and begins the first time.
		{`TIME_ZONE=Europe/Berlin` + "\n" + `MAX_DYNOS={"0:00": 2, "2:30": 5}`, "2026-10-25T00:29:59Z", 1, 2},
		{`TIME_ZONE=Europe/Berlin` + "\n" + `MAX_DYNOS={"0:00": 2, "2:30": 5}`, "2026-10-25T00:30:00Z", 1, 5},
		{`TIME_ZONE=Europe/Berlin` + "\n" + `MAX_DYNOS={"0:00": 2, "2:30": 5}`, "2026-10-25T01:15:00Z", 1, 5},
		{"TIME_ZONE=Europe/Berlin\nMAX_DYNOS=" + day, "2026-10-25T07:59:59Z", 1, 2},
		{"TIME_ZONE=Europe/Berlin\nMAX_DYNOS=" + day, "2026-10-25T08:00:00Z", 1, 5},
	}
	for _, tt := range tests {
		at, err := time.Parse(time.RFC3339, tt.at)
		if err != nil {
			t.Fatal(err)
		}
		c := load(t, tt.text).Config
		if low, high := c.Min.At(at), c.Max.At(at); low != tt.min || high != tt.max {
			t.Errorf("%q at %s: %d to %d processes, want %d to %d", tt.text, tt.at, low, high, tt.min, tt.max)
		}
	}
}

func TestZone(t *testing.T) {
	if got := load(t, "").Zone; got != time.Local {
		t.Errorf("without TIME_ZONE the zone is %v, want the machine's", got)
	}
	if got := load(t, "HEARTBEAT_URL=https://user:pass@www.example.com/up?token=1").Heartbeat; got != "https://www.example.com/up" {
		t.Errorf("the heartbeat is shown as %s", got)
	}
	if got := load(t, "TIME_ZONE=Asia/Kolkata").Zone.String(); got != "Asia/Kolkata" {
		t.Errorf("TIME_ZONE=Asia/Kolkata is read as %s", got)
	}
}

// The fields that hold a setting as it is.
func TestFields(t *testing.T) {
	type fields struct {
		Name              string
		Interval, Timeout time.Duration
		Limits            limit.Limits
		NotifyDiff        autoscale.Diff
		RepeatAfter       time.Duration
		DryRun            bool
		LogLevel          slog.Level
	}
	initial := fields{
		Name: "web", Interval: 30 * time.Second, Timeout: 30 * time.Second,
		RepeatAfter: autoscale.DefaultRepeatAfter,
	}
	tests := []struct {
		text string
		want func(*fields)
	}{
		{"", func(*fields) {}},
		{"PROCESS_TYPE=worker", func(f *fields) { f.Name = "worker" }},
		{"HEARTBEAT_INTERVAL_IN_SECONDS=45", func(f *fields) { f.Interval, f.Timeout = 45*time.Second, 45*time.Second }},
		{"HEARTBEAT_INTERVAL_IN_SECONDS=0.5", func(f *fields) { f.Interval, f.Timeout = 500*time.Millisecond, 12*time.Second }},
		// A probe that may last longer than the interval is not cut short by it.
		{"MAX_RESPONSE_TIME_IN_MS=60000", func(f *fields) { f.Timeout = 130 * time.Second }},
		{"COOLDOWN_AFTER_SCALE_UP_IN_SECONDS=90", func(f *fields) { f.Limits.Up.Cooldown = 90 * time.Second }},
		{"COOLDOWN_AFTER_SCALE_DOWN_IN_SECONDS=120", func(f *fields) { f.Limits.Down.Cooldown = 2 * time.Minute }},
		{"MAX_DYNOS_ADDED_AT_ONCE=4", func(f *fields) { f.Limits.Up.Step = 4 }},
		{"MAX_DYNOS_REMOVED_AT_ONCE=2", func(f *fields) { f.Limits.Down.Step = 2 }},
		{"NOTIFY_AGAIN_PERIOD_IN_MINUTES=15", func(f *fields) { f.RepeatAfter = 15 * time.Minute }},
		{"NOTIFY_AGAIN_PERIOD_IN_MINUTES=0", func(f *fields) { f.RepeatAfter = -1 }},
		{"DRY_RUN=true", func(f *fields) { f.DryRun = true }},
		{"DRY_RUN=0", func(*fields) {}},
		{"LOG_LEVEL=debug", func(f *fields) { f.LogLevel = slog.LevelDebug }},
		{
			"NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD=10\nNOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES=30",
			func(f *fields) { f.NotifyDiff = autoscale.Diff{Threshold: 10, Period: 30 * time.Minute} },
		},
	}
	for _, tt := range tests {
		s := load(t, tt.text)
		c := s.Config
		got := fields{c.Name, c.Interval, c.Timeout, c.Limits, c.NotifyDiff, c.RepeatAfter, c.DryRun, s.LogLevel}
		want := initial
		tt.want(&want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", tt.text, diff)
		}
	}
	o := options("")
	if s, err := settings.Load(o); err != nil || s.Config.Logger != o.Logger {
		t.Errorf("the Config has not the Logger of the options (%v)", err)
	}
	if c := load(t, "").Config; c.Elector != nil || c.Observe != nil {
		t.Error("the Config has an Elector or an Observe, which no setting asks for")
	}
}

func TestNotifyOn(t *testing.T) {
	const initial = autoscale.DefaultKinds
	const always = initial &^ autoscale.NeedsAboveMax
	if !always.Has(autoscale.ProbeFailing | autoscale.ScaleFailing | autoscale.LimitReached | autoscale.Panicked | autoscale.Yielding) {
		t.Errorf("%v is not all that is told whatever the settings", always)
	}
	tests := []struct {
		text string
		want autoscale.EventKind
	}{
		{"", initial},
		{"NOTIFY_IF_NEEDS_EXCEED_MAX=True", initial},
		{"NOTIFY_IF_NEEDS_EXCEED_MAX=False", always},
		{"NOTIFY_IF_NEEDS_BELOW_MIN=True", initial | autoscale.NeedsBelowMin},
		{"NOTIFY_ON_SCALE_FAILS=True", initial | autoscale.ScaleFailed},
		{"NOTIFY_ON_EVERY_SCALE=yes", initial | autoscale.Scaled},
		{"NOTIFY_ON_EVERY_PING=1", initial | autoscale.Probed},
		{"NOTIFY_ON_EVERY_PING=None", initial},
		{"NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD=10\nNOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES=30", initial | autoscale.DiffExceeded},
	}
	for _, tt := range tests {
		if got := load(t, tt.text).Config.NotifyOn; got != tt.want {
			t.Errorf("%q: told of %v, want %v", tt.text, got, tt.want)
		}
	}
}

// The app, the key, the process type and the heartbeat, on a fake platform.
func TestPlatform(t *testing.T) {
	var requested []string
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		requested = append(requested, fmt.Sprint(r.URL, " ", r.Header.Get(wire.HeaderTimeout), " ", r.Header.Get("Authorization")))
	}))
	defer web.Close()
	platform := herokutest.NewServer()
	defer platform.Close()
	app := platform.AddApp(herokutest.AppConfig{
		Name: "quiet-river", WebURL: web.URL + "/",
		Formation: []herokutest.Process{{Type: "web", Quantity: 2}, {Type: "worker", Quantity: 4}},
	})
	platform.AddApp(herokutest.AppConfig{Name: "other-river", Formation: []herokutest.Process{{Type: "web", Quantity: 9}}})

	tests := []struct {
		text string
		size int
		want string
	}{
		{"", 2, "/autoscalebot/heartbeat/ 2000 "},
		{"HEARTBEAT_URL=/up?deep=1", 2, "/up?deep=1 2000 "},
		{"HEARTBEAT_URL=" + web.URL + "/whole", 2, "/whole 2000 "},
		{"HEARTBEAT_TOKEN=s3same", 2, "/autoscalebot/heartbeat/ 2000 Bearer s3same"},
		{"MAX_RESPONSE_TIME_IN_MS=2500", 2, "/autoscalebot/heartbeat/ 5000 "},
		{"PROCESS_TYPE=worker", 4, "/autoscalebot/heartbeat/ 2000 "},
	}
	for _, tt := range tests {
		requested = nil
		s := load(t, tt.text, "HEROKU_API_URL="+platform.URL)
		if s.App != "quiet-river" {
			t.Errorf("%q: the app is %s", tt.text, s.App)
		}
		ctx := t.Context()
		if _, err := s.Config.Prober.Probe(ctx); err != nil {
			t.Errorf("%q: probe: %v", tt.text, err)
		}
		if len(requested) != 1 || requested[0] != tt.want {
			t.Errorf("%q: the heartbeat got %q, want %q", tt.text, requested, tt.want)
		}
		if c, err := s.Config.Scaler.Capacity(ctx); err != nil || c.Desired != tt.size {
			t.Errorf("%q: the size is %d, %v, want %d", tt.text, c.Desired, err, tt.size)
		}
	}

	if err := load(t, "", "HEROKU_API_URL="+platform.URL).Config.Scaler.Scale(t.Context(), 3); err != nil {
		t.Error(err)
	}
	if got := len(app.Dynos()); got != 3+4 {
		t.Errorf("after scaling web to 3 the app has %d dynos, want 7", got)
	}
	o := options("", "HEROKU_API_URL="+platform.URL, "HEROKU_API_KEY=HRKU-another", "AUTOSCALE_HEROKU_API_KEY=HRKU-another")
	s, err := settings.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Config.Scaler.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), "HEROKU_API_KEY") {
		t.Errorf("with a wrong key: %v, want an error that names HEROKU_API_KEY", err)
	}
}

// A service that is too slow three times in a row gets another process.
func TestWhole(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}))
	defer web.Close()
	platform := herokutest.NewServer()
	defer platform.Close()
	platform.AddApp(herokutest.AppConfig{
		Name: "quiet-river", WebURL: web.URL,
		Formation: []herokutest.Process{{Type: "web", Quantity: 1}},
	})
	a := autoscale.New(load(t, "", "HEROKU_API_URL="+platform.URL).Config)
	for i, want := range []int{1, 1, 2, 2, 2, 3} {
		d, err := a.Tick(t.Context(), time.Now())
		if err != nil || d.Size != want {
			t.Errorf("tick %d: %+v, %v, want %d processes", i+1, d, err, want)
		}
	}
}

// The store is named in the file, or in the environment with the prefix: STORE alone is
// a word that may be another program's.
func TestStore(t *testing.T) {
	const url = "postgres://u:p@db.example.com/app"
	for _, tt := range []struct{ file, environ, want string }{
		{"", "HOME=/", ""},
		{"", "AUTOSCALE_STORE=" + url, url},
		{"", "STORE=" + url, ""},
		{"", "STORE=nonsense", ""},
		{"STORE=" + url, "HOME=/", url},
		{"STORE=sqlite:app.db", "AUTOSCALE_STORE=" + url, url},
	} {
		if got := load(t, tt.file, tt.environ).Store(); got != tt.want {
			t.Errorf("file %q, environment %q: the store is %q, want %q", tt.file, tt.environ, got, tt.want)
		}
	}
	if got := faults(t, options("STORE=app.db")); len(got) != 1 || !strings.Contains(got[0], "it must be a URL") {
		t.Errorf("STORE=app.db: %q", got)
	}
	if got := new(settings.Settings).Store(); got != "" {
		t.Errorf("the zero Settings have the store %q", got)
	}
}
