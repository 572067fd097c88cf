package traffic_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
	"github.com/autoscalebot/autoscale/traffic"
)

// service is one that scales itself: every process counts its own requests, and the
// first one leads. Requests are spread at random over those that serve.
type service struct {
	boot        time.Duration
	silent      bool          // the platform does not say how many processes are pending
	bootTime    time.Duration // Config.BootTime
	shared      bool
	concurrency float64                                // of the rule. 0: 2
	headers     func(random *rand.Rand, h http.Header) // of each request. Nil: none

	mu      sync.Mutex
	size    int
	serving []*replica
	booting []time.Time // when processes that were ordered serve
	orders  []order
}

type replica struct {
	traffic *traffic.Traffic
	handler http.Handler
	stop    func()
}

type order struct {
	at   time.Duration
	size int
}

// settle lets processes serve whose boot is over. mu is held.
func (s *service) settle(start func() *replica) {
	for len(s.booting) > 0 && !s.booting[0].After(time.Now()) {
		s.booting = s.booting[1:]
		s.serving = append(s.serving, start())
	}
}

func (s *service) Capacity(context.Context) (autoscale.Capacity, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent {
		return autoscale.Capacity{Desired: s.size}, nil
	}
	return autoscale.Capacity{Desired: s.size, Pending: s.size - len(s.serving), PendingKnown: true}, nil
}

func (s *service) Scale(_ context.Context, size int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders = append(s.orders, order{time.Since(synctestStart), size})
	for ; s.size < size; s.size++ {
		s.booting = append(s.booting, time.Now().Add(s.boot))
	}
	for ; s.size > size; s.size-- {
		if n := len(s.booting); n > 0 {
			s.booting = s.booting[:n-1]
			continue
		}
		last := len(s.serving) - 1
		s.serving[last].stop()
		s.serving = s.serving[:last]
	}
	return nil
}

// run serves the load of a step for as long as it takes, and returns every order.
func (s *service) run(t *testing.T, seed uint64, tick time.Duration, low, high float64, step, until time.Duration) []order {
	ctx, cancel := context.WithCancel(t.Context())
	random, forged := rand.New(rand.NewPCG(seed, 2)), rand.New(rand.NewPCG(seed, 3))
	b := newBoard()
	work := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(r.Context().Value(key{}).(time.Duration))
	})
	var first *traffic.Shared
	started := 0
	start := func() *replica {
		p := &replica{traffic: traffic.New(nil), stop: func() {}}
		p.handler = p.traffic.Handler(work)
		if s.shared {
			// Processes publish out of step with each other.
			shared := &traffic.Shared{Traffic: p.traffic, MetricsBoard: b, Member: fmt.Sprint("web.", started), Logger: quiet}
			running, stop := context.WithCancel(ctx)
			p.stop = stop
			go func() { _ = shared.Run(running) }()
			if first == nil {
				first = shared
			}
		}
		started++
		return p
	}
	s.size, s.serving = 1, []*replica{start()}
	var prober autoscale.Prober = s.serving[0].traffic
	if s.shared {
		prober = first
	}
	a := autoscale.New(autoscale.Config{
		Prober: prober, Scaler: s, Decider: rule.TargetTracking{Concurrency: cmp.Or(s.concurrency, 2)}, Interval: tick,
		BootTime: s.bootTime, Max: autoscale.Fixed(100), Logger: slog.New(slog.DiscardHandler),
	})
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	for time.Since(synctestStart) < until {
		rate := low
		if time.Since(synctestStart) >= step {
			rate = high
		}
		time.Sleep(time.Duration(random.ExpFloat64() / rate * 1e9))
		s.mu.Lock()
		s.settle(start)
		p := s.serving[random.IntN(len(s.serving))]
		s.mu.Unlock()
		took := time.Duration(random.ExpFloat64() * 1e8)
		r := withTime(t, took)
		if s.headers != nil {
			s.headers(forged, r.Header)
		}
		go p.handler.ServeHTTP(discard{http.Header{}}, r)
	}
	cancel()
	<-done
	time.Sleep(time.Minute) // for what is in progress
	synctest.Wait()
	return s.orders
}

