package kubetest

import (
	"fmt"
	"net/http"
)

// An apiError is a failure in the form in which the API server reports it: a Status
// object.
type apiError struct {
	code            int
	reason, message string
	details         map[string]any
}

func (e *apiError) object() object {
	o := object{"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure", "message": e.message, "code": e.code}
	if e.reason != "" {
		o["reason"] = e.reason
	}
	if e.details != nil {
		o["details"] = e.details
	}
	return o
}

func (e *apiError) answer() *answer {
	a := answerJSON(e.code, e.object())
	if after, ok := e.details["retryAfterSeconds"]; ok {
		a.header.Set("Retry-After", fmt.Sprint(after))
	}
	return a
}

func unauthorized() *apiError {
	return &apiError{code: http.StatusUnauthorized, reason: "Unauthorized", message: "Unauthorized"}
}

func forbidden(q *query, user string) *apiError {
	res := q.res.plural
	if q.sub != "" {
		res += "/" + q.sub
	}
	message := fmt.Sprintf("User %q cannot %s resource %q in API group %q", user, q.verb, res, q.res.group)
	if q.ns != "" {
		message += fmt.Sprintf(" in the namespace %q", q.ns)
	} else {
		message += " at the cluster scope"
	}
	subject := q.res.groupResource()
	if q.name != "" {
		subject += fmt.Sprintf(" %q", q.name)
	}
	return &apiError{http.StatusForbidden, "Forbidden", subject + " is forbidden: " + message, details(q.res.plural, q.res.group, q.name)}
}

func details(kind, group, name string) map[string]any {
	d := map[string]any{"kind": kind}
	if group != "" {
		d["group"] = group
	}
	if name != "" {
		d["name"] = name
	}
	return d
}

// noPath returns the answer for a path without a resource.
func noPath() *apiError {
	return &apiError{http.StatusNotFound, "NotFound", "the server could not find the requested resource", map[string]any{}}
}

func notFound(res *resource, name string) *apiError {
	return &apiError{http.StatusNotFound, "NotFound", fmt.Sprintf("%s %q not found", res.groupResource(), name), details(res.plural, res.group, name)}
}

func alreadyExists(res *resource, name string) *apiError {
	return &apiError{http.StatusConflict, "AlreadyExists", fmt.Sprintf("%s %q already exists", res.groupResource(), name), details(res.plural, res.group, name)}
}

func conflict(res *resource, name, why string) *apiError {
	return &apiError{http.StatusConflict, "Conflict", fmt.Sprintf("Operation cannot be fulfilled on %s %q: %s", res.groupResource(), name, why), details(res.plural, res.group, name)}
}

const modified = "the object has been modified; please apply your changes to the latest version and try again"

// invalid returns the answer that refuses the value of a field.
func invalid(kind, group, name, field, reason, why string) *apiError {
	d := details(kind, group, name)
	d["causes"] = []any{map[string]any{"reason": reason, "message": why, "field": field}}
	qualified := kind
	if group != "" {
		qualified += "." + group
	}
	return &apiError{http.StatusUnprocessableEntity, "Invalid", fmt.Sprintf("%s %q is invalid: %s: %s", qualified, name, field, why), d}
}

func badRequest(message string) *apiError {
	return &apiError{http.StatusBadRequest, "BadRequest", message, nil}
}

func tooLarge() *apiError {
	return &apiError{http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("Request entity too large: limit is %d", maxBody), nil}
}

func gone(version, oldest int64) *apiError {
	return &apiError{http.StatusGone, "Expired", fmt.Sprintf("too old resource version: %d (%d)", version, oldest), nil}
}
