// Package cftest is a fake of the parts of Cloud Foundry that scale an app, in the manner
// of net/http/httptest. It fakes the Cloud Controller's API, UAA and App Autoscaler, all at
// one URL.
//
//	s := cftest.NewServer()
//	defer s.Close()
//	app := s.AddApp(cftest.App{Processes: map[string]int{"web": 1}})
//	client := cloudfoundry.NewClient(cftest.Credentials(), &platform.Options{BaseURL: s.URL})
//
// It serves these:
//
//	GET  /
//	POST /oauth/token
//	GET  /v3/apps/{guid}/processes/{type}
//	GET  /v3/apps/{guid}/processes/{type}/stats
//	POST /v3/apps/{guid}/processes/{type}/actions/scale
//	GET  /v3/processes/{process}
//	GET  /v3/processes/{process}/stats
//	POST /v3/processes/{process}/actions/scale
//	GET  /v3/deployments
//	GET  /v1/apps/{guid}/policy, of App Autoscaler
//
// The objects and the refusals follow the Cloud Controller's source and its documentation.
// Inject, of the embedded Server, makes chosen requests fail.
package cftest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/platform/cloudfoundry"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// The credentials that a Server accepts. None of them is secret.
const (
	ClientID     = "autoscale"
	ClientSecret = "cftest0not0a0secret"
	Username     = "robot"
	Password     = "cftest0not0a0password"
	RefreshToken = "cftest0not0a0refresh0token"
)

// Credentials returns the client credentials that a Server accepts.
func Credentials() cloudfoundry.Credentials {
	return cloudfoundry.Credentials{ClientID: ClientID, ClientSecret: ClientSecret}
}

// A Server is a fake of Cloud Foundry. It is safe for concurrent use.
type Server struct {
	*platformtest.Server
	mu      sync.Mutex
	apps    map[string]*state
	tokens  int    // how many access tokens were issued
	token   string // the last one issued
	refresh string // the refresh token that is valid
}

// An App is an app on Cloud Foundry.
type App struct {
	Processes map[string]int // how many instances each process has
	Boot      time.Duration  // how long an added instance takes to start
	Crashed   int            // how many of the instances of each process crashed
	Unready   int            // how many run, but are not routable
	OldDiego  bool           // routable is null, as it is if Diego does not support it
	Deploying bool           // a rolling deployment is under way
	Hidden    bool           // stats and deployments may not be read
	Quota     int            // how many instances the space's quota permits. 0: any number
	Policy    bool           // App Autoscaler has a policy
}

type state struct {
	App
	guid    string
	updated time.Time
	started map[string][]time.Time
}

// NewServer returns a Server that listens on the loopback interface. The caller should
// call Close when finished.
func NewServer() *Server {
	s := &Server{apps: make(map[string]*state), refresh: RefreshToken}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.root)
	mux.HandleFunc("POST /oauth/token", s.oauth)
	mux.HandleFunc("GET /v3/apps/{guid}/processes/{type}", s.with(s.get))
	mux.HandleFunc("GET /v3/apps/{guid}/processes/{type}/stats", s.with(s.stats))
	mux.HandleFunc("POST /v3/apps/{guid}/processes/{type}/actions/scale", s.with(s.scale))
	mux.HandleFunc("GET /v3/processes/{process}", s.with(s.get))
	mux.HandleFunc("GET /v3/processes/{process}/stats", s.with(s.stats))
	mux.HandleFunc("POST /v3/processes/{process}/actions/scale", s.with(s.scale))
	mux.HandleFunc("GET /v3/deployments", s.deployments)
	mux.HandleFunc("GET /v1/apps/{guid}/policy", s.policy)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, 10000, "CF-NotFound", "Unknown request")
	})
	s.Server = platformtest.NewServer(mux, func(path string) bool { return path == "/oauth/token" })
	return s
}

