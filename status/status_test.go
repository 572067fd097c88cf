package status_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/status"
)

func TestAdmission(t *testing.T) {
	a := autoscale.New(config(&service{size: 2}))
	users := map[string]string{"ada": "correct horse"}
	bearer := func(s string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+s) }
	}
	basic := func(name, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(name, password) }
	}
	nothing := func(*http.Request) {}
	for _, tt := range []struct {
		name string
		o    status.Options
		with func(*http.Request)
		want int
	}{
		{"no option", status.Options{}, nothing, 503},
		{"a short token", status.Options{Token: "short"}, bearer("short"), 503},
		{"an empty password", status.Options{Users: map[string]string{"ada": ""}}, basic("ada", ""), 503},
		{"public", status.Options{Public: true}, nothing, 200},
		{"token, nothing", status.Options{Token: token}, nothing, 401},
		{"token", status.Options{Token: token}, bearer(token), 200},
		{"token, half of it", status.Options{Token: token}, bearer(token[:9]), 401},
		{"token as password", status.Options{Token: token}, basic("grace", token), 200},
		{"users, no bearer", status.Options{Users: users}, bearer(""), 401},
		{"users", status.Options{Users: users}, basic("ada", "correct horse"), 200},
		{"users, another password", status.Options{Users: users}, basic("ada", "battery"), 401},
		{"users, another name", status.Options{Users: users}, basic("eve", "correct horse"), 401},
		{"users, empty", status.Options{Users: users}, basic("", ""), 401},
	} {
		tt.o.Logger = quiet
		page := status.Handler(a, &tt.o)
		for _, path := range []string{"/", "/status.json", "/size.json", "/style.css", "/live.js"} {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			tt.with(r)
			w := httptest.NewRecorder()
			page.ServeHTTP(w, r)
			want := tt.want
			if path == "/size.json" && want == 200 {
				want = 503 // nothing has ticked
			}
			if w.Code != want {
				t.Errorf("%s: GET %s = %d, want %d", tt.name, path, w.Code, want)
			}
			if h := w.Header(); !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: GET %s has the headers %v", tt.name, path, h)
			}
			if body := w.Body.String(); strings.Contains(body, token) || strings.Contains(body, "correct horse") {
				t.Errorf("%s: GET %s shows a secret", tt.name, path)
			}
		}
	}
}

