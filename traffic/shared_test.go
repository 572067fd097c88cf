package traffic_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/traffic"
)

// board is a MetricsBoard in memory, written from the words of the interface.
type board struct {
	mu      sync.Mutex
	reports map[string]posted
	fault   func() error
	calls   int
}

type posted struct {
	data []byte
	at   time.Time
}

func newBoard() *board {
	return &board{reports: map[string]posted{}, fault: func() error { return nil }}
}

func (b *board) breaks(fault func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = fault
}

func (b *board) members() (names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.reports {
		names = append(names, name)
	}
	return names
}

func (b *board) Publish(ctx context.Context, member string, report []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if err := errors.Join(ctx.Err(), b.fault()); err != nil {
		return err
	}
	if len(report) == 0 {
		delete(b.reports, member)
	} else {
		b.reports[member] = posted{slices.Clone(report), time.Now()}
	}
	return nil
}

func (b *board) Read(ctx context.Context, fresh time.Duration) (list []traffic.Report, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(ctx.Err(), b.fault()); err != nil {
		return nil, err
	}
	for name, p := range b.reports {
		if age := time.Since(p.at); age < fresh {
			list = append(list, traffic.Report{Member: name, Data: p.data, Age: age})
		}
	}
	return list, nil
}

var quiet = slog.New(slog.DiscardHandler)

// process is one that publishes, and serves rate requests per second that take d.
func process(t *testing.T, b traffic.MetricsBoard, name string, rate int, d time.Duration) (s *traffic.Shared, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	s = &traffic.Shared{Traffic: traffic.New(nil), MetricsBoard: b, Member: name, Logger: quiet}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("%s: Run: %v", name, err)
		}
	}()
	go func() {
		ticker := time.NewTicker(time.Second / time.Duration(rate))
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				run(s.Traffic, d, "X-Request-Start", fmt.Sprint(time.Now().Add(-d).UnixNano()))
			}
		}
	}()
	return s, func() { cancel(); <-done }
}

// each returns what one process has on average in the seconds that were reported, and
// how many reports of a second there are.
func each(s autoscale.Sample) (one autoscale.Sample, reports int) {
	for _, p := range s.Breakdown.Pieces {
		reports += p.Processes
		one.Arrivals += p.Arrivals
		one.Throughput += p.Throughput
		one.Busy += p.Busy
	}
	n := float64(reports)
	return autoscale.Sample{Arrivals: one.Arrivals / n, Throughput: one.Throughput / n, Busy: one.Busy / n}, reports
}

