package pool

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// A process is one process of the service.
type process struct {
	pool     *Pool
	number   int
	relieves bool // another process is stopped when this one serves
	addr     string
	started  time.Time
	state    State        // guarded by the Pool's mutex
	busy     atomic.Int64 // requests that the front sent and that are not answered
	idle     chan struct{}
	cmd      *exec.Cmd
	exited   chan struct{} // closed when it has ended
	passOn   http.Handler
}

func (p *process) name() string { return p.pool.opts.Name + "." + strconv.Itoa(p.number) }

// start starts the process of a number. The Pool's mutex is held.
func (p *Pool) start(number int) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	s := &process{
		pool: p, number: number, addr: net.JoinHostPort("127.0.0.1", port), started: time.Now(),
		exited: make(chan struct{}), idle: make(chan struct{}, 1),
	}
	s.passOn = p.front.proxy(s)
	cmd := exec.Command(p.opts.Command[0], p.opts.Command[1:]...)
	cmd.Dir = p.opts.Dir
	cmd.Env = append(append(os.Environ(), p.opts.Env...),
		"PORT="+port, EnvProcess+"="+s.name(), EnvNumber+"="+strconv.Itoa(number), EnvURL+"="+p.url, EnvToken+"="+p.token)
	cmd.SysProcAttr = ownGroup()
	cmd.WaitDelay = time.Second // for grandchildren that hold the output open
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if p.opts.Output != nil {
		cmd.Stdout, cmd.Stderr = p.opts.Output(s.name())
	}
	// Nothing is written to the pipe. It is closed when this process ends, for whatever
	// reason.
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s.cmd = cmd
	p.tell(s.event(Boots))
	booted, stopLooking := context.WithTimeout(context.Background(), p.opts.BootTime)
	go func() {
		err := cmd.Wait()
		s.signal(syscall.SIGKILL) // kills processes that it started and left behind
		stopLooking()
		p.gone(s, err)
		close(s.exited)
	}()
	go func() {
		defer stopLooking()
		p.boot(booted, s)
	}()
	return s, nil
}

// freePort returns a port that was free a moment ago. If a process finds the port taken,
// it ends, and is started again with another port.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// boot waits until a process serves, and kills it if that takes too long.
func (p *Pool) boot(ctx context.Context, s *process) {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for {
		if p.answers(ctx, client, s) {
			p.isUp(s)
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			p.mu.Lock()
			late := s.state == Booting && errors.Is(context.Cause(ctx), context.DeadlineExceeded)
			p.mu.Unlock()
			if late {
				p.tell(s.event(Overstays))
				s.signal(syscall.SIGKILL)
			}
			return
		}
	}
}

// answers reports whether a process serves.
func (p *Pool) answers(ctx context.Context, client *http.Client, s *process) bool {
	if p.opts.Health == "" {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", s.addr)
		if err == nil {
			conn.Close()
		}
		return err == nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+p.opts.Health, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode/100 == 2
}

func (p *Pool) isUp(s *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.state != Booting {
		return
	}
	s.state = Serving
	p.front.rotate(p.inRotation())
	p.tell(s.event(Serves))
	p.shrink()
}

// inRotation returns the processes that serve.
func (p *Pool) inRotation() []*process {
	var out []*process
	for _, each := range p.processes {
		if each.state == Serving {
			out = append(out, each)
		}
	}
	return out
}

// gone is called when a process has ended.
func (p *Pool) gone(s *process, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := s.state == Stopping
	s.state = Stopping
	p.processes = slices.DeleteFunc(p.processes, func(other *process) bool { return other == s })
	p.front.rotate(p.inRotation())
	if asked {
		p.tell(s.event(Ends))
	} else {
		e := s.event(Crashes)
		if e.Err = err; err == nil {
			e.Err = errors.New("exit status 0")
		}
		p.crashed(e)
	}
	p.nudge()
}

// stop takes a process out of the rotation, and ends it. The Pool's mutex is held.
func (p *Pool) stop(s *process) {
	s.state = Stopping
	p.front.rotate(p.inRotation())
	p.tell(s.event(Stops))
	go func() {
		drained := time.NewTimer(max(p.opts.Drain, 0))
		defer drained.Stop()
		for s.busy.Load() > 0 {
			select {
			case <-s.idle:
				continue
			case <-s.exited:
			case <-drained.C:
			}
			break
		}
		if p.opts.Stop > 0 && s.signal(syscall.SIGTERM) {
			select {
			case <-s.exited:
				return
			case <-time.After(p.opts.Stop):
				p.tell(s.event(Overstays))
			}
		}
		s.signal(syscall.SIGKILL)
	}()
}
