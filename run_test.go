package autoscale_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
)

// running starts Run and returns a func that stops it and returns its error.
// The bubble of synctest fails the test if a goroutine is left.
func running(t *testing.T, a *autoscale.Autoscaler) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return func() error {
		cancel()
		return <-done
	}
}

func TestRunTicksAtOnceThenStartToStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		took := []time.Duration{0, 10 * time.Second, 45 * time.Second, 0, 0}
		prober := autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			n := len(at)
			at = append(at, time.Since(begin))
			if n < len(took) {
				time.Sleep(took[n])
			}
			return latency(fine), nil
		})
		stop := running(t, autoscale.New(autoscale.Config{Prober: prober, Scaler: &platform{size: 1}, Logger: silent}))
		time.Sleep(2*time.Minute + time.Second)
		if err := stop(); err != nil {
			t.Errorf("Run = %v, want nil when its context ends", err)
		}
		// The tick at one minute takes 45 s: the next begins when it is over,
		// and the one after that is back on the half minute.
		want := []time.Duration{0, 30 * time.Second, 60 * time.Second, 105 * time.Second, 120 * time.Second}
		if !slices.Equal(at, want) {
			t.Errorf("ticked at %v, want %v", at, want)
		}
	})
}

func TestRunAndTickNeverOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a *autoscale.Autoscaler
		var within error
		a = autoscale.New(autoscale.Config{
			Prober: &gauge{sample: latency(fine)}, Scaler: &platform{size: 1}, Logger: silent,
			Observe: func(autoscale.Event) { _, within = a.Tick(context.Background(), time.Now()) },
		})
		stop := running(t, a)
		synctest.Wait()
		if err := a.Run(t.Context()); !errors.Is(err, autoscale.ErrRunning) {
			t.Errorf("a second Run = %v, want ErrRunning", err)
		}
		if _, err := a.Tick(t.Context(), time.Now()); !errors.Is(err, autoscale.ErrRunning) {
			t.Errorf("Tick beside Run = %v, want ErrRunning", err)
		}
		if !errors.Is(within, autoscale.ErrRunning) {
			t.Errorf("Tick from Observe = %v, want ErrRunning", within)
		}
		if !a.Status().Running {
			t.Error("Status does not say that it runs")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if a.Status().Running {
			t.Error("Status says that it still runs")
		}
		stop = running(t, a) // it may run again
		synctest.Wait()
		if err := stop(); err != nil {
			t.Errorf("running again: %v", err)
		}
	})
}

// runFor runs f with a context that ends after an hour of the bubble, fails if f returns
// earlier, and returns what f returns.
func runFor(t *testing.T, f func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	err := f(ctx)
	if ctx.Err() == nil {
		t.Error("Run returned before its context ended, which ends a service that runs it in an errgroup")
	}
	return err
}

func TestRunReportsABadConfig(t *testing.T) {
	synctest.Test(t, testRunReportsABadConfig)
}

func testRunReportsABadConfig(t *testing.T) {
	var log bytes.Buffer
	a := autoscale.New(autoscale.Config{Interval: -1, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	err := runFor(t, a.Run)
	if !errors.Is(err, autoscale.ErrConfig) || !errors.Is(a.Validate(), autoscale.ErrConfig) {
		t.Fatalf("Run = %v, Validate = %v, want ErrConfig", err, a.Validate())
	}
	if n := strings.Count(log.String(), "Prober is nil"); n != 1 {
		t.Errorf("the fault was logged %d times", n)
	}
	for _, field := range []string{"Prober", "Scaler", "Interval"} {
		if !strings.Contains(err.Error(), field) || !strings.Contains(log.String(), field) {
			t.Errorf("%s is not named in the error %q or not in the log %q", field, err, log.String())
		}
	}
	if s := a.Status(); !errors.Is(s.Last.Err, autoscale.ErrConfig) || !strings.Contains(s.String(), "Prober is nil") {
		t.Errorf("Status says %q", s.String())
	}
	if _, err := a.Tick(t.Context(), start); !errors.Is(err, autoscale.ErrConfig) {
		t.Errorf("Tick = %v, want ErrConfig", err)
	}
}

// TestHungParts has parts that wait until their context ends: each call has a
// deadline, and a hung probe does not use up the platform's.
func TestHungParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{size: 9}
		hung := autoscale.ProberFunc(func(ctx context.Context) (autoscale.Sample, error) {
			<-ctx.Done()
			return autoscale.Sample{}, context.Cause(ctx)
		})
		a := autoscale.New(autoscale.Config{Prober: hung, Scaler: p, Logger: silent, Timeout: 5 * time.Second})
		begin := time.Now()
		if _, err := a.Tick(t.Context(), begin); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Tick = %v, want its deadline", err)
		}
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("it took %v, want the Timeout of 5s", took)
		}
		if got := p.takeOrders(); !slices.Equal(got, []int{3}) {
			t.Errorf("ordered %v, want [3], the nearest bound", got)
		}

		// A stop in the middle of a probe is no failure, and ends at once.
		stop := running(t, a)
		synctest.Wait()
		begin = time.Now()
		if err := stop(); err != nil || time.Since(begin) != 0 {
			t.Errorf("Run = %v after %v, want nil at once", err, time.Since(begin))
		}
		if got := a.Status().Counters.ProbeFailures; got != 1 {
			t.Errorf("counted %d failed probes, want 1: the one that was cut short does not count", got)
		}
	})
}

