package calls

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	tries        = 3
	maxAnswer    = 4 << 20
	maxErrorBody = 64 << 10
)

// userAgent is the User-Agent of every client.
const userAgent = "autoscale (+https://github.com/autoscalebot/autoscale)"

// A Dialect describes what is special about a platform's API.
type Dialect struct {
	Platform string // the package, such as "fly", for errors
	BaseURL  string // the default of Options.BaseURL
	Plain    bool   // http is permitted, because the network is the platform's own

	CallsPerHour int // the default of Options.CallsPerHour
	Account      int // see NewBudget

	// Authorize adds the credentials to a request. It may make calls of its own, for
	// example to exchange a token. body is what will be sent.
	Authorize func(ctx context.Context, req *http.Request, body []byte) error

	// Renew gets the Authorization header that the API refused, and reports whether
	// Authorize may have a better one now. The call is then made again, once. Nil: it never
	// may.
	Renew func(refused string) bool

	// Unauthorized reports whether the credentials are the reason for a refusal. For every
	// platform, a 401 is such a refusal.
	Unauthorized func(e *platform.Error) bool

	Secrets []string        // are taken out of every text
	Hidden  func() []string // are further secrets, which are known later; may be nil
	Like    *regexp.Regexp  // what looks like a token of the platform is taken out too

	// Explain fills in the Code and the Message of a refusal. Nil: the fields "code" and
	// "message", or "error", of JSON.
	Explain func(e *platform.Error, h http.Header, body []byte)

	// Advise returns advice on a refusal. Empty: there is none.
	Advise func(e *platform.Error) string

	// Passing reports whether the reason for a refusal ends by itself. For every platform,
	// that is so for a 429.
	Passing func(e *platform.Error) bool

	// Lasting reports whether another try would fail in the same way, although such a fault
	// is otherwise tried again. Nil: it never would.
	Lasting func(e *platform.Error) bool
}

// A Client makes calls. All Scalers that are made from it share its connections and its
// budget. It is safe for concurrent use.
type Client struct {
	dialect Dialect
	base    string
	timeout time.Duration
	budget  *Budget
	client  *http.Client
	own     *http.Transport // nil if the host supplied one
	scrub   func(string) string
	fault   error
}

// New returns a client. faults are the faults of the arguments of the platform's NewClient
// other than the options.
func New(d Dialect, opts *platform.Options, faults ...error) *Client {
	var o platform.Options
	if opts != nil {
		o = *opts
	}
	base := strings.TrimRight(cmp.Or(o.BaseURL, d.BaseURL), "/")
	perHour := cmp.Or(o.CallsPerHour, d.CallsPerHour)
	faults = append(faults, FaultOfURL("Options.BaseURL", base, d.BaseURL, d.Plain || o.Transport != nil))
	if o.CallsPerHour < 0 {
		faults = append(faults, fmt.Errorf("Options.CallsPerHour is %d: it must be above 0, or 0 for %d", o.CallsPerHour, d.CallsPerHour))
	}
	if o.AttemptTimeout < 0 {
		faults = append(faults, fmt.Errorf("Options.AttemptTimeout is %v: it must be above 0, or 0 for %v", o.AttemptTimeout, platform.DefaultAttemptTimeout))
	}
	c := &Client{
		dialect: d, base: base, timeout: cmp.Or(o.AttemptTimeout, platform.DefaultAttemptTimeout),
		budget: NewBudget(d.Platform, max(perHour, 1), d.Account), scrub: Scrubber(d.Like, d.Secrets...), fault: errors.Join(faults...),
	}
	if fixed := c.scrub; d.Hidden != nil {
		latest := remembered(d.Hidden)
		c.scrub = func(s string) string { return latest()(fixed(s)) }
	}
	c.dialect.Secrets = nil // so that no field that a verb of fmt may reach has them
	next := o.Transport
	if next == nil {
		c.own = outbound.NewTransport()
		if d.Plain || strings.HasPrefix(base, "http:") {
			// A proxy could read the token, and does not know the platform's own network.
			c.own.Proxy = nil
		}
		next = c.own
	}
	c.client = outbound.Client(http.Client{Transport: next})
	return c
}

// Fault returns what is wrong with the arguments from which the client was made.
func (c *Client) Fault() error { return c.fault }

// Base returns the URL of the API, or "" if that is not valid.
func (c *Client) Base() string {
	if c.fault != nil {
		return ""
	}
	return c.base
}

// Scrub takes what may be secret out of a text, and makes it one line of at most 200 bytes.
func (c *Client) Scrub(s string) string { return outbound.Text(c.scrub(s)) }

// maxName bounds a name. The longest that a package passes through Name has 83 bytes.
const maxName = 100

// Name returns a name on one line, without anything that looks like a token.
func (c *Client) Name(s string) string { return outbound.Line(c.scrub(s), maxName) }