// A process may start, stop, be killed, publish late or be of another release: every
// second is divided by the processes that reported it.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		one, stopOne := process(t, b, "web.1", 20, 100*time.Millisecond)
		two, stopTwo := process(t, b, "web.2", 20, 100*time.Millisecond)
		_, stopThree := process(t, b, "web.3", 20, 100*time.Millisecond)
		want := autoscale.Sample{Arrivals: 20, Throughput: 20, Busy: 2}
		check := func(s *traffic.Shared, processes, least, most int, detail string) {
			t.Helper()
			got := probe(t, s, 100*time.Millisecond)
			mean, reports := each(got)
			if diff := cmp.Diff(want, mean, near); diff != "" {
				t.Errorf("after %v, in each process: -want +got:\n%s", time.Since(synctestStart), diff)
			}
			if got.Processes != processes || reports < least || reports > most || !strings.Contains(got.Detail, detail) || detail == "" && got.Detail != "" {
				t.Errorf("after %v: %d processes, %d reports of a second, %q; want %d, %d to %d, %q", time.Since(synctestStart), got.Processes, reports, got.Detail, processes, least, most, detail)
			}
			if all := rates | times | autoscale.SignalQueueTime; got.Signals != all || got.Span != 15*time.Second || got.ServiceTime != 100*time.Millisecond || got.Peak != 2 && got.Peak != 3 {
				t.Errorf("after %v: %+v", time.Since(synctestStart), got)
			}
		}
		time.Sleep(3 * time.Second)
		if s, err := one.Probe(t.Context()); !errors.Is(err, autoscale.ErrWarmingUp) || !strings.Contains(err.Error(), "only this process was measured, because the metrics board has no report") {
			t.Errorf("before anything is known: %v, %v", s, err)
		}
		time.Sleep(57*time.Second + 500*time.Millisecond)
		check(one, 3, 25, 45, "")
		check(two, 3, 25, 45, "")

		// One that starts is counted from its own first request.
		_, stopFour := process(t, b, "web.4", 20, 100*time.Millisecond)
		time.Sleep(9 * time.Second)
		check(one, 4, 25, 55, "")
		stopFour()

		// A process that stops removes its report.
		stopTwo()
		check(one, 2, 17, 30, "")
		if n := len(b.members()); n != 2 {
			t.Errorf("%d reports on the board, want 2", n)
		}

		// Killed, it counts in the seconds that it reported, and in no later one.
		b.mu.Lock()
		dead := posted{at: time.Now()}
		for name, p := range b.reports {
			if strings.HasPrefix(name, "web.3/") {
				dead = p
			}
		}
		b.mu.Unlock()
		stopThree()
		b.mu.Lock()
		b.reports["web.3/killed"] = dead
		b.mu.Unlock()
		check(one, 2, 17, 30, "")
		time.Sleep(time.Until(dead.at.Add(10 * time.Second)))
		check(one, 2, 18, 22, "") // 10 s late
		time.Sleep(6 * time.Second)
		check(one, 1, 15, 15, "")
		time.Sleep(10 * time.Second)
		check(one, 1, 15, 15, "")

		// What cannot be read is left out, and said.
		b.Publish(t.Context(), "web.9/other", []byte{9, 1, 1})
		check(one, 1, 15, 15, "1 of 2 reports on the metrics board were left out, for example a report of version 9 instead of 2: is another release still running?")
		b.Publish(t.Context(), "web.9/other", nil)

		// Without the board, this process is the only one that was measured.
		b.breaks(func() error { return errors.New("connection refused") })
		time.Sleep(time.Minute)
		check(one, 1, 15, 15, "only this process was measured, because the metrics board could not be read: connection refused")
		b.breaks(func() error { return nil })
		check(one, 1, 15, 15, "only this process was measured, because the metrics board has no report of the last 25s: does Shared.Run run in every process?")
		time.Sleep(10 * time.Second)
		check(one, 1, 15, 15, "")

		b.breaks(func() error { panic("boom") })
		s, err := one.Probe(t.Context())
		if err != nil || !strings.Contains(s.Detail, "could not be read: the metrics board panicked: boom") {
			t.Errorf("%v, %v", s, err)
		}
		b.breaks(func() error { return nil })

		// A process that leads before it has measured anything reports the others' work.
		fresh := &traffic.Shared{Traffic: traffic.New(nil), MetricsBoard: b}
		check(fresh, 1, 5, 15, "")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := fresh.Probe(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
		stopOne()
		time.Sleep(time.Minute)
	})
}

// synctestStart is when every bubble begins.
var synctestStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Run publishes every Interval, says once that it fails, and once that it works.
func TestSharedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		b := newBoard()
		b.breaks(func() error { return errors.New("no route") })
		s := &traffic.Shared{Traffic: traffic.New(nil), MetricsBoard: b, Interval: 20 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		calls := func(want int) {
			t.Helper()
			synctest.Wait()
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.calls != want {
				t.Errorf("%d publications after %v, want %d", b.calls, time.Since(synctestStart), want)
			}
		}
		time.Sleep(15*time.Second - 1)
		calls(0) // nothing is measured yet
		time.Sleep(time.Nanosecond)
		calls(1)
		if err := s.Run(ctx); err == nil || !strings.Contains(err.Error(), "another Run") {
			t.Errorf("a second Run: %v", err)
		}
		time.Sleep(80 * time.Second)
		calls(5)
		b.breaks(func() error { return nil })
		time.Sleep(60 * time.Second)
		calls(8)
		if n := strings.Count(log.String(), "level=WARN"); n != 1 || !strings.Contains(log.String(), "no route") {
			t.Errorf("%d warnings, want 1:\n%s", n, &log)
		}
		if n := strings.Count(log.String(), "is published again"); n != 1 {
			t.Errorf("%d times published again, want 1:\n%s", n, &log)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		calls(9)
		if m := b.members(); m != nil {
			t.Errorf("%v is still on the board", m)
		}
	})
}

