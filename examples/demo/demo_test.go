package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demoEnv makes the test binary the demo, which makes it the service in turn.
const demoEnv = "AUTOSCALE_DEMO_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(demoEnv) != "" || os.Getenv(serviceEnv) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A run is a demo in a process of its own, with its own folder for temporary
// files.
type run struct {
	t    *testing.T
	cmd  *exec.Cmd
	temp string
	out  *bufio.Scanner
	seen bytes.Buffer // of what it wrote
	errs bytes.Buffer
}

func start(t *testing.T, args ...string) *run {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &run{t: t, cmd: exec.Command(self, args...), temp: t.TempDir()}
	r.cmd.Env = append(os.Environ(), demoEnv+"=1", "TMPDIR="+r.temp, "TMP="+r.temp)
	r.cmd.Stderr = &r.errs
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	r.out = bufio.NewScanner(io.TeeReader(out, &r.seen))
	return r
}

// until reads lines up to one that holds text.
func (r *run) until(text string) {
	r.t.Helper()
	for r.out.Scan() {
		if strings.Contains(r.out.Text(), text) {
			return
		}
	}
	r.t.Fatalf("it ended without writing %q; it wrote:\n%s%s", text, r.seen.Bytes(), r.errs.Bytes())
}

// wait waits for its end and returns its exit status.
func (r *run) wait() int {
	r.t.Helper()
	for r.out.Scan() {
	}
	err := r.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

var (
	booted = regexp.MustCompile(`(web\.\d) boots, process (\d+)`)
	came   = regexp.MustCompile(`(web\.\d) is up at ([0-9.:]+)`)
)

// leavesNothing checks that every dyno it wrote of is gone, and every file.
func (r *run) leavesNothing() {
	r.t.Helper()
	seen := r.seen.String()
	all := booted.FindAllStringSubmatch(seen, -1)
	if len(all) == 0 {
		r.t.Errorf("it wrote of no dyno:\n%s", seen)
	}
	for _, m := range all {
		eventually(r.t, m[1]+", process "+m[2], func() error { return runs(m[2]) })
	}
	for _, m := range came.FindAllStringSubmatch(seen, -1) {
		eventually(r.t, m[1]+" at "+m[2], func() error {
			conn, err := net.Dial("tcp", m[2])
			if err != nil {
				return nil
			}
			return errors.Join(errors.New("it still listens"), conn.Close())
		})
	}
	eventually(r.t, "the temporary folder", func() error {
		files, err := filepath.Glob(filepath.Join(r.temp, "*"))
		if err == nil && len(files) > 0 {
			err = fmt.Errorf("it still holds %v", files)
		}
		return err
	})
}

// runs returns an error if a process is more than an entry that nobody has
// asked for its exit status.
func runs(pid string) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil || bytes.Contains(stat, []byte(") Z ")) {
		return nil
	}
	return fmt.Errorf("it still runs: %s", stat)
}

// eventually waits until f finds nothing wrong.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for range 1000 {
		if err = f(); err == nil {
			return
		}
		<-time.After(20 * time.Millisecond)
	}
	t.Errorf("%s: %v", what, err)
}

