package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

// A story is what happened so far.
type story struct {
	script script

	mu      sync.Mutex
	start   time.Time
	entries []entry
	beats   []beat
	points  []point
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

// A beat is what one probe came to.
type beat struct {
	at       time.Duration
	measured bool
	sample   autoscale.Sample
}

// A point is what can be seen at a moment.
type point struct {
	at    time.Duration
	load  float64
	dynos []dynoView
}

// restart lets the time begin anew, and returns when that is.
func (st *story) restart() time.Time {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.start, st.points = time.Now(), nil
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

// observe notes what the autoscaler tells.
func (st *story) observe(e autoscale.Event) {
	switch {
	case e.Kind == autoscale.Probed:
		st.beat(beat{measured: true, sample: e.Sample})
		return
	case e.Kind == autoscale.ProbeFailed:
		st.beat(beat{})
	case e.Kind == autoscale.Decided, e.Phase == autoscale.Ongoing:
		return
	}
	text := strings.TrimPrefix(e.String(), processType+": ")
	if e.Kind == autoscale.Scaled {
		text = fmt.Sprintf("from %d to %d: %v", e.From, e.To, e.Decision.Reason) // without the bounds, which stay the same
	}
	st.note(byAutoscaler, text)
}

func (st *story) beat(b beat) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b.at = time.Since(st.start)
	st.beats = append(st.beats, b)
}

// A scene is all that a view needs in order to show a moment.
type scene struct {
	script  script
	elapsed time.Duration
	load    float64 // as it should be now
	lately  served
	dynos   []dynoView
	status  autoscale.Status

	entries []entry
	beats   []beat
	points  []point
}

// serves reports whether a dyno is up.
func (sc scene) serves() bool {
	return slices.ContainsFunc(sc.dynos, func(d dynoView) bool { return d.state == up })
}

// over reports whether the script has come to its end.
func (sc scene) over() bool {
	back := sc.status.Capacity.Desired == sc.script.min
	return sc.elapsed >= sc.script.duration && (back || sc.elapsed >= sc.script.duration+sc.script.patience)
}

// scene looks at everything, and remembers what it saw for those to come.
func (st *story) scene(p *platform, crowd *people, status autoscale.Status) scene {
	dynos := p.look()
	st.mu.Lock()
	defer st.mu.Unlock()
	now := time.Since(st.start)
	load := st.script.load(now)
	st.points = append(st.points, point{now, load, dynos})
	return scene{
		script: st.script, elapsed: now, load: load, lately: crowd.lately(now),
		dynos: dynos, status: status,
		entries: slices.Clip(st.entries), beats: slices.Clip(st.beats), points: slices.Clip(st.points),
	}
}
