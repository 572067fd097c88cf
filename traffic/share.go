package traffic

import (
	"context"
	"time"

	"github.com/autoscalebot/autoscale/internal/count"
)

// A Board is where the processes of a service put what they measured, for the one
// that leads to read: [leader.Board] is one in SQL. Every method is one round trip,
// honours ctx, and is safe for concurrent use. An error holds no secret. A method
// Validate() error, if there is one, is called by [Shared.Validate].
//
// A board forgets a share that is ten minutes old, so that it does not grow with
// every process that ever was.
//
// [leader.Board]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#Board
type Board interface {
	// Publish puts up the share of member in the place of its last one. A share
	// without a byte takes the last one down.
	Publish(ctx context.Context, member string, share []byte) error

	// Read returns the shares that are younger than fresh, the youngest first, and
	// at most MaxShares.
	Read(ctx context.Context, fresh time.Duration) ([]Share, error)
}

// A Share is what one process has on a [Board].
type Share struct {
	Member string        // the process
	Data   []byte        // as it was published
	Age    time.Duration // since then, by the clock of the board
}

// Bounds of what is on a [Board].
const (
	MaxShares    = 1000          // that are read; as many processes are enough to know the rest by
	MaxShareSize = count.MaxSize // bytes of a share
)
