package herokutest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	heroku "github.com/heroku/heroku-go/v5"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// quietRiver is the app that most tests use.
func quietRiver(s *herokutest.Server) *herokutest.App {
	return s.AddApp(herokutest.AppConfig{
		Name: "quiet-river",
		Formation: []herokutest.Process{
			{Type: "web", Quantity: 2},
			{Type: "worker", Quantity: 1, Size: "basic"},
			{Type: "heavy", Quantity: 1, Size: "Performance-M"},
		},
		Limit: 20,
	})
}

func TestHerokuGo(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	app := quietRiver(s)
	service, ctx := newService(s), t.Context()

	account, err := service.AccountInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	apps, err := service.AppList(ctx, nil)
	if err != nil || len(apps) != 1 {
		t.Fatal(apps, err)
	}
	for _, identity := range []string{app.Name(), app.ID()} {
		got, err := service.AppInfo(ctx, identity)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != app.ID() || got.Name != "quiet-river" || got.Owner.ID != account.ID || got.WebURL != app.WebURL() {
			t.Errorf("AppInfo(%q) = %+v", identity, got)
		}
		if !strings.HasPrefix(got.WebURL, "https://quiet-river-") || !strings.HasSuffix(got.WebURL, ".herokuapp.com/") {
			t.Errorf("WebURL = %q", got.WebURL)
		}
	}

	on := true
	updated, err := service.AppUpdate(ctx, "quiet-river", heroku.AppUpdateOpts{Maintenance: &on})
	if err != nil || !updated.Maintenance {
		t.Fatal(updated, err)
	}
	app.SetMaintenance(false)
	if got, err := service.AppInfo(ctx, "quiet-river"); err != nil || got.Maintenance {
		t.Fatal(got, err)
	}

	web, err := service.FormationInfo(ctx, "quiet-river", "web")
	if err != nil {
		t.Fatal(err)
	}
	byID, err := service.FormationUpdate(ctx, app.ID(), web.ID, heroku.FormationUpdateOpts{Quantity: heroku.Int(4)})
	if err != nil || byID.Type != "web" || byID.Quantity != 4 || app.Quantity("web") != 4 {
		t.Fatal(byID, err)
	}
	var batch heroku.FormationBatchUpdateOpts
	batch.Updates = append(batch.Updates, struct {
		Quantity *int    `json:"quantity,omitempty" url:"quantity,omitempty,key"`
		Size     *string `json:"size,omitempty" url:"size,omitempty,key"`
		Type     string  `json:"type" url:"type,key"`
	}{Type: "web", Quantity: heroku.Int(3), Size: heroku.String("standard-2X")})
	if _, err := service.FormationBatchUpdate(ctx, "quiet-river", batch); err != nil {
		t.Fatal(err)
	}
	formation, err := service.FormationList(ctx, "quiet-river", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, f := range formation {
		got[f.Type] = fmt.Sprintf("%d:%s", f.Quantity, f.Size)
	}
	want := map[string]string{"web": "3:Standard-2X", "worker": "1:Basic", "heavy": "1:Performance-M"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("formation: -want +got:\n%s", diff)
	}

	dynos, err := service.DynoList(ctx, "quiet-river", nil)
	if err != nil || len(dynos) != 5 {
		t.Fatal(dynos, err)
	}
	dyno, err := service.DynoInfo(ctx, "quiet-river", dynos[1].ID)
	if err != nil || dyno.Name != "web.2" || dyno.State != "up" || dyno.Size != "Standard-2X" {
		t.Fatal(dyno, err)
	}
	sizes, err := service.DynoSizeList(ctx, nil)
	if err != nil || len(sizes) == 0 {
		t.Fatal(sizes, err)
	}
	limit, err := service.RateLimitInfo(ctx)
	if err != nil || limit.Remaining < 4400 || limit.Remaining >= 4500 {
		t.Fatal(limit, err)
	}

	for what, call := range map[string]func() error{
		"Couldn't find that app.": func() error { _, err := service.AppInfo(ctx, "loud-river"); return err },
		"Couldn't find that process type (clock).": func() error {
			_, err := service.FormationInfo(ctx, "quiet-river", "clock")
			return err
		},
		"Couldn't find that dyno.": func() error { _, err := service.DynoInfo(ctx, "quiet-river", "web.9"); return err },
		"The requested API endpoint was not found. Are you using the right HTTP verb (i.e. `GET` vs. `POST`), and did you specify your intended version with the `Accept` header?": func() error {
			_, err := service.AppDelete(ctx, "quiet-river")
			return err
		},
	} {
		var e heroku.Error
		if err := call(); !errors.As(err, &e) || e.StatusCode != 404 || e.ID != "not_found" || e.Error() != what {
			t.Errorf("got the error %v, want 404 not_found %q", err, what)
		}
	}
}

func TestFormationUpdates(t *testing.T) {
	const above = `{"limit":%d,"size":%d,"id":"cannot_run_above_limit","message":"Cannot run more than %d %s size dynos.","url":"https://devcenter.heroku.com/articles/dyno-size#default-scaling-limits"}`
	for _, tt := range []struct {
		path, body string
		status     int
		answer     string // a part of it
		web        string // what web is then
	}{
		{"/web", `{"quantity":5}`, 200, `"quantity":5`, "5:Standard-1X"},
		{"/web", `{"quantity":"5"}`, 200, `"quantity":5`, "5:Standard-1X"},
		{"/web", `{"quantity":"+1"}`, 200, `"quantity":3`, "3:Standard-1X"},
		{"/web", `{"quantity":"-1"}`, 200, `"quantity":1`, "1:Standard-1X"},
		{"/web", `{"quantity":0}`, 200, `"quantity":0`, "0:Standard-1X"},
		{"/web", `{}`, 200, `"quantity":2`, "2:Standard-1X"},
		{"/web", ``, 200, `"quantity":2`, "2:Standard-1X"},
		{"/web", `{"quantity":null,"unheard_of":1}`, 200, `"quantity":2`, "2:Standard-1X"},
		{"/web", `{"size":"performance-m"}`, 200, `"size":"Performance-M"`, "2:Performance-M"},
		{"/web", `{"quantity":1,"size":"Eco"}`, 200, `"size":"Eco"`, "1:Eco"},
		{"/web", `{"quantity":-1}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":"-3"}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":1.5}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":1e1}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":"many"}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":""}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":"+"}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":" 3"}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":true}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":[3]}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"quantity":99999999999999999999}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"size":"colossal"}`, 422, `"No such size as colossal.`, "2:Standard-1X"},
		{"/web", `{"size":1}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"/web", `{"size":"basic"}`, 422, `{"id":"invalid_params","message":"Cannot update to more than 1 Basic size dynos per process type."}`, "2:Standard-1X"},
		{"/web", `{"quantity":11,"size":"performance-l"}`, 422, fmt.Sprintf(above, 10, 11, 10, "Performance-L"), "2:Standard-1X"},
		{"/worker", `{"quantity":2}`, 422, `Cannot update to more than 1 Basic size dynos per process type.`, "2:Standard-1X"},
		{"/web", `{"quantity":18}`, 200, `"quantity":18`, "18:Standard-1X"}, // with the 2 others, as many as the app may have
		{"/web", `{"quantity":19}`, 422, fmt.Sprintf(above, 20, 21, 20, "Standard-1X"), "2:Standard-1X"},
		{"/clock", `{"quantity":1}`, 404, `"Couldn't find that process type (clock)."`, "2:Standard-1X"},
		{"/web", `{"quantity":`, 400, `"bad_request"`, "2:Standard-1X"},
		{"/web", `[3]`, 400, `"bad_request"`, "2:Standard-1X"},
		{"", `{"updates":[{"type":"web","quantity":"+2"}]}`, 200, `"quantity":4`, "4:Standard-1X"},
		{"", `{"updates":[{"type":"web","quantity":"+2"},{"type":"web","quantity":"+2","size":"standard-2x"}]}`, 200, `"quantity":6`, "6:Standard-2X"},
		{"", `{"updates":[]}`, 200, `"quantity":2`, "2:Standard-1X"},
		{"", `{"updates":[{"type":"web","quantity":3},{"type":"clock","quantity":1}]}`, 404, `(clock)`, "2:Standard-1X"},
		{"", `{"updates":[{"type":"web","quantity":3},{"type":"worker","quantity":2}]}`, 422, `1 Basic size`, "2:Standard-1X"},
		{"", `{"updates":[{"type":"web","quantity":11},{"type":"heavy","quantity":10}]}`, 422, `"limit":20,"size":22`, "2:Standard-1X"},
		{"", `{"updates":{}}`, 422, `"invalid_params"`, "2:Standard-1X"},
		{"", `{}`, 422, `updates`, "2:Standard-1X"},
	} {
		t.Run(tt.path+" "+tt.body, func(t *testing.T) {
			s := herokutest.NewPipeServer()
			defer s.Close()
			quietRiver(s)
			res, body := do(t, s, "PATCH", "/apps/quiet-river/formation"+tt.path, tt.body, nil)
			if res.StatusCode != tt.status || !strings.Contains(string(body), tt.answer) {
				t.Errorf("got %d %s, want %d %s", res.StatusCode, body, tt.status, tt.answer)
			}
			web, err := newService(s).FormationInfo(t.Context(), "quiet-river", "web")
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d:%s", web.Quantity, web.Size); got != tt.web {
				t.Errorf("web is %s, want %s", got, tt.web)
			}
		})
	}
}

// Whatever is sent is answered, and what is refused changes nothing.
func FuzzFormationUpdate(f *testing.F) {
	for _, body := range []string{``, `{}`, `{"quantity":3}`, `{"quantity":"+1"}`, `{"quantity":"-9","size":"eco"}`, `{"updates":[{"type":"web","quantity":"4"}]}`, `{"updates":null}`, `[1]`, "\x00"} {
		f.Add(body, true)
		f.Add(body, false)
	}
	f.Fuzz(func(t *testing.T, body string, batch bool) {
		s := herokutest.New()
		defer s.Close()
		app := quietRiver(s)
		path := "/apps/quiet-river/formation"
		if !batch {
			path += "/web"
		}
		r := httptest.NewRequest("PATCH", path, strings.NewReader(body))
		r.Header.Set("Accept", "application/vnd.heroku+json; version=3")
		r.Header.Set("Authorization", "Bearer "+herokutest.Token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		n := app.Quantity("web")
		switch w.Code {
		case 200:
			if n < 0 || len(app.Dynos()) > 20 {
				t.Errorf("%q: %d dynos of web, %d in all", body, n, len(app.Dynos()))
			}
		case 400, 404, 422:
			if n != 2 || len(s.Writes()) != 0 {
				t.Errorf("%q: %d, yet web has %d dynos, writes %v", body, w.Code, n, s.Writes())
			}
		default:
			t.Errorf("%q: status %d", body, w.Code)
		}
	})
}

// Who is above a lowered limit may scale down, and not up.
func TestLoweredLimit(t *testing.T) {
	s := herokutest.NewPipeServer()
	defer s.Close()
	app := quietRiver(s)
	app.Scale("web", 9)
	app.SetLimit(5)
	for _, tt := range []struct{ quantity, status, then int }{{10, 422, 9}, {8, 200, 8}, {9, 422, 8}, {3, 200, 3}, {4, 422, 3}} {
		res, body := do(t, s, "PATCH", "/apps/quiet-river/formation/web", fmt.Sprintf(`{"quantity":%d}`, tt.quantity), nil)
		if res.StatusCode != tt.status || app.Quantity("web") != tt.then {
			t.Errorf("to %d: got %d %s and %d dynos, want %d and %d", tt.quantity, res.StatusCode, body, app.Quantity("web"), tt.status, tt.then)
		}
	}
}

func TestDynosBoot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		defer s.Close()
		app := s.AddApp(herokutest.AppConfig{
			Name: "quiet-river", Boot: 20 * time.Second,
			Formation: []herokutest.Process{{Type: "web", Quantity: 1}},
		})
		service := newService(s)
		states := func() string {
			t.Helper()
			dynos, err := service.DynoList(t.Context(), "quiet-river", nil)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for i, d := range dynos {
				fmt.Fprintf(&b, "%s %s %s;", d.Name, d.State, d.UpdatedAt.Sub(d.CreatedAt))
				if own := app.Dynos()[i]; own.ID != d.ID || string(own.State) != d.State {
					t.Errorf("Dynos()[%d] = %v, but the API says %v", i, own, d)
				}
			}
			return b.String()
		}
		expect := func(want string) {
			t.Helper()
			if got := states(); got != want {
				t.Errorf("at %s:\n got %s\nwant %s", time.Now().Format(time.TimeOnly), got, want)
			}
		}

		expect("web.1 starting 0s;")
		time.Sleep(20*time.Second - time.Nanosecond)
		expect("web.1 starting 0s;")
		time.Sleep(time.Nanosecond)
		expect("web.1 up 20s;")
		first := app.Dynos()[0].ID

		app.Scale("web", 3)
		expect("web.1 up 20s;web.2 starting 0s;web.3 starting 0s;")
		time.Sleep(5 * time.Second)
		app.SetDynoState("web.1", herokutest.Crashed)
		app.SetDynoState(app.Dynos()[2].ID, herokutest.Up)
		expect("web.1 crashed 25s;web.2 starting 0s;web.3 up 5s;")
		time.Sleep(15 * time.Second)
		app.SetDynoState("web.3", herokutest.Up) // it was: nothing changes
		expect("web.1 crashed 25s;web.2 up 20s;web.3 up 5s;")

		app.Scale("web", 1) // the newest end
		app.SetDynoState("web.1", "")
		expect("web.1 up 20s;")
		if got := app.Dynos()[0].ID; got != first {
			t.Errorf("web.1 has the id %s, and had %s", got, first)
		}
		if app.SetDynoState("web.2", herokutest.Up) {
			t.Error("SetDynoState found a dyno that ended")
		}

		// A new size is a new dyno.
		if _, err := service.FormationUpdate(t.Context(), "quiet-river", "web", heroku.FormationUpdateOpts{Size: heroku.String("standard-2x")}); err != nil {
			t.Fatal(err)
		}
		expect("web.1 starting 0s;")
	})
}

func TestUpdatedAtChangesWhenSomethingDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		defer s.Close()
		quietRiver(s)
		service := newService(s)
		last, err := service.FormationInfo(t.Context(), "quiet-river", "web")
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			opts    heroku.FormationUpdateOpts
			changes bool
		}{
			{heroku.FormationUpdateOpts{Quantity: heroku.Int(2)}, false},
			{heroku.FormationUpdateOpts{}, false},
			{heroku.FormationUpdateOpts{Quantity: heroku.Int(3)}, true},
			{heroku.FormationUpdateOpts{Quantity: heroku.Int(3), Size: heroku.String("standard-1x")}, false},
			{heroku.FormationUpdateOpts{Size: heroku.String("standard-2x")}, true},
			{heroku.FormationUpdateOpts{Quantity: heroku.Int(99)}, false},
		} {
			time.Sleep(10 * time.Second)
			_, _ = service.FormationUpdate(t.Context(), "quiet-river", "web", tt.opts) // the last one is refused
			got, err := service.FormationInfo(t.Context(), "quiet-river", "web")
			if err != nil {
				t.Fatal(err)
			}
			want := last.UpdatedAt
			if tt.changes {
				want = time.Now()
			}
			if !got.UpdatedAt.Equal(want) || !got.CreatedAt.Equal(last.CreatedAt) {
				t.Errorf("%+v: updated at %v, want %v; created at %v, was %v", tt.opts, got.UpdatedAt, want, got.CreatedAt, last.CreatedAt)
			}
			last = got
		}
	})
}

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

func TestMonitors(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	app := quietRiver(s)
	path := "/apps/" + app.ID() + "/formation/heavy/monitors"
	if res, body := do(t, s, "GET", path, "", nil); res.StatusCode != 200 || strings.TrimSpace(string(body)) != "[]" {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
	app.SetMonitors("heavy", herokutest.Monitor{Name: "LATENCY_SCALE", ActionType: "scale", IsActive: true, MinQuantity: 1, MaxQuantity: 4})
	if _, body := do(t, s, "GET", path, "", nil); !strings.Contains(string(body), `"action_type":"scale","is_active":true,"min_quantity":1,"max_quantity":4`) {
		t.Errorf("got %s", body)
	}
	if res, body := do(t, s, "GET", "/apps/quiet-river/formation/clock/monitors", "", nil); res.StatusCode != 404 {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
}

func TestRequestsAndWrites(t *testing.T) {
	s := herokutest.NewServer()
	defer s.Close()
	quietRiver(s)
	s.SetSenderHeader("X-Controller")
	header := http.Header{"User-Agent": {"tester/1"}, "X-Controller": {"web.1"}, "X-Secret": {herokutest.Token}, "Cookie": {"token=" + herokutest.Token}}
	start := time.Now()
	do(t, s, "GET", "/apps/quiet-river?x=1", "", header)
	do(t, s, "PATCH", "/apps/quiet-river/formation/web", `{"quantity":3}`, header)
	do(t, s, "PATCH", "/apps/quiet-river/formation/web", `{"quantity":3}`, header)
	do(t, s, "PATCH", "/apps/quiet-river/formation/web", `{"quantity":99}`, header)
	header.Set("X-Controller", "web.2")
	do(t, s, "PATCH", "/apps/quiet-river/formation", `{"updates":[{"type":"web","quantity":"-1"},{"type":"worker","quantity":0}]}`, header)

	requests := s.Requests()
	sent := http.Header{"Accept": {"application/vnd.heroku+json; version=3"}, "User-Agent": {"tester/1"}}
	want := []herokutest.Request{
		{Method: "GET", Path: "/apps/quiet-river?x=1", Sender: "web.1", Status: 200},
		{Method: "PATCH", Path: "/apps/quiet-river/formation/web", Body: `{"quantity":3}`, Sender: "web.1", Status: 200},
		{Method: "PATCH", Path: "/apps/quiet-river/formation/web", Body: `{"quantity":3}`, Sender: "web.1", Status: 200},
		{Method: "PATCH", Path: "/apps/quiet-river/formation/web", Body: `{"quantity":99}`, Sender: "web.1", Status: 422},
		{Method: "PATCH", Path: "/apps/quiet-river/formation", Body: `{"updates":[{"type":"web","quantity":"-1"},{"type":"worker","quantity":0}]}`, Sender: "web.2", Status: 200},
	}
	for i := range want {
		want[i].Header, want[i].UserAgent = sent, "tester/1"
	}
	if diff := cmp.Diff(want, requests, cmpopts.IgnoreFields(herokutest.Request{}, "Time", "RequestID")); diff != "" {
		t.Errorf("requests: -want +got:\n%s", diff)
	}
	if text := fmt.Sprintf("%#v %#v", requests, s.Writes()); strings.Contains(text, herokutest.Token) {
		t.Errorf("the token is remembered: %s", text)
	}
	writes := []herokutest.Write{
		{App: "quiet-river", Type: "web", From: 2, To: 3, UserAgent: "tester/1", Sender: "web.1", RequestID: requests[1].RequestID},
		{App: "quiet-river", Type: "web", From: 3, To: 3, UserAgent: "tester/1", Sender: "web.1", RequestID: requests[2].RequestID},
		{App: "quiet-river", Type: "web", From: 3, To: 2, UserAgent: "tester/1", Sender: "web.2", RequestID: requests[4].RequestID},
		{App: "quiet-river", Type: "worker", From: 1, To: 0, UserAgent: "tester/1", Sender: "web.2", RequestID: requests[4].RequestID},
	}
	if diff := cmp.Diff(writes, s.Writes(), cmpopts.IgnoreFields(herokutest.Write{}, "Time")); diff != "" {
		t.Errorf("writes: -want +got:\n%s", diff)
	}
	if at := requests[0].Time; at.Before(start) || at.After(time.Now()) {
		t.Errorf("the first request was at %v, after %v", at, start)
	}
}

func TestRecordIsBounded(t *testing.T) {
	s := herokutest.New()
	defer s.Close()
	for i := range 25_000 {
		r := httptest.NewRequest("GET", "/"+strconv.Itoa(i), nil)
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
	got := s.Requests()
	if len(got) != 10_000 || got[0].Path != "/15000" || got[9_999].Path != "/24999" {
		t.Errorf("%d requests, from %s to %s", len(got), got[0].Path, got[len(got)-1].Path)
	}
}

// Many clients at once: nothing is lost, and OnScale is told of each change, in order.
func TestConcurrentUse(t *testing.T) {
	const clients, each = 8, 20
	s := herokutest.NewServer()
	defer s.Close()
	app := s.AddApp(herokutest.AppConfig{
		Name: "quiet-river", Limit: 1000,
		Formation: []herokutest.Process{{Type: "web", Quantity: 0}, {Type: "shadow"}},
	})
	var mu sync.Mutex
	told := 0
	s.OnScale(func(name, typ string, from, to int) {
		if typ == "shadow" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if name != "quiet-river" || from != told || to != told+1 {
			t.Errorf("told of %s %s from %d to %d, want from %d", name, typ, from, to, told)
		}
		told = to
		app.Scale("shadow", to) // it may call back
	})

	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range each {
				res, body, err := send(t.Context(), s, "PATCH", "/apps/quiet-river/formation/web", `{"quantity":"+1"}`, nil)
				if err != nil || res.StatusCode != 200 {
					t.Errorf("%v %s %v", res, body, err)
				}
				app.Dynos()
				s.Requests()
				app.SetDynoState("web.1", herokutest.Idle)
				if _, _, err := send(t.Context(), s, "GET", "/apps/quiet-river/dynos", "", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.Close()
	if n := app.Quantity("web"); n != clients*each || told != n || app.Quantity("shadow") != n {
		t.Errorf("web has %d dynos, told of %d, shadow has %d; want %d", n, told, app.Quantity("shadow"), clients*each)
	}
	for i, w := range s.Writes() {
		if w.From != i || w.To != i+1 {
			t.Errorf("write %d is from %d to %d", i, w.From, w.To)
		}
	}
}

func TestAddAppRefusesNonsense(t *testing.T) {
	web := []herokutest.Process{{Type: "web"}}
	for _, tt := range []struct {
		cfg  herokutest.AppConfig
		says string
	}{
		{herokutest.AppConfig{}, `name ""`},
		{herokutest.AppConfig{Name: "Quiet River"}, `name "Quiet River"`},
		{herokutest.AppConfig{Name: "taken"}, `there is an app "taken"`},
		{herokutest.AppConfig{Name: "new", Formation: append(web, web...)}, "given twice"},
		{herokutest.AppConfig{Name: "new", Formation: []herokutest.Process{{Type: "a/b"}}}, `process type "a/b"`},
		{herokutest.AppConfig{Name: "new", Formation: []herokutest.Process{{Type: "web", Quantity: -1}}}, "-1: negative"},
		{herokutest.AppConfig{Name: "new", Formation: []herokutest.Process{{Type: "web", Size: "huge"}}}, `no such size as "huge"`},
	} {
		s := herokutest.New()
		s.AddApp(herokutest.AppConfig{Name: "taken"})
		if got := panics(func() { s.AddApp(tt.cfg) }); !strings.Contains(got, tt.says) {
			t.Errorf("%+v: panicked with %q, want %q", tt.cfg, got, tt.says)
		}
	}
	app := quietRiver(herokutest.New())
	for says, f := range map[string]func(){
		`no process type "clock"`: func() { app.Scale("clock", 1) },
		"negative":                func() { app.Scale("web", -1) },
	} {
		if got := panics(f); !strings.Contains(got, says) {
			t.Errorf("panicked with %q, want %q", got, says)
		}
	}
	app.Scale("web", 5) // the Server is usable after a panic
}

func panics(f func()) (value string) {
	defer func() {
		if v := recover(); v != nil {
			value = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

var _ http.Handler = (*herokutest.Server)(nil)

// A client whose context ends gets away, and so does the server.
func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		quietRiver(s)
		s.Inject(
			herokutest.Fault{Path: "/apps/*", Hang: true, Times: -1},
			herokutest.Fault{Path: "/account", Delay: 24 * time.Hour, Times: -1},
		)
		service := newService(s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := service.AppInfo(ctx, "quiet-river"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}

		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := service.AppInfo(t.Context(), "quiet-river"); err == nil {
					t.Error("a request that hung was answered")
				}
			})
			wg.Go(func() {
				if _, err := service.AccountInfo(t.Context()); err == nil {
					t.Error("a request that was delayed was answered")
				}
			})
		}
		synctest.Wait()
		start = time.Now()
		s.Close()
		wg.Wait()
		s.Close() // which does nothing
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		if _, err := service.AppInfo(t.Context(), "quiet-river"); err == nil {
			t.Error("a closed server answered")
		}
		// The bubble fails the test if a goroutine is left.
	})
}

// When Close returns, no handler is at work any more.
func TestCloseWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		quietRiver(s)
		told := false
		s.OnScale(func(string, string, int, int) {
			time.Sleep(time.Minute)
			told = true
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := send(t.Context(), s, "PATCH", "/apps/quiet-river/formation/web", `{"quantity":3}`, nil); err == nil {
				t.Error("a request was answered after Close")
			}
		})
		synctest.Wait()
		s.Close()
		if !told {
			t.Error("Close returned before OnScale's function did")
		}
		wg.Wait()
	})
}
