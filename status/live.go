package status

import (
	"embed"
	"errors"
	"fmt"
	"net/http"
	"path"
	"time"
)

const (
	// maxStreams bounds the open streams. A page that gets none asks again and again.
	maxStreams = 32
	// lookEvery is how often a stream looks for a new tick.
	lookEvery = time.Second
	// quiet is after how long a comment is sent, which keeps routers from ending the stream.
	quiet = 15 * time.Second
	// streamFor is after how long the browser connects again, perhaps to another process.
	streamFor = 10 * time.Minute
	// writeFor bounds a write to a browser that does not read.
	writeFor = 10 * time.Second
)

// serveEvents sends an event after each tick, until the browser leaves, Close is called, or
// streamFor is over. It does not need that the middleware around it lets an answer be
// flushed: without that the script polls.
func (p *Page) serveEvents(w http.ResponseWriter, r *http.Request, _ string) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return
	}
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		http.Error(w, "status: too many pages are open: this one asks every few seconds instead", http.StatusServiceUnavailable)
		return
	}
	rc := http.NewResponseController(w)
	// The end of the answer is written after this function returns.
	limit := func() { _ = rc.SetWriteDeadline(time.Now().Add(writeFor)) }
	defer limit()
	send := func(text string) bool {
		limit()
		if _, err := fmt.Fprint(w, text); err != nil || rc.Flush() != nil {
			return false
		}
		// The server's own WriteTimeout would end the stream. In HTTP/2 any deadline
		// does, even if nothing is written when it comes.
		_ = rc.SetWriteDeadline(time.Time{})
		return true
	}
	limit()
	if errors.Is(rc.Flush(), http.ErrNotSupported) {
		http.Error(w, "status: the middleware around the page lets no answer be flushed: it asks every few seconds instead", http.StatusNotImplemented)
		return
	}
	if !send("retry: 3000\nevent: ready\ndata: 1\n\n") { // without it the script polls
		return
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	last, sent, end := p.ticked(r), time.Now(), time.Now().Add(streamFor)
	for {
		select {
		case <-r.Context().Done():
			return
		case <-p.closed:
			return
		case now := <-look.C:
			ticked := p.ticked(r)
			switch {
			case now.After(end):
				return
			case !ticked.Equal(last):
				last, sent = ticked, now
				if !send("event: tick\ndata: " + ticked.UTC().Format(time.RFC3339) + "\n\n") {
					return
				}
			case now.Sub(sent) >= quiet:
				sent = now
				if !send(": still here\n\n") {
					return
				}
			}
		}
	}
}

// maxLooks bounds the choices of Autoscalers of which a Page remembers the newest tick.
const maxLooks = 64

// A look is when the newest tick began of those that are shown, and when that was seen.
type look struct{ at, newest time.Time }

// ticked returns when the newest tick of those that are shown began. The streams that show
// the same ones look together.
func (p *Page) ticked(r *http.Request) time.Time {
	p.looking.Lock()
	defer p.looking.Unlock()
	now, begin := time.Now(), r.URL.Query().Get("name")
	if l, ok := p.looks[begin]; ok && now.Sub(l.at) < lookEvery/2 {
		return l.newest
	}
	l := look{at: now}
	shown, _ := p.shown(r)
	for _, a := range shown {
		if at := a.Status().Ticked; at.After(l.newest) {
			l.newest = at
		}
	}
	if p.looks == nil || len(p.looks) >= maxLooks {
		p.looks = make(map[string]look)
	}
	p.looks[begin] = l
	return l.newest
}

//go:embed style.css live.js
var assets embed.FS

func serveAsset(w http.ResponseWriter, r *http.Request, _ string) {
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, assets, path.Base(r.URL.Path))
}
