//go:build linux

package chaos_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/internal/programs"
)

// A child is a process that ends with the test, however that ends.
type child struct {
	cmd   *exec.Cmd
	ended <-chan struct{}
}

func startChild(cmd *exec.Cmd) (*child, error) {
	ended, err := programs.Start(cmd)
	return &child{cmd, ended}, err
}

// buildHost builds the program, and reports whether its clock can be stepped:
// libfaketime does nothing to a Go program, which asks the kernel for the time and not
// the C library. It is therefore built with a time.Now that adds to the wall clock.
func buildHost(t *testing.T) (program string, steps bool) {
	t.Helper()
	dir := t.TempDir()
	program = filepath.Join(dir, "host")
	args := []string{"build", "-o", program}
	if overlay, err := clockOverlay(dir); err == nil {
		args, steps = append(args, "-overlay="+overlay, "-tags=stepclock"), true
	} else {
		t.Logf("wall clocks of processes are not stepped: %v", err)
		if os.Getenv("AUTOSCALE_TEST_REQUIRE") == "1" {
			t.Fail()
		}
	}
	if _, err := exec.LookPath("go"); err != nil {
		programs.Missing(t, "the host program cannot be built: %v", err)
	}
	if out, err := exec.Command("go", append(args, "./host")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program, steps
}

// clockOverlay writes a standard library's time.Now that can be stepped.
func clockOverlay(dir string) (overlay string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	source, err := os.ReadFile(filepath.Join(folder, "time.go"))
	if err != nil {
		return "", err
	}
	const reading = "\tsec, nsec, mono := runtimeNow()\n"
	if n := bytes.Count(source, []byte(reading)); n != 1 {
		return "", fmt.Errorf("time.Now is written otherwise in %s: %d readings", runtime.Version(), n)
	}
	source = bytes.Replace(source, []byte(reading), []byte(reading+"\tsec += stepped.Load()\n"), 1)
	const step = `package time

import "sync/atomic"

var stepped atomic.Int64

// StepClock sets the wall clock so many seconds from the true one.
func StepClock(seconds int64) { stepped.Store(seconds) }
`
	overlay = filepath.Join(dir, "overlay.json")
	files := map[string][]byte{
		"time.go": source,
		"step.go": []byte(step),
		"overlay.json": fmt.Appendf(nil, `{"Replace": {%q: %q, %q: %q}}`,
			filepath.Join(folder, "time.go"), filepath.Join(dir, "time.go"), filepath.Join(folder, "step.go"), filepath.Join(dir, "step.go")),
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return "", err
		}
	}
	return overlay, nil
}

// A process is one of those that run the program, again and again.
type process struct {
	name    string // as web.3
	program string
	args    []string
	log     *os.File
	db, api *proxy

	// Who does something to the process, or to one of its networks, holds it.
	life, dbLine, apiLine sync.Mutex

	mu      sync.Mutex // guards what follows
	running *child
	url     string // of its service

	troubles atomic.Int64 // counts what was done to it
}

// start starts the program, and waits until it serves.
func (p *process) start() error {
	cmd := exec.Command(p.program, p.args...)
	cmd.Env = append(os.Environ(), "DYNO="+p.name)
	cmd.Stderr = p.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout = in
	running, err := startChild(cmd)
	in.Close()
	if err != nil {
		return err
	}
	out.SetReadDeadline(time.Now().Add(time.Minute))
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		running.cmd.Process.Kill()
		<-running.ended
		return fmt.Errorf("%s does not serve: %w", p.name, err)
	}
	p.mu.Lock()
	p.running, p.url = running, "http://"+strings.TrimSpace(addr)
	p.mu.Unlock()
	p.troubles.Add(1)
	return nil
}

func (p *process) now() (running *child, url string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running, p.url
}

// host returns the name that the process has in the journal.
func (p *process) host() string {
	running, _ := p.now()
	return fmt.Sprintf("%s#%d", p.name, running.cmd.Process.Pid)
}

// signal sends a signal, after which the process is expected to serve no more,
// or not as before.
func (p *process) signal(s syscall.Signal) {
	p.troubles.Add(1)
	running, _ := p.now()
	running.cmd.Process.Signal(s)
}

// end sends a signal that ends the process, and reports whether it ended
// without an error, within a time.
func (p *process) end(s syscall.Signal, within time.Duration) error {
	p.signal(s)
	running, _ := p.now()
	select {
	case <-running.ended:
	case <-time.After(within):
		running.cmd.Process.Kill()
		<-running.ended
		return fmt.Errorf("%s did not end within %v of signal %v", p.name, within, s)
	}
	if s == syscall.SIGTERM && !running.cmd.ProcessState.Success() {
		return fmt.Errorf("%s, which was asked to end, did so with: %v", p.name, running.cmd.ProcessState)
	}
	return nil
}

// stopped reports whether the process is stopped by a signal.
func (p *process) stopped() bool {
	running, _ := p.now()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", running.cmd.Process.Pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "T")
}

// post tells the process something.
func (p *process) post(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	_, url := p.now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, res.Status)
	}
	return nil
}

// visit asks for the page of the service, again and again, as its users do. A
// page counts if nothing was done to the process while it was asked for.
func (p *process) visit(ctx context.Context, pages *pages) {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for pause(ctx, 50*time.Millisecond) {
		troubles := p.troubles.Load()
		_, url := p.now()
		start := time.Now()
		res, err := client.Get(url + "/")
		if err == nil {
			res.Body.Close()
		}
		if p.troubles.Load() != troubles || troubles%2 == 0 || ctx.Err() != nil {
			continue
		}
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("status %d", res.StatusCode)
		}
		pages.add(p.name, time.Since(start), err)
	}
}

// pages counts how the services served.
type pages struct {
	mu      sync.Mutex
	served  int
	slowest time.Duration
	failed  []error
}

func (s *pages) add(name string, took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed = append(s.failed, fmt.Errorf("%s served no page: %w", name, err))
		return
	}
	s.served++
	s.slowest = max(s.slowest, took)
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
