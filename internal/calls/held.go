package calls

import (
	"errors"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
)

// Held returns an error that ends by itself as an [autoscale.BusyError], and others
// unchanged. Calls that are used up for now end by themselves too.
func (c *Client) Held(err error) error {
	var room *platform.CallBudgetError
	if errors.As(err, &room) {
		return &autoscale.BusyError{RetryAfter: min(room.Wait, MaxRetryAfter), Err: err}
	}
	var e *platform.Error
	if errors.As(err, &e) && c.Passing(e) {
		return &autoscale.BusyError{RetryAfter: e.RetryAfter, Err: err}
	}
	return err
}
