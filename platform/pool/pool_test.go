package pool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
	"github.com/autoscalebot/autoscale/platform"
	"github.com/autoscalebot/autoscale/platform/pool"
	"github.com/autoscalebot/autoscale/traffic"
)

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
		time.Sleep(300 * time.Millisecond)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, os.Getenv(pool.EnvProcess), string(body))
	})
	mux.HandleFunc("/query", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.RawQuery) })
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			fmt.Fprintln(w, "more")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
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

func TestScaler(t *testing.T) {
	r := run(t, "well", nil)
	autoscaletest.Scaler(t, r.p, autoscaletest.ScalerOptions{})
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	platformsuite.Waits(t, pool.New(pool.Options{Command: []string{"web"}}))
	platformsuite.Waits(t, pool.NewClient("a-token", &platform.Options{BaseURL: "http://127.0.0.1:1"}).Scaler())
}

// Requests go to all processes that serve, and to nobody else.
func TestFront(t *testing.T) {
	for _, balance := range []pool.Balance{pool.Random, pool.LeastConns} {
		r := run(t, "well", func(o *pool.Options) { o.Initial, o.Balance, o.Health = 3, balance, "/healthz" })
		if code, name := r.get("/"); code != http.StatusOK || !strings.HasPrefix(name, "web.") {
			t.Errorf("the first request, which waits for a process: %d, %q", code, name)
		}
		r.serves(3)
		if got := r.names(100); !slices.Equal(got, []string{"web.1", "web.2", "web.3"}) {
			t.Errorf("%v answer", got)
		}
		r.order(1)
		r.serves(1)
		// Those that are stopped are out of the rotation when the order returns.
		if got := r.names(20); !slices.Equal(got, []string{"web.1"}) {
			t.Errorf("of one %v answer", got)
		}
	}
}

// A request that is being answered when its process is stopped is answered.
func TestDrain(t *testing.T) {
	r := run(t, "well", func(o *pool.Options) { o.Initial = 3 })
	r.serves(3)
	var all sync.WaitGroup
	var begun atomic.Int32
	for range 30 {
		all.Go(func() {
			begun.Add(1)
			if code, body := r.get("/slow"); code != http.StatusOK {
				t.Errorf("cut off: %d %s", code, body)
			}
		})
	}
	r.until("all wait for an answer", func() bool { return begun.Load() == 30 })
	r.order(1)
	all.Wait()
	r.serves(1)
}

// LeastConns sends no request to a process that has more than another one.
func TestLeastConns(t *testing.T) {
	r := run(t, "well", func(o *pool.Options) { o.Initial, o.Balance = 3, pool.LeastConns })
	r.serves(3)
	var mu sync.Mutex
	count := map[string]int{}
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			_, name := r.get("/slow")
			mu.Lock()
			count[name]++
			mu.Unlock()
		})
	}
	all.Wait()
	for name, n := range count {
		if n != 10 {
			t.Errorf("%s got %d of 30 requests at once: %v", name, n, count)
		}
	}
}

// A process that ends by itself is replaced, and a request that it had is a bad gateway.
func TestCrash(t *testing.T) {
	r := run(t, "well", func(o *pool.Options) { o.Initial = 2 })
	r.serves(2)
	if code, _ := r.get("/crash"); code != http.StatusBadGateway {
		t.Errorf("the request that crashes it: %d", code)
	}
	r.until("it is missed", func() bool { return strings.Contains(r.log.String(), "ended by itself") })
	if got := r.names(5); len(got) == 0 {
		t.Error("nobody answers")
	}
	r.serves(2)
}

// A program that ends at once is not started without a pause.
func TestCrashLoop(t *testing.T) {
	r := run(t, "crash", func(o *pool.Options) { o.Wait = -1 })
	r.until("two have ended", func() bool { return strings.Count(r.log.String(), "ended by itself") >= 2 })
	if !strings.Contains(r.log.String(), "the next one is started in 1s") || !strings.Contains(r.log.String(), "the next one is started in 2s") {
		t.Error("the pause does not grow")
	}
	c, err := r.p.Capacity(t.Context())
	if err != nil || c.Desired != 1 || c.Pending != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	if code, body := r.get("/"); code != http.StatusServiceUnavailable || !strings.Contains(body, "no process of the service serves") {
		t.Errorf("%d %s", code, body)
	}
}

