package settings_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/autoscalebot/autoscale/settings"
)

// A secret that still has what a shell would have taken off is not sent.
func TestLiteralSecrets(t *testing.T) {
	usual := map[string]string{
		"SMTP_URL": "smtp://user:pass@smtp.example.com", "WEBHOOK_URL": "https://www.example.com/hook",
		"SLACK_WEBHOOK_URL": "https://hooks.slack.com/x", "DISCORD_WEBHOOK_URL": "https://discord.com/x", "TEAMS_WEBHOOK_URL": "https://www.example.com/x",
		"HEARTBEAT_URL": "https://www.example.com/up", "JSON_URL": "https://www.example.com/m",
		"HEARTBEAT_HEADERS": `{"X": "abcdefgh"}`, "JSON_HEADERS": `{"X": "abcdefgh"}`,
	}
	for _, name := range settings.Secrets() {
		value := usual[name]
		if value == "" {
			value = "s3cret-and-long-enough"
		}
		for _, bad := range []string{
			`"` + value + `"`, "'" + value + "'", "`" + value + "`", "“" + value + "”",
			"${NAME}", "$NAME", "${NAME:-x}", "$(cat secret)", "%NAME%", "{{ secret }}", value + "${NAME}", "<your-secret>",
			"op://vault/item/field", "arn:aws:secretsmanager:eu-west-1:1:secret:x", "ENC[AES256_GCM,data:x]", "#{NAME}", "!NAME!", "[[NAME]]",
			"vault:secret/data#key", "@Microsoft.KeyVault(SecretUri=https://x)", name + "=" + value, "export AUTOSCALE_" + name + "=" + value,
			"os.environ['NAME']", "os.environ.get('NAME', '')", "str(os.getenv('NAME'))", "env('NAME')", "u'" + value + "'",
		} {
			o := settings.Options{Environ: []string{"HEROKU_APP_NAME=quiet-river", "HEROKU_API_KEY=k", "AUTOSCALE_" + name + "=" + bad}}
			if name == "HEROKU_API_KEY" {
				o.Environ = []string{"HEROKU_APP_NAME=quiet-river", name + "=" + bad}
			}
			got := faults(t, o)
			if len(got) != 1 || !strings.Contains(got[0], name) || strings.Contains(got[0], value) {
				t.Errorf("%s=%s: %q, want one fault", name, bad, got)
			}
		}
	}
	// So is a secret that is only a part of the value.
	for _, bad := range []string{
		`HEARTBEAT_HEADERS={"Authorization": "Bearer 's3cretvalue'"}`,
		`HEARTBEAT_HEADERS={"Authorization": "\"s3cretvalue\""}`,
		`JSON_HEADERS={"A": "x", "Authorization": "Bearer <s3cretvalue>"}`,
		`JSON_HEADERS={"Authorization": "Bearer os.environ['s3cretvalue']"}`,
		`JSON_HEADERS={"X-Key": "op://s3cretvalue/item/field"}`,
		"SMTP_URL=smtp://u:'s3cretvalue'@smtp.example.com",
		`WEBHOOK_URL=https://www.example.com/%22s3cretvalue%22`,
		"WEBHOOK_URL=https://www.example.com/<s3cretvalue>",
		"JSON_URL=https://www.example.com/m?token='s3cretvalue'",
	} {
		got := faults(t, options("", "AUTOSCALE_"+bad))
		name, _, _ := strings.Cut(bad, "=")
		if len(got) != 1 || !strings.Contains(got[0], name+" has a part that ") || strings.Contains(got[0], "s3cretvalue") {
			t.Errorf("%s: %q, want one fault", bad, got)
		}
	}
	for _, good := range []string{
		`HEARTBEAT_HEADERS={"Authorization": "Bearer s3cret", "X-Names": "it's ours"}`,
		`JSON_URL=https://www.example.com/m?query=sum(up{job="a"})`,
		"SMTP_URL=smtp://u:it%27s@smtp.example.com",
		"WEBHOOK_SECRET=a!b=c#d%25^&*0123456789abcdef",
	} {
		load(t, "", "AUTOSCALE_"+good)
	}
	for _, text := range []string{"HEARTBEAT_TOKEN=abc'", "WEBHOOK_SECRET=0123456789abcdef$NAME", `HEARTBEAT_HEADERS={"Authorization": "Bearer "}`, `HEARTBEAT_HEADERS={"X-Key": ""}`} {
		if got := load(t, "", "AUTOSCALE_"+text).Warnings; len(got) == 0 {
			t.Errorf("%s: no warning", text)
		}
	}
	if got := faults(t, options("PROCESS_TYPE=${TYPE}")); len(got) != 1 || !strings.Contains(got[0], "not expanded") {
		t.Errorf("a variable in what is not secret: %q", got)
	}
}

