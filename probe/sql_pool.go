package probe

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/part"
)

// SQLPool measures with another Prober. It adds how many callers in this process waited for
// a connection of a pool, as [autoscale.Sample.PoolWaiting]. No rule looks at this. The
// history keeps it, and package advice reports when the pool holds the service back. A
// leader knows only its own pool, which stands for those of the other processes.
//
// By Little's law, the mean number of callers that waited is the time that they waited,
// from [sql.DBStats.WaitDuration], divided by the time since the last probe. The database
// is not asked. The first probe cannot measure this. SQLPool is safe for concurrent use
// once its fields are set.
type SQLPool struct {
	Prober autoscale.Prober // required: what measures the service
	DB     *sql.DB          // required: the pool that the service uses

	mu     sync.Mutex
	at     time.Time     // of the last probe
	waited time.Duration // the total wait up to then
}

// Unwrap returns Prober, whose optional methods are found through it.
func (p *SQLPool) Unwrap() autoscale.Prober { return p.Prober }

// Validate reports what is wrong with the settings. It does no I/O.
func (p *SQLPool) Validate() error {
	var errs []error
	if p.Prober == nil {
		errs = append(errs, errors.New("probe.SQLPool.Prober is nil: give what measures the service, as a *traffic.Traffic"))
	} else if v, ok := part.As[autoscale.Validator](p.Prober); ok {
		errs = append(errs, v.Validate())
	}
	if p.DB == nil {
		errs = append(errs, errors.New("probe.SQLPool.DB is nil: give the *sql.DB that the service uses"))
	}
	return errors.Join(errs...)
}

// Probe asks Prober, and looks at the pool. Its errors are those of Prober.
func (p *SQLPool) Probe(ctx context.Context) (autoscale.Sample, error) {
	if err := p.Validate(); err != nil {
		return autoscale.Sample{}, fmt.Errorf("autoscale: probe: %w", err)
	}
	waiting := p.waiting(time.Now(), p.DB.Stats().WaitDuration)
	s, err := p.Prober.Probe(ctx)
	if err == nil {
		s.PoolWaiting = waiting
	}
	return s, err
}

// waiting returns how many waited on average since it was last called.
func (p *SQLPool) waiting(now time.Time, waited time.Duration) (mean float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if passed := now.Sub(p.at); !p.at.IsZero() && passed > 0 {
		mean = max(0, float64(waited-p.waited)/float64(passed))
	}
	p.at, p.waited = now, waited
	return mean
}

// Format writes nothing of the settings, which may hold secrets.
func (p *SQLPool) Format(f fmt.State, _ rune) { fmt.Fprint(f, "probe.SQLPool") }