// AddApp adds an app, and returns its GUID.
func (s *Server) AddApp(a App) (guid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	guid = fmt.Sprintf("00000000-0000-4000-8000-%012d", len(s.apps)+1)
	a.Processes = maps.Clone(a.Processes)
	st := &state{App: a, guid: guid, started: make(map[string][]time.Time)}
	st.resize(time.Now())
	s.apps[guid] = st
	return guid
}

// Change changes an app without the API. It panics if the app does not exist.
func (s *Server) Change(guid string, f func(a *App)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.apps[guid]
	if st == nil {
		panic("cftest: there is no app " + guid)
	}
	f(&st.App)
	st.resize(time.Now())
}

// Instances returns how many instances of a process were ordered.
func (s *Server) Instances(guid, process string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apps[guid].Processes[process]
}

// Revoke makes the last access token that was issued invalid.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = ""
}

// Tokens returns the access token and the refresh token that are valid now.
func (s *Server) Tokens() (access, refresh string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token, s.refresh
}

func (st *state) resize(now time.Time) {
	for typ, n := range st.Processes {
		for len(st.started[typ]) < n {
			st.started[typ] = append(st.started[typ], now.Add(st.Boot))
		}
		st.started[typ] = st.started[typ][:n]
	}
	st.updated = now
}

func (s *Server) root(w http.ResponseWriter, _ *http.Request) {
	href := func(url string) map[string]string { return map[string]string{"href": url} }
	send(w, http.StatusOK, map[string]any{"links": map[string]any{
		"self": href(s.URL), "cloud_controller_v3": href(s.URL + "/v3"), "login": href(s.URL), "uaa": href(s.URL), "credhub": nil,
	}})
}

// oauth grants an access token for ten minutes. A refresh token can be used once. The
// answer has a new one.
func (s *Server) oauth(w http.ResponseWriter, r *http.Request) {
	deny := func(status int, code, text string) {
		send(w, status, map[string]string{"error": code, "error_description": text})
	}
	id, secret, _ := r.BasicAuth()
	s.mu.Lock()
	defer s.mu.Unlock()
	user := id == "cf" && secret == ""
	answer := map[string]any{"token_type": "bearer", "expires_in": 599, "scope": "cloud_controller.read cloud_controller.write", "jti": "cftest"}
	switch grant := r.FormValue("grant_type"); {
	case !user && (id != ClientID || secret != ClientSecret):
		deny(http.StatusUnauthorized, "invalid_client", "Bad credentials")
		return
	case grant == "client_credentials" && !user:
	case grant == "password" && user:
		if r.PostFormValue("username") != Username || r.PostFormValue("password") != Password {
			deny(http.StatusUnauthorized, "unauthorized", "Bad credentials")
			return
		}
		answer["refresh_token"] = s.refresh
	case grant == "refresh_token" && user:
		if r.PostFormValue("refresh_token") != s.refresh {
			deny(http.StatusBadRequest, "invalid_grant", "Invalid refresh token")
			return
		}
		s.refresh = fmt.Sprintf("cftest0newer0refresh0token-%d", s.tokens+1)
		answer["refresh_token"] = s.refresh
	default:
		deny(http.StatusUnauthorized, "unauthorized_client", "Unauthorized grant type: "+grant)
		return
	}
	s.tokens++
	s.token = fmt.Sprintf("eyJhbGciOiJub25lIn0.%04d.cftest", s.tokens)
	answer["access_token"] = s.token
	send(w, http.StatusOK, answer)
}

// authorized refuses a request without the access token. It needs s.mu.
func (s *Server) authorized(w http.ResponseWriter, r *http.Request) bool {
	kind, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if s.token == "" || !strings.EqualFold(kind, "bearer") || token != s.token {
		refuse(w, http.StatusUnauthorized, 1000, "CF-InvalidAuthToken", "Invalid Auth Token")
		return false
	}
	return true
}

