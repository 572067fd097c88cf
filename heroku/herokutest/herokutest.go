// Package herokutest is a fake of the Heroku Platform API, in the manner of
// net/http/httptest, for tests and demonstrations of programs that scale
// Heroku apps.
//
//	s := herokutest.NewServer()
//	defer s.Close()
//	app := s.AddApp(herokutest.AppConfig{
//		Name:      "quiet-river",
//		Formation: []herokutest.Process{{Type: "web", Quantity: 1}},
//	})
//
// A client then sends its requests to s.URL instead of https://api.heroku.com, with [Token]
// as its credential, and the test uses app to see the results. Heroku's own command line
// works as well:
//
//	HEROKU_HOST=$URL HEROKU_API_KEY=$TOKEN heroku ps:scale web=3 --app quiet-river
//
// # What is served
//
//	GET   /account
//	GET   /account/rate-limits
//	GET   /apps
//	GET   /apps/{app}
//	PATCH /apps/{app}                              maintenance
//	GET   /apps/{app}/dynos
//	GET   /apps/{app}/dynos/{dyno}
//	GET   /apps/{app}/formation
//	PATCH /apps/{app}/formation                    updates of several process types
//	GET   /apps/{app}/formation/{type}
//	PATCH /apps/{app}/formation/{type}             quantity, size
//	GET   /apps/{app}/formation/{type}/monitors    native autoscaling, of api.metrics.heroku.com
//	GET   /dyno-sizes
//
// An id can be used wherever a name can, and the reverse. The objects have exactly the
// properties in the API's published schema. Any other request gets 404. The headers Range
// and If-Match are ignored: each list is sent whole.
//
// A quantity may be a number or, as Heroku's command line sends it, a string: "3" is
// absolute, "+1" and "-1" are relative. For how many dynos there may be, see
// [AppConfig.Limit].
//
// Where the API's behaviour is not documented, the fake does what published traces of the
// API and Heroku's command line show. Four things are guesses: Request-Id has the client's
// ids after the server's own, an update of several process types answers with the whole
// formation, the wording of errors that nobody published, and the refusal of a relative
// quantity that leads below zero.
//
// # Faults
//
// [Server.Inject] makes chosen requests fail in the ways that a network and a platform
// fail: bare statuses, HTML pages, truncated bodies, hangs, resets, delays. See [Fault].
//
// # Time
//
// Everything that depends on time, such as a dyno's state, is computed from time.Now when a
// request asks for it. So in a testing/synctest bubble the fake runs on the bubble's time.
// Use [NewPipeServer] there, because a bubble's clock stands still while a goroutine waits
// for a real network.
package herokutest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/fake"
	"github.com/autoscalebot/autoscale/internal/pipe"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Token is a credential that every new [Server] accepts, for everything. It only looks like
// a Heroku API key.
const Token = "HRKU-AAherokutest0not0a0secret0herokutest0not0a0secret0herokutest"

// maxBody bounds how much of a request is read.
const maxBody = 1 << 20

// A Server is a fake Platform API. All its methods, and those of its apps, are
// safe for concurrent use.
//
// A Server is an http.Handler, so a program can put it on its own listener or behind its
// own handler.
type Server struct {
	// URL is the base of every request, such as "http://127.0.0.1:4711", without a slash at its
	// end. It is empty if New made the Server.
	URL string

	mux    *http.ServeMux
	http   *http.Server
	client *http.Client
	served sync.WaitGroup // http.Serve
	done   chan struct{}  // closed by Close; ends hangs and delays
	faults platformtest.Faults

	mu           sync.Mutex // guards the fields below, and all apps
	closed       bool
	inflight     sync.WaitGroup // Add needs mu and !closed
	apps         []*App         // in the order in which they were added
	tokens       map[string][]string
	bucket       bucket
	requests     tail[*Request]
	writes       tail[Write]
	senderHeader string
	onScale      func(app, typ string, from, to int)
	scaled       []scaling // changes that were not passed to onScale yet
	telling      bool      // a goroutine is passing changes to onScale
	account      wireAccount
}

// New returns a Server that does not listen, to use as an http.Handler. The caller
// should call Close when finished, to end the requests that a fault keeps hanging.
func New() *Server {
	now := time.Now()
	s := &Server{
		mux:     http.NewServeMux(),
		done:    make(chan struct{}),
		tokens:  map[string][]string{Token: {"global"}},
		bucket:  bucket{capacity: 4500, perMinute: 75, tokens: 4500, last: now},
		account: newAccount(now),
	}
	s.routes()
	return s
}

