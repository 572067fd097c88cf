package heartbeat_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/autoscalebot/autoscale/heartbeat"
)

// hostile are requests that strangers may send.
var hostile = []struct {
	name    string
	method  string
	headers []string
	patient time.Duration // before the client goes away. 0: for ever
}{
	{name: "plain"},
	{name: "HEAD", method: http.MethodHead},
	{name: "POST", method: http.MethodPost},
	{name: "1 ms", headers: []string{"Autoscale-Timeout-Ms: 1"}},
	{name: "0 ms", headers: []string{"Autoscale-Timeout-Ms: 0"}},
	{name: "negative", headers: []string{"Autoscale-Timeout-Ms: -5000"}},
	{name: "just too short", headers: []string{"Autoscale-Timeout-Ms: 499"}},
	{name: "not a number", headers: []string{"Autoscale-Timeout-Ms: 5s"}},
	{name: "too great", headers: []string{"Autoscale-Timeout-Ms: 99999999999999999999"}},
	{name: "long", headers: []string{"Autoscale-Timeout-Ms: " + strings.Repeat("9", 1<<16)}},
	{name: "an answer's header", headers: []string{"Autoscale-Heartbeat: fail"}},
	{name: "a guessed token", headers: []string{"Authorization: Bearer admin"}},
	{name: "DELETE", method: http.MethodDelete},
	{name: "a method of its own", method: "PURGE"},
	{name: "a flood of headers", headers: []string{"X-A: " + strings.Repeat("a", 1<<20)}},
	{name: "a long token", headers: []string{"Authorization: Bearer " + strings.Repeat("a", 1<<20)}},
	{name: "a cache's headers", headers: []string{"If-None-Match: *", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT", "Cache-Control: only-if-cached"}},
	{name: "a range", headers: []string{"Range: bytes=0-0"}},
	{name: "an upgrade", headers: []string{"Connection: Upgrade", "Upgrade: websocket"}},
	{name: "gone at once", patient: time.Nanosecond},
	{name: "gone after 1 ms", patient: time.Millisecond},
	{name: "1 ms and gone", headers: []string{"Autoscale-Timeout-Ms: 1"}, patient: time.Millisecond},
}

// probes has strangers send a request in a loop each, and returns how a prober's
// requests are answered meanwhile.
func probes(t *testing.T, h http.Handler, strangers int, method string, headers []string, patient time.Duration, prober ...string) (answers []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range strangers {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * time.Millisecond)
			for ctx.Err() == nil {
				asked, gone := context.WithCancel(context.Background())
				if patient > 0 {
					asked, gone = context.WithTimeoutCause(asked, patient, context.Canceled)
				}
				do(h, httptest.NewRequest(method, "/", nil).WithContext(asked), headers...)
				gone()
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	for range 6 {
		time.Sleep(700 * time.Millisecond)
		start := time.Now()
		answer := get(h, append(prober, "Autoscale-Timeout-Ms: 5000")...).Header().Get("Autoscale-Heartbeat")
		if took := time.Since(start); answer == "ok" && took != 300*time.Millisecond {
			t.Errorf("a probe took %v, want 300ms", took)
		}
		answers = append(answers, answer)
	}
	cancel()
	wg.Wait()
	time.Sleep(time.Second) // the calls that went on have returned
	return answers
}

// Strangers in a loop cost nothing but the work that they cause. The check
// ignores its context.
func TestStrangers(t *testing.T) {
	const secret = "Authorization: Bearer secret"
	for _, setup := range []struct {
		name   string
		parts  func() []heartbeat.Part
		prober []string
	}{
		{"without a token", func() []heartbeat.Part { return nil }, nil},
		{"with a limit", func() []heartbeat.Part { return []heartbeat.Part{heartbeat.Limit(rate.NewLimiter(2, 2))} }, nil},
		{"one at a time", func() []heartbeat.Part { return []heartbeat.Part{heartbeat.MaxConcurrent(1), heartbeat.Parallel()} }, nil},
		{"with a token", func() []heartbeat.Part { return []heartbeat.Part{heartbeat.Token("secret")} }, []string{secret}},
	} {
		for _, tt := range hostile {
			t.Run(setup.name+"/"+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := heartbeat.Handler(append(setup.parts(), heartbeat.NoDefaults(), heartbeat.Logger(quiet),
						heartbeat.Check("ignorant", sleep(300*time.Millisecond)))...)
					method := tt.method
					if method == "" {
						method = http.MethodGet
					}
					for i, got := range probes(t, h, 16, method, tt.headers, tt.patient, setup.prober...) {
						if got != "ok" {
							t.Errorf("probe %d is answered by %q, want ok", i, got)
						}
					}
				})
			})
		}
	}
}

