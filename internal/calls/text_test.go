package calls_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

// A text holds a secret in no form in which an API, a proxy or a library may repeat it.
func TestScrubber(t *testing.T) {
	encode := base64.StdEncoding.EncodeToString
	for _, secret := range []string{
		"tok-1234567890abcdefghij", "0123456789abcdef/+=?&tail-of-it", `pass "word\ with spaces and a tail`, "8bytes/+", "fünfzehn€-tail-of-it",
	} {
		forms := map[string]string{
			"as it is":             secret,
			"in quotes":            strconv.Quote(secret),
			"in a query":           url.QueryEscape(secret),
			"in a path":            url.PathEscape(secret),
			"in a query in quotes": strconv.Quote(url.QueryEscape(secret)),
			"in Base64":            encode([]byte(secret)),
			"after :":              encode([]byte(":" + secret)),
			"after a:":             encode([]byte("a:" + secret)),
			"escaped, after ab:":   encode([]byte("ab:" + url.QueryEscape(secret))),
			"in Base64 of URLs":    base64.RawURLEncoding.EncodeToString([]byte("user:" + secret + ":more")),
		}
		scrub := calls.Scrubber(nil, "another secret", secret)
		for name, form := range forms {
			text := "sent " + form + ", and again " + form + "; that is all"
			got := scrub(text)
			// Base64 leaves a character on each side, which is of the neighbours too.
			for _, part := range []string{form[min(3, len(form)/2):][:5], form[len(form)/2:][:4]} {
				if strings.Contains(got, part) {
					t.Errorf("%s: %q is in %q", name, part, got)
				}
			}
			if !strings.HasPrefix(got, "sent ") || !strings.HasSuffix(got, "; that is all") || !strings.Contains(got, ", and again ") {
				t.Errorf("%s: more than the secret went: %q", name, got)
			}
			for cut := 22; cut < len(form); cut++ {
				if got := scrub("cut " + form[:cut] + "… end"); strings.Contains(got, form[4:9]) || !strings.HasSuffix(got, "… end") {
					t.Errorf("%s, cut off after %d bytes: %q", name, cut, got)
				}
			}
		}
		for _, innocent := range []string{"", "nothing", secret[:6], "web of app shop"} {
			if got := scrub(innocent); got != innocent {
				t.Errorf("%q became %q", innocent, got)
			}
		}
	}
	lower := calls.Scrubber(nil, "0123456789abcdef/tail-of-it")("at /0123456789abcdef%2ftail-of-it/x?")
	if lower != "at /[redacted]?" {
		t.Errorf("an escape in lower case: %q", lower)
	}
	if got := calls.Scrubber(regexp.MustCompile(`AC_\w+`), "abc", "")("abc AC_x"); got != "abc [redacted]" {
		t.Errorf("a secret that is none: %q", got)
	}
	flood := strings.Repeat("0123456789abcdef ", 1<<18)
	if got := calls.Scrubber(nil, "0123456789abcdef/tail-of-it")(flood); got != strings.Repeat("[redacted] ", 1<<18) {
		t.Errorf("a flood became %d bytes", len(got))
	}
}

// No error of a call holds a secret, wherever the other side repeats it.
func TestNoErrorHoldsASecret(t *testing.T) {
	const password = "pass/w?rd+of=the&user"
	basic := base64.StdEncoding.EncodeToString([]byte("user:" + password))
	all := strings.Join([]string{password, url.QueryEscape(password), url.PathEscape(password), basic}, " ")
	for name, answer := range map[string]roundTripper{
		"no answer":    func(*http.Request) (*http.Response, error) { return nil, errors.New("sent " + all) },
		"a long fault": func(*http.Request) (*http.Response, error) { return nil, errors.New(strings.Repeat("x", 170) + all) },
		"a refusal":    answers(403, `{"code":"`+password+`","message":"`+all+`"}`, nil),
		"a header":     answers(403, `{}`, http.Header{"X-Request-Id": {all}, "Retry-After": {all}, "Location": {"/" + url.PathEscape(password)}}),
		"a type":       answers(200, `x`, http.Header{"Content-Type": {"text/" + url.PathEscape(password)}}),
		"a time":       answers(200, `{"At":"`+all+`"}`, nil),
	} {
		d := dialect()
		d.Secrets = []string{password}
		d.Authorize = func(_ context.Context, req *http.Request, _ []byte) error {
			req.SetBasicAuth("user", password)
			return nil
		}
		var out struct{ At jsonTime }
		err := calls.New(d, &platform.Options{Transport: answer}).Do(t.Context(), calls.Call{Op: "read", Subject: "web", Path: "/", Once: true}, &out)
		for ; err != nil; err = errors.Unwrap(err) {
			text := fmt.Sprintf("%v %+v %#v", err, err, err)
			for _, part := range []string{password, "w?rd", "of=the", "%3Frd", "w%3F", basic[8:16]} {
				if strings.Contains(text, part) {
					t.Errorf("%s: %q is in %s", name, part, text)
				}
			}
		}
	}
}

type jsonTime struct{}

func (jsonTime) UnmarshalJSON(data []byte) error { return fmt.Errorf("%s is not a time", data) }

func answers(status int, body string, h http.Header) roundTripper {
	return func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		for name, values := range h {
			rec.Header()[name] = values
		}
		rec.WriteHeader(status)
		rec.WriteString(body)
		return rec.Result(), nil
	}
}

func TestFaultOfURL(t *testing.T) {
	for base, good := range map[string]bool{
		"https://api.example.com": true, "https://api.example.com:8443/v1": true, "http://127.0.0.1:1": true, "http://[::1]:1": true,
		"https://api.example.com#": false, "https://api.example.com#x": false, "https://api.example.com?": false,
		"https://:443": false, "https://u@api.example.com": false, "http://api.example.com": false, "HTTP://api.example.com": false, "//api.example.com": false,
	} {
		if err := calls.FaultOfURL("BaseURL", base, "https://x.example.com", false); (err == nil) != good {
			t.Errorf("%s: %v", base, err)
		}
	}
}