func (s *Server) with(h func(http.ResponseWriter, *http.Request, *state, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		st, typ := s.apps[r.PathValue("guid")], r.PathValue("type")
		if guid := r.PathValue("process"); guid != "" {
			st, typ = s.find(guid)
		}
		if !s.authorized(w, r) {
			return
		}
		if st == nil {
			refuse(w, http.StatusNotFound, 10010, "CF-ResourceNotFound", "App not found")
			return
		}
		if _, ok := st.Processes[typ]; !ok {
			refuse(w, http.StatusNotFound, 10010, "CF-ResourceNotFound", "Process not found")
			return
		}
		h(w, r, st, typ)
	}
}

// processGUID returns the GUID of a process. The GUID of web is that of the app, until a
// rolling deployment has replaced the process.
func (st *state) processGUID(typ string) string {
	if typ == "web" {
		return st.guid
	}
	at, _ := slices.BinarySearch(slices.Sorted(maps.Keys(st.Processes)), typ)
	return fmt.Sprintf("1%07d", at) + st.guid[8:]
}

// find returns the process with a GUID.
func (s *Server) find(guid string) (*state, string) {
	for _, st := range s.apps {
		for typ := range st.Processes {
			if st.processGUID(typ) == guid {
				return st, typ
			}
		}
	}
	return nil, ""
}

func (s *Server) process(st *state, typ string) map[string]any {
	href := func(path string) map[string]string { return map[string]string{"href": s.URL + "/v3" + path} }
	guid := st.processGUID(typ)
	check := map[string]any{"type": "port", "data": map[string]any{"timeout": nil, "invocation_timeout": nil, "interval": nil}}
	return map[string]any{
		"guid": guid, "type": typ, "command": "./app", "user": "vcap", "instances": st.Processes[typ],
		"memory_in_mb": 256, "disk_in_mb": 1024, "log_rate_limit_in_bytes_per_second": -1,
		"health_check": check, "readiness_health_check": check,
		"relationships": map[string]any{"app": map[string]any{"data": map[string]string{"guid": st.guid}}, "revision": nil},
		"metadata":      map[string]any{"labels": map[string]string{}, "annotations": map[string]string{}},
		"created_at":    st.updated.UTC().Format(time.RFC3339), "updated_at": st.updated.UTC().Format(time.RFC3339),
		"version": "e9df685c-0464-4aa7-b5f0-8ed843077c13",
		"links": map[string]any{
			"self": href("/processes/" + guid), "scale": map[string]string{"href": s.URL + "/v3/processes/" + guid + "/actions/scale", "method": "POST"},
			"app": href("/apps/" + st.guid), "space": href("/spaces/cftest"), "stats": href("/processes/" + guid + "/stats"), "process_instances": href("/processes/" + guid + "/process_instances"),
		},
	}
}

func (s *Server) get(w http.ResponseWriter, _ *http.Request, st *state, typ string) {
	send(w, http.StatusOK, s.process(st, typ))
}

func (s *Server) stats(w http.ResponseWriter, _ *http.Request, st *state, typ string) {
	if st.Hidden {
		refuse(w, http.StatusForbidden, 10003, "CF-NotAuthorized", "You are not authorized to perform the requested action")
		return
	}
	list := []map[string]any{}
	for i, at := range st.started[typ] {
		state := "RUNNING"
		switch {
		case i < st.Crashed:
			state = "CRASHED"
		case time.Now().Before(at):
			state = "STARTING"
		}
		var routable any = state == "RUNNING" && i >= st.Crashed+st.Unready
		if st.OldDiego {
			routable = nil
		}
		list = append(list, map[string]any{
			"type": typ, "index": i, "instance_guid": fmt.Sprintf("cftest-%d", i), "state": state, "routable": routable,
			"usage": map[string]any{}, "host": "10.244.16.10", "instance_internal_ip": "10.255.93.167", "instance_ports": []any{}, "uptime": 9042,
			"mem_quota": 268435456, "disk_quota": 1073741824, "fds_quota": 16384, "isolation_segment": nil, "log_rate_limit": -1, "details": nil,
		})
	}
	send(w, http.StatusOK, map[string]any{"resources": list})
}

