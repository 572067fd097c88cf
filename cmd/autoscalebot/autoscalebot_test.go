package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/settings"
)

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "autoscalebot")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "autoscalebot")
		if runtime.GOOS == "windows" {
			binary += ".exe"
		}
		if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// patience is how long a test waits for what must happen; it is no measure of anything.
const patience = 60 * time.Second

func TestArguments(t *testing.T) {
	tests := []struct {
		args           []string
		status         int
		stdout, stderr string // what is in them
	}{
		{[]string{"--help"}, 0, "Usage:", ""},
		{[]string{"-h"}, 0, "Usage:", ""},
		{[]string{"help"}, 0, "Usage:", ""},
		{[]string{"check", "--help"}, 0, "Usage:", ""},
		{[]string{"--version"}, 0, "autoscalebot ", ""},
		{[]string{"sample"}, 0, settings.Sample(), ""},
		{[]string{"check", "--help"}, 0, "autoscalebot check measures once", ""},
		{[]string{"check", "-h"}, 0, "autoscalebot check measures once", ""},
		{[]string{"help", "check"}, 0, "autoscalebot check measures once", ""},
		{[]string{"simulate", "--help"}, 0, "--service-time=TIME", ""},
		{[]string{"help", "simulate"}, 0, "--service-time=TIME", ""},
		{[]string{"sample", "--help"}, 0, "autoscalebot sample > autoscale.env", ""},
		{[]string{"--setings=x"}, 2, "", "autoscalebot: there is no flag --setings: is --settings meant?\n"},
		{[]string{"check", "--seting=x"}, 2, "", "is --settings meant?\nautoscalebot check --help lists"},
		{[]string{"chekc"}, 2, "", `there is no subcommand "chekc": is check meant?`},
		{[]string{"simulat"}, 2, "", `there is no subcommand "simulat": is simulate meant?`},
		{[]string{"help", "chek"}, 2, "", `there is no subcommand`},
		{[]string{"--settings"}, 2, "", "--settings needs a value, as --settings=autoscale.env"},
		{[]string{"--version=maybe"}, 2, "", `--version is "maybe": it must be true or false`},
		{[]string{"--trace=x"}, 2, "", "there is no flag --trace here: it belongs after simulate"},
		{[]string{"--log-level=loud"}, 2, "", `--log-level is "loud": it must be debug, info, warn or error`},
		{[]string{"override", "-1"}, 2, "", `the size is "-1": it must be a whole number, 0 or more`},
		{[]string{"pause", "for", "-2h"}, 2, "", "for -2h has ended already: give a time above 0"},
		{[]string{"run"}, 2, "", `autoscalebot: there is no subcommand "run"`},
		{[]string{""}, 2, "", `autoscalebot: there is no subcommand ""`},
		{[]string{"check", "now"}, 2, "", `autoscalebot: check takes no argument "now"`},
		{[]string{"--settings=none.env"}, 2, "", "autoscalebot: settings: read the settings file: open none.env"},
		{[]string{"check", "--settings=none.env"}, 2, "", "autoscalebot: settings: read the settings file: open none.env"},
	}
	for _, tt := range tests {
		r := run(t, nil, tt.args...)
		if r.status != tt.status {
			t.Errorf("%q: status %d, want %d", tt.args, r.status, tt.status)
		}
		for _, out := range []struct{ name, got, want string }{{"stdout", r.stdout, tt.stdout}, {"stderr", r.stderr, tt.stderr}} {
			if !strings.Contains(out.got, out.want) || out.want == "" && out.got != "" {
				t.Errorf("%q: %s %q, want %q in it", tt.args, out.name, out.got, out.want)
			}
		}
	}
}

