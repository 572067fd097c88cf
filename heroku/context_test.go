package heroku_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

// The end of the caller's context is found in every error that it caused, at
// once, whatever the call was waiting for.
func TestContextEnds(t *testing.T) {
	cfg := herokutest.AppConfig{Formation: []herokutest.Process{{Type: "web", Quantity: 1}}}
	faults := map[string]herokutest.Fault{
		"headers":   {Hang: true, Times: -1},
		"retry":     {Status: 503, Times: -1},
		"retry 429": {Status: 429, Header: http.Header{"Retry-After": {"2"}}, Times: -1},
	}
	why := errors.New("the host stops")
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
				s.Inject(fault)
				for _, op := range operations(c) {
					ctx, cancel := context.WithCancelCause(t.Context())
					time.AfterFunc(200*time.Millisecond, func() { cancel(why) })
					start := time.Now()
					err := op(ctx)
					if took := time.Since(start); took != 200*time.Millisecond {
						t.Errorf("ended after %v: %v", took, err)
					}
					if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
						t.Errorf("canceled: %v", err)
					}
				}
				s.ClearFaults()
				s.Inject(herokutest.Fault{Hang: true, Times: -1})
				for _, op := range operations(c) {
					ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, why)
					start := time.Now()
					err := op(ctx)
					if took := time.Since(start); took != 3*time.Second {
						t.Errorf("ended after %v: %v", took, err)
					}
					cancel()
					if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, why) {
						t.Errorf("deadline: %v", err)
					}
				}
			})
		})
	}
}

func operations(c *heroku.Client) []func(context.Context) error {
	scaler := c.Scaler("shop", "web")
	return []func(context.Context) error{
		func(ctx context.Context) error { _, err := scaler.Capacity(ctx); return err },
		func(ctx context.Context) error { return scaler.Scale(ctx, 2) },
		func(ctx context.Context) error { _, err := c.WebURL("shop")(ctx); return err },
	}
}

// A body that never ends does not outlive the context, of a success or of a refusal.
func TestContextEndsInBody(t *testing.T) {
	for _, status := range []int{200, 500, 404} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			left := make(chan struct{})
			var once sync.Once
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(status)
				io.WriteString(w, `{"type":`)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				once.Do(func() { close(left) })
			}))
			defer s.Close()
			c := heroku.NewClient(token, &heroku.Options{BaseURL: s.URL})
			defer c.CloseIdleConnections()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := c.Scaler("shop", "web").Capacity(ctx)
			var e *heroku.Error
			if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &e) || e.Status != status {
				t.Errorf("err = %v", err)
			}
			<-left // the connection was given up
		})
	}
}
