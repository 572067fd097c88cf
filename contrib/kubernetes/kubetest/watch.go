package kubetest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"time"
)

// An event is a change of an object.
type event struct {
	version int64
	kind    string // ADDED, MODIFIED or DELETED
	key     key
	object  object
	before  object // nil: it was created
}

// happen remembers an event and wakes the watches. The caller holds the lock.
func (s *Server) happen(e event) {
	s.events = append(s.events, e)
	if len(s.events) >= 2*maxPeriod {
		s.compacted = s.events[maxPeriod-1].version
		s.events = append(s.events[:0:0], s.events[maxPeriod:]...)
	}
	s.wake()
}

func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// A watch is a watch at its beginning.
type watch struct {
	initial []object // ADDED first
	from    int64    // events after this version follow
	epoch   int
	marks   bool // the client wants bookmarks
	timeout time.Duration
	silent  bool
}

// newWatch reads what a watch asks for. Without a resourceVersion, the watch begins with
// the objects that exist. The caller holds the lock.
func (s *Server) newWatch(q *query) (*watch, *apiError) {
	w := &watch{from: s.version, epoch: s.epoch, timeout: longest, silent: s.silent}
	w.marks, _ = strconv.ParseBool(q.values.Get("allowWatchBookmarks"))
	if n, err := strconv.Atoi(q.values.Get("timeoutSeconds")); err == nil && n > 0 {
		w.timeout = time.Duration(n) * time.Second
	}
	switch version := q.values.Get("resourceVersion"); version {
	case "", "0":
		for _, k := range s.sorted(q) {
			w.initial = append(w.initial, s.objects[k])
		}
	default:
		n, err := strconv.ParseInt(version, 10, 64)
		if err != nil || n < 0 {
			return nil, badRequest("invalid resource version " + strconv.Quote(version))
		}
		w.from = n
	}
	return w, nil
}

// stream sends a watch until it ends.
func (s *Server) stream(ctx context.Context, w http.ResponseWriter, q *query, at *watch) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-cache, private")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	out := json.NewEncoder(w)
	send := func(kind string, o object) bool {
		return out.Encode(object{"type": kind, "object": o}) == nil && flush() == nil
	}
	if flush() != nil {
		return
	}
	if at.silent {
		at.initial = nil
	}
	for _, o := range at.initial {
		if !send("ADDED", o) {
			return
		}
	}
	end := time.NewTimer(at.timeout)
	defer end.Stop()
	mark := time.NewTicker(bookmarks)
	defer mark.Stop()
	last := at.from
	for {
		s.mu.Lock()
		changed, version, epoch, compacted, silent := s.changed, s.version, s.epoch, s.compacted, s.silent
		first := sort.Search(len(s.events), func(i int) bool { return s.events[i].version > last })
		news := slices.Clone(s.events[first:])
		if s.silent {
			news, version = nil, last
		}
		s.mu.Unlock()
		if epoch != at.epoch {
			return
		}
		if last < compacted {
			send("ERROR", gone(last, compacted).object())
			return
		}
		for _, e := range news {
			if kind := e.kindFor(q); kind != "" && !send(kind, e.object) {
				return
			}
		}
		last = max(last, version)
		bookmark := func() bool {
			return !at.marks || silent || send("BOOKMARK", object{"kind": q.res.kind, "apiVersion": q.res.apiVersion(), "metadata": object{"resourceVersion": strconv.FormatInt(last, 10), "creationTimestamp": nil}})
		}
		select {
		case <-changed:
		case <-mark.C:
			if !bookmark() {
				return
			}
		case <-end.C:
			bookmark()
			return
		case <-ctx.Done():
			if isClosed(q.cut) {
				panic(http.ErrAbortHandler)
			}
			return
		}
	}
}

// kindFor returns the kind of the event as the watch q sees it. An object that begins to
// match the selector of q is added, and one that no longer matches is deleted. The kind is
// empty if the event does not concern q.
func (e event) kindFor(q *query) string {
	now, before := q.selects(e.key, e.object), q.selects(e.key, e.before)
	switch {
	case e.kind != "MODIFIED" && now:
		return e.kind
	case e.kind != "MODIFIED":
		return ""
	case now && before:
		return "MODIFIED"
	case now:
		return "ADDED"
	case before:
		return "DELETED"
	}
	return ""
}
