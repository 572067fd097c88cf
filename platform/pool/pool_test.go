package pool_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
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