// Without a token a stranger can imitate the prober. That can have probes shed, which
// holds the size, and makes nothing fail. With a token it has no effect.
func TestImitators(t *testing.T) {
	for _, patient := range []time.Duration{0, time.Millisecond} {
		for _, token := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				parts := []heartbeat.Part{heartbeat.NoDefaults(), heartbeat.Logger(quiet), heartbeat.Check("ignorant", sleep(300*time.Millisecond))}
				var prober []string
				if token {
					parts = append(parts, heartbeat.Token("secret"))
					prober = append(prober, "Authorization: Bearer secret")
				}
				for i, got := range probes(t, heartbeat.Handler(parts...), 16, http.MethodGet, []string{"Autoscale-Timeout-Ms: 5000"}, patient, prober...) {
					if got != "ok" && (token || got != "shed") {
						t.Errorf("token %v, probe %d is answered by %q", token, i, got)
					}
				}
			})
		}
	}
}

// A call that outlives its request keeps its place, so that requests which go away
// cannot have more calls run than there are places.
func TestCallsOfGoneClientsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		running, most := 0, 0
		count := func(by int) {
			mu.Lock()
			defer mu.Unlock()
			running += by
			most = max(most, running)
		}
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.Logger(quiet), heartbeat.Check("ignorant", func(context.Context) error {
			count(1)
			defer count(-1)
			time.Sleep(300 * time.Millisecond)
			return nil
		}))
		probes(t, h, 16, http.MethodGet, nil, time.Millisecond)
		synctest.Wait()
		if most > 4+1 { // the strangers' places, and the probe
			t.Errorf("%d calls were under way at once, want 5 at most", most)
		}
	})
}

// A stranger's request is answered without a cache, never by 304 or a part, and exercises
// nothing if there is a token. The page without checks does no work for it either.
func TestAnswersToStrangers(t *testing.T) {
	for _, tt := range hostile {
		method := tt.method
		if method == "" {
			method = http.MethodGet
		}
		reads := method == http.MethodGet || method == http.MethodHead
		for name, setup := range map[string]struct {
			parts []heartbeat.Part
			calls int
			want  int
		}{
			"with a token":    {[]heartbeat.Part{heartbeat.Token("secret")}, 0, http.StatusNotFound},
			"without a token": {nil, 1, http.StatusOK},
		} {
			calls := 0
			h := heartbeat.Handler(append(setup.parts, heartbeat.NoDefaults(), heartbeat.Logger(quiet),
				heartbeat.Check("counting", func(context.Context) error { calls++; return nil }))...)
			want := setup
			if !reads && want.calls > 0 {
				want.calls, want.want = 0, http.StatusMethodNotAllowed
			}
			w := do(h, httptest.NewRequest(method, "/a/b?c=d", nil), tt.headers...)
			if w.Code != want.want || calls != want.calls || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %s: status %d after %d calls, %s; want %d after %d", name, tt.name, w.Code, calls, w.Header(), want.want, want.calls)
			}
		}
		want := http.StatusNoContent
		if !reads {
			want = http.StatusMethodNotAllowed
		}
		if w := do(heartbeat.Live(), httptest.NewRequest(method, "/", nil), tt.headers...); w.Code != want || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("Live, %s: status %d, %s", tt.name, w.Code, w.Header())
		}
	}
}
