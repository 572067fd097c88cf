package probe_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/hostiletest"
	"github.com/autoscalebot/autoscale/probe"
)

// FuzzRawAnswer has a server answer by any bytes, and hang up or not. A probe ends in time,
// and comes to a sample that can be, or to an error of one line.
func FuzzRawAnswer(f *testing.F) {
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nServer-Timing: total;dur=5\r\nContent-Length: 3\r\n\r\n4.5",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n4",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n44",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n4",
		"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 500 \x1b[31m\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Flood: "+strings.Repeat("a", 1000)+"\r\n", 100) + "\r\n",
		"HTTP/1.1 200 OK\r\nAge: 7\r\nAutoscale-Heartbeat: fail\r\n\r\n",
		"220 mail ESMTP\r\n", "\x15\x03\x03\x00\x02\x02\x28", "",
	} {
		f.Add([]byte(answer), false)
		f.Add([]byte(answer), true)
	}
	const timeout = 2 * time.Second
	f.Fuzz(func(t *testing.T, answer []byte, hang bool) {
		synctest.Test(t, func(t *testing.T) {
			transport := hostiletest.Raw(answer, hang)
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for _, p := range []autoscale.Prober{
				&probe.HTTP{URL: "http://example.com", Split: true, Timeout: timeout, Client: client},
				&probe.HTTP{URL: "http://example.com", ServerLatency: true, Requests: 3, Timeout: timeout, Client: client},
				&probe.JSON{URL: "http://example.com", Signal: autoscale.SignalBacklog, Timeout: timeout, Client: client},
			} {
				start := time.Now()
				s, err := p.Probe(t.Context())
				if took := time.Since(start); took > timeout+time.Second {
					t.Errorf("%T took %v", p, took)
				}
				if err != nil {
					if text := err.Error(); len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) {
						t.Errorf("%T: not fit for a log: %.3000q", p, text)
					}
					continue
				}
				if s.Signals == 0 || s.Latency < 0 || s.Latency > timeout+time.Second || s.QueueTime < 0 || s.ServiceTime < 0 || s.ServiceTime > timeout || len(s.Detail) > 500 {
					t.Errorf("%T: %+v", p, s)
				}
			}
		})
	})
}
