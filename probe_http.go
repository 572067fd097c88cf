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
	"sync"
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

	base   atomic.Pointer[url.URL]
	once   sync.Once
	client *http.Client
}

// Validate reports what is wrong with the settings. It does no I/O.
func (p *HTTPProber) Validate() error {
	var errs []error
	u, err := p.parse()
	switch {
	case err != nil:
		errs = append(errs, err)
	case !u.IsAbs() && p.Base == nil:
		errs = append(errs, errors.New("HTTPProber.URL is relative and Base is nil: give an absolute URL, as https://www.example.com/autoscalebot/heartbeat/, or set Base"))
	}
	if p.Timeout < 0 || p.Timeout > 0 && p.Timeout < time.Millisecond {
		errs = append(errs, fmt.Errorf("HTTPProber.Timeout is %v: it must be 1ms or more, or 0 for %v; is its unit missing?", p.Timeout, DefaultProbeTimeout))
	}
	return errors.Join(errs...)
}

// parse never repeats a URL that does not parse: what it holds is not known.
func (p *HTTPProber) parse() (*url.URL, error) {
	if p.URL == "" {
		return nil, errors.New("HTTPProber.URL is empty: give the URL of the heartbeat")
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, errors.New("HTTPProber.URL does not parse as a URL: write it as https://www.example.com/autoscalebot/heartbeat/")
	}
	if u.IsAbs() && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return nil, fmt.Errorf("HTTPProber.URL %s: it must begin with http:// or https:// and a host", bare(u))
	}
	return u, nil
}

// Probe requests the URL once.
func (p *HTTPProber) Probe(ctx context.Context) (Sample, error) {
	target, err := p.target(ctx)
	if err != nil {
		return Sample{}, err
	}
	s, err := p.request(ctx, target)
	if err != nil {
		p.base.Store(nil) // it may have moved: ask again
		return Sample{}, fmt.Errorf("autoscale: probe %s: %w", bare(target), err)
	}
	return s, nil
}

// target resolves the URL.
func (p *HTTPProber) target(ctx context.Context) (*url.URL, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("autoscale: probe: %w", err)
	}
	u, _ := p.parse()
	if u.IsAbs() {
		return u, nil
	}
	base := p.base.Load()
	if base == nil {
		text, err := p.Base(ctx)
		if err != nil {
			return nil, fmt.Errorf("autoscale: probe: ask for the base of %s: %w", bare(u), err)
		}
		base, err = url.Parse(text)
		if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
			return nil, fmt.Errorf("autoscale: probe: the base of %s is no absolute http or https URL", bare(u))
		}
		p.base.Store(base)
	}
	return base.ResolveReference(u), nil
}

func (p *HTTPProber) request(parent context.Context, target *url.URL) (Sample, error) {
	timeout := p.Timeout
	if timeout == 0 {
		timeout = DefaultProbeTimeout
	}
	ctx, cancel := context.WithTimeout(parent, timeout)
	defer cancel()
	var resolving atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(httptrace.DNSStartInfo) { resolving.Store(true) },
		DNSDone:  func(i httptrace.DNSDoneInfo) { resolving.Store(i.Err != nil) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return Sample{}, errors.New("the request could not be made: check HTTPProber.URL and Base")
	}
	req.Header = p.Header.Clone()
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "autoscale")
	}
	req.Header.Set(HeaderTimeout, strconv.FormatInt(max(timeout.Milliseconds(), 1), 10))

	start := time.Now()
	res, err := p.http().Do(req)
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
		where := ""
		if to, err := res.Location(); err == nil {
			where = " to " + bare(to)
		}
		return Sample{}, fmt.Errorf("status %d redirects%s, and redirects are not followed: give the URL that answers itself", res.StatusCode, where)
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

// http returns a client that follows no redirect and has no timeout but the
// request's.
func (p *HTTPProber) http() *http.Client {
	p.once.Do(func() {
		if p.Client != nil {
			c := *p.Client
			p.client = &c
		} else {
			// Two connections: a host name can resolve to two addresses that
			// are raced, and no more are ever in use.
			p.client = &http.Client{Transport: &http.Transport{
				Proxy:             http.ProxyFromEnvironment,
				ForceAttemptHTTP2: true,
				MaxIdleConns:      2,
				IdleConnTimeout:   90 * time.Second,
			}}
		}
		p.client.Timeout = 0
		p.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	})
	return p.client
}

// CloseIdleConnections closes the connections that are kept open between
// probes. [Autoscaler.Run] calls it when it ends. It leaves alone those of a
// Client that was supplied.
func (p *HTTPProber) CloseIdleConnections() {
	if p.Client == nil {
		p.http().CloseIdleConnections()
	}
}

// Format writes the prober without what may be secret: the URL's user,
// password and query, and the headers.
func (p *HTTPProber) Format(f fmt.State, _ rune) {
	text := "?"
	if u, err := p.parse(); err == nil {
		text = bare(u)
	}
	fmt.Fprintf(f, "HTTPProber(%s)", text)
}

// bare returns u without what may be secret.
func bare(u *url.URL) string {
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return c.String()
}

// withoutURL unwraps the error of net/http that quotes the whole URL.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
