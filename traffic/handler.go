package traffic

import (
	"net/http"
	"strings"

	"github.com/autoscalebot/autoscale"
)

// Handler returns a handler that counts the requests that it passes on to next. It
// passes on the [http.ResponseWriter] that it was given, so that hijacking, flushing
// and [http.ResponseController] work as they do without it. A panic of next goes
// through it. Nil is [http.DefaultServeMux], as in [http.Server].
//
// Put it outside everything else that takes time, once: a request that passes
// through two handlers of one Traffic counts twice. The handlers of several servers
// may share a Traffic.
//
// The queue time is taken from the header X-Request-Start: a number of seconds,
// milliseconds, microseconds or nanoseconds since 1970, told apart by its size,
// with or without "t=" and decimals, as Heroku, Render, Scalingo, nginx, Apache and
// others send it. The clocks of two machines differ by some milliseconds: a time
// before the router's counts as 0, and so small queue times mean little. One that
// is more than a minute before or after is ignored, since no router waits so
// long. Where no proxy sets the header, anybody can: strip it there.
func (t *Traffic) Handler(next http.Handler) http.Handler {
	if next == nil {
		next = http.DefaultServeMux
	}
	return &handler{t, next}
}

type handler struct {
	t    *Traffic
	next http.Handler
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := h.t
	if uncounted(r) || t.opts.Skip != nil && t.opts.Skip(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	shard, began := t.begin(r.Header["X-Request-Start"])
	defer t.end(shard, began, t.opts.Longest)
	h.next.ServeHTTP(w, r)
}

// uncounted reports whether r is the autoscaler's own, or opens a connection that
// waits. The keys of headers are in the form in which net/http keeps them.
func uncounted(r *http.Request) bool {
	if _, ok := r.Header[autoscale.HeaderTimeout]; ok {
		return true
	}
	switch r.Method {
	case http.MethodConnect:
		return true
	case http.MethodGet:
		if v := r.Header["Upgrade"]; len(v) > 0 && strings.EqualFold(v[0], "websocket") {
			return true
		}
		v := r.Header["Accept"]
		return len(v) == 1 && v[0] == "text/event-stream"
	}
	return false
}
