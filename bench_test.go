package autoscale_test

import (
	"context"
	"flag"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// still is a Scaler and a Prober in memory, without a lock, so that what is
// measured is the loop's own work.
type still struct{ size int }

func (s *still) Capacity(context.Context) (autoscale.Capacity, error) {
	return autoscale.Capacity{Desired: s.size}, nil
}
func (s *still) Scale(_ context.Context, size int) error { s.size = size; return nil }
func (s *still) Probe(context.Context) (autoscale.Sample, error) {
	return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: fine}, nil
}

func inMemory() *autoscale.Autoscaler {
	s := &still{size: 2}
	return autoscale.New(autoscale.Config{Prober: s, Scaler: s, Logger: silent})
}

// BenchmarkTick compares a tick with the one thing in it that costs and is not
// ours, the context with a deadline that every call is given.
func BenchmarkTick(b *testing.B) {
	b.Run("deadline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, cancel := context.WithTimeout(b.Context(), time.Minute)
			cancel()
		}
	})
	b.Run("hold", func(b *testing.B) {
		a, now := inMemory(), start
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(30 * time.Second)
			if _, err := a.Tick(b.Context(), now); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("hold with bounds by time of day", func(b *testing.B) {
		s, now := &still{size: 2}, start
		a := autoscale.New(autoscale.Config{
			Prober: s, Scaler: s, Logger: silent,
			Min: autoscale.Daily(time.UTC, map[string]int{"0:00": 1, "9:00": 2, "17:00": 1}),
			Max: autoscale.Daily(time.UTC, map[string]int{"0:00": 3, "9:00": 9, "17:00": 4}),
		})
		b.ReportAllocs()
		for b.Loop() {
			now = now.Add(30 * time.Second)
			if _, err := a.Tick(b.Context(), now); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A tick that holds the size allocates one value above its deadline: the reason of the rule.
func TestTickAllocations(t *testing.T) {
	deadline := testing.AllocsPerRun(1000, func() {
		_, cancel := context.WithTimeout(t.Context(), time.Minute)
		cancel()
	})
	a, now := inMemory(), start
	tick := testing.AllocsPerRun(1000, func() {
		now = now.Add(30 * time.Second)
		if _, err := a.Tick(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	})
	more := 1.0
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		more++ // a closure that the compiler does not inline then
	}
	if tick > deadline+more {
		t.Errorf("a tick allocates %v values, and its deadline %v of them; want %v more", tick, deadline, more)
	}
}

var manyTicks = flag.Int("ticks", 100, "ticks of each Autoscaler in BenchmarkMany")

// BenchmarkMany runs 10,000 Autoscalers in one process and reports what each
// keeps in memory, its goroutine's stack included, after -ticks ticks, and what
// all of them cost of one core when each ticks every 30 seconds:
//
//	go test -run '^$' -bench Many -benchtime 1x -args -ticks 10000
func BenchmarkMany(b *testing.B) {
	const many = 10_000
	inUse := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	for b.Loop() {
		before := inUse()
		all := make([]*autoscale.Autoscaler, many)
		for i := range all {
			all[i] = inMemory()
		}
		begin := time.Now()
		for t := range *manyTicks {
			for _, a := range all {
				if _, err := a.Tick(b.Context(), start.Add(time.Duration(t)*30*time.Second)); err != nil {
					b.Fatal(err)
				}
			}
		}
		tick := time.Since(begin).Seconds() / many / float64(*manyTicks)

		// One more tick of each by its own Run, which then waits for the next.
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		for _, a := range all {
			wg.Go(func() { a.Run(ctx) })
		}
		for _, a := range all {
			for a.Status().Counters.Ticks <= uint64(*manyTicks) {
				runtime.Gosched()
			}
		}
		b.ReportMetric(float64(inUse()-before)/many/1024, "KiB/autoscaler")
		b.ReportMetric(tick*1e9, "ns/tick")
		b.ReportMetric(100*tick*many/30, "%core-at-30s")
		cancel()
		wg.Wait()
		runtime.KeepAlive(all)
	}
}

// BenchmarkDecide decides on a window of 120 samples.
func BenchmarkDecide(b *testing.B) {
	latencies := make([]time.Duration, 120)
	for i := range latencies {
		latencies[i] = fast
	}
	o := observe(5, latencies...)
	for name, d := range map[string]autoscale.Decider{
		"Consecutive": autoscale.Consecutive{DownAfter: 120},
		"Highest":     autoscale.Highest(autoscale.Consecutive{DownAfter: 120}, autoscale.Consecutive{}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				d.Decide(o)
			}
		})
	}
}

// BenchmarkStatus is what a page that shows the status costs.
func BenchmarkStatus(b *testing.B) {
	a := inMemory()
	for i := range 200 {
		a.Tick(b.Context(), start.Add(time.Duration(i)*time.Minute))
	}
	b.ReportAllocs()
	for b.Loop() {
		a.Status()
	}
}
