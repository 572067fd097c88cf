// Package status is a page that shows what an Autoscaler does and why, and lets people
// pause it. It works without JavaScript, under any prefix and behind any middleware:
//
//	mux.Handle("/autoscale/", status.Handler(a, &status.Options{Token: os.Getenv("AUTOSCALE_TOKEN")}))
//
// Every process shows everything. A process that does not lead gets the leader's state
// from the [autoscale.Store], and shows how old it is. Without a Store a process shows
// only what it knows itself, and says so.
//
// # What is served
//
// All paths are relative to where the page is mounted.
//
//	GET  ./             the page
//	GET  ./status.json  the same for programs; see [Document]
//	GET  ./size.json    the size to run, for an autoscaler that orders it; see [PublishedSize]
//	GET  ./events       server-sent events: "tick" after each tick, for the page's script. It
//	                    is 501 if the middleware around it cannot flush; the script then asks
//	                    every five seconds
//	GET  ./style.css, ./live.js
//	POST ./control      pauses, resumes or overrides, if Options.Control is set
//
// An answer shows at most 100 process types, and says how many it leaves out. On the
// page, status.json and events, the query ?name=shop/ selects the process types whose
// names begin with shop/. Members of a Group appear when they are added, and vanish when
// they are removed.
//
// The form that is sent to control has the fields name (the process type), action (pause,
// resume or override), for (a duration, as 2h), until (RFC 3339) and size.
//
// # Security
//
// The page refuses to serve unless Options has a Token, Users, or Public. It has no
// inline script and no inline style, and loads nothing from elsewhere. Its
// Content-Security-Policy forbids both, and forbids frames. A request to control must be
// a POST of the same origin.
package status

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/published"
)

// A Source is what a page shows: an [autoscale.Autoscaler] or an [autoscale.Group].
type Source interface {
	Members() []*autoscale.Autoscaler
}

// Options are the options of a [Handler]. One of Token, Users and Public is required.
type Options struct {
	// Token is a secret that admits a request, as "Authorization: Bearer TOKEN". A
	// browser asks for a name and a password. The password is the Token, and the name is
	// any name of the person. At least 16 bytes.
	Token string

	// Users lets people in by name and password (RFC 7617). Serve the page by HTTPS.
	Users map[string]string

	// Public lets everybody in. Use it if your mux authenticates requests itself.
	Public bool

	// Control permits everybody who may see the page to pause, resume and override.
	Control bool

	// Actor returns the name of the person who sent a request, for a mux that
	// authenticates requests itself. Nil, or "": the name of the basic authentication, or
	// "the status page".
	Actor func(*http.Request) string

	// StaleAfter is how long the size in size.json counts after the last tick. After that
	// it is not known. Defaults to five minutes.
	StaleAfter time.Duration

	// Title is the title of the page. Defaults to "autoscale".
	Title string

	// Logger gets a fault of the Options, and controls that failed. Nil: slog.Default().
	Logger *slog.Logger
}

// leastToken is the least length of a token, in bytes.
const leastToken = 16

func (o *Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Token == "" && len(o.Users) == 0 && !o.Public {
		bad("set Options.Token or Options.Users, or Options.Public if everybody may see it")
	}
	if o.Token != "" && len(o.Token) < leastToken {
		bad("Options.Token has %d bytes: give %d or more", len(o.Token), leastToken)
	}
	for name, password := range o.Users {
		if name == "" || password == "" || strings.Contains(name, ":") {
			bad("Options.Users has a name that is empty or has a colon, or an empty password")
			break
		}
	}
	if o.StaleAfter < 0 {
		bad("Options.StaleAfter is %v: it must be positive, or 0 for %v", o.StaleAfter, published.StaleAfter)
	}
	return errors.Join(errs...)
}

// A Page is an [http.Handler]. Make one with [Handler]. It is safe for concurrent use.
type Page struct {
	source Source
	opts   Options
	fault  error
	origin *http.CrossOriginProtection

	streams chan struct{} // holds a token for each open stream
	closed  chan struct{}
	close   sync.Once

	looking sync.Mutex      // guards the fields below
	looks   map[string]look // what the streams saw last, by the name that they show

	mu    sync.Mutex
	pasts map[*autoscale.Autoscaler]*cached
}

