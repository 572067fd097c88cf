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

// board is a Board in memory, written from the words of the interface.
type board struct {
	mu     sync.Mutex
	shares map[string]posted
	fault  func() error
	calls  int
}

type posted struct {
	data []byte
	at   time.Time
}

func newBoard() *board {
	return &board{shares: map[string]posted{}, fault: func() error { return nil }}
}

func (b *board) breaks(fault func() error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = fault
}

func (b *board) members() (names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.shares {
		names = append(names, name)
	}
	return names
}

func (b *board) Publish(ctx context.Context, member string, share []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if err := errors.Join(ctx.Err(), b.fault()); err != nil {
		return err
	}
	if len(share) == 0 {
		delete(b.shares, member)
	} else {
		b.shares[member] = posted{slices.Clone(share), time.Now()}
	}
	return nil
}

func (b *board) Read(ctx context.Context, fresh time.Duration) (list []traffic.Share, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(ctx.Err(), b.fault()); err != nil {
		return nil, err
	}
	for name, p := range b.shares {
		if age := time.Since(p.at); age < fresh {
			list = append(list, traffic.Share{Member: name, Data: p.data, Age: age})
		}
	}
	return list, nil
}

var quiet = slog.New(slog.DiscardHandler)

// process is one that publishes, and serves rate requests per second that take d.
func process(t *testing.T, b traffic.Board, name string, rate int, d time.Duration) (s *traffic.Shared, stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	s = &traffic.Shared{Traffic: traffic.New(), Board: b, Member: name, Logger: quiet}
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

func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		one, stopOne := process(t, b, "web.1", 10, 100*time.Millisecond) // busy 1
		two, stopTwo := process(t, b, "web.2", 40, 50*time.Millisecond)  // busy 2
		three, stopThree := process(t, b, "web.3", 50, 200*time.Millisecond)
		_ = three
		all := autoscale.Sample{
			Signals: rates | times | autoscale.SignalQueueTime, Processes: 3,
			Arrivals: 100, Throughput: 100, Busy: 13,
			ServiceTime: 130 * time.Millisecond, QueueTime: 130 * time.Millisecond,
		}
		check := func(s *traffic.Shared, latency time.Duration, want autoscale.Sample) {
			t.Helper()
			got := probe(t, s, latency)
			got.Time = time.Time{}
			if diff := cmp.Diff(want, got, near); diff != "" {
				t.Errorf("after %v: -want +got:\n%s", time.Since(synctestStart), diff)
			}
		}
		time.Sleep(10 * time.Second)
		if s, err := one.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "a whole window of 15s, and 10s have passed; only this process was measured, as the board of all has no share") {
			t.Errorf("before a window is over: %v, %v", s, err)
		}
		time.Sleep(50*time.Second + 500*time.Millisecond)
		check(one, 200*time.Millisecond, all)
		check(two, 200*time.Millisecond, all)

		// Told to stop, a process takes its share down.
		stopTwo()
		all.Processes, all.Arrivals, all.Throughput, all.Busy = 2, 60, 60, 11
		all.ServiceTime = 11 * time.Second / 60
		all.QueueTime = all.ServiceTime
		check(one, 200*time.Millisecond, all)
		if n := len(b.members()); n != 2 {
			t.Errorf("%d shares on the board, want 2", n)
		}

		// Killed, it counts until its share is too old.
		dead := posted{at: time.Now()}
		b.mu.Lock()
		for name, p := range b.shares {
			if strings.HasPrefix(name, "web.3/") {
				dead.data = p.data
			}
		}
		b.mu.Unlock()
		stopThree()
		b.mu.Lock()
		b.shares["web.3/killed"] = dead
		b.mu.Unlock()
		time.Sleep(25*time.Second - 1)
		check(one, 200*time.Millisecond, all)
		time.Sleep(time.Nanosecond)
		alone := autoscale.Sample{
			Signals: all.Signals, Processes: 1, Arrivals: 10, Throughput: 10, Busy: 1,
			ServiceTime: 100 * time.Millisecond, QueueTime: 100 * time.Millisecond,
		}
		check(one, 100*time.Millisecond, alone)

		// What stands on the board and cannot be read is left out, and said.
		b.Publish(t.Context(), "web.9/other", []byte{2, 1, 1})
		alone.Detail = "1 of 2 shares on the board were left out, for example a share of version 2, and not 1: is another release still running?"
		check(one, 100*time.Millisecond, alone)
		b.Publish(t.Context(), "web.9/other", nil)

		// Without the board, this process stands for all.
		b.breaks(func() error { return errors.New("connection refused") })
		time.Sleep(time.Minute)
		alone.Detail = "only this process was measured, as the board of all could not be read: connection refused"
		check(one, 100*time.Millisecond, alone)
		b.breaks(func() error { return nil })
		alone.Detail = "only this process was measured, as the board of all has no share of the last 25s: does Shared.Run run in every process?"
		check(one, 100*time.Millisecond, alone)
		time.Sleep(10 * time.Second)
		alone.Detail = ""
		check(one, 100*time.Millisecond, alone)

		b.breaks(func() error { panic("boom") })
		s, err := one.Probe(t.Context())
		if err != nil || !strings.Contains(s.Detail, "could not be read: the board panicked: boom") {
			t.Errorf("%v, %v", s, err)
		}
		b.breaks(func() error { return nil })

		// A process that leads before it has measured anything tells the others' work.
		fresh := &traffic.Shared{Traffic: traffic.New(), Board: b}
		check(fresh, 100*time.Millisecond, alone)
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
		s := &traffic.Shared{Traffic: traffic.New(), Board: b, Interval: 20 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, nil))}
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
	err := s.Run(t.Context())
	for _, want := range []string{"Shared.Traffic is nil", "Shared.Board is nil", "Shared.Interval is 10ns", "Shared.Member has 201 bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(log.String(), want) {
			t.Errorf("%v, logged %s; want %q", err, &log, want)
		}
	}
	if _, err := s.Probe(t.Context()); err == nil {
		t.Error("Probe says nothing")
	}
	s = &traffic.Shared{Traffic: traffic.New(traffic.Options{Window: 1}), Board: invalid{newBoard()}}
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "Window is 1ns") || !strings.Contains(err.Error(), "a bad board") {
		t.Errorf("%v", err)
	}
}

