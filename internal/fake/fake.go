// Package fake is what the fakes of APIs do alike, and no user of theirs needs.
package fake

import (
	"bytes"
	"context"
	"net/http"
	"strconv"
	"time"
)

// An Answer is a response before it is sent. It is the http.ResponseWriter of a handler.
type Answer struct {
	Status int
	Body   bytes.Buffer

	header http.Header
}

// NewAnswer returns an empty Answer of the status 200.
func NewAnswer() *Answer { return &Answer{Status: http.StatusOK, header: make(http.Header)} }

// Header returns the headers of the answer.
func (a *Answer) Header() http.Header { return a.header }

// WriteHeader sets the status.
func (a *Answer) WriteHeader(status int) { a.Status = status }

// Write adds to the body.
func (a *Answer) Write(p []byte) (int, error) { return a.Body.Write(p) }

// Send sends the answer, or announces its whole length and sends half of it.
func (a *Answer) Send(w http.ResponseWriter, truncate bool) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	body := a.Body.Bytes()
	if a.Status != http.StatusNoContent && a.Status != http.StatusNotModified {
		length := len(body)
		if truncate {
			body = body[:length/2]
			length = max(length, 1) // an empty body can be cut short only of what it never had
		}
		w.Header().Set("Content-Length", strconv.Itoa(length))
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write(body) // a client may leave before the end
}

// Wait waits for d, or without end if d is 0. It reports whether the time passed before ctx
// ended and done was closed. done may be nil.
func Wait(ctx context.Context, d time.Duration, done <-chan struct{}) bool {
	var timeout <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-timeout:
		return true
	case <-ctx.Done():
	case <-done:
	}
	return false
}
