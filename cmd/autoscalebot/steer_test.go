package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/status"
)

const pageToken = "a-token-of-the-page"

type fixed struct{}

func (fixed) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: 3}, nil
}
func (fixed) Scale(context.Context, int) error { return nil }

// newPage serves the page of an Autoscaler that has ticked once.
func newPage(t *testing.T) (*autoscale.Autoscaler, string) {
	t.Helper()
	a := autoscale.New(autoscale.Config{
		Name: "web", Scaler: fixed{}, Min: autoscale.Fixed(2), Max: autoscale.Fixed(6),
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 500 * time.Millisecond}, nil
		}),
	})
	if _, err := a.Tick(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/autoscale/", status.Handler(a, &status.Options{Token: pageToken, Control: true}))
	mux.HandleFunc("/login/", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) })
	mux.HandleFunc("/other/", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>\n")) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return a, server.URL
}

// TestPage: an autoscaler is looked at and steered through its page, and knows who did.
func TestPage(t *testing.T) {
	a, server := newPage(t)
	environ := []string{"AUTOSCALE_TOKEN=" + pageToken}
	page := "--url=" + server + "/autoscale/"
	steps := []struct {
		args    []string
		want    string // what is printed
		command string // what the Autoscaler then has
	}{
		{[]string{"status", page}, "web        3 processes, bounds 2 to 6\nwhy        stay at 3: ", ""},
		{[]string{"status", page, "--name=web"}, "measured   latency 500ms\n", ""},
		{[]string{"pause", "for", "2h", page, "--by=alice"}, ", by alice. ", "paused until "},
		{[]string{"status", page}, "(by alice)", "(by alice)"},
		{[]string{"override", page, "5", "until", "tomorrow", "9:00", "--by", "bob:b"}, "web is set to 5 until ", "(by bob b)"},
		{[]string{"resume", "--by=carol", strings.TrimSuffix(page, "/")}, "web resumes, by carol. ", ""},
		{[]string{"pause", page, "--by=dave"}, "web is paused until autoscalebot resume, by dave. ", "paused since "},
		{[]string{"events", page}, "now paused since ", "(by dave)"},
	}
	for _, s := range steps {
		r := run(t, environ, s.args...)
		if r.status != 0 || !strings.Contains(r.stdout, s.want) || r.stderr != "" {
			t.Errorf("%q: status %d, %q, want %q in it\n%s", s.args, r.status, r.stdout, s.want, r.stderr)
		}
		if got := a.Status().Command; !strings.Contains(got, s.command) || s.command == "" && got != "" {
			t.Errorf("%q: the command is %q, want %q in it", s.args, got, s.command)
		}
	}
	var doc struct {
		Version     int
		Autoscalers []struct {
			Name, Command string
			Size          int
		}
	}
	if r := run(t, environ, "status", page, "--json"); json.Unmarshal([]byte(r.stdout), &doc) != nil || doc.Version != 1 || len(doc.Autoscalers) != 1 || doc.Autoscalers[0].Size != 3 {
		t.Errorf("status --json: %d, %s%s", r.status, r.stdout, r.stderr)
	}
	var order struct {
		Action, Name, By string
		Size             int
	}
	if r := run(t, environ, "override", "4", "for", "1h", page, "--json", "--by=erin"); json.Unmarshal([]byte(r.stdout), &order) != nil || order.Action != "override" || order.Size != 4 || order.By != "erin" || order.Name != "web" {
		t.Errorf("override --json: %d, %s%s", r.status, r.stdout, r.stderr)
	}
	// Outside the bounds: it is done, and a line says what becomes of it.
	if r := run(t, environ, "override", "9", "for", "1h", page); r.status != 0 || !strings.Contains(r.stderr, "9 is outside the bounds 2 to 6") {
		t.Errorf("override 9: status %d, %s%s", r.status, r.stdout, r.stderr)
	}
}

