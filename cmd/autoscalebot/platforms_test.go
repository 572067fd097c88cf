package main_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/platform/cloudfoundry/cftest"
	"github.com/autoscalebot/autoscale/platform/fly/flytest"
	"github.com/autoscalebot/autoscale/platform/render/rendertest"
	"github.com/autoscalebot/autoscale/platform/scalingo/scalingotest"
)

// check reads the size from the platform that is chosen.
func TestCheckPlatforms(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(ok))
	defer web.Close()
	fly := flytest.NewServer()
	defer fly.Close()
	for range 2 {
		fly.Add(flytest.Machine{Group: "web"})
	}
	render := rendertest.NewServer()
	defer render.Close()
	service := render.AddService(rendertest.Service{Instances: 2})
	scalingo := scalingotest.NewServer()
	defer scalingo.Close()
	scalingo.AddApp(scalingotest.App{Name: "shop", Containers: map[string]int{"web": 2}})
	cf := cftest.NewServer()
	defer cf.Close()
	guid := cf.AddApp(cftest.App{Processes: map[string]int{"web": 2}})

	const own = "           but autoscalebot would scale itself: "
	for _, tt := range []struct {
		name, app, own string
		environ        []string
	}{
		{"fly", flytest.App, "", []string{"FLY_APP_NAME=" + flytest.App, "FLY_PROCESS_GROUP=worker", "AUTOSCALE_FLY_PROCESS_GROUP=web", "FLY_API_TOKEN=" + flytest.Token, "FLY_API_URL=" + fly.URL}},
		{"fly", flytest.App, own + "FLY_APP_NAME and FLY_PROCESS_GROUP of the environment", []string{"FLY_APP_NAME=" + flytest.App, "FLY_PROCESS_GROUP=web", "FLY_API_TOKEN=" + flytest.Token, "FLY_API_URL=" + fly.URL}},
		{"render", service, "", []string{"RENDER_SERVICE_ID=srv-worker", "AUTOSCALE_RENDER_SERVICE_ID=" + service, "RENDER_API_KEY=" + rendertest.Key, "RENDER_API_URL=" + render.URL}},
		{"render", service, own + "RENDER_SERVICE_ID of the environment", []string{"RENDER_SERVICE_ID=" + service, "RENDER_API_KEY=" + rendertest.Key, "RENDER_API_URL=" + render.URL}},
		{"scalingo", "shop", "", []string{"SCALINGO_APP=shop", "SCALINGO_API_TOKEN=" + scalingotest.Token, "SCALINGO_API_URL=" + scalingo.URL}},
		{"cloudfoundry", guid, "", []string{"CF_APP_GUID=" + guid, "CF_CLIENT_ID=" + cftest.ClientID, "CF_CLIENT_SECRET=" + cftest.ClientSecret, "CF_API_URL=" + cf.URL}},
	} {
		r := run(t, append(tt.environ, "PLATFORM="+tt.name, "HEARTBEAT_URL="+web.URL), "check")
		if r.status != 0 || r.stderr != "" {
			t.Errorf("%s: status %d, stderr %q\n%s", tt.name, r.status, r.stderr, r.stdout)
		}
		for _, want := range []string{"app        " + tt.app + ", process type web\n", "2 processes ordered\n", "order      check orders nothing, so only the first order shows whether it is permitted\n", "now        autoscalebot would hold: stay at 2: ", tt.own} {
			if !strings.Contains(r.stdout, want) {
				t.Errorf("%s: it does not say %q:\n%s", tt.name, want, r.stdout)
			}
		}
		if tt.own == "" && strings.Contains(r.stdout, own) {
			t.Errorf("%s: it would not scale itself:\n%s", tt.name, r.stdout)
		}
	}
}

// A simulation needs nothing that only the platform would: no token, no name, no pool.
func TestSimulatePlatforms(t *testing.T) {
	trace := filepath.Join(t.TempDir(), "trace.csv")
	if err := os.WriteFile(trace, []byte("time,requests\n0,60\n60,60\n120,60\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"heroku", "fly", "ecs", "pool"} {
		r := run(t, []string{"PLATFORM=" + name, "HEARTBEAT_URL=https://shop.example/beat"}, "simulate", "--trace="+trace)
		if r.status != 0 || !strings.Contains(r.stdout, "process-hours") {
			t.Errorf("%s: status %d\n%s%s", name, r.status, r.stdout, r.stderr)
		}
	}
}
