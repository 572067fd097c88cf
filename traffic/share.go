package traffic

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
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
	MaxShares    = 1000    // that are read; as many processes are enough to know the rest by
	MaxShareSize = 2 << 10 // bytes of a share
)

// The first byte of a share is its version. What has another one is another
// release's, and is left out of the sum.
const shareVersion = 1

// encode returns m in about 10 bytes, and 2 to 6 more for each slot in use.
func (m *measurement) encode() []byte {
	b := []byte{shareVersion}
	for _, n := range []uint64{
		uint64(m.window / time.Second), m.begun, uint64(max(m.busy, 0)), uint64(m.served),
		m.queued, uint64(m.waited), m.long,
	} {
		b = binary.AppendUvarint(b, n)
	}
	gap := uint64(0)
	for _, n := range m.slots {
		if n == 0 {
			gap++
			continue
		}
		b = binary.AppendUvarint(b, gap)
		b = binary.AppendUvarint(b, n)
		gap = 0
	}
	return b
}

// Nobody counts more than this in a minute; below it, no sum overflows.
const (
	mostRequests = 1 << 32
	mostBusy     = 1 << 24 // in progress at once
)

// decode reads what encode wrote, and trusts nothing: a board is shared.
func decode(b []byte) (measurement, error) {
	if len(b) == 0 || len(b) > MaxShareSize {
		return measurement{}, fmt.Errorf("a share of %d bytes", len(b))
	}
	if b[0] != shareVersion {
		return measurement{}, fmt.Errorf("a share of version %d, and not %d", b[0], shareVersion)
	}
	b = b[1:]
	good := true
	next := func(most uint64) uint64 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > most {
			good = false
			return 0
		}
		b = b[size:]
		return n
	}
	m := measurement{window: time.Duration(next(uint64(maxWindow/time.Second))) * time.Second}
	m.begun = next(mostRequests)
	m.busy = int64(next(uint64(m.window) * mostBusy))
	m.served = int64(next(1 << 62))
	m.queued = next(m.begun)
	m.waited = int64(next(1 << 62))
	m.long = next(mostRequests)
	timed := uint64(0)
	for slot := uint64(0); good && len(b) > 0; slot++ {
		slot += next(slots)
		n := next(mostRequests)
		if slot >= slots || n == 0 {
			good = false
			break
		}
		m.slots[slot] = n
		timed += n
	}
	if !good || m.window == 0 || float64(m.served) > float64(timed)*float64(maxLongest) ||
		float64(m.waited) > float64(m.queued)*float64(maxQueueTime) {
		return measurement{}, errors.New("a share that makes no sense")
	}
	return m, nil
}
