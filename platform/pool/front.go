package pool

import (
	"context"
	"errors"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxWaiting bounds the requests that wait while no process serves.
const maxWaiting = 1000

// idle is how long a connection to a process is kept between requests. It is shorter than
// the time for which servers keep one, which is 2 s for Gunicorn and 5 s for Node and
// Uvicorn. If the process closes the connection just as a request with a body is sent, that
// request is lost.
const idle = time.Second

// A front passes requests on to the processes that serve.
type front struct {
	pool *Pool

	mu      sync.Mutex
	serving []*process
	waiting int
	changed chan struct{} // closed when serving changes
}

// rotate sets the processes that serve.
func (f *front) rotate(serving []*process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serving = serving
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.pool.fault != nil {
		http.Error(w, "the pool is misconfigured", http.StatusInternalServerError)
		return
	}
	arrived := time.Now()
	var refused *process
	for {
		s := f.choose(r.Context(), refused)
		if s == nil {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "no process of the service serves", http.StatusServiceUnavailable)
			return
		}
		a := &attempt{ResponseWriter: w, arrived: arrived, again: refused == nil && r.ContentLength == 0}
		s.serve(a, r)
		if !a.refused {
			return
		}
		refused = s
	}
}

// choose returns a process that serves, if possible other than refused, and counts the
// request for it. It waits while no process serves, and returns nil if that takes too
// long.
func (f *front) choose(ctx context.Context, refused *process) *process {
	wait := time.NewTimer(max(f.pool.opts.Wait, 0))
	defer wait.Stop()
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if s := f.pick(refused); s != nil {
			s.busy.Add(1)
			return s
		}
		if f.waiting >= maxWaiting || f.pool.opts.Wait < 0 {
			return nil
		}
		changed := f.changed
		f.waiting++
		f.mu.Unlock()
		ended := false
		select {
		case <-changed:
		case <-wait.C:
			ended = true
		case <-ctx.Done():
			ended = true
		}
		f.mu.Lock()
		f.waiting--
		if ended {
			return nil
		}
	}
}

func (f *front) pick(refused *process) *process {
	n := len(f.serving)
	if n == 0 {
		return nil
	}
	first := rand.IntN(n)
	best := f.serving[first]
	for i := range n {
		s := f.serving[(first+i)%n]
		switch {
		case s == refused:
			continue
		case f.pool.opts.Balance == Random:
			return s
		case best == refused || s.busy.Load() < best.busy.Load():
			best = s
		}
	}
	return best
}

// serve passes a request on. It panics with http.ErrAbortHandler if the answer breaks off.
func (s *process) serve(a *attempt, r *http.Request) {
	defer s.done()
	s.passOn.ServeHTTP(a, r.WithContext(context.WithValue(r.Context(), attemptKey{}, a)))
}

// done counts a request as answered.
func (s *process) done() {
	if s.busy.Add(-1) == 0 {
		select {
		case s.idle <- struct{}{}:
		default:
		}
	}
}

// An attempt is one try to pass on a request. If the process refused it, no part of an
// answer has been sent yet.
type attempt struct {
	http.ResponseWriter
	arrived time.Time
	again   bool // another process may be tried
	refused bool // the process refused the connection
}

// Unwrap lets the proxy flush and switch protocols.
func (a *attempt) Unwrap() http.ResponseWriter { return a.ResponseWriter }

type attemptKey struct{}

// proxy returns the handler that passes requests on to one process.
func (f *front) proxy(s *process) http.Handler {
	target := &url.URL{Scheme: "http", Host: s.addr}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host
			r.Out.URL.RawQuery = r.In.URL.RawQuery // the process knows best how to read it
			if f.pool.opts.Proxied {
				for _, name := range [...]string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
					r.Out.Header[name] = r.In.Header[name]
				}
			} else {
				for name := range r.Out.Header {
					if name == "X-Real-Ip" || name == "X-Request-Start" || strings.HasPrefix(name, "X-Forwarded-") {
						delete(r.Out.Header, name)
					}
				}
				r.SetXForwarded()
			}
			if a, ok := r.In.Context().Value(attemptKey{}).(*attempt); ok && r.Out.Header.Get("X-Request-Start") == "" {
				r.Out.Header.Set("X-Request-Start", "t="+strconv.FormatInt(a.arrived.UnixMilli(), 10))
			}
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 256, IdleConnTimeout: idle, DisableCompression: true,
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			a, _ := r.Context().Value(attemptKey{}).(*attempt)
			var dial *net.OpError
			if a != nil && a.again && errors.As(err, &dial) && dial.Op == "dial" && r.Context().Err() == nil {
				a.refused = true
				return
			}
			w.WriteHeader(http.StatusBadGateway)
		},
		ErrorLog: log.New(discard{}, "", 0),
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
