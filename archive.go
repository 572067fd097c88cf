package autoscale

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale/history"
	"github.com/autoscalebot/autoscale/internal/guard"
)

const (
	// archiveEvery is how often a leader saves the history. A process that is killed loses
	// up to this much of it.
	archiveEvery = time.Minute
	// lastArchive bounds the time of the save when Run ends.
	lastArchive = 2 * time.Second
)

// History returns what happened: the last three hours tick by tick, and the last seven
// days in half-hours. It is a copy.
//
// In a process that leads, History does no I/O. In the others it asks the [HistoryStore],
// in one round trip within [Config.Timeout]. The stored history is up to a minute old.
// The last tick of the leader is added to it from the Store. Without a HistoryStore,
// History returns what this process saw while it led.
func (a *Autoscaler) History(ctx context.Context) (*history.Log, error) {
	a.mu.Lock()
	leading, past := a.machine.leading, a.machine.past.Clone()
	a.mu.Unlock()
	if leading || a.archive == nil {
		return past, nil
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	stored, err := a.readHistory(ctx)
	if err != nil {
		return nil, err
	}
	past = new(history.Log)
	if stored != nil {
		if err := past.UnmarshalBinary(stored); err != nil {
			return nil, fmt.Errorf("autoscale: %s: the stored history cannot be shown: %w", a.cfg.Name, err)
		}
	}
	addLast(past, a.Status())
	return past, nil
}

// addLast adds the last tick of s, unless past has it. The time of that tick is by this
// process's clock, and the times in past are by the leader's. So only a tick that is
// clearly later counts as another one.
func addLast(past *history.Log, s Status) {
	points := past.Points()
	if s.Leading || s.Ticked.IsZero() || len(points) > 0 && s.Ticked.Sub(points[len(points)-1].Time) < s.Interval/2 {
		return
	}
	p := history.Point{
		Time: s.Ticked, Size: s.Capacity.Desired, Ready: s.Capacity.Ready(), Min: s.Min, Max: s.Max,
		Recommends: s.Last.Recommendation.Act, Recommended: s.Last.Recommendation.Size, Limit: s.Last.Limit,
	}
	if s.ProbeFailures > 0 {
		p.Flags = history.ProbeFailed
	} else {
		measured(&p, &s.Last.Sample)
	}
	past.Add(p)
}

func (a *Autoscaler) readHistory(ctx context.Context) (data []byte, err error) {
	err = guard.Do(func() (err error) { data, err = a.archive.History(ctx); return err })
	if err != nil {
		a.mail.fault("Store", err)
		return nil, fmt.Errorf("autoscale: %s: read the history: %w", a.cfg.Name, err)
	}
	return data, nil
}

// archiveHistory saves the history, if the last try was at least every ago. The first time
// in a term, it reads the history that earlier leaders left.
func (a *Autoscaler) archiveHistory(ctx context.Context, now time.Time, term int64, every time.Duration) {
	h := &a.archived
	if since := now.Sub(h.saved); a.archive == nil || a.health.unsaved > 0 || h.term == term && since >= 0 && since < every {
		return
	}
	lead, leads := a.lead()
	if !leads || lead.Number != term {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, a.deadline(lead))
	defer cancel()
	h.saved = now
	a.calling.part.Store(&callSave)
	if err := a.exchangeHistory(ctx, term); err != nil {
		if !h.failed && ctx.Err() == nil {
			a.log(ctx, slog.LevelWarn, err.Error()+"; the page of other processes does not show it until it can be saved")
		}
		h.failed = true
		return
	}
	h.failed = false
}

func (a *Autoscaler) exchangeHistory(ctx context.Context, term int64) error {
	if a.archived.term != term {
		data, err := a.readHistory(ctx)
		if err != nil {
			return err
		}
		stored := new(history.Log)
		if data != nil {
			if err := stored.UnmarshalBinary(data); err != nil {
				a.log(ctx, slog.LevelWarn, fmt.Sprintf("autoscale: %s: the stored history is replaced: %v", a.cfg.Name, err))
			}
		}
		a.mu.Lock()
		a.machine.past.Follow(stored)
		a.mu.Unlock()
		a.archived.term = term
	}
	a.mu.Lock()
	past := a.machine.past.Clone()
	a.mu.Unlock()
	data, err := past.MarshalBinary()
	if err == nil {
		err = guard.Do(func() error { return a.archive.SaveHistory(ctx, term, data) })
		a.mail.fault("Store", err)
	}
	if err != nil {
		return fmt.Errorf("autoscale: %s: save the history: %w", a.cfg.Name, err)
	}
	return nil
}

// archiveAtEnd saves the history before the term is given up.
func (a *Autoscaler) archiveAtEnd(ctx context.Context) {
	a.mu.Lock()
	leading, term := a.machine.leading, a.machine.term.Number
	a.mu.Unlock()
	if !leading || a.archived.term != term {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastArchive)
	defer cancel()
	a.archiveHistory(ctx, time.Now(), term, 0)
}
