package herokutest_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	heroku "github.com/heroku/heroku-go/v5"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		defer s.Close()
		quietRiver(s)
		s.SetRateLimit(2, 60)
		expect := func(path string, status, remaining int) {
			t.Helper()
			res, body := do(t, s, "GET", path, "", nil)
			if res.StatusCode != status || res.Header.Get("RateLimit-Remaining") != strconv.Itoa(remaining) {
				t.Errorf("got %d, remaining %s, %s; want %d, remaining %d", res.StatusCode, res.Header.Get("RateLimit-Remaining"), body, status, remaining)
			}
		}
		expect("/account", 200, 1)
		expect("/account/rate-limits", 200, 1)
		expect("/apps", 200, 0)
		expect("/apps", 429, 0)
		expect("/account/rate-limits", 200, 0)
		time.Sleep(time.Second)
		expect("/apps/quiet-river", 200, 0)
		expect("/apps/quiet-river", 429, 0)
		time.Sleep(time.Hour)
		expect("/apps/nobody", 404, 1) // it costs as much, and no more than 2 were saved up
		expect("/apps", 200, 0)

		var e heroku.Error
		_, err := newService(s).AppInfo(t.Context(), "quiet-river")
		if !errors.As(err, &e) || e.StatusCode != 429 || e.ID != "rate_limit" || e.URL == "" {
			t.Errorf("got the error %v", err)
		}
	})
}

func TestAuthorization(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	quietRiver(s)
	s.AddToken("all")
	s.AddToken("reader", "read")
	s.AddToken("writer", "write")
	s.AddToken("protected", "read-protected")
	s.AddToken("who", "identity")
	s.AddToken("revoked")
	s.RevokeToken("revoked")
	basic := func(user, password string) string {
		r := httptest.NewRequest("GET", "/", nil)
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	const bad, none = "Invalid credentials provided.", "There were no credentials"
	for _, tt := range []struct {
		auth, method, path string
		status             int
		answer             string
	}{
		{"Bearer " + herokutest.Token, "PATCH", "/apps/quiet-river/formation/web", 200, "quantity"},
		{"bearer all", "PATCH", "/apps/quiet-river/formation/web", 200, "quantity"},
		{basic("", "all"), "PATCH", "/apps/quiet-river/formation/web", 200, "quantity"},
		{basic("owner@example.com", "all"), "GET", "/apps", 200, "quiet-river"},
		{basic("all", ""), "GET", "/apps", 401, bad},
		{"Bearer reader", "GET", "/apps/quiet-river/formation/web", 200, "quantity"},
		{"Bearer reader", "PATCH", "/apps/quiet-river/formation/web", 403, `"id":"forbidden"`},
		{"Bearer reader", "PATCH", "/apps/quiet-river", 403, `"id":"forbidden"`},
		{"Bearer protected", "GET", "/apps", 200, "quiet-river"},
		{"Bearer protected", "PATCH", "/apps/quiet-river/formation", 403, `"id":"forbidden"`},
		{"Bearer writer", "PATCH", "/apps/quiet-river/formation/web", 200, "quantity"},
		{"Bearer who", "GET", "/account", 200, "owner@example.com"},
		{"Bearer who", "GET", "/apps", 403, `"id":"forbidden"`},
		{"Bearer revoked", "GET", "/apps", 401, bad},
		{"Bearer unknown", "GET", "/apps", 401, bad},
		{"Bearer ", "GET", "/apps", 401, bad},
		{"all", "GET", "/apps", 401, bad},
		{"Basic !", "GET", "/apps", 401, bad},
		{"", "GET", "/apps", 401, none},
	} {
		header := http.Header{"Authorization": {tt.auth}}
		if tt.auth == "" {
			header["Authorization"] = nil
		}
		res, body := do(t, s, tt.method, tt.path, "", header)
		if res.StatusCode != tt.status || !strings.Contains(string(body), tt.answer) {
			t.Errorf("%s %s with %q: got %d %s, want %d %s", tt.method, tt.path, tt.auth, res.StatusCode, body, tt.status, tt.answer)
		}
		if tt.status == 401 && !strings.Contains(string(body), `"id":"unauthorized"`) {
			t.Errorf("with %q: got %s", tt.auth, body)
		}
	}
}

func TestVersions(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	quietRiver(s)
	const missing = `{"id":"missing_version","error":"Please specify a version`
	for _, tt := range []struct {
		accept []string
		status int
		answer string
	}{
		{[]string{"application/vnd.heroku+json; version=3"}, 200, "quiet-river"},
		{[]string{"application/vnd.heroku+json;version=3"}, 200, "quiet-river"},
		{[]string{"application/vnd.heroku+json; version=3.sdk"}, 200, "quiet-river"},
		{[]string{"application/vnd.heroku+json; version=3.account-quotas"}, 200, "quiet-river"},
		{[]string{"text/html, application/vnd.heroku+json; version=3; q=0.9"}, 200, "quiet-river"},
		{[]string{"text/html", "application/vnd.heroku+json; version=3"}, 200, "quiet-river"},
		{[]string{"application/vnd.heroku+json; version=2"}, 406, `"id":"not_acceptable"`},
		{[]string{"application/vnd.heroku+json; version=30"}, 406, `"id":"not_acceptable"`},
		{[]string{"application/vnd.heroku+json"}, 400, missing},
		{[]string{"application/json; version=3"}, 400, missing},
		{[]string{"*/*"}, 400, missing},
		{nil, 400, missing},
	} {
		res, body := do(t, s, "GET", "/apps/quiet-river", "", http.Header{"Accept": tt.accept})
		if res.StatusCode != tt.status || !strings.Contains(string(body), tt.answer) {
			t.Errorf("%q: got %d %s, want %d %s", tt.accept, res.StatusCode, body, tt.status, tt.answer)
		}
	}
}

func TestResponseHeaders(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	quietRiver(s)
	const mine = "01234567-89ab-cdef-0123-456789abcdef"

	res, _ := do(t, s, "GET", "/apps/quiet-river", "", http.Header{"Request-Id": {mine + ", too short"}})
	ids := strings.Split(res.Header.Get("Request-Id"), ",")
	if len(ids) != 2 || !uuid.MatchString(ids[0]) || ids[1] != mine {
		t.Errorf("Request-Id: %q, want the server's and %s", ids, mine)
	}
	again, _ := do(t, s, "GET", "/apps/nobody", "", http.Header{"Authorization": nil})
	if id := again.Header.Get("Request-Id"); !uuid.MatchString(id) || id == ids[0] {
		t.Errorf("an error has the Request-Id %q", id)
	}
	if ct := res.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type: %q", ct)
	}

	tag := res.Header.Get("ETag")
	same, body := do(t, s, "GET", "/apps/quiet-river", "", http.Header{"If-None-Match": {tag}})
	if same.StatusCode != 304 || len(body) != 0 {
		t.Errorf("unchanged: got %d %q", same.StatusCode, body)
	}
	do(t, s, "PATCH", "/apps/quiet-river", `{"maintenance":true}`, nil)
	changed, _ := do(t, s, "GET", "/apps/quiet-river", "", http.Header{"If-None-Match": {tag}})
	if changed.StatusCode != 200 || changed.Header.Get("ETag") == tag {
		t.Errorf("changed: got %d, ETag %s, before %s", changed.StatusCode, changed.Header.Get("ETag"), tag)
	}

	// A base URL that ends in a slash makes a path that the API does not have.
	if res, _ := do(t, s, "GET", "//apps", "", nil); res.StatusCode != 404 {
		t.Errorf("//apps: got %d", res.StatusCode)
	}
}
