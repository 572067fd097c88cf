package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/internal/wire"
	"github.com/autoscalebot/autoscale/rule"
)

// DefaultTimeout is how long [HTTP] and [JSON] wait for an answer if their Timeout is 0. It
// is twice [autoscale.DefaultHigh], because a heartbeat ends its checks a little before the
// timeout. So a check that takes a little longer than DefaultHigh is still measured as
// slow. Only a check that hangs is reported as a dependency that is down.
const DefaultTimeout = 2 * autoscale.DefaultHigh

const maxProbeBody = 1 << 20

// HTTP measures the latency of one or several GET requests, each from its
// start to the end of the answer's body. It reads at most 1 MiB of the body. It is
// safe for concurrent use once its fields are set.
//
// A timeout, a refused or broken connection, and a status of 500 or above give a sample
// with an [autoscale.Failure], by HTTP/1.1 and by HTTP/2. Probe returns an error, because
// nothing was measured, if
//
//   - the name did not resolve, or TLS failed,
//   - the status was below 200, 3xx (redirects are not followed) or 4xx,
//   - the answer's header Autoscale-Heartbeat was "shed" or "fail",
//   - the answer came from a cache, by its Age (RFC 9111, section 5.1), its Cache-Status
//     (RFC 9211) or a header such as X-Cache or X-Cache-Status, although the request asked
//     for none (Cache-Control: no-cache),
//   - or the answer was not HTTP, or its headers had more than 64 KiB.
//
// Through a load balancer, each request reaches one process of many, so a single request
// shows little. That is why rules count several samples, and why a probe can make several
// Requests.
//
// # Where the time went
//
// With Split, the [autoscale.Sample] has two more signals, if they are known:
//
//   - ServiceTime is how long the handler took, by its own clock. It is the metric
//     "total" of the answer's Server-Timing header, in milliseconds. The heartbeat
//     sends it, and any page can: Server-Timing: total;dur=12.3. A value above
//     Latency is ignored.
//   - QueueTime is how long the request waited for a process, a thread or the processor,
//     both in a router and in the server. It is the time from when the request was written
//     to the first byte of the answer, minus one round trip and minus ServiceTime, and at
//     least 0. It needs ServiceTime and the round trip.
//
// The round trip is the time that it took to make the TCP connection, which is one
// exchange of packets (RFC 9293, section 3.5). If a connection is kept open, the round
// trip of the prober's last new connection counts. Through a proxy, it covers only the way
// to the proxy. The round trip is unknown if the transport of Client does not report to
// net/http/httptrace, or uses a connection that it had before.
//
// Only Latency includes DNS, connecting, TLS and the transfer of the answer's body.
type HTTP struct {
	// URL is the URL to request. It is absolute, or a path that is resolved against Base.
	URL string

	// Base returns the URL against which a relative URL is resolved. It is called by the
	// first probe, and again after a probe that measured nothing. Required if URL is
	// relative.
	Base func(ctx context.Context) (string, error)

	// Timeout is how long an answer may take. 0: DefaultTimeout. Give it
	// about twice the rule's upper limit.
	Timeout time.Duration

	// Requests is how many requests make one probe, at most 32. 0: 1.
	//
	// A single request keeps its connection open between probes. Several requests are made
	// at the same time, by HTTP/1.1, each on its own connection, which is closed
	// afterwards. So a load balancer can send each request to another process. The service
	// sees a burst of that many requests. By default, a heartbeat answers four at once in
	// each process. All requests have the same Timeout.
	//
	// A request that measured nothing does not count. Probe returns an error if no request
	// measured anything. It also returns an error if a dependency of the service is down
	// in at least as many answers as measured something. QueueTime and ServiceTime are
	// means over the requests for which they are known.
	Requests int

	// Percentile selects which of several Requests counts, above 0 and at most 100. It is
	// the nearest rank among the requests that measured something. A failure ranks above
	// every latency, and the Sample has a Failure if the percentile falls on one. So 100
	// selects the worst request, and any failure. 0: 50, the median, because the extreme
	// of a few requests is mostly noise.
	Percentile float64

	// Split adds QueueTime and ServiceTime to the Sample, as described above. They
	// describe this page only. Leave Split off if another prober in the same Merge
	// measures them for all requests, or for jobs.
	Split bool

	// ServerLatency makes Sample.Latency only the service's share of the latency, which is
	// the queue time plus the service time. So a slow network or slow TLS does not add
	// processes. It needs the round trip, as described above, but not Server-Timing. If
	// the round trip is unknown, Probe returns an error.
	//
	// ServerLatency does not see a body that arrives long after its headers. If no router
	// is in front of the server, it does not see a kernel that is slow to accept
	// connections either. It does not change a failed Sample, whose Latency is how long
	// the prober waited.
	ServerLatency bool

	// Header is sent with each request, for example an Authorization.
	Header http.Header

	// Client sends the requests. Its own timeout and redirect policy do not count. For
	// several Requests, set DisableKeepAlives in its transport, or they may share
	// connections. Nil: a client of the prober's own.
	Client *http.Client

	line      line
	roundTrip atomic.Pointer[time.Duration] // of the last connection made; nil: not known
}

func (p *HTTP) asks() *request {
	return &request{
		prober: "probe.HTTP", of: "the heartbeat", example: "https://www.example.com/autoscalebot/heartbeat/",
		url: p.URL, base: p.Base, timeout: p.Timeout, header: p.Header,
	}
}

// Rule returns [rule.MOfN], which a Config without a Decider uses.
func (p *HTTP) Rule() autoscale.Decider { return rule.MOfN{} }