// Handler returns a page that shows source. It does no I/O and never fails. If o is bad, the
// page answers 503 and says what is wrong, but no secret, and the log says so too. Later
// changes of *o have no effect.
func Handler(source Source, o *Options) *Page {
	p := &Page{
		source: source, streams: make(chan struct{}, maxStreams), closed: make(chan struct{}),
		origin: http.NewCrossOriginProtection(), pasts: make(map[*autoscale.Autoscaler]*cached),
	}
	if o != nil {
		p.opts = *o
		p.opts.Users = maps.Clone(o.Users)
	}
	p.opts.Title = cmp.Or(p.opts.Title, "autoscale")
	if p.opts.Logger == nil {
		p.opts.Logger = slog.Default()
	}
	p.fault = p.opts.validate()
	if source == nil {
		p.fault = errors.Join(p.fault, errors.New("the source is nil: give an Autoscaler or a Group"))
	}
	if p.fault != nil {
		p.fault = fmt.Errorf("status: the page is not served: %w", p.fault)
		p.opts.Logger.Error(p.fault.Error())
	}
	p.opts.StaleAfter = cmp.Or(p.opts.StaleAfter, published.StaleAfter)
	return p
}

// Close ends the open streams, for which [http.Server.Shutdown] would wait. Register it
// with [http.Server.RegisterOnShutdown]. It returns nil.
func (p *Page) Close() error {
	p.close.Do(func() { close(p.closed) })
	return nil
}

// ServeHTTP serves the page and what belongs to it.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// With no-referrer a browser would send "Origin: null" with a form, and without HTTPS
	// nothing else tells where the form comes from.
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Content-Security-Policy", policy)
	if p.fault != nil {
		http.Error(w, p.fault.Error(), http.StatusServiceUnavailable)
		return
	}
	who, ok := p.admit(r)
	if !ok {
		h.Set("WWW-Authenticate", `Basic realm="autoscale", charset="UTF-8"`)
		http.Error(w, "status: send the token as a bearer token or as the password", http.StatusUnauthorized)
		return
	}
	where := r.URL.Path
	bare := where == "" // StripPrefix left nothing
	if u, err := url.ParseRequestURI(r.RequestURI); bare && err == nil {
		where = u.Path
	}
	// A ServeMux says where the page is mounted. Without it any name may be the place.
	bare = bare || r.Pattern == "" || strings.HasSuffix(r.Pattern, where)
	name := "."
	if !strings.HasSuffix(where, "/") {
		name = path.Base(where)
	}
	serve, method := p.route(name)
	switch {
	case serve == nil && (!bare || strings.Contains(name, ".")):
		http.NotFound(w, r)
	case serve == nil: // mounted without its slash, so that relative links would not work
		// Without "./" and the escapes, "https:1" or "\\1" would lead to another host.
		h.Set("Location", "./"+url.PathEscape(name)+"/")
		w.WriteHeader(http.StatusSeeOther)
	case r.Method != method && (r.Method != http.MethodHead || method != http.MethodGet):
		h.Set("Allow", method)
		http.Error(w, "status: use "+method, http.StatusMethodNotAllowed)
	default:
		serve(w, r, who)
	}
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// route returns what serves a name, and the method that it takes. Nil: nothing does.
func (p *Page) route(name string) (serve func(http.ResponseWriter, *http.Request, string), method string) {
	switch name {
	case ".":
		return p.servePage, http.MethodGet
	case "status.json":
		return p.serveJSON, http.MethodGet
	case "size.json":
		return p.serveSize, http.MethodGet
	case "events":
		return p.serveEvents, http.MethodGet
	case "style.css", "live.js":
		return serveAsset, http.MethodGet
	case "control":
		return p.serveControl, http.MethodPost
	}
	return nil, ""
}
