package calls

import (
	"errors"
	"slices"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
)

// Held returns an error whose reason ends by itself as an [autoscale.BusyError], and other
// errors unchanged. A budget of calls that is used up for now ends by itself too.
func (c *Client) Held(err error) error {
	var room *platform.CallBudgetError
	if errors.As(err, &room) {
		return &autoscale.BusyError{RetryAfter: min(room.Wait, MaxRetryAfter), Err: err, Unsure: Unsure(err)}
	}
	var e *platform.Error
	if errors.As(err, &e) && c.Passing(e) {
		return &autoscale.BusyError{RetryAfter: e.RetryAfter, Err: err, Unsure: Unsure(err)}
	}
	return err
}

// Unsure reports whether one of the calls that err is about may have been carried out.
func Unsure(err error) bool {
	switch e := err.(type) { //nolint:errorlint // it walks the tree itself
	case *platform.Error:
		return e.Unsure || unanswered(e)
	case interface{ Unwrap() error }:
		return Unsure(e.Unwrap())
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), Unsure)
	}
	return false
}

// unanswered reports whether a call that failed may have been carried out anyway, because
// it had no answer, half an answer, or an answer from something in between.
func unanswered(e *platform.Error) bool { return e.Status < 300 || e.Status >= 500 }
