// Package nomadtest is a fake of the parts of Nomad's HTTP API that scale a task group, in
// the manner of net/http/httptest.
//
//	s := nomadtest.NewServer()
//	defer s.Close()
//	s.AddJob(nomadtest.Job{ID: "shop", Groups: map[string]nomadtest.Group{"web": {Count: 1}}})
//	client := nomad.NewClient(nomadtest.Token, &platform.Options{BaseURL: s.URL})
//
// It serves these:
//
//	GET /v1/job/{id}
//	GET /v1/job/{id}/scale
//	PUT /v1/job/{id}/scale, and POST
//	GET /v1/job/{id}/deployment
//	GET /v1/job/{id}/evaluations
//	GET /v1/job/{id}/allocations
//
// The objects, the refusals and their texts follow Nomad's source. As in Nomad, an order
// begins a deployment, and no order is taken until that has ended. The allocations with the
// highest indexes are stopped first. Allocations for which there is no room are missing,
// and an evaluation reports that. Inject, of the embedded Server, makes chosen requests
// fail.
package nomadtest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Token is the token that a Server accepts. It looks like a real one.
const Token = "0f0e0d0c-0000-4000-8000-6e6f6d616421"

const (
	// trackedEvents is how many scaling events Nomad keeps for a group.
	trackedEvents = 20

	// progressDeadline is the time after which a deployment fails if allocations are
	// missing.
	progressDeadline = 10 * time.Minute

	// plainText is the Content-Type of a refusal.
	plainText = "text/plain; charset=utf-8"
)

// A Server is a fake of a Nomad agent. It is safe for concurrent use.
type Server struct {
	*platformtest.Server
	mu    sync.Mutex
	jobs  map[string]*state // by namespace and id
	index uint64            // of the last write
	most  int
}

// A Job is a job that Nomad runs.
type Job struct {
	ID        string
	Namespace string // Defaults to "default"
	Type      string // Defaults to "service"
	Groups    map[string]Group
	Stopped   bool
	Periodic  bool

	// MinHealthyTime is how long the allocations must run to be healthy, which ends a
	// deployment. 0: a deployment ends as soon as they run.
	MinHealthyTime time.Duration

	// Deploying means that there is an active deployment that does not end.
	Deploying bool
}

// A Group is a task group.
type Group struct {
	Count     int
	Start     time.Duration // how long an allocation takes until it runs
	Room      int           // how many allocations there is room for. 0: any number. Negative: none, because no node is eligible
	Quota     string        // the quota that leaves no more room. Empty: the nodes leave none
	Unhealthy int           // how many of those that run are unhealthy
	Scaling   *Scaling      // the scaling block
}

// A Scaling is a scaling block.
type Scaling struct {
	Min, Max int
	Disabled bool // enabled = false
	Policy   bool // has a policy for Nomad Autoscaler
}

type state struct {
	Job
	create, modify, spec uint64 // CreateIndex, ModifyIndex, JobModifyIndex
	submitted            time.Time
	groups               map[string]*group
	deployed             uint64    // the CreateIndex of the latest deployment. 0: there is none
	until                time.Time // when it ends
	fails                bool      // whether it then fails
}

type group struct {
	allocs []time.Time // when each began to start, by index
	orders []map[string]any
	tried  uint64 // the CreateIndex of the evaluation of the last order
}

// NewServer returns a Server that listens on the loopback interface. The caller should
// call Close when finished.
func NewServer() *Server {
	s := &Server{jobs: make(map[string]*state)}
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/job/", s.serve)
	s.Server = platformtest.NewServer(mux, nil)
	return s
}

// AddJob registers a job, or replaces one.
func (s *Server) AddJob(j Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.Namespace, j.Type = cmp.Or(j.Namespace, "default"), cmp.Or(j.Type, "service")
	s.index++
	st := &state{Job: j, create: s.index, groups: make(map[string]*group)}
	s.jobs[j.Namespace+" "+j.ID] = st
	st.change(s.index, func(*Job) {})
	for name, g := range st.groups { // they have been running for a long time
		for i := range g.allocs {
			g.allocs[i] = st.submitted.Add(-st.Groups[name].Start - j.MinHealthyTime)
		}
	}
}