// Validate reports what is wrong with the settings. It does no I/O.
func (p *HTTP) Validate() error {
	errs := []error{p.asks().validate()}
	if p.Requests < 0 || p.Requests > maxRequests {
		errs = append(errs, fmt.Errorf("probe.HTTP.Requests is %d: it must be 1 to %d, or 0 for 1", p.Requests, maxRequests))
	}
	if !(p.Percentile >= 0 && p.Percentile <= 100) { // this refuses NaN too
		errs = append(errs, fmt.Errorf("probe.HTTP.Percentile is %v: it must be above 0 and at most 100, as 50 for the median, or 0 for %v", p.Percentile, defaultPercentile))
	}
	return errors.Join(errs...)
}

// Probe makes as many requests to the URL as Requests says.
func (p *HTTP) Probe(ctx context.Context) (autoscale.Sample, error) {
	if err := p.Validate(); err != nil {
		return autoscale.Sample{}, fmt.Errorf("autoscale: probe: %w", err)
	}
	asks := p.asks()
	target, err := p.line.target(ctx, asks)
	if err != nil {
		return autoscale.Sample{}, err
	}
	s, err := p.measure(ctx, asks, target)
	if err != nil {
		p.line.base.Store(nil) // it may have moved: ask again
		return autoscale.Sample{}, fmt.Errorf("autoscale: probe %s: %w", outbound.Bare(target), err)
	}
	return s, nil
}

// request makes one request, which ends with ctx. That context has what is left of
// the timeout, and ends with parent.
func (p *HTTP) request(parent, ctx context.Context, asks *request, target *url.URL) (autoscale.Sample, error) {
	var t tracer
	ctx = httptrace.WithClientTrace(ctx, t.hooks())
	req, err := asks.to(ctx, target)
	if err != nil {
		return autoscale.Sample{}, err
	}
	req.Close = p.Requests > 1 // and so no connection is left to be used again

	start := time.Now()
	res, err := p.line.http(p.Client, p.Requests > 1).Do(req)
	if err == nil {
		defer res.Body.Close()
		if err := fromCache(res.Header); err != nil {
			return autoscale.Sample{}, err
		}
		_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxProbeBody))
	}
	end := time.Now()
	s := autoscale.Sample{Time: end, Signals: autoscale.SignalLatency, Latency: end.Sub(start)}

	kind := outbound.KindOf(err)
	switch {
	case err == nil:
		s, err = answered(s, res)
		if err != nil {
			return autoscale.Sample{}, err
		}
		return p.split(s, res.Header, &t)
	case parent.Err() != nil && !errors.Is(parent.Err(), context.DeadlineExceeded):
		return autoscale.Sample{}, context.Cause(parent) // the caller stopped it
	case kind == outbound.Name:
		return broken(s, err)
	case t.looksUp():
		return autoscale.Sample{}, fmt.Errorf("the name did not resolve within %v", asks.within())
	case kind == outbound.Timeout, ctx.Err() != nil && kind != outbound.Reset:
		s.Failure, s.Detail = autoscale.Timeout, "no answer within "+names.Duration(s.Latency)
		return s, nil
	}
	return broken(s, err)
}

var errDown = errors.New("the heartbeat says that something the service depends on is down, which more processes do not cure: its log says what")

// answered judges an answer that came whole.
func answered(s autoscale.Sample, res *http.Response) (autoscale.Sample, error) {
	switch mark := res.Header.Get(wire.HeaderHeartbeat); {
	case mark == "shed":
		return autoscale.Sample{}, fmt.Errorf("status %d: the heartbeat was too busy to measure: raise its limits, or probe less often", res.StatusCode)
	case mark == "fail":
		return autoscale.Sample{}, fmt.Errorf("status %d: %w", res.StatusCode, errDown)
	case res.StatusCode >= 500:
		s.Failure, s.Detail = autoscale.ServerError, "status "+strconv.Itoa(res.StatusCode)
	case res.StatusCode >= 400:
		return autoscale.Sample{}, fmt.Errorf("status %d: check the URL of the heartbeat, that it is mounted there, and its token", res.StatusCode)
	case res.StatusCode >= 300:
		return autoscale.Sample{}, redirected(res)
	}
	return s, nil
}

// broken distinguishes a service that fails under its load from a measurement that
// could not be made.
func broken(s autoscale.Sample, err error) (autoscale.Sample, error) {
	switch outbound.KindOf(err) {
	case outbound.Name:
		host := ""
		if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
			host = fmt.Sprintf(" %q", outbound.Text(dns.Name))
		}
		return autoscale.Sample{}, fmt.Errorf("the name%s did not resolve: check the host in probe.HTTP.URL", host)
	case outbound.Certificate, outbound.TLS:
		return autoscale.Sample{}, fmt.Errorf("TLS: %w", outbound.Clean(err))
	case outbound.Refused:
		s.Failure, s.Detail = autoscale.Refused, "connection refused"
	case outbound.Reset:
		s.Failure, s.Detail = autoscale.Refused, "connection reset"
	case outbound.Closed:
		s.Failure, s.Detail = autoscale.Refused, "connection closed without a whole answer"
	default:
		return autoscale.Sample{}, outbound.Clean(err)
	}
	return s, nil
}

// CloseIdleConnections closes the connections that are kept open between probes.
// [autoscale.Autoscaler.Run] calls it when it ends. It does not touch those of a
// Client that you set.
func (p *HTTP) CloseIdleConnections() {
	if p.Client == nil {
		p.line.http(p.Client, p.Requests > 1).CloseIdleConnections()
	}
}

// Format writes the prober without what may be secret: the URL's user,
// password and query, and the headers.
func (p *HTTP) Format(f fmt.State, _ rune) { p.asks().format(f) }
