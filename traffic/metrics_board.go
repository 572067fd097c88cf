package traffic

import (
	"context"
	"time"

	"github.com/autoscalebot/autoscale/internal/count"
)

// A MetricsBoard keeps the latest report of each process of a service, for the process
// that leads. [leader.MetricsBoard] keeps one in an SQL database. Every method makes
// one round trip, honours ctx, and is safe for concurrent use. Its errors hold no
// secrets. If it has a method Validate() error, [Shared.Validate] calls it.
//
// A board deletes reports that are ten minutes old, so that it does not grow without
// bound.
//
// [leader.MetricsBoard]: https://pkg.go.dev/github.com/autoscalebot/autoscale/leader#MetricsBoard
type MetricsBoard interface {
	// Publish replaces the report of member. An empty report removes the last one.
	Publish(ctx context.Context, member string, report []byte) error

	// Read returns the reports that are younger than fresh, the youngest first, and
	// at most MaxReports of them.
	Read(ctx context.Context, fresh time.Duration) ([]Report, error)
}

// A Report is what one process published on a [MetricsBoard].
type Report struct {
	Member string        // the process
	Data   []byte        // as it was published
	Age    time.Duration // the time since it was published, by the clock of the board
}

// The bounds of a [MetricsBoard].
const (
	MaxReports    = 1000          // reports that Read returns; the rest follows from so many
	MaxReportSize = count.MaxSize // bytes of a report
)
