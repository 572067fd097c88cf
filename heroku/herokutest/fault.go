package herokutest

import (
	"encoding/json"
	"net/http"

	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// A Fault is something that goes wrong with chosen requests, such as Fault{Method: "PATCH",
// Path: "/apps/*/formation/web", Status: 503}. See [Error] for a fault that is an error of
// the API.
type Fault = platformtest.Fault

// Busy returns a fault that refuses each change of a formation, until ClearFaults, because
// a release is under way. The text of the refusal is a guess.
func Busy() Fault {
	f := Error(http.StatusUnprocessableEntity, "release_in_progress", "Cannot scale while a release is in progress. Try again later.")
	f.Method, f.Path, f.Times = http.MethodPatch, "/apps/*/formation/*", -1
	return f
}

// Error returns a fault that answers with an error of the Platform API, such as Error(403,
// "suspended", "Account suspended.").
func Error(status int, id, message string) Fault {
	body, err := json.Marshal(wireError{ID: id, Message: message})
	if err != nil {
		panic(err) // two strings can always be encoded
	}
	return Fault{Status: status, Body: string(body)}
}

// Inject adds faults after those that exist already. A request is struck by the first fault
// that matches it, has already skipped Skip requests, and has not yet struck Times
// requests.
//
// It panics if a fault's Path is not a pattern, or if its Status is one that cannot be sent.
func (s *Server) Inject(faults ...Fault) { s.faults.Inject(faults...) }

// ClearFaults removes all faults. Requests that one of them keeps waiting go on waiting.
func (s *Server) ClearFaults() { s.faults.ClearFaults() }
