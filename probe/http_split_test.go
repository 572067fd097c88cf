package probe_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/probe"
)

const (
	split = autoscale.SignalQueueTime | autoscale.SignalServiceTime
	whole = autoscale.SignalLatency | split
)

// network is a listener in memory, and a client of it, in a bubble: to connect
// takes one round trip, and what is written arrives half of one later.
type network struct {
	roundTrip time.Duration
	untraced  bool // by a dialer that does not report to httptrace
	dials     atomic.Int32

	conns  chan net.Conn
	closed chan struct{}
	client *http.Client
}

// serve answers requests by h until the test ends.
func serve(t *testing.T, roundTrip time.Duration, h http.HandlerFunc) *network {
	n := &network{roundTrip: roundTrip, conns: make(chan net.Conn), closed: make(chan struct{})}
	transport := &http.Transport{DialContext: n.dial}
	n.client = &http.Client{Transport: transport}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(n) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
		<-done
		time.Sleep(time.Minute) // of the bubble, for handlers that are still at it
	})
	return n
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	n.dials.Add(1)
	trace := httptrace.ContextClientTrace(ctx)
	traced := trace != nil && !n.untraced
	if traced {
		trace.ConnectStart(network, addr)
	}
	time.Sleep(n.roundTrip)
	here, there := net.Pipe()
	select {
	case n.conns <- newSlowWire(there, n.roundTrip/2):
	case <-n.closed:
		return nil, net.ErrClosed
	}
	if traced {
		trace.ConnectDone(network, addr, nil)
	}
	return newSlowWire(here, n.roundTrip/2), nil
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error   { close(n.closed); return nil }
func (n *network) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// wire delivers what is written, and its end, after a delay.
type slowWire struct {
	net.Conn
	delay time.Duration
	sent  chan packet

	mu    sync.Mutex
	ended bool
}

type packet struct {
	due  time.Time
	data []byte
}

func newSlowWire(c net.Conn, delay time.Duration) *slowWire {
	w := &slowWire{Conn: c, delay: delay, sent: make(chan packet, 64)}
	go func() {
		defer c.Close()
		for p := range w.sent {
			time.Sleep(time.Until(p.due))
			c.Write(p.data)
		}
	}()
	return w
}

func (w *slowWire) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return 0, net.ErrClosed
	}
	w.sent <- packet{time.Now().Add(w.delay), append([]byte(nil), b...)} // never full: a test writes little
	return len(b), nil
}

func (w *slowWire) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.ended = true
		close(w.sent)
	}
	return nil
}

// page waits as if in a queue, works, and says what the work took.
func page(queue, work time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(queue)
		start := time.Now()
		time.Sleep(work)
		w.Header().Set("Server-Timing", fmt.Sprintf(`sql;desc="total, or;total;dur=9";dur=1, total;dur=%.3f`, time.Since(start).Seconds()*1e3))
		w.Write([]byte("Beat"))
	}
}

