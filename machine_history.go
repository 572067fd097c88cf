package autoscale

import (
	"time"

	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/internal/measure"
)

// archived is what the loop knows about the history in the HistoryStore.
type archived struct {
	term   int64 // the term for which this process has the history of earlier leaders. 0: none
	saved  time.Time
	failed bool // the last try failed
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
	measured(&p, &t.sample)
	return p
}

// measured adds to p what a sample measured.
func measured(p *history.Point, s *Sample) {
	if s.Failure != NoFailure {
		p.Flags |= history.Failure
	}
	p.PoolWaiting = s.PoolWaiting
	if s.Signals.Has(SignalQueueTime | SignalServiceTime | SignalThroughput) {
		if busy := measure.InFull(s.QueueTime, s.ServiceTime, s.Throughput, s.Ready, s.Peak); busy > 0 {
			p.Slots = max(busy/measure.SaturatedShare, s.Peak)
		}
	}
	for _, signal := range [...]Signals{SignalBusy, SignalBacklog, SignalArrivals, SignalThroughput, SignalUtilization, SignalValue} {
		if s.Signals.Has(signal) {
			p.Signal, p.Load = signal.String(), s.value(signal)
			break
		}
	}
	for _, signal := range [...]Signals{SignalLatency, SignalQueueTime} {
		if s.Signals.Has(signal) {
			p.Delay, p.Wait = signal.String(), s.value(signal)
			break
		}
	}
}