type invalid struct{ *board }

func (invalid) Validate() error { return errors.New("a bad board") }

// A busy process, with a request in every slot, still has a small share.
func TestShareSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBoard()
		s := &traffic.Shared{Traffic: traffic.New(traffic.Options{Window: time.Minute}), Board: b}
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
		if len(b.shares) != 1 {
			t.Errorf("%d shares, want 1", len(b.shares))
		}
		for _, p := range b.shares {
			if len(p.data) > 600 || len(p.data) < 300 {
				t.Errorf("%d bytes", len(p.data))
			}
			if _, err := traffic.Reencode(p.data); err != nil {
				t.Error(err)
			}
		}
		b.mu.Unlock()
		cancel()
		synctest.Wait()
	})
}

// FuzzShare decodes anything, and what it accepts is whole: finite, not negative,
// and the same after another round.
func FuzzShare(f *testing.F) {
	f.Add([]byte{1, 15, 10, 20, 5, 2, 3, 1, 3, 4, 0, 6})
	f.Add([]byte{1, 60, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{1, 15, 1, 0, 0, 0, 0, 0, 159, 1, 1, 1, 1})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := traffic.SampleOf(b, 95)
		if err != nil {
			return
		}
		for _, x := range []float64{s.Arrivals, s.Throughput, s.Busy, s.Latency.Seconds(), s.ServiceTime.Seconds(), s.QueueTime.Seconds()} {
			if !(x >= 0 && x < 1e13) {
				t.Fatalf("%x: %+v", b, s)
			}
		}
		if max(s.ServiceTime, s.QueueTime) > time.Minute {
			t.Fatalf("%x: %+v", b, s)
		}
		again, err := traffic.Reencode(b)
		if err != nil || len(again) > len(b) {
			t.Fatalf("%x: %x, %v", b, again, err)
		}
		if s2, err := traffic.SampleOf(again, 95); err != nil || s2 != s {
			t.Fatalf("%x: %+v, %v, want %+v", b, s2, err, s)
		}
	})
}

// static is a board that cannot be changed.
type static []traffic.Share

func (static) Publish(context.Context, string, []byte) error { return nil }
func (s static) Read(context.Context, time.Duration) ([]traffic.Share, error) {
	return s, nil
}

// A percentile is that of all requests together, whichever comes first, and rates
// add up also where windows differ.
func TestSumOfShares(t *testing.T) {
	quick := traffic.Share{Member: "a", Data: []byte{1, 10, 10, 0, 0, 0, 0, 0, 10, 10}} // 10 in slot 10
	slow := traffic.Share{Member: "b", Data: []byte{1, 5, 2, 0, 0, 0, 0, 1, 100, 1}}    // one in slot 100, one longer
	for _, b := range []static{{quick, slow}, {slow, quick}} {
		for p, want := range map[float64]time.Duration{90: 172 * time.Microsecond, 95: 419430 * time.Microsecond} {
			s, err := (&traffic.Shared{Traffic: traffic.New(traffic.Options{Percentile: p}), Board: b}).Probe(t.Context())
			if err != nil || s.Processes != 2 || s.Arrivals != 1.4 || s.Throughput != 1.4 || s.Latency.Truncate(time.Microsecond) != want {
				t.Errorf("p%v of %v: %+v, %v; want a latency of %v", p, b, s, err, want)
			}
		}
	}
}

// What somebody else put on the board is not taken for a share.
func TestStrangeShares(t *testing.T) {
	good := []byte{1, 10, 10, 5, 0, 2, 9, 1, 10, 10}
	if _, err := traffic.Reencode(good); err != nil {
		t.Fatal(err)
	}
	replaced := func(i int, with ...byte) []byte { return slices.Concat(good[:i], with, good[i+1:]) }
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f} // 2^63-1
	for name, b := range map[string][]byte{
		"empty":                         nil,
		"another version":               replaced(0, 2),
		"cut off in the head":           good[:5],
		"cut off in a slot":             good[:9],
		"an endless number":             append(slices.Clone(good), 0x80),
		"a number beyond 64 bits":       replaced(4, append(huge[:8:8], 0xff, 0x7f)...),
		"no window":                     replaced(1, 0),
		"a window of an hour":           replaced(1, 61),
		"more requests than there are":  replaced(2, huge...),
		"more busy than can be":         replaced(3, huge...),
		"more service than a minute":    replaced(4, 0x81, 0xe0, 0xa5, 0x96, 0xbb, 0x11), // above 10 min
		"more queued than begun":        replaced(5, 11),
		"more queue time than a minute": replaced(6, huge[:6:6]...)[:7],
		"a queue time of nobody":        replaced(5, 0),
		"a slot that is none":           replaced(8, 160, 1),
		"a slot beyond":                 append(slices.Clone(good), 149, 1, 1),
		"an empty slot":                 replaced(9, 0),
		"too large":                     append(slices.Clone(good), make([]byte, traffic.MaxShareSize)...),
	} {
		if again, err := traffic.Reencode(b); err == nil {
			t.Errorf("%s: %x was taken, as %x", name, b, again)
		}
	}
}
