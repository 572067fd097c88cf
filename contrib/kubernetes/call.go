package kubernetes

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
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

const (
	tries      = 3
	firstPause = 250 * time.Millisecond // before the second try; doubled before the third

	maxAnswer    = 16 << 20 // 500 pods have about a third of it
	maxErrorBody = 64 << 10 // a Status has less than one
)

// The content types of a PATCH.
const (
	mergePatch = "application/merge-patch+json"
	plainJSON  = "application/json"
)

// A call is one request, and says what it is for.
type call struct {
	op, subject string // for errors: "scale to 5", "deployment/web"

	method      string // GET if empty
	api         string // group and version, such as "apps/v1", or "v1" for the core group
	resource    string // as "deployments"; empty: what the API has, at "/apis/" and api
	name, sub   string // of the object and of its subresource; may be empty
	namespace   string // that of the Client if empty
	everywhere  bool   // in all namespaces
	query       url.Values
	contentType string // of the body; application/json if empty
	accept      string // application/json if empty

	head   func(http.Header) // if not nil, gets the headers of an answer of 2xx
	leaves func()            // if not nil, is called when there is room in the budget, before each try

	once bool // do not try again. A POST is never tried again
}

func (k call) path(namespace string) string {
	var b strings.Builder
	switch k.api {
	case "":
		b.WriteString("/apis")
	case "v1":
		b.WriteString("/api/v1")
	default:
		b.WriteString("/apis/" + k.api)
	}
	if k.resource == "" {
		return b.String()
	}
	if !k.everywhere {
		b.WriteString("/namespaces/" + url.PathEscape(namespace))
	}
	b.WriteString("/" + k.resource)
	for _, part := range []string{k.name, k.sub} {
		if part != "" {
			b.WriteString("/" + url.PathEscape(part))
		}
	}
	return b.String()
}

// verb returns the verb that RBAC has for the call.
func (k call) verb() string {
	switch cmp.Or(k.method, http.MethodGet) {
	case http.MethodPost:
		return "create"
	case http.MethodPut:
		return "update"
	case http.MethodPatch:
		return "patch"
	case http.MethodDelete:
		return "delete"
	}
	switch {
	case k.query.Get("watch") != "":
		return "watch"
	case k.name == "":
		return "list"
	}
	return "get"
}

// do sends in, if it is not nil, and reads the answer into out, if that is not nil. It
// tries again after a network fault, a 429 and a 5xx, within the time of ctx. Its error
// is an *Error.
func (c *Client) do(ctx context.Context, k call, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return c.failed(k, nil, err)
		}
	}
	conn, err := c.connection()
	if err != nil {
		return c.failed(k, nil, err)
	}
	var last *Error
	unsure := false
	for try := 1; ; try++ {
		if err := c.room(ctx); err != nil {
			if last != nil {
				last.Err = ended(ctx, last.Err) // what went wrong before says more
				return last
			}
			return c.failed(k, conn, err)
		}
		if k.leaves != nil {
			k.leaves()
		}
		e := c.attempt(ctx, conn, k, body, out)
		if e == nil {
			return nil
		}
		e.Tries, e.unsure, last = try, unsure, e
		unsure = unsure || e.Status < 300 || e.Status >= 500
		if !e.again || k.once || k.method == http.MethodPost || try == tries || ctx.Err() != nil {
			return e
		}
		wait := max(e.RetryAfter, calls.Backoff(firstPause, try))
		if wait >= patience(ctx) {
			return e // the caller gets the time back
		}
		if err := pause(ctx, wait); err != nil {
			e.Err = ended(ctx, e.Err)
			return e
		}
	}
}

// attempt makes one request.
func (c *Client) attempt(parent context.Context, conn *conn, k call, body []byte, out any) *Error {
	ctx, cancel := context.WithTimeoutCause(parent, c.opts.AttemptTimeout, calls.Slow{After: c.opts.AttemptTimeout})
	defer cancel()
	res, e := c.send(ctx, conn, k, body)
	if e != nil {
		return e
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		e = c.failed(k, conn, ended(ctx, fmt.Errorf("the answer broke off after %d bytes: %w", len(answer), err)))
		e.again = true
	case len(answer) > maxAnswer:
		e = c.failed(k, conn, fmt.Errorf("the answer has more than %d bytes", maxAnswer))
	case out == nil:
		return nil
	default:
		if err := json.Unmarshal(answer, out); err != nil {
			e = c.failed(k, conn, fmt.Errorf("the answer (%d bytes) is not what the Kubernetes API answers: check the URL of the API server: %w", len(answer), err))
		}
	}
	if e != nil {
		e.Status = res.StatusCode
	}
	return e
}

// send sends one request, and returns an answer of 2xx, or an error.
func (c *Client) send(ctx context.Context, conn *conn, k call, body []byte) (*http.Response, *Error) {
	namespace := cmp.Or(k.namespace, conn.namespace)
	u := *conn.base
	u.Path = strings.TrimRight(u.Path, "/") + k.path(namespace)
	u.RawQuery = k.query.Encode()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(k.method, http.MethodGet), u.String(), reader)
	if err != nil {
		return nil, c.failed(k, conn, err)
	}
	req.Header.Set("Accept", cmp.Or(k.accept, plainJSON))
	if body != nil {
		req.Header.Set("Content-Type", cmp.Or(k.contentType, plainJSON))
	}
	res, err := conn.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // it quotes the URL, which op and subject say better
		}
		e := c.failed(k, conn, ended(ctx, err))
		e.Tries, e.again = 1, true
		return nil, e
	}
	if res.StatusCode/100 == 2 {
		if k.head != nil {
			k.head(res.Header)
		}
		return res, nil
	}
	defer res.Body.Close()
	e := c.failed(k, conn, nil)
	e.Tries, e.Status = 1, res.StatusCode
	e.RetryAfter = calls.RetryAfter(res.StatusCode, res.Header, time.Now())
	e.again = res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500
	text, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	c.explain(e, text)
	if err != nil {
		e.Err = ended(ctx, err)
	}
	return nil, e
}

// room waits until the budget of requests has room, or returns at once if the context
// leaves no time to wait.
func (c *Client) room(ctx context.Context) error {
	if ctx.Err() != nil {
		return ended(ctx, nil)
	}
	r := c.limiter.Reserve()
	wait := r.Delay()
	if wait == 0 {
		return nil
	}
	if wait >= patience(ctx) {
		r.Cancel()
		return fmt.Errorf("no request was sent: Options.QPS of %v leaves room in %v only: raise it", c.opts.QPS, wait.Round(time.Millisecond))
	}
	if err := pause(ctx, wait); err != nil {
		r.Cancel()
		return err
	}
	return nil
}

// A wait for the API server is one for any platform.
func patience(ctx context.Context) time.Duration       { return calls.Patience(ctx) }
func pause(ctx context.Context, d time.Duration) error { return calls.Pause(ctx, d) }
func ended(ctx context.Context, err error) error       { return calls.Ended(ctx, err) }
