package platformsuite

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform/platformtest"
)

// Chaos runs autoscalers against a platform whose connections break, whose answers are late
// or lost, and which refuses calls, whether or not it carries them out. An autoscaler must
// know its own orders, and reach its size once the platform works again. server is the fake,
// outside of any bubble, make returns a Scaler that reaches it through a transport, and size
// is what the platform runs.
func Chaos(t *testing.T, server *platformtest.Server, make func(http.RoundTripper) autoscale.Scaler, size func() int) {
	t.Helper()
	faults := []platformtest.Fault{
		{Reset: true},
		{Apply: true, Reset: true},
		{Apply: true, Truncate: true},
		{Hang: true},
		{Apply: true, Delay: 20 * time.Second},
		{Delay: time.Second},
		{Status: 429},
		{Status: 429, Header: http.Header{"Retry-After": {"20"}}},
		{Status: 409},
		{Status: 500},
		{Status: 503},
		{Apply: true, Status: 502},
	}
	for seed := range uint64(6) {
		server.ClearFaults()
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			want, changes, yields := 2, 0, 0
			every := []time.Duration{2 * time.Second, 30 * time.Second}[seed%2]
			a := autoscale.New(autoscale.Config{
				Name: "web", Scaler: make(server.Transport()), Min: autoscale.Fixed(1), Max: autoscale.Fixed(5), Interval: every, Logger: slog.New(slog.DiscardHandler),
				Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
					return autoscale.Sample{Signals: autoscale.SignalValue, Value: 1}, nil
				}),
				Decider: autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision {
					return autoscale.Decision{Act: true, Size: want, Reason: autoscale.Reason{Code: "test"}}
				}),
				Observe: func(e autoscale.Event) {
					switch e.Kind {
					case autoscale.Changed:
						changes++
						t.Logf("%v: %v", e.Time, e)
					case autoscale.Yielding:
						yields++
					}
				},
			})
			tick := func() {
				begun := time.Now()
				_, _ = a.Tick(t.Context(), begun)
				time.Sleep(every - time.Since(begun)%every)
			}
			for range 5 {
				tick()
			}
			for range 200 {
				if random.IntN(4) == 0 {
					want = 1 + random.IntN(5)
				}
				server.ClearFaults()
				for range random.IntN(3) {
					f := faults[random.IntN(len(faults))]
					f.Skip, f.Times = random.IntN(3), 1+random.IntN(3)
					server.Inject(f)
				}
				tick()
			}
			server.ClearFaults()
			for end := time.Now().Add(11 * time.Minute); time.Now().Before(end) && size() != want; {
				tick()
			}
			if got := size(); got != want || changes > 0 || yields > 0 {
				t.Errorf("seed %d, a tick every %v: the size is %d and not %d, and %d of its orders were taken for changes by others (%d times it yielded to them)", seed, every, got, want, changes, yields)
			}
		})
	}
}
