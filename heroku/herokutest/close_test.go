package herokutest_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// A client whose context ends gets away, and so does the server.
func TestCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		quietRiver(s)
		s.Inject(
			herokutest.Fault{Path: "/apps/*", Hang: true, Times: -1},
			herokutest.Fault{Path: "/account", Delay: 24 * time.Hour, Times: -1},
		)
		service := newService(s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if _, err := service.AppInfo(ctx, "quiet-river"); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(start))
		}

		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, err := service.AppInfo(t.Context(), "quiet-river"); err == nil {
					t.Error("a request that hung was answered")
				}
			})
			wg.Go(func() {
				if _, err := service.AccountInfo(t.Context()); err == nil {
					t.Error("a request that was delayed was answered")
				}
			})
		}
		synctest.Wait()
		start = time.Now()
		s.Close()
		wg.Wait()
		s.Close() // which does nothing
		if d := time.Since(start); d != 0 {
			t.Errorf("Close took %v", d)
		}
		if _, err := service.AppInfo(t.Context(), "quiet-river"); err == nil {
			t.Error("a closed server answered")
		}
		// The bubble fails the test if a goroutine is left.
	})
}

// When Close returns, no handler is at work any more.
func TestCloseWaitsForHandlers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		quietRiver(s)
		called := false
		s.OnScale(func(string, string, int, int) {
			time.Sleep(time.Minute)
			called = true
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := send(t.Context(), s, "PATCH", "/apps/quiet-river/formation/web", `{"quantity":3}`, nil); err == nil {
				t.Error("a request was answered after Close")
			}
		})
		synctest.Wait()
		s.Close()
		if !called {
			t.Error("Close returned before OnScale's function did")
		}
		wg.Wait()
	})
}
