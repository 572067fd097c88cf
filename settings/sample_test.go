package settings_test

import (
	"cmp"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/probe"
	"github.com/autoscalebot/autoscale/settings"
)

var update = flag.Bool("update", false, "write autoscale.env.sample, and the table of settings into ../README.md")

const sampleFile = "autoscale.env.sample"

// sampled is what the sample sets.
var sampled = map[string]string{"DECISION_BACKEND": "m_of_n", "HEARTBEAT_INTERVAL_IN_SECONDS": "5"}

func TestSample(t *testing.T) {
	if *update {
		if err := os.WriteFile(sampleFile, []byte(settings.Sample()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(settings.Sample(), string(text)); diff != "" {
		t.Errorf("%s is not what the code says; write it with go test ./settings -update (-code +file)\n%s", sampleFile, diff)
	}

	// Every setting is in it once, with its default.
	names, defaults := settings.Keys()
	given := regexp.MustCompile(`(?m)^#?([A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(given) != len(names) {
		t.Errorf("the sample has %d settings, want %d", len(given), len(names))
	}
	for i, g := range given {
		if g[1] != names[i] || g[2] != cmp.Or(sampled[g[1]], defaults[names[i]]) {
			t.Errorf("the sample has %s=%s where %s=%s should be", g[1], g[2], names[i], defaults[names[i]])
		}
	}

	// With the comment signs taken off it is read, and says what no file says.
	bare := regexp.MustCompile(`(?m)^#([A-Z_]+=)`).ReplaceAllString(string(text), "$1")
	whole, none := load(t, bare), load(t, "DECISION_BACKEND=m_of_n\nHEARTBEAT_INTERVAL_IN_SECONDS=5")
	if len(whole.Warnings) > 0 {
		t.Errorf("the sample makes warnings: %q", whole.Warnings)
	}
	if diff := gocmp.Diff(describe(none), describe(whole)); diff != "" {
		t.Errorf("the sample's values are not the defaults (-default +sample)\n%s", diff)
	}
}

// describe lists what settings come to, for comparison.
func describe(s *settings.Settings) map[string]any {
	c := s.Config
	return map[string]any{
		"app": s.App, "zone": s.Zone.String(), "level": s.LogLevel,
		"name": c.Name, "min": c.Min.String(), "max": c.Max.String(), "decider": c.Decider,
		"interval": c.Interval, "timeout": c.Timeout, "limits": c.Limits,
		"notifiers": len(c.Notifiers), "on": c.NotifyOn, "repeat": c.RepeatAfter, "diff": c.NotifyDiff, "dry": c.DryRun,
		"prober": *prober(c),
	}
}

// prober returns what can be compared of the prober.
func prober(c autoscale.Config) *struct {
	URL     string
	Base    bool
	Timeout string
	Headers int
} {
	p := c.Prober.(interface{ Unwrap() autoscale.Prober }).Unwrap().(*probe.HTTP)
	return &struct {
		URL     string
		Base    bool
		Timeout string
		Headers int
	}{p.URL, p.Base != nil, p.Timeout.String(), len(p.Header)}
}

// The defaults are those of the library, and those of autoscalebot.
func TestDefaults(t *testing.T) {
	c := load(t, "").Config
	want := autoscale.Consecutive{
		Low: autoscale.DefaultLow, High: autoscale.DefaultHigh,
		UpAfter: autoscale.DefaultUpAfter, DownAfter: autoscale.DefaultDownAfter, Increment: 1,
	}
	if diff := gocmp.Diff(autoscale.Decider(want), c.Decider); diff != "" {
		t.Errorf("the rule: (-library +settings)\n%s", diff)
	}
	if c.NotifyOn != autoscale.DefaultKinds || c.RepeatAfter != autoscale.DefaultRepeatAfter || c.Interval != autoscale.DefaultInterval {
		t.Errorf("NotifyOn is %v, RepeatAfter %v, Interval %v; want the library's defaults", c.NotifyOn, c.RepeatAfter, c.Interval)
	}
	if low, high := c.Min.String(), c.Max.String(); low != "1" || high != "3" {
		t.Errorf("the bounds are %s to %s, want 1 to 3", low, high)
	}
	_, defaults := settings.Keys()
	for name, want := range map[string]string{
		"HEARTBEAT_INTERVAL_IN_SECONDS": "30", "HEARTBEAT_URL": "/autoscalebot/heartbeat/",
		"MAX_RESPONSE_TIME_IN_MS": "1000", "MIN_RESPONSE_TIME_IN_MS": "200",
		"NUMBER_OF_FAILS_TO_SCALE_UP_AFTER": "3", "NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER": "5",
		"MAX_DYNOS": "3", "MIN_DYNOS": "1", "INCREMENT": "1", "NOTIFICATION_BACKENDS": "", "TIME_ZONE": "",
		"NOTIFY_IF_NEEDS_EXCEED_MAX": "true", "NOTIFY_IF_NEEDS_BELOW_MIN": "false", "NOTIFY_ON_SCALE_FAILS": "false",
		"NOTIFY_ON_EVERY_SCALE": "false", "NOTIFY_ON_EVERY_PING": "false",
		"NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD": "", "NOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES": "",
		"HEROKU_APP_NAME": "", "HEROKU_API_KEY": "", "HEROKU_API_URL": heroku.DefaultBaseURL,
	} {
		if got, ok := defaults[name]; !ok || got != want {
			t.Errorf("the default of %s is %q (known: %t), want %q", name, got, ok, want)
		}
	}
}

// The README's table is what the code says.
func TestReadme(t *testing.T) {
	const begin, end = "<!-- settings:begin -->\n", "<!-- settings:end -->"
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	table, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("README.md has no table between %q and %q", begin, end)
	}
	if *update {
		if err := os.WriteFile("../README.md", []byte(before+begin+settings.Table()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := gocmp.Diff(settings.Table(), table); diff != "" {
		t.Errorf("README.md's table is not what the code says; write it with go test ./settings -update (-code +README)\n%s", diff)
	}
}

func ExampleSample() {
	for line := range strings.Lines(settings.Sample()) {
		if strings.HasPrefix(line, "#MA") {
			os.Stdout.WriteString(line)
		}
	}
	// Output:
	// #MAX_RESPONSE_TIME_IN_MS=1000
	// #MAX_DYNOS=3
	// #MAX_DYNOS_ADDED_AT_ONCE=0
	// #MAX_DYNOS_REMOVED_AT_ONCE=0
}
