package herokutest

import (
	"context"
	"net/http"
	"slices"
	"time"
)

const (
	maxRecorded     = 10_000   // how many requests, and how many writes, a Server remembers
	maxRecordedBody = 16 << 10 // how much of each body
)

// A Request is what a Server remembers about a request.
type Request struct {
	Time      time.Time   // when it arrived
	Method    string      // such as "PATCH"
	Path      string      // with the query, if it had one
	Body      string      // as it was sent; its first 16 KiB
	Header    http.Header // only Accept, Content-Type, If-None-Match, Range, Request-Id and User-Agent
	UserAgent string      // its User-Agent
	Sender    string      // the value of the header that SetSenderHeader names
	RequestID string      // the server's own id for it
	Status    int         // of the answer; 0: none was sent, or none was sent yet
}

// A Write is a change of a formation that the API accepted, even if it set what was
// set already.
type Write struct {
	Time      time.Time
	App       string // the app's name
	Type      string // the process type
	From, To  int    // the quantity before and after
	UserAgent string
	Sender    string
	RequestID string // that of the Request; several writes can share one
}

// Requests returns the requests that arrived, oldest first, whether or not they were
// answered. The last 10,000 are kept, without credentials.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.requests.items()
	out := make([]Request, len(kept))
	for i, r := range kept {
		out[i] = *r
		out[i].Header = r.Header.Clone()
	}
	return out
}

// Writes returns the changes of formations that the API accepted, oldest first. The
// last 10,000 are kept. A request that was refused, or that a fault kept from being
// carried out, is not a write. [App.Scale] is not a write either.
func (s *Server) Writes() []Write {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes.items())
}

// SetSenderHeader names a request header whose value is remembered as the Sender of
// requests and writes, so that a test can tell several clients apart. With the empty
// name, which is the default, no value is remembered.
func (s *Server) SetSenderHeader(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.senderHeader = name
}

// record remembers that r arrived. The caller fills in its Status, with s.mu held.
func (s *Server) record(r *http.Request, body []byte) *Request {
	rec := &Request{
		Time:      time.Now(),
		Method:    r.Method,
		Path:      r.URL.RequestURI(),
		Body:      string(body[:min(len(body), maxRecordedBody)]),
		Header:    make(http.Header),
		UserAgent: r.UserAgent(),
		RequestID: newUUID(),
	}
	// Only these headers are kept, so that no credential can be kept: not in
	// Authorization, not in a cookie, and not in an unknown header.
	for _, name := range []string{"Accept", "Content-Type", "If-None-Match", "Range", "Request-Id", "User-Agent"} {
		if v := r.Header.Values(name); len(v) > 0 {
			rec.Header[name] = slices.Clone(v)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.senderHeader != "" {
		rec.Sender = r.Header.Get(s.senderHeader)
	}
	s.requests.add(rec)
	return rec
}

type recordKey struct{}

// withRecord returns a context from which recordOf gets rec.
func withRecord(ctx context.Context, rec *Request) context.Context {
	return context.WithValue(ctx, recordKey{}, rec)
}

func recordOf(ctx context.Context) *Request { return ctx.Value(recordKey{}).(*Request) }

// A tail keeps the last maxRecorded values that were added to it.
type tail[T any] struct{ all []T }

func (t *tail[T]) add(v T) {
	if len(t.all) == 2*maxRecorded {
		t.all = slices.Delete(t.all, 0, maxRecorded)
	}
	t.all = append(t.all, v)
}

func (t *tail[T]) items() []T {
	return t.all[max(0, len(t.all)-maxRecorded):]
}