// Wrong settings: a line for each fault, and nothing is begun.
func TestBadSettings(t *testing.T) {
	w := newWorld(t, 1, ok)
	file := filepath.Join(t.TempDir(), "autoscale.env")
	text := "MAX_DYNO=4\nINCREMENT=two\nSMTP_URL=smtp://user:s3cret@\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--settings=" + file}, {"--settings", file, "check"}, {"check", "--settings=" + file}} {
		r := run(t, append(w.environ, "AUTOSCALE_DRY_RUN=maybe"), args...)
		lines := strings.Split(strings.TrimSuffix(r.stderr, "\n"), "\n")
		if r.status != 2 || r.stdout != "" || len(lines) != 4 {
			t.Errorf("%q: status %d, stdout %q, %d faults; want 2, none and 4:\n%s", args, r.status, r.stdout, len(lines), r.stderr)
			continue
		}
		for i, want := range []string{file + ":1: MAX_DYNO ", file + ":2: INCREMENT ", file + ":3: SMTP_URL ", "environment: AUTOSCALE_DRY_RUN "} {
			if !strings.HasPrefix(lines[i], "autoscalebot: "+want) {
				t.Errorf("fault %d is %q, want it to begin with %q", i+1, lines[i], want)
			}
		}
		if strings.Contains(r.stderr, "s3cret") {
			t.Errorf("a password is shown:\n%s", r.stderr)
		}
	}
	if n := len(w.platform.Requests()); n > 0 {
		t.Errorf("the platform got %d requests", n)
	}
}

// The service is broken: the program adds processes up to the maximum of three,
// says so to the console, and ends with status 0 when it is asked to.
func TestRun(t *testing.T) {
	signals(t)
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		w := newWorld(t, 1, broken)
		file := filepath.Join(t.TempDir(), "autoscale.env")
		text := "NOTIFICATION_BACKENDS=console\nNOTIFY_ON_EVERY_SCALE=true\nHEARTBEAT_INTERVAL_IN_SECONDS=99\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := start(t, w.environ, "--settings="+file)
		for _, want := range []int{2, 3} {
			if got := await(t, "a change of size", w.scaled); got != want {
				t.Errorf("scaled to %d, want %d", got, want)
			}
		}
		p.signal(t, s)
		r := p.wait(t)
		if r.status != 0 {
			t.Errorf("%v: status %d, want 0\n%s", s, r.status, r.stderr)
		}
		for _, want := range []string{"autoscalebot: started", "Europe/Berlin", "app=quiet-river", "autoscalebot: stopped"} {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("the log does not say %q:\n%s", want, r.stderr)
			}
		}
		// The second order may have been cut short by the signal; the first one was not.
		if !strings.Contains(r.stdout, "scaled from 1 to 2") {
			t.Errorf("the console does not show the change:\n%s", r.stdout)
		}
	}
}

// The program ends while what it waits for hangs, however often it is asked to.
func TestStopWhileHanging(t *testing.T) {
	signals(t)
	asked := make(chan struct{}, 100)
	hang := func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}
	t.Run("heartbeat", func(t *testing.T) {
		w := newWorld(t, 1, hang)
		p := start(t, append(w.environ, "AUTOSCALE_MAX_RESPONSE_TIME_IN_MS=3600000"))
		await(t, "a heartbeat", asked)
		p.signal(t, syscall.SIGTERM)
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
		if r := p.wait(t); r.status != 0 {
			t.Errorf("status %d, want 0\n%s", r.status, r.stderr)
		}
	})
	t.Run("platform", func(t *testing.T) {
		w := newWorld(t, 1, ok)
		api := httptest.NewServer(http.HandlerFunc(hang))
		defer api.Close()
		p := start(t, append(w.environ, "HEROKU_API_URL="+api.URL))
		await(t, "a call of the platform", asked)
		p.signal(t, syscall.SIGTERM)
		if r := p.wait(t); r.status != 0 {
			t.Errorf("status %d, want 0\n%s", r.status, r.stderr)
		}
	})
}