// A program that cannot be started, or does not serve, is told, and Run goes on.
func TestBadPrograms(t *testing.T) {
	t.Run("absent", func(t *testing.T) {
		r := run(t, "", func(o *pool.Options) { o.Command = []string{"./no-such-program"} })
		r.until("it is told", func() bool {
			return strings.Contains(r.log.String(), "web.1 ended by itself after 0s (it could not be started: ")
		})
	})
	t.Run("hangs", func(t *testing.T) {
		r := run(t, "hang", func(o *pool.Options) { o.BootTime = 300 * time.Millisecond })
		r.until("it is killed", func() bool { return strings.Contains(r.log.String(), "web.1 is killed after 3") })
		r.until("another one boots", func() bool { return strings.Count(r.log.String(), "web.1 boots") >= 2 })
	})
	t.Run("ignores SIGTERM", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("Windows has no SIGTERM")
		}
		r := run(t, "deaf", func(o *pool.Options) { o.Stop = 300 * time.Millisecond })
		r.serves(1)
		r.order(0)
		r.until("it is killed", func() bool {
			return strings.Contains(r.log.String(), "web.1 is killed after ")
		})
		r.serves(0)
	})
}

// A process orders from within, and is the last to be stopped but for web.1.
func TestOrdersFromWithin(t *testing.T) {
	r := run(t, "well", func(o *pool.Options) { o.Initial = 3 })
	r.serves(3)
	from := func(process string, to int) { // the front chooses at random
		t.Helper()
		for range 1000 {
			code, body := r.get(fmt.Sprintf("/scale?to=%d&from=%s", to, process))
			if code == http.StatusOK {
				return
			} else if code != http.StatusTeapot {
				t.Fatalf("%d: %s", code, body)
			}
		}
		t.Fatalf("%s is never asked", process)
	}
	from("web.3", 2)
	r.serves(2)
	if got := r.names(40); !slices.Equal(got, []string{"web.1", "web.3"}) {
		t.Errorf("web.3 ordered two, and %v answer", got)
	}
	from("web.3", 1)
	r.serves(1)
	if got := r.names(20); !slices.Equal(got, []string{"web.1"}) {
		t.Errorf("web.3 ordered one, and %v answer", got)
	}
	if code, body := r.get("/scale?to=9"); code != http.StatusBadGateway || !strings.Contains(body, "limit of 5") {
		t.Errorf("above Max: %d: %s", code, body)
	}
}

// Nobody without the token orders, and no answer is taken for a size that is none.
func TestControl(t *testing.T) {
	r := run(t, "well", func(o *pool.Options) { o.Name = "api" })
	r.serves(1)
	var url string
	for field := range strings.FieldsSeq(r.log.String()) {
		if rest, ok := strings.CutPrefix(field, "control="); ok {
			url = rest
		}
	}
	if url == "" {
		t.Fatal("the log does not say where the control is")
	}
	stranger := pool.NewClient("not-the-token", &platform.Options{BaseURL: url}).Scaler()
	if _, err := stranger.Capacity(t.Context()); err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(err.Error(), "AUTOSCALE_POOL_TOKEN") {
		t.Errorf("a stranger reads: %v", err)
	}
	if err := stranger.Scale(t.Context(), 5); err == nil {
		t.Error("a stranger orders")
	}
	for _, body := range []string{`{}`, `{"size":-1}`, `{"size":3,"pending":4}`, `[]`, `<html>`} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		if c, err := pool.NewClient("some-token", &platform.Options{BaseURL: s.URL}).Scaler().Capacity(t.Context()); err == nil {
			t.Errorf("%s was taken for %+v", body, c)
		}
		s.Close()
	}
}

// What reaches a process says who asked and when.
func TestHeaders(t *testing.T) {
	for _, proxied := range []bool{false, true} {
		r := run(t, "well", func(o *pool.Options) { o.Proxied = proxied })
		r.serves(1)
		req := httptest.NewRequest(http.MethodGet, "http://shop.example/headers", nil)
		req.RemoteAddr = "192.0.2.9:1234"
		req.Header.Set("X-Forwarded-For", "203.0.113.7")
		req.Header.Set("X-Request-Start", "t=1")
		w := httptest.NewRecorder()
		r.p.ServeHTTP(w, req)
		forwarded, start := "X-Forwarded-For: 192.0.2.9\r\n", "X-Request-Start: t=1\r\n"
		if proxied {
			forwarded = "X-Forwarded-For: 203.0.113.7\r\n"
		}
		if !strings.Contains(w.Body.String(), forwarded) || strings.Contains(w.Body.String(), start) != proxied || !strings.Contains(w.Body.String(), "X-Request-Start: t=") {
			t.Errorf("proxied %v:\n%s", proxied, w.Body)
		}
	}
}

// A client that hangs up in the middle of an answer is not counted for ever.
func TestHangUp(t *testing.T) {
	r := run(t, "well", nil)
	r.serves(1)
	front := httptest.NewServer(r.p)
	defer front.Close()
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, front.URL+"/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		res.Body.Close()
	}
	r.until("no request is left", func() bool { return r.p.Processes()[0].Requests == 0 })
}

