package autoscale

import (
	"time"

	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/internal/measure"
)

// archived is what the loop knows about the history in the HistoryStore.
type archived struct {
	term   int64 // whose leaders' history this process has. 0: none
	saved  time.Time
	failed bool // the last try
}

// point is what the history keeps of the tick.
func (m *machine) point() history.Point {
	t := &m.tick
	p := history.Point{
		Time: t.now, Size: m.Capacity.Desired, Ready: m.Capacity.Ready(), Min: t.min, Max: t.max,
		Recommends: t.recommendation.Act, Recommended: t.recommendation.Size, Limit: t.outcome.By,
	}
	flag := func(f history.Flags, set bool) {
		if set {
			p.Flags |= f
		}
	}
	flag(history.Ordered, t.acted)
	flag(history.Changed, t.moved && !t.ours)
	flag(history.ProbeFailed, t.probeFault() != nil)
	flag(history.ScaleFailed, t.readErr != nil || t.err != nil)
	if t.probeErr != nil {
		return p
	}
	flag(history.Failure, t.sample.Failure != NoFailure)
	p.PoolWaiting = t.sample.PoolWaiting
	if s := &t.sample; s.Signals.Has(SignalQueueTime | SignalServiceTime | SignalThroughput) {
		if busy := measure.InFull(s.QueueTime, s.ServiceTime, s.Throughput, s.Ready, s.Peak); busy > 0 {
			p.Slots = max(busy/measure.SaturatedShare, s.Peak)
		}
	}
	for _, s := range [...]Signals{SignalBusy, SignalBacklog, SignalArrivals, SignalThroughput, SignalUtilization, SignalValue} {
		if t.sample.Signals.Has(s) {
			p.Signal, p.Load = s.String(), t.sample.value(s)
			break
		}
	}
	for _, s := range [...]Signals{SignalLatency, SignalQueueTime} {
		if t.sample.Signals.Has(s) {
			p.Delay, p.Wait = s.String(), t.sample.value(s)
			break
		}
	}
	return p
}
