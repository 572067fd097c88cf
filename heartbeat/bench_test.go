package heartbeat_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heartbeat"
)

// sink is a ResponseWriter that costs next to nothing.
type sink struct{ header http.Header }

func (s sink) Header() http.Header         { return s.header }
func (s sink) Write(p []byte) (int, error) { return len(p), nil }
func (s sink) WriteString(p string) (int, error) {
	return len(p), nil
}
func (s sink) WriteHeader(int) {}

// bare does the checks and nothing else: what BenchmarkHandler is compared with.
func bare(checks ...func(context.Context) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, check := range checks {
			if err := check(r.Context()); err != nil {
				http.Error(w, "fail", http.StatusServiceUnavailable)
				return
			}
		}
		io.WriteString(w, "Beat")
	})
}

// echo returns a check that asks a server on the loopback interface, as one asks a
// database or a cache. The disk would do as well, were it as steady.
func echo(b *testing.B) func(context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		io.Copy(conn, conn)
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	buf := make([]byte, 64)
	return func(context.Context) error {
		if _, err := conn.Write(buf); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, buf)
		return err
	}
}

// BenchmarkHandler shows what the handler adds to its checks: compare each
// line with its bare twin. "nothing" is the handler's own work; "served" is what a
// prober sees, through a real server, of checks that wait for the network; the
// waiting checks, 50 at once for each processor, show that no heartbeat waits
// for another: they would take 2 ms each. Repeat it with
//
//	go test -run='^$' -bench=Handler -count=6 ./heartbeat
func BenchmarkHandler(b *testing.B) {
	none := func(context.Context) error { return nil }
	ask := echo(b)
	wait := func(ctx context.Context) error {
		timer := time.NewTimer(time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for _, bb := range []struct {
		name  string
		check func(context.Context) error
		run   func(b *testing.B, h http.Handler)
	}{
		{"nothing", none, direct},
		{"nothing,concurrent", none, concurrent},
		{"wait1ms,concurrent", wait, concurrent},
		{"loopback,served", ask, served},
	} {
		h := heartbeat.Handler(heartbeat.NoDefaults(), heartbeat.MaxConcurrent(1000),
			heartbeat.Check("a", bb.check), heartbeat.Check("b", bb.check))
		b.Run("checks=2,"+bb.name+"/bare", func(b *testing.B) { bb.run(b, bare(bb.check, bb.check)) })
		b.Run("checks=2,"+bb.name+"/handler", func(b *testing.B) { bb.run(b, h) })
	}
}

func direct(b *testing.B, h http.Handler) {
	b.ReportAllocs()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := sink{make(http.Header)}
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}

func concurrent(b *testing.B, h http.Handler) {
	b.SetParallelism(50)
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		w := sink{make(http.Header)}
		for pb.Next() {
			h.ServeHTTP(w, r)
		}
	})
}

func served(b *testing.B, h http.Handler) {
	server := httptest.NewServer(h)
	defer server.Close()
	for b.Loop() {
		res, err := server.Client().Get(server.URL)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}
