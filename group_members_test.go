package autoscale_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
)

// lone is an Elector that always leads while its Run is under way.
type lone struct{ running atomic.Bool }

func (l *lone) Run(ctx context.Context) error {
	l.running.Store(true)
	<-ctx.Done()
	l.running.Store(false)
	return nil
}

func (l *lone) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: "me", Number: 1}, l.running.Load()
}

func memberConfig(name string, e autoscale.Elector) autoscale.Config {
	return autoscale.Config{
		Name: name, Prober: &gauge{sample: latency(slow)}, Scaler: &platform{size: 1}, Elector: e, Logger: silent,
	}
}

func memberNames(g *autoscale.Group) string {
	var names []string
	for _, s := range g.Status() {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

// TestMembersComeAndGo adds and removes members before, during and after a Run.
func TestMembersComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g autoscale.Group
		early, late := new(lone), new(lone)
		if _, err := g.Add(memberConfig("early", early)); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Add(memberConfig("never", new(lone))); err != nil {
			t.Fatal(err)
		}
		if err := g.Remove(t.Context(), "never"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- g.Run(ctx) }()
		synctest.Wait()
		if err := g.Run(ctx); !errors.Is(err, autoscale.ErrRunning) {
			t.Errorf("a second Run = %v", err)
		}
		a, err := g.Add(memberConfig("late", late))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := memberNames(&g); got != "early late" || a.Status().Counters.Ticks == 0 || !a.Status().Leading {
			t.Errorf("members %q, and late came to %v", got, a.Status())
		}
		if got, ok := g.Lookup("late"); !ok || got != a {
			t.Errorf("Lookup = %v, %v", got, ok)
		}
		if err := g.Remove(t.Context(), "late"); err != nil || late.running.Load() {
			t.Errorf("Remove = %v, and the Elector runs: %v", err, late.running.Load())
		}
		ticks := a.Status().Counters.Ticks
		time.Sleep(5 * time.Minute)
		if _, ok := g.Lookup("late"); ok || memberNames(&g) != "early" || a.Status().Counters.Ticks != ticks || a.Status().Running {
			t.Errorf("members %q, and the removed one is at %d ticks, not %d", memberNames(&g), a.Status().Counters.Ticks, ticks)
		}
		if !early.running.Load() {
			t.Error("early stopped with late")
		}
		// Its name and its Elector are free.
		if _, err := g.Add(memberConfig("late", late)); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run = %v", err)
		}
		if early.running.Load() || late.running.Load() {
			t.Error("a member runs after Run")
		}
		if err := g.Remove(t.Context(), "early"); err != nil {
			t.Error(err)
		}
		if err := runFor(t, g.Run); err != nil || memberNames(&g) != "late" {
			t.Errorf("a later Run = %v with %q", err, memberNames(&g))
		}
	})
}

// TestRemoveDoesNotWaitLongerThanItsContext removes a member whose Prober ignores its context.
func TestRemoveDoesNotWaitLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g autoscale.Group
		cfg := memberConfig("web", new(lone))
		release := make(chan struct{})
		cfg.Prober = autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
			<-release
			return latency(slow), nil
		})
		if _, err := g.Add(cfg); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- g.Run(ctx) }()
		time.Sleep(time.Minute)
		limited, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if err := g.Remove(limited, "web"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "remove web") {
			t.Errorf("Remove = %v", err)
		}
		if _, ok := g.Lookup("web"); ok || len(g.Members()) != 0 {
			t.Error("it is listed while it stops")
		}
		if _, err := g.Add(memberConfig("web", new(lone))); !errors.Is(err, autoscale.ErrConfig) {
			t.Errorf("its name is free while it runs: %v", err)
		}
		if _, err := g.Add(memberConfig("other", cfg.Elector)); !errors.Is(err, autoscale.ErrConfig) {
			t.Errorf("its Elector is free while it runs: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- g.Remove(t.Context(), "web") }()
		synctest.Wait()
		close(release)
		if err := <-done; err != nil {
			t.Errorf("the second Remove = %v", err)
		}
		if _, err := g.Add(memberConfig("web", cfg.Elector)); err != nil {
			t.Errorf("its name is taken after it ended: %v", err)
		}
		cancel()
		<-ran
	})
}

func TestWhatCannotBeAddedOrRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g autoscale.Group
		shared := new(lone)
		if _, err := g.Add(memberConfig("web", shared)); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			cfg  autoscale.Config
			want string
		}{
			{memberConfig("web", nil), `its Name is "web", which another member has`},
			{memberConfig("", nil), `its Name is "web", which another member has`},
			{memberConfig("worker", shared), "web and worker have the same Elector"},
			{autoscale.Config{Name: "worker"}, "Prober is nil"},
		} {
			a, err := g.Add(tt.cfg)
			if a != nil || !errors.Is(err, autoscale.ErrConfig) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Add = %v, %v, want %q", a, err, tt.want)
			}
		}
		if _, err := g.Add(memberConfig("worker", nil)); err != nil {
			t.Errorf("the name of a bad Config stays taken: %v", err)
		}
		if err := g.Remove(t.Context(), "clock"); !errors.Is(err, autoscale.ErrNoMember) || !strings.Contains(err.Error(), `"clock"`) {
			t.Errorf("Remove of a stranger = %v", err)
		}
		if err := g.Validate(); err != nil || memberNames(&g) != "web worker" {
			t.Errorf("Validate = %v with %q", err, memberNames(&g))
		}
	})
}

// TestRemoveReturnsWhyTheMemberFailed has a member that failed for good before it is removed.
func TestRemoveReturnsWhyTheMemberFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("the table has the wrong shape")
		g := autoscale.NewGroup(memberConfig("web", failing{gone}), memberConfig("worker", nil))
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- g.Run(ctx) }()
		time.Sleep(time.Minute)
		if err := g.Remove(t.Context(), "web"); !errors.Is(err, gone) {
			t.Errorf("Remove = %v", err)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run = %v, which Remove had returned", err)
		}
	})
}

func TestAnEmptyGroupWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		old := slog.Default()
		defer slog.SetDefault(old)
		slog.SetDefault(slog.New(slog.NewTextHandler(&logged, nil)))
		g := autoscale.NewGroup()
		if err := g.Validate(); err != nil {
			t.Error(err)
		}
		if err := runFor(t, g.Run); err != nil {
			t.Errorf("Run = %v", err)
		}
		if !strings.Contains(logged.String(), "nothing is scaled until Group.Add is called") {
			t.Errorf("the log says %q", logged.String())
		}
	})
}

// TestMembersAreAddedAtOnce is for the race detector.
func TestMembersAreAddedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g autoscale.Group
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		ran := make(chan error, 1)
		go func() { ran <- g.Run(ctx) }()
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				name := fmt.Sprint("web-", i%10) // two compete for each name
				for range 30 {
					if _, err := g.Add(memberConfig(name, new(lone))); err != nil && !errors.Is(err, autoscale.ErrConfig) {
						t.Error(err)
					}
					time.Sleep(time.Duration(i) * time.Second)
					g.Status()
					g.Lookup(name)
					if err := g.Remove(ctx, name); err != nil && !errors.Is(err, autoscale.ErrNoMember) {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if n := len(g.Members()); n != 0 {
			t.Errorf("%d members are left", n)
		}
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
}

// BenchmarkMember measures what a member of a Group holds while it runs: the heap, the
// stacks and the goroutines.
func BenchmarkMember(b *testing.B) {
	const members = 500
	used := func() (bytes uint64, goroutines int) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse, runtime.NumGoroutine()
	}
	for b.Loop() {
		var g autoscale.Group
		bytes, goroutines := used()
		for i := range members {
			cfg := memberConfig(fmt.Sprint("web-", i), new(lone))
			cfg.Interval = 50 * time.Millisecond
			cfg.Notifiers = []autoscale.Notifier{autoscale.NotifierFunc(func(context.Context, autoscale.Event) error { return nil })}
			if _, err := g.Add(cfg); err != nil {
				b.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(b.Context())
		ran := make(chan error, 1)
		go func() { ran <- g.Run(ctx) }()
		time.Sleep(4 * time.Second) // some 80 ticks
		b2, g2 := used()
		b.ReportMetric(float64(b2-bytes)/members/1024, "KiB/member")
		b.ReportMetric(float64(g2-goroutines)/members, "goroutines/member")
		cancel()
		<-ran
	}
}
