package traffic

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/rule"
)

// An interval that is too short shows what happens to run at the moment, and not the load.
// One that is too long does not show the present: this process may not have led for a
// while.
const (
	leastInterval = 100 * time.Millisecond
	mostInterval  = 10 * time.Minute
)

// CPU is a Prober that measures how busy this process keeps the processors.
// [autoscale.Sample.Utilization] is the CPU time that the process used, divided by the time
// that passed and by the number of cores, from 0 to 1. The CPU time is that in user and
// system mode, and includes garbage collection and cgo. The zero value is ready. A CPU is
// safe for concurrent use, and must not be copied.
//
// It measures from one Probe to the next. The first Probe measures nothing, and its error
// wraps [autoscale.ErrWarmingUp]. So the time in which the process starts is left out. A
// Probe less than 100 ms or more than 10 minutes after the one before measures nothing
// either.
//
// The CPU time comes from the operating system (getrusage, GetProcessTimes), because that
// of runtime/metrics is only as recent as the last garbage collection. On systems with
// neither, Validate and Probe return [errors.ErrUnsupported].
type CPU struct {
	// Cores is how many processors this process may use. 0: GOMAXPROCS, which by default
	// follows the processors, the affinity mask and on Linux the CPU quota of the cgroup.
	//
	// GOMAXPROCS is too high in three cases. A quota below 2 counts as 2. A quota that is
	// not a whole number is rounded up. Processors may be shared without a quota: a Heroku
	// dyno of a Standard size sees all processors of its machine, and gets a part that
	// depends on its neighbours. Utilization then stays far below 1 under full load, and no
	// threshold suits it. In these cases, set Cores to the number of cores that the process
	// used under full load, or decide by another signal.
	Cores float64

	// read returns the CPU time that was used. Nil: processTime. For tests.
	read func() (time.Duration, error)

	mu   sync.Mutex
	at   time.Time // when the last Probe was; zero: there was none
	used time.Duration
}

// Rule returns [rule.TargetTracking], which a Config without a Decider uses.
func (c *CPU) Rule() autoscale.Decider { return rule.TargetTracking{} }

// Validate returns an error if Cores is invalid, or if the system cannot measure CPU time.
func (c *CPU) Validate() error {
	var errs []error
	if !(c.Cores >= 0) || math.IsInf(c.Cores, 0) {
		errs = append(errs, fmt.Errorf("traffic: CPU.Cores is %v: it must be above 0, as in 0.5, or 0 for GOMAXPROCS", c.Cores))
	}
	if _, err := c.time(); errors.Is(err, errors.ErrUnsupported) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *CPU) time() (time.Duration, error) {
	read := c.read
	if read == nil {
		read = processTime
	}
	used, err := read()
	if err != nil {
		return 0, fmt.Errorf("traffic: read the CPU time of this process on %s: %w", runtime.GOOS, err)
	}
	return used, nil
}

// Probe returns the utilization since the last Probe. It does no I/O.
func (c *CPU) Probe(context.Context) (autoscale.Sample, error) {
	if err := c.Validate(); err != nil {
		return autoscale.Sample{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	used, err := c.time()
	if err != nil {
		return autoscale.Sample{}, err
	}
	now := time.Now()
	last, passed, spent := c.at, now.Sub(c.at), used-c.used
	if !last.IsZero() && passed < leastInterval {
		return autoscale.Sample{}, fmt.Errorf("traffic: the CPU was measured %v ago: probe it every %v or less often", passed, leastInterval)
	}
	c.at, c.used = now, used
	switch {
	case last.IsZero():
		return autoscale.Sample{}, fmt.Errorf("traffic: %w: the CPU is measured from one probe to the next, and this was the first", autoscale.ErrWarmingUp)
	case passed > mostInterval:
		return autoscale.Sample{}, fmt.Errorf("traffic: the CPU is measured from one probe to the next, and the last one was %v ago, more than %v: the next one measures", passed.Round(time.Second), mostInterval)
	}
	cores := c.Cores
	if cores == 0 {
		cores = float64(runtime.GOMAXPROCS(0))
	}
	// Threads in system calls and cgo come on top of GOMAXPROCS.
	share := spent.Seconds() / passed.Seconds() / cores
	return autoscale.Sample{
		Time:        now,
		Signals:     autoscale.SignalUtilization,
		Utilization: min(max(share, 0), 1),
	}, nil
}
