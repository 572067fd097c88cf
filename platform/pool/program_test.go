package pool_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/platform/pool"
)

// serviceTime is how long the service works on a request to /slow.
const serviceTime = 300 * time.Millisecond

// asService makes this test program a process of a Pool.
const asService = "AUTOSCALE_TEST_POOL"

func TestMain(m *testing.M) {
	if how := os.Getenv(asService); how != "" {
		serve(how)
		return
	}
	os.Exit(m.Run())
}

// serve is the service: it answers with its name. how says what it does wrong.
func serve(how string) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	switch how {
	case "crash":
		os.Exit(3)
	case "hang":
		select {}
	case "parent": // as a shell that does not pass signals on
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), asService+"=grandchild")
		if err := child.Start(); err != nil {
			os.Exit(6)
		}
		_ = child.Wait()
		return
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	}
	healthy := time.Now().Add(200 * time.Millisecond)
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		if time.Now().Before(healthy) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		<-time.After(serviceTime)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, os.Getenv(pool.EnvProcess), string(body))
	})
	mux.HandleFunc("/query", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.RawQuery) })
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		more := time.NewTicker(10 * time.Millisecond)
		defer more.Stop()
		for r.Context().Err() == nil {
			fmt.Fprintln(w, "more")
			_ = http.NewResponseController(w).Flush()
			<-more.C
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) { _ = r.Header.Write(w) })
	mux.HandleFunc("/crash", func(http.ResponseWriter, *http.Request) { os.Exit(4) })
	mux.HandleFunc("/scale", func(w http.ResponseWriter, r *http.Request) {
		if from := r.FormValue("from"); from != "" && from != os.Getenv(pool.EnvProcess) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		var n int
		_, _ = fmt.Sscan(r.FormValue("to"), &n)
		s := pool.FromEnv(nil).Scaler()
		if err := s.Scale(r.Context(), n); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		if how == "grandchild" {
			fmt.Fprint(w, os.Getpid())
			return
		}
		fmt.Fprint(w, os.Getenv(pool.EnvProcess))
	})
	server := &http.Server{Handler: mux}
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		os.Exit(5)
	}
	mux.HandleFunc("/unlisten", func(w http.ResponseWriter, _ *http.Request) {
		_ = listener.Close()
		w.Header().Set("Connection", "close")
		fmt.Fprint(w, os.Getenv(pool.EnvProcess))
	})
	go func() { _ = server.Serve(listener) }()
	<-stop
	_ = server.Shutdown(context.Background())
}

// rig is a Pool under way.
type rig struct {
	t   *testing.T
	p   *pool.Pool
	log *safe
}

type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) { s.mu.Lock(); defer s.mu.Unlock(); return s.b.Write(p) }

func (s *safe) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

func run(t *testing.T, how string, change func(*pool.Options)) *rig {
	t.Helper()
	log := new(safe)
	o := pool.Options{
		Command: []string{os.Args[0]}, Env: []string{asService + "=" + how, "GORACE=atexit_sleep_ms=0"}, Max: 5,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Output: func(string) (io.Writer, io.Writer) { return log, log },
	}
	if change != nil {
		change(&o)
	}
	r := &rig{t, pool.New(o), log}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(time.Minute):
			t.Errorf("Run does not end:\n%s", log)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", log)
		}
	})
	r.until("Run is under way", func() bool { _, err := r.p.Capacity(t.Context()); return err == nil })
	return r
}

// until waits for something that other processes do.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for patience := time.After(time.Minute); !ok(); {
		select {
		case <-ticker.C:
		case <-patience:
			r.t.Fatalf("not within a minute: %s", what)
		}
	}
}

func (r *rig) serves(n int) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d processes serve", n), func() bool {
		c, err := r.p.Capacity(r.t.Context())
		return err == nil && c.Desired == n && c.Pending == 0 && c.PendingKnown
	})
}

func (r *rig) order(n int) {
	r.t.Helper()
	if err := r.p.Scale(r.t.Context(), n); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) get(path string) (int, string) {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.p.ServeHTTP(w, httptest.NewRequestWithContext(r.t.Context(), http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// names returns which processes answer n requests, sorted.
func (r *rig) names(n int) []string {
	r.t.Helper()
	var out []string
	for range n {
		code, name := r.get("/")
		if code != http.StatusOK {
			r.t.Errorf("status %d: %s", code, name)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
