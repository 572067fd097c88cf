package herokutest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/internal/programs"
)

// cliVersion is the version of Heroku's command line that these tests were written against.
const cliVersion = "11.10.0"

// herokuCLI returns the path of Heroku's command line, or skips the test.
func herokuCLI(t *testing.T) string {
	t.Helper()
	if bin := os.Getenv("AUTOSCALE_TEST_HEROKU_CLI"); bin != "" {
		path, err := exec.LookPath(bin)
		if err == nil {
			path, err = filepath.Abs(path) // it is to be run in another folder
		}
		if err != nil {
			t.Fatalf("AUTOSCALE_TEST_HEROKU_CLI: %v", err)
		}
		return path
	}
	bin, err := exec.LookPath("heroku")
	if err == nil {
		return bin
	}
	programs.Missing(t, "Heroku's command line is not installed; to run this test: "+
		"npm install --prefix DIR heroku@"+cliVersion+" and set AUTOSCALE_TEST_HEROKU_CLI=DIR/node_modules/.bin/heroku")
	return ""
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// A cli runs Heroku's command line against a fake, with a home of its own and no way out.
type cli struct {
	bin, home string
	s         *herokutest.Server
}

// run returns what the command line printed on its standard output and error.
func (c cli) run(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.bin, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 10 * time.Second
	cmd.Dir = c.home
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + c.home,
		"HEROKU_HOST=" + c.s.URL,              // where the API is
		"HEROKU_API_URL=" + c.s.URL,           // the same, for older versions
		"HEROKU_PARTICLEBOARD_URL=" + c.s.URL, // where it asks whether the account's bills are paid
		"HEROKU_API_KEY=" + herokutest.Token,
		"HEROKU_SKIP_NEW_VERSION_CHECK=true",
		"HEROKU_DISABLE_AUTOUPDATE=1",
		"DISABLE_TELEMETRY=true",
		"IS_HEROKU_TEST_ENV=true",
		"NO_COLOR=1",
		"CI=1",
	}
	err = cmd.Run()
	return escapes.ReplaceAllString(out.String(), ""), escapes.ReplaceAllString(errs.String(), ""), err
}

// Heroku's own command line is the most exacting client that we have not written.
func TestHerokuCLI(t *testing.T) {
	bin := herokuCLI(t)
	s := herokutest.NewServer()
	defer s.Close()
	app := s.AddApp(herokutest.AppConfig{
		Name: "quiet-river",
		Formation: []herokutest.Process{
			{Type: "web", Quantity: 1, Command: "bin/serve"},
			{Type: "worker", Quantity: 0},
		},
	})
	c := cli{bin: bin, home: t.TempDir(), s: s}

	type result struct {
		Web, Worker int
		Failed      bool
	}
	for _, step := range []struct {
		args []string
		says []string // on either output
		want result
	}{
		{[]string{"ps:scale", "web=3", "--app", "quiet-river"}, []string{"done, now running web at 3:Standard-1X"}, result{Web: 3}},
		{[]string{"ps:scale", "web+1", "-a", "quiet-river"}, []string{"done, now running web at 4:Standard-1X"}, result{Web: 4}},
		{[]string{"ps:scale", "web-2", "worker=1:standard-2x", "-a", "quiet-river"}, []string{"web at 2:Standard-1X, worker at 1:Standard-2X"}, result{Web: 2, Worker: 1}},
		{[]string{"ps:scale", "-a", "quiet-river"}, []string{"web=2:Standard-1X worker=1:Standard-2X"}, result{Web: 2, Worker: 1}},
		{[]string{"ps", "-a", "quiet-river"}, []string{"web (Standard-1X): bin/serve (2)", "web.1: up", "web.2: up", "worker (Standard-2X): bin/worker (1)", "worker.1: up"}, result{Web: 2, Worker: 1}},
		{[]string{"ps:scale", "clock=1", "-a", "quiet-river"}, []string{"Couldn't find that process type (clock).", "not_found"}, result{Web: 2, Worker: 1, Failed: true}},
		{[]string{"ps:scale", "web=101", "-a", "quiet-river"}, []string{"Cannot run more than 100 Standard-1X size dynos.", "cannot_run_above_limit"}, result{Web: 2, Worker: 1, Failed: true}},
		{[]string{"ps", "-a", "loud-river"}, []string{"Couldn't find that app."}, result{Web: 2, Worker: 1, Failed: true}},
	} {
		t.Run(strings.Join(step.args, " "), func(t *testing.T) {
			stdout, stderr, err := c.run(t, step.args...)
			t.Logf("stdout:\n%s\nstderr:\n%s\n%v", stdout, stderr, err)
			for _, say := range step.says {
				if !strings.Contains(stdout+stderr, say) {
					t.Errorf("it did not say %q", say)
				}
			}
			got := result{app.Quantity("web"), app.Quantity("worker"), err != nil}
			if diff := cmp.Diff(step.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for _, w := range s.Writes() {
		if !strings.HasPrefix(w.UserAgent, "heroku-cli/") {
			t.Errorf("%+v was not written by the command line", w)
		}
	}
}
