package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform/pool"
)

// A story is what happened so far.
type story struct {
	script script

	mu      sync.Mutex
	start   time.Time
	entries []entry
	points  []point

	measurements []measurement
	notified     map[autoscale.EventKind]int
	status       standing
}

// An entry is something that happened, in words.
type entry struct {
	at   time.Duration
	who  speaker
	text string
}

type speaker int

const (
	byPlatform speaker = iota
	byAutoscaler
)

// A measurement is what one probe came to.
type measurement struct {
	at       time.Duration
	measured bool
	latency  time.Duration     // of the heartbeat
	failure  autoscale.Failure // of the heartbeat
	inFlight float64           // requests, in all dynos
}

// A point is what can be seen at a moment.
type point struct {
	at    time.Duration
	load  float64
	dynos []pool.Process
}

// restart lets the time begin again, and returns when that is.
func (st *story) restart() time.Time {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.start, st.points, st.measurements = time.Now(), nil, nil
	for i := range st.entries {
		st.entries[i].at = 0 // nobody reads them by now: scenes are looked at by the caller
	}
	return st.start
}

// say notes what the platform did.
func (st *story) say(text string) { st.note(byPlatform, text) }

func (st *story) note(who speaker, text string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.entries = append(st.entries, entry{time.Since(st.start), who, text})
}

// hear notes what a dyno's autoscaler does.
func (st *story) hear(m message) {
	if m.Event != nil {
		st.observe(*m.Event)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if m.Notified != 0 {
		if st.notified == nil {
			st.notified = make(map[autoscale.EventKind]int)
		}
		st.notified[m.Notified]++
	}
	if m.Status != nil {
		st.status = *m.Status
	}
}

func (st *story) observe(e observed) {
	text := strings.TrimPrefix(e.Text, processType+": ")
	switch e.Kind {
	case autoscale.Probed:
		st.measure(measurement{measured: true, latency: e.Latency, failure: e.Failure, inFlight: e.InFlight})
		return
	case autoscale.ProbeFailed:
		st.measure(measurement{})
	case autoscale.Scaled:
		text = fmt.Sprintf("from %d to %d: %s", e.From, e.To, e.Reason) // without the bounds, which stay the same
	}
	st.note(byAutoscaler, text)
}

func (st *story) measure(m measurement) {
	st.mu.Lock()
	defer st.mu.Unlock()
	m.at = time.Since(st.start)
	st.measurements = append(st.measurements, m)
}

// A scene is all that a view needs in order to show a moment.
type scene struct {
	script  script
	page    string // the URL of the status page
	elapsed time.Duration
	load    float64 // as it should be now
	lately  served
	dynos   []pool.Process
	status  standing

	entries      []entry
	measurements []measurement
	points       []point
}

// serves reports whether a dyno is up.
func (sc scene) serves() bool {
	return slices.ContainsFunc(sc.dynos, func(d pool.Process) bool { return d.State == pool.Serving })
}

// over reports whether the script has come to its end.
func (sc scene) over() bool {
	back := sc.status.Desired == sc.script.min
	return sc.elapsed >= sc.script.duration && (back || sc.elapsed >= sc.script.duration+sc.script.patience)
}

// scene looks at everything, and remembers what it saw for those to come.
func (st *story) scene(p *platform, crowd *people) scene {
	dynos := p.pool.Processes()
	st.mu.Lock()
	defer st.mu.Unlock()
	now := time.Since(st.start)
	load := st.script.load(now)
	st.points = append(st.points, point{now, load, dynos})
	return scene{
		script: st.script, page: p.app.WebURL() + pagePath[1:], elapsed: now, load: load, lately: crowd.lately(now),
		dynos: dynos, status: st.status,
		entries: slices.Clip(st.entries), measurements: slices.Clip(st.measurements), points: slices.Clip(st.points),
	}
}