// TestNext: status says when processes can be added next, while a person holds the size too.
func TestNext(t *testing.T) {
	a, server := newPage(t)
	environ, page := []string{"AUTOSCALE_TOKEN=" + pageToken}, "--url="+server+"/autoscale/"
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"resume"}, "next       processes are added and removed at any tick\n"},
		{[]string{"pause", "for", "2h"}, "next       processes are added and removed after "},
		{[]string{"pause"}, "next       no processes are added or removed until somebody resumes\n"},
		{[]string{"override", "3", "for", "2h"}, "why        stay at 3, because somebody set the size until "},
		{[]string{"override", "3", "for", "2h"}, "next       processes are added and removed after "},
	} {
		if r := run(t, environ, append(tt.args, page)...); r.status != 0 {
			t.Fatalf("%q: status %d, %s", tt.args, r.status, r.stderr)
		}
		if _, err := a.Tick(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if r := run(t, environ, "status", page); !strings.Contains(r.stdout, tt.want) {
			t.Errorf("after %q: %s, want %q in it", tt.args, r.stdout, tt.want)
		}
	}
}

// TestConditionLastSeen: a condition that was not seen in the last tick may have ended.
func TestConditionLastSeen(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"version": 1, "autoscalers": [{"name": "web", "ticked": "2026-11-27T08:32:00Z", "conditions": [
			{"kind": "needs_above_max", "since": "2026-11-27T08:26:00Z", "time": "2026-11-27T08:30:00Z", "text": "web: more are needed"},
			{"kind": "paused", "since": "2026-11-27T08:27:00Z", "time": "2026-11-27T08:32:00Z", "text": "web: it is paused"}]}]}`))
	}))
	defer page.Close()
	r := run(t, nil, "status", "--url="+page.URL, "--time-zone=UTC")
	if r.status != 0 || strings.Count(r.stdout, "last seen") != 1 || !strings.Contains(r.stdout, ", last seen at ") || !strings.Contains(r.stdout, ": it is paused\n") {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
}

func TestPageFaults(t *testing.T) {
	_, server := newPage(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, tt := range []struct {
		token  string
		args   []string
		status int
		want   string
	}{
		{"", []string{"status", "--url=" + server + "/autoscale/"}, 1, "asks for a token: set AUTOSCALE_TOKEN"},
		{"not-the-right-token", []string{"pause", "--url=" + server + "/autoscale/"}, 1, "refuses the token in AUTOSCALE_TOKEN"},
		{pageToken, []string{"status", "--url=" + server + "/autoscale/", "--name=worker"}, 1, `the page has no autoscaler of --name=worker: give one of ["web"]`},
		{pageToken, []string{"status", "--url=" + server + "/elsewhere/"}, 1, "is not there: give --url the address"},
		{pageToken, []string{"status", "--url=" + server + "/login/"}, 1, "redirect (status 302), which is not followed"},
		{pageToken, []string{"status", "--url=" + server + "/other/"}, 1, "is not that of a status page"},
		{pageToken, []string{"status", "--url=" + closed.URL}, 1, "refused"},
		{`"` + pageToken + `"`, []string{"status", "--url=" + server + "/autoscale/"}, 2, "AUTOSCALE_TOKEN begins and ends with a quotation mark"},
		{"“" + pageToken + "”", []string{"status", "--url=" + server + "/autoscale/"}, 2, "AUTOSCALE_TOKEN begins and ends with a quotation mark"},
		{"${PAGE_TOKEN}", []string{"pause", "--url=" + server + "/autoscale/"}, 2, "AUTOSCALE_TOKEN has a variable in it that was not expanded"},
		{"$PAGE_TOKEN", []string{"pause", "--url=" + server + "/autoscale/"}, 2, "AUTOSCALE_TOKEN has a variable in it that was not expanded"},
		{"<page-token>", []string{"pause", "--url=" + server + "/autoscale/"}, 2, "AUTOSCALE_TOKEN is the placeholder of an example"},
		{pageToken, []string{"status", "--url=http://example.com/autoscale/"}, 2, "everybody on the way would see AUTOSCALE_TOKEN: write https instead"},
		{pageToken, []string{"status", "--url=https://u:" + pageToken + "@example.com/"}, 2, "set AUTOSCALE_TOKEN to the token"},
		{pageToken, []string{"status", "--url=https://example.com/?token=" + pageToken}, 2, "leave out what follows the path"},
		{pageToken, []string{"status", "--url=example.com"}, 2, "must be the address of the status page"},
		{pageToken, []string{"status", "--url=https://example.com/", "--store=sqlite:x"}, 2, "give one of them"},
	} {
		r := run(t, []string{"AUTOSCALE_TOKEN=" + tt.token}, tt.args...)
		if r.status != tt.status || !strings.Contains(r.stderr, tt.want) || r.stdout != "" {
			t.Errorf("%q: status %d, want %d; %s%q, want %q in it", tt.args, r.status, tt.status, r.stdout, r.stderr, tt.want)
		}
		if tt.token != "" && strings.Contains(r.stdout+r.stderr, tt.token) {
			t.Errorf("%q: the token is shown: %s", tt.args, r.stderr)
		}
	}
}

// A page that is something else, or hostile, ends each command soon, with one short line.
func TestHostilePage(t *testing.T) {
	for name, answer := range map[string]string{
		"101":           "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"000":           "HTTP/1.1 000 Nothing\r\n\r\n",
		"large headers": "HTTP/1.1 200 OK\r\nX-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"a long target": "HTTP/1.1 302 Found\r\nLocation: http://u:s3cret@h/" + strings.Repeat("x", 1<<15) + "\r\nContent-Length: 0\r\n\r\n",
		"a long reason": "HTTP/1.1 500 " + strings.Repeat("x", 1<<15) + "\r\nContent-Length: 0\r\n\r\n",
		"no HTTP":       strings.Repeat("\x1b[31m", 1<<10) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			ended, end := context.WithCancel(t.Context())
			serving.Go(func() {
				for {
					conn, err := listener.Accept()
					if err != nil {
						return
					}
					serving.Go(func() {
						defer conn.Close()
						_, _ = conn.Read(make([]byte, 1<<10))
						_, _ = io.WriteString(conn, answer)
						<-ended.Done() // the connection stays open
					})
				}
			})
			t.Cleanup(func() { end(); listener.Close(); serving.Wait() })
			for _, command := range []string{"status", "pause"} {
				start := time.Now()
				r := run(t, nil, command, "--url=http://"+listener.Addr().String()+"/")
				if r.status != 1 || len(r.stderr) > 1000 || strings.Count(r.stderr, "\n") != 1 || strings.ContainsAny(r.stderr, "\x1b") || strings.Contains(r.stderr, "s3cret") {
					t.Errorf("%s: status %d, %d bytes: %.1000q", command, r.status, len(r.stderr), r.stderr)
				}
				if d := time.Since(start); d > patience/2 {
					t.Errorf("%s took %v", command, d)
				}
			}
		})
	}
}

// TestUntil: how times are read. The page is one that takes anything.
func TestUntil(t *testing.T) {
	var form atomic.Pointer[url.Values] // of the last POST
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_ = r.ParseForm()
			form.Store(&r.PostForm)
			return
		}
		_, _ = w.Write([]byte(`{"version": 1, "autoscalers": [{"name": "web", "ticked": "` + time.Now().UTC().Format(time.RFC3339) + `"}]}`))
	}))
	defer page.Close()
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().In(tokyo)
	clock := func(day, hour, minute int) time.Time {
		return time.Date(now.Year(), now.Month(), now.Day()+day, hour, minute, 0, 0, tokyo)
	}
	later, earlier := now.Add(2*time.Minute), now.Add(-2*time.Minute)
	if later.Day() != earlier.Day() {
		t.Skip("it is about midnight in Tokyo")
	}
	for _, tt := range []struct {
		words string
		want  time.Time
	}{
		{"for 2h", now.Add(2 * time.Hour)},
		{"for 1h30m", now.Add(90 * time.Minute)},
		{"for 90 minutes", now.Add(90 * time.Minute)},
		{"for 3d", now.Add(72 * time.Hour)},
		{"until " + later.Format("15:04"), clock(0, later.Hour(), later.Minute())},
		{"until " + earlier.Format("15:04"), clock(1, earlier.Hour(), earlier.Minute())},
		{"until tomorrow 9:00", clock(1, 9, 0)},
		{"until " + clock(3, 0, 0).Format("2006-01-02") + " 18:00", clock(3, 18, 0)},
		{"until " + clock(3, 18, 0).Format("2006-01-02T15:04"), clock(3, 18, 0)},
		{"until " + clock(3, 18, 0).UTC().Format(time.RFC3339), clock(3, 18, 0)},
	} {
		r := run(t, nil, append(strings.Fields("pause "+tt.words), "--url="+page.URL, "--time-zone=Asia/Tokyo")...)
		got, err := time.Parse(time.RFC3339, form.Load().Get("until"))
		if d := got.Sub(tt.want); r.status != 0 || err != nil || d < -time.Second || d > patience {
			t.Errorf("%s: status %d, until %v, %v, want %v\n%s", tt.words, r.status, got, err, tt.want, r.stderr)
		}
	}
	for _, tt := range []struct{ args, want string }{
		{"pause 2h", "write for 2h"},
		{"pause 18:00", "write until 18:00"},
		{"pause untl 18:00", "is until meant?"},
		{"pause for", "for how long? Write for 2h"},
		{"pause until", "until when? Write until 18:00"},
		{"pause for 30", "for 30 has no unit: write for 30m, minutes, or for 30h, hours"},
		{"pause for -1h", "for -1h has ended already: give a time above 0"},
		{"pause -1h", "only for or until can be"},
		{"override -1 for 1h", `the size is "-1": it must be a whole number, 0 or more`},
		{"pause --for=2h", "there is no flag --for: write it as a word, as in pause for 2h"},
		{"override 5 --until 18:00", "write it as a word, as in override 5 for 2h, or override 5 until 18:00"},
		{"resume web", `resume takes no argument "web": give the process type as --name=NAME`},
		{"status -1", "there is no flag --1"},
		{"pause for 0s", "give a time above 0"},
		{"pause for 2 fortnights", "write a number with its unit"},
		{"pause for 9999d", "more than a year away"},
		{"pause until 25:00", "write a time as until 18:00"},
		{"pause until 2001-01-01 9:00", "is past: give a later time"},
		{"pause until 18:00 --time-zone=Mars/Base", "not the name of a time zone"},
		{"override", "how many processes, and until when?"},
		{"override five until 18:00", `the size is "five"`},
		{"override 5", "An override needs an end: write override 5 until 18:00"},
		{"resume now", `resume takes no argument "now"`},
		{"pause for 2h", "which store does the service use? Set AUTOSCALE_STORE"},
		{"status --store=sqlite:x.db", "build the one in contrib/autoscalebot"},
		{"top", "standard output is not a terminal: use status"},
		{"--store=x status", "there is no flag --store here: it belongs after events, override, "},
		{"status --by=alice", "there is no flag --by"},
		{"pause --uri=x", "is --url meant?"},
		{"statsu", "is status meant?"},
		{"completion", "of which shell?"},
		{"completion fsh", "is fish meant?"},
	} {
		r := run(t, nil, strings.Fields(tt.args)...)
		if r.status != 2 || r.stdout != "" || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: status %d, want 2; %s%q, want %q in it", tt.args, r.status, r.stdout, r.stderr, tt.want)
		}
	}
}

// TestCompletion: the script for bash completes in a real bash. Those for others are tried
// by TestCompletionInZsh and TestCompletionInFish.
func TestCompletion(t *testing.T) {
	scripts := make(map[string]string)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		r := run(t, nil, "completion", shell)
		for _, want := range []string{"override", "simulate", "store", "time-zone"} {
			if r.status != 0 || !strings.Contains(r.stdout, want) {
				t.Errorf("%s: status %d, and it lacks %q", shell, r.status, want)
			}
		}
		scripts[shell] = r.stdout
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed: install it")
	}
	for line, want := range map[string]string{
		"autoscalebot pau":              "pause",
		"autoscalebot s":                "sample simulate status",
		"autoscalebot pause ":           "for until --store= --url= --name= --app= --lease= --settings= --time-zone= --json --help --by=",
		"autoscalebot pause --s":        "--store= --settings=",
		"autoscalebot pause for 2h --j": "--json",
		"autoscalebot simulate --tr":    "--trace=",
		"autoscalebot completion z":     "zsh",
		"autoscalebot --ver":            "--version",
	} {
		cmd := exec.Command(bash, "-c", scripts["bash"]+`
COMP_LINE=$1 COMP_POINT=${#1}
_autoscalebot
echo "${COMPREPLY[*]}"`, "bash", line)
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q completes to %q, %v, want %q", line, got, err, want)
		}
	}
}
