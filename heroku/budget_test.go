package heroku_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

var one = herokutest.AppConfig{Formation: []herokutest.Process{{Type: "web", Quantity: 1}}}

// However many scalers there are, and however hard they are driven, one client
// stays within its calls an hour.
func TestShareOfTheAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) { return healthy(req), nil }}
		c := client(p, heroku.Options{CallsPerHour: 900})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		var wg sync.WaitGroup
		for range 5 {
			scaler := c.Scaler("shop", "web")
			wg.Go(func() {
				for ctx.Err() == nil {
					tick, cancel := context.WithTimeout(ctx, 10*time.Second)
					_, _ = scaler.Capacity(tick)
					_ = scaler.Scale(tick, 3)
					<-tick.Done()
					cancel()
				}
			})
		}
		wg.Wait()
		// Those of an hour, and the 30 that may be made at once.
		if n := len(p.calls()); n > 930 || n < 900 {
			t.Errorf("%d calls in an hour, want 900 and 30 at once", n)
		}
	})
}

// The last of the client's calls are kept for orders.
func TestOrdersComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) { return healthy(req), nil }}
		c := client(p, heroku.Options{CallsPerHour: 60}) // 20 at once, then one a minute
		scaler := c.Scaler("shop", "web")
		var err error
		for err == nil {
			_, err = scaler.Capacity(within(t, 5*time.Second))
		}
		var room *heroku.CallBudgetError
		if !errors.As(err, &room) {
			t.Fatalf("err = %v, want a CallBudgetError", err)
		}
		if room.Wait <= 5*time.Second || room.Wait > time.Minute+1 || !room.Until.Equal(time.Now().Add(room.Wait)) {
			t.Errorf("Wait %v, Until %v", room.Wait, room.Until)
		}
		for _, want := range []string{"read the size", "web of app shop", "60 calls an hour", "Options.CallsPerHour", room.Until.UTC().Format(time.RFC3339)} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in %v", want, err)
			}
		}
		before := len(p.calls())
		for i := range 10 {
			if err := scaler.Scale(within(t, 5*time.Second), 3); err != nil {
				t.Errorf("order %d: %v", i, err)
			}
		}
		err = scaler.Scale(within(t, 5*time.Second), 3)
		if !errors.As(err, &room) || len(p.calls()) != before+10 {
			t.Errorf("after %d orders: %v", len(p.calls())-before, err)
		}
		// It said when there will be room.
		time.Sleep(time.Until(room.Until))
		if err := scaler.Scale(within(t, 5*time.Second), 3); err != nil {
			t.Error(err)
		}
	})
}

// Who has time waits, and who leaves while waiting takes nothing.
func TestBudgetWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) { return healthy(req), nil }}
		c := client(p, heroku.Options{CallsPerHour: 3600}) // 120 at once, then one a second
		scaler := c.Scaler("shop", "web")
		for range 110 {
			if _, err := c.WebURL("shop")(within(t, time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(500*time.Millisecond, cancel)
		if _, err := scaler.Capacity(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("err = %v", err)
		}
		start := time.Now()
		if _, err := scaler.Capacity(within(t, 30*time.Second)); err != nil {
			t.Error(err)
		}
		// Half of the second passed while the other one waited, in vain.
		if took := time.Since(start); took < 499*time.Millisecond || took > 502*time.Millisecond {
			t.Errorf("took %v, want 500ms", took)
		}
	})
}

// Below what Heroku adds in a minute, reads wait for others, and orders do not.
func TestRemainingIsHeeded(t *testing.T) {
	bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		scaler := c.Scaler("shop", "web")
		s.SetRateLimit(60, 75)
		if _, err := scaler.Capacity(within(t, 10*time.Second)); err != nil {
			t.Fatal(err) // nobody knew
		}
		before := len(s.Requests())
		_, err := scaler.Capacity(within(t, 10*time.Second))
		var room *heroku.CallBudgetError
		if !errors.As(err, &room) || len(s.Requests()) != before {
			t.Fatalf("err = %v, want a CallBudgetError and no call", err)
		}
		// Three calls were made: 57 are left, and 76 must be.
		if room.Wait < 14*time.Second || room.Wait > 16*time.Second || !strings.Contains(err.Error(), "about 57 are left") {
			t.Errorf("err = %v", err)
		}
		if err := scaler.Scale(within(t, 10*time.Second), 2); err != nil {
			t.Errorf("an order: %v", err)
		}
		if _, err := scaler.Capacity(within(t, 30*time.Second)); err != nil {
			t.Errorf("a read that has time: %v", err)
		}
	})
}