// Change registers a job with other contents, as `nomad job run` does, without a
// deployment. f may change everything but the id and the namespace. Change panics if the job
// does not exist.
func (s *Server) Change(namespace, id string, f func(*Job)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index++
	s.find(namespace, id).change(s.index, f)
}

// SetJobMaxCount sets job_max_count of the servers. 0: there is none.
func (s *Server) SetJobMaxCount(most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = most
}

// OrderByNomadAutoscaler records an order of Nomad Autoscaler for a group by a policy that
// the job does not have. It panics if the job or the group does not exist.
func (s *Server) OrderByNomadAutoscaler(namespace, id, groupName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.find(namespace, id)
	count := st.Groups[groupName].Count
	s.index++
	st.groups[groupName].order(s.index, count, count, "scaled by a policy", map[string]any{"nomad_policy_id": "5c6328f7-48c5-4d03-bada-91ef2e904d0d"})
}

// Count returns the count of a group. It panics if the job does not exist.
func (s *Server) Count(namespace, id, groupName string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(namespace, id).Groups[groupName].Count
}

// Orders returns how many orders were sent for any group of the jobs with an id, in any
// namespace.
func (s *Server) Orders(id string) int {
	n := 0
	for _, r := range s.Requests() {
		u, err := url.ParseRequestURI(r.Path)
		if err == nil && r.Method != http.MethodGet && u.Path == "/v1/job/"+id+"/scale" {
			n++
		}
	}
	return n
}

// find returns a job. It panics if there is none.
func (s *Server) find(namespace, id string) *state {
	st := s.jobs[cmp.Or(namespace, "default")+" "+id]
	if st == nil {
		panic("nomadtest: there is no job " + id)
	}
	return st
}

// change applies f, and makes each group run its count.
func (st *state) change(index uint64, f func(*Job)) {
	groups := make(map[string]Group, len(st.Groups))
	for name, g := range st.Groups {
		groups[name] = g
	}
	st.Groups = groups
	f(&st.Job)
	st.modify, st.spec, st.submitted = index, index, time.Now()
	for name, g := range st.Groups {
		if st.groups[name] == nil {
			st.groups[name] = &group{tried: index}
		}
		st.groups[name].resize(g, st.submitted)
	}
}

// resize starts allocations, or stops those with the highest indexes.
func (g *group) resize(of Group, now time.Time) {
	n := of.Count
	if of.Room != 0 {
		n = min(n, max(of.Room, 0))
	}
	for len(g.allocs) < n {
		g.allocs = append(g.allocs, now)
	}
	g.allocs = g.allocs[:n]
}

// order records a scaling event.
func (g *group) order(index uint64, from, to int, message string, meta map[string]any) {
	g.orders = slices.Insert(g.orders, 0, map[string]any{
		"Time": time.Now().UnixNano(), "Count": to, "PreviousCount": from, "Message": message, "Error": false,
		"Meta": meta, "EvalID": uuid(index), "CreateIndex": index,
	})
	g.orders = g.orders[:min(len(g.orders), trackedEvents)]
}

// active reports whether a deployment is active.
func (st *state) active(now time.Time) bool {
	return st.Deploying || st.deployed != 0 && now.Before(st.until)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("X-Nomad-Index", strconv.FormatUint(s.index, 10))
	w.Header().Set("X-Nomad-KnownLeader", "true")
	w.Header().Set("X-Nomad-LastContact", "0")
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch token := cmp.Or(r.Header.Get("X-Nomad-Token"), bearer); {
	case token != "" && token != Token:
		refuse(w, http.StatusForbidden, "ACL token not found")
		return
	case token == "":
		refuse(w, http.StatusForbidden, "Permission denied")
		return
	}
	// For Nomad, the end of the decoded path is the operation, and everything before it is
	// the id.
	path := strings.TrimPrefix(r.URL.Path, "/v1/job/")
	id, operation := path, ""
	for _, o := range []string{"/scale", "/deployment", "/evaluations", "/allocations"} {
		if rest, ok := strings.CutSuffix(path, o); ok {
			id, operation = rest, o
		}
	}
	st := s.jobs[cmp.Or(r.URL.Query().Get("namespace"), "default")+" "+id]
	if r.Method != http.MethodGet {
		if operation != "/scale" || r.Method != http.MethodPut && r.Method != http.MethodPost {
			refuse(w, http.StatusMethodNotAllowed, "Invalid method")
			return
		}
		s.scale(w, r, id, st)
		return
	}
	now := time.Now()
	switch {
	case st == nil && operation == "/deployment":
		send(w, nil)
	case st == nil && (operation == "/evaluations" || operation == "/allocations"):
		send(w, []any{})
	case st == nil:
		refuse(w, http.StatusNotFound, "job not found")
	case operation == "/scale":
		send(w, st.status(now))
	case operation == "/deployment":
		send(w, st.deployment(now))
	case operation == "/allocations":
		send(w, st.allocations(now))
	case operation == "/evaluations":
		send(w, st.evaluations())
	default:
		send(w, st.wire())
	}
}

