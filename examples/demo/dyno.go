package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http/httputil"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stopTime is how long a dyno may take to finish its requests when it is asked
// to stop; Heroku grants 30 s.
const stopTime = 4 * time.Second

type dynoState int

const (
	booting dynoState = iota
	up
	stopping
	gone
)

// A dyno is one process of the service.
type dyno struct {
	number  int
	pid     int
	started time.Time
	busy    atomic.Int64 // requests that the router sent and that are not answered

	// The platform's, guarded by its mutex.
	state dynoState
	addr  string
	proxy *httputil.ReverseProxy

	in     io.WriteCloser
	kill   func() error
	exited chan struct{}
}

func (d *dyno) name() string { return fmt.Sprintf("web.%d", d.number) }

// startDyno starts the process. hear is called with each message of it, and isGone
// when it has ended, with its last words if it ended badly.
func startDyno(number int, s script, dir, api string, hear func(*dyno, message), isGone func(*dyno, error)) (*dyno, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d := &dyno{number: number, started: time.Now(), exited: make(chan struct{})}
	cmd := exec.Command(self, "-dir", dir, "-api", api, "-name", d.name(), "-duration", s.duration.String(),
		"-seed", fmt.Sprint(s.seed), "-chance", fmt.Sprint(s.seed+uint64(number)), fmt.Sprintf("-heartbeat=%t", s.heartbeat))
	cmd.Env = append(os.Environ(), serviceEnv+"="+d.name())
	cmd.SysProcAttr = dieWithParent()
	cmd.WaitDelay = time.Second
	var words tail
	cmd.Stderr = &words
	if d.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", d.name(), err)
	}
	d.pid, d.kill = cmd.Process.Pid, cmd.Process.Kill
	go func() {
		messages := json.NewDecoder(out)
		for {
			var m message
			if messages.Decode(&m) != nil {
				break
			}
			hear(d, m)
		}
		_, _ = io.Copy(io.Discard, out)
		err := cmd.Wait()
		if text := words.String(); err != nil && text != "" {
			err = fmt.Errorf("%w: %s", err, text)
		}
		isGone(d, err)
		close(d.exited)
	}()
	return d, nil
}

// stop asks the process to finish what it works on and to end, and kills it if
// it does not.
func (d *dyno) stop() {
	_, _ = io.WriteString(d.in, stopLine+"\n")
	time.AfterFunc(stopTime+time.Second, func() {
		select {
		case <-d.exited:
		default:
			_ = d.kill()
		}
	})
}

// tail keeps the last line that was written to it.
type tail struct {
	mu   sync.Mutex
	text string
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text += string(p)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(t.text), "\n")
	return lines[len(lines)-1]
}
