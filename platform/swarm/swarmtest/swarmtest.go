// Package swarmtest is a fake of the parts of the Docker Engine API that scale a service of
// a swarm, in the manner of net/http/httptest.
//
//	s := swarmtest.NewServer()
//	defer s.Close()
//	s.AddService(swarmtest.Service{Name: "web", Replicas: 2})
//	client := swarm.NewClient("", &platform.Options{BaseURL: s.URL})
//
// It serves these, with and without the version of the API:
//
//	POST   /services/create
//	GET    /services/{id}
//	POST   /services/{id}/update
//	DELETE /services/{id}
//	GET    /tasks
//
// It behaves like a Docker daemon: it keeps the fields of a spec that it does not know, it
// replaces tasks only if their template changes, and it removes the tasks with the highest
// slots. The same tests are run against it and against a real daemon. Inject, of the
// embedded Server, makes chosen requests fail.
package swarmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// A Server is a fake of a manager of a swarm that has one node. It is safe for concurrent
// use.
type Server struct {
	*platformtest.Server
	mu       sync.Mutex
	services map[string]*state // by name
	next     int
	index    uint64 // of the last change, as of the swarm's log
	node     Node
	boot     time.Duration
	stop     time.Duration
	failing  bool
}

// A Service is a service that runs in the swarm.
type Service struct {
	Name       string            // required
	Replicas   int               // how many tasks were ordered
	Mode       string            // Defaults to "Replicated". Others are "Global", "ReplicatedJob" and "GlobalJob"
	Labels     map[string]string // of the service
	Env        []string          // of its containers
	Health     bool              // has a health check
	MaxPerNode int               // the most tasks that have a node. 0: all
}

// A Node is the role of a Docker daemon in a swarm.
type Node int

// The kinds of a node.
const (
	Manager  Node = iota
	Worker        // a node that cannot read the state of its swarm
	NoSwarm       // a daemon that is not in a swarm
	Starting      // a manager that cannot reach the others yet
)

// refusals are the texts of the daemon.
var refusals = map[Node]string{
	Worker:   "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
	NoSwarm:  `This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.`,
	Starting: "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.",
}

// NewServer returns a Server that listens on the loopback interface. The caller should
// call Close when finished.
func NewServer() *Server {
	s := &Server{services: make(map[string]*state), index: 10}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/create", s.locked(s.create))
	mux.HandleFunc("GET /services/{id}", s.locked(s.get))
	mux.HandleFunc("POST /services/{id}/update", s.locked(s.update))
	mux.HandleFunc("DELETE /services/{id}", s.locked(s.remove))
	mux.HandleFunc("GET /tasks", s.locked(s.tasks))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "page not found") })
	versioned := regexp.MustCompile(`^/v1\.[0-9]+/`)
	s.Server = platformtest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		r.URL.Path = versioned.ReplaceAllString(r.URL.Path, "/")
		mux.ServeHTTP(w, r)
	}), func(path string) bool {
		return strings.HasSuffix(path, "/update") || strings.HasSuffix(path, "/create")
	})
	return s
}

// SetNode makes the daemon another kind of node.
func (s *Server) SetNode(n Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.node = n
}

// SetBoot sets how long a new task takes until it runs.
func (s *Server) SetBoot(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.boot = d
}

// SetStop sets how long a task that is removed goes on running.
func (s *Server) SetStop(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop = d
}

// FailUpdates makes each later update of a template pause at its first task. If fail is
// false, updates succeed again.
func (s *Server) FailUpdates(fail bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = fail
}

// AddService adds a service, or replaces one.
func (s *Server) AddService(v Service) {
	container := map[string]any{"Image": "web:1", "Env": v.Env, "Isolation": "default"}
	if v.Health {
		container["Healthcheck"] = map[string]any{"Test": []string{"CMD", "/web", "check"}}
	}
	mode := map[string]any{"Replicated": map[string]any{"Replicas": v.Replicas}}
	if v.Mode != "" && v.Mode != "Replicated" {
		mode = map[string]any{v.Mode: map[string]any{}}
	}
	text, err := json.Marshal(map[string]any{
		"Name": v.Name, "Labels": v.Labels, "Mode": mode,
		"TaskTemplate": map[string]any{
			"ContainerSpec": container, "Placement": map[string]any{"MaxReplicas": v.MaxPerNode},
			"Resources": map[string]any{}, "ForceUpdate": 0, "Runtime": "container",
		},
		"EndpointSpec": map[string]string{"Mode": "vip"},
	})
	if err != nil {
		panic("swarmtest: " + err.Error()) // cannot be
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(v.Name, decode(text))
}

// SetUpdate sets the state of a service's last update, such as "updating", "paused",
// "rollback_started" or "completed", for good. Empty: there was none. It panics if the
// service does not exist.
func (s *Server) SetUpdate(name, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.services[name]
	st.ongoing = nil
	if status != "" {
		st.ongoing = &progress{state: status, started: time.Now(), lasts: -1}
	}
	s.touch(st)
}

// SetLabels sets the labels of a service. It panics if the service does not exist.
func (s *Server) SetLabels(name string, labels map[string]string) {
	text, _ := json.Marshal(labels)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.services[name].spec["Labels"] = decode(text)
	s.touch(s.services[name])
}

// Replicas returns how many tasks of a service were ordered. It panics if the service
// does not exist.
func (s *Server) Replicas(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.services[name].replicas()
}

func (s *Server) locked(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if words := refusals[s.node]; words != "" {
			refuse(w, http.StatusServiceUnavailable, words)
			return
		}
		for _, st := range s.services {
			s.reconcile(st)
		}
		h(w, r)
	}
}

