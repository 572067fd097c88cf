package calls_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

// A thousand who wait for room get it one after the other, within the budget. Those whose
// time does not suffice know it at once, unless an order comes first, which does not wait
// behind reads.
func TestManyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perHour, burst = 3600, 120
		b := calls.NewBudget("acme", perHour, 0)
		start := time.Now()
		var mu sync.Mutex
		var taken []time.Duration
		refused, late, ended, slowest := 0, 0, 0, time.Duration(0)
		take := func(ctx context.Context, u calls.Urgency) {
			began := time.Now()
			err := b.Take(ctx, u)
			mu.Lock()
			defer mu.Unlock()
			var room *platform.CallBudgetError
			switch {
			case err == nil:
				taken = append(taken, time.Since(start))
				if u == calls.Urgent {
					slowest = max(slowest, time.Since(began))
				}
			case errors.As(err, &room):
				refused++
				if time.Since(began) > 0 {
					late++
				} else if room.Wait < 10*time.Minute {
					t.Errorf("refused at once: %v", err)
				}
			case errors.Is(err, context.Canceled):
				ended++
			default:
				t.Error(err)
			}
		}
		var wg sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		leaves, leave := context.WithCancel(ctx)
		for i := range 1000 {
			wg.Go(func() {
				if i%100 == 50 { // among those who will wait
					take(leaves, calls.Ordinary)
				} else {
					take(ctx, calls.Ordinary)
				}
			})
		}
		time.Sleep(30 * time.Second)
		leave()
		for range 20 {
			wg.Go(func() { take(ctx, calls.Urgent) })
			time.Sleep(15 * time.Second)
		}
		wg.Wait()
		slices.Sort(taken)
		for i, at := range taken {
			if most := burst + int(at.Seconds()*perHour/3600) + 1; i+1 > most {
				t.Fatalf("%d calls in %v, of at most %d", i+1, at, most)
			}
		}
		// Ten minutes of one a second, and the burst less what reads leave to orders.
		if n := len(taken); n < 690 || n > 720 {
			t.Errorf("%d calls in ten minutes, %d were refused, %d ended", n, refused, ended)
		}
		if len(taken)+refused+ended != 1020 || ended == 0 || refused == 0 {
			t.Errorf("%d calls, %d were refused, %d ended", len(taken), refused, ended)
		}
		if late > 40 {
			t.Errorf("%d waited in vain, behind 20 orders", late)
		}
		if slowest > 2*time.Second {
			t.Errorf("an order waited for %v behind reads", slowest)
		}
		// Nobody is left behind who holds others back.
		time.Sleep(time.Hour)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for range burst - 11 {
			if err := b.Take(short, calls.Ordinary); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// An absurd time to come back silences a client for ten minutes, and no longer.
func TestAbsurdRetryAfter(t *testing.T) {
	for _, after := range []string{"9223372036854775807", "Sat, 01 Jan 9999 00:01:00 GMT", "99999999999", "1e9", "-1", "0"} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			c := calls.New(dialect(), &platform.Options{Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
				if asked++; asked == 1 {
					return answers(429, "{}", http.Header{"Retry-After": {after}})(req)
				}
				return answers(200, "{}", nil)(req)
			})})
			once := read
			once.Once = true
			if err := c.Do(t.Context(), once, nil); err == nil {
				t.Fatal("a refusal returned no error")
			}
			time.Sleep(calls.MaxRetryAfter)
			if err := c.Do(t.Context(), once, nil); err != nil || asked != 2 {
				t.Errorf("%s: after ten minutes %v, %d calls", after, err, asked)
			}
		})
	}
}

// A call ends with its context, wherever that finds it.
func TestEndsWithItsContext(t *testing.T) {
	hang := func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	endless := func(req *http.Request) (*http.Response, error) {
		res, err := answers(200, "", nil)(req)
		res.Body = dripping{}
		return res, err
	}
	for name, tt := range map[string]struct {
		transport roundTripper
		change    func(*calls.Dialect)
		spent     bool // the budget
	}{
		"in the budget": {answers(200, "{}", nil), nil, true},
		"in Authorize": {answers(200, "{}", nil), func(d *calls.Dialect) {
			d.Authorize = func(ctx context.Context, _ *http.Request, _ []byte) error { <-ctx.Done(); return ctx.Err() }
		}, false},
		"in the request":    {hang, nil, false},
		"in the answer":     {endless, nil, false},
		"between two tries": {answers(429, "{}", http.Header{"Retry-After": {"20"}}), nil, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := dialect()
			if tt.change != nil {
				tt.change(&d)
			}
			c := calls.New(d, &platform.Options{Transport: tt.transport})
			if tt.spent {
				for range 110 {
					if err := c.Do(t.Context(), read, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			why := errors.New("the host stops")
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			time.AfterFunc(300*time.Millisecond, func() { cancel(why) })
			start := time.Now()
			err := c.Do(ctx, read, nil)
			if took := time.Since(start); !errors.Is(err, why) || !errors.Is(err, context.Canceled) || took > 320*time.Millisecond {
				t.Errorf("%s: %v, after %v", name, err, took)
			}
			var e *platform.Error
			if !errors.As(err, &e) || e.Op != "read" || e.Subject != "web" || e.Platform != "acme" {
				t.Errorf("%s: %#v", name, err)
			}
		})
	}
}

// dripping is a body that never ends.
type dripping struct{}

func (dripping) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return copy(p, " "), nil
}
func (dripping) Close() error { return nil }
