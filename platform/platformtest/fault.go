package platformtest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Fault is something that goes wrong with chosen requests.
//
// Its fields say what goes wrong:
//
//	Fault{Status: 503}                                  a bare status, with no body
//	Fault{Status: 503, Body: "<html>Oops</html>"}       an error page
//	Fault{Status: 200, Body: "{}"}                      JSON that lacks everything
//	Fault{Status: 302, Header: …}                       a redirect
//	Fault{Truncate: true}                               the answer, cut in half
//	Fault{Hang: true}                                   no answer, ever
//	Fault{Reset: true}                                  a connection reset
//	Fault{Delay: time.Second}                           a slow answer
//	Fault{Method: "PATCH", Apply: true, Reset: true}    a change that nobody hears of
//
// A fault strikes before credentials, versions and limits are checked. The request is
// carried out only if Apply is set, or if the fault needs the true answer because it has
// neither Status nor Hang nor Reset.
type Fault struct {
	// Method and Path say which requests are struck. An empty Method or Path matches all
	// requests. Path is a pattern of path.Match for the URL's path, such as
	// "/apps/*/formation/web", in which a star stands for one element.
	Method, Path string

	// Skip is how many of these requests are not struck at first.
	Skip int

	// Times is how many requests are struck after that. 0 means one; a negative
	// number means all, until ClearFaults.
	Times int

	// Apply carries the request out at once, before its answer is spoilt.
	Apply bool

	// Delay is how long the server waits before it does anything else. It ends early,
	// without an answer, when the client leaves or the Server is closed.
	Delay time.Duration

	// Status is the status of an answer that is sent instead of the true one. 0 sends
	// the true one.
	Status int

	// Body is the body that goes with Status. Unless Header has a Content-Type, it is that
	// of HTML if Body begins with a "<", and that of JSON otherwise.
	Body string

	// Header is added to the answer, also if that is the true one.
	Header http.Header

	// Truncate announces the whole length of the body and sends half of it.
	Truncate bool

	// Hang sends nothing until the client leaves or the Server is closed.
	Hang bool

	// Reset ends the connection without an answer.
	Reset bool
}

// Faults strike the requests of a fake server. The zero value has none. It is safe for
// concurrent use.
type Faults struct {
	mu   sync.Mutex
	list []*Fault
}

// Inject adds faults after those that exist already. A request is struck by the first fault
// that matches it, has already skipped Skip requests, and has not yet struck Times
// requests.
//
// It panics if a fault's Path is not a pattern, or if its Status is one that cannot be sent.
func (s *Faults) Inject(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if _, err := path.Match(f.Path, "/"); err != nil {
			panic(fmt.Sprintf("platformtest: Fault.Path %q: %v", f.Path, err))
		}
		if f.Status != 0 && (f.Status < 200 || f.Status > 999) {
			panic(fmt.Sprintf("platformtest: Fault.Status %d: not between 200 and 999", f.Status))
		}
		if f.Times == 0 {
			f.Times = 1
		}
		f.Header = f.Header.Clone()
		s.list = append(s.list, &f)
	}
}

// ClearFaults removes all faults. Requests that one of them keeps waiting go on waiting.
func (s *Faults) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = nil
}

// Next takes the fault that strikes r, or returns a Fault that does nothing.
func (s *Faults) Next(r *http.Request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.list {
		if !f.matches(r) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.list = slices.Delete(s.list, i, i+1)
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
	ok, _ := path.Match(f.Path, r.URL.Path) // Inject has refused a Path that is not a pattern
	return ok || f.Path == ""
}

// Answer writes the status, the body and the headers of a fault that has a Status.
func (f Fault) Answer(w http.ResponseWriter) {
	switch {
	case strings.HasPrefix(f.Body, "<"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
	case f.Body != "":
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body) // a client may leave before the end
}

// Reset ends a connection, over TCP by an RST. It does not return.
func Reset(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a connection that is gone already needs no reset
		}
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}