// find finds a service by its ID, its name, or the beginning of its ID.
func (s *Server) find(w http.ResponseWriter, id string) *state {
	var begins []*state
	for name, st := range s.services {
		if name == id || st.id == id {
			return st
		}
		if strings.HasPrefix(st.id, id) {
			begins = append(begins, st)
		}
	}
	switch len(begins) {
	case 0:
		refuse(w, http.StatusNotFound, "service "+id+" not found")
		return nil
	case 1:
		return begins[0]
	}
	refuse(w, http.StatusBadRequest, fmt.Sprintf("service %s is ambiguous (%d matches found)", id, len(begins)))
	return nil
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	st := s.find(w, r.PathValue("id"))
	if st == nil {
		return
	}
	v := map[string]any{
		"ID": st.id, "Version": map[string]any{"Index": st.version}, "CreatedAt": st.created, "UpdatedAt": st.updated,
		"Spec": st.spec, "Endpoint": map[string]any{"Spec": map[string]string{"Mode": "vip"}},
	}
	if st.previous != nil {
		v["PreviousSpec"] = st.previous
	}
	if st.ongoing != nil {
		v["UpdateStatus"] = map[string]any{"State": st.ongoing.state, "StartedAt": st.ongoing.started.UTC(), "Message": "update in progress"}
	}
	send(w, http.StatusOK, v)
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // in memory
	spec := decode(body)
	name, _ := at(spec, "Name").(string)
	switch {
	case at(spec, "TaskTemplate", "ContainerSpec") == nil:
		refuse(w, http.StatusBadRequest, "mismatched Runtime and *Spec fields")
	case s.services[name] != nil:
		refuse(w, http.StatusConflict, "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service "+name+" already exists")
	default:
		send(w, http.StatusCreated, map[string]string{"ID": s.add(name, spec).id})
	}
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	if st := s.find(w, r.PathValue("id")); st != nil {
		delete(s.services, at(st.spec, "Name").(string))
	}
}

func (s *Server) update(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // in memory
	raw := r.URL.Query().Get("version")
	version, err := strconv.ParseUint(raw, 10, 64)
	spec := decode(body)
	switch {
	case spec == nil:
		refuse(w, http.StatusBadRequest, "invalid JSON")
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "invalid service version '"+raw+"': "+err.Error())
		return
	case at(spec, "TaskTemplate", "ContainerSpec") == nil:
		refuse(w, http.StatusBadRequest, "mismatched Runtime and *Spec fields")
		return
	}
	st := s.find(w, r.PathValue("id"))
	switch {
	case st == nil:
		return
	case (at(spec, "Mode", "Replicated") == nil) != (at(st.spec, "Mode", "Replicated") == nil):
		refuse(w, http.StatusNotImplemented, "rpc error: code = Unimplemented desc = service mode change is not allowed")
		return
	case at(spec, "Name") != at(st.spec, "Name"):
		refuse(w, http.StatusNotImplemented, "rpc error: code = Unimplemented desc = renaming services is not supported")
		return
	case version != st.version:
		refuse(w, http.StatusInternalServerError, "rpc error: code = Unknown desc = update out of sequence")
		return
	}
	if replicated, _ := at(spec, "Mode", "Replicated").(map[string]any); replicated != nil && replicated["Replicas"] == nil {
		replicated["Replicas"] = json.Number("1")
	}
	st.previous, st.spec, st.ongoing = st.spec, spec, nil
	if !reflect.DeepEqual(st.previous["TaskTemplate"], spec["TaskTemplate"]) {
		st.ongoing = &progress{state: "updating", started: time.Now(), lasts: time.Duration(number(at(spec, "UpdateConfig", "Monitor")))}
		if s.failing {
			st.ongoing.state = "paused"
		} else {
			st.tasks = nil
		}
	}
	s.touch(st)
	s.reconcile(st)
	send(w, http.StatusOK, map[string]any{"Warnings": nil})
}

func (s *Server) tasks(w http.ResponseWriter, r *http.Request) {
	var filters map[string]map[string]bool
	_ = json.Unmarshal([]byte(r.URL.Query().Get("filters")), &filters)
	list := []any{}
	for name, st := range s.services {
		if of := filters["service"]; of != nil && !of[name] && !of[st.id] {
			continue
		}
		for _, t := range slices.Concat(st.tasks, st.ending) {
			desired := "running"
			if !t.ends.IsZero() {
				desired = "remove"
			}
			if of := filters["desired-state"]; len(of) > 0 && !of[desired] {
				continue
			}
			status := map[string]any{"Timestamp": t.created.UTC(), "State": "running", "Message": "started"}
			switch {
			case t.placed.IsZero():
				status["State"], status["Message"] = "pending", "pending task scheduling"
				status["Err"] = "no suitable node (max replicas per node limit exceed)"
			case !t.runs:
				status["State"], status["Message"] = "starting", "starting"
			}
			list = append(list, map[string]any{
				"ID": t.id, "Version": map[string]any{"Index": st.version}, "CreatedAt": t.created.UTC(), "UpdatedAt": t.created.UTC(), "Labels": map[string]string{},
				"Spec": st.spec["TaskTemplate"], "ServiceID": st.id, "Slot": t.slot, "Status": status, "DesiredState": desired,
			})
		}
	}
	send(w, http.StatusOK, list)
}

func refuse(w http.ResponseWriter, status int, message string) {
	send(w, status, map[string]string{"message": message})
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Api-Version", "1.41")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // into memory
}
