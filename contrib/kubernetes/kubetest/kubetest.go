// Package kubetest is a fake Kubernetes API server, in the manner of net/http/httptest, for
// tests of programs that scale workloads or keep leases.
//
//	s := kubetest.NewServer()
//	defer s.Close()
//	web := s.AddWorkload(kubetest.WorkloadConfig{Name: "web", Replicas: 2})
//
// A client sends its requests to s.URL with the bearer token [Token]. The test uses web and
// s to see the results.
//
// # What is served
//
// Clients can get, list, watch, create, update, patch and delete these resources, each in
// its namespace. Lists and watches over all namespaces work too.
//
//	/api/v1                          pods, configmaps
//	/apis/apps/v1                    deployments, statefulsets, replicasets
//	/apis/argoproj.io/v1alpha1       rollouts
//	/apis/autoscaling/v2             horizontalpodautoscalers
//	/apis/coordination.k8s.io/v1     leases
//	/apis/discovery.k8s.io/v1        endpointslices
//	/apis/keda.sh/v1alpha1           scaledobjects
//
// The workloads have the subresources status and scale. The subresource scale is an
// autoscaling/v1 Scale. There are also /version, /healthz, /livez, /readyz and the
// discovery documents of the groups above.
//
// Requests and answers are JSON. A patch is a JSON merge patch. A strategic merge patch is
// applied as a merge patch, so it replaces lists. A JSON patch and server-side apply get
// 415. The pages of a list, by limit and continue, show the present, and not the state when
// the first page was read.
//
// Versions, conflicts, refusals and the form of objects follow measurements with
// kube-apiserver v1.34 and v1.35. Defaults that the API server fills in, such as the
// strategy of a Deployment, are left out. The types of fields are checked only if the
// fields matter to sizes, leases and ConfigMaps.
//
// # Workloads
//
// The Server does what the controllers and the nodes of a cluster do: it creates pods,
// which become ready after a boot time, and removes them. See [WorkloadConfig]. An [HPA]
// orders sizes as a HorizontalPodAutoscaler does.
//
// # Rights
//
// [Token] may do everything. [Server.AddAccount] adds a token with the rules of a Role.
//
// # Faults
//
// [Server.Inject] makes chosen requests fail: statuses, hangs, resets, delays, cut bodies.
// [Server.Cut] cuts one account off. [Server.EndWatches], [Server.SilenceWatches] and
// [Server.Compact] disturb watches.
//
// # Time
//
// In a testing/synctest bubble use [NewPipeServer]. The fake then runs on the bubble's time.
package kubetest

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/pipe"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Token is a credential that every new [Server] accepts, for everything.
const Token = "kubetest-not-a-secret-kubetest"

// DefaultNamespace is the namespace of objects that are added without one.
const DefaultNamespace = "default"

const (
	maxBody     = 3 << 20       // bytes of a request, the same bound as in the API server
	maxObject   = 3 << 19       // 1.5 MiB, the same bound as in etcd
	maxPeriod   = 1000          // events that are remembered for watches
	annotations = 256 << 10     // bytes of all annotations of an object
	bookmarks   = time.Minute   // between two bookmarks of a watch
	longest     = 1 * time.Hour // the longest time of a watch without timeoutSeconds
)

// A Server is a fake API server. All its methods, and those of its workloads, are safe for
// concurrent use.
//
// A Server is an http.Handler, so a program can put it on its own listener.
type Server struct {
	// URL is the base of every request, such as "https://127.0.0.1:4711", without a slash at
	// its end. It is empty if New made the Server.
	URL string

	http   *httptest.Server // of NewServer
	pipe   *http.Server     // of NewPipeServer
	client *http.Client
	served sync.WaitGroup
	done   chan struct{} // closed by Close

	mu         sync.Mutex // guards the fields below
	closed     bool
	inflight   sync.WaitGroup // Add needs mu and !closed
	version    int64          // the last resourceVersion
	compacted  int64          // events up to this version are forgotten
	objects    map[key]object
	keys       map[*resource]map[key]bool
	events     []event
	changed    chan struct{} // closed and replaced with each event
	epoch      int           // counts EndWatches
	accounts   map[string]*account
	namespaces map[string]bool
	faults     []*Fault
	silent     bool // watches show nothing
	requests   []*Request
	scales     []Scale
	stopped    bool // the controllers are stopped
	workloads  map[key]*Workload
	pods       map[key]*pod
	hpas       map[key]*HPA
	lastPod    int
	dirty      map[key]bool // workloads that changed
	due        time.Time    // when the controllers have something to do; zero: never
	timer      *time.Timer
}