// The whole demo, shortened: real processes that scale themselves, the real Scaler.
func TestScalesUpAndDownAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		flags []string
		want  []string
	}{
		{nil, []string{
			"requests in flight, at 2.4 a process, need ", "autoscaler: from 3 to 2: ", "autoscaler: from 2 to 1: ",
			"  in flight ", "leadership changed; the process ",
		}},
		{[]string{"-release"}, []string{
			"platform: a release is under way", "the platform is busy; the size is held for ", "platform: the release has ended", "autoscaler: from 2 to 1: ",
		}},
		{[]string{"-heartbeat"}, []string{
			"autoscaler: from 1 to 2: ", "autoscaler: from 2 to 3: ", "autoscaler: from 3 to 2: ", "autoscaler: from 2 to 1: ",
			"  heartbeat ", "3 times in a row (3 needed)",
		}},
	} {
		t.Run(strings.Join(test.flags, " "), func(t *testing.T) {
			t.Parallel()
			r := start(t, append(test.flags, "-plain", "-duration", "20s", "-seed", "1")...)
			if code := r.wait(); code != 0 {
				t.Errorf("exit status %d", code)
			}
			seen := r.seen.String()
			for _, want := range append(test.want, "platform: web.3 is up at ", "platform: web.2 stops", "\nresult         scaled from 1 up to ") {
				if !strings.Contains(seen, want) {
					t.Errorf("it did not write %q", want)
				}
			}
			if strings.Contains(seen, "\x1b") {
				t.Error("it wrote terminal sequences to a pipe")
			}
			r.leavesNothing()
			if t.Failed() {
				t.Logf("it wrote:\n%s%s", seen, r.errs.Bytes())
			}
		})
	}
}

func TestKilledLeavesNothing(t *testing.T) {
	t.Parallel()
	r := start(t, "-plain")
	r.until("web.1 is up")
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	r.wait()
	r.leavesNothing()
}

func TestInterruptedLeavesNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupt can be sent to a single process on Windows")
	}
	t.Parallel()
	for _, moment := range []string{"web.1 boots", "web.1 is up", "load "} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			r := start(t, "-plain")
			r.until(moment)
			if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			if code := r.wait(); code != 130 {
				t.Errorf("exit status %d, want 130: %s", code, r.errs.Bytes())
			}
			r.leavesNothing()
		})
	}
}

// Somebody who stops a dyno by hand sees it replaced, and nothing else break.
func TestReplacesADyno(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process can be asked to end on Windows")
	}
	t.Parallel()
	r := start(t, "-plain")
	r.until("web.1 is up")
	pid, err := strconv.Atoi(booted.FindStringSubmatch(r.seen.String())[2])
	if err != nil {
		t.Fatal(err)
	}
	dyno, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := dyno.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.until("web.1 ended by itself (exit status 0) and is replaced")
	r.until("web.1 is up")
	r.until("  in flight ")
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := r.wait(); code != 130 {
		t.Errorf("exit status %d, want 130: %s", code, r.errs.Bytes())
	}
	r.leavesNothing()
}

func TestVerdict(t *testing.T) {
	s := newScript(fullLength, 1, false)
	for _, test := range []struct {
		sizes []int
		want  string
	}{
		{[]int{1, 2, 3, 2, 1}, ""},
		{[]int{1, 2, 3, 4, 5, 4, 3, 2, 1}, ""},
		{[]int{1}, "no more than 1 were ordered"},
		{[]int{1, 2, 1}, "no more than 2 were ordered"},
		{[]int{1, 2, 3}, "there are still 3 dynos instead of 1"},
		{[]int{1, 2, 3, 2}, "there are still 2 dynos instead of 1"},
	} {
		r := report{script: s, lasted: time.Minute}
		for i, n := range test.sizes {
			r.sizes = append(r.sizes, size{time.Duration(i) * time.Second, n})
		}
		var out strings.Builder
		r.write(&out)
		switch err := r.verdict(s); {
		case test.want == "" && err != nil:
			t.Errorf("sizes %v: %v", test.sizes, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("sizes %v: error %v, want one with %q", test.sizes, err, test.want)
		case test.want != "" && !strings.Contains(out.String(), "FAILED: "+err.Error()):
			t.Errorf("sizes %v: the report does not say that it failed:\n%s", test.sizes, &out)
		}
	}
}

func TestBadArguments(t *testing.T) {
	for args, want := range map[string]string{
		"-duration=1s":  "must be between 15s and 15m0s",
		"-duration=24h": "must be between 15s and 15m0s",
		"fast":          `unknown argument "fast"`,
	} {
		err := demo(t.Context(), []string{args}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", args, err, want)
		}
	}
}
