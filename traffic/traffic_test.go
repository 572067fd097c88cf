package traffic_test

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

const (
	rates = autoscale.SignalThroughput | autoscale.SignalArrivals | autoscale.SignalBusy
	times = autoscale.SignalServiceTime | autoscale.SignalLatency
)

// near allows for the rounding of floats, and not for a request too many.
var near = gocmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-9 })

// run serves one request that takes d, and returns at once.
func run(t *traffic.Traffic, d time.Duration, header ...string) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	go t.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(d) })).
		ServeHTTP(httptest.NewRecorder(), r)
}

// probe measures and checks what cannot be foretold to the nanosecond: Latency is
// within the bound that is promised.
func probe(t *testing.T, p autoscale.Prober, latency time.Duration) autoscale.Sample {
	t.Helper()
	s, err := p.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if off := (s.Latency - latency).Abs(); off > max(latency/16, 8200*time.Nanosecond) {
		t.Errorf("Latency is %v, off by %v, want about %v", s.Latency, off, latency)
	}
	if s.Breakdown == nil {
		t.Error("the rates have no Breakdown")
	}
	s.Latency = 0
	return s
}

func TestWindow(t *testing.T) {
	at := func(seconds float64) time.Duration { return time.Duration(seconds * 1e9) }
	type request struct{ begins, takes float64 }
	every := func(step, takes, until float64) (rs []request) {
		for i := 0; float64(i)*step < until; i++ {
			rs = append(rs, request{float64(i) * step, takes})
		}
		return rs
	}
	warm := request{0, 0} // the first request of all
	tests := []struct {
		name     string
		opts     traffic.Options
		requests []request
		probe    float64
		latency  float64
		want     autoscale.Sample
	}{
		{
			"nothing at all",
			traffic.Options{},
			nil, 15, 0,
			autoscale.Sample{Signals: rates},
		},
		{
			"steady",
			traffic.Options{},
			every(.1, .25, 40), 31.5, .25,
			autoscale.Sample{Signals: rates | times, Arrivals: 10, Throughput: 10, Busy: 2.5, ServiceTime: at(.25)},
		},
		{
			"steady over a minute",
			traffic.Options{Window: time.Minute},
			every(.125, .5, 90), 80.9, .5,
			autoscale.Sample{Signals: rates | times, Arrivals: 8, Throughput: 8, Busy: 4, ServiceTime: at(.5)},
		},
		{
			"one second",
			traffic.Options{Window: time.Second},
			every(.25, .125, 10), 7, .125,
			autoscale.Sample{Signals: rates | times, Arrivals: 4, Throughput: 4, Busy: .5, ServiceTime: at(.125)},
		},
		{
			"longer than the window, and running",
			traffic.Options{},
			[]request{warm, {2, 50}},
			40.7, 0,
			autoscale.Sample{Signals: rates, Busy: 1},
		},
		{
			"begins before the window and ends in it", traffic.Options{}, []request{warm, {2, 24.5}}, 40, 24.5, // 25 to 40
			autoscale.Sample{Signals: rates | times, Throughput: 1. / 15, Busy: 1.5 / 15, ServiceTime: at(24.5)},
		},
		{
			"begins in the window and runs on",
			traffic.Options{},
			[]request{warm, {39.25, 10}},
			40.99, 0,
			autoscale.Sample{Signals: rates, Arrivals: 1. / 15, Busy: .75 / 15},
		},
		{
			"begins and ends on the boundaries", traffic.Options{}, []request{warm, {25, 15}}, 40, 0, // the end is not in it
			autoscale.Sample{Signals: rates, Arrivals: 1. / 15, Busy: 1},
		},
		{
			"all in the second that is not complete",
			traffic.Options{},
			[]request{warm, {40.1, .2}},
			40.9, 0,
			autoscale.Sample{Signals: rates},
		},
		{
			"longer than Longest",
			traffic.Options{Longest: 2 * time.Second},
			[]request{warm, {30, 2.5}, {31, 2}},
			40, 2,
			autoscale.Sample{Signals: rates | times, Arrivals: 2. / 15, Throughput: 2. / 15, Busy: 4.5 / 15, ServiceTime: at(2)},
		},
		{
			"after an idle hour",
			traffic.Options{},
			[]request{warm, {3600.5, 1}},
			3605, 1,
			autoscale.Sample{Signals: rates | times, Arrivals: 1. / 15, Throughput: 1. / 15, Busy: 1. / 15, ServiceTime: at(1)},
		},
		{
			"a running request through an idle hour",
			traffic.Options{},
			[]request{warm, {1, 4000}},
			3605, 0,
			autoscale.Sample{Signals: rates, Busy: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				tr := traffic.New(&tt.opts)
				for _, r := range tt.requests {
					go func() {
						time.Sleep(at(r.begins))
						run(tr, at(r.takes))
					}()
				}
				time.Sleep(at(tt.probe))
				synctest.Wait()
				got := probe(t, tr, at(tt.latency))
				tt.want.Processes = 1
				tt.want.Span = cmp.Or(tt.opts.Window, traffic.DefaultWindow)
				if got.Peak < got.Busy {
					t.Errorf("Peak is %v, below Busy, %v", got.Peak, got.Busy)
				}
				got.Peak, got.Breakdown = 0, nil
				tt.want.Time = start.Add(at(tt.probe).Truncate(time.Second))
				if diff := gocmp.Diff(tt.want, got, near); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
				time.Sleep(5000 * time.Second) // for the requests to end
			})
		})
	}
}

