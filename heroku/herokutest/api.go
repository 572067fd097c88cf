package herokutest

import (
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/fake"
)

// routes registers the handlers. Each handler runs with s.mu held, writes to an answer in
// memory, and never sees a request that is not authorized.
func (s *Server) routes() {
	s.mux.HandleFunc("GET /account", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.account)
	})
	s.mux.HandleFunc("GET /account/rate-limits", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, wireRateLimit{s.bucket.remaining()})
	})
	s.mux.HandleFunc("GET /dyno-sizes", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, dynoSizes())
	})
	s.mux.HandleFunc("GET /apps", s.listApps)
	s.mux.HandleFunc("GET /apps/{app}", s.withApp(s.getApp))
	s.mux.HandleFunc("PATCH /apps/{app}", s.withApp(s.patchApp))
	s.mux.HandleFunc("GET /apps/{app}/dynos", s.withApp(s.listDynos))
	s.mux.HandleFunc("GET /apps/{app}/dynos/{dyno}", s.withApp(s.getDyno))
	s.mux.HandleFunc("GET /apps/{app}/formation", s.withApp(s.listFormation))
	s.mux.HandleFunc("PATCH /apps/{app}/formation", s.withApp(s.patchFormation))
	s.mux.HandleFunc("GET /apps/{app}/formation/{type}", s.withApp(s.getProcess))
	s.mux.HandleFunc("PATCH /apps/{app}/formation/{type}", s.withApp(s.patchProcess))
	s.mux.HandleFunc("GET /apps/{app}/formation/{type}/monitors", s.withApp(s.listMonitors))
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { writeError(w, noEndpoint()) })
}

func noEndpoint() *wireError {
	return &wireError{
		status: http.StatusNotFound, ID: "not_found",
		Message: "The requested API endpoint was not found. Are you using the right HTTP verb (i.e. `GET` vs. `POST`), and did you specify your intended version with the `Accept` header?",
	}
}

// answer carries r out.
func (s *Server) answer(r *http.Request, rec *Request) *fake.Answer {
	a := fake.NewAnswer()
	func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.carryOut(a, r.WithContext(withRecord(r.Context(), rec)))
	}()
	s.tell()
	if a.Status == http.StatusOK {
		tag := etag(a.Body.Bytes())
		a.Header().Set("ETag", tag)
		if r.Method == http.MethodGet && slices.Contains(r.Header.Values("If-None-Match"), tag) {
			a.Status = http.StatusNotModified
			a.Body.Reset()
			a.Header().Del("Content-Type")
		}
	}
	return a
}

// carryOut checks, in the order of the real API, the version, the credentials and
// the rate limit, and then hands r to its handler.
func (s *Server) carryOut(w http.ResponseWriter, r *http.Request) {
	if e := negotiate(r); e != nil {
		writeError(w, e)
		return
	}
	scopes, e := s.scopes(r)
	if e != nil {
		writeError(w, e)
		return
	}
	w.Header().Set("Oauth-Scope", strings.Join(scopes, " "))
	s.bucket.refill(time.Now())
	free := r.URL.Path == "/account/rate-limits"
	allowed := free || s.bucket.take()
	w.Header().Set("RateLimit-Remaining", strconv.Itoa(s.bucket.remaining()))
	switch {
	case !allowed:
		writeError(w, &wireError{
			status: http.StatusTooManyRequests, ID: "rate_limit",
			Message: "Your account reached the API rate limit\nPlease wait a few minutes before making new requests",
			URL:     "https://devcenter.heroku.com/articles/platform-api-reference#rate-limits",
		})
	case !permits(scopes, r):
		writeError(w, &wireError{
			status: http.StatusForbidden, ID: "forbidden",
			Message: "The scope of your authorization does not allow this request.",
		})
	case path.Clean(r.URL.Path) != r.URL.Path:
		writeError(w, noEndpoint()) // the mux would redirect it
	default:
		s.mux.ServeHTTP(w, r)
	}
}