func TestSharedFields(t *testing.T) {
	var log bytes.Buffer
	s := &traffic.Shared{Interval: 10, Member: strings.Repeat("x", 201), Logger: slog.New(slog.NewTextHandler(&log, nil))}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Run(ended)
	for _, want := range []string{"Shared.Traffic is nil", "Shared.MetricsBoard is nil", "Shared.Interval is 10ns", "Shared.Member has 201 bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(log.String(), want) {
			t.Errorf("%v, logged %s; want %q", err, &log, want)
		}
	}
	if _, err := s.Probe(t.Context()); err == nil {
		t.Error("Probe says nothing")
	}
	for _, board := range []traffic.MetricsBoard{invalid{newBoard()}, struct{ traffic.MetricsBoard }{invalid{newBoard()}}} {
		s = &traffic.Shared{Traffic: traffic.New(&traffic.Options{Window: 1}), MetricsBoard: board}
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "Window is 1ns") || !strings.Contains(err.Error(), "a bad board") {
			t.Errorf("%T: %v", board, err)
		}
	}
}

// A field that is bad must not end a service that runs Shared in an errgroup.
func TestSharedWaitsIfAFieldIsBad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &traffic.Shared{Logger: slog.New(slog.DiscardHandler)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := s.Run(ctx); err == nil || ctx.Err() == nil {
			t.Errorf("Run returned %v before its context ended", err)
		}
	})
}

type invalid struct{ *board }

func (invalid) Validate() error { return errors.New("a bad board") }

// A busy process, with a request in every slot, still has a small report.
func TestReportSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		s := &traffic.Shared{Traffic: traffic.New(&traffic.Options{Window: time.Minute}), MetricsBoard: b}
		run(s.Traffic, 0)
		for i := range 4000 { // all end at the same moment
			d := time.Duration(math.Exp(float64(i) / 4000 * math.Log(6e10)))
			time.AfterFunc(65500*time.Millisecond-d, func() {
				run(s.Traffic, d, "X-Request-Start", fmt.Sprint(time.Now().Add(-time.Minute).UnixMilli()))
			})
		}
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		time.Sleep(75 * time.Second)
		b.mu.Lock()
		if len(b.reports) != 1 {
			t.Errorf("%d reports, want 1", len(b.reports))
		}
		for _, p := range b.reports {
			if len(p.data) > 1000 || len(p.data) < 500 {
				t.Errorf("%d bytes", len(p.data))
			}
		}
		b.mu.Unlock()
		cancel()
		synctest.Wait()
	})
}

// static is a board that cannot be changed.
type static []traffic.Report

func (static) Publish(context.Context, string, []byte) error { return nil }
func (s static) Read(context.Context, time.Duration) ([]traffic.Report, error) {
	return s, nil
}

// A percentile is that of all requests together, whichever comes first, and rates add
// up second by second. Reports of the first release have the totals of a window. They
// count in each of its seconds.
func TestSumOfReports(t *testing.T) {
	quick := traffic.Report{Member: "a", Data: []byte{1, 10, 10, 0, 0, 0, 0, 0, 10, 10}} // 10 in slot 10
	slow := traffic.Report{Member: "b", Data: []byte{1, 5, 2, 0, 0, 0, 0, 1, 100, 1}}    // one in slot 100, one longer
	for _, b := range []static{{quick, slow}, {slow, quick}} {
		for p, want := range map[float64]time.Duration{90: 172 * time.Microsecond, 95: 419430 * time.Microsecond} {
			s, err := (&traffic.Shared{Traffic: traffic.New(&traffic.Options{Percentile: p}), MetricsBoard: b}).Probe(t.Context())
			if err != nil || s.Processes != 2 || math.Abs(s.Arrivals-1.2)+math.Abs(s.Throughput-1.2) > 1e-9 || s.Latency.Truncate(time.Microsecond) != want.Truncate(time.Microsecond) {
				t.Errorf("p%v of %v: %+v, %v; want a latency of %v", p, b, s, err, want)
			}
		}
	}
}
