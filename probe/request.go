package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/internal/wire"
)

// A request holds the fields of a prober that sends a GET to a URL.
type request struct {
	prober  string // the prober's name, for errors
	of      string // what the URL leads to
	example string // an example of such a URL
	url     string
	base    func(ctx context.Context) (string, error)
	timeout time.Duration
	header  http.Header
}

func (r *request) validate() error {
	var errs []error
	u, err := r.parse()
	switch {
	case err != nil:
		errs = append(errs, err)
	case !u.IsAbs() && r.base == nil:
		errs = append(errs, fmt.Errorf("%s.URL is relative and Base is nil: give an absolute URL, as %s, or set Base", r.prober, r.example))
	}
	if r.timeout < 0 || r.timeout > 0 && r.timeout < time.Millisecond {
		errs = append(errs, fmt.Errorf("%s.Timeout is %v: it must be 1ms or more, or 0 for %v; is its unit missing?", r.prober, r.timeout, DefaultTimeout))
	}
	return errors.Join(errs...)
}

// parse never repeats a URL that does not parse, because that may hold anything.
func (r *request) parse() (*url.URL, error) {
	if r.url == "" {
		return nil, fmt.Errorf("%s.URL is empty: give the URL of %s", r.prober, r.of)
	}
	u, err := url.Parse(r.url)
	if err != nil {
		return nil, fmt.Errorf("%s.URL does not parse as a URL: write it as %s", r.prober, r.example)
	}
	if u.IsAbs() && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		return nil, fmt.Errorf("%s.URL %s: it must begin with http:// or https:// and a host", r.prober, outbound.Bare(u))
	}
	return u, nil
}

// within returns how long an answer may take.
func (r *request) within() time.Duration { return cmp.Or(r.timeout, DefaultTimeout) }

// to makes the request for target.
func (r *request) to(ctx context.Context, target *url.URL) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("the request could not be made: check %s.URL and Base", r.prober)
	}
	req.Header = r.header.Clone()
	if req.Header == nil {
		req.Header = make(http.Header)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "autoscale")
	}
	if req.Header.Get("Cache-Control") == "" {
		req.Header.Set("Cache-Control", "no-cache")
	}
	req.Header.Set(wire.HeaderTimeout, strconv.FormatInt(max(r.within().Milliseconds(), 1), 10))
	return req, nil
}

// format writes the prober without what may be secret: the URL's user, password
// and query, and the headers.
func (r *request) format(f fmt.State) {
	text := "?"
	if u, err := r.parse(); err == nil {
		text = outbound.Bare(u)
	}
	fmt.Fprintf(f, "%s(%s)", r.prober, text)
}

// A line is what a prober keeps from one request to the next.
type line struct {
	base   atomic.Pointer[url.URL]
	once   sync.Once
	client *http.Client
}

// target resolves the URL of a valid request.
func (l *line) target(ctx context.Context, r *request) (*url.URL, error) {
	u, err := r.parse()
	if err != nil || u.IsAbs() {
		return u, err
	}
	base := l.base.Load()
	if base == nil {
		text, err := r.base(ctx)
		if err != nil {
			return nil, fmt.Errorf("autoscale: probe: ask for the base of %s: %w", outbound.Bare(u), err)
		}
		base, err = url.Parse(text)
		if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
			return nil, fmt.Errorf("autoscale: probe: the base of %s is not an absolute http or https URL", outbound.Bare(u))
		}
		l.base.Store(base)
	}
	return base.ResolveReference(u), nil
}

// http returns a client that does not follow redirects and has no timeout but the
// request's. It is based on the host's client, if there is one. apart says whether
// requests at the same time need separate connections.
func (l *line) http(hosts *http.Client, apart bool) *http.Client {
	l.once.Do(func() {
		if hosts != nil {
			l.client = outbound.Client(*hosts)
		} else {
			// Two connections, because a host name can resolve to two addresses,
			// which are tried at the same time. No more are ever kept.
			t := outbound.NewTransport()
			t.MaxIdleConns = 2
			if apart { // with HTTP/2 they would share one
				t.Protocols = new(http.Protocols)
				t.Protocols.SetHTTP1(true)
			}
			l.client = outbound.Client(http.Client{Transport: t})
		}
		l.client.Timeout = 0
	})
	return l.client
}

// redirected says where an answer with a status of 3xx leads.
func redirected(res *http.Response) error {
	where := ""
	if to, err := res.Location(); err == nil {
		where = " to " + outbound.Text(outbound.Bare(to))
	}
	return fmt.Errorf("status %d redirects%s, and redirects are not followed: give a URL that does not redirect", res.StatusCode, where)
}
