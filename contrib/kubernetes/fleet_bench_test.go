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

// A counted is a transport that counts requests, and orders that were carried out.
type counted struct {
	next      http.RoundTripper
	n, orders *atomic.Int64
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	res, err := c.next.RoundTrip(r)
	if err == nil && res.StatusCode == http.StatusOK && r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/scale") {
		c.orders.Add(1)
	}
	return res, err
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
// target gets another size about every ten minutes, or all at once. It takes two and a half
// minutes or more for each number of targets: run it with -benchtime 1x.
func BenchmarkFleet(b *testing.B) {
	if os.Getenv("AUTOSCALE_BENCH_FLEET") == "" {
		b.Skip("it takes ten minutes: set AUTOSCALE_BENCH_FLEET=1 to run it")
	}
	for _, targets := range []int{1000, 3000, 10000} {
		b.Run(fmt.Sprint(targets), func(b *testing.B) {
			for b.Loop() {
				benchmarkFleet(b, targets, 100, false)
			}
		})
	}
	for _, qps := range []float64{100, 400} {
		b.Run(fmt.Sprintf("10000/AtOnce/QPS%v", qps), func(b *testing.B) {
			for b.Loop() {
				benchmarkFleet(b, 10000, qps, true)
			}
		})
	}
}

// benchmarkFleet measures a minute of quiet, or how long it takes until all targets, which get
// another size at one moment, have it.
func benchmarkFleet(b *testing.B, targets int, qps float64, atOnce bool) {
	config := startFleetServer(b, targets)
	memory, _ := usage()
	var requests, orders, more atomic.Int64
	lateness := new(punctual)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var running sync.WaitGroup
	var fleets []*kubernetes.Fleet
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counted{next, &requests, &orders} })
	for i := range 3 {
		f := kubernetes.FromConfig(config, &kubernetes.Options{QPS: qps}).Fleet(func(t kubernetes.Target) (autoscale.Config, error) {
			if atOnce {
				return benchConfig(lateness, func(time.Duration) float64 { return float64(more.Load()) }), nil
			}
			phase := rand.N(10 * time.Minute) // each at a moment of its own
			return benchConfig(lateness, func(age time.Duration) float64 { return float64((age + phase) / (10 * time.Minute) % 2) }), nil
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
		if time.Since(began) > 6*time.Minute {
			b.Fatalf("%d of %d targets are scaled after six minutes: %+v", n, targets, fleets[0].Status())
		}
	}
	time.Sleep(40 * time.Second)
	lateness.take()
	orders.Store(0)
	_, cpu := usage()
	before := requests.Load()
	began := time.Now()
	if atOnce {
		more.Store(1)
		look := time.NewTicker(100 * time.Millisecond)
		defer look.Stop()
		for ; orders.Load() < int64(targets); <-look.C {
			if time.Since(began) > 15*time.Minute {
				b.Fatalf("%d of %d targets have their size after a quarter of an hour", orders.Load(), targets)
			}
		}
		b.ReportMetric(time.Since(began).Seconds(), "s-until-all")
	} else {
		time.Sleep(time.Minute)
	}
	took := time.Since(began).Seconds()
	used, cpuAfter := usage()
	ticks, late := lateness.take()
	slices.Sort(late)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(ticks)/took, "ticks/s")
	b.ReportMetric(float64(cpuAfter-cpu)/1e3/float64(ticks), "cpu-µs/tick")
	b.ReportMetric(float64(used-memory)/1024/float64(targets), "KiB/target")
	b.ReportMetric(float64(requests.Load()-before)/took, "requests/s")
	b.ReportMetric(float64(orders.Load()), "orders")
	b.ReportMetric(float64(len(late))/took/float64(targets)*30, "share-of-ticks")
	b.ReportMetric(late[len(late)*99/100], "late-p99-ms")
	b.ReportMetric(float64(runtime.NumGoroutine())/float64(targets), "goroutines/target")
	cancel()
	running.Wait()
}

// benchConfig is that of one target. more says, by the age of the target, how many processes it
// needs beside two.
func benchConfig(p *punctual, more func(age time.Duration) float64) autoscale.Config {
	var first, last time.Time
	return autoscale.Config{
		Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			if !last.IsZero() {
				p.note(max(0, now.Sub(last)-autoscale.DefaultInterval))
			}
			last = now
			return autoscale.Sample{Signals: autoscale.SignalBacklog, Backlog: more(now.Sub(first))}, nil
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
