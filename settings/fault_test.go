package settings_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/settings"
)

// Every fault is reported, each on one line with its place, its name as it was
// written, and what it should be.
func TestAllAtOnce(t *testing.T) {
	o := options(`
AUTOSCALE_INCREMENT = two
MAX_DYNO = 5
MAX_DYNOS = {"0:00": 2, "25:00": 5, "9:5": 1}
NOTIFY_ON_EVERY_PING=perhaps
WHATEVER=1
HEARTBEAT_INTERVAL_IN_SECONDS=30s
TIME_ZONE=Berlin
NOTIFICATION_BACKENDS=console, pager, myapp.backends.PagerBackend, autoscalebot.backends.notification.TestBackend
`, "AUTOSCALE_MIN_DYNOS=-1", "AUTOSCALE_EMAIL_HOST=smtp.example.com", "MAXIMUM=9", "PATH=/bin")
	want := []string{
		`autoscale.env:4: AUTOSCALE_INCREMENT is "two": it must be a whole number, 1 or more`,
		`autoscale.env:5: MAX_DYNO is not a setting: is MAX_DYNOS meant?`,
		`autoscale.env:6: MAX_DYNOS is {"0:00": 2, "25:00": 5, "9:5": 1}: "25:00" is not a time of day: write hours 0 to 23 and minutes 00 to 59, as "9:00" or "17:30"; "9:5" is not a time of day: write hours 0 to 23 and minutes 00 to 59, as "9:00" or "17:30"`,
		`autoscale.env:7: NOTIFY_ON_EVERY_PING is "perhaps": it must be true or false`,
		`autoscale.env:8: WHATEVER is not a setting: the sample file names them all`,
		`autoscale.env:9: HEARTBEAT_INTERVAL_IN_SECONDS is "30s": it must be a number of seconds alone, 0.1 or more and at most 2678400`,
		`autoscale.env:10: TIME_ZONE is "Berlin": it must be a name of the time zone database, as Europe/Berlin, America/Vancouver or UTC`,
		`autoscale.env:11: NOTIFICATION_BACKENDS is "console, pager, myapp.backends.PagerBackend, autoscalebot.backends.notification.TestBackend": "pager" is not a backend: it is one of console, log, email, webhook, slack, slackbot, discord, teams; "myapp.backends.PagerBackend" is a class of Python: a notifier of your own is an autoscale.Notifier in a Go program; those to be had here are console, log, email, webhook, slack, slackbot, discord, teams; TestBackend kept messages for tests, which here notify.Recorder does, in a Go program: take it out of the list`,
		`environment: AUTOSCALE_EMAIL_HOST is not a setting here: Django's mail settings are not read; give the server as SMTP_URL`,
		`environment: AUTOSCALE_MIN_DYNOS is "-1": -1 processes: a size must be 0 or more`,
	}
	if diff := cmp.Diff(want, faults(t, o)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	_, err := settings.Load(o)
	var e *settings.Error
	if !errors.As(err, &e) || len(e.Faults) != len(want) || !errors.Is(err, autoscale.ErrConfig) {
		t.Errorf("the error is a %T, want a *settings.Error that wraps autoscale.ErrConfig", err)
	}
}

func TestFaults(t *testing.T) {
	tests := []struct{ text, want string }{
		{"MAX_DYNOS=many", `MAX_DYNOS is "many": it must be a number, as 3, or sizes by time of day, as {"0:00": 2`},
		{"MAX_DYNOS={}", `MAX_DYNOS is {}: the schedule has no entry`},
		{`MAX_DYNOS={"9:00": 2, "9:00": 3}`, `"9:00" is given twice`},
		{`MAX_DYNOS={"9:00": 2.5}`, `which is not a whole number`},
		{"MAX_DYNOS=2\nMIN_DYNOS=4", "autoscale.env:4: MIN_DYNOS does not go with the other bound: at all times MIN_DYNOS is 4 and MAX_DYNOS is 2"},
		{"MIN_DYNOS=4", "MIN_DYNOS does not go with the other bound: at all times MIN_DYNOS is 4 and MAX_DYNOS is 3"},
		{"MAX_DYNOS=0", "MAX_DYNOS does not go with the other bound: at all times MIN_DYNOS is 1 and MAX_DYNOS is 0"},
		{`MIN_DYNOS={"0:00": 1, "9:00": 4, "17:00": 1}`, "at 09:00 MIN_DYNOS is 4 and MAX_DYNOS is 3"},
		{`TIME_ZONE=Europe/Berlin` + "\n" + `MAX_DYNOS={"0:00": 1, "9:30": 4}` + "\n" + `MIN_DYNOS={"9:00": 4, "17:00": 1}`, "at 09:00 MIN_DYNOS is 4 and MAX_DYNOS is 1"},
		{"MIN_RESPONSE_TIME_IN_MS=1000", "MIN_RESPONSE_TIME_IN_MS leaves no response just right: MIN_RESPONSE_TIME_IN_MS is 1s and MAX_RESPONSE_TIME_IN_MS is 1s"},
		{"MAX_RESPONSE_TIME_IN_MS=100", "autoscale.env:3: MAX_RESPONSE_TIME_IN_MS leaves no response just right"},
		{"MAX_RESPONSE_TIME_IN_MS=0", "it must be a number of milliseconds alone, 1 or more"},
		{"MIN_RESPONSE_TIME_IN_MS=nan", "it must be a number of milliseconds alone, 0 or more"},
		{"HEARTBEAT_INTERVAL_IN_SECONDS=0", "it must be a number of seconds alone, 0.1 or more"},
		{"HEARTBEAT_INTERVAL_IN_SECONDS=1e300", "at most 2678400"},
		{"HEARTBEAT_INTERVAL_IN_SECONDS=inf", "at most 2678400"},
		{"NUMBER_OF_FAILS_TO_SCALE_UP_AFTER=0", "it must be a whole number, 1 or more, or -1 for never"},
		{"NUMBER_OF_PASSES_TO_SCALE_DOWN_AFTER=1.5", "it must be a whole number, 1 or more, or -1 for never"},
		{"INCREMENT=0", "it must be a whole number, 1 or more"},
		{"MAX_DYNOS_ADDED_AT_ONCE=-1", "it must be a whole number, 0 or more"},
		{"COOLDOWN_AFTER_SCALE_UP_IN_SECONDS=-1", "it must be a number of seconds alone, 0 or more"},
		{"NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD=3", "NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD is given without NOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES: give both, or neither"},
		{"NOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES=3", "NOTIFY_IF_SCALE_DIFF_EXCEEDS_PERIOD_IN_MINUTES is given without NOTIFY_IF_SCALE_DIFF_EXCEEDS_THRESHOLD: give both, or neither"},
		{"DECISION_BACKEND=median", "it must be consecutive, average, m_of_n, target_tracking or backlog"},
		{"COUNT_FAILURES_AS=too_low", "it must be too_high or nothing"},
		{"LOG_LEVEL=loud", "it must be debug, info, warn or error"},
		{"PROCESS_TYPE=web.1", "it must be a process type of the Procfile"},
		{"HEROKU_API_URL=http://api.example.com", "it must be an https URL"},
		{"HEARTBEAT_URL=www.example.com/heartbeat", "HEARTBEAT_URL is not right: it must be a path of the app"},
		{"HEARTBEAT_URL=//www.example.com/heartbeat", "HEARTBEAT_URL is not right: it must be a path of the app"},
		{"HEARTBEAT_URL=ftp://www.example.com/", "HEARTBEAT_URL is not right: it must be a path of the app"},
		{"HEARTBEAT_TOKEN=two words", "HEARTBEAT_TOKEN is not right: it must be one word"},
		{"ADMINS=jane", "it must be e-mail addresses with commas between them"},
		{"ADMINS=(('Jane', 'jane@example.com'),)", "leave the names and the brackets out, and write the addresses alone, as ADMINS=jane@example.com"},
		// What only the library refuses is said in the names of settings, too.
		{"DECISION_BACKEND=m_of_n\nM_OF_N_M=7", "M_OF_N_M is 7 and N is 6"},
		{"STABILIZATION_BEFORE_SCALE_UP_IN_SECONDS=1", "STABILIZATION_BEFORE_SCALE_UP_IN_SECONDS is 1s, shorter than the HEARTBEAT_INTERVAL_IN_SECONDS of 30s"},
		{"RATE_OF_SCALE_DOWN_IN_DYNOS=1", "RATE_OF_SCALE_DOWN_PERIOD_IN_SECONDS is 0s: it must be above 0"},
		{"BUDGET_IN_DYNO_HOURS=1", "BUDGET_IN_DYNO_HOURS is 1, and MIN_DYNOS alone"},
		{"DECISION_BACKEND=backlog\nMEASUREMENT_BACKEND=json\nJSON_URL=/q\nJSON_PATH={\"backlog\": \"a\", \"busy\": \"b\", \"throughput\": \"c\"}\nBACKLOG_JOBS_PER_DYNO=2\nBACKLOG_DRAIN_IN_SECONDS=60", "BACKLOG_JOBS_PER_DYNO is 2"},
		// A rule and what is measured for it.
		{"DECISION_BACKEND=target_tracking", "DECISION_BACKEND is target_tracking, which a heartbeat cannot measure"},
		{"DECISION_BACKEND=backlog", "DECISION_BACKEND is backlog, which a heartbeat cannot measure"},
		{"MEASUREMENT_BACKEND=json", "MEASUREMENT_BACKEND is json, which needs JSON_URL"},
		{"MEASUREMENT_BACKEND=json\nJSON_URL=/m\nJSON_SIGNAL=backlog", "DECISION_BACKEND is consecutive, which needs the signal latency"},
		{"MEASUREMENT_BACKEND=json\nJSON_URL=/m\nDECISION_BACKEND=target_tracking\nTARGET_TRACKING_CONCURRENCY=2", "DECISION_BACKEND is target_tracking, which needs the signal throughput or arrivals"},
		{"MEASUREMENT_BACKEND=json\nJSON_URL=/m\nDECISION_BACKEND=backlog\nBACKLOG_FINISH=true", "BACKLOG_FINISH needs the signal busy"},
		{"JSON_SIGNAL=speed", "it must be one of latency, queue_time"},
		{"JSON_SIGNAL=latency|backlog", "it must be one of latency, queue_time"},
		{"JSON_PATH={\"speed\": \"a\"}", "of the signals, it must be one of latency"},
		{"JSON_PATH=a..b", "a path must be keys and indexes"},
		{"HEARTBEAT_HEADERS=X-Probe: 1", "it must be headers with their values"},
		{"HEARTBEAT_HEADERS={\"X Probe\": \"1\"}", "it has a header that HTTP does not permit"},
		{"HEARTBEAT_REQUESTS=33", "it must be a whole number, 1 to 32"},
		{"HEARTBEAT_PERCENTILE=101", "it must be a percentile: a number alone, 0.1 to 100"},
		{"TOLERANCE_IN_PERCENT=100", "it must be a percentage: a number alone, 0 to 99"},
		{"EMAIL_FROM=jane", "it must be an e-mail address"},
		{"SMTP_URL=smtp.example.com", "SMTP_URL is not right: it must begin with smtp:// or smtps://"},
		{"WEBHOOK_URL=http://www.example.com/hook", "WEBHOOK_URL is not right: it begins with http://, which shows it to whoever listens: use https://"},
		{"SLACK_WEBHOOK_URL=hooks.slack.com", "SLACK_WEBHOOK_URL is not right: it must begin with https:// and a host"},
		{"NOTIFICATION_BACKENDS=email\nADMINS=jane@example.com", "NOTIFICATION_BACKENDS names email, which needs SMTP_URL"},
		{"NOTIFICATION_BACKENDS=email\nSMTP_URL=smtp://smtp.example.com", "NOTIFICATION_BACKENDS names email, which needs ADMINS"},
		{"NOTIFICATION_BACKENDS=webhook", "NOTIFICATION_BACKENDS names webhook, which needs WEBHOOK_URL"},
		{"NOTIFICATION_BACKENDS=slack", "NOTIFICATION_BACKENDS names slack, which needs SLACK_WEBHOOK_URL"},
		{"NOTIFICATION_BACKENDS=discord", "NOTIFICATION_BACKENDS names discord, which needs DISCORD_WEBHOOK_URL"},
		{"NOTIFICATION_BACKENDS=teams", "NOTIFICATION_BACKENDS names teams, which needs TEAMS_WEBHOOK_URL"},
		{"NOTIFICATION_BACKENDS=slackbot\nSLACK_BOT_TOKEN=xoxb-0123456789", "NOTIFICATION_BACKENDS names slackbot, which needs SLACK_CHANNEL"},
		{"SLACK_CHANNEL=a b", "SLACK_CHANNEL is \"a b\": it must be the ID of a channel"},
		{"NOTIFICATION_BACKENDS=log, console, log", "log is given twice"},
		{"NOTIFICATION_BACKENDS=log:scald", `"scald" are not kinds of event for log`},
		{"NOTIFICATION_BACKENDS=log:", `"" are not kinds of event for log`},
		{"NOTIFICATION_BACKENDS=[log", "has a bracket that is not closed"},
		{"NOTIFICATION_BACKENDS=log]", "it must be a list"},
		{"HEROKU_APP_NAME=Quiet River", "contradicts HEROKU_APP_NAME of autoscale.env:1"},
		{"MAX_DYNOS=4\nAUTOSCALE_MAX_DYNOS=5", "autoscale.env:4: AUTOSCALE_MAX_DYNOS contradicts MAX_DYNOS of autoscale.env:3"},
		// Near misses.
		{"MAXDYNOS=4", "is MAX_DYNOS meant?"},
		{"AUTOSCALE_MIN_DYNO=4", "AUTOSCALE_MIN_DYNO is not a setting: is MIN_DYNOS meant?"},
		{"HEARTBEAT_INTERVAL=4", "is HEARTBEAT_INTERVAL_IN_SECONDS meant?"},
		{"NOTIFY_ON_EVERY_SCALING=1", "is NOTIFY_ON_EVERY_SCALE meant?"},
		{"API_KEY=4", "is HEROKU_API_KEY meant?"},
		{"MIN_PROCESSES=4", "is not a setting here: write MIN_DYNOS"},
		{"AUTOSCALE_SETTINGS={", "has a bracket that is not closed"},
		{"AUTOSCALE_SETTINGS={'web': {}}", "its nested dictionary is not read"},
	}
	for _, tt := range tests {
		got := faults(t, options(tt.text))
		if len(got) != 1 || !strings.Contains(got[0], tt.want) {
			t.Errorf("%q: %q, want one fault with %q", tt.text, got, tt.want)
		}
	}
}

func TestRequired(t *testing.T) {
	want := []string{
		"HEROKU_APP_NAME is missing: give the app's name, as HEROKU_APP_NAME=dancing-forest-1234; if the app is not on Heroku, choose its platform, as PLATFORM=fly",
		"HEROKU_API_KEY is missing: make a token with `heroku authorizations:create --scope write`, and hand it over with `heroku config:set`",
	}
	for _, environ := range [][]string{nil, {"HEROKU_APP_NAME=", "AUTOSCALE_HEROKU_API_KEY=None"}} {
		if diff := cmp.Diff(want, faults(t, settings.Options{Environ: environ})); diff != "" {
			t.Errorf("%q: (-want +got)\n%s", environ, diff)
		}
	}
}

// Every retired name is refused with its advice, and none of them is a setting.
func TestRetired(t *testing.T) {
	names, _ := settings.Keys()
	for name, advice := range settings.Retired() {
		got := faults(t, options(name+"=1"))
		if len(got) != 1 || !strings.Contains(got[0], advice) {
			t.Errorf("%s: %q, want %q", name, got, advice)
		}
		for _, known := range names {
			if name == known {
				t.Errorf("%s is a setting, and retired", name)
			}
		}
	}
}

func TestWhichCounts(t *testing.T) {
	tests := []struct {
		name, file string
		environ    []string
		want       int
		warnings   []string
	}{
		{"the file", "MAX_DYNOS=4", nil, 4, nil},
		{"the environment", "", []string{"MAX_DYNOS=4"}, 4, nil},
		{"the environment with prefix", "", []string{"AUTOSCALE_MAX_DYNOS=4"}, 4, nil},
		{"both agree", "", []string{"AUTOSCALE_MAX_DYNOS=4", "MAX_DYNOS=4"}, 4, nil},
		{"environment before file", "MAX_DYNOS=4", []string{"AUTOSCALE_MAX_DYNOS=5"}, 5, nil},
		{
			"environment without prefix before file", "MAX_DYNOS=4",
			[]string{"MAX_DYNOS=5"},
			5,
			[]string{"MAX_DYNOS of the environment counts before MAX_DYNOS of autoscale.env:3: if the variable is meant for another program, give this one as AUTOSCALE_MAX_DYNOS"},
		},
		{"the later variable", "", []string{"MAX_DYNOS=4", "MAX_DYNOS=6"}, 6, nil},
		{"an empty variable", "MAX_DYNOS=4", []string{"MAX_DYNOS=", "AUTOSCALE_MAX_DYNOS=None"}, 4, nil},
		{"somebody else's variables", "", []string{"MAX_DYNOSAURS=5", "HOME=/", "nonsense"}, 3, nil},
	}
	for _, tt := range tests {
		s, err := settings.Load(options(tt.file, tt.environ...))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := s.Config.Max.String(); got != fmt.Sprint(tt.want) {
			t.Errorf("%s: MAX_DYNOS is %s, want %d", tt.name, got, tt.want)
		}
		if diff := cmp.Diff(tt.warnings, s.Warnings); diff != "" {
			t.Errorf("%s: warnings: (-want +got)\n%s", tt.name, diff)
		}
	}

	got := faults(t, options("", "MAX_DYNOS=4", "AUTOSCALE_MAX_DYNOS=5"))
	want := []string{"environment: AUTOSCALE_MAX_DYNOS contradicts MAX_DYNOS of the environment: give one of the two, or both the same value"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("a contradiction: (-want +got)\n%s", diff)
	}
}

// Heroku sets HEROKU_APP_NAME on each dyno to the app that the dyno belongs to,
// which need not be the one that is scaled.
func TestAppOfTheDyno(t *testing.T) {
	const key = "HEROKU_API_KEY=abc"
	tests := []struct {
		file     string
		environ  []string
		want     string
		warnings int
	}{
		{"", []string{key, "HEROKU_APP_NAME=this-app"}, "this-app", 0},
		{"", []string{key, "HEROKU_APP_NAME=this-app", "AUTOSCALE_HEROKU_APP_NAME=that-app"}, "that-app", 1},
		{"", []string{key, "AUTOSCALE_HEROKU_APP_NAME=that-app", "HEROKU_APP_NAME=this-app"}, "that-app", 1},
		{"quiet-river", []string{"HEROKU_APP_NAME=this-app"}, "quiet-river", 1},
		{"quiet-river", []string{"HEROKU_APP_NAME=quiet-river"}, "quiet-river", 0},
		{"quiet-river", []string{"AUTOSCALE_HEROKU_APP_NAME=that-app"}, "that-app", 0},
		{"quiet-river", []string{"HEROKU_APP_NAME=this-app", "AUTOSCALE_HEROKU_APP_NAME=that-app"}, "that-app", 1},
	}
	for _, tt := range tests {
		o := settings.Options{Environ: tt.environ}
		if tt.file != "" {
			o = options("", tt.environ...)
		}
		s, err := settings.Load(o)
		if err != nil {
			t.Errorf("%q: %v", tt.environ, err)
			continue
		}
		if s.App != tt.want || len(s.Warnings) != tt.warnings {
			t.Errorf("file %q, environment %q: the app is %s, warnings %q; want %s and %d", tt.file, tt.environ, s.App, s.Warnings, tt.want, tt.warnings)
		}
	}
}

func TestWarnings(t *testing.T) {
	tests := []struct{ text, want string }{
		{"NUMBER_OF_MEASUREMENTS_TO_AVERAGE=4", "NUMBER_OF_MEASUREMENTS_TO_AVERAGE of autoscale.env:3 has no effect: DECISION_BACKEND is consecutive"},
		{"DECISION_BACKEND=average\nNUMBER_OF_FAILS_TO_SCALE_UP_AFTER=4", "NUMBER_OF_FAILS_TO_SCALE_UP_AFTER of autoscale.env:4 has no effect: DECISION_BACKEND is average"},
		{"SLACK_WEBHOOK_URL=https://hooks.slack.com/x", "SLACK_WEBHOOK_URL of autoscale.env:3 has no effect: NOTIFICATION_BACKENDS does not name slack"},
		{"MIN_DYNOS=0", "MIN_DYNOS is 0 at all times: with no process left the heartbeat fails"},
		{`MIN_DYNOS={"6:00": 1, "22:00": 0}`, "MIN_DYNOS is 0 at 00:00: with no process left the heartbeat fails"},
	}
	for _, tt := range tests {
		got := load(t, tt.text).Warnings
		if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%q: warnings %q, want %q", tt.text, got, tt.want)
		}
	}
	if got := load(t, "", "SMTP_URL=smtp://localhost").Warnings; got != nil {
		t.Errorf("a variable that may be another program's: warnings %q", got)
	}
}

