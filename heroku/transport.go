package heroku

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

const (
	maxAnswer    = 4 << 20  // a list of a thousand dynos has a sixth of it
	maxErrorBody = 64 << 10 // an error of the API has less than one
)

// A transport authorizes requests, and judges answers before heroku-go sees them. It
// forgets the status of an error that is not JSON, all headers, and whether
// an answer was whole; it also reads bodies without a bound.
type transport struct {
	next      http.RoundTripper
	authorize func(http.Header) // a func, so that no formatting reaches the token
	scrub     func(string) string
	budget    *calls.Budget             // nil: what the host says of its limits does not concern the API
	scopes    *atomic.Pointer[[]string] // of the token, as the API says it
}

// RoundTrip returns an answer of 2xx whose body is in memory and JSON, or an error: an
// *Error where there was an answer.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	t.authorize(req.Header)
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()

	e := &Error{
		Status:     res.StatusCode,
		RequestID:  oneLine(t.scrub(res.Header.Get("Request-Id")), 300),
		RetryAfter: calls.RetryAfter(res.StatusCode, res.Header, time.Now()),
	}
	if a, ok := req.Context().Value(answerKey{}).(*answer); ok {
		a.status, a.requestID = e.Status, e.RequestID
	}
	if t.budget != nil {
		t.budget.Heard(res.StatusCode, res.Header, e.RetryAfter)
		if text := res.Header.Get("Oauth-Scope"); text != "" {
			scopes := strings.Fields(oneLine(t.scrub(text), 200))
			t.scopes.Store(&scopes)
		}
	}

	limit := maxErrorBody
	if res.StatusCode/100 == 2 {
		limit = maxAnswer
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, int64(limit)+1))
	switch {
	case res.StatusCode/100 != 2:
		t.explain(e, body)
		e.Err = err
		e.again = res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500
		return nil, e
	case err != nil:
		e.Err, e.again = fmt.Errorf("the answer broke off after %d bytes: %w", len(body), err), true
		return nil, e
	case len(body) > limit:
		e.Err = fmt.Errorf("the answer has more than %d bytes", limit)
		return nil, e
	case !json.Valid(body):
		e.Err = fmt.Errorf("the answer (%s, %d bytes) is not JSON: %s", calls.MediaType(res.Header), len(body), elsewhere)
		return nil, e
	}
	res.Header.Del("X-Heroku-Warning") // heroku-go would print it with each call
	res.Body = io.NopCloser(bytes.NewReader(body))
	res.ContentLength = int64(len(body))
	return res, nil
}

const elsewhere = "something other than the Platform API answered, a proxy for instance: check Options.BaseURL"

// explain fills e with what the body of a refusal says.
func (t *transport) explain(e *Error, body []byte) {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return
	}
	text := func(key string, most int) string {
		s, _ := fields[key].(string)
		return oneLine(t.scrub(s), most)
	}
	e.ID = text("id", 64)
	e.Message = text("message", 200)
	if e.Message == "" {
		e.Message = text("error", 200) // of before version 3
	}
	if e.Status == http.StatusUnprocessableEntity {
		limit, limited := limitOf(e.ID, e.Message, fields["limit"])
		e.Limit, e.limited, e.numberless = max(limit, 0), limited, limited && limit < 0
	}
}

// An answer is what transport notes of an answer that heroku-go accepts, for
// the errors found after that.
type answer struct {
	status    int
	requestID string
}

type answerKey struct{}

// whole reports an error if the last answer was one page of a list.
func whole(ctx context.Context) error {
	if a, ok := ctx.Value(answerKey{}).(*answer); ok && a.status == http.StatusPartialContent {
		return errors.New("the answer is one part of a longer list")
	}
	return nil
}