func TestPage(t *testing.T) {
	_, _, page := running(t)
	w := get(t, page, "/autoscale/")
	body := w.Body.String()
	if w.Code != 200 || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	for _, want := range []string{
		`<html lang="en">`, "<h2 id=\"type-web\">web</h2>", "four_each", "&lt;b&gt;four&lt;/b&gt; requests in flight", "1 to 8", "limit max",
		"requests in flight", "latency", "of the last seven days", "This process acts.", "More processes were needed than Max, which is 8", "web.2&lt;i&gt;</th><td>12.5</td><td>3</td><td>0.24 s</td><td>4 s", `value="override"`, "Run is not under way",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
	for _, bad := range []string{"<b>four", "<script>", "onclick", "style=", "NaN", "Inf", "http://", "https://"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	if n := strings.Count(body, "<svg"); n != 5 {
		t.Errorf("%d charts, want 5", n)
	}
	whole := w.Body.Len() + get(t, page, "/style.css").Body.Len() + get(t, page, "/live.js").Body.Len()
	if t.Logf("the page has %d bytes with all that it loads", whole); whole >= 60<<10 {
		t.Errorf("that is %d bytes or more", 60<<10)
	}
	main := get(t, page, "/autoscale/?part=main").Body.String()
	if strings.Contains(main, "<html") || !strings.Contains(body, strings.TrimSpace(main)[strings.Index(main, "<section"):]) {
		t.Error("the part main is not that of the page")
	}
}

func TestPaths(t *testing.T) {
	_, _, page := running(t)
	mux := http.NewServeMux()
	mux.Handle("/autoscale/", page)
	mux.Handle("/deep/er/", http.StripPrefix("/deep/er", page))
	mux.Handle("/bare", http.StripPrefix("/bare", page))
	mux.Handle("/exact", page)
	for path, want := range map[string]int{
		"/autoscale/": 200, "/autoscale/status.json": 200, "/autoscale/size.json": 200, "/deep/er/": 200, "/deep/er/status.json": 200,
		"/deep/er/style.css": 200, "/autoscale/none.css": 404, "/bare": 303,
		"/autoscale/none": 404, "/deep/er/none": 404, "/exact": 303,
	} {
		if w := get(t, mux, path); w.Code != want {
			t.Errorf("GET %s = %d, want %d", path, w.Code, want)
		}
	}
	for _, scheme := range []string{"bearer", "BEARER"} {
		r := httptest.NewRequest(http.MethodGet, "/autoscale/", nil)
		r.Header.Set("Authorization", scheme+" "+token)
		w := httptest.NewRecorder()
		if mux.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("with the scheme %s: %d", scheme, w.Code)
		}
	}
	if to := get(t, mux, "/bare").Header().Get("Location"); to != "./bare/" {
		t.Errorf("Location %q", to)
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		r := httptest.NewRequest(method, "/autoscale/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		if mux.ServeHTTP(w, r); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET" {
			t.Errorf("%s = %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestStatusJSON(t *testing.T) {
	_, s, page := running(t)
	w := get(t, page, "/status.json")
	var d status.Document
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || d.Version != 1 || len(d.Autoscalers) != 1 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	a := d.Autoscalers[0]
	if a.Name != "web" || *a.Size != s.size || *a.Published != s.size || a.Rule != "four_each" || a.Max != 8 || a.Measured["busy"] == 0 || a.Measured["latency"] == 0 || !a.Leading {
		t.Errorf("%s", w.Body)
	}
	if len(a.Advice) == 0 || a.Advice[0].Code != "at_max" {
		t.Errorf("the advice is %+v", a.Advice)
	}
	if len(a.Events) == 0 || a.Events[0].Kind != "scaled" || a.Events[0].Text == "" {
		t.Errorf("the events are %+v", a.Events)
	}
}

// A page of several process types says that a name is missing, and not that "" is none.
func TestSizeOfWhich(t *testing.T) {
	c, d := config(&service{size: 2}), config(&service{size: 2})
	d.Name = "worker"
	page := status.Handler(autoscale.NewGroup(c, d), &status.Options{Token: token, Logger: quiet})
	w := get(t, page, "/size.json")
	if want := `there are several process types: ask for size.json?name= and one of [\"web\" \"worker\"]`; w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A list that has nothing in it is an empty list, for the programs that go through it.
func TestDescribe(t *testing.T) {
	out, err := json.Marshal(status.Describe(autoscale.Status{Name: "web"}))
	if err != nil || strings.Contains(string(out), "null") {
		t.Errorf("%s, %v", out, err)
	}
}

// A size that is not known is neither a number nor a success.
func TestPublishedSize(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ticks []time.Duration // before now
		err   error
		path  string
		code  int
		want  string
	}{
		{"none yet", nil, nil, "", 503, "no tick yet"},
		{"fresh", []time.Duration{time.Second}, nil, "", 200, `"published_size": `},
		{"by name", []time.Duration{time.Second}, nil, "?name=web", 200, `"published_size": `},
		{"stale", []time.Duration{6 * time.Minute}, nil, "", 503, "6m0s ago"},
		{"the platform fails", []time.Duration{time.Second}, errors.New("502"), "", 503, "not known"},
		{"another name", []time.Duration{time.Second}, nil, "?name=worker", 404, "[\\\"web\\\"]"},
	} {
		s := &service{size: 3, err: tt.err}
		a := autoscale.New(config(s))
		for _, before := range tt.ticks {
			a.Tick(t.Context(), time.Now().Add(-before))
		}
		w := get(t, status.Handler(a, &status.Options{Token: token, Logger: quiet}), "/size.json"+tt.path)
		if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) || tt.code != 200 && strings.Contains(w.Body.String(), `"published_size"`) {
			t.Errorf("%s: %d %s", tt.name, w.Code, w.Body)
		}
	}
}

// post sends a form of control.
func post(page http.Handler, form url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/autoscale/control", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("ada", token)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	return w
}

// A pause that is given on the page of one process is obeyed by another, and both say who
// gave it. A process that does not lead shows what the leader saved.
func TestTwoProcesses(t *testing.T) {
	s, shared := &service{size: 2}, new(board)
	leader, follower := config(s), config(s)
	leader.Elector = &seat{shared, "web.1", true}
	follower.Elector = &seat{shared, "web.2", false}
	a, b := autoscale.New(leader), autoscale.New(follower)
	week(t, a, s)
	b.Tick(t.Context(), time.Now())
	page := status.Handler(b, &status.Options{Token: token, Control: true, Logger: quiet})
	body := get(t, page, "/autoscale/").Body.String()
	for _, want := range []string{"Another process leads. It saved this", "web.1, term 7", "of the last three hours", "of the last seven days"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page of a follower does not contain %q", want)
		}
	}
	if w := post(page, url.Values{"name": {"web"}, "action": {"pause"}, "for": {"2h"}}, nil); w.Code != 303 || w.Header().Get("Location") != "./" {
		t.Fatalf("pause = %d %s", w.Code, w.Body)
	}
	s.size = 5
	if d, err := a.Tick(t.Context(), time.Now()); err != nil || d.Act {
		t.Errorf("after a pause the leader orders %+v, %v", d, err)
	}
	for name, each := range map[string]*autoscale.Autoscaler{"leader": a, "follower": b} {
		if c := each.Status().Command; !strings.HasPrefix(c, "paused until ") || !strings.HasSuffix(c, "(by ada)") {
			t.Errorf("the command of the %s is %q", name, c)
		}
	}
	shared.past = []byte("broken")
	page = status.Handler(b, &status.Options{Token: token, Logger: quiet})
	if body := get(t, page, "/").Body.String(); !strings.Contains(body, "The history cannot be shown") || !strings.Contains(body, "the table is away") {
		t.Error("the page does not say why there is no history")
	}
}

// A process whose store does not answer does not say that another one leads, or that there is
// no store.
func TestTheStoreIsSilent(t *testing.T) {
	c := config(&service{size: 2})
	shared := &board{silent: true}
	c.Elector = &seat{shared, "web.2", false}
	a := autoscale.New(c)
	_, _ = a.Tick(t.Context(), time.Now())
	page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
	for _, path := range []string{"/", "/status.json", "/size.json"} {
		w := get(t, page, path)
		body := w.Body.String()
		if !strings.Contains(body, "has not answered") || strings.Contains(body, "another one acts") || strings.Contains(body, "other process leads") || strings.Contains(body, "there is no Store") {
			t.Errorf("GET %s = %d %s", path, w.Code, body)
		}
	}
	shared.silent, shared.record.Term, shared.record.Holder = false, 7, "web.1"
	if body := get(t, page, "/").Body.String(); !strings.Contains(body, "no tick yet") || !strings.Contains(body, "The process web.1 leads, or led last, and has saved nothing yet.") {
		t.Errorf("when it has answered: %s", body)
	}
}

func TestControl(t *testing.T) {
	form := func(pairs ...string) url.Values {
		v := url.Values{"name": {"web"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, tt := range []struct {
		name   string
		form   url.Values
		change func(*http.Request)
		code   int
		want   string // in the command afterwards, or in the answer
	}{
		{"pause", form("action", "pause"), nil, 303, "paused since"},
		{"pause for", form("action", "pause", "for", "90m"), nil, 303, "paused until"},
		{"pause until", form("action", "pause", "until", until), nil, 303, "paused until " + until + " (by ada)"},
		{"override", form("action", "override", "size", "4", "for", "1h"), nil, 303, "set to 4 until"},
		{"resume", form("action", "resume"), nil, 303, ""},
		{"the only one needs no name", url.Values{"action": {"pause"}}, nil, 303, "paused since"},
		{"override without an end", form("action", "override", "size", "4"), nil, 400, "needs an end"},
		{"override without a size", form("action", "override", "for", "1h"), nil, 400, "size is"},
		{"override below 0", form("action", "override", "size", "-1", "for", "1h"), nil, 400, "0 or more"},
		{"two ends", form("action", "pause", "for", "1h", "until", until), nil, 400, "give one of them"},
		{"past", form("action", "pause", "until", "2020-01-01T00:00:00Z"), nil, 400, "is past"},
		{"not a time", form("action", "pause", "until", "18:00"), nil, 400, "it must be a time"},
		{"not a duration", form("action", "pause", "for", "2"), nil, 400, "it must be a duration"},
		{"too long", form("action", "pause", "for", "99999h"), nil, 400, "within a year"},
		{"another type", url.Values{"name": {"nope"}, "action": {"pause"}}, nil, 400, "no autoscaler"},
		{"another action", form("action", "explode"), nil, 400, "action is"},
		{"another site", form("action", "pause"), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403, "another site"},
		{"another origin", form("action", "pause"), func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }, 403, "another site"},
		{"the same site", form("action", "pause"), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }, 303, "paused since"},
		{"no credential", form("action", "pause"), func(r *http.Request) { r.Header.Del("Authorization") }, 401, "token"},
		{"by GET", form("action", "pause"), func(r *http.Request) { r.Method = "GET" }, 405, "POST"},
		{"a long form", form("action", "pause", "for", strings.Repeat("9", 1<<20)), nil, 400, "8 KiB"},
	} {
		a := autoscale.New(config(&service{size: 2}))
		w := post(status.Handler(a, &status.Options{Token: token, Control: true, Logger: quiet}), tt.form, tt.change)
		command := a.Status().Command
		if w.Code != tt.code || tt.code == 303 && !strings.Contains(command, tt.want) || tt.code != 303 && (command != "" || !strings.Contains(w.Body.String(), tt.want)) {
			t.Errorf("%s: %d %s, command %q", tt.name, w.Code, w.Body, command)
		}
	}
	a := autoscale.New(config(&service{size: 2}))
	page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
	if w := post(page, form("action", "pause"), nil); w.Code != 403 || a.Status().Command != "" {
		t.Errorf("without Control: %d", w.Code)
	}
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{size: 2}
		a := autoscale.New(config(s))
		page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
		go a.Run(t.Context())
		synctest.Wait() // for the first tick
		var streams []*httptest.ResponseRecorder
		done := make(chan int, 40)
		for range 33 {
			w := httptest.NewRecorder()
			streams = append(streams, w)
			go func() {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/events", nil)
				r.Header.Set("Authorization", "Bearer "+token)
				page.ServeHTTP(w, r)
				done <- w.Code
			}()
		}
		synctest.Wait()
		if code := <-done; code != 503 {
			t.Errorf("the stream that is one too many: %d", code)
		}
		time.Sleep(25 * time.Second)
		page.Close()
		for range 32 {
			<-done
		}
		ticks := 0
		for _, w := range streams {
			if w.Code == 200 {
				ticks += strings.Count(w.Body.String(), "event: tick\ndata: 2")
			}
		}
		if ticks != 2*32 {
			t.Errorf("32 streams had %d ticks in 25 seconds, want 64", ticks)
		}
	})
}

// What the middleware around the page takes away, the page does without.
func TestEventsBehindATimeoutHandler(t *testing.T) {
	a := autoscale.New(config(&service{size: 2}))
	page := status.Handler(a, &status.Options{Token: token, Logger: quiet})
	start := time.Now()
	get(t, http.TimeoutHandler(page, time.Minute, ""), "/events")
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("a stream that cannot be flushed was open for %v", took)
	}
}

func TestNoSource(t *testing.T) {
	page := status.Handler(nil, &status.Options{Public: true, Logger: quiet})
	if w := get(t, page, "/"); w.Code != 503 || !strings.Contains(w.Body.String(), "the source is nil") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func BenchmarkPage(b *testing.B) {
	_, _, page := running(b)
	b.ReportAllocs()
	for b.Loop() {
		get(b, page, "/")
	}
}
