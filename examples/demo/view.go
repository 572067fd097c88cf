package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/term"

	"github.com/autoscalebot/autoscale/platform/pool"
)

// A view shows a run. Its methods are called by one goroutine.
type view interface {
	begin(sc scene)
	show(sc scene)
	end(last scene, r report)
	close() // also where there was no end
}

// newView returns a view that draws if w is a terminal that can be drawn on, and
// one that writes lines if not.
func newView(w io.Writer, plain bool) view {
	f, ok := w.(*os.File)
	if plain || !ok || !drawable(f) {
		return &lines{w: w}
	}
	return &screen{f: f, color: os.Getenv("NO_COLOR") == ""}
}

const leastWidth, leastHeight = 72, 20

func drawable(f *os.File) bool {
	if !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return false
	}
	if runtime.GOOS == "windows" && os.Getenv("WT_SESSION") == "" {
		return false // a console that may print what should move its cursor
	}
	width, height, err := term.GetSize(int(f.Fd()))
	return err == nil && width >= leastWidth && height >= leastHeight
}

// lines is a view for logs and pipes: a line every third measurement, and one
// for whatever happens.
type lines struct {
	w     io.Writer
	shown int           // entries
	next  time.Duration // when to write the next line
}

func (l *lines) begin(sc scene) {
	s := sc.script
	fmt.Fprintf(l.w, "%s: %d to %d %s dynos on a local platform; %s\n", appName, s.min, s.max, processType, s.rule())
	fmt.Fprintf(l.w, "what it does and why, meanwhile: %s\n", sc.page)
}

func (l *lines) show(sc scene) {
	for ; l.shown < len(sc.entries); l.shown++ {
		e := sc.entries[l.shown]
		who := "platform"
		if e.who == byAutoscaler {
			who = "autoscaler"
		}
		fmt.Fprintf(l.w, "%s  %s: %s\n", clock(e.at), who, e.text)
	}
	if sc.status.Leader == "" || sc.elapsed < l.next {
		return
	}
	l.next = sc.elapsed + 3*sc.script.interval - frameTime/2
	serving, boots, waiting := 0, 0, 0
	for _, d := range sc.dynos {
		switch d.State {
		case pool.Serving:
			serving++
			waiting += max(0, d.Requests-workers)
		case pool.Booting:
			boots++
		}
	}
	fmt.Fprintf(l.w, "%s  load %2.0f/s  up %d  booting %d  waiting %2d  %s %7s  pages 95%% in %5s  %s\n", clock(sc.elapsed), sc.load,
		serving, boots, waiting, sc.script.signal(), last(sc), sc.lately.p95.Round(10*time.Millisecond), explanation(sc))
}

func (l *lines) end(_ scene, r report) {
	fmt.Fprintln(l.w)
	r.write(l.w)
}

func (l *lines) close() {}

// signal returns what is measured.
func (s script) signal() string {
	if s.heartbeat {
		return "heartbeat"
	}
	return "in flight"
}

// rule says what is decided by.
func (s script) rule() string {
	every := s.interval.Round(time.Millisecond)
	if s.heartbeat {
		return fmt.Sprintf("a heartbeat every %v: above %v is too slow, below %v needlessly fast", every, s.high, s.low)
	}
	return fmt.Sprintf("requests in flight, every %v: %.0f %% of %d a dyno are enough", every, 100*target, workers)
}

// last says what was measured last.
func last(sc scene) string {
	if len(sc.measurements) == 0 {
		return "-"
	}
	m := sc.measurements[len(sc.measurements)-1]
	switch {
	case !m.measured:
		return "?"
	case !sc.script.heartbeat:
		return fmt.Sprintf("%.1f", m.inFlight)
	case m.failure != 0:
		return m.failure.String()
	}
	return m.latency.Round(time.Millisecond).String()
}
