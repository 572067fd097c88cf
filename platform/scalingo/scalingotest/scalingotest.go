// Package scalingotest is a fake of the parts of Scalingo's API that scale an app, in the
// manner of net/http/httptest.
//
//	s := scalingotest.NewServer()
//	defer s.Close()
//	s.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 1}})
//	client := scalingo.NewClient(scalingotest.Token, &platform.Options{BaseURL: s.URL})
//
// It serves these:
//
//	POST /v1/tokens/exchange, of auth.scalingo.com
//	GET  /v1/apps/{app}/containers
//	GET  /v1/apps/{app}/ps
//	GET  /v1/apps/{app}/autoscalers
//	POST /v1/apps/{app}/scale
//	GET  /v1/apps/{app}/operations/{id}, where a scale points to
//
// The objects have the fields of Scalingo's own Go client. The texts of the refusals are
// guesses. Inject, of the embedded Server, makes chosen requests fail.
package scalingotest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Token is the API token that a Server accepts. It only looks like a real one.
const Token = "tk-us-scalingotest0not0a0secret"

// A Server is a fake of Scalingo's API. It is safe for concurrent use.
type Server struct {
	*platformtest.Server
	mu     sync.Mutex
	apps   map[string]*state
	tokens int    // how many bearer tokens were issued
	bearer string // the last one issued
}

// An App is an app on Scalingo.
type App struct {
	Name       string
	Containers map[string]int // how many containers each process type has
	Autoscaled []string       // the process types whose autoscaler is on
	Disabled   []string       // the process types whose autoscaler is disabled
	Limit      int            // the most containers that a process type may have. Defaults to 10
	Busy       bool           // an operation is in progress, such as a deployment
	Boot       time.Duration  // how long an added container takes to start
}

type state struct {
	App
	started map[string][]time.Time // when each container runs
}

// NewServer returns a Server that listens on the loopback interface. The caller should
// call Close when finished.
func NewServer() *Server {
	s := &Server{apps: make(map[string]*state)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/tokens/exchange", s.exchange)
	mux.HandleFunc("GET /v1/apps/{app}/containers", s.with(s.containers))
	mux.HandleFunc("GET /v1/apps/{app}/ps", s.with(s.ps))
	mux.HandleFunc("GET /v1/apps/{app}/autoscalers", s.with(s.autoscalers))
	mux.HandleFunc("POST /v1/apps/{app}/scale", s.with(s.scale))
	mux.HandleFunc("GET /v1/apps/{app}/operations/{id}", s.with(s.operation))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		send(w, http.StatusNotFound, map[string]string{"error": "not found"})
	})
	s.Server = platformtest.NewServer(mux, nil)
	return s
}

// AddApp adds an app.
func (s *Server) AddApp(a App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Limit == 0 {
		a.Limit = 10
	}
	a.Containers = maps.Clone(a.Containers)
	st := &state{App: a, started: make(map[string][]time.Time)}
	for typ, n := range a.Containers {
		st.resize(typ, n, time.Now())
	}
	s.apps[a.Name] = st
}

// Change changes an app without the API. It panics if the app does not exist.
func (s *Server) Change(app string, f func(a *App)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.apps[app]
	if st == nil {
		panic("scalingotest: there is no app " + app)
	}
	f(&st.App)
	for typ, n := range st.Containers {
		st.resize(typ, n, time.Now())
	}
}

// Amount returns how many containers of a process type were ordered.
func (s *Server) Amount(app, typ string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apps[app].Containers[typ]
}

// Revoke makes the last bearer token that was issued invalid.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bearer = ""
}

// Bearer returns the last bearer token that was issued, if it is not revoked.
func (s *Server) Bearer() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bearer
}

func (st *state) resize(typ string, n int, now time.Time) {
	for len(st.started[typ]) < n {
		st.started[typ] = append(st.started[typ], now.Add(st.Boot))
	}
	st.started[typ] = st.started[typ][:n]
	st.Containers[typ] = n
}

