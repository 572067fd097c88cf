package heroku_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// looks returns how often Heroku's own autoscaling was looked at, and how many other
// requests there were.
func looks(s *herokutest.Server) (looks, others int) {
	for _, r := range s.Requests() {
		if strings.HasSuffix(r.Path, "/monitors") {
			looks++
		} else {
			others++
		}
	}
	return looks, others
}

// What the package's documentation says that it costs.
func TestRivalCost(t *testing.T) {
	for size, want := range map[string]int{"Standard-1X": 0, "Performance-M": 6} {
		cfg := herokutest.AppConfig{Formation: []herokutest.Process{{Type: "web", Quantity: 1, Size: size}}}
		bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
			scaler := c.Scaler("shop", "web")
			hour := func() {
				for tick := range 120 {
					if _, err := scaler.Capacity(within(t, 30*time.Second)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(30*time.Second + time.Duration(tick%3-1)*time.Second)
				}
			}
			hour() // its first tick looks at the dynos
			looked, others := looks(s)
			hour()
			looked2, others2 := looks(s)
			if looked2-looked != want || others2-others != 180 {
				t.Errorf("%s: %d looks and %d calls an hour, want %d and 180", size, looked2-looked, others2-others, want)
			}
			var last time.Time
			for _, r := range s.Requests() {
				if !strings.HasSuffix(r.Path, "/monitors") {
					continue
				}
				if gap := r.Time.Sub(last); !last.IsZero() && gap > 10*time.Minute+2*time.Second {
					t.Errorf("%s: no look for %v: later than the twentieth tick", size, gap)
				}
				last = r.Time
			}
		})
	}
}

// The look is no call of the API: it needs no room in the budget, and what its host says of
// limits is not believed of the API's.
func TestRivalBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := dedicated(func() *http.Response {
			return reply(429, `{"id":"rate_limit"}`, "RateLimit-Remaining", "0", "Retry-After", "86400")
		})
		scaler := client(p, heroku.Options{CallsPerHour: 1}).Scaler("shop", "web") // 20 at once
		if _, err := scaler.Capacity(within(t, time.Second)); err != nil {
			t.Fatal(err)
		}
		if calls := p.calls(); len(calls) != 4 || calls[3] != "GET /apps/"+shopID+"/formation/web/monitors" {
			t.Errorf("calls %q, want three and a look", calls)
		}
		for i := range 17 {
			if err := scaler.Scale(within(t, time.Second), 3); err != nil {
				t.Errorf("order %d: %v", i, err)
			}
		}
		var room *heroku.CallBudgetError
		if err := scaler.Scale(within(t, time.Second), 3); !errors.As(err, &room) {
			t.Errorf("after 20 calls: %v", err)
		}
	})
}

// However many read at once, one of them looks.
func TestRivalAtOnce(t *testing.T) {
	bubble(t, performance, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
		app.SetMonitors("web", scaling)
		scaler := c.Scaler("shop", "web")
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := scaler.Capacity(within(t, 30*time.Second)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n, _ := looks(s); n != 1 {
			t.Errorf("%d looks, want 1", n)
		}
		if got, err := scaler.Capacity(within(t, 30*time.Second)); err != nil || got.ExternalAutoscaler != native {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}