// scale takes an order.
func (s *Server) scale(w http.ResponseWriter, r *http.Request, id string, st *state) {
	var in struct {
		Count          *int64
		Target         map[string]string
		Message        string
		Error          bool
		Meta           map[string]any
		PolicyOverride bool
		JobModifyIndex uint64

		Namespace, Region, SecretID string // these come with every write
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields() // Nomad does not, but we send nothing else
	if err := d.Decode(&in); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	name := in.Target["Group"]
	if job := in.Target["Job"]; job != "" && job != id {
		refuse(w, http.StatusBadRequest, "job ID in payload did not match URL")
		return
	}
	switch {
	case name == "":
		refuse(w, http.StatusBadRequest, "missing task group name for scaling action")
		return
	case in.Count != nil && *in.Count < 0:
		refuse(w, http.StatusBadRequest, "scaling action count can't be negative")
		return
	case st == nil:
		refuse(w, http.StatusNotFound, fmt.Sprintf("job %q not found", id))
		return
	case in.Count == nil:
		refuse(w, http.StatusNotImplemented, "nomadtest: an event without a count")
		return
	}
	g, ok := st.Groups[name]
	count, total := int(*in.Count), 0
	for _, other := range st.Groups {
		total += other.Count
	}
	total += count - g.Count
	now := time.Now()
	switch {
	case st.Type == "system" && count > 1:
		refuse(w, http.StatusBadRequest, `jobs of type "system" can only be scaled between 0 and 1`)
	case !ok:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("task group %q specified for scaling does not exist in job", name))
	case g.Scaling != nil && count < g.Scaling.Min:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("group count was less than scaling policy minimum: %d < %d", count, g.Scaling.Min))
	case g.Scaling != nil && count > g.Scaling.Max:
		refuse(w, http.StatusBadRequest, fmt.Sprintf("group count was greater than scaling policy maximum: %d > %d", count, g.Scaling.Max))
	case s.most > 0 && total > s.most:
		refuse(w, http.StatusInternalServerError, fmt.Sprintf("total count was greater than configured job_max_count: %d > %d", total, s.most))
	case st.active(now):
		refuse(w, http.StatusBadRequest, "job scaling blocked due to active deployment")
	case in.JobModifyIndex > 0 && in.JobModifyIndex != st.spec:
		refuse(w, http.StatusInternalServerError, fmt.Sprintf("Enforcing job modify index %d: job exists with conflicting job modify index: %d", in.JobModifyIndex, st.spec))
	default:
		from := g.Count
		s.index++
		st.change(s.index, func(j *Job) {
			g.Count = count
			j.Groups[name] = g
		})
		mine := st.groups[name]
		mine.tried = s.index
		mine.order(s.index, from, count, in.Message, in.Meta)
		st.deployed, st.fails = s.index, len(mine.allocs) < count
		st.until = now.Add(g.Start + st.MinHealthyTime)
		if st.fails {
			st.until = now.Add(progressDeadline)
		}
		send(w, map[string]any{
			"EvalID": uuid(s.index), "EvalCreateIndex": s.index, "JobModifyIndex": s.index, "Warnings": "",
			"Index": s.index, "LastContact": 0, "KnownLeader": false, "NextToken": "",
		})
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", plainText)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(message)) // into memory
}

func send(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // into memory
}