func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	user, token, ok := r.BasicAuth()
	if !ok || user != "" || token != Token {
		send(w, http.StatusUnauthorized, map[string]string{"error": "invalid token"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens++
	s.bearer = fmt.Sprintf("eyJhbGciOiJub25lIn0.%04d.scalingotest", s.tokens)
	send(w, http.StatusOK, map[string]string{"token": s.bearer})
}

func (s *Server) with(h func(http.ResponseWriter, *http.Request, *state)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		st := s.apps[r.PathValue("app")]
		switch {
		case s.bearer == "" || r.Header.Get("Authorization") != "Bearer "+s.bearer:
			send(w, http.StatusUnauthorized, map[string]string{"error": "unauthorized"})
		case st == nil:
			send(w, http.StatusNotFound, map[string]string{"resource": "app", "error": "not found"})
		default:
			h(w, r, st)
		}
	}
}

func (st *state) formation() map[string]any {
	list := []map[string]any{}
	for _, typ := range slices.Sorted(maps.Keys(st.Containers)) {
		list = append(list, map[string]any{"name": typ, "amount": st.Containers[typ], "command": "bin/" + typ, "size": "M", "app_id": "app-" + st.Name})
	}
	return map[string]any{"containers": list}
}

var size = map[string]any{"id": "size-m", "name": "M", "human_name": "Medium", "human_cpu": "High", "memory": 536870912, "swap": 0, "ordinal": 2}

func (s *Server) containers(w http.ResponseWriter, _ *http.Request, st *state) {
	send(w, http.StatusOK, st.formation())
}

func (s *Server) ps(w http.ResponseWriter, _ *http.Request, st *state) {
	list := []map[string]any{}
	for _, typ := range slices.Sorted(maps.Keys(st.started)) {
		for i, at := range st.started[typ] {
			state := "starting"
			if !time.Now().Before(at) {
				state = "running"
			}
			list = append(list, map[string]any{
				"id": fmt.Sprintf("ct-%s-%d", typ, i+1), "app_id": "app-" + st.Name, "created_at": at.UTC().Format(time.RFC3339Nano), "deleted_at": nil, "app": nil,
				"command": "bin/" + typ, "type": typ, "type_index": i + 1, "label": fmt.Sprintf("%s-%d", typ, i+1), "state": state, "container_size": size,
			})
		}
	}
	send(w, http.StatusOK, map[string]any{"containers": list})
}

func (s *Server) autoscalers(w http.ResponseWriter, _ *http.Request, st *state) {
	list := []map[string]any{}
	add := func(types []string, disabled bool) {
		for _, typ := range types {
			list = append(list, map[string]any{
				"id": "au-" + typ, "app_id": "app-" + st.Name, "container_type": typ, "metric": "cpu", "target": 0.75,
				"min_containers": 2, "max_containers": 5, "disabled": disabled,
			})
		}
	}
	add(st.Autoscaled, false)
	add(st.Disabled, true)
	send(w, http.StatusOK, map[string]any{"autoscalers": list})
}

func (s *Server) scale(w http.ResponseWriter, r *http.Request, st *state) {
	var body struct {
		Containers []struct {
			Name   string `json:"name"`
			Amount *int   `json:"amount"`
		} `json:"containers"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Containers) == 0 {
		send(w, http.StatusBadRequest, map[string]string{"error": "containers are missing"})
		return
	}
	if st.Busy {
		send(w, http.StatusConflict, map[string]string{"error": "an operation is already in progress for this app"})
		return
	}
	for _, c := range body.Containers {
		now, known := st.Containers[c.Name]
		switch {
		case !known:
			send(w, http.StatusNotFound, map[string]string{"resource": "container_type", "error": "not found"})
			return
		case c.Amount == nil || *c.Amount < 0:
			send(w, http.StatusUnprocessableEntity, map[string]any{"errors": map[string][]string{"amount": {"is not a number"}}})
			return
		case *c.Amount > st.Limit && *c.Amount > now:
			send(w, http.StatusUnprocessableEntity, map[string]any{"errors": map[string][]string{"amount": {fmt.Sprintf("is above the maximum of %d", st.Limit)}}})
			return
		}
	}
	for _, c := range body.Containers {
		st.resize(c.Name, *c.Amount, time.Now())
	}
	w.Header().Set("Location", strings.TrimSuffix(s.URL, "/")+"/v1/apps/"+st.Name+"/operations/op-scalingotest")
	send(w, http.StatusAccepted, st.formation())
}

func (s *Server) operation(w http.ResponseWriter, r *http.Request, st *state) {
	now := time.Now().UTC().Format(time.RFC3339Nano)
	send(w, http.StatusOK, map[string]any{"operation": map[string]any{
		"id": r.PathValue("id"), "app_id": "app-" + st.Name, "created_at": now, "finished_at": now, "status": "done", "type": "scale", "error": "",
	}})
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // into memory
}
