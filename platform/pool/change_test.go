package pool_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/platform/pool"
)

// However the size changes, no request is lost, with a body or without, on connections that
// are used again.
func TestNoRequestIsLost(t *testing.T) {
	r := run(t, "well", func(o *pool.Options) {
		o.Initial, o.Health, o.Drain, o.Stop, o.Wait = 5, "/healthz", time.Minute, time.Minute, time.Minute
	})
	r.serves(5)
	server := httptest.NewServer(r.p)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 500}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	var answered atomic.Int32
	for n := range 500 {
		all.Go(func() {
			for again := range 2 {
				method, body := http.MethodGet, ""
				if n%2 == 0 {
					method, body = http.MethodPost, " an order"
				}
				req, err := http.NewRequestWithContext(t.Context(), method, server.URL+"/slow", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				res, err := client.Do(req)
				if err != nil {
					t.Errorf("request %d, %s: %v", again, method, err)
					return
				}
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusOK || err != nil || !strings.HasPrefix(string(text), "web.") || !strings.HasSuffix(string(text), body) {
					t.Errorf("request %d, %s: status %d, %q, %v", again, method, res.StatusCode, text, err)
				}
				answered.Add(1)
			}
		})
	}
	sizes := []int{1, 4, 2, 0, 3, 1, 5}
	change := time.NewTicker(50 * time.Millisecond)
	defer change.Stop()
	for i := 0; answered.Load() < 1000 && !t.Failed(); i++ {
		r.order(sizes[i%len(sizes)])
		<-change.C
	}
	all.Wait()
	if n := answered.Load(); n != 1000 {
		t.Errorf("%d of 1000 requests were answered", n)
	}
}

// Where another process runs in the place of web.1, web.1 runs again, without a moment in
// which none serves: leader.Index elects it alone.
func TestFirst(t *testing.T) {
	for name, away := range map[string]func(*rig){
		"it ends slowly, while one is ordered": func(r *rig) {
			r.order(0)
			r.order(1)
		},
		"it ends by itself, while one is ordered": func(r *rig) {
			r.order(2)
			r.serves(2)
			var first int
			for _, p := range r.p.Processes() {
				if p.Number == 1 {
					first = p.PID
				}
			}
			if p, err := os.FindProcess(first); err != nil || p.Kill() != nil {
				r.t.Fatal("web.1 cannot be killed")
			}
			r.until("web.1 is missed", func() bool { return strings.Contains(r.log.String(), "ended by itself") })
			r.order(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				t.Skip("Windows has no SIGTERM")
			}
			r := run(t, "deaf", func(o *pool.Options) { o.Stop = 200 * time.Millisecond })
			r.serves(1)
			away(r)
			r.until("web.1 serves alone", func() bool {
				all := r.p.Processes()
				return len(all) == 1 && all[0].Number == 1 && all[0].State == pool.Serving
			})
			if !strings.Contains(r.log.String(), "web.2 is stopped") {
				t.Fatal("web.2 never ran")
			}
			log := r.log.String()
			if serves, stopped := strings.LastIndex(log, "web.1 serves"), strings.LastIndex(log, "web.2 is stopped"); serves > stopped {
				t.Error("web.2 was stopped before web.1 served")
			}
		})
	}
}
