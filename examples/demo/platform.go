package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/platform/pool"
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

	// stopTime is how long a dyno may take to finish its requests when it is asked
	// to stop; Heroku grants 30 s.
	stopTime = 4 * time.Second
)

// A platform is a small Heroku: an API by which dynos are ordered, and a pool of
// processes, which are the dynos, with the router before them.
type platform struct {
	script script
	api    *herokutest.Server
	app    *herokutest.App
	pool   *pool.Pool
	router *http.Server
	story  *story

	managed chan struct{} // closed when the last dyno is gone
	cancel  context.CancelFunc

	mu      sync.Mutex // guards the fields below
	served  time.Duration
	crashes int
	words   map[string]*tail // the last ones of each dyno
	fault   error
}

// newPlatform starts a platform with one app that has s.min web dynos. Close
// ends it.
func newPlatform(s script, dir string, st *story) (*platform, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &platform{script: s, api: herokutest.NewServer(), story: st, managed: make(chan struct{}), words: make(map[string]*tail)}
	p.pool = pool.New(pool.Options{
		Name: processType,
		Command: []string{
			self, "-dir", dir, "-api", p.api.URL, "-duration", s.duration.String(), "-seed", fmt.Sprint(s.seed), fmt.Sprintf("-heartbeat=%t", s.heartbeat),
		},
		Env:     []string{serviceEnv + "=1"},
		Initial: s.min, Max: s.max, BootTime: s.boot + bootTime, Drain: stopTime, Stop: stopTime,
		Wait:    -1, // Heroku's router answers at once that no dyno is up
		Output:  p.output,
		Observe: p.observe,
		Logger:  slog.New(slog.DiscardHandler), // the view shows it all
	})
	p.app = p.api.AddApp(herokutest.AppConfig{
		Name:      appName,
		WebURL:    "http://" + listener.Addr().String() + "/",
		Formation: []herokutest.Process{{Type: processType, Quantity: s.min}},
		Boot:      -1, // a dyno is up when its process says so
	})
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	// The API must not wait for the pool, because the pool reports dynos to it.
	orders := make(chan int, 100)
	p.api.OnScale(func(_, _ string, _, to int) { orders <- to })
	go func() {
		for {
			select {
			case to := <-orders:
				if err := p.pool.Scale(ctx, to); err != nil && ctx.Err() == nil {
					p.fail(err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	p.router = &http.Server{Handler: http.HandlerFunc(p.route), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = p.router.Serve(listener) }()
	go func() {
		defer close(p.managed)
		if err := p.pool.Run(ctx); err != nil {
			p.fail(err)
		}
	}()
	return p, nil
}

// Close ends the dynos, the router and the API, in the order that leaves nothing
// waiting. What is being answered is cut off.
func (p *platform) Close() {
	_ = p.router.Close()
	p.cancel()
	<-p.managed
	p.api.Close()
}

// route passes a request on to a dyno that is up, at random, as Heroku's router does: it
// knows nothing of how busy they are.
func (p *platform) route(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), p.script.giveUp)
	defer cancel()
	p.pool.ServeHTTP(w, r.WithContext(ctx))
}

// release has the API refuse orders for a seventh of the script, as the load rises.
func (p *platform) release() *time.Timer {
	length := p.script.duration / 7
	return time.AfterFunc(length, func() {
		p.api.Inject(herokutest.Busy())
		p.story.say("a release is under way, and no order is taken")
		time.AfterFunc(length, func() {
			p.api.ClearFaults()
			p.story.say("the release has ended")
		})
	})
}

// output returns where a dyno writes: messages, and its last words.
func (p *platform) output(name string) (stdout, stderr io.Writer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.words[name] = new(tail)
	return &messages{hear: p.story.hear}, p.words[name]
}

// observe is called with what happens to a dyno.
func (p *platform) observe(e pool.Event) {
	switch e.Kind {
	case pool.Boots:
		p.story.say(e.String())
	case pool.Serves:
		p.app.SetDynoState(e.Process, herokutest.Up)
		p.story.say(fmt.Sprintf("%s is up at %s, %v after its start", e.Process, e.Addr, e.Uptime.Round(10*time.Millisecond)))
	case pool.Stops:
		p.story.say(e.Process + " stops")
	case pool.Ends, pool.Crashes:
		p.ended(e)
	}
}

func (p *platform) ended(e pool.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.served += e.Uptime
	if e.Kind == pool.Ends {
		return
	}
	err := e.Err
	if w := p.words[e.Process]; w != nil && w.String() != "" {
		err = fmt.Errorf("%w: %s", err, w)
	}
	if p.crashes++; p.crashes > mostCrashes {
		p.fault = fmt.Errorf("%s ended by itself, as %d dynos did before: %w", e.Process, mostCrashes, err)
		return
	}
	p.app.SetDynoState(e.Process, herokutest.Starting)
	p.story.say(fmt.Sprintf("%s ended by itself (%v) and is replaced", e.Process, err))
}

func (p *platform) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault == nil {
		p.fault = err
	}
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
	sum := p.served
	p.mu.Unlock()
	for _, d := range p.pool.Processes() {
		sum += time.Since(d.Started)
	}
	return sum
}

// messages hears one in each line that is written to it.
type messages struct {
	hear func(message)
	rest []byte
}

func (l *messages) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		var m message
		if json.Unmarshal(line, &m) == nil {
			l.hear(m)
		}
		l.rest = rest
	}
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
