package probe_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/wire"
	"github.com/autoscalebot/autoscale/probe"
)

// busy answers each request otherwise, as processes behind a router do: after a
// number of milliseconds, or by what a word says.
func busy(answers string) http.HandlerFunc {
	var asked atomic.Int32
	plan := strings.Fields(answers)
	return func(w http.ResponseWriter, r *http.Request) {
		word := plan[int(asked.Add(1))-1]
		switch n, err := strconv.Atoi(word); {
		case err == nil:
			page(time.Duration(n)*ms, 10*ms)(w, r)
		case word == "untold":
			time.Sleep(25 * ms)
		case word == "error":
			w.WriteHeader(http.StatusBadGateway)
		case word == "hang":
			time.Sleep(30 * time.Second)
		case word == "shed":
			w.Header().Set(wire.HeaderHeartbeat, "shed")
			w.WriteHeader(http.StatusTooManyRequests)
		case word == "fail":
			w.Header().Set(wire.HeaderHeartbeat, "fail")
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			panic(word)
		}
	}
}

func TestHTTPRequests(t *testing.T) {
	const network = 100 * ms // to connect and to ask, at 50 ms the round trip
	for _, tt := range []struct {
		name       string
		answers    string
		percentile float64
		server     bool
		want       autoscale.Sample
		err        string
	}{
		{
			name: "the median by default", answers: "90 10 50 20 900",
			want: autoscale.Sample{Signals: whole, Latency: network + 60*ms, QueueTime: 214 * ms, ServiceTime: 10 * ms},
		},
		{
			name: "the lower of two in the middle", answers: "90 10 50 20",
			want: autoscale.Sample{Signals: whole, Latency: network + 30*ms, QueueTime: 42500 * time.Microsecond, ServiceTime: 10 * ms},
		},
		{
			name: "the worst", answers: "90 10 50 20 900", percentile: 100,
			want: autoscale.Sample{Signals: whole, Latency: network + 910*ms, QueueTime: 214 * ms, ServiceTime: 10 * ms},
		},
		{
			name: "the best", answers: "90 10 50 20 900", percentile: 0.001,
			want: autoscale.Sample{Signals: whole, Latency: network + 20*ms, QueueTime: 214 * ms, ServiceTime: 10 * ms},
		},
		{
			name: "a rank that is whole is not rounded up", answers: "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25", percentile: 28,
			want: autoscale.Sample{Signals: whole, Latency: network + 17*ms, QueueTime: 13 * ms, ServiceTime: 10 * ms},
		},
		{
			name: "the server's share", answers: "90 10 50 20 900", server: true,
			want: autoscale.Sample{Signals: whole, Latency: 60 * ms, QueueTime: 214 * ms, ServiceTime: 10 * ms},
		},
		{
			name: "the means are of those that are known", answers: "90 untold 10",
			want: autoscale.Sample{Signals: whole, Latency: network + 25*ms, QueueTime: 50 * ms, ServiceTime: 10 * ms},
		},
		{
			name: "failures below the percentile are reported", answers: "90 error hang 20 900", percentile: 60,
			want: autoscale.Sample{Signals: whole, Latency: network + 910*ms, QueueTime: 1010 * ms / 3, ServiceTime: 10 * ms, Detail: "2 of 5 requests failed, as by: status 502"},
		},
		{
			name: "a failure ranks above every latency", answers: "90 error hang 20 900", percentile: 80,
			want: autoscale.Sample{
				Signals: whole, Latency: network, QueueTime: 1010 * ms / 3, ServiceTime: 10 * ms,
				Failure: autoscale.ServerError, Detail: "2 of 5 requests failed, as by: status 502",
			},
		},
		{
			name: "all hang", answers: "hang hang hang",
			want: autoscale.Sample{
				Signals: autoscale.SignalLatency, Latency: 5 * time.Second,
				Failure: autoscale.Timeout, Detail: "3 of 3 requests failed, as by: no answer within 5s",
			},
		},
		{
			name: "those shed do not count", answers: "shed 50 shed shed 20",
			want: autoscale.Sample{
				Signals: whole, Latency: network + 30*ms, QueueTime: 35 * ms, ServiceTime: 10 * ms,
				Detail: "3 of 5 requests measured nothing, as: status 429: the heartbeat was too busy to measure: raise its limits, or probe less often",
			},
		},
		{
			name: "one failed, and the rest did not measure", answers: "shed error shed",
			want: autoscale.Sample{
				Signals: autoscale.SignalLatency, Latency: network, Failure: autoscale.ServerError,
				Detail: "1 of 3 requests failed, as by: status 502; 2 of 3 requests measured nothing, as: status 429: the heartbeat was too busy to measure: raise its limits, or probe less often",
			},
		},
		{
			name: "few say that something is down", answers: "fail 50 20 fail 70",
			want: autoscale.Sample{
				Signals: whole, Latency: network + 60*ms, QueueTime: 140 * ms / 3, ServiceTime: 10 * ms,
				Detail: "2 of 5 requests measured nothing, as: status 503: the heartbeat says that something the service depends on is down, which more processes do not cure: its log says what",
			},
		},
		{name: "as many say that something is down as measure", answers: "hang fail shed error fail", err: "2 of 5 requests measured something, and 2 nothing because: status 503: the heartbeat says"},
		{name: "nothing measured", answers: "fail fail fail", err: "none of 3 requests measured anything, the first because: status 503: the heartbeat says"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := serve(t, 50*ms, busy(tt.answers))
				count := len(strings.Fields(tt.answers))
				p := &probe.HTTP{
					URL: "http://example.com/", Client: n.client, Timeout: 5 * time.Second,
					Requests: count, Percentile: tt.percentile, Split: true, ServerLatency: tt.server,
				}
				start := time.Now()
				got, err := p.Probe(t.Context())
				if took := time.Since(start); took > p.Timeout {
					t.Errorf("the probe took %v, and has a timeout of %v", took, p.Timeout)
				}
				if int(n.dials.Load()) != count {
					t.Errorf("%d connections for %d requests", n.dials.Load(), count)
				}
				if tt.err != "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Errorf("%+v, %v; want the error %q", got, err, tt.err)
					}
					return
				}
				want := tt.want
				want.Time = time.Now()
				if err != nil || got != want {
					t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
				}
			})
		})
	}
}

