package herokutest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
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

// Many clients at once: nothing is lost, and OnScale gets each change, in order.
func TestConcurrentUse(t *testing.T) {
	const clients, each = 8, 20
	s := herokutest.NewServer()
	defer s.Close()
	app := s.AddApp(herokutest.AppConfig{
		Name: "quiet-river", Limit: 1000,
		Formation: []herokutest.Process{{Type: "web", Quantity: 0}, {Type: "shadow"}},
	})
	var mu sync.Mutex
	last := 0
	s.OnScale(func(name, typ string, from, to int) {
		if typ == "shadow" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if name != "quiet-river" || from != last || to != last+1 {
			t.Errorf("OnScale got %s %s from %d to %d, want from %d", name, typ, from, to, last)
		}
		last = to
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
	if n := app.Quantity("web"); n != clients*each || last != n || app.Quantity("shadow") != n {
		t.Errorf("web has %d dynos, OnScale got %d, shadow has %d; want %d", n, last, app.Quantity("shadow"), clients*each)
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
