package calls_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

// A source gives out numbers for as long as life says. From a time on it fails, or hangs.
type source struct {
	life, latency time.Duration
	fails, hangs  time.Time

	mu    sync.Mutex
	asked []time.Time
}

func (s *source) get(ctx context.Context) (int, time.Duration, error) {
	s.mu.Lock()
	s.asked = append(s.asked, time.Now())
	n := len(s.asked)
	hangs, latency := s.hangs, s.latency
	s.mu.Unlock()
	if !hangs.IsZero() && !time.Now().Before(hangs) {
		<-ctx.Done()
		return 0, 0, ctx.Err()
	}
	time.Sleep(latency)
	if !s.fails.IsZero() && !time.Now().Before(s.fails) {
		return 0, 0, errors.New("no value")
	}
	return n, s.life, nil
}

// A value is used until it ends, whatever its life is, and renewed when a tenth is left.
func TestRenewed(t *testing.T) {
	for _, tt := range []struct {
		name       string
		life       time.Duration
		fails      time.Duration // from then on; 0: never
		hangs      bool          // instead of failing
		every, end time.Duration // of the calls
		good       time.Duration // until then every call has a value
		gets       []time.Duration
	}{
		{name: "an hour", life: time.Hour, every: time.Minute, end: 2 * time.Hour, good: 2 * time.Hour, gets: []time.Duration{0, 55 * time.Minute, 110 * time.Minute}},
		{name: "ten seconds", life: 10 * time.Second, every: time.Second, end: 20 * time.Second, good: 20 * time.Second, gets: []time.Duration{0, 9 * time.Second, 18 * time.Second}},
		{name: "one second", life: time.Second, every: time.Second, end: 4 * time.Second, good: 4 * time.Second, gets: []time.Duration{0, time.Second, 2 * time.Second, 3 * time.Second}},
		{name: "one call", life: 0, every: time.Second, end: 3 * time.Second, good: 3 * time.Second, gets: []time.Duration{0, time.Second, 2 * time.Second}},
		{name: "ended before", life: -time.Hour, every: time.Second, end: 2 * time.Second, good: 2 * time.Second, gets: []time.Duration{0, time.Second}},
		{name: "a year", life: 365 * 24 * time.Hour, every: 12 * time.Hour, end: 60 * time.Hour, good: 60 * time.Hour, gets: []time.Duration{0, 24 * time.Hour, 48 * time.Hour}},
		{
			name: "an hour, and the renewal fails", life: time.Hour, fails: time.Minute, every: 10 * time.Second, end: 60*time.Minute + 5*time.Second, good: time.Hour,
			gets: []time.Duration{0, 55 * time.Minute, 56*time.Minute + 20*time.Second, 57*time.Minute + 20*time.Second, 58 * time.Minute, 58*time.Minute + 30*time.Second, 59 * time.Minute, 59*time.Minute + 20*time.Second, 59*time.Minute + 30*time.Second, 59*time.Minute + 40*time.Second, 59*time.Minute + 50*time.Second, time.Hour},
		},
		{name: "ten seconds, and the renewal hangs", life: 10 * time.Second, fails: time.Second, hangs: true, every: time.Second, end: 10 * time.Second, good: 10 * time.Second, gets: []time.Duration{0, 9 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := &source{life: tt.life}
				if tt.hangs {
					s.hangs = start.Add(tt.fails)
				} else if tt.fails > 0 {
					s.fails = start.Add(tt.fails)
				}
				r := calls.NewRenewed(s.get)
				for next := start; time.Since(start) < tt.end; next = next.Add(tt.every) {
					time.Sleep(time.Until(next))
					if time.Since(start) >= tt.end {
						break
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					at := time.Since(start)
					if v, err := r.Get(ctx); (err == nil) != (at < tt.good) || err == nil && v == 0 {
						t.Errorf("after %v: %d, %v", at, v, err)
					}
					if took := time.Since(start) - at; took > 500*time.Millisecond {
						t.Errorf("after %v a call took %v of its second", at, took)
					}
					cancel()
				}
				var gets []time.Duration
				for _, at := range s.asked {
					gets = append(gets, at.Sub(start))
				}
				if !slices.Equal(gets, tt.gets) {
					t.Errorf("got at %v, want %v", gets, tt.gets)
				}
			})
		})
	}
}

// Many callers get one value, share one failure, and are not held by a renewal.
func TestRenewedHerd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour, latency: time.Second, fails: time.Now()}
		r := calls.NewRenewed(s.get)
		herd := func(ctx context.Context) (failed int, longest time.Duration) {
			var mu sync.Mutex
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					start := time.Now()
					_, err := r.Get(ctx)
					mu.Lock()
					defer mu.Unlock()
					longest = max(longest, time.Since(start))
					if err != nil {
						failed++
					}
				})
			}
			wg.Wait()
			return failed, longest
		}
		check := func(what string, wantFailed, wantAsked int, wantLongest time.Duration) {
			t.Helper()
			failed, longest := herd(t.Context())
			if failed != wantFailed || len(s.asked) != wantAsked || longest != wantLongest {
				t.Errorf("%s: %d failed, got %d times, the longest call took %v; want %d, %d, %v", what, failed, len(s.asked), longest, wantFailed, wantAsked, wantLongest)
			}
		}
		check("a failure", 20, 1, time.Second)
		s.fails = time.Time{}
		check("after it", 0, 2, time.Second)
		time.Sleep(56 * time.Minute)
		s.latency = 10 * time.Second // the caller that renews waits for that long
		check("a renewal", 0, 3, 10*time.Second)

		// A caller who leaves fails alone.
		r.Drop(func(int) bool { return true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.hangs = time.Now()
		var first sync.WaitGroup
		first.Go(func() {
			if _, err := r.Get(ctx); err == nil {
				t.Error("a hanging get returned a value")
			}
		})
		synctest.Wait()
		time.AfterFunc(500*time.Millisecond, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.hangs = time.Time{}
		})
		if v, err := r.Get(t.Context()); err != nil || v == 0 {
			t.Errorf("behind one who left: %d, %v", v, err)
		}
		first.Wait()
	})
}

// While one renews, the others go on with the value that is good.
func TestRenewedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		r := calls.NewRenewed(s.get)
		if _, err := r.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(56 * time.Minute)
		s.latency = 10 * time.Second
		var one sync.WaitGroup
		one.Go(func() { _, _ = r.Get(t.Context()) })
		synctest.Wait()
		start := time.Now()
		if v, err := r.Get(t.Context()); v != 1 || err != nil || time.Since(start) != 0 {
			t.Errorf("%d, %v after %v", v, err, time.Since(start))
		}
		one.Wait()
		if v, err := r.Get(t.Context()); v != 2 || err != nil {
			t.Errorf("renewed: %d, %v", v, err)
		}
	})
}

// A life begins when the value is asked for.
func TestRenewedLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: 10 * time.Second, latency: 4 * time.Second}
		r := calls.NewRenewed(s.get)
		for _, want := range []int{1, 1, 2} {
			if v, err := r.Get(t.Context()); v != want || err != nil {
				t.Errorf("%d, %v, want %d", v, err, want)
			}
			time.Sleep(3 * time.Second)
		}
	})
}
