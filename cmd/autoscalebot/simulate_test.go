package main_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/settings"
)

// TestSimulate: two settings, side by side, on a trace; nothing is called.
func TestSimulate(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the heartbeat was called") }))
	defer web.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	few := write("few.env", "MAX_DYNOS=1\nHEARTBEAT_URL="+web.URL+"/\n")
	many := write("many.env", "MAX_DYNOS=9\nMIN_DYNOS=6\nHEARTBEAT_URL="+web.URL+"/\n")
	trace := write("trace.csv", "time,requests\n2026-03-02T09:00:00Z,3000\n2026-03-02T09:10:00Z,30000\n2026-03-02T09:20:00Z,30000\n")
	page := filepath.Join(dir, "out.html")

	r := run(t, nil, "simulate", "--settings="+few, "--against="+many, "--trace="+trace, "--html="+page, "--price=0.05")
	if r.status != 0 || r.stderr != "" {
		t.Fatalf("status %d, stderr %q", r.status, r.stderr)
	}
	for _, want := range []string{
		"30m0s of 35 requests per second on average and 50 at the peak", "| | few.env | many.env |\n",
		"| most processes | 1 | 6 |", "| changes of size | 0 | 1 |", "| process-hours | 0.5 | 3.0 |", "| cost | 0.03 | 0.15 |",
	} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, r.stdout)
		}
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), "<h2>many.env</h2>") {
		t.Errorf("the page is %.80q, %v", html, err)
	}

	again := run(t, nil, "simulate", "--settings="+few)
	if again.status != 0 || !strings.Contains(again.stdout, "24h0m0s of ") || !strings.Contains(again.stdout, "from a generated day") {
		t.Errorf("without a trace: status %d, %s%s", again.status, again.stdout, again.stderr)
	}
}

func TestSimulateFaults(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.csv")
	good, env := filepath.Join(dir, "good.csv"), filepath.Join(dir, "autoscale.env")
	for name, text := range map[string]string{bad: "time,requests\n0,1\n60,x\n", good: "time,requests\n0,1\n60,2\n", env: "MAX_DYNOS=4\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"--trace=" + bad}, 2, `bad.csv: sim: read a trace: line 3: "x" is not a number`},
		{[]string{"--trace=" + filepath.Join(dir, "none.csv")}, 2, "none.csv"},
		{[]string{"--settings=" + filepath.Join(dir, "none.env")}, 2, "none.env"},
		{[]string{"--trace=" + dir}, 2, "which is a folder"},
		{[]string{"--trace=" + good, "--html=" + good}, 2, "which is also read and would be lost"},
		{[]string{"--settings=" + env, "--html=" + filepath.Join(dir, ".", "autoscale.env")}, 2, "which is also read and would be lost"},
		{[]string{"--against=" + env, "--html=" + env}, 2, "which is also read and would be lost"},
		{[]string{"--slots=-1"}, 2, "simulate: --slots is -1: it must be 1 to 10000"},
		{[]string{"--slots=0"}, 2, "--slots is 0"},
		{[]string{"--slots=10001"}, 2, "--slots is 10001"},
		{[]string{"--service-time=0"}, 2, "--service-time is 0s"},
		{[]string{"--service-time=-5s"}, 2, "--service-time is -5s"},
		{[]string{"--boot=-5s"}, 2, "--boot is -5s"},
		{[]string{"--boot=999h"}, 2, "simulate: --boot is 999h0m0s"},
		{[]string{"--objective=0"}, 2, "--objective is 0s"},
		{[]string{"--objective=1h"}, 2, "simulate: --objective is 1h0m0s"},
		{[]string{"--price=NaN", "--scale=Inf"}, 2, "--scale is +Inf: it must be 0 to 1000000; --price is NaN"},
		{[]string{"--price=-3"}, 2, "--price is -3"},
		{[]string{"--objective=1ms"}, 2, "cannot be met"},
		{[]string{"--scale=-1"}, 2, "it must be 0 to"},
		{[]string{"--html=" + filepath.Join(dir, "no", "such", "page.html")}, 2, "create it first"},
		{[]string{"--html=" + dir}, 2, "it cannot be written"},
		{[]string{"--html=" + filepath.Join(bad, "page.html")}, 2, "--html is"},
		{[]string{"--colour=blue"}, 2, "there is no flag --colour"},
		{[]string{"--scal=2"}, 2, "is --scale meant?"},
		{[]string{"--objektive=1s"}, 2, "is --objective meant?"},
		{[]string{"--service-time=100"}, 2, `--service-time is "100": it must have a unit: write --service-time=100ms or --service-time=100s`},
		{[]string{"--boot=30"}, 2, "write --boot=30ms or --boot=30s"},
		{[]string{"--objective=.5"}, 2, "it must have a unit"},
		{[]string{"--objective=fast"}, 2, "it must be a time with its unit, as 500ms"},
		{[]string{"--slots=two"}, 2, "it must be a whole number, as 2"},
		{[]string{"--price=cheap"}, 2, "it must be a number, as 0.05"},
		{[]string{"--seed=-1"}, 2, "it must be a whole number, 0 or more"},
		{[]string{"--boot"}, 2, "--boot needs a value, as --boot=30s"},
	} {
		r := run(t, nil, append([]string{"simulate"}, tt.args...)...)
		if r.stdout != "" {
			t.Errorf("%v: it simulated first: %s", tt.args, r.stdout)
		}
		if r.status != tt.status || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%v: status %d, %q, want %d and %q", tt.args, r.status, r.stderr, tt.status, tt.want)
		}
	}
	if r := run(t, nil, "check", "--trace=x"); r.status != 2 {
		t.Errorf("check takes the flags of simulate: status %d", r.status)
	}
}

// A poor result ends with what to change, and the shipped sample is not one.
func TestSimulateAdvice(t *testing.T) {
	dir := t.TempDir()
	for i, tt := range []struct{ text, want string }{
		{"", "DECISION_BACKEND=m_of_n"},
		{"DECISION_BACKEND=m_of_n\nHEARTBEAT_INTERVAL_IN_SECONDS=900\nMAX_DYNOS=12", "HEARTBEAT_INTERVAL_IN_SECONDS=5"},
		{"DECISION_BACKEND=m_of_n\nHEARTBEAT_INTERVAL_IN_SECONDS=5\nMAX_DYNOS={\"0:00\": 1, \"23:00\": 6}", "raise MAX_DYNOS"},
		{"MAX_DYNOS=9\nMIN_DYNOS=9", "lower MIN_DYNOS"},
		{settings.Sample(), ""},
	} {
		file := filepath.Join(dir, string(rune('a'+i))+".env")
		if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		r := run(t, nil, "simulate", "--settings="+file)
		_, after, _ := strings.Cut(r.stdout, "jitter per minute")
		_, advice, _ := strings.Cut(after, "\n")
		if r.status != 0 || !strings.Contains(advice, tt.want) || tt.want == "" && advice != "" {
			t.Errorf("%.60q: status %d, advice %q, want %q in it\n%s", tt.text, r.status, advice, tt.want, r.stderr)
		}
	}
}
