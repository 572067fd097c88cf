package calls_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

// A refusal is certain unless an earlier try had no answer of the platform's own: that one
// may have been carried out.
func TestUnsure(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []int // 0: none. 200: one that breaks off
		unsure  bool
	}{
		{"refused", []int{409}, false},
		{"an answer that breaks off, then refused", []int{200, 409}, true},
		{"too many, three times", []int{429, 429, 429}, false},
		{"no answer, then refused", []int{0, 409}, true},
		{"half an answer, then refused", []int{200, 409}, true},
		{"in trouble, then too many", []int{503, 429, 429}, true},
		{"too many, a bad gateway, and refused", []int{429, 502, 409}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			asked := 0
			d := dialect()
			d.Passing = func(e *platform.Error) bool { return e.Status == http.StatusConflict }
			c := calls.New(d, &platform.Options{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				status := tt.answers[asked]
				if asked++; status == 0 {
					return nil, errors.New("connection reset")
				}
				rec := httptest.NewRecorder()
				rec.WriteHeader(status)
				res := rec.Result()
				if status == http.StatusOK {
					res.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
				}
				return res, nil
			})})
			err := c.Held(c.Do(context.Background(), calls.Call{Op: "scale", Subject: "web", Method: http.MethodPost, Path: "/", Urgency: calls.Urgent}, nil))
			var busy *autoscale.BusyError
			if !errors.As(err, &busy) || busy.Unsure != tt.unsure || asked != len(tt.answers) {
				t.Errorf("%s: %v, after %d tries", tt.name, err, asked)
			}
		})
	}
	refused, lost := &platform.Error{Status: 429}, &platform.Error{}
	spent := &platform.CallBudgetError{Wait: time.Minute}
	for _, err := range []error{errors.Join(refused, lost), errors.Join(refused, errors.Join(lost)), errors.Join(lost, spent), fmt.Errorf("%w; %w", spent, lost)} {
		var busy *autoscale.BusyError
		if held := calls.New(dialect(), nil).Held(err); !errors.As(held, &busy) || !busy.Unsure {
			t.Errorf("of two calls one was not answered: %v", held)
		}
	}
}

// What Explain finds in a refusal stays in its error, also if the answer broke off after that.
func TestExplained(t *testing.T) {
	found, broken := errors.New("the limit is 2"), errors.New("connection reset")
	d := dialect()
	d.Explain = func(e *platform.Error, _ http.Header, _ []byte) { e.Err = found }
	c := calls.New(d, &platform.Options{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		rec := httptest.NewRecorder()
		rec.WriteHeader(422)
		res := rec.Result()
		res.Body = io.NopCloser(iotest.ErrReader(broken))
		return res, nil
	})})
	err := c.Do(t.Context(), read, nil)
	if !errors.Is(err, found) || !errors.Is(err, broken) || !strings.Contains(err.Error(), "the limit is 2: connection reset") {
		t.Errorf("error %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