// No secret is in an error, a warning, or in what is formatted, even where it
// was put behind a wrong name.
func TestSecrets(t *testing.T) {
	const secret = "S3CRETVALUE"
	values := map[string]string{
		"HEROKU_API_KEY":    secret,
		"STORE":             "postgres://user:" + secret + "@db.example.com/app",
		"HEARTBEAT_URL":     "https://user:" + secret + "@www.example.com/?token=" + secret,
		"HEARTBEAT_TOKEN":   secret,
		"SMTP_URL":          "smtp://user:" + secret + "@smtp.example.com",
		"HEARTBEAT_HEADERS": `{"X-Key": "` + secret + `"}`,
		"JSON_URL":          "https://user:" + secret + "@www.example.com/?token=" + secret,
		"JSON_HEADERS":      `{"Authorization": "Bearer ` + secret + `"}`,
		"WEBHOOK_URL":       "https://www.example.com/" + secret,
		"WEBHOOK_SECRET":    secret + secret,
		"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/" + secret,

		"SLACK_BOT_TOKEN": "xoxb-" + secret, "DISCORD_WEBHOOK_URL": "https://discord.com/api/webhooks/1/" + secret,
		"TEAMS_WEBHOOK_URL": "https://www.example.com/workflows/1?sig=" + secret,

		"CF_REFRESH_TOKEN": secret,

		"FLY_API_TOKEN": "FlyV1 fm2_" + secret, "RENDER_API_KEY": "rnd_" + secret, "SCALINGO_API_TOKEN": "tk-us-" + secret, "CF_CLIENT_SECRET": secret, "CF_PASSWORD": secret,
		"NOMAD_TOKEN": secret, "DOKKU_SSH_KEY": secret,
	}
	var all, broken string
	for _, name := range settings.Secrets() {
		value, ok := values[name]
		if !ok {
			t.Errorf("%s has no value in this test", name)
		}
		if name != "HEROKU_API_KEY" {
			all += name + "=" + value + "\n"
		}
		broken += name + "='" + value + "\x01 \" #'\n"
	}
	all += "NOTIFICATION_BACKENDS=webhook, slack, slackbot, discord, teams, email:scaled\nSLACK_CHANNEL=#ops\nADMINS=jane@example.com\n"
	o := options(all)
	o.FS = nil
	o.File = ""
	o.Environ = append([]string{"HEROKU_APP_NAME=quiet-river", "HEROKU_API_KEY=" + secret, "AUTOSCALE_STORE=" + values["STORE"]}, strings.Split(strings.TrimSpace(all), "\n")...)
	s, err := settings.Load(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{o, &o, s, *s, s.Config, s.Config.Prober, s.Config.Scaler, s.Config.Notifiers} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, secret) {
				t.Errorf("%s of a %T shows a secret: %s", verb, v, got)
			}
		}
	}
	if text, err := json.Marshal(o); err != nil || strings.Contains(string(text), secret) {
		t.Errorf("JSON of the options: %s, %v", text, err)
	}

	// Wrong values, wrong names, and lines that are none.
	for _, text := range []string{
		broken,
		secret + "\n" + strings.ToLower(secret) + "=\n=" + secret,
		"SMTP_URL=" + secret + "\nMAX_DYNOS=" + secret + "\nHEROKU_APP_NAME=" + secret + "\nADMINS=" + secret,
		"WEBHOOK_SECRET=" + secret + "\n" + `MAX_DYNOS={"` + secret + `": 1}`,
		"WEBHOOK_SECRET=" + secret + "\nTIME_ZONE=" + strings.Repeat("x", 115) + secret,
		"HEARTBEAT_URL='" + secret + "\nSMTP_URL=[" + secret,
	} {
		for _, line := range faults(t, options(text)) {
			if strings.Contains(line, secret) || strings.Contains(line, secret[:8]) {
				t.Errorf("%q: a fault shows a secret: %s", text, line)
			}
		}
	}
	if got := faults(t, options("PROCESS_TYPE=HRKU-12345678 x")); strings.Contains(strings.Join(got, ""), "12345678") {
		t.Errorf("a token in the wrong place is shown: %q", got)
	}
}
