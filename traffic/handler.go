package traffic

import "net/http"

// Handler returns a handler that counts the requests that it passes on to next. If next is
// nil, it is [http.DefaultServeMux], as in [http.Server]. A panic in next passes through.
//
// Handler gives next an [http.ResponseWriter] that sees the answer. It has the same
// optional interfaces as the server's own: [http.Flusher], FlushError, [http.Hijacker],
// [http.Pusher], [io.ReaderFrom], [io.StringWriter] and [http.CloseNotifier].
// [http.ResponseController] works as it does without Handler. The answer decides what is
// left out: see the package documentation. One thing is lost: [http.MaxBytesReader] cannot
// make the server close the connection as soon as a body is too long. The server reads up
// to 256 KiB more of the body before it closes the connection.
//
// Put it outside everything else that takes time. Use it once: a request that passes
// through two handlers of one Traffic counts twice. The handlers of several servers may
// use the same Traffic.
//
// The queue time comes from the headers X-Request-Start and X-Queue-Start. Each value is a
// number of seconds, milliseconds, microseconds or nanoseconds since 1970. Its size shows
// the unit. It may have "t=", quotes and decimals: Heroku, Render, Scalingo, nginx, Apache
// and others send it in these forms. If several proxies sent a value, in one line or in
// several, the earliest one counts. A whole number of seconds counts as the end of that
// second. Otherwise up to a second too much would count as queue time. A value more than a
// minute before or after now is ignored, because no router waits so long. So is a value
// that is not a time, such as "-". At most 1 KiB of each header is read.
//
// The clocks of two machines differ by some milliseconds. A negative queue time counts as
// 0, and small queue times mean little. If no proxy replaces these headers, any client can
// set them: have the proxy remove them.
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
	if t.opts.Skip != nil && t.opts.Skip(r) {
		h.next.ServeHTTP(w, r)
		return
	}
	w, a := wrap(w)
	a.t, a.connect = t, r.Method == http.MethodConnect
	a.shard, a.began = t.begin(r.Header)
	defer a.end()
	h.next.ServeHTTP(w, r)
	a.decide(http.StatusOK) // what the server sends if next sent nothing
}
