package platformtest

import (
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// A Fault is something that goes wrong with chosen requests: a status with a body of its
// own, an answer cut in half, no answer, a connection reset, or a slow answer. A request is
// carried out only if the fault needs its answer or says Apply.
type Fault struct {
	// Method and Path say which requests are struck. An empty Method or Path stands for
	// all. Path is a pattern of path.Match for the URL's path.
	Method, Path string

	// Skip is how many of these requests are spared at first.
	Skip int

	// Times is how many requests are struck after that. 0: one. Negative: all, until
	// ClearFaults.
	Times int

	// Apply carries the request out before its answer is spoilt.
	Apply bool

	// Delay is how long the Server waits before it answers.
	Delay time.Duration

	// Status is the status of an answer that is sent instead of the true one. 0 sends
	// the true one.
	Status int

	// Body is the body that goes with Status. It is sent as HTML if it begins with a
	// "<", and else as JSON.
	Body string

	// Header is added to the answer.
	Header http.Header

	// Truncate announces the whole length of the body and sends half of it.
	Truncate bool

	// Hang sends nothing until the client leaves or the Server is closed.
	Hang bool

	// Reset ends the connection without an answer.
	Reset bool
}

// Inject adds faults behind those that are there already. A request is struck by the first
// fault that matches it, has skipped its number and has struck less than its number.
// Inject panics if a fault's Path is not a pattern.
func (s *Server) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if _, err := path.Match(f.Path, "/"); err != nil {
			panic("platformtest: Fault.Path " + f.Path + ": " + err.Error())
		}
		if f.Times == 0 {
			f.Times = 1
		}
		f.Header = f.Header.Clone()
		s.faults = append(s.faults, &f)
	}
}

// ClearFaults removes all faults.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// next takes the fault that strikes r, or returns a Fault that does nothing.
func (s *Server) next(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !f.matches(r) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return *f
	}
	return Fault{}
}

func (f *Fault) matches(r *http.Request) bool {
	if f.Method != "" && !strings.EqualFold(f.Method, r.Method) {
		return false
	}
	ok, _ := path.Match(f.Path, r.URL.Path) // Inject refused what is no pattern
	return ok || f.Path == ""
}
