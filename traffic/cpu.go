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

// An interval shorter than the least says more about what happens to run at the
// moment than about the load. One longer than the most is not of now: this process
// did not lead for a while, say.
const (
	leastInterval = 100 * time.Millisecond
	mostInterval  = 10 * time.Minute
)

// CPU is a Prober of how busy the processors are with this process:
// [autoscale.Sample.Utilization] is the CPU time that it used, in user and system
// mode, garbage collection and cgo included, by the time that passed and the number
// of cores, from 0 to 1. The zero value is ready. It is safe for concurrent use,
// and is not to be copied.
//
// It measures from one Probe to the next. The first one measures nothing, and its
// error wraps [autoscale.ErrWarmingUp]. Nor does one less than 100 ms or more than 10 minutes after the one
// before. What the process used to start is thus left out.
//
// The CPU time is the operating system's (getrusage, GetProcessTimes), because
// that of runtime/metrics is as old as the last garbage collection. On systems
// with neither, Validate and Probe return [errors.ErrUnsupported].
type CPU struct {
	// Cores is how many processors this process may use, where that is not
	// GOMAXPROCS. 0: GOMAXPROCS, which by default follows the processors, the
	// affinity mask and on Linux the CPU quota of the cgroup. That is still not
	// what a process gets where the quota is below 2 (GOMAXPROCS is not) or no
	// whole number (it is rounded up), and where the processors are shared
	// without a quota: a Heroku dyno of a Standard size sees all of its machine's
	// and gets a share that depends on its neighbours. Utilization then
	// stays far below 1 when nothing is left, so that no threshold suits it: set
	// Cores to what was measured under full load, or decide by something else.
	Cores float64

	// read returns the CPU time that was used. Nil: processTime. For tests.
	read func() (time.Duration, error)

	mu   sync.Mutex
	at   time.Time // of the last Probe; zero: there was none
	used time.Duration
}

// Rule returns [rule.TargetTracking], which a Config without a Decider uses.
func (c *CPU) Rule() autoscale.Decider { return rule.TargetTracking{} }

// Validate reports a number of Cores that makes no sense, and a system on which
// nothing can be measured.
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
