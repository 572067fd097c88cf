package pool

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// EventKind says what happened to a process.
type EventKind string

// The kinds of event.
const (
	Boots     EventKind = "boots"           // it was started
	Serves    EventKind = "serves"          // it gets requests from now on
	Stops     EventKind = "is stopped"      // it gets no more requests and is about to end
	Ends      EventKind = "has ended"       // it ended, as it was asked to
	Crashes   EventKind = "ended by itself" // or it could not be started. Another one follows after a pause
	Overstays EventKind = "is killed"       // it did not boot, or did not end, in time
)

// An Event is something that happened to a process.
type Event struct {
	Kind    EventKind
	Process string        // its name, such as web.2
	PID     int           // 0: it could not be started
	Addr    string        // where it listens
	Uptime  time.Duration // since it was started
	Pause   time.Duration // for Crashes: the time until the next one is started
	Err     error         // for Crashes
}

// String says what happened.
func (e Event) String() string {
	switch e.Kind {
	case Boots:
		return fmt.Sprintf("%s boots, process %d", e.Process, e.PID)
	case Crashes:
		return fmt.Sprintf("%s ended by itself after %v (%v); the next one is started in %v", e.Process, e.Uptime.Round(time.Millisecond), e.Err, e.Pause)
	case Overstays:
		return fmt.Sprintf("%s is killed after %v: it did not boot, or did not end, in time", e.Process, e.Uptime.Round(time.Millisecond))
	}
	return fmt.Sprintf("%s %s after %v", e.Process, e.Kind, e.Uptime.Round(time.Millisecond))
}

// tell logs an event and passes it to Observe.
func (p *Pool) tell(e Event) {
	level := slog.LevelInfo
	switch e.Kind {
	case Crashes:
		level = slog.LevelError
	case Overstays:
		level = slog.LevelWarn
	}
	// A panic in the host's code must not end the host.
	_ = guard.Do(func() error {
		p.opts.Logger.LogAttrs(context.Background(), level, "pool: "+e.String(), slog.String("process", e.Process), slog.Int("pid", e.PID))
		return nil
	})
	if p.opts.Observe != nil {
		_ = guard.Do(func() error { p.opts.Observe(e); return nil })
	}
}

func (s *process) event(kind EventKind) Event {
	return Event{Kind: kind, Process: s.name(), PID: s.cmd.Process.Pid, Addr: s.addr, Uptime: time.Since(s.started)}
}

// State is the state of a process.
type State int

// The states of a process.
const (
	Booting State = iota
	Serving
	Stopping
)

// String returns the state's name in lower case.
func (s State) String() string {
	if s < Booting || s > Stopping {
		return fmt.Sprintf("State(%d)", int(s))
	}
	return [...]string{"booting", "serving", "stopping"}[s]
}

// A Process describes a process of the Pool.
type Process struct {
	Name     string
	Number   int // from 1
	PID      int
	State    State
	Requests int // requests that were passed on to it and are not answered yet
	Started  time.Time
}

// Processes returns the processes that have not ended, ordered by number.
func (p *Pool) Processes() []Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Process, len(p.processes))
	for i, s := range p.processes {
		out[i] = Process{s.name(), s.number, s.cmd.Process.Pid, s.state, int(s.busy.Load()), s.started}
	}
	return out
}