func TestPercentile(t *testing.T) {
	for p, want := range map[float64]time.Duration{
		0.5: 10 * time.Millisecond, 50: 500 * time.Millisecond, 95: 950 * time.Millisecond,
		99: 990 * time.Millisecond, 99.99: time.Second, 0: 950 * time.Millisecond,
	} {
		synctest.Test(t, func(t *testing.T) {
			tr := traffic.New(&traffic.Options{Percentile: p})
			run(tr, 0)
			time.Sleep(20 * time.Second)
			for i := range 100 {
				run(tr, time.Duration(i+1)*10*time.Millisecond)
			}
			time.Sleep(5 * time.Second)
			if s := probe(t, tr, want); s.ServiceTime != 505*time.Millisecond {
				t.Errorf("p%v: ServiceTime %v, want 505ms", p, s.ServiceTime)
			}
		})
	}
}

// The bound of the histogram holds from nothing to the longest request, around
// every power of two and between.
func TestHistogramBound(t *testing.T) {
	var ds []time.Duration
	for d := time.Duration(1); d <= time.Minute; d *= 2 {
		ds = append(ds, d-1, d, d+1, d+d/3)
	}
	for range 500 {
		ds = append(ds, time.Duration(math.Exp(rand.Float64()*math.Log(6e10))))
	}
	ds = append(ds, time.Minute)
	for _, d := range ds {
		synctest.Test(t, func(t *testing.T) {
			tr := traffic.New(nil)
			run(tr, 0)
			time.Sleep(100*time.Second - d)
			run(tr, d)
			time.Sleep(d + time.Second)
			if s := probe(t, tr, d); !s.Signals.Has(times) || s.ServiceTime != d {
				t.Errorf("ServiceTime is %v of %v, want %v", s.ServiceTime, s.Signals, d)
			}
		})
	}
}

// A process measures nothing until it has counted for five seconds from its first
// request, and then from there on.
func TestNotYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := traffic.New(nil)
		fails := func(want string) {
			t.Helper()
			s, err := tr.Probe(t.Context())
			if !errors.Is(err, autoscale.ErrWarmingUp) || !strings.Contains(err.Error(), want) || s.Signals != 0 {
				t.Errorf("%v, %v, want an error with %q", s, err, want)
			}
		}
		fails("warming up: nothing is measured yet: it takes a few seconds from the first request, or 15s without one; 0s have passed")
		time.Sleep(14990 * time.Millisecond)
		fails("14s have passed")
		time.Sleep(10 * time.Millisecond)
		probe(t, tr, 0)
		time.Sleep(20 * time.Minute)
		run(tr, 0) // at 20:15
		time.Sleep(time.Second)
		fails("20m16s have passed")
		time.Sleep(4 * time.Second)
		run(tr, 0)
		fails("20m20s have passed")
		time.Sleep(time.Second) // from 20:16 it has counted for 5 s
		if s := probe(t, tr, 0); s.Span != 5*time.Second || s.Arrivals != 1./5 {
			t.Errorf("%v over %v, want one request in 5 s", s, s.Span)
		}
		time.Sleep(7 * time.Second)
		if s := probe(t, tr, 0); s.Span != 12*time.Second || s.Arrivals != 1./12 {
			t.Errorf("%v over %v, want one request in 12 s", s, s.Span)
		}
	})
}

func TestQueueTimeSignal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := traffic.New(nil)
		run(tr, 0)
		time.Sleep(20*time.Second + 123456789)
		ms := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).UnixMilli()) }
		run(tr, time.Second, "X-Request-Start", ms(-100*time.Millisecond))
		run(tr, time.Second, "X-Request-Start", ms(-100*time.Millisecond))
		run(tr, time.Second, "X-Request-Start", ms(-59*time.Second)) // moves a mean, and not the median
		run(tr, time.Second, "X-Request-Start", ms(5*time.Second))   // a clock ahead: 0
		run(tr, time.Second, "X-Request-Start", ms(-2*time.Hour))    // not counted
		run(tr, time.Second, "X-Request-Start", "soon")              // not counted
		run(tr, time.Second)                                         // not counted
		time.Sleep(5 * time.Second)
		s := probe(t, tr, time.Second)
		if off := s.QueueTime - 100*time.Millisecond; off.Abs() > 13*time.Millisecond || s.Signals != rates|times|autoscale.SignalQueueTime {
			t.Errorf("QueueTime %v of %v, want 100ms, to within an eighth", s.QueueTime, s.Signals)
		}
		if s.Arrivals != 7./15 {
			t.Errorf("Arrivals %v, want 7 in 15 s", s.Arrivals)
		}
	})
}

