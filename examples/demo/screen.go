package main

import (
	"bytes"
	"cmp"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/autoscalebot/autoscale"
)

// screen is a view that redraws a terminal.
type screen struct {
	f     *os.File
	color bool
	began bool
}

// Escape sequences: the alternate screen is put aside when it is left,
// so that the shell's own lines are back.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

func (s *screen) begin(scene) {
	s.began = true
	s.write(enterScreen)
}

func (s *screen) show(sc scene) {
	width, height := s.size()
	var b bytes.Buffer
	b.WriteString(goHome)
	rows := draw(sc, width, height).rows(s.color)
	for i, row := range rows {
		b.WriteString(row + clearLine)
		if i < len(rows)-1 {
			b.WriteString("\r\n")
		}
	}
	b.WriteString(clearBelow)
	s.write(b.String())
}

// end leaves the charts among the shell's lines, and the report below.
func (s *screen) end(last scene, r report) {
	s.close()
	width, _ := s.size()
	var b bytes.Buffer
	for _, row := range draw(last, width, chartsHeight).rows(s.color) {
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	b.WriteString("\n")
	r.write(&b)
	s.write(b.String())
}

func (s *screen) close() {
	if s.began {
		s.began = false
		s.write(leaveScreen)
	}
}

func (s *screen) size() (width, height int) {
	width, height, err := term.GetSize(int(s.f.Fd()))
	if err != nil {
		return 80, 24
	}
	return width, height
}

// write ignores errors: a terminal that has gone ends the program by a signal.
func (s *screen) write(text string) { _, _ = s.f.WriteString(text) }

// explanation says what was decided last, and why.
func explanation(sc scene) string {
	return cmp.Or(strings.TrimPrefix(sc.status.Text, processType+": "), "nothing yet")
}

// styleOf returns how a measurement is shown beside the limits.
func styleOf(s script, m measurement) style {
	switch {
	case !m.measured:
		return dim
	case !s.heartbeat:
		return blue
	case m.failure != autoscale.NoFailure, m.latency > s.high:
		return red
	case m.latency < s.low:
		return green
	}
	return yellow
}
