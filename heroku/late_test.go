package heroku_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale/heroku"
)

// overdue is the context of a process that was frozen past its deadline: the
// timer that cancels it has not fired yet.
type overdue struct{ context.Context }

func (overdue) Deadline() (time.Time, bool) { return time.Now().Add(-time.Millisecond), true }

func TestAnOrderIsNotSentAfterItsDeadline(t *testing.T) {
	p := &platform{answer: func(*http.Request, int) (*http.Response, error) {
		return reply(200, `{"quantity":3,"type":"web"}`), nil
	}}
	s := heroku.NewClient(token, &heroku.Options{Transport: p}).Scaler("shop", "web")
	if err := s.Scale(overdue{t.Context()}, 3); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, not that the deadline passed", err)
	}
	if got := p.calls(); len(got) != 0 {
		t.Errorf("it sent %v", got)
	}
}