func TestHTTPSplits(t *testing.T) {
	for _, tt := range []struct {
		name      string
		roundTrip time.Duration
		page      http.HandlerFunc
		server    bool // ServerLatency
		timeout   time.Duration
		untraced  bool
		first     autoscale.Sample // on a new connection
		second    autoscale.Sample // on the same
		err       string
	}{
		{
			name: "the network, the queue and the handler", roundTrip: 80 * ms, page: page(30*ms, 200*ms),
			first:  autoscale.Sample{Signals: whole, Latency: 390 * ms, QueueTime: 30 * ms, ServiceTime: 200 * ms},
			second: autoscale.Sample{Signals: whole, Latency: 310 * ms, QueueTime: 30 * ms, ServiceTime: 200 * ms},
		},
		{
			name: "the server's share", roundTrip: 80 * ms, page: page(30*ms, 200*ms), server: true,
			first:  autoscale.Sample{Signals: whole, Latency: 230 * ms, QueueTime: 30 * ms, ServiceTime: 200 * ms},
			second: autoscale.Sample{Signals: whole, Latency: 230 * ms, QueueTime: 30 * ms, ServiceTime: 200 * ms},
		},
		{
			name: "a slow network is none of the server's", roundTrip: 900 * ms, page: page(0, 20*ms), server: true,
			first:  autoscale.Sample{Signals: whole, Latency: 20 * ms, ServiceTime: 20 * ms},
			second: autoscale.Sample{Signals: whole, Latency: 20 * ms, ServiceTime: 20 * ms},
		},
		{
			name: "no Server-Timing", roundTrip: 80 * ms, page: func(http.ResponseWriter, *http.Request) { time.Sleep(120 * ms) },
			first:  autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 280 * ms},
			second: autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 200 * ms},
		},
		{
			name: "the server's share without Server-Timing", roundTrip: 80 * ms, page: func(http.ResponseWriter, *http.Request) { time.Sleep(120 * ms) },
			server: true,
			first:  autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 120 * ms},
			second: autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 120 * ms},
		},
		{
			name: "a slow body", roundTrip: 80 * ms, server: true,
			page: func(w http.ResponseWriter, _ *http.Request) {
				page(0, 20*ms)(w, nil)
				http.NewResponseController(w).Flush()
				time.Sleep(500 * ms)
			},
			first:  autoscale.Sample{Signals: whole, Latency: 20 * ms, ServiceTime: 20 * ms},
			second: autoscale.Sample{Signals: whole, Latency: 20 * ms, ServiceTime: 20 * ms},
		},
		{
			name: "an unknown round trip", roundTrip: 80 * ms, page: page(30*ms, 200*ms), untraced: true,
			first:  autoscale.Sample{Signals: autoscale.SignalLatency | autoscale.SignalServiceTime, Latency: 390 * ms, ServiceTime: 200 * ms},
			second: autoscale.Sample{Signals: autoscale.SignalLatency | autoscale.SignalServiceTime, Latency: 310 * ms, ServiceTime: 200 * ms},
		},
		{
			name: "the server's share by an unknown round trip", roundTrip: 80 * ms, page: page(30*ms, 200*ms), untraced: true,
			server: true, err: "ServerLatency needs the round trip",
		},
		{
			name: "a handler whose clock runs ahead", roundTrip: 80 * ms,
			page: func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(20 * ms)
				w.Header().Set("Server-Timing", "total;dur=50")
			},
			server: true,
			first:  autoscale.Sample{Signals: whole, Latency: 50 * ms, ServiceTime: 50 * ms},
			second: autoscale.Sample{Signals: whole, Latency: 50 * ms, ServiceTime: 50 * ms},
		},
		{
			name: "a failure counts without a round trip", roundTrip: 80 * ms, untraced: true,
			page:   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			server: true,
			first:  autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 160 * ms, Failure: autoscale.ServerError, Detail: "status 502"},
			second: autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 80 * ms, Failure: autoscale.ServerError, Detail: "status 502"},
		},
		{
			name: "a failure has waited whole", roundTrip: 80 * ms, page: page(time.Second, 0), server: true, timeout: 300 * ms,
			first:  autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 300 * ms, Failure: autoscale.Timeout, Detail: "no answer within 300ms"},
			second: autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 300 * ms, Failure: autoscale.Timeout, Detail: "no answer within 300ms"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := serve(t, tt.roundTrip, tt.page)
				n.untraced = tt.untraced
				p := &probe.HTTP{
					URL: "http://example.com/", Client: n.client, Timeout: cmp.Or(tt.timeout, time.Minute), Split: true, ServerLatency: tt.server,
				}
				for i, want := range []autoscale.Sample{tt.first, tt.second} {
					got, err := p.Probe(t.Context())
					if tt.err != "" {
						if err == nil || !strings.Contains(err.Error(), tt.err) {
							t.Errorf("probe %d: %+v, %v; want the error %q", i+1, got, err, tt.err)
						}
						continue
					}
					want.Time = got.Time
					if err != nil || got != want || got.Time != time.Now() {
						t.Errorf("probe %d: %+v, %v\nwant %+v", i+1, got, err, want)
					}
				}
			})
		})
	}
}

// What one page takes must not stand for all requests, or for the age of a job,
// which another prober measures.
func TestHTTPSplitsOnlyWhenAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := autoscale.Sample{
			Signals:   autoscale.SignalQueueTime | autoscale.SignalServiceTime | autoscale.SignalThroughput,
			QueueTime: time.Minute, ServiceTime: 2 * time.Second, Throughput: 7,
		}
		for _, requests := range []int{1, 3} {
			n := serve(t, 80*ms, page(30*ms, 200*ms))
			p := &probe.HTTP{URL: "http://example.com/", Client: n.client, Requests: requests, ServerLatency: true}
			other := autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) { return all, nil })
			got, err := autoscale.Merge(p, other).Probe(t.Context())
			want := all
			want.Time, want.Signals, want.Latency = got.Time, whole|autoscale.SignalThroughput, 230*ms
			if err != nil || got != want {
				t.Errorf("%d requests: %+v, %v\nwant %+v", requests, got, err, want)
			}
		}
	})
}