func (s *Server) withApp(h func(http.ResponseWriter, *http.Request, *App)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a := s.find(r.PathValue("app"))
		if a == nil {
			writeError(w, &wireError{
				status: http.StatusNotFound, Resource: "app", ID: "not_found",
				Message: "Couldn't find that app.",
			})
			return
		}
		h(w, r, a)
	}
}

func (s *Server) listApps(w http.ResponseWriter, _ *http.Request) {
	out := make([]wireApp, len(s.apps))
	for i, a := range s.apps {
		out[i] = s.wireApp(a)
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) getApp(w http.ResponseWriter, _ *http.Request, a *App) {
	writeJSON(w, http.StatusOK, s.wireApp(a))
}

func (s *Server) patchApp(w http.ResponseWriter, r *http.Request, a *App) {
	var body struct {
		Maintenance *bool `json:"maintenance"`
	}
	if e := decode(r, &body); e != nil {
		writeError(w, e)
		return
	}
	if body.Maintenance != nil {
		a.setMaintenance(*body.Maintenance, time.Now())
	}
	writeJSON(w, http.StatusOK, s.wireApp(a))
}

func (s *Server) listDynos(w http.ResponseWriter, _ *http.Request, a *App) {
	now := time.Now()
	out := []wireDyno{}
	for _, p := range a.processes {
		for i := range p.dynos {
			out = append(out, a.wireDyno(p, i, now))
		}
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) getDyno(w http.ResponseWriter, r *http.Request, a *App) {
	now := time.Now()
	for _, p := range a.processes {
		for i := range p.dynos {
			if d := a.wireDyno(p, i, now); d.Name == r.PathValue("dyno") || d.ID == r.PathValue("dyno") {
				writeJSON(w, http.StatusOK, d)
				return
			}
		}
	}
	writeError(w, &wireError{
		status: http.StatusNotFound, Resource: "dyno", ID: "not_found",
		Message: "Couldn't find that dyno.",
	})
}

func (s *Server) listMonitors(w http.ResponseWriter, r *http.Request, a *App) {
	p := a.process(r.PathValue("type"))
	if p == nil {
		writeError(w, noProcess(r.PathValue("type")))
		return
	}
	out := p.monitors
	if out == nil {
		out = []Monitor{}
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) wireApp(a *App) wireApp {
	stack := wireRef{ID: "01b2c3d4-0024-4000-8000-000000000024", Name: "heroku-24"}
	w := wireApp{
		BuildStack:  stack,
		CreatedAt:   wireTime{a.created},
		GitURL:      "https://git.heroku.com/" + a.name + ".git",
		ID:          a.id,
		Maintenance: a.maintenance,
		Name:        a.name,
		Owner:       wireOwner{Email: s.account.Email, ID: s.account.ID},
		Region:      wireRef{ID: "59accabd-516d-4f0e-83e6-6e3757701145", Name: "us"},
		Stack:       stack,
		UpdatedAt:   wireTime{a.updated},
		WebURL:      a.webURL,
	}
	if len(a.processes) > 0 {
		w.ReleasedAt = &wireTime{a.created}
	}
	return w
}

func (a *App) wireFormation(p *process) wireFormation {
	return wireFormation{
		App:       wireRef{ID: a.id, Name: a.name},
		Command:   p.command,
		CreatedAt: wireTime{p.created},
		ID:        p.id,
		Quantity:  len(p.dynos),
		Size:      p.size,
		Type:      p.typ,
		UpdatedAt: wireTime{p.updated},
	}
}

func (a *App) wireDyno(p *process, i int, now time.Time) wireDyno {
	d := a.view(p, i, now)
	return wireDyno{
		App:       wireRef{ID: a.id, Name: a.name},
		Command:   p.command,
		CreatedAt: wireTime{d.Created},
		ID:        d.ID,
		Name:      d.Name,
		Release:   wireRelease{ID: a.releaseID, Version: 1},
		Size:      d.Size,
		State:     d.State,
		Type:      d.Type,
		UpdatedAt: wireTime{d.Updated},
	}
}
