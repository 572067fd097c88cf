//go:build linux

// Package journal is how the processes of a trial leave word of what they do: in
// one file, to which each appends whole lines, with the time of a clock that all
// of them share.
package journal

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// What a Line can tell.
const (
	Started  = "started"  // the process serves
	Trusted  = "trusted"  // it leads in Term, until Until at least
	Ended    = "ended"    // it leads in Term no more, and did at Seen
	Resigned = "resigned" // it gives Term up, and does not campaign before Until
	Ticked   = "ticked"   // it read the size From, and decided for To as Need were needed
	Ordered  = "ordered"  // it begins to write the order ID of To processes, which the client gave out at Given
	Frozen   = "frozen"   // it stops itself, as it was told
	Told     = "told"     // it tells the event Kind
	Knows    = "knows"    // it has read the lease, which is of Term now
	GaveUp   = "gave up"  // its elector failed for good, as Detail says
)

// A Line is something that a process did. Times are those of [Clock].
type Line struct {
	What   string `json:"what"`
	At     int64  `json:"at"`
	Host   string `json:"host"` // as $DYNO, "web.3", and after a "#" the process's number
	Term   int64  `json:"term,omitempty"`
	Until  int64  `json:"until,omitempty"`
	Seen   int64  `json:"seen,omitempty"`
	Given  int64  `json:"given,omitempty"`
	ID     string `json:"id,omitempty"`
	From   int    `json:"from,omitempty"`
	To     int    `json:"to,omitempty"`
	Need   int    `json:"need,omitempty"`
	Limit  string `json:"limit,omitempty"`
	Kind   string `json:"kind,omitempty"`
	Phase  string `json:"phase,omitempty"`
	Detail string `json:"detail,omitempty"`
	Tick   int64  `json:"tick,omitempty"` // when the tick began of which is told
}

// A Clock reads CLOCK_MONOTONIC, which no step of the wall clock moves and which
// all processes of a machine share, as time.Time's monotonic readings do.
type Clock struct {
	base time.Time
	at   int64
}

// NewClock finds out what the readings of this process are on the shared clock.
func NewClock() Clock {
	for {
		before := raw()
		base := time.Now()
		if after := raw(); after-before < int64(20*time.Microsecond) {
			return Clock{base, before}
		}
	}
}

// At returns when t was, in nanoseconds. t must have a monotonic reading.
func (c Clock) At(t time.Time) int64 { return c.at + int64(t.Sub(c.base)) }

// Now returns the present time.
func (c Clock) Now() int64 { return c.At(time.Now()) }

func raw() int64 {
	const monotonic = 1 // CLOCK_MONOTONIC
	var ts syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		panic(errno)
	}
	return ts.Nano()
}

// A Journal appends to the file.
type Journal struct {
	Clock
	host string
	file *os.File
}

// Open returns the journal of a process.
func Open(path, host string) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	return &Journal{NewClock(), host, f}, err
}

// Add appends a line, in one write, which outlives the process. A zero At is now.
func (j *Journal) Add(l Line) {
	l.Host = j.host
	if l.At == 0 {
		l.At = j.Now()
	}
	data, err := json.Marshal(l)
	if err == nil {
		_, err = j.file.Write(append(data, '\n'))
	}
	if err != nil {
		panic(fmt.Sprintf("the journal cannot be written: %v", err)) // a trial without a record proves nothing
	}
}

// Read returns the whole lines from an offset, and the offset behind them.
func Read(path string, offset int64) ([]Line, int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, offset, err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return nil, offset, err
	}
	var lines []Line
	r := bufio.NewReader(f)
	for {
		data, err := r.ReadBytes('\n')
		if err == io.EOF {
			return lines, offset, nil
		}
		if err != nil {
			return lines, offset, err
		}
		var l Line
		if err := json.Unmarshal(data, &l); err != nil {
			return lines, offset, fmt.Errorf("%s at %d: %w", path, offset, err)
		}
		lines, offset = append(lines, l), offset+int64(len(data))
	}
}
