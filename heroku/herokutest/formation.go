package herokutest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// An update is what a PATCH changes in a process type. Fields that are absent stay
// unchanged.
type update struct {
	Type     string          `json:"type"`
	Quantity json.RawMessage `json:"quantity"`
	Size     *string         `json:"size"`
}

// A plan is the result of updates that are allowed.
type plan struct {
	p        *process
	quantity int
	size     string
}

func (s *Server) listFormation(w http.ResponseWriter, _ *http.Request, a *App) {
	out := make([]wireFormation, len(a.processes))
	for i, p := range a.processes {
		out[i] = a.wireFormation(p)
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) getProcess(w http.ResponseWriter, r *http.Request, a *App) {
	p := a.process(r.PathValue("type"))
	if p == nil {
		writeError(w, noProcess(r.PathValue("type")))
		return
	}
	writeJSON(w, http.StatusOK, a.wireFormation(p))
}

func (s *Server) patchProcess(w http.ResponseWriter, r *http.Request, a *App) {
	var u update
	if e := decode(r, &u); e != nil {
		writeError(w, e)
		return
	}
	u.Type = r.PathValue("type")
	if e := s.update(r, a, []update{u}); e != nil {
		writeError(w, e)
		return
	}
	s.getProcess(w, r, a)
}

func (s *Server) patchFormation(w http.ResponseWriter, r *http.Request, a *App) {
	var body struct {
		Updates []update `json:"updates"`
	}
	if e := decode(r, &body); e != nil {
		writeError(w, e)
		return
	}
	if body.Updates == nil {
		writeError(w, invalid("Require params: updates."))
		return
	}
	if e := s.update(r, a, body.Updates); e != nil {
		writeError(w, e)
		return
	}
	s.listFormation(w, r, a)
}

// update makes all of the changes, or returns an error and makes none.
func (s *Server) update(r *http.Request, a *App, updates []update) *wireError {
	plans := make(map[*process]plan)
	var order []plan
	for _, u := range updates {
		p := a.process(u.Type)
		if p == nil {
			return noProcess(u.Type)
		}
		next, ok := plans[p] // the result of an earlier update of the same type
		if !ok {
			next = plan{p, len(p.dynos), p.size}
		}
		if e := u.apply(&next); e != nil {
			return e
		}
		plans[p] = next
		order = append(order, next)
	}
	if e := a.checkLimits(plans); e != nil {
		return e
	}

	now := time.Now()
	rec := recordOf(r.Context())
	for _, next := range order {
		from := len(next.p.dynos)
		a.set(next.p, next.quantity, next.size, now)
		s.writes.add(Write{
			Time: now, App: a.name, Type: next.p.typ, From: from, To: next.quantity,
			UserAgent: rec.UserAgent, Sender: rec.Sender, RequestID: rec.RequestID,
		})
	}
	return nil
}

var validQuantity = regexp.MustCompile(`^[+-]?[0-9]{1,9}$`)

// apply applies the update to the plan.
func (u *update) apply(next *plan) *wireError {
	if u.Size != nil {
		size, ok := findSize(*u.Size)
		if !ok {
			return invalid(fmt.Sprintf("No such size as %s. Use %s.", *u.Size, strings.Join(sizeNames(), ", ")))
		}
		next.size = size.Name
	}
	if len(u.Quantity) == 0 || string(u.Quantity) == "null" {
		return nil
	}
	text, relative := string(u.Quantity), false
	if text[0] == '"' {
		if err := json.Unmarshal(u.Quantity, &text); err != nil {
			return invalid("Invalid quantity.")
		}
		relative = strings.HasPrefix(text, "+") || strings.HasPrefix(text, "-")
	}
	n, err := strconv.Atoi(text)
	if err != nil || !validQuantity.MatchString(text) {
		return invalid(fmt.Sprintf("Invalid quantity: %.40s.", text))
	}
	if relative {
		n += next.quantity
	}
	if n < 0 {
		return invalid(fmt.Sprintf("Invalid quantity: %.40s. It must be 0 or greater.", text))
	}
	next.quantity = n
	return nil
}

// checkLimits returns an error if the app may not run what is planned. An app that is
// already over a limit may scale down.
func (a *App) checkLimits(plans map[*process]plan) *wireError {
	total, running := 0, 0
	grown := plan{}
	for _, p := range a.processes {
		next, ok := plans[p]
		if !ok {
			next = plan{p, len(p.dynos), p.size}
		}
		running += len(p.dynos)
		total += next.quantity
		if next.quantity <= len(p.dynos) && next.size == p.size {
			continue
		}
		grown = next
		size, _ := findSize(next.size)
		switch {
		case size.perType == 1 && next.quantity > 1:
			return invalid(fmt.Sprintf("Cannot update to more than 1 %s size dynos per process type.", next.size))
		case size.perType > 0 && next.quantity > size.perType:
			return a.aboveLimit(size.perType, next.quantity, next.size)
		}
	}
	if total > a.limit && total > running {
		return a.aboveLimit(a.limit, total, grown.size)
	}
	return nil
}

func (a *App) aboveLimit(limit, wanted int, size string) *wireError {
	if a.hideLimit {
		return &wireError{status: http.StatusUnprocessableEntity, ID: "cannot_update_above_limit", Message: "The limit of your account is reached."}
	}
	return &wireError{
		status: http.StatusUnprocessableEntity, ID: "cannot_run_above_limit", Limit: limit, Size: wanted,
		Message: fmt.Sprintf("Cannot run more than %d %s size dynos.", limit, size),
		URL:     "https://devcenter.heroku.com/articles/dyno-size#default-scaling-limits",
	}
}

func invalid(message string) *wireError {
	return &wireError{status: http.StatusUnprocessableEntity, ID: "invalid_params", Message: message}
}

func noProcess(typ string) *wireError {
	return &wireError{
		status: http.StatusNotFound, Resource: "formation", ID: "not_found",
		Message: fmt.Sprintf("Couldn't find that process type (%.128s).", typ),
	}
}

// decode reads the JSON object of a request's body into v. An absent body is an empty object.
func decode(r *http.Request, v any) *wireError {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err) // it is read from memory
	}
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil
	}
	if body[0] != '{' || !json.Valid(body) {
		return &wireError{
			status: http.StatusBadRequest, ID: "bad_request",
			Message: "Unable to parse the JSON of the request: an object was expected.",
		}
	}
	if err := json.Unmarshal(body, v); err != nil {
		return invalid("Invalid parameters.")
	}
	return nil
}