// A step of the load orders what it needs and little more, soon, and then keeps to it:
// whatever the tick and the boot are, from one share and from the sum of all. The
// requests pass through the handler and are counted, published and added up as they
// are in a service. No run may order too many. What is counted is random, so that a few
// runs of all may be late, or change the size once more than they should.
func TestStepUp(t *testing.T) {
	const step, settled, until = 2 * time.Minute, 7 * time.Minute, 17 * time.Minute
	var runs, late, restless int
	for _, load := range []struct {
		high   float64
		needed int // × 100 ms ÷ (2 slots × 0.60)
	}{{100, 9}, {35, 3}} {
		for _, shared := range []bool{false, true} {
			for _, tick := range []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second} {
				for i, boot := range []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute} {
					if race && (load.needed == 9 || boot > 0 && boot < time.Minute) {
						continue // the race detector has seen enough in the others
					}
					name := fmt.Sprintf("%v a second, shared %v, tick %v, boot %v", load.high, shared, tick, boot)
					synctest.Test(t, func(t *testing.T) {
						s := &service{boot: boot, shared: shared}
						orders := s.run(t, uint64(i+1), tick, 4, load.high, step, until)
						peak, enough, changes := 0, time.Duration(math.MaxInt64), 0
						for _, o := range orders {
							peak = max(peak, o.size)
							if o.size >= load.needed {
								enough = min(enough, o.at-step)
							}
							if o.at > settled {
								changes++
							}
						}
						if most := int(math.Ceil(1.2*float64(load.needed) + 1)); peak > most {
							t.Errorf("%s: %d processes were ordered, want at most %d: %v", name, peak, most, orders)
						}
						runs++
						if limit := traffic.DefaultWindow + 2*tick; enough > limit {
							late++
							t.Logf("%s: %d processes were ordered %v after the step, and not within %v: %v", name, load.needed, enough, limit, orders)
						}
						if changes > 1 {
							restless++
							t.Logf("%s: %d changes in ten minutes of constant load: %v", name, changes, orders)
						}
					})
				}
			}
		}
	}
	t.Logf("of %d runs %d were late and %d changed the size more than once in ten minutes", runs, late, restless)
	if most := 1 + runs/10; late > most || restless > most {
		t.Errorf("of %d runs %d were late and %d changed the size more than once in ten minutes, want at most %d of each", runs, late, restless, most)
	}
}

// A platform that does not say how many processes are pending must not make the estimate
// too high while they boot, whether BootTime is given or not.
func TestStepUpOnASilentPlatform(t *testing.T) {
	for _, shared := range []bool{false, true} {
		for _, c := range []struct{ boot, bootTime time.Duration }{
			{30 * time.Second, 30 * time.Second}, {time.Minute, time.Minute}, {10 * time.Second, 0}, {30 * time.Second, 0}, {time.Minute, 0},
		} {
			synctest.Test(t, func(t *testing.T) {
				const needed = 9
				s := &service{boot: c.boot, bootTime: c.bootTime, shared: shared, silent: true}
				orders := s.run(t, 5, 5*time.Second, 4, 100, 2*time.Minute, 10*time.Minute)
				peak := 0
				for _, o := range orders {
					peak = max(peak, o.size)
				}
				if most := int(math.Ceil(1.2*needed + 1)); peak > most || peak < needed-1 {
					t.Errorf("shared %v, boot %v, BootTime %v: at most %d processes were ordered, want %d to %d: %v", shared, c.boot, c.bootTime, peak, needed-1, most, orders)
				}
			})
		}
	}
}

// A client that sends any headers it likes changes nothing: the same requests with them
// and without them lead to the same orders.
func TestHeadersChangeNoSize(t *testing.T) {
	const until = 20 * time.Minute
	orders := func(headers func(random *rand.Rand, h http.Header)) (out []order) {
		synctest.Test(t, func(t *testing.T) {
			s := &service{boot: 30 * time.Second, concurrency: 8, headers: headers}
			out = s.run(t, 3, 5*time.Second, 20, 200, 2*time.Minute, until)
		})
		return out
	}
	plain := orders(nil)
	if len(plain) == 0 {
		t.Fatal("nothing was ordered at all")
	}
	start := func(ago time.Duration) string { return fmt.Sprintf("t=%d", time.Now().Add(-ago).UnixMilli()) }
	for name, headers := range map[string]func(random *rand.Rand, h http.Header){
		"3 in 1000 waited a minute": func(random *rand.Rand, h http.Header) {
			if random.IntN(1000) < 3 {
				h.Set("X-Request-Start", start(59*time.Second))
			}
		},
		"all waited a minute": func(_ *rand.Rand, h http.Header) { h.Set("X-Request-Start", start(59*time.Second)) },
		"half waited, as X-Queue-Start": func(random *rand.Rand, h http.Header) {
			if random.IntN(2) == 0 {
				h.Set("X-Queue-Start", start(10*time.Second))
			}
		},
		"streams, upgrades and short budgets": func(random *rand.Rand, h http.Header) {
			switch random.IntN(4) {
			case 0:
				h.Set("Accept", "text/event-stream")
			case 1:
				h.Set("Connection", "Upgrade")
				h.Set("Upgrade", "websocket")
			case 2:
				h.Set("Autoscale-Timeout-Ms", "1")
			}
		},
		"nonsense": func(random *rand.Rand, h http.Header) {
			for _, name := range []string{"X-Request-Start", "X-Queue-Start", "Accept", "Upgrade", "Connection", "Content-Type", "Te", "Expect"} {
				value := make([]byte, random.IntN(40))
				for i := range value {
					value[i] = byte(' ' + random.IntN(95))
				}
				h.Add(name, string(value))
			}
		},
	} {
		if got := orders(headers); !slices.Equal(got, plain) {
			t.Errorf("%s: ordered %v, and without those headers %v", name, got, plain)
		}
	}
}
