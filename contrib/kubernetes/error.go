package kubernetes

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

// An Error is a request that failed: refused by the API server, answered by something
// that is not the API, or not answered at all. It never holds credentials.
type Error struct {
	Op, Subject string        // what was to be done, and to what
	Status      int           // of the last answer; 0: there was none
	Reason      string        // Kubernetes' own name for the refusal, such as "Conflict"; may be empty
	Message     string        // the API server's own words, at most 200 bytes; may be empty
	RetryAfter  time.Duration // how long the API server asked to wait; 0: it did not
	Tries       int           // how often the request was sent; 0: never
	Err         error         // what else went wrong; may be nil

	// What was asked of RBAC.
	Verb, Group, Resource, Name, Namespace string // Resource has the subresource, such as "deployments/scale"
	User                                   string // who asked, as the API server said in a 403; may be empty

	again  bool // whether another try may fare better
	unsure bool // whether an earlier try may have been carried out
}

// failed returns the Error of a call. conn may be nil.
func (c *Client) failed(k call, conn *conn, err error) *Error {
	e := &Error{Op: k.op, Subject: k.subject, Err: c.worded(err), Verb: k.verb(), Resource: k.resource, Name: k.name, Namespace: k.namespace}
	if group, _, ok := strings.Cut(k.api, "/"); ok {
		e.Group = group
	}
	if name, ok := strings.CutPrefix(k.query.Get("fieldSelector"), "metadata.name="); ok && e.Name == "" {
		e.Name = name // RBAC takes it for the name of a list and of a watch
	}
	if k.sub != "" {
		e.Resource += "/" + k.sub
	}
	if e.Namespace == "" && conn != nil && !k.everywhere {
		e.Namespace = conn.namespace
	}
	return e
}

// unfit returns the Error of an answer of 2xx that lacks something.
func (c *Client) unfit(k call, err error) *Error {
	e := c.failed(k, nil, err)
	e.Tries, e.Status = 1, http.StatusOK
	return e
}

// worded returns err in words fit for a log.
func (c *Client) worded(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	hidden := c.hidden.hide(text)
	switch line := outbound.Line(hidden, 500); {
	case line == text:
		return err
	case hidden != text:
		return errors.New(line) // what it wraps may hold the same
	default:
		return wordedError{line, err}
	}
}

// wordedError is an error in other words.
type wordedError struct {
	text string
	error
}

func (e wordedError) Error() string { return e.text }
func (e wordedError) Unwrap() error { return e.error }

// A status is the API's own answer to a request that failed.
type status struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Reason  string `json:"reason"`
	Code    int    `json:"code"`
	Details struct {
		RetryAfterSeconds int `json:"retryAfterSeconds"`
	} `json:"details"`
}

var askingUser = regexp.MustCompile(`User "([^"]{1,253})" cannot `)

// explain fills e with what the body of a refusal says.
func (c *Client) explain(e *Error, body []byte) {
	var s status
	if json.Unmarshal(body, &s) != nil || s.Kind != "Status" {
		e.Message = outbound.Text(c.hidden.hide(outbound.Line(string(body), 4*outbound.MaxText)))
		return
	}
	message := c.hidden.hide(s.Message)
	e.Reason = outbound.Line(c.hidden.hide(s.Reason), 64)
	e.Message = outbound.Text(message)
	e.Status = cmp.Or(e.Status, s.Code)
	if s.Details.RetryAfterSeconds > 0 && e.RetryAfter == 0 {
		e.RetryAfter = min(time.Duration(s.Details.RetryAfterSeconds)*time.Second, calls.MaxRetryAfter)
	}
	if m := askingUser.FindStringSubmatch(message); e.Status == http.StatusForbidden && m != nil {
		e.User = outbound.Text(m[1])
	}
}

// Unwrap returns e.Err: a network fault or the end of the context, for instance.
func (e *Error) Unwrap() error { return e.Err }

// Error says what failed, what the API server said, and what to do. It is one line.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "kubernetes: %s: %s: ", e.Op, e.Subject)
	switch {
	case e.Status/100 == 2:
		fmt.Fprintf(&b, "status %d", e.Status)
	case e.Status != 0:
		text := http.StatusText(e.Status)
		b.WriteString(strings.TrimSpace(strconv.Itoa(e.Status) + " " + text))
		if e.Reason != "" && e.Reason != strings.ReplaceAll(text, " ", "") {
			fmt.Fprintf(&b, " (%s)", e.Reason)
		}
	case e.Tries > 0:
		b.WriteString("no answer")
	default:
		b.WriteString("not sent")
	}
	if e.Message != "" {
		b.WriteString(": " + strings.TrimRight(e.Message, "."))
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Tries > 1 {
		fmt.Fprintf(&b, ", after %d tries", e.Tries)
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, ", to be tried again in %v", e.RetryAfter.Round(time.Second))
	}
	if advice := e.advice(); advice != "" {
		b.WriteString(": " + advice)
	}
	return b.String()
}
