package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heartbeat"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// A service is the program, running.
type service struct {
	t   *testing.T
	url string
	app *herokutest.App
	api *herokutest.Server
}

// run runs the service before a fake Platform API, on which it has nine dynos,
// more than its bounds permit.
func run(t *testing.T, env map[string]string) *service {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, url: "http://" + listener.Addr().String(), api: herokutest.NewServer()}
	t.Cleanup(s.api.Close)
	s.app = s.api.AddApp(herokutest.AppConfig{
		Name: "quiet-river", WebURL: s.url + "/",
		Formation: []herokutest.Process{{Type: "web", Quantity: 9}},
	})
	all := map[string]string{
		"HEROKU_API_KEY": herokutest.Token, "HEROKU_APP_NAME": "quiet-river", "HEROKU_API_URL": s.api.URL,
	}
	for name, value := range env {
		all[name] = value
	}

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener, func(name string) string { return all[name] }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
		if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) > 0 {
			t.Errorf("the service left %v", left)
		}
	})
	return s
}

func (s *service) get(path string) (int, string) {
	s.t.Helper()
	res, err := http.Get(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// says waits until the status has text.
func (s *service) says(text string) {
	s.t.Helper()
	var body string
	for range 1000 {
		if _, body = s.get("/status"); strings.Contains(body, text) {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	s.t.Errorf("the status never says %q, but:\n%s", text, body)
}

func TestServes(t *testing.T) {
	s := run(t, map[string]string{"HEROKU_API_KEY": "", "SCALE_BY": "heartbeat"})
	for path, want := range map[string]string{"/": "It is 2", heartbeatPath: "Beat", "/status": "set HEROKU_API_KEY and HEROKU_APP_NAME"} {
		if code, body := s.get(path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %q, want 200 and %q", path, code, body, want)
		}
	}
	if n := len(s.api.Requests()); n != 0 {
		t.Errorf("without a key, %d calls of the Platform API", n)
	}
}

func TestScales(t *testing.T) {
	s := run(t, map[string]string{"DYNO": "web.1"})
	s.says("from 9 to 5, the nearest bound")
	if n := s.app.Quantity("web"); n != 5 {
		t.Errorf("%d dynos, want 5", n)
	}
}

func TestDryRun(t *testing.T) {
	s := run(t, map[string]string{"DRY_RUN": "1"})
	s.says("dry run: nothing is ordered\nweb: from 9 to 5")
	if writes := s.api.Writes(); len(writes) != 0 {
		t.Errorf("a dry run ordered %v", writes)
	}
}

func TestOneDynoLeads(t *testing.T) {
	s := run(t, map[string]string{"DYNO": "web.2"})
	s.says("another dyno scales this service")
	if n := len(s.api.Requests()); n != 0 {
		t.Errorf("a dyno that does not lead made %d calls of the Platform API", n)
	}
}

func TestToken(t *testing.T) {
	s := run(t, map[string]string{"HEARTBEAT_TOKEN": "a-token-of-the-test", "SCALE_BY": "heartbeat"})
	if code, body := s.get(heartbeatPath); code != http.StatusNotFound {
		t.Errorf("a heartbeat without the token: %d %q, want 404", code, body)
	}
	s.says("from 9 to 5")
	if _, body := s.get("/status"); strings.Contains(body, "404") || strings.Contains(body, "a-token-of-the-test") {
		t.Errorf("the prober did not send the token, or the status shows it:\n%s", body)
	}
}

// By default the service goes by its own requests, and has no heartbeat.
func TestTraffic(t *testing.T) {
	s := run(t, nil)
	s.says("the prober is warming up")
	if code, _ := s.get(heartbeatPath); code != http.StatusNotFound {
		t.Errorf("the heartbeat: status %d, want 404", code)
	}
}

func TestElector(t *testing.T) {
	for _, test := range []struct{ database, dyno, want string }{
		{"postgres://localhost/service", "web.2", "*leader.Elector"},
		{"", "web.2", "*leader.static"},
		{"", "", "<nil>"},
	} {
		if got := fmt.Sprintf("%T", elector(test.database, test.dyno)); got != test.want {
			t.Errorf("database %q, dyno %q: %s, want %s", test.database, test.dyno, got, test.want)
		}
	}
}

func TestUnknownSignal(t *testing.T) {
	s := run(t, map[string]string{"SCALE_BY": "vibes"})
	s.says(`SCALE_BY is "vibes": it must be traffic or heartbeat`)
}

// A key that the API refuses is no reason to stop serving.
func TestServesWithABadKey(t *testing.T) {
	s := run(t, map[string]string{"HEROKU_API_KEY": "wrong-key-of-the-test"})
	s.says("401")
	if code, _ := s.get("/"); code != http.StatusOK {
		t.Errorf("status %d, want 200", code)
	}
	if _, body := s.get("/status"); strings.Contains(body, "wrong-key-of-the-test") {
		t.Errorf("the status shows the key:\n%s", body)
	}
}

// host is what README promises that a program outside of this project can write.
func host(ctx context.Context, mux *http.ServeMux, cfg autoscale.Config) error {
	mux.Handle("/autoscalebot/heartbeat/", heartbeat.Handler())
	cfg.Notifiers = append(cfg.Notifiers, pager{}, autoscale.NotifierFunc(func(context.Context, autoscale.Event) error { return nil }))
	return autoscale.New(cfg).Run(ctx)
}

type pager struct{}

func (pager) Notify(context.Context, autoscale.Event) error { return nil }
func (pager) Kinds() autoscale.EventKind                    { return autoscale.NeedsAboveMax }

func TestHost(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context()) // until then the service goes on
	cancel()
	err := host(ended, http.NewServeMux(), autoscale.Config{})
	if err == nil || !strings.Contains(err.Error(), "Prober is nil") || !strings.Contains(err.Error(), "Scaler is nil") {
		t.Errorf("error %v, want one that names what is missing", err)
	}
}