// TestHTTPConnections has the prober's own client: several requests never
// share a connection, nor use one again.
func TestHTTPConnections(t *testing.T) {
	for _, tt := range []struct{ requests, want int }{{2, 6}, {4, 12}} {
		var conns atomic.Int32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				conns.Add(1)
			}
		}
		server.Start()
		p := &probe.HTTP{URL: server.URL, Timeout: time.Minute, Requests: tt.requests, ServerLatency: true}
		for range 3 {
			if s, err := p.Probe(t.Context()); err != nil || s.Failure != autoscale.NoFailure {
				t.Errorf("%+v, %v", s, err)
			}
		}
		if int(conns.Load()) != tt.want {
			t.Errorf("%d requests, three times: %d connections, want %d", tt.requests, conns.Load(), tt.want)
		}
		p.CloseIdleConnections()
		server.Close()
	}
}

func TestHTTPRequestsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := serve(t, 50*ms, busy("10 20 hang"))
		stopped := errors.New("the host stops")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(stopped) })
		p := &probe.HTTP{URL: "http://example.com/", Client: n.client, Timeout: time.Minute, Requests: 3}
		start := time.Now()
		if s, err := p.Probe(ctx); !errors.Is(err, stopped) || time.Since(start) != time.Second {
			t.Errorf("%+v, %v after %v: want the context's cause, and no sample of the fast ones", s, err, time.Since(start))
		}
	})
}

// A panic of the host's transport reaches the caller, who recovers it.
func TestHTTPRequestsCarryAPanic(t *testing.T) {
	p := &probe.HTTP{URL: "http://example.com/", Requests: 3, Client: &http.Client{
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("no such luck") }),
	}}
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "no such luck") {
			t.Errorf("recovered %s", got)
		}
	}()
	p.Probe(t.Context())
}

func TestHTTPValidatesNewFields(t *testing.T) {
	for _, tt := range []struct {
		requests   int
		percentile float64
		faults     []string
	}{
		{0, 0, nil},
		{1, 100, nil},
		{32, 0.1, nil},
		{-1, -1, []string{"probe.HTTP.Requests is -1: it must be 1 to 32", "probe.HTTP.Percentile is -1: it must be above 0 and at most 100"}},
		{33, 100.5, []string{"probe.HTTP.Requests is 33", "probe.HTTP.Percentile is 100.5"}},
		{3, math.NaN(), []string{"probe.HTTP.Percentile is NaN"}},
		{3, math.Inf(1), []string{"probe.HTTP.Percentile is +Inf"}},
	} {
		err := (&probe.HTTP{URL: "http://example.com", Requests: tt.requests, Percentile: tt.percentile}).Validate()
		if (err == nil) != (tt.faults == nil) {
			t.Errorf("%+v: %v", tt, err)
		}
		for _, fault := range tt.faults {
			if !strings.Contains(fmt.Sprint(err), fault) {
				t.Errorf("%v does not say %q", err, fault)
			}
		}
	}
}
