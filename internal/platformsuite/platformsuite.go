// Package platformsuite has the tests that the Scaler of every platform must pass against
// the platform's fake, in whatever way the platform fails.
package platformsuite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// maxText bounds the text of an error.
const maxText = 2000

// maxRequests bounds what one call may send, each attempt included.
const maxRequests = 12

// Faults makes the platform of a Scaler fail in many ways. server is the fake, outside of
// any bubble, make returns a Scaler that reaches it through a transport, and secrets must
// show in no text.
func Faults(t *testing.T, server *platformtest.Server, make func(http.RoundTripper) autoscale.Scaler, secrets ...string) {
	t.Helper()
	words := strings.Join(secrets, " ")
	quoted, _ := json.Marshal("refused " + words + "\n\x00" + strings.Repeat("x", 5000))
	for _, tt := range []struct {
		name  string
		fault platformtest.Fault
		busy  time.Duration // RetryAfter of a BusyError. -1: there is none
	}{
		{"too many, for years", platformtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"99999999"}}}, 10 * time.Minute},
		{"too many, until a year from now", platformtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"Fri, 31 Dec 2100 00:00:00 GMT"}}}, 10 * time.Minute},
		{"too many, until the window ends", platformtest.Fault{Status: 429, Header: http.Header{"Ratelimit-Reset": {"45"}}}, 45 * time.Second},
		{"too many, until a moment", platformtest.Fault{Status: 429, Header: http.Header{"X-Ratelimit-Reset": {"4102444800"}}}, 10 * time.Minute},
		{"too many, nonsense", platformtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"-5 soon " + words}}}, 0},
		{"locked", platformtest.Fault{Status: 423}, 0},
		{"conflict", platformtest.Fault{Status: 409, Body: `{"message":"in progress"}`}, 0},
		{"forbidden, a long text", platformtest.Fault{Status: 403, Body: `{"message":` + string(quoted) + `,"error":` + string(quoted) + `}`}, -1},
		{"not found", platformtest.Fault{Status: 404, Body: "<html>" + words}, -1},
		{"bad request", platformtest.Fault{Status: 400, Body: `{"message":[1]}`}, -1},
		{"teapot", platformtest.Fault{Status: 418}, -1},
		{"in trouble", platformtest.Fault{Status: 500}, -1},
		{"bad gateway", platformtest.Fault{Status: 502, Body: "<html>" + words}, -1},
		{"unavailable", platformtest.Fault{Status: 503, Header: http.Header{"Retry-After": {"1"}}}, -1},
		{"redirect", platformtest.Fault{Status: 302, Header: http.Header{"Location": {"https://u:" + secrets[0] + "@evil.example/"}}}, -1},
		{"hang", platformtest.Fault{Hang: true}, -1},
		{"reset", platformtest.Fault{Reset: true}, -1},
		{"truncated", platformtest.Fault{Truncate: true, Status: 200, Body: `{"a":"b"}`}, -1},
		{"HTML", platformtest.Fault{Status: 200, Body: "<html>" + words}, -1},
		{"nothing", platformtest.Fault{Status: 200}, -1},
		{"an empty object", platformtest.Fault{Status: 200, Body: "{}"}, -1},
		{"null", platformtest.Fault{Status: 200, Body: "null"}, -1},
		{"a list", platformtest.Fault{Status: 200, Body: "[]"}, -1},
		{"a text", platformtest.Fault{Status: 200, Body: string(quoted)}, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.fault.Times = -1
			server.Inject(tt.fault)
			defer server.ClearFaults()
			synctest.Test(t, func(t *testing.T) {
				s := make(server.Transport())
				before := len(server.Requests())
				c, err := ask(t, func(ctx context.Context) (autoscale.Capacity, error) { return s.Capacity(ctx) })
				check(t, "Capacity", err, tt.busy, secrets)
				if c != (autoscale.Capacity{}) {
					t.Errorf("Capacity returned %+v and an error", c)
				}
				_, err = ask(t, func(ctx context.Context) (any, error) { return nil, s.Scale(ctx, 3) })
				check(t, "Scale", err, tt.busy, secrets)
				if n := len(server.Requests()) - before; n > 2*maxRequests {
					t.Errorf("the two calls sent %d requests", n)
				}
			})
		})
	}
}

// ask calls f with a deadline, and fails if f does not keep it.
func ask[T any](t *testing.T, f func(context.Context) (T, error)) (T, error) {
	t.Helper()
	const most = 20 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	start := time.Now()
	v, err := f(ctx)
	if took := time.Since(start); took > most {
		t.Errorf("the call took %v of %v", took, most)
	}
	return v, err
}

func check(t *testing.T, call string, err error, busy time.Duration, secrets []string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s returned no error", call)
		return
	}
	var b *autoscale.BusyError
	switch is := errors.As(err, &b); {
	case is != (busy >= 0):
		t.Errorf("%s: a BusyError: %v, of %v", call, is, err)
	case is && b.RetryAfter != busy:
		t.Errorf("%s: to be tried again in %v, want %v", call, b.RetryAfter, busy)
	}
	Text(t, call, err.Error(), secrets...)
}

// Text fails t if a text is not fit for a log: too long, of more than one line, or with a
// secret.
func Text(t *testing.T, what, text string, secrets ...string) {
	t.Helper()
	if len(text) > maxText || strings.ContainsFunc(text, unicode.IsControl) {
		t.Errorf("%s: not fit for a log: %q", what, text)
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(text, s) {
			t.Errorf("%s: a secret shows: %q", what, text)
		}
	}
}

// Hidden fails t if one of the values shows a secretfor any verb, or as JSON.
func Hidden(t *testing.T, secrets []string, values ...any) {
	t.Helper()
	for _, v := range values {
		var b strings.Builder
		for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "T", "t"} {
			fmt.Fprintf(&b, "%"+verb+" ", v)
			fmt.Fprintf(&b, "%"+verb+" ", []any{v})
		}
		text, err := json.Marshal(v)
		fmt.Fprint(&b, string(text), err)
		for _, s := range secrets {
			hex := fmt.Sprintf("%x", s)
			for _, leak := range []string{s, hex, strings.ToUpper(hex)} {
				if strings.Contains(b.String(), leak) {
					t.Errorf("%T shows a secret: %.300q", v, b.String())
				}
			}
		}
	}
}
