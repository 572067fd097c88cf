package autoscale

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/part"
)

// A Share is what one of the processes measured, from a [Sharer].
type Share struct {
	Process  string        // its name, for people
	Age      time.Duration // the age of the report
	Arrivals float64       // work begun per second
	Busy     float64       // work in progress, mean
	Latency  time.Duration // 0: not known
}

// A Sharer is a [Prober] that knows what each process measured, in any process. It is
// found through a wrapper too.
type Sharer interface {
	// Shares returns what each process measured last. Shares returns soon after ctx ends.
	Shares(ctx context.Context) ([]Share, error)
}

// maxShares bounds the shares that are returned.
const maxShares = 1000

// Shares returns what each process measured last, by name, if the Prober is a [Sharer]. Any
// process may call it. It takes at most [Config.Timeout]. Without a Sharer it returns nil.
func (a *Autoscaler) Shares(ctx context.Context) (shares []Share, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	err = guard.Do(func() (err error) {
		if s, ok := part.As[Sharer](a.cfg.Prober); ok {
			shares, err = s.Shares(ctx)
		}
		return err
	})
	if err != nil {
		a.mail.fault("Prober", err)
		return nil, fmt.Errorf("autoscale: %s: read what each process measured: %w", a.cfg.Name, err)
	}
	shares = shares[:min(len(shares), maxShares)]
	slices.SortFunc(shares, func(x, y Share) int { return cmp.Compare(x.Process, y.Process) })
	return shares, nil
}
