package heroku_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/heroku"
	"github.com/autoscalebot/autoscale/heroku/herokutest"
)

func TestLimits(t *testing.T) {
	tests := []struct {
		name      string
		formation []herokutest.Process
		limit     int
		size      int
		want      int // the limit that is learned
	}{
		{"Eco", []herokutest.Process{{Type: "web", Quantity: 1, Size: "Eco"}}, 0, 3, 1},
		{"Basic", []herokutest.Process{{Type: "web", Quantity: 1, Size: "Basic"}}, 0, 2, 1},
		{"above it already", []herokutest.Process{{Type: "web", Quantity: 12, Size: "Performance-M"}}, 0, 13, 12},
		{"Performance", []herokutest.Process{{Type: "web", Quantity: 4, Size: "Performance-M"}}, 0, 11, 10},
		{"the app's, alone", []herokutest.Process{{Type: "web", Quantity: 4}}, 5, 7, 5},
		{"the app's, shared", []herokutest.Process{{Type: "web", Quantity: 4}, {Type: "worker", Quantity: 7}}, 12, 8, 5},
		{"the app's, used up", []herokutest.Process{{Type: "web", Quantity: 2}, {Type: "worker", Quantity: 10}}, 12, 3, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := herokutest.AppConfig{Formation: tt.formation, Limit: tt.limit}
			bubble(t, cfg, func(t *testing.T, s *herokutest.Server, app *herokutest.App, c *heroku.Client) {
				scaler := c.Scaler("shop", "web")
				before, err := scaler.Capacity(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				err = scaler.Scale(t.Context(), tt.size)
				var limit *autoscale.LimitError
				var e *heroku.Error
				if !errors.As(err, &limit) || !errors.As(err, &e) {
					t.Fatalf("err = %v, want a LimitError and an Error in it", err)
				}
				if limit.Size != tt.size || limit.Limit != tt.want {
					t.Errorf("LimitError of %d: %d, want of %d: %d", limit.Size, limit.Limit, tt.size, tt.want)
				}
				if e.Status != 422 || e.Tries != 1 || e.RequestID == "" || !strings.Contains(err.Error(), "Eco and Basic dynos") {
					t.Errorf("err = %v, tries %d", err, e.Tries)
				}
				if got := app.Quantity("web"); got != before.Desired {
					t.Errorf("the quantity became %d", got)
				}
				// What was learned is true: as many can be had.
				if err := scaler.Scale(t.Context(), limit.Limit); err != nil {
					t.Errorf("the limit itself: %v", err)
				}
			})
		})
	}
}

// Whatever the formation says of the others, or does not, a limit is below what was refused.
func TestSharedLimitUnread(t *testing.T) {
	tests := []struct {
		status int
		all    string
		want   int
	}{
		{200, `[{"type":"web","quantity":1},{"type":"worker","quantity":4}]`, 1},
		{200, `[{"type":"web","quantity":1},{"type":"worker","quantity":9}]`, 0},
		{200, `[{"type":"web","quantity":1}]`, 2},
		{206, `[{"type":"worker","quantity":4}]`, 2},
		{200, `{}`, 2},
		{500, ``, 2},
	}
	for _, tt := range tests {
		p := &platform{answer: func(req *http.Request, _ int) (*http.Response, error) {
			if req.URL.Path == "/apps/shop/formation" {
				return reply(tt.status, tt.all), nil
			}
			return reply(422, `{"id":"cannot_run_above_limit","limit":5}`), nil
		}}
		var limit *autoscale.LimitError
		if err := client(p).Scaler("shop", "web").Scale(t.Context(), 3); !errors.As(err, &limit) || limit.Limit != tt.want {
			t.Errorf("%d %s: %v, want %d", tt.status, tt.all, err, tt.want)
		}
		if n := len(p.sent); n != 2 {
			t.Errorf("%d calls", n)
		}
	}
}

