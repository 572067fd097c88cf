package kubetest

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// A Fault is something that goes wrong with chosen requests.
//
//	Fault{Status: 503}                                  a bare status, with no body
//	Fault{Status: 200, Body: "{}"}                      JSON that lacks everything
//	Fault{Truncate: true}                               the answer, cut in half
//	Fault{Hang: true}                                   no answer, ever
//	Fault{Reset: true}                                  a connection reset
//	Fault{Delay: time.Second}                           a slow answer
//	Fault{GoAway: true}                                 the answer, and GOAWAY
//	Fault{Method: "PATCH", Apply: true, Reset: true}    a change that nobody hears of
//
// See [Error] and [TooManyRequests] for faults that are errors of the API. A fault strikes
// before tokens and rights are checked. The request is carried out only if Apply is set, or
// if the fault needs the true answer because it has neither Status nor Hang nor Reset.
type Fault struct {
	// Method, Path, Verb and Account say which requests are struck. An empty field matches
	// all requests. Path is a pattern of path.Match for the URL's path, in which a star
	// stands for one element. Verb is a verb of RBAC: get, list, watch, create, update,
	// patch, delete. Account is the name of an [Account].
	Method, Path, Verb, Account string

	// Skip is how many of these requests are not struck at first.
	Skip int

	// Times is how many requests are struck after that. 0 means one. A negative number
	// means all, until ClearFaults.
	Times int

	// Apply carries the request out at once, before its answer is spoilt.
	Apply bool

	// Delay is how long the server waits before it does anything.
	Delay time.Duration

	// Status is the status of an answer that is sent instead of the true one. 0 sends the
	// true one. Body goes with it.
	Status int
	Body   string

	// Header is added to the answer, also if that is the true one.
	Header http.Header

	// Truncate announces the whole length of the body and sends half of it.
	Truncate bool

	// Hang sends nothing until the client leaves or the Server is closed.
	Hang bool

	// Reset ends the connection without an answer.
	Reset bool

	// GoAway closes the connection after the answer. With HTTP/2 it sends a GOAWAY frame,
	// as the API server does with --goaway-chance.
	GoAway bool
}

func (f *Fault) answers() bool { return f.Status == 0 && !f.Hang && !f.Reset }

// Error returns a fault that answers with a Status object, such as Error(500,
// "InternalError", "etcdserver: request timed out").
func Error(status int, reason, message string) Fault {
	a := (&apiError{status, reason, message, nil}).answer()
	return Fault{Status: status, Body: string(a.body)}
}

// TooManyRequests returns a fault that refuses every request, as API Priority and Fairness
// does, until ClearFaults.
func TooManyRequests(retryAfter time.Duration) Fault {
	return Fault{
		Status: http.StatusTooManyRequests, Body: "Too many requests, please try again later.\n", Times: -1,
		Header: http.Header{"Retry-After": {fmt.Sprint(int(retryAfter.Seconds()))}, "Content-Type": {"text/plain; charset=utf-8"}},
	}
}

// Inject adds faults after those that exist already. A request is struck by the first fault
// that matches it, has already skipped Skip requests, and has not yet struck Times
// requests.
//
// It panics if a fault's Path is not a pattern, or if its Status is one that cannot be sent.
func (s *Server) Inject(faults ...Fault) {
	for _, f := range faults {
		if _, err := path.Match(f.Path, "/"); err != nil {
			panic(fmt.Sprintf("kubetest: Fault.Path %q: %v", f.Path, err))
		}
		if f.Status != 0 && (f.Status < 200 || f.Status > 999) {
			panic(fmt.Sprintf("kubetest: Fault.Status %d: not between 200 and 999", f.Status))
		}
		if f.Times == 0 {
			f.Times = 1
		}
		f.Header = f.Header.Clone()
		s.mu.Lock()
		s.faults = append(s.faults, &f)
		s.mu.Unlock()
	}
}

// ClearFaults removes all faults. Requests that one of them keeps waiting go on waiting.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Cut cuts off the account of a token. Its connections are reset, including watches, and so
// are new requests. If cut is false, Cut lets the account back in. It panics if there is no
// such token.
func (s *Server) Cut(token string, cut bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accounts[token]
	switch {
	case a == nil:
		panic("kubetest: Cut: no account has this token")
	case cut && !isClosed(a.cut):
		close(a.cut)
	case !cut && isClosed(a.cut):
		a.cut = make(chan struct{})
	}
}

// EndWatches ends all watches that are under way, as a restart of the API server does.
func (s *Server) EndWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.wake()
}

// SilenceWatches makes all watches stay open and send nothing, as when a connection has
// died and nobody has noticed. If silent is false, the watches get the events that they
// missed.
func (s *Server) SilenceWatches(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = silent
	s.wake()
}

// Compact forgets all past events, as etcd does. A watch from a version before now gets the
// error 410 Gone.
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.compacted = nil, s.version
}

// nextFault takes the fault that strikes q, or returns a Fault that does nothing.
func (s *Server) nextFault(q *query) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !f.matches(q) {
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

func (f *Fault) matches(q *query) bool {
	if f.Method != "" && !strings.EqualFold(f.Method, q.Method) || f.Verb != "" && f.Verb != q.verb || f.Account != "" && f.Account != q.record.Account {
		return false
	}
	if f.Path == "" {
		return true
	}
	ok, _ := path.Match(f.Path, q.URL.Path) // Inject has refused a Path that is not a pattern
	return ok
}

func (f *Fault) answer() *answer {
	kind := "application/json"
	if strings.HasPrefix(f.Body, "<") {
		kind = "text/html; charset=utf-8"
	}
	return &answer{status: f.Status, header: http.Header{"Content-Type": {kind}}, body: []byte(f.Body)}
}
