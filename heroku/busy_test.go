package heroku_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
	"github.com/autoscalebot/autoscale/internal/platformsuite"
)

// A refusal that ends by itself is a BusyError, in whatever words.
func TestBusy(t *testing.T) {
	tests := []struct {
		status  int
		id, msg string
		busy    bool
	}{
		{409, "conflict", "Another operation is in progress.", true},
		{423, "locked", "The app is locked.", true},
		{422, "invalid_params", "A release is in progress.", true},
		{422, "release_in_progress", "No.", true},
		{422, "invalid_params", "Preboot is under way, try again later.", true},
		{422, "invalid_params", "The app is being deployed.", true},
		{403, "forbidden", "Release phase is running.", true},
		{403, "forbidden", "You do not have access.", false},
		{403, "suspended", "The account is suspended.", false},
		{422, "invalid_params", "Invalid quantity.", false},
		{422, "cannot_run_above_limit", "A release is in progress.", false},
		{404, "not_found", "A release is in progress.", false},
	}
	for _, tt := range tests {
		bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
			f := herokutest.Error(tt.status, tt.id, tt.msg)
			f.Header = http.Header{"Retry-After": {"7"}}
			s.Inject(f)
			err := c.Scaler("shop", "web").Scale(t.Context(), 3)
			var busy *autoscale.BusyError
			var e *heroku.Error
			if errors.As(err, &busy) != tt.busy || !errors.As(err, &e) || tt.busy && busy.RetryAfter != 7*time.Second {
				t.Errorf("%d %s: %v", tt.status, tt.msg, err)
			}
		})
	}
}

// A refusal after a try that had no answer leaves open what became of that.
func TestBusyUnsure(t *testing.T) {
	for _, unsure := range []bool{false, true} {
		bubble(t, one, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
			if unsure {
				s.Inject(herokutest.Fault{Status: 503})
			}
			s.Inject(herokutest.Error(409, "conflict", "Another operation is in progress."))
			err := c.Scaler("shop", "web").Scale(t.Context(), 3)
			var busy *autoscale.BusyError
			if !errors.As(err, &busy) || busy.Unsure != unsure {
				t.Errorf("%v: %v", unsure, err)
			}
		})
	}
}

// An autoscaler waits for as long as the platform may take, without an alarm.
func TestWaits(t *testing.T) {
	platformsuite.Waits(t, heroku.NewClient("a-key", nil).Scaler("shop", "web"))
}

// A release holds the size with an end time, and raises no alarm while it may end by
// itself; one that never ends is reported.
func TestBusyHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		defer s.Close()
		app := s.AddApp(herokutest.AppConfig{Name: "shop", Formation: []herokutest.Process{{Type: "web", Quantity: 1}}})
		s.Inject(herokutest.Busy())
		c := heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: s.URL, Transport: s.Client().Transport})
		events := make(map[autoscale.EventKind]int)
		a := autoscale.New(autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: 5 * time.Second}, nil
			}),
			Scaler:  c.Scaler("shop", "web"),
			Observe: func(e autoscale.Event) { events[e.Kind]++ },
			Logger:  slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		tick := func(n int) {
			for range n {
				a.Tick(t.Context(), time.Now())
				time.Sleep(30 * time.Second)
			}
		}
		tick(15) // the third tick orders
		last := a.Status().Last
		if events[autoscale.ScaleFailing] != 0 || events[autoscale.ScaleFailed] != 1 || last.Until.Before(time.Now()) {
			t.Errorf("after 7 minutes: %v, until %v", events, last.Until)
		}
		tick(15)
		if events[autoscale.ScaleFailing] == 0 {
			t.Errorf("after 15 minutes: %v", events)
		}
		s.ClearFaults()
		tick(2)
		if app.Quantity("web") != 2 {
			t.Errorf("the quantity is %d after the release", app.Quantity("web"))
		}
	})
}

// A platform that does not name its limit is asked for less, until it takes the order.
func TestLimitWithoutANumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := herokutest.NewPipeServer()
		defer s.Close()
		app := s.AddApp(herokutest.AppConfig{Name: "shop", Formation: []herokutest.Process{{Type: "web", Quantity: 1}}, Limit: 10, HideLimit: true})
		c := heroku.NewClient(herokutest.Token, &heroku.Options{BaseURL: s.URL, Transport: s.Client().Transport})
		var above, failing int
		a := autoscale.New(autoscale.Config{
			Prober: autoscale.ProberFunc(func(context.Context) (autoscale.Sample, error) {
				return autoscale.Sample{Signals: autoscale.SignalLatency, Latency: time.Second}, nil
			}),
			Decider: autoscale.DeciderFunc(func(autoscale.Observation) autoscale.Decision { return autoscale.Decision{Act: true, Size: 60} }),
			Max:     autoscale.Fixed(60),
			Scaler:  c.Scaler("shop", "web"),
			Observe: func(e autoscale.Event) {
				switch e.Kind {
				case autoscale.LimitReached, autoscale.NeedsAboveMax:
					above++
				case autoscale.ScaleFailed:
					failing++
				}
			},
			Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		a.Tick(t.Context(), time.Now())
		if n := app.Quantity("web"); n < 5 || n > 10 || above != 1 || failing != 0 {
			t.Errorf("the quantity is %d of 10, %d events of the limit, %d failures", n, above, failing)
		}
	})
}