// A query reaches a process as it was sent.
func TestQuery(t *testing.T) {
	r := run(t, "well", nil)
	r.serves(1)
	if _, got := r.get("/query?a;b=1&c=100%"); got != "a;b=1&c=100%" {
		t.Errorf("the process got the query %q", got)
	}
}

// What a process started is stopped with it.
func TestGrandchildren(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no process groups of this kind")
	}
	r := run(t, "parent", nil)
	r.serves(1)
	_, text := r.get("/")
	var pid int
	if _, err := fmt.Sscan(text, &pid); err != nil {
		t.Fatal(err, text)
	}
	started, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	r.order(0)
	r.until("the process that it started has ended", func() bool { return started.Signal(syscall.Signal(0)) != nil })
}

// Run refuses a second one, and says so; without it nothing can be ordered.
func TestRunOnce(t *testing.T) {
	r := run(t, "well", nil)
	if err := r.p.Run(t.Context()); !errors.Is(err, pool.ErrRunning) {
		t.Errorf("a second Run: %v", err)
	}
	idle := pool.New(pool.Options{Command: []string{"web"}})
	if _, err := idle.Capacity(t.Context()); !errors.Is(err, pool.ErrNotRunning) {
		t.Errorf("Capacity: %v", err)
	}
	if err := idle.Scale(t.Context(), 1); !errors.Is(err, pool.ErrNotRunning) {
		t.Errorf("Scale: %v", err)
	}
}

func TestValidate(t *testing.T) {
	err := pool.New(pool.Options{Name: "a b", Max: -1, Health: "healthz", BootTime: -1, Balance: 7, Env: []string{"SECRET"}}).Validate()
	for _, want := range []string{"Command is empty", `Name is "a b"`, "Max is -1", "Health must be a path", "BootTime is -1", "Balance is 7", "Env[0] is not NAME=value"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), "SECRET") {
		t.Error("an environment variable is shown")
	}
	if err := pool.New(pool.Options{Command: []string{"x"}, Initial: 20}).Validate(); err == nil || !strings.Contains(err.Error(), "Initial is 20, above") {
		t.Error(err)
	}
	if err := pool.FromEnv(nil).Scaler().Validate(); err == nil || !strings.Contains(err.Error(), "AUTOSCALE_POOL_TOKEN is empty") || !strings.Contains(err.Error(), "AUTOSCALE_POOL_URL") {
		t.Errorf("outside a pool: %v", err)
	}
}

// Without a process a request waits for one as long as it may, and no longer than its
// client.
func TestWait(t *testing.T) {
	r := run(t, "well", func(o *pool.Options) { o.Initial, o.Wait = -1, time.Minute })
	ctx, cancel := context.WithCancel(t.Context())
	w := httptest.NewRecorder()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.p.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
	}()
	cancel()
	<-done
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("status %d", w.Code)
	}
	go func() {
		if err := r.p.Scale(t.Context(), 1); err != nil {
			t.Error(err)
		}
	}()
	if code, name := r.get("/"); code != http.StatusOK || name != "web.1" {
		t.Errorf("%d %s", code, name)
	}
}

// A request that finds that its process refuses connections is answered by another one, if
// it has no body.
func TestRefusedConnection(t *testing.T) {
	r := run(t, "well", func(o *pool.Options) { o.Initial = 2 })
	r.serves(2)
	_, deaf := r.get("/unlisten")
	for range 40 {
		if code, name := r.get("/"); code != http.StatusOK || name == deaf {
			t.Fatalf("status %d by %q, and %q does not listen", code, name, deaf)
		}
	}
	lost := 0
	for range 40 {
		w := httptest.NewRecorder()
		r.p.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader("an order")))
		if w.Code == http.StatusBadGateway {
			lost++
		}
	}
	if lost == 0 {
		t.Error("a request with a body was sent twice")
	}
}

// The autoscaler in front of the Pool sees all its requests.
func TestProber(t *testing.T) {
	counter := traffic.New(&traffic.Options{Concurrency: 2})
	prober := pool.Prober(counter)
	if v, ok := prober.(autoscale.Validator); !ok || v.Validate() != nil {
		t.Error("it is not valid")
	}
	if rule := prober.(autoscale.RuleChooser).Rule(); rule == nil {
		t.Error("it names no rule")
	}
	s, err := prober.Probe(t.Context())
	if err != nil && !errors.Is(err, autoscale.ErrWarmingUp) {
		t.Fatal(err)
	}
	if s.Processes != 0 || s.Breakdown != nil || s.Peak != 0 {
		t.Errorf("it measures a share: %+v", s)
	}
}