// Whatever the goroutines do at a boundary, no request is lost or counted twice,
// and none of its time.
func TestEverythingAddsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const goroutines, each = 64, 50
		tr := traffic.New(&traffic.Options{Window: time.Second})
		run(tr, 0)
		time.Sleep(10 * time.Second)
		h := tr.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(r.Context().Value(key{}).(time.Duration))
		}))
		var wg sync.WaitGroup
		var mu sync.Mutex
		var busy time.Duration
		for g := range goroutines {
			random := rand.New(rand.NewPCG(uint64(g), 1))
			wg.Go(func() {
				for range each {
					// Many wake at a boundary, at the same moment.
					d := time.Duration(random.IntN(9)) * 250 * time.Millisecond
					h.ServeHTTP(httptest.NewRecorder(), withTime(t, d))
					mu.Lock()
					busy += d
					mu.Unlock()
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		var arrivals, throughput, area float64
		for over := false; !over; {
			select {
			case <-done:
				over = true
				time.Sleep(time.Second)
			default:
			}
			time.Sleep(time.Second)
			synctest.Wait()
			s, err := tr.Probe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			arrivals, throughput, area = arrivals+s.Arrivals, throughput+s.Throughput, area+s.Busy
			if over {
				break
			}
		}
		if arrivals != goroutines*each || throughput != goroutines*each || math.Abs(area-busy.Seconds()) > 1e-6 {
			t.Errorf("arrivals %v, throughput %v, busy %v s; want %d, %[4]d, %v", arrivals, throughput, area, goroutines*each, busy.Seconds())
		}
		if begun, ended := tr.Counted(); begun != goroutines*each+1 || ended != begun {
			t.Errorf("%d began, %d ended, want %d", begun, ended, goroutines*each+1)
		}
	})
}

// A request costs the one small allocation of the writer that sees its answer.
func TestAllocations(t *testing.T) {
	h := traffic.New(nil).Handler(http.HandlerFunc(bare))
	for name, r := range requests() {
		w := discard{http.Header{}}
		if n := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); n != 1 {
			t.Errorf("%s: %v allocations in each request, want 1", name, n)
		}
	}
}

func TestSize(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(32)) // the most shards
	const n = 50
	r, w := requests()["queued"], discard{http.Header{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		h := traffic.New(&traffic.Options{Window: time.Minute}).Handler(http.HandlerFunc(bare))
		for range 10 {
			h.ServeHTTP(w, r)
		}
	}
	runtime.ReadMemStats(&after)
	size := (after.TotalAlloc - before.TotalAlloc) / n
	t.Logf("%d bytes", size)
	if size > 80<<10 {
		t.Errorf("a Traffic allocates %d bytes, want at most 80 KiB", size)
	}
}

func TestOptions(t *testing.T) {
	tests := []struct {
		opts *traffic.Options
		want []string
	}{
		{nil, nil},
		{&traffic.Options{}, nil},
		{&traffic.Options{Window: 60 * time.Second, Percentile: 99.9, Longest: time.Second}, nil},
		{&traffic.Options{Window: 1500 * time.Millisecond}, []string{"Window is 1.5s: it must be whole seconds from 1s to 1m0s"}},
		{&traffic.Options{Window: 61 * time.Second}, []string{"Window is 1m1s"}},
		{&traffic.Options{Window: -1, Percentile: math.NaN(), Longest: 2 * time.Minute}, []string{"Window is -1ns", "Percentile is NaN", "Longest is 2m0s"}},
		{&traffic.Options{Percentile: 100}, []string{"Percentile is 100"}},
	}
	for _, tt := range tests {
		tr := traffic.New(tt.opts)
		err := tr.Validate()
		if (err != nil) != (tt.want != nil) {
			t.Errorf("%+v: %v", tt.opts, err)
		}
		for _, want := range tt.want {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%+v: %v, want %q", tt.opts, err, want)
			}
			if _, perr := tr.Probe(t.Context()); perr == nil || perr.Error() != err.Error() {
				t.Errorf("Probe: %v, want %v", perr, err)
			}
		}
		tr.Handler(http.HandlerFunc(bare)).ServeHTTP(discard{http.Header{}}, httptest.NewRequest("GET", "/", nil))
	}
}