func (s *Server) scale(w http.ResponseWriter, r *http.Request, st *state, typ string) {
	var body struct {
		Instances *int `json:"instances"`
	}
	others := 0
	for name, n := range st.Processes {
		if name != typ {
			others += n
		}
	}
	switch err := json.NewDecoder(r.Body).Decode(&body); {
	case err != nil:
		refuse(w, http.StatusBadRequest, 1001, "CF-MessageParseError", "Request invalid due to parse error: invalid request body")
	case body.Instances != nil && *body.Instances < 0:
		refuse(w, http.StatusUnprocessableEntity, 10008, "CF-UnprocessableEntity", "Instances must be greater than or equal to 0")
	case typ == "web" && st.Deploying:
		refuse(w, http.StatusUnprocessableEntity, 10008, "CF-UnprocessableEntity", "Cannot scale this process while a deployment is in flight.")
	case body.Instances != nil && st.Quota > 0 && others+*body.Instances > st.Quota:
		refuse(w, http.StatusUnprocessableEntity, 10008, "CF-UnprocessableEntity", "app_instance_limit space_app_instance_limit_exceeded")
	default:
		if body.Instances != nil {
			st.Processes[typ] = *body.Instances
			st.resize(time.Now())
		}
		send(w, http.StatusAccepted, s.process(st, typ))
	}
}

func (s *Server) deployments(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.authorized(w, r) {
		return
	}
	list := []map[string]any{}
	apps := strings.Split(r.URL.Query().Get("app_guids"), ",")
	for _, guid := range slices.Sorted(maps.Keys(s.apps)) {
		st := s.apps[guid]
		if !slices.Contains(apps, guid) || st.Hidden {
			continue // what may not be read is not in the list
		}
		for _, value := range []string{"FINALIZED", "ACTIVE"} {
			want := r.URL.Query().Get("status_values")
			if value == "ACTIVE" && !st.Deploying || want != "" && want != value {
				continue
			}
			at := st.updated.UTC().Format(time.RFC3339)
			list = append(list, map[string]any{
				"guid":     "59c3d133-2b83-46f3-960e-7765a129aea4",
				"status":   map[string]any{"value": value, "reason": map[string]string{"ACTIVE": "DEPLOYING", "FINALIZED": "DEPLOYED"}[value], "details": map[string]string{"last_successful_healthcheck": at, "last_status_change": at}},
				"strategy": "rolling", "options": map[string]int{"max_in_flight": 1}, "droplet": map[string]string{"guid": "d2"}, "previous_droplet": map[string]string{"guid": "d1"},
				"new_processes": []any{}, "revision": nil, "created_at": at, "updated_at": at, "metadata": map[string]any{"labels": map[string]string{}, "annotations": map[string]string{}},
				"relationships": map[string]any{"app": map[string]any{"data": map[string]string{"guid": guid}}}, "links": map[string]any{},
			})
		}
	}
	send(w, http.StatusOK, map[string]any{"pagination": map[string]any{"total_results": len(list), "total_pages": 1}, "resources": list})
}

func (s *Server) policy(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.apps[r.PathValue("guid")]
	switch {
	case !s.authorized(w, r):
	case st == nil || !st.Policy:
		send(w, http.StatusNotFound, map[string]string{"code": "Not Found", "message": "Policy Not Found"})
	default:
		send(w, http.StatusOK, map[string]any{"instance_min_count": 1, "instance_max_count": 5, "scaling_rules": []any{}})
	}
}

// refuse answers with an error of the Cloud Controller.
func refuse(w http.ResponseWriter, status, code int, title, detail string) {
	send(w, status, map[string]any{"errors": []map[string]any{{"code": code, "title": title, "detail": detail}}})
}

func send(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // into memory
}
