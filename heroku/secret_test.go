package heroku_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/autoscalebot/autoscale/heroku"
)

// No value that this package exports gives the token away, however it is formatted.
func TestTokenIsNeverPrinted(t *testing.T) {
	// A host's transport that quotes what it was given.
	leaky := &platform{answer: func(req *http.Request, n int) (*http.Response, error) {
		if req.Method == http.MethodGet && n%2 == 0 {
			return reply(401, `{"id":"unauthorized","message":"Bad token `+token+`"}`, "Request-Id", token), nil
		}
		return nil, fmt.Errorf("sending %v", req.Header)
	}}
	for _, secret := range []string{token, "01234567-89ab-cdef-0123-456789abcdef"} {
		synctest.Test(t, func(t *testing.T) { testPrinting(t, secret, leaky) })
	}
}

func testPrinting(t *testing.T, secret string, leaky *platform) {
	options := heroku.Options{Transport: leaky, TokenName: "HEROKU_API_KEY " + secret}
	c := heroku.NewClient(secret, &options)
	scaler := c.Scaler("shop", "web")
	swapped := heroku.NewClient("shop", nil).Scaler(token, token)
	_, err := scaler.Capacity(t.Context())
	err2 := scaler.Scale(t.Context(), 2)
	_, err3 := c.WebURL("shop")(t.Context())
	if err == nil || err2 == nil || err3 == nil {
		t.Fatal("no errors to print")
	}
	var out strings.Builder
	jsonLog := slog.New(slog.NewJSONHandler(&out, nil))
	textLog := slog.New(slog.NewTextHandler(&out, nil))
	for _, err := range []error{err, err2, err3} {
		for ; err != nil; err = errors.Unwrap(err) {
			fmt.Fprintln(&out, err)
		}
	}
	// Not options: its TokenName is what the host wrote into it.
	values := []any{c, *c, &c, scaler, &scaler, swapped, swapped.Validate(), err, err2, err3, []any{c, scaler}, map[string]any{"c": c}, struct {
		C *heroku.Client
		S *heroku.Scaler
	}{c, scaler}, reflect.ValueOf(c).Elem()}
	for _, v := range values {
		for _, verb := range []string{"v", "+v", "#v", "s", "q", "x", "X", "d", "T", "p", "t", "w"} {
			fmt.Fprintf(&out, "%"+verb+"\n", v)
		}
		jsonLog.Info("m", "v", v)
		textLog.Info("m", "v", v)
	}
	fmt.Fprint(&out, mustJSON(t, c), mustJSON(t, scaler), mustJSON(t, err))
	hexed := fmt.Sprintf("%x", secret)
	for _, leak := range []string{secret, hexed, strings.ToUpper(hexed), token} {
		if i := strings.Index(out.String(), leak); i >= 0 {
			t.Errorf("%q was printed: %q", leak, out.String()[max(0, i-200):i+10])
		}
	}
}

// What no token of Heroku's looks like is refused before it is sent, and not repeated.
func TestPlaceholders(t *testing.T) {
	for _, secret := range []string{"$HEROKU_API_KEY", "<the token>", "{{token}}", `"abc"`, "a b", "", "HRKU-a,HRKU-b"} {
		p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) { return healthy(req), nil }}
		c := heroku.NewClient(secret, &heroku.Options{Transport: p, TokenName: "KEY"})
		_, err := c.Scaler("shop", "web").Capacity(t.Context())
		if err == nil || !strings.Contains(err.Error(), "KEY ") || len(p.calls()) != 0 {
			t.Errorf("%q: %v, %d calls", secret, err, len(p.calls()))
		}
		if secret != "" && strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("%q is in %v", secret, err)
		}
	}
}
