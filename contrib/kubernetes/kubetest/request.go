package kubetest

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

var discard = log.New(io.Discard, "", 0)

func asError[E error](err error, target *E) bool { return errors.As(err, target) }

// A query is a request that has been parsed.
type query struct {
	*http.Request
	body     []byte
	values   url.Values
	res      *resource // nil: the resource is not known
	ns, name string
	sub      string // "scale", "status" or ""
	verb     string // the verb in RBAC
	account  *account
	cut      <-chan struct{} // closed when the account is cut off
	record   *Request
}

// parse reads a request and remembers it.
func (s *Server) parse(r *http.Request, body []byte) *query {
	q := &query{Request: r, body: body, values: r.URL.Query()}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	group, rest := "", []string(nil)
	switch {
	case len(parts) > 2 && parts[0] == "api":
		group, rest = "/"+parts[1], parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		group, rest = parts[1]+"/"+parts[2], parts[3:]
	}
	if len(rest) > 2 && rest[0] == "namespaces" {
		q.ns, rest = rest[1], rest[2:]
	}
	if len(rest) > 0 && len(rest) <= 3 {
		q.res = findResource(group, rest[0])
		if len(rest) > 1 {
			q.name = rest[1]
		}
		if len(rest) > 2 {
			q.sub = rest[2]
		}
	}
	switch r.Method {
	case http.MethodGet:
		q.verb = "get"
		if q.name == "" {
			q.verb = "list"
			if watch, _ := strconv.ParseBool(q.values.Get("watch")); watch {
				q.verb = "watch"
			}
		}
	case http.MethodPost:
		q.verb = "create"
	case http.MethodPut:
		q.verb = "update"
	default:
		q.verb = strings.ToLower(r.Method)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		q.account = s.accounts[token]
	}
	if q.account != nil {
		q.cut = q.account.cut
	}
	q.record = s.record(q)
	return q
}

// manager returns the name of the manager that managedFields gives for the change.
func (q *query) manager() string {
	if m := q.values.Get("fieldManager"); m != "" {
		return m
	}
	m, _, _ := strings.Cut(q.UserAgent(), "/")
	return m
}

// An answer is a body or a watch to send back.
type answer struct {
	status int
	header http.Header
	body   []byte
	watch  *watch
}

func answerJSON(status int, v any) *answer {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // objects come from JSON, so they can be encoded
	}
	return &answer{status: status, header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-cache, private"}, "Audit-Id": {"00000000-0000-4000-8000-000000000000"}}, body: append(data, '\n')}
}

func (a *answer) writeTo(w http.ResponseWriter, truncate bool) {
	for name, values := range a.header {
		if _, set := w.Header()[name]; !set {
			w.Header()[name] = values
		}
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	body := a.body
	if truncate {
		body = body[:len(body)/2]
	}
	// An error means that the client left.
	_, _ = w.Write(body)
	if truncate {
		panic(http.ErrAbortHandler)
	}
}

func writeStatus(w http.ResponseWriter, e *apiError) { e.answer().writeTo(w, false) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A Request is what a Server remembers about a request.
type Request struct {
	Time      time.Time // when it arrived
	Method    string    // such as "PATCH"
	Path      string    // without the query
	Query     url.Values
	Body      string // as it was sent; its first 16 KiB
	UserAgent string
	Account   string // the name of the [Account] whose token it had; "admin": that of [Token]
	Status    int    // the status of the answer; 0: none was sent yet
}

// A Scale is a change of the replicas of a workload by a request, even if that set what
// was set already.
type Scale struct {
	Time     time.Time
	Kind     string // such as "Deployment"
	Name     string
	From, To int
	Account  string
}

const maxRecorded = 10_000

// record remembers that q arrived. The caller holds the lock.
func (s *Server) record(q *query) *Request {
	rec := &Request{
		Time: time.Now(), Method: q.Method, Path: q.URL.Path, Query: q.values,
		Body: string(q.body[:min(len(q.body), 16<<10)]), UserAgent: q.UserAgent(),
	}
	if q.account != nil {
		rec.Account = q.account.Name
	}
	if len(s.requests) >= 2*maxRecorded {
		s.requests = append(s.requests[:0:0], s.requests[maxRecorded:]...)
	}
	s.requests = append(s.requests, rec)
	return rec
}

func (s *Server) note(q *query, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.record.Status = status
}

// Requests returns the requests that arrived, oldest first, whether or not they were
// answered. The last 10,000 are kept, without credentials.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.requests[max(0, len(s.requests)-maxRecorded):]
	out := make([]Request, len(kept))
	for i, r := range kept {
		out[i] = *r
	}
	return out
}

// Scales returns the changes of replicas that requests made, oldest first. The last 10,000
// are kept.
func (s *Server) Scales() []Scale {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Scale(nil), s.scales[max(0, len(s.scales)-maxRecorded):]...)
}
