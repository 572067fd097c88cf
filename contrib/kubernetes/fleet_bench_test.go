//go:build unix

package kubernetes_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/contrib/kubernetes"
	"github.com/autoscalebot/autoscale/contrib/kubernetes/kubetest"
)

// serveFleet has the number of targets of which TestServeFleet makes an API server.
const serveFleet = "AUTOSCALE_TEST_SERVE_FLEET"

// TestServeFleet is the process of the API server of BenchmarkFleet, and no test.
func TestServeFleet(t *testing.T) {
	var n int
	if _, err := fmt.Sscan(os.Getenv(serveFleet), &n); err != nil {
		t.Skip("BenchmarkFleet runs this in a process of its own")
	}
	c := &cluster{t: t, server: kubetest.NewServer()}
	defer c.server.Close()
	for i := range n {
		c.deploy(fmt.Sprint("t", i), 2, map[string]any{kubernetes.AnnotationMax: "100"})
	}
	fmt.Println("SERVES", c.server.URL, base64.StdEncoding.EncodeToString(c.server.CA()))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n') // until the benchmark ends
}

// A counted is a transport that counts requests.
type counted struct {
	next http.RoundTripper
	n    *atomic.Int64
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.next.RoundTrip(r)
}

// A punctual notes how late ticks are.
type punctual struct {
	mu    sync.Mutex
	ticks int
	late  []float64 // ms
}

func (p *punctual) note(late time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ticks++
	p.late = append(p.late, float64(late)/1e6)
}

func (p *punctual) take() (ticks int, late []float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ticks, late = p.ticks, p.late
	p.ticks, p.late = 0, nil
	return ticks, late
}

// BenchmarkFleet has three workers in this process and an API server in another one. Each
// target gets another size about every ten minutes. It takes two and a half minutes for each
// number of targets: run it with -benchtime 1x.
func BenchmarkFleet(b *testing.B) {
	if os.Getenv("AUTOSCALE_BENCH_FLEET") == "" {
		b.Skip("it takes ten minutes: set AUTOSCALE_BENCH_FLEET=1 to run it")
	}
	for _, targets := range []int{1000, 3000, 10000} {
		b.Run(fmt.Sprint(targets), func(b *testing.B) {
			for b.Loop() {
				benchmarkFleet(b, targets)
			}
		})
	}
}

func benchmarkFleet(b *testing.B, targets int) {
	config := startFleetServer(b, targets)
	memory, _ := usage()
	var requests atomic.Int64
	lateness := new(punctual)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var running sync.WaitGroup
	var fleets []*kubernetes.Fleet
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counted{next, &requests} })
	for i := range 3 {
		f := kubernetes.FromConfig(config, &kubernetes.Options{QPS: 100}).Fleet(func(t kubernetes.Target) (autoscale.Config, error) {
			return benchConfig(lateness), nil
		}, &kubernetes.FleetOptions{Worker: fmt.Sprint("w", i), Logger: slog.New(slog.DiscardHandler)})
		running.Go(func() { _ = f.Run(ctx) })
		fleets = append(fleets, f)
	}
	settled := func() (members int, fair bool) {
		fair = true
		for _, f := range fleets {
			s := f.Status()
			members += s.Members
			fair = fair && len(s.Shards) >= kubernetes.DefaultShards/3
		}
		return members, fair
	}
	for began := time.Now(); ; time.Sleep(time.Second) {
		n, fair := settled()
		if n == targets && fair {
			break
		}
		if time.Since(began) > 3*time.Minute {
			b.Fatalf("%d of %d targets are scaled after three minutes: %+v", n, targets, fleets[0].Status())
		}
	}
	time.Sleep(40 * time.Second)
	lateness.take()
	_, cpu := usage()
	before := requests.Load()
	began := time.Now()
	time.Sleep(time.Minute)
	took := time.Since(began).Seconds()
	used, cpuAfter := usage()
	ticks, late := lateness.take()
	slices.Sort(late)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(ticks)/took, "ticks/s")
	b.ReportMetric(float64(cpuAfter-cpu)/1e3/float64(ticks), "cpu-µs/tick")
	b.ReportMetric(float64(used-memory)/1024/float64(targets), "KiB/target")
	b.ReportMetric(float64(requests.Load()-before)/took, "requests/s")
	b.ReportMetric(late[len(late)*99/100], "late-p99-ms")
	b.ReportMetric(float64(runtime.NumGoroutine())/float64(targets), "goroutines/target")
	cancel()
	running.Wait()
}

// benchConfig is that of one target. Its size changes every ten minutes, at a moment of its
// own: one in twenty ticks gives an order.
func benchConfig(p *punctual) autoscale.Config {
	var first time.Time
	phase := rand.N(10 * time.Minute)
	return autoscale.Config{
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			late := now.Sub(first) % autoscale.DefaultInterval
			p.note(min(late, autoscale.DefaultInterval-late))
			return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: float64((now.Sub(first) + phase) / (10 * time.Minute) % 2)}, nil
		}),
		Decider: autoscale.DeciderFunc(func(o autoscale.Observation) autoscale.Decision {
			return autoscale.Decision{Act: true, Size: 2 + int(o.Samples[len(o.Samples)-1].Backlog)}
		}),
		Logger: slog.New(slog.DiscardHandler),
	}
}

// usage returns the memory that is in use, and the processor time that was used.
func usage() (bytes uint64, cpu time.Duration) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return m.HeapAlloc + m.StackInuse, time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func startFleetServer(b *testing.B, targets int) *rest.Config {
	server := exec.Command(os.Args[0], "-test.run", "^TestServeFleet$")
	server.Env = append(os.Environ(), fmt.Sprintf("%s=%d", serveFleet, targets))
	in, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = server.Wait()
	})
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 3 || fields[0] != "SERVES" {
		b.Fatalf("the API server says %q, %v", line, err)
	}
	ca, err := base64.StdEncoding.DecodeString(fields[2])
	if err != nil {
		b.Fatal(err)
	}
	return &rest.Config{Host: fields[1], BearerToken: kubetest.Token, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
}
