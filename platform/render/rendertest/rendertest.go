// Package rendertest is a fake of the parts of Render's API that scale a service, in the
// manner of net/http/httptest.
//
//	s := rendertest.NewServer()
//	defer s.Close()
//	web := s.AddService(rendertest.Service{Instances: 1})
//	client := render.NewClient(rendertest.Key, &platform.Options{BaseURL: s.URL})
//
// It serves these:
//
//	GET  /services/{id}
//	GET  /services/{id}/instances
//	POST /services/{id}/scale
//
// The objects have the properties in Render's published schema. The texts of the refusals
// are guesses. Inject, of the embedded Server, makes chosen requests fail.
package rendertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Key is the API key that a Server accepts. It only looks like a real one.
const Key = "rnd_rendertest0not0a0secret"

// A Server is a fake of Render's API. It is safe for concurrent use.
type Server struct {
	*platformtest.Server
	mu       sync.Mutex
	services map[string]*state
	next     int
}

// A Service is a service that runs on Render.
type Service struct {
	ID             string        // Defaults to one of the form srv-…
	Type           string        // Defaults to "web_service"
	Plan           string        // Defaults to "standard"
	Instances      int           // numInstances
	Disk           bool          // has a persistent disk
	Autoscaling    bool          // Render's own autoscaling is on
	Maintenance    bool          // is in maintenance mode
	Suspended      bool          // is suspended
	Start          time.Duration // for how long an added instance is missing from the list
	RefuseAboveOne bool          // refuse an order above 1 with a 400, as Render may for a reason of its own
}

type state struct {
	Service
	updated time.Time
	started []time.Time // when each instance appears in the list
}

// NewServer returns a Server that listens on the loopback interface. The caller should
// call Close when finished.
func NewServer() *Server {
	s := &Server{services: make(map[string]*state)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services/{id}", s.with(s.get))
	mux.HandleFunc("GET /services/{id}/instances", s.with(s.instances))
	mux.HandleFunc("POST /services/{id}/scale", s.with(s.scale))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "not_found", "not found") })
	s.Server = platformtest.NewServer(mux, nil)
	return s
}

// AddService adds a service, and returns its id.
func (s *Server) AddService(v Service) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	if v.ID == "" {
		v.ID = fmt.Sprintf("srv-rendertest%04d", s.next)
	}
	if v.Type == "" {
		v.Type = "web_service"
	}
	if v.Plan == "" {
		v.Plan = "standard"
	}
	st := &state{Service: v, updated: time.Now()}
	st.resize(v.Instances, time.Now())
	s.services[v.ID] = st
	return v.ID
}

// Change changes a service without the API. f may change everything but
// the id. Change panics if the service does not exist.
func (s *Server) Change(id string, f func(v *Service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.services[id]
	if st == nil {
		panic("rendertest: there is no service " + id)
	}
	f(&st.Service)
	st.resize(st.Instances, time.Now())
	st.updated = time.Now()
}

// Instances returns how many instances of a service were ordered.
func (s *Server) Instances(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.services[id].Instances
}

func (st *state) resize(n int, now time.Time) {
	for len(st.started) < n {
		st.started = append(st.started, now.Add(st.Start))
	}
	st.started = st.started[:n]
	st.Instances = n
}

func (s *Server) with(h func(http.ResponseWriter, *http.Request, *state)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		st := s.services[r.PathValue("id")]
		switch {
		case r.Header.Get("Authorization") != "Bearer "+Key:
			refuse(w, http.StatusUnauthorized, "unauthorized", "unauthorized")
		case st == nil:
			refuse(w, http.StatusNotFound, "not_found", "not found: "+r.PathValue("id"))
		default:
			h(w, r, st)
		}
	}
}

func (s *Server) get(w http.ResponseWriter, _ *http.Request, st *state) {
	details := map[string]any{
		"buildPlan": "starter", "env": "go", "envSpecificDetails": map[string]string{"buildCommand": "go build", "startCommand": "./app"},
		"numInstances": st.Instances, "plan": st.Plan, "region": "oregon", "runtime": "go",
		"autoscaling": map[string]any{
			"enabled": st.Autoscaling, "min": 1, "max": 5,
			"criteria": map[string]any{"cpu": map[string]any{"enabled": true, "percentage": 70}, "memory": map[string]any{"enabled": false, "percentage": 70}},
		},
	}
	if st.Disk {
		details["disk"] = map[string]any{"id": "dsk-rendertest", "mountPath": "/data", "name": "data", "sizeGB": 1}
	}
	if st.Type != "background_worker" {
		details["openPorts"], details["url"] = []any{}, "https://"+st.ID+".onrender.com"
	}
	if st.Type == "web_service" {
		details["healthCheckPath"] = "/"
		details["maintenanceMode"] = map[string]any{"enabled": st.Maintenance, "uri": ""}
	}
	suspended, suspenders := "not_suspended", []string{}
	if st.Suspended {
		suspended, suspenders = "suspended", []string{"user"}
	}
	send(w, http.StatusOK, map[string]any{
		"autoDeploy": "yes", "createdAt": st.updated.UTC().Format(time.RFC3339Nano), "dashboardUrl": "https://dashboard.render.com/web/" + st.ID,
		"id": st.ID, "name": strings.TrimPrefix(st.ID, "srv-"), "notifyOnFail": "default", "ownerId": "tea-rendertest", "rootDir": "", "slug": strings.TrimPrefix(st.ID, "srv-"),
		"serviceDetails": details, "suspended": suspended, "suspenders": suspenders, "type": st.Type, "updatedAt": st.updated.UTC().Format(time.RFC3339Nano),
	})
}

func (s *Server) instances(w http.ResponseWriter, _ *http.Request, st *state) {
	list := []map[string]string{}
	for i, at := range st.started {
		if !time.Now().Before(at) {
			list = append(list, map[string]string{"id": fmt.Sprintf("%s-%05d", st.ID, i), "createdAt": at.UTC().Format(time.RFC3339Nano)})
		}
	}
	send(w, http.StatusOK, list)
}

func (s *Server) scale(w http.ResponseWriter, r *http.Request, st *state) {
	var body struct {
		NumInstances *int `json:"numInstances"`
	}
	switch err := json.NewDecoder(r.Body).Decode(&body); {
	case err != nil || body.NumInstances == nil:
		refuse(w, http.StatusBadRequest, "bad_request", "numInstances is required")
	case *body.NumInstances < 1 || *body.NumInstances > 100:
		refuse(w, http.StatusBadRequest, "bad_request", "numInstances must be between 1 and 100")
	case *body.NumInstances > 1 && (st.Disk || st.Plan == "free" || st.RefuseAboveOne):
		refuse(w, http.StatusBadRequest, "bad_request", "the service cannot have more than 1 instance")
	default:
		if !st.Autoscaling { // Render ignores the number while its own autoscaling is on
			st.resize(*body.NumInstances, time.Now())
			st.updated = time.Now()
		}
		w.WriteHeader(http.StatusAccepted)
	}
}

func refuse(w http.ResponseWriter, status int, id, message string) {
	send(w, status, map[string]string{"id": id, "message": message})
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // into memory
}
