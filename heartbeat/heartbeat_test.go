package heartbeat_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/autoscalebot/autoscale/heartbeat"
)

func TestMounted(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/autoscalebot/heartbeat/", heartbeat.Handler())
	server := httptest.NewServer(mux)
	defer server.Close()

	for _, method := range []string{http.MethodGet, http.MethodHead} {
		req, err := http.NewRequest(method, server.URL+"/autoscalebot/heartbeat/", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		want := "Beat"
		if method == http.MethodHead {
			want = ""
		}
		if err != nil || res.StatusCode != http.StatusOK || string(body) != want {
			t.Errorf("%s: status %d, body %q, error %v; want 200 and %q", method, res.StatusCode, body, err, want)
		}
		for name, want := range map[string]string{
			"Autoscale-Heartbeat": `^ok$`,
			"Cache-Control":       `^no-store$`,
			"Content-Type":        `^text/plain; charset=utf-8$`,
			"Server-Timing":       `^disk;dur=\d+\.\d{3}, cache;dur=\d+\.\d{3}, total;dur=\d+\.\d{3}$`,
		} {
			if got := res.Header.Get(name); !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("%s: %s is %q, want %s", method, name, got, want)
			}
		}
	}
}

func TestOtherMethods(t *testing.T) {
	for name, h := range map[string]http.Handler{
		"Handler": heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Check("never", func(context.Context) error {
			t.Error("the check ran")
			return nil
		})),
		"Live": heartbeat.Live(),
	} {
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, "BREW"} {
			w := do(h, httptest.NewRequest(method, "/", nil))
			wantAnswer(t, w, http.StatusMethodNotAllowed, "")
			if got := w.Header().Get("Allow"); got != "GET, HEAD" {
				t.Errorf("%s %s: Allow is %q", name, method, got)
			}
		}
	}
}

func TestLive(t *testing.T) {
	w := get(heartbeat.Live())
	wantAnswer(t, w, http.StatusNoContent, "")
	if w.Body.Len() > 0 {
		t.Errorf("body is %q", w.Body)
	}
}

func TestServerTiming(t *testing.T) {
	wait := func(name string, d time.Duration) heartbeat.Dependency { return heartbeat.Check(name, sleep(d)) }
	for _, tt := range []struct {
		name  string
		parts []heartbeat.Part
		want  string
		took  time.Duration
	}{
		{"in sequence", []heartbeat.Part{wait("a", 20*time.Millisecond), wait("b", 1500*time.Microsecond)}, "a;dur=20.000, b;dur=1.500, total;dur=21.500", 21500 * time.Microsecond},
		{"in parallel", []heartbeat.Part{wait("a", 20*time.Millisecond), heartbeat.Parallel(), wait("b", 30*time.Millisecond)}, "a;dur=20.000, b;dur=30.000, total;dur=30.000", 30 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := heartbeat.Handler(append(tt.parts, heartbeat.NoDefaults())...)
				start := time.Now()
				w := get(h)
				wantAnswer(t, w, http.StatusOK, "ok")
				if got := w.Header().Get("Server-Timing"); got != tt.want || time.Since(start) != tt.took {
					t.Errorf("Server-Timing is %q after %v, want %q after %v", got, time.Since(start), tt.want, tt.took)
				}
			})
		})
	}
}

// What is found out of order must never be answered from memory.
func TestNothingIsCached(t *testing.T) {
	calls := 0
	h := heartbeat.Handler(heartbeat.Logger(quiet), heartbeat.Check("db", func(context.Context) error {
		if calls++; calls%2 == 0 {
			return errors.New("down")
		}
		return nil
	}))
	for i := range 10 {
		if i%2 == 0 {
			wantAnswer(t, get(h), http.StatusOK, "ok")
		} else {
			wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
		}
	}
	if calls != 10 {
		t.Errorf("%d calls for 10 heartbeats", calls)
	}
}

