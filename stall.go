package autoscale

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/autoscalebot/autoscale/internal/names"
)

// The parts for which a call may wait, as messages name them.
var (
	callProbe    = "Prober.Probe"
	callCapacity = "Scaler.Capacity"
	callDecide   = "Decider.Decide"
	callSave     = "Store.Save"
	callScale    = "Scaler.Scale"
	callObserve  = "Observe"
)

// longestTick is how long a tick can last if every part returns when its context ends. A
// tick makes at most six calls, each with Config.Timeout.
func (a *Autoscaler) longestTick() time.Duration { return 6 * a.cfg.Timeout }

// stalled returns for how long the tick under way has lasted and what it waits for, if
// that is longer than a tick can last.
func (a *Autoscaler) stalled(now time.Time) (lasted time.Duration, part string, stalled bool) {
	lasted, part = a.calling.held(now)
	return lasted, part, lasted > a.longestTick()
}

// watchdog runs until ctx ends. For each tick that a part holds up by ignoring its
// context, it logs and sends one [Stalled] event. Such a call cannot be stopped from
// outside.
func (a *Autoscaler) watchdog(ctx context.Context, send func(Event)) {
	ticker := time.NewTicker(a.cfg.Interval)
	defer ticker.Stop()
	var reported int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now()
		began := a.calling.began.Load()
		lasted, part, stalled := a.stalled(now)
		if !stalled || began == reported {
			continue
		}
		reported = began
		a.mu.Lock()
		size, min, max := a.machine.Capacity.Desired, a.machine.Min, a.machine.Max
		a.mu.Unlock()
		e := Event{
			Kind: Stalled, Time: now, Name: a.cfg.Name, From: size, To: size, Min: min, Max: max,
			Detail: fmt.Sprintf("%s has not returned for %s: it must return when its context ends", part, names.Duration(lasted)),
		}
		a.log(ctx, slog.LevelError, "autoscale: "+e.String(), slog.String("name", a.cfg.Name), slog.String("part", part))
		if _, leads := a.lead(); leads {
			send(e)
		}
	}
}
