// Package outbound carries the HTTP requests of this library to servers that may do
// anything. It ends each call with its context, bounds what is read, and cuts the texts
// of others where they enter.
package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// MaxHeader bounds the bytes of an answer's headers, informational answers included.
	MaxHeader = 64 << 10

	// connectTime bounds a connection that is being made. net/http goes on making it
	// after the request has ended, in the hope of another request.
	connectTime = 10 * time.Second
)

// NewTransport returns a transport with bounds. The caller may change it before use.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTime, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    connectTime,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: MaxHeader,
		// Without pings, an HTTP/2 connection that died in silence is used again and
		// again, and each request waits for its timeout.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
	}
}

// Client returns a copy of c that follows no redirect and sends its requests through
// [Wrap]. It shares the connections of c.
func Client(c http.Client) *http.Client {
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	next := c.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	c.Transport = Wrap(next)
	return &c
}

// Wrap returns a RoundTripper that sends requests through next, with these guarantees:
//
//   - A request whose deadline is over is not sent, even if its context has not
//     noticed.
//   - A final status below 200, and 101 by HTTP/2, is an error of the kind [Malformed]. A caller would wait for
//     the end of a connection that was switched to another protocol.
//   - A body is closed when the context of its request ends.
//   - Headers of more than [MaxHeader] bytes are an error of the kind [Malformed].
//   - A Location has no user, query or fragment, and is removed if it is longer than
//     [MaxText].
//   - An error is at most [MaxText] bytes long, on one line, and holds no certificate.
func Wrap(next http.RoundTripper) http.RoundTripper { return &transport{next} }

type transport struct{ next http.RoundTripper }

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	// A process that was frozen past its deadline wakes before the timer that cancels
	// the context. The order of a leader whose term is over must not be sent.
	if end, ok := ctx.Deadline(); ok && !time.Now().Before(end) {
		return nil, context.DeadlineExceeded
	}
	var w watch
	res, err := t.next.RoundTrip(req.WithContext(httptrace.WithClientTrace(ctx, w.hooks())))
	if err != nil {
		if res != nil && res.Body != nil {
			res.Body.Close()
		}
		if w.wasRefused() && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, &Error{Reset, "the server refused the request until no time was left"}
		}
		return nil, Clean(err)
	}
	if res == nil || res.Body == nil {
		return nil, &Error{Malformed, fmt.Sprintf("the transport (%T) returned neither an answer nor an error", t.next)}
	}
	b := &body{rc: res.Body}
	switch {
	case res.StatusCode < 200:
		b.Close()
		return nil, &Error{Malformed, notAnAnswer(res.StatusCode)}
	case size(res.Header) > MaxHeader:
		b.Close()
		return nil, &Error{Malformed, fmt.Sprintf("the headers of the answer have more than %d bytes", MaxHeader)}
	}
	b.stop = context.AfterFunc(ctx, func() { b.end() })
	res.Body = b
	cutLocation(res.Header)
	return res, nil
}

// A watch sees what net/http does for one request.
type watch struct {
	mu        sync.Mutex
	last      net.Conn
	fresh     bool // last was made for this request
	refused   bool
	early     int // informational answers
	earlySize int
}

// maxEarly is how many informational answers a request may get.
const maxEarly = 64

func (w *watch) hooks() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			// net/http sends a request again on another connection if the first had been
			// idle. It does so on the same connection, or after one of its own, only if the
			// server refused it: by RST_STREAM or GOAWAY. Then it pauses for seconds.
			w.refused = w.refused || w.last != nil && (w.fresh || w.last == i.Conn)
			w.last, w.fresh = i.Conn, !i.Reused
		},
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.early++
			w.earlySize += size(http.Header(header))
			switch {
			case code == http.StatusSwitchingProtocols:
				return &Error{Malformed, notAnAnswer(code)}
			case w.early > maxEarly || w.earlySize > MaxHeader:
				return &Error{Malformed, "informational answers without end"}
			}
			return nil
		},
	}
}

func (w *watch) wasRefused() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused
}

func notAnAnswer(status int) string {
	return fmt.Sprintf("status %d is not an answer to this request: check the URL", status)
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// A body ends with its context, whatever carries it.
type body struct {
	rc   io.ReadCloser
	stop func() bool
	once sync.Once
	over atomic.Bool
	err  error
}

func (b *body) Read(p []byte) (int, error) {
	if b.over.Load() { // not every body heeds its Close
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.rc.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = Clean(err)
	}
	return n, err
}

func (b *body) Close() error {
	if b.stop != nil {
		b.stop()
	}
	return b.end()
}

func (b *body) end() error {
	b.over.Store(true)
	b.once.Do(func() { b.err = b.rc.Close() })
	return b.err
}

func size(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// cutLocation makes a Location fit for an error. It also keeps net/http from quoting
// one that does not parse.
func cutLocation(h http.Header) {
	location := h.Get("Location")
	if location == "" {
		return
	}
	h.Del("Location")
	if u, err := url.Parse(location); err == nil {
		if text := Bare(u); text == Text(text) {
			h.Set("Location", text)
		}
	}
}

// Bare returns u without what may be secret.
func Bare(u *url.URL) string {
	c := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return c.String()
}