// CloseIdleConnections closes the connections that are kept open between calls. It does not
// close those of an Options.Transport.
func (c *Client) CloseIdleConnections() {
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

// A Call is one request, and how often it is tried.
type Call struct {
	Op, Subject string // what is done, and to what, for errors
	Method      string // GET if empty
	Path        string // below the base. Its parts are escaped by the caller
	Query       url.Values
	Header      http.Header
	Body        any // is sent as JSON. []byte is sent unchanged. Nil: no body
	Urgency     Urgency

	// Once does not try again. A call that is not idempotent must set it.
	Once bool

	// Check returns an error if something is missing in an answer that was decoded. Nil:
	// nothing is checked.
	Check func() error
}

// Invalid returns the error of a call that cannot be made at all.
func (c *Client) Invalid(call Call, fault error) error {
	return fmt.Errorf("%s: %s: %s: %w", c.dialect.Platform, call.Op, call.Subject, fault)
}

// Do makes a call, and decodes the JSON of its answer into out, unless that is nil. It
// returns a *platform.Error, a *platform.CallBudgetError, or what is wrong with the
// client.
//
// A 429, a status of 500 or more and a network fault are tried again, twice, while the
// context leaves time for it.
func (c *Client) Do(ctx context.Context, call Call, out any) error {
	_, err := c.Answer(ctx, call, out)
	return err
}

// Answer is like Do, and returns the headers of the answer.
func (c *Client) Answer(ctx context.Context, call Call, out any) (http.Header, error) {
	if c.fault != nil {
		return nil, c.Invalid(call, c.fault)
	}
	var body []byte
	switch b := call.Body.(type) {
	case nil:
	case []byte:
		body = b
	default:
		var err error
		if body, err = json.Marshal(b); err != nil {
			return nil, c.Invalid(call, err)
		}
	}
	var last *platform.Error
	renewed, unsure := false, false
	for try := 1; ; try++ {
		if err := c.budget.Take(ctx, call.Urgency); err != nil {
			return nil, c.notSent(ctx, call, last, err)
		}
		call.Urgency = Urgent // so that work that was begun is finished
		h, again, err := c.attempt(ctx, call, body, out)
		if err == nil {
			return h, nil
		}
		if c.unauthorized(err) {
			again, renewed = again && !renewed, true
		}
		err.Platform, err.Op, err.Subject, err.Tries, err.Unsure = c.dialect.Platform, call.Op, call.Subject, try, unsure
		unsure = unsure || unanswered(err)
		err.Advice = c.advice(err)
		last = err
		if !again || call.Once || try == tries || ctx.Err() != nil || c.dialect.Lasting != nil && c.dialect.Lasting(err) {
			return nil, err
		}
		// The next try must begin early enough to end. If it cannot, the caller gets
		// the time back.
		wait := max(err.RetryAfter, Backoff(firstPause, try))
		if wait >= Patience(ctx) {
			return nil, err
		}
		if stopped := Pause(ctx, wait); stopped != nil {
			return nil, c.notSent(ctx, call, last, stopped)
		}
	}
}

// notSent returns the error of a call that could not be sent, or sent again. An
// earlier fault explains more than the lack of time to try again.
func (c *Client) notSent(ctx context.Context, call Call, last *platform.Error, err error) error {
	if last != nil {
		if ctx.Err() != nil {
			last.Err = Ended(ctx, last.Err)
		}
		return last
	}
	var room *platform.CallBudgetError
	if errors.As(err, &room) {
		room.Op, room.Subject = call.Op, call.Subject
		return room
	}
	return &platform.Error{Platform: c.dialect.Platform, Op: call.Op, Subject: call.Subject, Err: err}
}

// attempt makes one request. again means that another try may succeed.
func (c *Client) attempt(parent context.Context, call Call, body []byte, out any) (h http.Header, again bool, e *platform.Error) {
	ctx, cancel := context.WithTimeoutCause(parent, c.timeout, Slow{c.timeout})
	defer cancel()
	fail := func(e *platform.Error, err error, again bool) (http.Header, bool, *platform.Error) {
		if err != nil {
			var u *url.Error
			if errors.As(err, &u) { // its URL adds nothing to Op and Subject
				err = u.Err
			}
			if err = c.worded(err); e.Err != nil { // what Explain found
				err = fmt.Errorf("%w: %w", e.Err, err)
			}
			e.Err = err
		}
		if ctx.Err() != nil {
			e.Err = Ended(ctx, e.Err)
		}
		return nil, again, e
	}
	target := c.base + call.Path
	if len(call.Query) > 0 {
		target += "?" + call.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(call.Method, http.MethodGet), target, bytes.NewReader(body))
	if err != nil {
		return fail(&platform.Error{}, errors.New("the request could not be made: check the names"), false)
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	} else {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", userAgent)
	for name, values := range call.Header {
		req.Header[name] = values
	}
	if c.dialect.Authorize != nil {
		if err := c.dialect.Authorize(ctx, req, body); err != nil {
			var told *platform.Error
			if errors.As(err, &told) {
				e := *told
				return fail(&e, nil, false)
			}
			return fail(&platform.Error{}, err, false)
		}
	}
	res, err := c.client.Do(req)
	if err != nil {
		return fail(&platform.Error{}, err, true)
	}
	defer res.Body.Close()
	return c.judge(call, req, res, out, fail)
}

// judge reads an answer.
func (c *Client) judge(call Call, req *http.Request, res *http.Response, out any, fail func(*platform.Error, error, bool) (http.Header, bool, *platform.Error)) (http.Header, bool, *platform.Error) {
	e := &platform.Error{
		Status:     res.StatusCode,
		RequestID:  c.Scrub(cmp.Or(res.Header.Get("X-Request-Id"), res.Header.Get("Request-Id"), res.Header.Get("Fly-Request-Id"))),
		RetryAfter: RetryAfter(res.StatusCode, res.Header, time.Now()),
	}
	c.budget.Heard(res.StatusCode, res.Header, e.RetryAfter)
	good, limit := res.StatusCode/100 == 2, maxErrorBody
	if good {
		limit = maxAnswer
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	switch {
	case !good:
		c.explain(e, res.Header, body)
		again := res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500
		if c.unauthorized(e) && c.dialect.Renew != nil {
			again = c.dialect.Renew(req.Header.Get("Authorization"))
		}
		return fail(e, err, again)
	case err != nil:
		return fail(e, fmt.Errorf("the answer broke off after %d bytes: %w", len(body), err), true)
	case len(body) > limit:
		return fail(e, fmt.Errorf("the answer has more than %d bytes", limit), false)
	case res.StatusCode == http.StatusPartialContent:
		return fail(e, errors.New("the answer is one part of a longer list"), false)
	case out == nil:
		return res.Header, false, nil
	}
	if err := decode(body, out, res.Header); err != nil {
		return fail(e, err, false)
	}
	if call.Check != nil {
		if err := call.Check(); err != nil {
			return fail(e, err, false)
		}
	}
	return res.Header, false, nil
}

// decode decodes the body of an answer.
func decode(body []byte, out any, h http.Header) error {
	err := json.Unmarshal(body, out)
	var shape *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &shape):
		return fmt.Errorf("the answer has a %s where the API has a %s, at %s: %s", outbound.Line(shape.Value, 20), shape.Type, outbound.Line(shape.Field, 60), elsewhere)
	case !json.Valid(body):
		return fmt.Errorf("the answer (%s, %d bytes) is not JSON: %s", MediaType(h), len(body), elsewhere)
	}
	return fmt.Errorf("the answer has a value that the API does not have: %w", err)
}

const elsewhere = "something other than the platform's API answered, such as a proxy: check Options.BaseURL"

// explain fills e from the body of a refusal.
func (c *Client) explain(e *platform.Error, h http.Header, body []byte) {
	if c.dialect.Explain != nil {
		c.dialect.Explain(e, h, body)
	} else {
		var fields map[string]any
		if json.Unmarshal(body, &fields) == nil {
			text := func(key string) string { s, _ := fields[key].(string); return s }
			e.Code, e.Message = text("code"), cmp.Or(text("message"), text("error"))
		}
	}
	e.Code, e.Message = outbound.Line(c.scrub(e.Code), 64), c.Scrub(e.Message)
}

func (c *Client) advice(e *platform.Error) string {
	if c.dialect.Advise != nil {
		if advice := c.dialect.Advise(e); advice != "" {
			return advice
		}
	}
	switch {
	case c.Passing(e):
		return "this ends by itself: the size stays as it is until then"
	case e.Status >= 500:
		return "the platform's API is in trouble; the size stays as it is"
	case e.Status/100 == 3:
		return "redirects are not followed: " + elsewhere
	}
	return ""
}

// unauthorized reports whether the credentials are the reason for a refusal.
func (c *Client) unauthorized(e *platform.Error) bool {
	return e.Status == http.StatusUnauthorized || e.Status != 0 && c.dialect.Unauthorized != nil && c.dialect.Unauthorized(e)
}

// Passing reports whether the reason for a refusal ends by itself.
func (c *Client) Passing(e *platform.Error) bool {
	switch {
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusLocked, e.Status == http.StatusTooEarly:
		return true
	}
	return e.Status != 0 && c.dialect.Passing != nil && c.dialect.Passing(e)
}

// worded returns err with a text that is safe for a log, because err may quote an
// answer or a request.
func (c *Client) worded(err error) error {
	text := err.Error()
	switch line := outbound.Line(c.scrub(text), 500); {
	case line == text:
		return err
	case c.scrub(text) != text:
		return errors.New(line) // the error that it wraps may contain the same
	default:
		return errWorded{line, err}
	}
}

// errWorded is an error with another text.
type errWorded struct {
	text string
	error
}

func (e errWorded) Error() string { return e.text }
func (e errWorded) Unwrap() error { return e.error }