// Somebody who keeps the account empty slows the reads down, and does not end them.
func TestAccountKeptEmpty(t *testing.T) {
	bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		scaler := c.Scaler("shop", "web")
		reads := 0
		for range 60 {
			s.SetRateLimit(4, 75) // whoever it is leaves four
			if _, err := scaler.Capacity(within(t, 30*time.Second)); err == nil {
				reads++
			}
			time.Sleep(time.Until(time.Now().Truncate(30 * time.Second).Add(30 * time.Second)))
		}
		if reads < 20 || reads > 32 {
			t.Errorf("%d reads in half an hour, want about one a minute", reads)
		}
	})
}

// An account with nothing left at all is asked no oftener than one with plenty.
func TestAccountEmpty(t *testing.T) {
	bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		s.SetRateLimit(0, 0)
		scaler := c.Scaler("shop", "web")
		for range 120 {
			_, err := scaler.Capacity(within(t, 30*time.Second))
			var e *heroku.Error
			var room *heroku.CallBudgetError
			if !errors.As(err, &room) && (!errors.As(err, &e) || e.Status != 429) {
				t.Fatalf("err = %v", err)
			}
			time.Sleep(30 * time.Second)
		}
		if n := len(s.Requests()); n > 180 {
			t.Errorf("an empty account got %d calls in an hour", n)
		}
	})
}

// After a 429 that said when to come back, nobody comes back before.
func TestRetryAfterHoldsAll(t *testing.T) {
	bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		s.Inject(herokutest.Fault{Status: 429, Header: http.Header{"Retry-After": {"120"}}})
		start := time.Now()
		err := c.Scaler("shop", "web").Scale(within(t, 30*time.Second), 2)
		var e *heroku.Error
		if !errors.As(err, &e) || e.RetryAfter != 2*time.Minute || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		_, err = c.Scaler("shop", "worker").Capacity(within(t, 30*time.Second))
		var room *heroku.CallBudgetError
		if !errors.As(err, &room) || room.Wait != 2*time.Minute || len(s.Requests()) != 1 {
			t.Errorf("err = %v, %d calls", err, len(s.Requests()))
		}
		time.Sleep(2 * time.Minute)
		if err := c.Scaler("shop", "web").Scale(within(t, 30*time.Second), 2); err != nil {
			t.Error(err)
		}
	})
}

// What is no number says nothing of what is left.
func TestRemainingNonsense(t *testing.T) {
	for _, remaining := range []string{"", "-1", "none", "1e3", "99999999999999999999", "4294967296"} {
		synctest.Test(t, func(t *testing.T) {
			p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) {
				res := healthy(req)
				res.Header.Set("RateLimit-Remaining", remaining)
				return res, nil
			}}
			scaler := client(p).Scaler("shop", "web")
			for range 3 {
				if _, err := scaler.Capacity(within(t, time.Millisecond)); err != nil {
					t.Errorf("%s: %v", strconv.Quote(remaining), err)
				}
			}
		})
	}
}

// An order does not queue behind reads that wait. A read that would come too late
// behind the others fails at once.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) { return healthy(req), nil }}
		c := client(p, heroku.Options{CallsPerHour: 360}) // 20 at once, then one in ten seconds
		read := func(d time.Duration) error { _, err := c.WebURL("shop")(within(t, d)); return err }
		for range 10 {
			if err := read(time.Second); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := read(3 * time.Minute); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		for range 10 {
			if err := c.Scaler("shop", "web").Scale(within(t, time.Second), 3); err != nil || time.Since(start) != 0 {
				t.Errorf("an order waited %v: %v", time.Since(start), err)
			}
		}
		var room *heroku.CallBudgetError
		if err := read(2 * time.Minute); !errors.As(err, &room) || time.Since(start) != 0 || room.Wait < 130*time.Second || room.Wait > 150*time.Second {
			t.Errorf("a fourth read waited %v: %v", time.Since(start), err)
		}
		wg.Wait()
		if took := time.Since(start); took < 130*time.Second || took > 140*time.Second {
			t.Errorf("the three reads took %v", took)
		}
	})
}

// Calls that are under way count, before their answers say so.
func TestCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &platform{answer: func(req *http.Request, n int) (*http.Response, error) {
			if n > 1 {
				time.Sleep(100 * time.Millisecond)
			}
			res := healthy(req)
			res.Header.Set("RateLimit-Remaining", "78")
			return res, nil
		}}
		read := client(p).WebURL("shop")
		if _, err := read(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { _, _ = read(within(t, 50*time.Millisecond)) })
		}
		wg.Wait()
		if n := len(p.calls()); n != 4 {
			t.Errorf("%d calls were made at once where 78 were left and 75 are left to others, want 3", n-1)
		}
	})
}
