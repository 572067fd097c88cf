package autoscale

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// The headers by which a prober and a heartbeat understand each other.
const (
	// HeaderTimeout carries the prober's timeout in whole milliseconds, so that
	// the heartbeat can answer a little before it.
	HeaderTimeout = "Autoscale-Timeout-Ms"
	// HeaderHeartbeat is the heartbeat's answer: "ok"; "shed": too busy to
	// measure; "fail": something that the service depends on is down.
	HeaderHeartbeat = "Autoscale-Heartbeat"
)

// DefaultProbeTimeout is how long [HTTPProber] waits unless told otherwise. It
// is twice DefaultHigh, because a heartbeat ends its checks a little before it:
// what takes longer than DefaultHigh is then still seen to be slow, and only
// what hangs is answered as a failure of a dependency.
const DefaultProbeTimeout = 2 * DefaultHigh

const maxProbeBody = 1 << 20

// HTTPProber measures the latency of one GET request, from its start to the
// end of the answer's body, of which it reads at most 1 MiB. Connections are
// kept open between probes. It is safe for concurrent use once its fields are set.
//
// A timeout, a refused or broken connection, and a status of 500 or above are
// samples with a [Failure]. Nothing was measured, and Probe returns an error,
// when the name did not resolve, TLS failed, the status was 3xx (redirects are
// not followed) or 4xx, or the answer's HeaderHeartbeat was "shed" or "fail".
//
// Through a load balancer each probe meets one process of many: a single
// sample says little, which is why rules count several.
type HTTPProber struct {
	// URL is what is requested: absolute, or a path that is resolved against Base.
	URL string

	// Base returns the URL against which a relative URL is resolved. It is
	// called by the first probe, and again after one that measured nothing.
	// Required where URL is relative.
	Base func(ctx context.Context) (string, error)

	// Timeout is how long an answer may take. 0: DefaultProbeTimeout. Give it
	// about twice the rule's upper limit.
	Timeout time.Duration

	// Header is sent with each request, for example an Authorization.
	Header http.Header

	// Client sends the requests. Its own timeout and redirect policy do not
	// count. Nil: a client of the prober's own.
	Client *http.Client

	line line
}

func (p *HTTPProber) asks() *request {
	return &request{
		prober: "HTTPProber", of: "the heartbeat", example: "https://www.example.com/autoscalebot/heartbeat/",
		url: p.URL, base: p.Base, timeout: p.Timeout, header: p.Header,
	}
}

// Validate reports what is wrong with the settings. It does no I/O.
func (p *HTTPProber) Validate() error { return p.asks().validate() }

// Probe requests the URL once.
func (p *HTTPProber) Probe(ctx context.Context) (Sample, error) {
	if err := p.Validate(); err != nil {
		return Sample{}, fmt.Errorf("autoscale: probe: %w", err)
	}
	asks := p.asks()
	target, err := p.line.target(ctx, asks)
	if err != nil {
		return Sample{}, err
	}
	s, err := p.request(ctx, asks, target)
	if err != nil {
		p.line.base.Store(nil) // it may have moved: ask again
		return Sample{}, fmt.Errorf("autoscale: probe %s: %w", bare(target), err)
	}
	return s, nil
}

func (p *HTTPProber) request(parent context.Context, asks *request, target *url.URL) (Sample, error) {
	timeout := asks.within()
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	var resolving atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { resolving.Store(true) },
		DNSDone:  func(i httptrace.DNSDoneInfo) { resolving.Store(i.Err != nil) },
	})
	req, err := asks.to(ctx, target)
	if err != nil {
		return Sample{}, err
	}

	start := time.Now()
	res, err := p.line.http(p.Client).Do(req)
	if err == nil {
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxProbeBody))
	}
	end := time.Now()
	s := Sample{Time: end, Signals: SignalLatency, Latency: end.Sub(start)}

	switch {
	case err == nil:
		return answered(s, res)
	case parent.Err() != nil && !errors.Is(parent.Err(), context.DeadlineExceeded):
		return Sample{}, context.Cause(parent) // somebody stopped it
	case errors.As(err, new(*net.DNSError)):
		return broken(s, err)
	case resolving.Load():
		return Sample{}, fmt.Errorf("the name did not resolve within %v", timeout)
	case ctx.Err() != nil || isTimeout(err):
		s.Failure, s.Detail = Timeout, "no answer within "+short(s.Latency)
		return s, nil
	}
	return broken(s, err)
}

// answered judges an answer that came whole.
func answered(s Sample, res *http.Response) (Sample, error) {
	switch mark := res.Header.Get(HeaderHeartbeat); {
	case mark == "shed":
		return Sample{}, fmt.Errorf("status %d: the heartbeat was too busy to measure: raise its limits, or probe less often", res.StatusCode)
	case mark == "fail":
		return Sample{}, fmt.Errorf("status %d: the heartbeat says that something the service depends on is down, which more processes do not mend: its log says what", res.StatusCode)
	case res.StatusCode >= 500:
		s.Failure, s.Detail = ServerError, "status "+strconv.Itoa(res.StatusCode)
	case res.StatusCode >= 400:
		return Sample{}, fmt.Errorf("status %d: check the URL of the heartbeat, that it is mounted there, and its token", res.StatusCode)
	case res.StatusCode >= 300:
		return Sample{}, redirected(res)
	}
	return s, nil
}

// broken tells a service that fails under its load from a measurement that
// could not be made.
func broken(s Sample, err error) (Sample, error) {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	switch {
	case errors.As(err, &dns):
		return Sample{}, fmt.Errorf("the name %q did not resolve: check the host in HTTPProber.URL", dns.Name)
	case errors.As(err, &record), errors.As(err, &verify), errors.As(err, &authority), errors.As(err, &hostname):
		return Sample{}, fmt.Errorf("TLS: %w", withoutURL(err))
	case errors.Is(err, syscall.ECONNREFUSED):
		s.Failure, s.Detail = Refused, "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		s.Failure, s.Detail = Refused, "connection reset"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.Failure, s.Detail = Refused, "connection closed without a whole answer"
	default:
		return Sample{}, withoutURL(err)
	}
	return s, nil
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// CloseIdleConnections closes the connections that are kept open between
// probes. [Autoscaler.Run] calls it when it ends. It leaves alone those of a
// Client that was supplied.
func (p *HTTPProber) CloseIdleConnections() {
	if p.Client == nil {
		p.line.http(p.Client).CloseIdleConnections()
	}
}

// Format writes the prober without what may be secret: the URL's user,
// password and query, and the headers.
func (p *HTTPProber) Format(f fmt.State, _ rune) { p.asks().format(f) }
