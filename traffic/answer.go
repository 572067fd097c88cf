package traffic

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/autoscalebot/autoscale/internal/wire"
)

// An answer is the part that all our ResponseWriters share. It also has what is known
// about the request. Its lower-case methods are the optional ones, which the types in
// writer.go export. A handler may use it from several goroutines, and may even keep
// it after the request: an answer is never used for another request.
type answer struct {
	inner   http.ResponseWriter
	t       *Traffic
	shard   *shard
	began   int64
	state   atomic.Uint32
	connect bool // the method is CONNECT
}

// The states of an answer.
const (
	undecided = iota // no part of the answer was sent
	ordinary         // the request counts, unless its connection is hijacked
	left             // the request was left out
	ended            // the handler returned: nothing changes any more
)

// decide notes the answer's status, just before its headers are sent.
func (a *answer) decide(status int) {
	if a.state.Load() != undecided {
		return
	}
	switch {
	case status == http.StatusSwitchingProtocols:
		a.leave()
	case status < 200: // informational: the answer is still to come
	case a.connect && status < 300, waits(a.inner.Header()):
		a.leave()
	default:
		a.state.CompareAndSwap(undecided, ordinary)
	}
}

// waits reports whether an answer with these headers is an event stream or comes from a
// heartbeat. The keys are in the form in which net/http keeps them.
func waits(h http.Header) bool {
	if v := h["Content-Type"]; len(v) > 0 && eventStream(v[0]) {
		return true
	}
	_, ok := h[wire.HeaderHeartbeat]
	return ok
}

func eventStream(contentType string) bool {
	const want = "text/event-stream"
	if len(contentType) < len(want) {
		return false
	}
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), want)
}

// leave leaves the request out, once, unless it was counted.
func (a *answer) leave() {
	if a.state.CompareAndSwap(undecided, left) || a.state.CompareAndSwap(ordinary, left) {
		a.t.leave(a.shard, a.began)
	}
}

// end counts the request, unless it was left out.
func (a *answer) end() {
	if a.state.Swap(ended) != left {
		a.t.end(a.shard, a.began)
	}
}

func (a *answer) self() *answer       { return a }
func (a *answer) Header() http.Header { return a.inner.Header() }

func (a *answer) WriteHeader(status int) {
	a.decide(status)
	a.inner.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	a.decide(http.StatusOK)
	return a.inner.Write(b)
}

func (a *answer) writeString(s string) (int, error) {
	a.decide(http.StatusOK)
	return a.inner.(io.StringWriter).WriteString(s)
}

func (a *answer) readFrom(r io.Reader) (int64, error) {
	a.decide(http.StatusOK)
	return a.inner.(io.ReaderFrom).ReadFrom(r)
}

func (a *answer) flush() {
	a.decide(http.StatusOK)
	a.inner.(http.Flusher).Flush()
}

func (a *answer) flushError() error {
	a.decide(http.StatusOK)
	return a.inner.(errorFlusher).FlushError()
}

func (a *answer) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := a.inner.(http.Hijacker).Hijack()
	if err == nil {
		a.leave()
	}
	return conn, rw, err
}

func (a *answer) push(target string, opts *http.PushOptions) error {
	return a.inner.(http.Pusher).Push(target, opts)
}

func (a *answer) closeNotify() <-chan bool {
	return a.inner.(closeNotifier).CloseNotify()
}

type (
	errorFlusher  interface{ FlushError() error }
	closeNotifier interface{ CloseNotify() <-chan bool } // http.CloseNotifier is deprecated, and still in use
	unwrapper     interface{ Unwrap() http.ResponseWriter }
)

// Unwrap returns the inner ResponseWriter, for [http.ResponseController]. If the inner
// one must itself be unwrapped before it can be flushed or hijacked, Unwrap returns a
// link that sees this happen.
func (a *answer) Unwrap() http.ResponseWriter {
	if _, ok := a.inner.(unwrapper); ok {
		_, flushes := a.inner.(http.Flusher)
		_, flushesToo := a.inner.(errorFlusher)
		_, hijacks := a.inner.(http.Hijacker)
		if !flushes && !flushesToo || !hijacks {
			return &link{a}
		}
	}
	return a.inner
}
