// Package flytest is a fake of the parts of Fly's Machines API that start, stop and create
// machines, in the manner of net/http/httptest.
//
//	s := flytest.NewServer()
//	defer s.Close()
//	s.Add(flytest.Machine{Group: "web", State: "started"})
//	client := fly.NewClient(flytest.Token, &platform.Options{BaseURL: s.URL})
//	scaler := client.Scaler(flytest.App, "web")
//
// It serves these, for one app:
//
//	GET  /v1/apps/{app}/machines
//	POST /v1/apps/{app}/machines
//	POST /v1/apps/{app}/machines/{id}/{start,stop,cordon,uncordon}
//
// The objects have the properties of Fly's published documentation and of fly-go. Inject,
// of the embedded Server, makes chosen requests fail.
package flytest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform/platformtest"
)

const (
	// Token is the token that a Server accepts. It only looks like a real one.
	Token = "FlyV1 fm2_flytest0not0a0secret"

	// App is the name of a Server's app.
	App = "quiet-river"
)

// A Server is a fake of Fly's Machines API. It is safe for concurrent use.
type Server struct {
	*platformtest.Server
	mu       sync.Mutex
	machines []*Machine
	next     int
	most     int
}

// A Machine is a machine of a Server's app.
type Machine struct {
	ID, Name string         // Default to a new one
	Group    string         // fly_process_group
	State    string         // Defaults to "started"
	Region   string         // Defaults to "ams"
	Host     string         // Defaults to "ok". With any other value the config is hidden
	Release  int            // fly_release_version. Defaults to 1
	Config   map[string]any // besides the metadata and the image
	Checks   []string       // the status of each check
	Updated  time.Time      // Defaults to an hour ago
	Cordoned bool
}

// NewServer returns a Server that listens on the loopback interface. The caller should
// call Close when finished.
func NewServer() *Server {
	s := &Server{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/apps/"+App+"/machines", s.with(s.list))
	mux.HandleFunc("POST /v1/apps/"+App+"/machines", s.with(s.create))
	mux.HandleFunc("POST /v1/apps/"+App+"/machines/{id}/{verb}", s.with(s.act))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "app not found") })
	s.Server = platformtest.NewServer(mux, nil)
	return s
}

// Add adds a machine, and returns its id.
func (s *Server) Add(m Machine) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.add(m).ID
}

func (s *Server) add(m Machine) *Machine {
	s.next++
	if m.ID == "" {
		m.ID = fmt.Sprintf("e28650%04d", s.next)
	}
	if m.Name == "" {
		m.Name = fmt.Sprintf("aged-wind-%d", s.next)
	}
	if m.State == "" {
		m.State = "started"
	}
	if m.Region == "" {
		m.Region = "ams"
	}
	if m.Host == "" {
		m.Host = "ok"
	}
	if m.Release == 0 {
		m.Release = 1
	}
	if m.Updated.IsZero() {
		m.Updated = time.Now().Add(-time.Hour)
	}
	m.Config = maps.Clone(m.Config)
	s.machines = append(s.machines, &m)
	return &m
}

// SetLimit makes the Server refuse to create more than most machines. 0: any number.
func (s *Server) SetLimit(most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = most
}

// Machines returns the machines, in the order in which they were made.
func (s *Server) Machines() []Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Machine, len(s.machines))
	for i, m := range s.machines {
		out[i] = *m
		out[i].Config = maps.Clone(m.Config)
	}
	return out
}

// Change changes each machine by means other than the API. If f returns false, the
// machine is removed.
func (s *Server) Change(f func(*Machine) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []*Machine
	for _, m := range s.machines {
		if f(m) {
			left = append(left, m)
		}
	}
	s.machines = left
}

func (s *Server) with(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != Token {
			refuse(w, http.StatusUnauthorized, "unauthorized")
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		h(w, r)
	}
}

func (s *Server) list(w http.ResponseWriter, _ *http.Request) {
	out := []map[string]any{}
	for _, m := range s.machines {
		out = append(out, m.wire())
	}
	answer(w, out)
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Name, Region string
		Config       map[string]any
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Config["image"] == nil {
		refuse(w, http.StatusBadRequest, "invalid_argument: config.image is required")
		return
	}
	if s.most > 0 && len(s.machines) >= s.most {
		refuse(w, http.StatusUnprocessableEntity, "Your organization has reached its machine limit. Please contact billing@fly.io")
		return
	}
	for _, m := range s.machines {
		if m.Name == in.Name {
			refuse(w, http.StatusConflict, fmt.Sprintf("already_exists: unique machine name violation, machine ID %s already exists with name %q", m.ID, m.Name))
			return
		}
	}
	meta, _ := in.Config["metadata"].(map[string]any)
	group, _ := meta["fly_process_group"].(string)
	release := 0
	fmt.Sscan(fmt.Sprint(meta["fly_release_version"]), &release)
	answer(w, s.add(Machine{Name: in.Name, Region: in.Region, Group: group, Release: release, Config: in.Config, Updated: time.Now()}).wire())
}

func (s *Server) act(w http.ResponseWriter, r *http.Request) {
	for _, m := range s.machines {
		if m.ID != r.PathValue("id") {
			continue
		}
		done := map[string]any{"ok": true}
		switch r.PathValue("verb") {
		case "start":
			if m.State == "stopping" {
				refuse(w, http.StatusPreconditionFailed, "failed_precondition: machine still active")
				return
			}
			done = map[string]any{"previous_state": m.State}
			m.State = "started"
		case "stop":
			m.State = "stopped"
		case "cordon":
			m.Cordoned = true
		case "uncordon":
			m.Cordoned = false
		default:
			refuse(w, http.StatusNotFound, "not found")
			return
		}
		m.Updated = time.Now()
		answer(w, done)
		return
	}
	refuse(w, http.StatusNotFound, "machine not found")
}

func (m *Machine) wire() map[string]any {
	config := maps.Clone(m.Config)
	if config == nil {
		config = map[string]any{}
	}
	if config["image"] == nil {
		config["image"] = "registry.fly.io/quiet-river:deployment-1"
	}
	if config["metadata"] == nil {
		config["metadata"] = map[string]any{"fly_process_group": m.Group, "fly_platform_version": "v2", "fly_release_version": fmt.Sprint(m.Release)}
	}
	checks := []map[string]any{}
	for i, status := range m.Checks {
		checks = append(checks, map[string]any{"name": fmt.Sprintf("servicecheck-%d", i), "status": status})
	}
	w := map[string]any{
		"id": m.ID, "name": m.Name, "state": m.State, "region": m.Region, "host_status": m.Host,
		"created_at": m.Updated.UTC().Format(time.RFC3339), "updated_at": m.Updated.UTC().Format(time.RFC3339), "checks": checks,
		"image_ref": map[string]any{"registry": "registry.fly.io", "repository": "quiet-river", "tag": "deployment-1", "digest": "sha256:597c"},
		"events":    []map[string]any{{"type": "launch", "status": "created", "source": "user", "timestamp": m.Updated.UnixMilli()}},
	}
	if m.Host == "ok" {
		w["config"] = config
	} else {
		w["incomplete_config"] = map[string]any{"metadata": config["metadata"]}
	}
	return w
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client may leave before the end
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Fly-Request-Id", "01FLYTEST")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}
