// Package cloudruntest is a fake of the parts of the Cloud Run Admin API, version 2, that
// scale a service or a worker pool, in the manner of net/http/httptest.
//
//	s := cloudruntest.NewServer()
//	defer s.Close()
//	s.Add(cloudruntest.Resource{Name: "web", Manual: true, Size: 2})
//	client := cloudrun.NewClient(cloudruntest.TokenFunc, &platform.Options{BaseURL: s.URL})
//	scaler := client.Scaler(cloudruntest.Project, cloudruntest.Region, "web")
//
// It serves these, for the project Project and the region Region:
//
//	GET   /v2/projects/{project}/locations/{region}/{services or workerPools}/{name}
//	PATCH the same
//
// The texts of the refusals are guesses. Inject, of the embedded Server, makes chosen
// requests fail.
package cloudruntest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// The project, the region and the token that a Server accepts.
const (
	Project = "cloudruntest"
	Region  = "europe-west1"
	Token   = "ya29.cloudruntest-not-a-secret"
)

// TokenFunc returns the token that a Server accepts.
func TokenFunc(context.Context) (token string, end time.Time, err error) {
	return Token, time.Now().Add(time.Hour), nil
}

// A Server is a fake of the API. It is safe for concurrent use.
type Server struct {
	*platformtest.Server
	mu        sync.Mutex
	resources map[string]*Resource
}

// A Resource is a service or a worker pool.
type Resource struct {
	Name       string
	WorkerPool bool
	Manual     bool // scaling mode of a service. False: automatic
	Size       int  // manualInstanceCount
	Min        int  // minInstanceCount of a service in automatic mode
	Deleted    bool // is being deleted

	// Racing is how many times somebody else changes the resource just before an order.
	Racing int

	generation int
	updated    time.Time
}

// NewServer returns a Server that listens on the loopback interface. The caller should
// call Close when finished.
func NewServer() *Server {
	s := &Server{resources: make(map[string]*Resource)}
	s.Server = platformtest.NewServer(http.HandlerFunc(s.serve), nil)
	return s
}

// Add adds a resource, or replaces one.
func (s *Server) Add(v Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.generation, v.updated = 1, time.Now()
	s.resources[v.Name] = &v
}

// Change changes a resource by means other than the API. It panics if there is no resource
// of that name.
func (s *Server) Change(name string, f func(*Resource)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.resources[name]
	f(v)
	v.touch()
}

func (v *Resource) touch() {
	v.generation++
	v.updated = time.Now()
}

// Size returns the manualInstanceCount of a resource.
func (s *Server) Size(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resources[name].Size
}

func (v *Resource) kind() string {
	if v.WorkerPool {
		return "workerPools"
	}
	return "services"
}

func (v *Resource) etag() string { return fmt.Sprintf(`"CJ%dEG"`, v.generation) }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if r.Header.Get("Authorization") != "Bearer "+Token {
		refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rest, known := strings.CutPrefix(r.URL.Path, "/v2/projects/"+Project+"/locations/"+Region+"/")
	kind, name, _ := strings.Cut(rest, "/")
	v := s.resources[name]
	switch {
	case !known || v == nil || v.kind() != kind:
		refuse(w, http.StatusNotFound, "NOT_FOUND", "Resource '"+name+"' of kind does not exist.")
	case r.Method == http.MethodGet:
		answer(w, v.wire())
	case r.Method == http.MethodPatch:
		v.patch(w, r)
	default:
		refuse(w, http.StatusNotFound, "NOT_FOUND", "no such method")
	}
}

func (v *Resource) patch(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ETag    string `json:"etag"`
		Scaling struct {
			Mode string `json:"scalingMode"`
			Size *int   `json:"manualInstanceCount"`
		} `json:"scaling"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", err.Error())
		return
	}
	if v.Racing > 0 {
		v.Racing--
		v.touch()
	}
	mask := strings.Split(r.URL.Query().Get("updateMask"), ",")
	mode := v.Manual
	if slices.Contains(mask, "scaling.scalingMode") {
		mode = in.Scaling.Mode == "MANUAL"
	}
	switch {
	case in.ETag != "" && in.ETag != v.etag():
		refuse(w, http.StatusConflict, "ABORTED", "Conflict for resource '"+v.Name+"': version '"+in.ETag+"' was specified but current version is '"+v.etag()+"'.")
		return
	case !slices.Contains(mask, "scaling.manualInstanceCount"), in.Scaling.Size == nil, *in.Scaling.Size < 0,
		!mode && !v.WorkerPool, v.WorkerPool && in.Scaling.Mode != "":
		refuse(w, http.StatusBadRequest, "INVALID_ARGUMENT", "Invalid scaling.")
		return
	}
	v.Manual, v.Size, v.Min = mode, *in.Scaling.Size, 0
	v.touch()
	answer(w, map[string]any{
		"name":     "projects/" + Project + "/locations/" + Region + "/operations/1234",
		"metadata": v.wire(), "done": false,
	})
}

// wire returns a resource in the form of the API, which leaves out a field that is 0
// unless it was set.
func (v *Resource) wire() map[string]any {
	scaling := map[string]any{}
	switch {
	case v.WorkerPool:
		scaling["manualInstanceCount"] = v.Size
	case v.Manual:
		scaling["scalingMode"], scaling["manualInstanceCount"] = "MANUAL", v.Size
	default:
		scaling["scalingMode"] = "AUTOMATIC"
		if v.Min > 0 {
			scaling["minInstanceCount"] = v.Min
		}
	}
	out := map[string]any{
		"name": "projects/" + Project + "/locations/" + Region + "/" + v.kind() + "/" + v.Name,
		"etag": v.etag(), "generation": fmt.Sprint(v.generation), "observedGeneration": fmt.Sprint(v.generation),
		"updateTime": v.updated.UTC().Format(time.RFC3339Nano), "scaling": scaling,
	}
	if v.Deleted {
		out["deleteTime"] = v.updated.UTC().Format(time.RFC3339Nano)
	}
	return out
}

func answer(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	answer(w, map[string]any{"error": map[string]any{"code": status, "message": message, "status": code}})
}
