package commandline

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/platform/nomad/nomadtest"
	"github.com/autoscalebot/autoscale/platform/render/rendertest"
)

// TestWorker: the stand-alone autoscalebot keeps its state in the STORE of its settings, and
// obeys a command that another run of the program gives there.
func TestWorker(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no signals to send")
	}
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer web.Close()
	platform := herokutest.NewServer()
	defer platform.Close()
	platform.AddApp(herokutest.AppConfig{
		Name: "quiet-river", WebURL: web.URL + "/",
		Formation: []herokutest.Process{{Type: "worker", Quantity: 2}},
	})
	scaled := make(chan int, 100)
	platform.OnScale(func(_, _ string, _, to int) { scaled <- to })
	dir := t.TempDir()
	file := filepath.Join(dir, "autoscale.env")
	text := "HEROKU_APP_NAME=quiet-river\nPROCESS_TYPE=worker\nMIN_DYNOS=2\nMAX_DYNOS=9\nSTORE=sqlite:" + filepath.Join(dir, "state.db") + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "--settings="+file)
	// The token of a page may be in the same environment.
	cmd.Env = []string{
		"HEROKU_API_KEY=" + herokutest.Token, "HEROKU_API_URL=" + platform.URL,
		"AUTOSCALE_HEARTBEAT_INTERVAL_IN_SECONDS=0.1", "AUTOSCALE_TOKEN=a-token-of-the-page",
	}
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	// The worker makes the store when it starts.
	for {
		r := run(t, nil, "status", "--settings="+file)
		if r.status == 0 {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("it does not keep its state in the store: %s%s", r.stderr, output.String())
		}
	}
	r := run(t, []string{"USER=alice"}, "override", "7", "for", "1h", "--settings="+file)
	if r.status != 0 || !strings.Contains(r.stdout, "worker is set to 7 until ") {
		t.Fatalf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
	select {
	case n := <-scaled:
		if n != 7 {
			t.Errorf("scaled to %d, want 7", n)
		}
	case <-ctx.Done():
		t.Fatal("waited in vain for the override to be obeyed")
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, output.String())
	}
}

// A person finds the state of a worker on a platform other than Heroku: with the file of
// the worker or with its environment, and without its key.
func TestWorkerOnPlatform(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer web.Close()
	render := rendertest.NewServer()
	defer render.Close()
	service := render.AddService(rendertest.Service{Instances: 2})
	nomad := nomadtest.NewServer()
	defer nomad.Close()
	nomad.AddJob(nomadtest.Job{ID: "shop", Groups: map[string]nomadtest.Group{"web": {Count: 2}}})
	for _, tt := range []struct {
		app, key string
		environ  []string
	}{
		{service, "RENDER_API_KEY=" + rendertest.Key, []string{"PLATFORM=render", "AUTOSCALE_RENDER_SERVICE_ID=" + service, "RENDER_API_URL=" + render.URL}},
		{"shop/web", "NOMAD_TOKEN=" + nomadtest.Token, []string{"PLATFORM=nomad", "AUTOSCALE_NOMAD_JOB=shop", "AUTOSCALE_NOMAD_GROUP=web", "AUTOSCALE_NOMAD_ADDR=" + nomad.URL}},
	} {
		t.Run(tt.app, func(t *testing.T) { workerOnPlatform(t, tt.app, tt.key, append(tt.environ, "HEARTBEAT_URL="+web.URL)) })
	}
}

func workerOnPlatform(t *testing.T, app, key string, environ []string) {
	dir := t.TempDir()
	environ = append(environ,
		"AUTOSCALE_HEARTBEAT_INTERVAL_IN_SECONDS=0.5", "AUTOSCALE_STORE=sqlite:"+filepath.Join(dir, "state.db"))
	file := filepath.Join(dir, "autoscale.env")
	if err := os.WriteFile(file, []byte(strings.Join(environ, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = append(environ, key)
	var output strings.Builder
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for name, look := range map[string]func() result{
		"its file":        func() result { return run(t, nil, "status", "--settings="+file) },
		"its environment": func() result { return run(t, environ, "status") },
	} {
		for {
			r := look()
			if r.status == 0 && strings.Contains(r.stdout, app) {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("%s: %s%s%s", name, r.stdout, r.stderr, output.String())
			}
		}
	}
}
