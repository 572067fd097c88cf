// Package platformtest has what the fakes of the platforms' APIs share, such as
// rendertest: a server that remembers its requests and can be made to fail.
package platformtest

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/fake"
)

const (
	maxBody    = 1 << 20 // of a request
	maxRecords = 10_000
)

// A Request is a request that arrived. Credentials are not kept.
type Request struct {
	Time   time.Time
	Method string
	Path   string // with the query
	Body   string // empty if it may contain credentials
	Status int    // of the answer. 0: none was sent
}

// A Server answers as a platform's API would, or as an injected fault says. Its methods
// are safe for concurrent use.
type Server struct {
	// URL is the base of every request, such as "http://127.0.0.1:4711".
	URL string

	handler http.Handler
	secret  func(path string) bool
	http    *http.Server
	served  sync.WaitGroup
	done    chan struct{} // closed by Close: ends hangs and delays
	close   sync.Once

	faults Faults

	mu       sync.Mutex // guards the fields below
	requests []*Request
}

// NewServer returns a Server that listens on a port of the loopback interface, and hands
// its requests to h. secret reports whether the bodies of requests to a path contain
// credentials. If secret is nil, none do. The caller should call Close when finished.
// NewServer panics if it cannot listen.
func NewServer(h http.Handler, secret func(path string) bool) *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if l, err = net.Listen("tcp6", "[::1]:0"); err != nil {
			panic(fmt.Sprintf("platformtest: failed to listen on a port: %v", err))
		}
	}
	if secret == nil {
		secret = func(string) bool { return false }
	}
	s := &Server{URL: "http://" + l.Addr().String(), handler: h, secret: secret, done: make(chan struct{})}
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ReadHeaderTimeout: time.Minute}
	s.served.Go(func() {
		_ = s.http.Serve(l) // ends when Close closes the listener
	})
	return s
}

// Close ends all requests, including those that hang, and shuts the Server down.
func (s *Server) Close() {
	s.close.Do(func() { close(s.done) })
	s.http.Close() // its error comes from the listener, which nobody needs any more
	s.served.Wait()
}

// Inject adds faults, as [Faults.Inject] does.
func (s *Server) Inject(faults ...Fault) { s.faults.Inject(faults...) }

// ClearFaults removes all faults.
func (s *Server) ClearFaults() { s.faults.ClearFaults() }

// Requests returns the last 10,000 requests, in the order of their arrival.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requests))
	for i, r := range s.requests {
		out[i] = *r
	}
	return out
}

// Count returns how many requests had that method, if it is not empty, and a path that
// matches the pattern of path.Match, without the query.
func (s *Server) Count(method, pattern string) int {
	n := 0
	for _, r := range s.Requests() {
		p, _, _ := strings.Cut(r.Path, "?")
		if ok, _ := path.Match(pattern, p); ok && (method == "" || method == r.Method) {
			n++
		}
	}
	return n
}

// Transport returns a transport that carries requests to the Server through memory, so
// that a client in a testing/synctest bubble can use it.
func (s *Server) Transport() http.RoundTripper { return memory{s} }

// exchange answers a request. If the answer is nil, the connection ends without one. done
// ends a hang or a delay. It is nil in memory, because a channel of the Server does not
// belong to the client's bubble.
func (s *Server) exchange(r *http.Request, done <-chan struct{}) (a *fake.Answer, truncate bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return nil, false
	}
	rec := &Request{Time: time.Now(), Method: r.Method, Path: r.URL.RequestURI()}
	if !s.secret(r.URL.Path) {
		rec.Body = string(body)
	}
	s.mu.Lock()
	if len(s.requests) == maxRecords {
		s.requests = slices.Delete(s.requests, 0, 1)
	}
	s.requests = append(s.requests, rec)
	s.mu.Unlock()

	f := s.faults.Next(r)
	carryOut := func() *fake.Answer {
		a := fake.NewAnswer()
		r.Body = io.NopCloser(bytes.NewReader(body))
		s.handler.ServeHTTP(a, r)
		return a
	}
	if f.Apply {
		a = carryOut()
	}
	if f.Delay > 0 && !fake.Wait(r.Context(), f.Delay, done) {
		return nil, false
	}
	switch {
	case f.Hang:
		fake.Wait(r.Context(), 0, done)
		return nil, false
	case f.Reset:
		return nil, false
	case f.Status != 0:
		a = fake.NewAnswer()
		f.Answer(a)
	case a == nil:
		a = carryOut()
	}
	for name, values := range f.Header {
		a.Header()[http.CanonicalHeaderKey(name)] = values
	}
	s.mu.Lock()
	rec.Status = a.Status
	s.mu.Unlock()
	return a, f.Truncate
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	a, truncate := s.exchange(r, s.done)
	if a == nil {
		Reset(w)
	}
	a.Send(w, truncate)
}

type memory struct{ s *Server }

func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.RequestURI = r.URL.RequestURI()
	a, truncate := m.s.exchange(r, nil)
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	if a == nil {
		return nil, io.ErrUnexpectedEOF
	}
	var body io.Reader = bytes.NewReader(a.Body.Bytes())
	if truncate {
		body = io.MultiReader(bytes.NewReader(a.Body.Bytes()[:a.Body.Len()/2]), broken{})
	}
	return &http.Response{
		StatusCode: a.Status, Header: a.Header(), Body: io.NopCloser(body), Request: req,
		ContentLength: int64(a.Body.Len()), ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