func TestDryRun(t *testing.T) {
	signals(t)
	notified := make(chan struct{}, 100)
	w := newWorld(t, 9, ok)
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { notified <- struct{}{} }))
	defer hook.Close()
	p := start(t, append(w.environ, "AUTOSCALE_DRY_RUN=true", "AUTOSCALE_NOTIFICATION_BACKENDS=webhook:scaled", "AUTOSCALE_WEBHOOK_URL="+hook.URL), "--log-level=warn")
	await(t, "the event of a change", notified)
	p.signal(t, syscall.SIGTERM)
	r := p.wait(t)
	if r.status != 0 || len(w.platform.Writes()) > 0 {
		t.Errorf("status %d and %d orders, want 0 and none\n%s", r.status, len(w.platform.Writes()), r.stderr)
	}
	if strings.Contains(r.stderr, "level=INFO") {
		t.Errorf("--log-level=warn logs less than warnings:\n%s", r.stderr)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name      string
		size      int
		heartbeat http.HandlerFunc
		environ   []string
		fault     herokutest.Fault
		status    int
		want      []string
	}{
		{
			"all well", 2, ok, nil,
			herokutest.Fault{},
			0,
			[]string{
				"settings   right, from the environment\n", "app        quiet-river, process type web\n",
				"time zone  Europe/Berlin (it is ", "bounds     1 to 3 processes\n",
				"heartbeat  /autoscalebot/heartbeat/: latency ", "200ms to 1s is just right\n",
				"size       2 processes ordered\n", "now        autoscalebot would hold: stay at 2: latency ",
			},
		},
		{
			"limits and schedule", 2, ok,
			[]string{"MIN_RESPONSE_TIME_IN_MS=0", "MAX_RESPONSE_TIME_IN_MS=5000", `MAX_DYNOS={"0:00": 4, "12:00": 5}`, "TIME_ZONE="},
			herokutest.Fault{},
			0,
			[]string{"at most 5s is right\n", " processes until ", ", then 1 to ", "would hold: stay at 2: latency "},
		},
		{
			"one process", 1, ok,
			[]string{"MAX_DYNOS=1"},
			herokutest.Fault{},
			0,
			[]string{"bounds     1 process\n", "size       1 process ordered\n"},
		},
		{
			"outside the bounds", 7, ok, nil,
			herokutest.Fault{},
			0,
			[]string{"size       7 processes ordered\n", "now        autoscalebot would scale: from 7 to 3, the nearest bound\n"},
		},
		{
			"a broken service is measured", 2, broken, nil,
			herokutest.Fault{},
			0,
			[]string{"failed: server_error, status 502; 200ms to 1s is just right", "would hold: stay at 2: the service answered with a server error"},
		},
		{
			"one is enough", 2, broken,
			[]string{"NUMBER_OF_FAILS_TO_SCALE_UP_AFTER=1"},
			herokutest.Fault{},
			0,
			[]string{"now        autoscalebot would scale: from 2 to 3: the service answered with a server error"},
		},
		{
			"paused", 0, ok, nil,
			herokutest.Fault{},
			0,
			[]string{"now        autoscalebot would hold: stay at 0: ", "pause"},
		},
		{
			"no heartbeat", 2, http.NotFound, nil,
			herokutest.Fault{},
			1,
			[]string{
				"/autoscalebot/heartbeat/: nothing was measured: ", "status 404: check the URL of the heartbeat", "size       2 processes ordered\n",
				"failed     autoscalebot would hold the size, and try again every 100ms\n",
			},
		},
		{
			"no heartbeat, outside the bounds", 7, http.NotFound, nil,
			herokutest.Fault{},
			1,
			[]string{"nothing was measured: ", "failed     autoscalebot would scale to 3 anyway: 7 is outside the bounds 1 to 3\n"},
		},
		{
			"no permission", 2, ok, nil, herokutest.Error(401, "unauthorized", "Invalid credentials provided."), 1,
			[]string{"nothing was measured: ", "size       ", "401", "HEROKU_API_KEY", "failed     "},
		},
		{
			"no such process type", 2, ok,
			[]string{"PROCESS_TYPE=worker"},
			herokutest.Fault{},
			1,
			[]string{": latency ", "size       ", "worker", "failed     "},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, tt.size, tt.heartbeat)
			if tt.fault.Status != 0 {
				tt.fault.Times = -1
				w.platform.Inject(tt.fault)
			}
			hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("somebody was notified") }))
			defer hook.Close()
			environ := append(w.environ, "NOTIFICATION_BACKENDS=webhook:"+"scaled|probed|probe_failed|scale_failed", "WEBHOOK_URL="+hook.URL)
			for _, variable := range tt.environ {
				environ = append(environ, "AUTOSCALE_"+variable)
			}
			r := run(t, environ, "check")
			if r.status != tt.status || r.stderr != "" {
				t.Errorf("status %d, stderr %q, want %d and nothing", r.status, r.stderr, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(r.stdout, want) {
					t.Errorf("it does not say %q:\n%s", want, r.stdout)
				}
			}
			if n := len(w.platform.Writes()); n > 0 {
				t.Errorf("it ordered %d times", n)
			}
		})
	}
}