// An error shows neither another setting nor a password, whatever ends the lines.
func TestNothingIsQuoted(t *testing.T) {
	const secret = "S3CRETVALUE"
	for _, text := range []string{
		"INCREMENT=two\rSMTP_URL=smtp://u:" + secret + "@h\rWEBHOOK_SECRET=" + secret,
		"MAX_DYNOS=x\u2028SOME_TOKEN=" + secret,
		"INCREMENT=two SMTP_PASSWORD=" + secret,
		"INCREMENT=two smtp_password=" + secret,
		"MAX_DYNOS=4;KEY=" + secret,
		`MAX_DYNOS={"9:00 KEY=` + secret + `": 2}`,
		"NOTIFICATION_BACKENDS=console, TOKEN=" + secret,
		"NOTIFICATION_BACKENDS=console:KEY=" + secret,
		"HEROKU_API_URL=http://u:" + secret + "@api.example.com",
		"HEROKU_API_URL=u:" + secret + "@api.example.com",
		"HEROKU_API_URL=https://" + secret + "@api.example.com",
		"HEROKU_API_URL=https://u:" + secret + "/x@api.example.com",
		"PROCESS_TYPE=http://u:" + secret + "@example.com",
		"EMAIL_FROM=smtp://u:" + secret + "@example.com",
		"TIME_ZONE=postgres://u:" + secret + "@example.com",
		"NOTIFICATION_BACKENDS=https://u:" + secret + "@example.com",
		"JSON_PATH=a..https://u:" + secret + "@example.com",
		"LOG_LEVEL=redis://:" + secret + "@example.com",
		"HEROKU_API_URL=http://u:" + secret + "%40api.example.com",
		"HEROKU_API_URL=http://u:" + secret + "＠api.example.com",
		"HEROKU_API_URL=https://api.example.com/?" + secret,
		"HEROKU_API_URL=https://api.example.com/%zz?" + secret,
		"LOG_LEVEL=https://hooks.slack.com/services/T/B/" + secret,
		"INCREMENT=https://www.example.com#" + secret,
		"INCREMENT=two; HEARTBEAT_TOKEN: " + secret,
		`INCREMENT=two\nSMTP_PASSWORD: ` + secret,
		`INCREMENT={"password": "` + secret + `"}`,
		"INCREMENT=--token " + secret,
		"INCREMENT=Bearer " + secret,
		"MAX_DYNOS=4 KEY := " + secret,
		"MAX_DYNOS=4 KEY : " + secret,
		"MAX_DYNOS=4 KEY＝" + secret,
		"TIME_ZONE=xoxb-12-" + secret,
		"TIME_ZONE=ghp_" + secret,
		"TIME_ZONE=" + secret + "0123456789abc",
		"ADMINS=ops:" + secret + "@example.com",
		"ADMINS=('Jane', 'jane:" + secret + "@example.com')",
		"ADMINS=['smtp://" + secret + "@example.com']",
	} {
		for _, line := range faults(t, options(text)) {
			if strings.Contains(line, secret) {
				t.Errorf("%q: %s", text, line)
			}
		}
	}
	const token = "01234567-89ab-cdef-0123-456789abcdef" // as Heroku's were
	if got := faults(t, options("PROCESS_TYPE=/"+token)); strings.Contains(got[0], token) {
		t.Errorf("%q", got)
	}
	// What holds no secret is shown.
	for _, value := range []string{"two", "Europe/Nowhere", "data.result.0.value..1", "5 minutes", "https://api.example.com", `{"9:00": two}`, "quiet_river_with_a_long_name", "http://h:80/"} {
		if got := faults(t, options("LOG_LEVEL="+value)); !strings.Contains(got[0], strings.Trim(value, `{}"`)) {
			t.Errorf("%q is not shown: %q", value, got)
		}
	}
}

