package calls

import (
	"errors"
	"fmt"
)

// MaxSize is the greatest size that is ordered, and the greatest that is believed in an
// answer.
const MaxSize = 1_000_000

// CheckOrder returns an error if an order must not be sent. The reason is either fault,
// which is what is wrong with the arguments of the Scaler, or that no platform has such a
// size.
func (c *Client) CheckOrder(call Call, fault error, size int) error {
	switch {
	case fault != nil:
	case size < 0:
		fault = errors.New("a size must not be negative")
	case size > MaxSize:
		fault = fmt.Errorf("a size must be at most %d: check Max", MaxSize)
	default:
		return nil
	}
	return c.Invalid(call, fault)
}