// TestCheckToken: check says whether the token may order, and orders nothing to find out.
func TestCheckToken(t *testing.T) {
	const reader, writer = "a-token-that-reads", "a-token-that-writes"
	w := newWorld(t, 2, ok)
	w.platform.AddToken(reader, "read")
	w.platform.AddToken(writer, "identity", "write")
	target, err := url.Parse(w.platform.URL)
	if err != nil {
		t.Fatal(err)
	}
	silent := httputil.NewSingleHostReverseProxy(target)
	silent.ModifyResponse = func(r *http.Response) error { r.Header.Del("Oauth-Scope"); return nil }
	proxy := httptest.NewServer(silent)
	defer proxy.Close()
	for _, tt := range []struct {
		token, api string
		status     int
		want       string
	}{
		{herokutest.Token, w.platform.URL, 0, "token      has the scope global, which permits orders"},
		{writer, w.platform.URL, 0, "token      has the scope identity write, which permits orders"},
		{reader, w.platform.URL, 1, "token      has the scope read, which permits no order: make one with heroku authorizations:create --scope write"},
		{reader, proxy.URL, 0, "token      it is not known whether it may order"},
	} {
		r := run(t, append(w.environ, "HEROKU_API_KEY="+tt.token, "HEROKU_API_URL="+tt.api), "check")
		if r.status != tt.status || !strings.Contains(r.stdout, tt.want) || strings.Contains(r.stdout, tt.token) {
			t.Errorf("%s: status %d, want %d, and %q in\n%s%s", tt.token, r.status, tt.status, tt.want, r.stdout, r.stderr)
		}
	}
	if n := len(w.platform.Writes()); n > 0 {
		t.Errorf("it ordered %d times", n)
	}
}

// A refused connection is not shown as a measurement.
func TestCheckRefused(t *testing.T) {
	w := newWorld(t, 2, ok)
	closed := httptest.NewServer(nil)
	closed.Close()
	r := run(t, append(w.environ, "AUTOSCALE_HEARTBEAT_URL="+closed.URL+"/"), "check")
	for _, want := range []string{"/: no response, so nothing says how slow the app is: connection refused", "failed     nothing answers at the address of the heartbeat: check that the app is up"} {
		if r.status != 1 || !strings.Contains(r.stdout, want) {
			t.Errorf("status %d, want 1, and %q in\n%s%s", r.status, want, r.stdout, r.stderr)
		}
	}
}

// A slim image has no database of time zones.
func TestZonesEmbedded(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "\ntime/tzdata\n") {
		t.Error("time/tzdata is not part of the program")
	}
}

// A flag or a file's name that is really a URL may hold a password, whatever is wrong with it.
func TestFlagsShowNoPassword(t *testing.T) {
	var tests [][]string
	for _, url := range []string{"https://u:hunter2@h.example.org/week.csv?key=hunter2", "https://u:a/hunter2@h.example.org/week.csv"} {
		for _, flag := range []string{"settings", "log-level", "version", "nosuch", url} {
			tests = append(tests, []string{"--" + flag + "=" + url}, []string{"check", "--" + flag + "=" + url})
		}
		for _, flag := range []string{"trace", "against", "html", "service-time", "boot", "seed", "concurrency", url} {
			tests = append(tests, []string{"simulate", "--" + flag + "=" + url})
		}
		tests = append(tests, []string{url}, []string{"check", url}, []string{"help", url})
	}
	for _, args := range tests {
		r := run(t, nil, args...)
		if r.status != 2 && r.status != 1 || strings.Contains(r.stdout+r.stderr, "hunter2") {
			t.Errorf("%q: status %d, stdout %q, stderr %q; want a fault without the password", args, r.status, r.stdout, r.stderr)
		}
	}
}