// NewServer returns a Server that listens on a port of the loopback interface. The
// caller should call Close when finished, to shut it down.
//
// It panics if it cannot listen.
func NewServer() *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if l, err = net.Listen("tcp6", "[::1]:0"); err != nil {
			panic(fmt.Sprintf("herokutest: failed to listen on a port: %v", err))
		}
	}
	return New().serve(l, new(net.Dialer).DialContext)
}

// NewPipeServer returns a Server that is reached through memory, and only by its own
// [Server.Client]. If it is made inside a testing/synctest bubble, it runs on the bubble's
// time. The caller should call Close when finished, to shut it down.
func NewPipeServer() *Server {
	l := pipe.Listen("herokutest.invalid")
	return New().serve(l, l.Dial)
}

func (s *Server) serve(l net.Listener, dial func(ctx context.Context, network, addr string) (net.Conn, error)) *Server {
	s.URL = "http://" + l.Addr().String()
	s.http = &http.Server{Handler: s}
	s.client = &http.Client{Transport: &http.Transport{DialContext: dial}}
	s.served.Go(func() {
		// Serve ends when Close closes the listener, so there is nothing to do about its
		// error.
		_ = s.http.Serve(l)
	})
	return s
}

// Client returns an HTTP client that reaches the Server. It sends no credentials. Close
// closes its idle connections. It is nil if New made the Server.
func (s *Server) Client() *http.Client { return s.client }

// Close ends all requests in progress, including those that hang, shuts the Server down,
// and returns when its handlers have returned. A second Close does nothing. It must not be
// called from the function given to OnScale.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	s.mu.Unlock()

	close(s.done)
	if s.http != nil {
		s.http.Close() // its error comes from the listener, which nobody needs any more
		s.client.CloseIdleConnections()
	}
	s.served.Wait()
	s.inflight.Wait()
}

// ServeHTTP answers a request as the Platform API would, or as an injected fault says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.inflight.Done()

	// The body is read whole first, because only then does net/http notice that the client
	// left, which ends a hang.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))

	rec := s.record(r, body)
	fault := s.faults.Next(r)

	var a *fake.Answer
	if fault.Apply {
		a = s.answer(r, rec)
	}
	if fault.Delay > 0 && !fake.Wait(r.Context(), fault.Delay, s.done) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case fault.Hang:
		fake.Wait(r.Context(), 0, s.done)
		panic(http.ErrAbortHandler)
	case fault.Reset:
		platformtest.Reset(w)
	case fault.Status != 0:
		a = fake.NewAnswer()
		fault.Answer(a)
	case a == nil:
		a = s.answer(r, rec)
	}
	for name, values := range fault.Header {
		a.Header()[http.CanonicalHeaderKey(name)] = values
	}
	a.Header().Set("Request-Id", responseID(rec.RequestID, r.Header))
	s.mu.Lock()
	rec.Status = a.Status
	s.mu.Unlock()
	a.Send(w, fault.Truncate)
}

// enter counts a request as in progress, unless the Server is closed.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.inflight.Add(1)
	return true
}

// OnScale calls f after every change of a quantity, whether by the API or by
// [App.Scale]. f gets the app's name, the process type, and the quantities before and
// after. There is one call at a time, in the order of the changes. A goroutine that
// made one of the changes calls f, usually before its request is answered. f may call
// the Server's methods, except Close. If f is nil, nothing is called.
func (s *Server) OnScale(f func(app, typ string, from, to int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onScale = f
}

type scaling struct {
	app, typ string
	from, to int
}

// tell passes the changes that onScale has not had yet on to it. If another
// goroutine, or a caller further up the stack, is already doing this, tell leaves the
// changes to it.
func (s *Server) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.telling {
		return
	}
	s.telling = true
	defer func() { s.telling = false }()
	for len(s.scaled) > 0 {
		c, f := s.scaled[0], s.onScale
		s.scaled = s.scaled[1:]
		if f != nil {
			func() {
				s.mu.Unlock()
				defer s.mu.Lock()
				f(c.app, c.typ, c.from, c.to)
			}()
		}
	}
}
