package leader_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/internal/safebuffer"
	"github.com/autoscalebot/autoscale/leader"
)

// A store that fails is logged when that begins, at times, and when it ends; Run
// goes on.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newFakeStore()
		n := join(t, s, leader.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		calls := 0
		n.link.disturb(func(context.Context, string) error { calls++; return errCut }, nil)
		time.Sleep(time.Hour)
		n.link.disturb(nil, nil)
		until(t, time.Minute, n.leads)
		n.stop()
		if err := <-n.done; err != nil {
			t.Error(err)
		}
		fails, again := strings.Count(log.String(), "the store fails"), strings.Count(log.String(), "the store answers again")
		if fails < 6 || fails > 7 || again != 1 {
			t.Errorf("in an hour: %d lines that it fails, %d that it answers\n%s", fails, again, &log)
		}
		if calls < 360 || calls > 800 {
			t.Errorf("%d tries in an hour", calls)
		}
	})
}

// A store that fails in a new way is logged soon, and one that fails in ever new
// ways not all the time.
func TestStoreFailsOtherwise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log safebuffer.Buffer
		n := join(t, newFakeStore(), leader.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		n.link.disturb(cut, nil)
		time.Sleep(20 * time.Second)
		n.link.disturb(func(context.Context, string) error { return errors.New("it is read-only") }, nil)
		until(t, 90*time.Second, func() bool { return strings.Contains(log.String(), "it is read-only") })
		n.link.disturb(func(context.Context, string) error { return fmt.Errorf("failure at %v", time.Now()) }, nil)
		time.Sleep(time.Hour)
		if n := strings.Count(log.String(), "tried again: renew term 1: failure at "); n < 50 || n > 60 {
			t.Errorf("in an hour: %d lines", n)
		}
	})
}

// A permanent fault ends Run if the store never answered.
func TestPermanentFaultAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &fakeLink{fakeStore: newFakeStore()}
		gone := errors.New("the table is gone: make it again")
		link.disturb(func(context.Context, string) error {
			return fmt.Errorf("wrapped: %w", leader.Permanent(gone))
		}, nil)
		err := leader.New(link, &leader.Options{Name: "web", Logger: slog.New(slog.DiscardHandler)}).Run(t.Context())
		if !errors.Is(err, gone) {
			t.Errorf("Run = %v, want %v", err, gone)
		}
		if leader.Permanent(nil) != nil {
			t.Error("Permanent(nil) is an error")
		}
	})
}

// A permanent fault of a store that answered before is tried again, slowly: a table may be
// restored, and a right granted again.
func TestPermanentFaultLater(t *testing.T) {
	for _, away := range []time.Duration{2 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := newFakeStore()
			n := join(t, s, leader.Options{})
			var tries atomic.Int64
			n.link.disturb(func(context.Context, string) error {
				tries.Add(1)
				return leader.Permanent(errors.New("the table is gone"))
			}, nil)
			time.Sleep(30*time.Second + away)
			if n.leads() {
				t.Errorf("away for %v: it leads without a renewal", away)
			}
			if n, most := tries.Load(), 12+int64(away/(30*time.Second)); n == 0 || n > most {
				t.Errorf("away for %v: it asked %d times, want 1 to %d", away, n, most)
			}
			n.link.disturb(nil, nil)
			time.Sleep(2 * time.Minute)
			if !n.leads() {
				t.Errorf("away for %v: it does not lead although the table is back", away)
			}
		})
	}
}

// A store that hangs does not keep the host from stopping.
func TestStopWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFakeStore()
		n := join(t, s, leader.Options{})
		n.link.disturb(hang, nil)
		time.Sleep(11 * time.Second) // into a renewal
		start := time.Now()
		n.stop()
		if err := <-n.done; err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("Run returned %v after its context", took)
		}
		if n.leads() {
			t.Error("it leads although Run has ended")
		}
	})
}

type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool  { return true }
func (panicking) Handle(context.Context, slog.Record) error { panic("log") }
func (p panicking) WithAttrs([]slog.Attr) slog.Handler      { return p }
func (p panicking) WithGroup(string) slog.Handler           { return p }

func TestLoggerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if n := join(t, newFakeStore(), leader.Options{Logger: slog.New(panicking{})}); !n.leads() {
			t.Error("a logger's panic ended the campaign")
		}
	})
}
