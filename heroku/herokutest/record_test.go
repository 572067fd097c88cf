package herokutest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	heroku "github.com/heroku/heroku-go/v5"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

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
