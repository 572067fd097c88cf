package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

const (
	appName     = "quiet-river"
	processType = "web"

	// mostCrashes is how many processes may end by themselves before the demo
	// gives up. Somebody who kills one by hand will see it replaced.
	mostCrashes = 5

	// bootTime is how much longer than its script says a dyno may take to boot;
	// Heroku grants a minute in all.
	bootTime = 15 * time.Second
)

// A platform is a small Heroku: an API by which dynos are ordered, dynos, and a
// router before them.
type platform struct {
	script script
	dir    string
	api    *herokutest.Server
	app    *herokutest.App
	router *http.Server
	story  *story

	wake    chan struct{} // something changed that may need doing
	managed chan struct{} // closed when the last dyno is gone
	cancel  context.CancelFunc

	wanted atomic.Int64 // dynos, as ordered

	mu      sync.Mutex // guards what follows, and the dynos' states
	dynos   []*dyno    // those that have not ended
	served  time.Duration
	crashes int
	fault   error
}

// newPlatform starts a platform with one app that has s.min web dynos. Close
// ends it.
func newPlatform(s script, dir string, st *story) (*platform, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &platform{
		script: s, dir: dir, api: herokutest.NewServer(), story: st,
		wake: make(chan struct{}, 1), managed: make(chan struct{}),
	}
	p.wanted.Store(int64(s.min))
	p.app = p.api.AddApp(herokutest.AppConfig{
		Name:      appName,
		WebURL:    "http://" + listener.Addr().String() + "/",
		Formation: []herokutest.Process{{Type: processType, Quantity: s.min}},
		Boot:      -1, // a dyno is up when its process says so
	})
	p.api.OnScale(func(_, _ string, _, to int) {
		p.wanted.Store(int64(to))
		p.nudge()
	})
	p.router = &http.Server{Handler: newRouter(p, s.seed), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = p.router.Serve(listener) }()

	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go p.manage(ctx)
	return p, nil
}

// Close ends the dynos, the router and the API, in the order that leaves nothing
// waiting. What is being answered is cut off.
func (p *platform) Close() {
	p.cancel()
	<-p.managed
	_ = p.router.Close()
	p.api.Close()
}

func (p *platform) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// manage starts and stops dynos until ctx ends, and then waits until all are
// gone. It keeps its thread: on Linux a child is told of the death of the thread
// that started it.
func (p *platform) manage(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.managed)
	for {
		p.reconcile()
		select {
		case <-p.wake:
			continue
		case <-ctx.Done():
		}
		break
	}
	p.mu.Lock()
	left := slices.Clone(p.dynos)
	for _, d := range left {
		d.state = stopping
	}
	p.mu.Unlock()
	for _, d := range left {
		_ = d.kill()
	}
	for _, d := range left {
		<-d.exited
	}
}

// reconcile makes the dynos those that are wanted: web.1 to web.N. As on Heroku,
// the one with the highest number is the first to stop.
func (p *platform) reconcile() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault != nil {
		return
	}
	wanted := int(p.wanted.Load())
	running := make(map[int]bool)
	for _, d := range p.dynos {
		switch {
		case d.state == stopping:
		case d.number > wanted:
			d.state = stopping
			d.stop()
			p.story.say(fmt.Sprintf("%s stops", d.name()))
		default:
			running[d.number] = true
		}
	}
	for n := 1; n <= wanted; n++ {
		if running[n] {
			continue
		}
		d, err := startDyno(n, p.script, p.dir, p.api.URL, p.hear, p.isGone)
		if err != nil {
			p.fault = err
			return
		}
		p.dynos = append(p.dynos, d)
		time.AfterFunc(p.script.boot+bootTime, func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			if d.state == booting {
				_ = d.kill()
			}
		})
		p.story.say(fmt.Sprintf("%s boots, process %d", d.name(), d.pid))
	}
}

// hear is called with what a dyno writes.
func (p *platform) hear(d *dyno, m message) {
	if m.Addr != "" {
		p.isUp(d, m.Addr)
	}
	p.story.hear(m)
}

// isUp is called when a dyno listens.
func (p *platform) isUp(d *dyno, addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d.state != booting {
		return
	}
	d.state, d.addr, d.proxy = up, addr, newProxy(addr)
	p.app.SetDynoState(d.name(), herokutest.Up)
	p.story.say(fmt.Sprintf("%s is up at %s, %v after its start", d.name(), addr, time.Since(d.started).Round(10*time.Millisecond)))
}

// isGone is called when a process has ended.
func (p *platform) isGone(d *dyno, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wasAsked := d.state == stopping
	d.state = gone
	if err == nil {
		err = errors.New("exit status 0")
	}
	p.served += time.Since(d.started)
	p.dynos = slices.DeleteFunc(p.dynos, func(other *dyno) bool { return other == d })
	switch {
	case wasAsked:
	case p.crashes < mostCrashes:
		p.crashes++
		p.app.SetDynoState(d.name(), herokutest.Starting)
		p.story.say(fmt.Sprintf("%s ended by itself (%v) and is replaced", d.name(), err))
	default:
		p.fault = fmt.Errorf("%s ended by itself, as %d dynos did before: %w", d.name(), mostCrashes, err)
	}
	p.nudge()
}

// A dynoView is what can be seen of a dyno.
type dynoView struct {
	number int
	state  dynoState
	busy   int
}

// look returns what can be seen of the dynos that have not ended.
func (p *platform) look() []dynoView {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []dynoView
	for _, d := range p.dynos {
		out = append(out, dynoView{number: d.number, state: d.state, busy: int(d.busy.Load())})
	}
	return out
}

// err returns what keeps the platform from working.
func (p *platform) err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// used returns how long the dynos ran so far, all together, from their start to
// their end, which is what Heroku bills.
func (p *platform) used() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum := p.served
	for _, d := range p.dynos {
		sum += time.Since(d.started)
	}
	return sum
}