// The limit of a refusal as published traces have it, and as they might.
func TestLimitForms(t *testing.T) {
	const half = 2 // of 5, while the size that runs is not known
	tests := []struct {
		body string
		want int // -1: no LimitError
	}{
		{`{"limit":2,"size":11,"id":"cannot_run_above_limit","message":"Cannot run more than 2 Free size dynos."}`, 2},
		{`{"limit":"2","size":"Free","id":"cannot_run_above_limit","error":"Cannot run more than 2 Free size dynos."}`, 2},
		{`{"id":"cannot_run_above_limit","message":"Cannot run more than 2 Free size dynos."}`, 2},
		{`{"id":"invalid_params","message":"Cannot update to more than 1 Hobby size dynos per process type."}`, 1},
		{`{"id":"invalid_params","message":"Cannot update to more than 1 Basic size dynos per process type."}`, 1},
		{`{"limit":0,"id":"cannot_run_above_limit","message":"No."}`, 0},
		{`{"limit":-3,"id":"cannot_run_above_limit","message":"No."}`, half},
		{`{"limit":1.5,"id":"cannot_run_above_limit","message":"No."}`, half},
		{`{"limit":1e300,"id":"cannot_run_above_limit","message":"No."}`, half},
		{`{"limit":{},"id":"cannot_run_above_limit"}`, half},
		{`{"limit":3,"id":"cannot_update_above_limit"}`, 3},
		{`{"limit":"1,000","id":"cannot_scale_above_limit"}`, 4}, // below what was refused
		{`{"id":"cannot_run_above_limit"}`, half},
		{`{"id":"quota_above_limit","message":"You reached 100% of your quota."}`, half},
		{`{"id":"cannot_run_above_limit","message":"The limit is 3."}`, 3},
		{`{"id":"cannot_run_above_limit","message":"Limited to 3 dynos."}`, 3},
		{`{"id":"x","message":"Cannot run more than 1,000 Performance-L size dynos."}`, 4},
		{`{"id":"x","message":"Cannot scale to more than 1 000 dynos."}`, 4},
		{`{"id":"invalid_params","message":"Cannot run more than 99999999999999999999 dynos."}`, half},
		{`{"limit":3,"id":"CANNOT_UPDATE_ABOVE_LIMIT"}`, 3},
		{`{"limit":3,"id":"above_limit"}`, 3},
		{`{"id":"cannot_run_above_limit","message":"You may have at most 3, which is what you have."}`, 3},
		{`{"id":"cannot_run_above_limit","message":"The maximum is 3!"}`, 3},
		{`{"id":"cannot_run_above_limit","message":"limited to 3-dyno formations"}`, 3},
		{`{"id":"cannot_run_above_limit","message":"The limit is 1k."}`, half},
		{`{"id":"cannot_run_above_limit","message":"The limit is 1.5 units."}`, half},
		{`{"id":"cannot_run_above_limit","message":"The limit is 1,00,000."}`, half},
		{`{"id":"cannot_run_above_limit","message":"The limit is 1e3."}`, half},
		{`{"id":"cannot_run_above_limit","message":"Cannot run more than 1,50 dynos."}`, half},
		{`{"id":"cannot_run_above_limit","message":"Cannot run more than 1.5 dynos."}`, half},
		{`{"id":"cannot_run_above_limit","message":"more than 3 % of the quota"}`, half},
		{`{"limit":2,"id":"invalid_params","message":"Invalid."}`, -1},
		{`{"id":"verification_needed","message":"Please verify your account."}`, -1},
		{`[]`, -1},
		{``, -1},
	}
	for i, tt := range tests {
		status := []int{422, 422, 403, 402, 400}[i%5] // the answer's words count, and less its status
		p := &platform{answer: func(*http.Request, int) (*http.Response, error) { return reply(status, tt.body), nil }}
		err := client(p).Scaler("shop", "web").Scale(t.Context(), 5)
		got := -1
		var limit *autoscale.LimitError
		if errors.As(err, &limit) {
			got = limit.Limit
		}
		if err == nil || got != tt.want {
			t.Errorf("%s: limit %d, want %d: %v", tt.body, got, tt.want, err)
		}
		// It is never tried again; only the shared limit costs a look at the rest.
		if want := 1 + btoi(tt.want == 4); len(p.sent) != want {
			t.Errorf("%s: %d calls", tt.body, len(p.sent))
		}
	}
}

// A refusal whose body was read to its last character, and whose connection broke after that,
// still says which limit it is for.
func TestLimitOfABrokenAnswer(t *testing.T) {
	p := &platform{answer: func(*http.Request, int) (*http.Response, error) {
		res := reply(422, "")
		res.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"id":"cannot_run_above_limit","limit":2}`), iotestErr{syscall.ECONNRESET}))
		return res, nil
	}}
	err := client(p).Scaler("shop", "web").Scale(t.Context(), 5)
	var limit *autoscale.LimitError
	if !errors.As(err, &limit) || limit.Limit != 2 || limit.Guessed || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("err = %v", err)
	}
}
