package traffic

import "net/http"

// Wrapped returns what a handler is given instead of inner.
func Wrapped(inner http.ResponseWriter) http.ResponseWriter {
	w, a := wrap(inner)
	a.t = New(nil)
	a.shard, a.began = a.t.begin(nil)
	return w
}

// Wrappers is how many sets of optional interfaces there are. Wrapper returns the
// ResponseWriter with one of them, around inner.
const Wrappers = len(wrappers)

func Wrapper(set int, inner http.ResponseWriter) http.ResponseWriter {
	w := wrappers[set]()
	a := w.self()
	a.inner, a.t = inner, New(nil)
	a.shard, a.began = a.t.begin(nil)
	return w
}

// QueueTimeOf reads the headers in which proxies say when they took a request up.
var QueueTimeOf = queueTimeOf
