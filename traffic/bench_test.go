package traffic_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/traffic"
)

// requests are those of a browser, with and without a router's header.
func requests() map[string]*http.Request {
	header := http.Header{
		"Accept":          {"text/html,application/xhtml+xml"},
		"Accept-Encoding": {"gzip, deflate, br"},
		"Accept-Language": {"en"},
		"Connection":      {"close"},
		"Cookie":          {"session=0123456789abcdef"},
		"User-Agent":      {"Mozilla/5.0"},
		"X-Forwarded-For": {"203.0.113.7"},
		"X-Request-Id":    {"8d4c6ab0"},
	}
	queued := header.Clone()
	queued.Set("X-Request-Start", strconv.FormatInt(time.Now().Add(-5*time.Millisecond).UnixMilli(), 10))
	return map[string]*http.Request{
		"plain":  {Method: "GET", Header: header},
		"queued": {Method: "GET", Header: queued},
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

var body = []byte("ok")

func bare(w http.ResponseWriter, _ *http.Request) { w.Write(body) }

// Compare the two with -cpu 1,2: their difference is what the middleware costs. One
// allocation of 48 bytes is for the ResponseWriter that sees the answer.
func BenchmarkBare(b *testing.B) { benchmark(b, http.HandlerFunc(bare)) }

func BenchmarkMiddleware(b *testing.B) {
	benchmark(b, traffic.New(nil).Handler(http.HandlerFunc(bare)))
}

func benchmark(b *testing.B, h http.Handler) {
	for _, name := range []string{"plain", "queued"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := requests()[name]
			b.RunParallel(func(pb *testing.PB) {
				w := discard{http.Header{}}
				for pb.Next() {
					h.ServeHTTP(w, r)
				}
			})
		})
	}
}

// BenchmarkServed is a whole request to a real server, without the middleware and
// with it. The middleware's share of the time is below the noise. This handler never
// calls Header, and the middleware does: net/http then copies the empty header, which
// is a second allocation.
func BenchmarkServed(b *testing.B) {
	for name, h := range map[string]http.Handler{
		"bare":       http.HandlerFunc(bare),
		"middleware": traffic.New(nil).Handler(http.HandlerFunc(bare)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := httptest.NewServer(h)
			defer s.Close()
			for b.Loop() {
				res, err := s.Client().Get(s.URL)
				if err != nil {
					b.Fatal(err)
				}
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
		})
	}
}
