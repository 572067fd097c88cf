package main_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/internal/safebuffer"
)

// world is a platform with the app quiet-river, and what its web dynos answer.
type world struct {
	platform *herokutest.Server
	app      *herokutest.App
	scaled   chan int // sizes of web, as they are set
	environ  []string
}

func newWorld(t *testing.T, size int, heartbeat http.HandlerFunc) *world {
	t.Helper()
	web := httptest.NewServer(heartbeat)
	t.Cleanup(web.Close)
	w := &world{platform: herokutest.NewServer(), scaled: make(chan int, 100)}
	t.Cleanup(w.platform.Close)
	w.app = w.platform.AddApp(herokutest.AppConfig{
		Name: "quiet-river", WebURL: web.URL + "/",
		Formation: []herokutest.Process{{Type: "web", Quantity: size}},
	})
	w.platform.OnScale(func(_, _ string, _, to int) { w.scaled <- to })
	w.environ = []string{
		"HEROKU_APP_NAME=quiet-river",
		"HEROKU_API_KEY=" + herokutest.Token,
		"HEROKU_API_URL=" + w.platform.URL,
		"AUTOSCALE_HEARTBEAT_INTERVAL_IN_SECONDS=0.1",
		"AUTOSCALE_TIME_ZONE=Europe/Berlin",
	}
	return w
}

// result is what a run of the program came to.
type result struct {
	status         int
	stdout, stderr string
}

// run runs the program to its end.
func run(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	return start(t, environ, args...).wait(t)
}

// process is the program while it runs.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *safebuffer.Buffer
}

func start(t *testing.T, environ []string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	p := &process{cmd: exec.CommandContext(ctx, binary, args...), stdout: new(safebuffer.Buffer), stderr: new(safebuffer.Buffer)}
	p.cmd.Env = append([]string{"SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}, environ...)
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // it has ended, unless the test failed
	return p
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Errorf("signal %v: %v", s, err)
	}
}

func (p *process) wait(t *testing.T) result {
	t.Helper()
	_ = p.cmd.Wait() // the tests look at the exit status
	r := result{p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()}
	if strings.Contains(r.stdout+r.stderr, herokutest.Token) {
		t.Errorf("the token is shown:\n%s%s", r.stdout, r.stderr)
	}
	return r
}

func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

func signals(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals to send")
	}
}

func ok(http.ResponseWriter, *http.Request) {}

func broken(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