// A connection that was there before the prober tells nothing of the way.
func TestHTTPSplitsNotOnAForeignConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, 80*ms, page(30*ms, 200*ms))
		res, err := n.client.Get("http://example.com/")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		synctest.Wait()
		s, err := (&probe.HTTP{URL: "http://example.com/", Client: n.client, Split: true}).Probe(t.Context())
		if want := autoscale.SignalLatency | autoscale.SignalServiceTime; err != nil || s.Signals != want || n.dials.Load() != 1 {
			t.Errorf("%+v, %v by %d connections; want %v by one", s, err, n.dials.Load(), want)
		}
	})
}

func TestServerTiming(t *testing.T) {
	const no = -1
	for _, tt := range []struct {
		header []string
		want   time.Duration
	}{
		{nil, no},
		{[]string{""}, no},
		{[]string{"total"}, no},
		{[]string{"total;dur=12.3"}, 12300 * time.Microsecond},
		{[]string{"total;dur=0"}, 0},
		{[]string{`cache;desc="hit";dur=2, total ; desc="all of it" ; DUR = "7.5"`}, 7500 * time.Microsecond},
		{[]string{"edge;dur=1", "db;dur=2, total;dur=3"}, 3 * ms},
		{[]string{"total;dur=3, total;dur=4"}, 3 * ms},
		{[]string{`db;desc="a\", total;dur=9";dur=1`}, no},
		{[]string{"db;dur=5"}, no},
		{[]string{"Total;dur=5"}, no},
		{[]string{"subtotal;dur=5"}, no},
		{[]string{"total;dur="}, no},
		{[]string{"total;dur=soon"}, no},
		{[]string{"total;dur=-1"}, no},
		{[]string{"total;dur=NaN"}, no},
		{[]string{"total;dur=Inf"}, no},
		{[]string{"total;dur=1e300"}, no},
		{[]string{"total;dur=1000"}, time.Second},
		{[]string{"total;dur=1000.001"}, no}, // longer than the answer took
	} {
		synctest.Test(t, func(t *testing.T) {
			got, err := timed(t, tt.header)
			want := autoscale.Sample{Time: got.Time, Signals: autoscale.SignalLatency, Latency: time.Second}
			if tt.want != no {
				want.Signals, want.ServiceTime = want.Signals|autoscale.SignalServiceTime, tt.want
			}
			if err != nil || got != want {
				t.Errorf("%q: %+v, %v\nwant %+v", tt.header, got, err, want)
			}
		})
	}
}

// timed probes what answers with the header after a second.
func timed(t *testing.T, header []string) (autoscale.Sample, error) {
	return (&probe.HTTP{URL: "http://example.com", Split: true, Client: &http.Client{
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return &http.Response{StatusCode: 200, Header: http.Header{"Server-Timing": header}, Body: http.NoBody, Request: r}, nil
		}),
	}}).Probe(t.Context())
}

func FuzzServerTiming(f *testing.F) {
	f.Add(`db;desc="a\", total;dur=9";dur=1, total;dur=3.25`)
	f.Add(`total;dur=1e-400;dur`)
	f.Fuzz(func(t *testing.T, header string) {
		synctest.Test(t, func(t *testing.T) {
			s, err := timed(t, []string{header})
			split := s.Signals.Has(autoscale.SignalServiceTime)
			if err != nil || s.Latency != time.Second || s.ServiceTime < 0 || s.ServiceTime > s.Latency || !split && s.ServiceTime != 0 {
				t.Errorf("%+v, %v", s, err)
			}
			if split && !strings.Contains(header, "total") {
				t.Errorf("a time is made up: %+v", s)
			}
		})
	})
}

func ExampleHTTP() {
	// The page says in Server-Timing what its handler took, as the heartbeat does.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server-Timing", "total;dur=0.004")
	}))
	defer server.Close()

	p := &probe.HTTP{
		URL:           server.URL,
		Timeout:       10 * time.Second,
		Split:         true,
		Requests:      5,    // at the same time, each on a connection of its own
		Percentile:    50,   // their median
		ServerLatency: true, // without what the network took
	}
	s, err := p.Probe(context.Background())
	fmt.Println(s.Signals, err)
	fmt.Println("the handler took", s.ServiceTime)
	// Output:
	// latency|queue_time|service_time <nil>
	// the handler took 4µs
}
