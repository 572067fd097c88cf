package calls

import (
	"errors"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/platform"
)

// Held returns an error that ends by itself as an [autoscale.BusyError], and others
// unchanged.
func (c *Client) Held(err error) error {
	var e *platform.Error
	if errors.As(err, &e) && c.Passing(e) {
		return &autoscale.BusyError{RetryAfter: e.RetryAfter, Err: err}
	}
	return err
}