// TestNotifiersDoNotHoldTheLoop has one that hangs until its context ends, one
// that ignores its context, and one that answers.
func TestNotifiersDoNotHoldTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var notified, calls atomic.Int32
		release := make(chan struct{})
		a := autoscale.New(autoscale.Config{
			Prober: &gauge{sample: latency(fine)}, Scaler: &platform{size: 1}, Logger: silent,
			Interval: time.Second, NotifyOn: autoscale.Probed,
			Notifiers: []autoscale.Notifier{
				autoscale.NotifierFunc(func(ctx context.Context, _ autoscale.Event) error { <-ctx.Done(); return ctx.Err() }),
				autoscale.NotifierFunc(func(context.Context, autoscale.Event) error { calls.Add(1); <-release; return nil }),
				autoscale.NotifierFunc(func(context.Context, autoscale.Event) error { notified.Add(1); return nil }),
			},
		})
		stop := running(t, a)
		time.Sleep(10*time.Minute + 500*time.Millisecond)
		s := a.Status()
		if s.Counters.Ticks != 601 {
			t.Errorf("%d ticks in ten minutes, want 601", s.Counters.Ticks)
		}
		// Each event takes the hung one's ten seconds, so that the queue of 256
		// fills: 60 of 601 events are delivered, and the rest is dropped.
		if s.Counters.Dropped == 0 || s.Counters.NotifyFailures == 0 {
			t.Errorf("counters %+v: want drops and failures", s.Counters)
		}
		if calls.Load() != 1 {
			t.Errorf("the one that ignores its context was called %d times: it must be passed over until it returns", calls.Load())
		}
		if notified.Load() < 50 {
			t.Errorf("the one that answers got %d events", notified.Load())
		}
		begin := time.Now()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %v to stop: want the flush to be bounded", took)
		}
		close(release)
	})
}

func TestShutdownFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var notified []autoscale.EventKind
		g := &gauge{sample: latency(slow)}
		a := autoscale.New(autoscale.Config{
			Prober: g, Scaler: &platform{size: 1}, Logger: silent, NotifyOn: autoscale.Scaled | autoscale.Probed,
			Decider: autoscale.Consecutive{UpAfter: 1},
			Notifiers: []autoscale.Notifier{autoscale.NotifierFunc(func(ctx context.Context, e autoscale.Event) error {
				time.Sleep(2 * time.Second)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				mu.Lock()
				defer mu.Unlock()
				notified = append(notified, e.Kind)
				return nil
			})},
		})
		stop := running(t, a)
		synctest.Wait()
		if err := stop(); err != nil {
			t.Error(err)
		}
		if want := []autoscale.EventKind{autoscale.Probed, autoscale.Scaled}; !slices.Equal(notified, want) {
			t.Errorf("notified of %v when Run had returned, want %v", notified, want)
		}
	})
}

func TestStopIsNotFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig(t, func(c *autoscale.Config) {
		c.Scaler = stopScaler{&platform{size: 1}, cancel}
		c.Decider = autoscale.Consecutive{UpAfter: 1}
		c.NotifyOn = autoscale.ScaleFailed
	})
	r.gauge.latency(slow)
	_, err := r.a.Tick(ctx, start)
	if s := r.a.Status(); s.ScaleFailures != 0 {
		t.Errorf("%d failures counted for a stop: %v; seen %d", s.ScaleFailures, err, r.has(autoscale.ScaleFailed))
	}
}

type stopScaler struct {
	autoscale.Scaler
	stop func()
}

func (s stopScaler) Scale(ctx context.Context, _ int) error {
	s.stop()
	<-ctx.Done()
	return ctx.Err()
}