// Python that Django's settings have is refused with what to write instead.
func TestRemedies(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"ADMINS = (('Jane Doe', 'jane@example.com'), ('Joe', 'joe@example.com'))", "as ADMINS=jane@example.com, joe@example.com"},
		{"ADMINS = [\n  ('Jane Doe', 'jane@example.com'),\n]", "leave the names and the brackets out"},
		{"HEARTBEAT_TOKEN = os.environ['HEARTBEAT_TOKEN']", "take this line out; the variable HEARTBEAT_TOKEN of the environment is read anyway"},
		{"MAX_DYNOS = int(os.environ.get('MAX_DYNOS', 3))", "the variable MAX_DYNOS of the environment is read anyway"},
		{"MAX_DYNOS = os.getenv('DYNOS')", "give the value as the variable MAX_DYNOS of the environment"},
		{"MAX_DYNOS = environ['AUTOSCALE_MAX_DYNOS']", "the variable MAX_DYNOS of the environment"},
		{"MAX_DYNOS = env('MAX_DYNOS')", "the variable MAX_DYNOS of the environment"},
		{"WEBHOOK_SECRET = os.environ.get('HOOK')", "give the value as the variable WEBHOOK_SECRET of the environment"},
		{"HEARTBEAT_TOKEN = u's3cret'", "the u before a quotation mark"},
		{"HEARTBEAT_INTERVAL_IN_SECONDS = 60 * 2", "write 120"},
		{"HEARTBEAT_INTERVAL_IN_SECONDS = 60 + 30", "write 90"},
		{"MAX_RESPONSE_TIME_IN_MS = 2 ** 10", "write the result"},
		{"MAX_RESPONSE_TIME_IN_MS = (1 + 2) * 1000", "nothing is calculated: write the result"},
		{"INCREMENT = 1_0", "write the number without _, as 10"},
		{"INCREMENT = 2L", "write the number without the L of Python 2, as 2"},
		{"INCREMENT = 2,", "a tuple of Python: take it off"},
		{"PROCESS_TYPE = u'web'", "the u before a quotation mark is Python's"},
		{"TIME_ZONE = r'Europe/Berlin'", "the r before a quotation mark"},
		{"MAX_DYNOS = {u'18:00': 2}", "the u before a quotation mark"},
		{"HEROKU_API_URL = f'https://{HOST}'", "the f before a quotation mark"},
		{`PROCESS_TYPE = """web"""`, "three quotation marks are Python's"},
		{"PROCESS_TYPE = 'we' + 'b'", "Python is not run"},
		{"MAX_DYNOS = dict(a=1)", "Python is not run"},
		{"NOTIFICATION_BACKENDS = ['console'] + OTHERS", "Python is not run"},
		{"HEARTBEAT_INTERVAL_IN_SECONDS = timedelta(minutes=1)", "Python is not run"},
		{"INCREMENT = 1 if DEBUG else 2", "Python is not run: write the value"},
		{"DRY_RUN = not DEBUG", "Python is not run: write the value"},
		{"MAX_DYNOS = {'9:00': 2 * 2}", "Python is not run: write the value"},
		{"MIN_DYNOS = MAX_DYNOS", "a name is not replaced by its value"},
		{"import os", "Python, such as import and if, is not run"},
	} {
		got := faults(t, options(tt.text))
		if len(got) != 1 || !strings.Contains(got[0], tt.want) {
			t.Errorf("%q: %q, want one fault with %q", tt.text, got, tt.want)
		}
	}
}

// A Procfile of autoscalebot names a Python module.
func TestPythonModule(t *testing.T) {
	for _, tt := range []struct{ name, there, want string }{
		{"autoscale_settings", "autoscale_settings.py", "but there is autoscale_settings.py: a file is wanted here and not a Python module"},
		{"shop.autoscale_settings", "shop/autoscale_settings.py", "but there is shop/autoscale_settings.py"},
		{"shop/autoscale_settings", "shop/autoscale_settings.py", "but there is shop/autoscale_settings.py"},
		{"shop.settings", "shop/settings/__init__.py", "but there is shop/settings/__init__.py"},
		{"settings", "settings/__init__.py", "settings is a folder: give a file of KEY=VALUE lines"},
	} {
		_, err := settings.Load(settings.Options{File: tt.name, FS: fstest.MapFS{tt.there: {Data: []byte("A=1")}}})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
