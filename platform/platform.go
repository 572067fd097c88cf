// Package platform has what the Scalers of the platforms below it share: the options of a
// client, and the errors of its calls.
//
// Each platform is a package of its own, so a service imports only the one that it needs.
// None of them has dependencies beyond the standard library and golang.org/x/time/rate.
// Package heroku is not below this one. It has options of its own, but the same errors.
package platform

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Options are the settings of a client. The zero value is ready to use. If a platform has
// defaults of its own, the documentation of its NewClient says so.
type Options struct {
	// BaseURL is the URL of the platform's API. It must be https, except on the loopback
	// interface, in the platform's own network, and if Transport is set. Defaults to the
	// address in the documentation of the platform's package.
	BaseURL string

	// TokenName is a name, such as "FLY_API_TOKEN", by which errors say where the
	// credentials come from. It is not the token.
	TokenName string

	// CallsPerHour is the most calls that the client makes, with everything that is made
	// from it. A thirtieth of them may be made at once. Defaults to the DefaultCallsPerHour
	// of the platform's package.
	CallsPerHour int

	// AttemptTimeout is how long one attempt at a call may take, within the time of the
	// caller's context. Defaults to DefaultAttemptTimeout.
	AttemptTimeout time.Duration

	// Transport carries the requests, credentials included. Nil: one of the client's own,
	// which uses the proxy that the environment names, for example in HTTPS_PROXY. Requests
	// over plain HTTP do not use a proxy.
	Transport http.RoundTripper

	// Getenv looks up the environment variables that a client reads. These are the ones
	// that the platform sets. It must be safe for concurrent use. Nil: os.Getenv.
	Getenv func(name string) string
}

// DefaultAttemptTimeout is the default of Options.AttemptTimeout.
const DefaultAttemptTimeout = 10 * time.Second

// Format writes the options without what may be secret: users, passwords and queries of
// the URL, and the Transport.
func (o Options) Format(f fmt.State, _ rune) {
	base := "the default API"
	if u, err := url.Parse(o.BaseURL); err != nil {
		base = "?"
	} else if o.BaseURL != "" {
		base = (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	}
	fmt.Fprintf(f, "platform.Options(%s, %d calls an hour, attempts of %v)", base, o.CallsPerHour, o.AttemptTimeout)
}

// MarshalJSON writes the same text as Format, as a JSON string.
func (o Options) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(o)) }

// An Error is a call that failed. Either the API refused it, or there was no complete
// answer of the API, or there was no answer at all. An Error never contains a token.
type Error struct {
	Platform    string        // the package, such as "fly"
	Op, Subject string        // what was to be done, and to what
	Status      int           // of the last answer. 0: there was none
	Code        string        // the API's own name for the refusal; may be empty
	Message     string        // the API's own words, on one line of at most 200 bytes; may be empty
	RequestID   string        // for the platform's support; may be empty
	RetryAfter  time.Duration // how long the API asked to wait. 0: it did not
	Tries       int           // how often the call was made
	Unsure      bool          // an earlier try had no complete answer, or a status of 500 or more, so it may have been carried out
	Advice      string        // what to do
	Err         error         // any other cause; may be nil
}

// Unwrap returns e.Err: a network fault or the end of the context, for instance.
func (e *Error) Unwrap() error { return e.Err }

// Error says what failed, what the API said, and what to do.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %s: ", e.Platform, e.Op, e.Subject)
	switch {
	case e.Status == 0:
		b.WriteString("no answer")
	case e.Status/100 == 2:
		fmt.Fprintf(&b, "status %d", e.Status)
	default:
		b.WriteString(strings.TrimSpace(strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)))
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " (%s)", e.Code)
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
	if e.RequestID != "" {
		fmt.Fprintf(&b, " [request %s]", e.RequestID)
	}
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// A CallBudgetError means that a call was not made, because its context would end before
// the budget of calls has room for it.
type CallBudgetError struct {
	Platform    string        // the package, such as "fly"
	Op, Subject string        // what was to be done, and to what
	Until       time.Time     // when there will be room, as far as is known
	Wait        time.Duration // how long that was away
	Reason      string        // what budget has no room, and how to make room
}

// Error says what was not done, why, and when it can be done.
func (e *CallBudgetError) Error() string {
	return fmt.Sprintf("%s: %s: %s: no call was made: %s; there is room in %v, at %s",
		e.Platform, e.Op, e.Subject, e.Reason, e.Wait.Round(time.Millisecond), e.Until.UTC().Format(time.RFC3339))
}