// New returns a Server that does not listen, to use as an http.Handler. The caller must
// call Close when finished.
func New() *Server {
	return &Server{
		done:       make(chan struct{}),
		version:    100,
		objects:    make(map[key]object),
		namespaces: map[string]bool{DefaultNamespace: true, "kube-system": true},
		keys:       make(map[*resource]map[key]bool),
		dirty:      make(map[key]bool),
		changed:    make(chan struct{}),
		accounts:   map[string]*account{Token: {Account: Account{Name: "admin"}, admin: true, cut: make(chan struct{})}},
		workloads:  make(map[key]*Workload),
		pods:       make(map[key]*pod),
		hpas:       make(map[key]*HPA),
	}
}

// NewServer returns a Server that listens on a port of the loopback interface, with TLS and
// HTTP/2. [Server.CA] has its certificate. The caller must call Close when finished.
//
// It panics if it cannot listen.
func NewServer() *Server {
	s := New()
	s.http = httptest.NewUnstartedServer(s)
	s.http.EnableHTTP2 = true
	s.http.Config.ErrorLog = discard
	s.http.StartTLS()
	s.URL, s.client = s.http.URL, s.http.Client()
	return s
}

// NewPipeServer returns a Server that is reached through memory, without TLS, and only by
// its own [Server.Client] and [Server.Dial]. If it is made inside a testing/synctest
// bubble, it runs on the bubble's time. The caller must call Close when finished.
func NewPipeServer() *Server {
	s, l := New(), pipe.Listen("kubetest.invalid")
	s.URL = "http://" + l.Addr().String()
	s.pipe = &http.Server{Handler: s, ErrorLog: discard}
	s.client = &http.Client{Transport: &http.Transport{DialContext: l.Dial}}
	s.served.Go(func() {
		// Serve ends when Close closes the listener, so there is nothing to do about its
		// error.
		_ = s.pipe.Serve(l)
	})
	return s
}

// Client returns an HTTP client that reaches the Server and trusts its certificate. It
// sends no credentials. It is nil if New made the Server.
func (s *Server) Client() *http.Client { return s.client }

// Dial connects to the Server, whatever the address. It is for a test that makes its own
// transport.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.http != nil {
		return new(net.Dialer).DialContext(ctx, "tcp", s.http.Listener.Addr().String())
	}
	return s.client.Transport.(*http.Transport).DialContext(ctx, network, addr)
}

// CA returns the certificate that signed the Server's, in PEM, like the file ca.crt of a
// service account. It is nil unless NewServer made the Server.
func (s *Server) CA() []byte {
	if s.http == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.http.Certificate().Raw})
}

// Close ends all requests, including watches and requests that hang, and shuts the
// Server down. A second Close does nothing.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	close(s.done)
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	if s.pipe != nil {
		s.pipe.Close() // its error comes from the listener, which nobody needs any more
	}
	if s.http != nil {
		s.http.CloseClientConnections()
		s.http.Close()
	}
	s.served.Wait()
	s.inflight.Wait()
}

// ServeHTTP answers a request as the API server would, or as an injected fault says.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.inflight.Done()
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if tooLong := new(http.MaxBytesError); err != nil && !asError(err, &tooLong) {
		panic(http.ErrAbortHandler)
	} else if err != nil {
		writeStatus(w, tooLarge())
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	q := s.parse(r, body)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() { // waits for anything outside that ends the request
		select {
		case <-q.cut:
		case <-s.done:
		case <-ctx.Done():
		}
		cancel()
	}()
	if isClosed(q.cut) {
		platformtest.Reset(w)
	}
	fault := s.nextFault(q)
	if s.wait(ctx, fault.Delay) != nil {
		panic(http.ErrAbortHandler)
	}
	var a *answer
	if fault.answers() || fault.Apply {
		a = s.answer(q)
	}
	switch {
	case fault.Hang:
		<-ctx.Done()
		panic(http.ErrAbortHandler)
	case fault.Reset:
		platformtest.Reset(w)
	case fault.Status != 0:
		a = fault.answer()
	}
	if isClosed(q.cut) { // cut off in the meantime: the change was made, but the client does not learn that
		platformtest.Reset(w)
	}
	s.note(q, a.status)
	for name, values := range fault.Header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if fault.GoAway {
		w.Header().Set("Connection", "close")
	}
	if a.watch != nil {
		s.stream(ctx, w, q, a.watch)
		return
	}
	a.writeTo(w, fault.Truncate)
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

// wait waits for d, or returns an error when ctx ends.
func (s *Server) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