func TestBudget(t *testing.T) {
	for _, tt := range []struct {
		timeout time.Duration
		header  string
		want    time.Duration
	}{
		{0, "", 10 * time.Second},
		{0, "1000", 900 * time.Millisecond},
		{0, "2500", 2250 * time.Millisecond},
		{0, "5000", 4750 * time.Millisecond},
		{0, "10000", 9750 * time.Millisecond},
		{0, "60000", 10 * time.Second},
		{0, "2147483647", 10 * time.Second},
		{0, "500", 450 * time.Millisecond},
		{0, "499", 450 * time.Millisecond},
		{0, "1", 450 * time.Millisecond},
		{300 * time.Millisecond, "1000", 300 * time.Millisecond},
		{time.Minute, "40000", 39750 * time.Millisecond},
		{5 * time.Millisecond, "1", 5 * time.Millisecond},
		// Nonsense.
		{0, "0", 10 * time.Second},
		{0, "-1000", 10 * time.Second},
		{0, "+1000", 10 * time.Second},
		{0, "1000.0", 10 * time.Second},
		{0, "1e3", 10 * time.Second},
		{0, "1s", 10 * time.Second},
		{0, "0x10", 10 * time.Second},
		{0, "1 000", 10 * time.Second},
		{0, "99999999999999999999", 10 * time.Second},
	} {
		t.Run(tt.timeout.String()+" "+tt.header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parts := []heartbeat.Part{heartbeat.NoDefaults(), heartbeat.Logger(quiet), heartbeat.Check("hangs", hang)}
				if tt.timeout > 0 {
					parts = append(parts, heartbeat.Timeout(tt.timeout))
				}
				start := time.Now()
				wantAnswer(t, get(heartbeat.Handler(parts...), "Autoscale-Timeout-Ms: "+tt.header), http.StatusServiceUnavailable, "fail")
				if got := time.Since(start); got != tt.want {
					t.Errorf("answered after %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// A prober with the token may be as impatient as it likes.
func TestBudgetWithToken(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"1000": 900 * time.Millisecond,
		"200":  180 * time.Millisecond,
		"100":  80 * time.Millisecond,
		"20":   10 * time.Millisecond,
		"1":    10 * time.Millisecond,
		"":     10 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Logger(quiet), heartbeat.Token("secret"), heartbeat.Check("hangs", hang))
			start := time.Now()
			wantAnswer(t, get(h, "Authorization: Bearer secret", "Autoscale-Timeout-Ms: "+header), http.StatusServiceUnavailable, "fail")
			if got := time.Since(start); got != want {
				t.Errorf("with %q it answered after %v, want %v", header, got, want)
			}
		})
	}
}

func TestConcurrent(t *testing.T) {
	for _, tt := range []struct {
		name     string
		part     heartbeat.Part
		requests int
		answered int
	}{
		{"default", heartbeat.Timeout(time.Second), 200, 4},
		{"all have room", heartbeat.MaxConcurrent(200), 200, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Check("slow", sleep(200*time.Millisecond)), tt.part)
				var ok, shed atomic.Int32
				burst := func() {
					var wg sync.WaitGroup
					for range tt.requests {
						wg.Go(func() {
							switch w := get(h); w.Code {
							case http.StatusOK:
								wantAnswer(t, w, http.StatusOK, "ok")
								ok.Add(1)
							default:
								wantAnswer(t, w, http.StatusTooManyRequests, "shed")
								if w.Header().Get("Retry-After") != "1" {
									t.Error("no Retry-After")
								}
								shed.Add(1)
							}
						})
					}
					wg.Wait()
				}
				start := time.Now()
				burst()
				if int(ok.Load()) != tt.answered || int(shed.Load()) != tt.requests-tt.answered {
					t.Errorf("%d answered and %d shed, want %d of %d answered", ok.Load(), shed.Load(), tt.answered, tt.requests)
				}
				// One after the other it would have been many times as long.
				if got := time.Since(start); got != 200*time.Millisecond {
					t.Errorf("it took %v, want 200ms", got)
				}
				burst() // the room is free again
				if int(ok.Load()) != 2*tt.answered {
					t.Errorf("%d answered after the second burst, want %d", ok.Load(), 2*tt.answered)
				}
			})
		})
	}
}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := heartbeat.Handler(heartbeat.Limit(rate.NewLimiter(1, 2)))
		wantAnswer(t, get(h), http.StatusOK, "ok")
		wantAnswer(t, get(h), http.StatusOK, "ok")
		wantAnswer(t, get(h), http.StatusTooManyRequests, "shed")
		time.Sleep(time.Second)
		wantAnswer(t, get(h), http.StatusOK, "ok")
		wantAnswer(t, get(h), http.StatusTooManyRequests, "shed")
	})
}

func TestClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logger := newLog()
		ctx, cancel := context.WithCancel(t.Context())
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Logger(logger),
			heartbeat.Check("hangs", hang), heartbeat.Check("next", func(context.Context) error {
				t.Error("the next check ran")
				return nil
			}))
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		wantAnswer(t, do(h, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)), http.StatusServiceUnavailable, "fail")
		if got := time.Since(start); got != 50*time.Millisecond || log.lines() != 0 {
			t.Errorf("after %v the log is %q; want nothing after 50ms", got, log)
		}
		// A deadline of the host's own does not mean that the client has gone.
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		wantAnswer(t, do(h, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx)), http.StatusServiceUnavailable, "fail")
		if log.lines() != 1 {
			t.Errorf("the log is %q, want one line", log)
		}
	})
}

func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logger := newLog()
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Logger(logger),
			heartbeat.Check("db", func(context.Context) error { return errors.New("down") }))
		for range 1000 {
			wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
		}
		if log.lines() != 5 {
			t.Errorf("%d lines for 1000 failures at once, want 5", log.lines())
		}
		time.Sleep(time.Second)
		get(h)
		get(h)
		if log.lines() != 6 {
			t.Errorf("%d lines a second later, want 6", log.lines())
		}
	})
}

type panickingWriter struct{}

func (panickingWriter) Write([]byte) (int, error) { panic("the logger's own") }

func TestLoggerPanics(t *testing.T) {
	h := heartbeat.Handler(
		heartbeat.Logger(newLogger(panickingWriter{})),
		heartbeat.Check("db", func(context.Context) error { return errors.New("down") }))
	wantAnswer(t, get(h), http.StatusServiceUnavailable, "fail")
}

// The cache in memory must not grow with the heartbeats.
func TestMemoryIsBounded(t *testing.T) {
	h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Check("none", succeed))
	withCache := heartbeat.Handler(heartbeat.Check("disk", succeed)) // in place of the disk
	grown := func(h http.Handler, beats int) int64 {
		get(h)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range beats {
			get(h)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		return int64(after.HeapAlloc) - int64(before.HeapAlloc)
	}
	for name, h := range map[string]http.Handler{"no cache": h, "cache": withCache} {
		if got := grown(h, 10_000); got > 512<<10 {
			t.Errorf("%s: 10,000 heartbeats hold on to %d bytes", name, got)
		}
	}
	runtime.KeepAlive(h)
	runtime.KeepAlive(withCache)
}

func TestToken(t *testing.T) {
	limiter := rate.NewLimiter(1, 100)
	ran := 0
	h := heartbeat.Handler(heartbeat.Token("correct-horse", "battery-staple"), heartbeat.Limit(limiter),
		heartbeat.Check("count", func(context.Context) error { ran++; return nil }))
	for _, bad := range []string{
		"", "correct-horse", "Bearer", "Bearer ", "Bearer correct-hors", "Bearer correct-horse2", "Bearer  correct-horse",
		"Basic correct-horse", "Bearer correct-horse battery-staple", "Bearer battery-staplE", "Bearer " + strings.Repeat("x", 2000),
	} {
		w := get(h, "Authorization: "+bad)
		wantAnswer(t, w, http.StatusNotFound, "")
		if got := w.Body.String(); got != "404 page not found\n" {
			t.Errorf("the body %q shows that something is here", got)
		}
	}
	// The query is written into access logs: a token there does not count.
	wantAnswer(t, do(h, httptest.NewRequest(http.MethodGet, "/?token=correct-horse", nil)), http.StatusNotFound, "")
	// Neither does another method say that something is here.
	wantAnswer(t, do(h, httptest.NewRequest(http.MethodPost, "/", nil)), http.StatusNotFound, "")
	if ran > 0 || limiter.Tokens() < 100 {
		t.Errorf("strangers had the check run %d times and left %v of 100 tokens in the limiter", ran, limiter.Tokens())
	}
	for _, good := range []string{"Bearer correct-horse", "bearer battery-staple"} {
		wantAnswer(t, get(h, "Authorization: "+good), http.StatusOK, "ok")
	}
	if ran != 2 {
		t.Errorf("the check ran %d times, want 2", ran)
	}
}
