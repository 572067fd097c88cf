package traffic_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/traffic"
)

// FuzzHeaderFlood sends any two values many times over, in one line and in many. What is
// found is within the bound, a flood behind the first kibibyte changes nothing, and the
// request is served.
func FuzzHeaderFlood(f *testing.F) {
	f.Add("t=1780000000000", "1780000000240", uint16(500), int64(1_780_000_000_250_000_000))
	f.Add(",", "", uint16(60_000), int64(0))
	f.Add("-, t=1780000000.2", "9999999999999999999", uint16(3), int64(1<<63-1))
	f.Add("\x00\x1b\n", "ｔ=１", uint16(2000), int64(-1))
	f.Fuzz(func(t *testing.T, one, two string, times uint16, now int64) {
		now = max(now, 0)
		n := min(int(times), 100_000/(len(one)+len(two)+1))
		lines := make([]string, 0, 2*n)
		for range n {
			lines = append(lines, one, two)
		}
		joined := strings.Join(lines, ",")
		for _, h := range []http.Header{
			{"X-Request-Start": lines},
			{"X-Request-Start": {joined}, "X-Queue-Start": lines},
			{"X-Queue-Start": {joined, joined}},
		} {
			d, ok := traffic.QueueTimeOf(h, now)
			if d < 0 || d > time.Minute || !ok && d != 0 {
				t.Errorf("%v, %v", d, ok)
			}
			// A kibibyte in front of it leaves nothing to read.
			for name := range h {
				h[name] = append([]string{strings.Repeat(",", 1024)}, h[name]...)
			}
			if d, ok := traffic.QueueTimeOf(h, now); ok {
				t.Errorf("%v was read behind the bound", d)
			}
		}
		served := false
		tr := traffic.New(nil)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-Request-Start"] = lines
		tr.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served = true })).ServeHTTP(httptest.NewRecorder(), r)
		if begun, ended := tr.Counted(); !served || begun != 1 || ended != 1 {
			t.Errorf("served: %v; %d began and %d ended", served, begun, ended)
		}
	})
}
