package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"net/url"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/rule"
)

// JSON measures something that another program knows. It sends a GET to a URL that answers
// with JSON, and takes one number from the answer. The other program may be a monitoring
// system such as Prometheus, the management page of a queue, or a page of the service's
// own. JSON is safe for concurrent use once its fields are set.
//
// For a query to Prometheus, whose answer holds its value as a string, Path is
//
//	data.result.0.value.1
//
// The query must return one series, as sum(...) does. Unless Ordered is set, Probe returns
// an error if an index would pick one of several objects, or one of several rows with names
// in them.
//
// Nothing was measured, and Probe returns an error that says what it found instead, if
//
//   - there is nothing at Path: an empty result, a missing key or null,
//   - a key of Path is there twice,
//   - the value there is not a number, is not finite, or is negative (which only
//     [autoscale.SignalValue] may be),
//   - the status is not 2xx (redirects are not followed),
//   - or the answer is not JSON, is larger than 1 MiB, came from a cache, or does not
//     come whole in time.
//
// A JSON reports no [autoscale.Failure], because the service may be well while a monitoring
// system is down.
//
// Connections are kept open between probes. A request has the header
// Autoscale-Timeout-Ms, as that of an [HTTP] has.
type JSON struct {
	// URL is the URL to request. It is absolute, or a path that is resolved against Base.
	// Its query may hold a secret, and is never in an error.
	URL string

	// Path says where in the answer the number is. It has the keys of objects and the
	// indexes of arrays, which begin at 0, with dots between them. A key that is empty, or
	// has a dot or a double quote in it, is written as a Go string: queues."mail.urgent".0.
	// Digits are an index if they are applied to an array, and a key if they are applied to
	// an object. Empty: the answer is the number itself.
	//
	// A string that holds a number, such as "3.14", is that number.
	Path string

	// Ordered says that the order of the objects in an array means something, so that an
	// index in Path may pick one of several. The order of the series from Prometheus, for
	// example, means nothing.
	Ordered bool

	// Signal is the one signal that the number stands for. The number must be that of the
	// whole service, in the unit of the field of [autoscale.Sample]. For
	// [autoscale.SignalLatency], [autoscale.SignalQueueTime] and
	// [autoscale.SignalServiceTime] it is in seconds. 0: autoscale.SignalValue, which no
	// rule of package rule reads, but your own [autoscale.Decider] can.
	Signal autoscale.Signals

	// Base returns the URL against which a relative URL is resolved. It is called by the
	// first probe, and again after a probe that measured nothing. Required if URL is
	// relative.
	Base func(ctx context.Context) (string, error)

	// Timeout is how long the answer may take. 0: DefaultTimeout.
	Timeout time.Duration

	// Header is sent with each request, for example an Authorization. It is
	// never in an error.
	Header http.Header

	// Client sends the requests. Its own timeout and redirect policy do not
	// count. Nil: a client of the prober's own.
	Client *http.Client

	line line
}

func (p *JSON) asks() *request {
	return &request{
		prober: "probe.JSON", of: "the page that answers with the number", example: "https://prometheus.example.com/api/v1/query?query=up",
		url: p.URL, base: p.Base, timeout: p.Timeout, header: p.Header,
	}
}

// Rule returns the rule for Signal, which a Config without a Decider uses: [rule.Backlog]
// for a backlog, [rule.TargetTracking] for a utilization, [rule.MOfN] for a latency, and
// none for another.
func (p *JSON) Rule() autoscale.Decider {
	switch p.Signal {
	case autoscale.SignalBacklog:
		return rule.Backlog{}
	case autoscale.SignalUtilization:
		return rule.TargetTracking{}
	case autoscale.SignalLatency:
		return rule.MOfN{}
	}
	return nil
}

// Validate reports what is wrong with the settings. It does no I/O.
func (p *JSON) Validate() error {
	errs := []error{p.asks().validate()}
	if _, err := parsePath(p.Path); err != nil {
		errs = append(errs, fmt.Errorf("probe.JSON.Path is %q: %w", p.Path, err))
	}
	if p.Signal != 0 && (bits.OnesCount16(uint16(p.Signal)) != 1 || p.Signal > autoscale.SignalValue) {
		errs = append(errs, fmt.Errorf("probe.JSON.Signal is %v (%d): name the one signal that the number is, or 0 for %v", p.Signal, p.Signal, autoscale.SignalValue))
	}
	return errors.Join(errs...)
}

// Probe requests the URL once.
func (p *JSON) Probe(ctx context.Context) (autoscale.Sample, error) {
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
		return autoscale.Sample{}, fmt.Errorf("autoscale: probe %s: nothing was measured: %w", outbound.Bare(target), err)
	}
	return s, nil
}

func (p *JSON) measure(parent context.Context, asks *request, target *url.URL) (autoscale.Sample, error) {
	ctx, cancel := context.WithTimeout(parent, asks.within())
	defer cancel()
	req, err := asks.to(ctx, target)
	if err != nil {
		return autoscale.Sample{}, err
	}
	start := time.Now()
	answer, err := p.fetch(req)
	end := time.Now()
	switch {
	case err == nil:
	case parent.Err() != nil && !errors.Is(parent.Err(), context.DeadlineExceeded):
		return autoscale.Sample{}, context.Cause(parent) // the caller stopped it
	case ctx.Err() != nil || outbound.KindOf(err) == outbound.Timeout:
		return autoscale.Sample{}, fmt.Errorf("no whole answer within %s: make what is asked for cheaper, or raise probe.JSON.Timeout", names.Duration(end.Sub(start)))
	default:
		return autoscale.Sample{}, err
	}
	path, _ := parsePath(p.Path)
	v, err := path.number(answer, p.Ordered)
	if err != nil {
		return autoscale.Sample{}, err
	}
	s := autoscale.Sample{Time: end}
	if err := s.Set(cmp.Or(p.Signal, autoscale.SignalValue), v); err != nil {
		return autoscale.Sample{}, fmt.Errorf("%s is %w", path, err)
	}
	return s, nil
}

// fetch returns the whole answer.
func (p *JSON) fetch(req *http.Request) ([]byte, error) {
	res, err := p.line.http(p.Client, false).Do(req)
	if err != nil {
		return nil, outbound.Clean(err)
	}
	defer res.Body.Close()
	if err := fromCache(res.Header); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxProbeBody+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the answer: %w", outbound.Clean(err))
	case res.StatusCode >= 400:
		return nil, fmt.Errorf("status %d: check probe.JSON.URL, what its query asks for, and probe.JSON.Header", res.StatusCode)
	case res.StatusCode >= 300:
		return nil, redirected(res)
	case len(answer) > maxProbeBody:
		return nil, fmt.Errorf("the answer is larger than %d bytes: ask for less", maxProbeBody)
	}
	return answer, nil
}

// CloseIdleConnections closes the connections that are kept open between probes.
// [autoscale.Autoscaler.Run] calls it when it ends. It does not touch those of a
// Client that you set.
func (p *JSON) CloseIdleConnections() {
	if p.Client == nil {
		p.line.http(nil, false).CloseIdleConnections()
	}
}

// Format writes the prober without what may be secret: the URL's user,
// password and query, and the headers.
func (p *JSON) Format(f fmt.State, _ rune) { p.asks().format(f) }
