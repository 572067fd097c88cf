package autoscale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/names"
)

// Pause holds the size, for any measurement, until Resume or Override is called. Every
// process with the same [Store] obeys it, as soon as its Elector has read the Store.
// Without a Store only this process obeys.
//
// It returns an error, and changes nothing, if the command could not be stored.
func (a *Autoscaler) Pause(ctx context.Context) error {
	return a.command(ctx, "pause", command{Kind: pauseCommand})
}

// Resume ends a Pause and an Override, and stops yielding to another autoscaler. See
// Pause for which processes obey, and for errors.
func (a *Autoscaler) Resume(ctx context.Context) error {
	return a.command(ctx, "resume", command{Kind: resumeCommand})
}

// Override sets the size, for any measurement, until a time, or until Resume or Pause is
// called. Cooldown and Step do not apply. Min and Max do: size is brought within them.
// Override compares until with the real clock, and each tick compares it with its own
// time. See Pause for which processes obey, and for errors.
func (a *Autoscaler) Override(ctx context.Context, size int, until time.Time) error {
	var errs []error
	if size < 0 {
		errs = append(errs, fmt.Errorf("the size is %d: it must be 0 or more", size))
	}
	if !until.After(time.Now()) {
		errs = append(errs, fmt.Errorf("it would end at %s, which is past: give a later time", until.Format(time.RFC3339)))
	}
	if errs != nil {
		return fmt.Errorf("autoscale: override %s: %w", a.cfg.Name, errors.Join(errs...))
	}
	return a.command(ctx, "override", command{Kind: overrideCommand, Size: size, Until: until})
}

// command stores c, and gives it to this process.
func (a *Autoscaler) command(ctx context.Context, op string, c command) error {
	c.Given = time.Now()
	c.By = cut(os.Getenv("DYNO"))
	switch {
	case a.store != nil:
		data, err := json.Marshal(c)
		if err != nil {
			return fmt.Errorf("autoscale: %s %s: %w", op, a.cfg.Name, err)
		}
		ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
		defer cancel()
		if err := guard.Do(func() error { return a.store.Command(ctx, data) }); err != nil {
			a.mail.fault("Store", err)
			return fmt.Errorf("autoscale: %s %s: nothing was changed: %w", op, a.cfg.Name, err)
		}
	case a.cfg.Elector != nil:
		if _, leads := a.lead(); !leads {
			return fmt.Errorf("autoscale: %s %s: nothing was changed: %w. There is no Store to pass the command on: call it in the process that leads", op, a.cfg.Name, ErrNotLeader)
		}
	}
	a.mail.give(c)
	return nil
}

// Status returns a snapshot. It is cheap enough for a page that is reloaded, does no
// I/O, and may be called from any goroutine, and from Observe.
func (a *Autoscaler) Status() Status {
	record := a.record()
	now := time.Now()
	pending, given, running := a.mail.peek()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.machine.status(now, record)
	s.Running = running
	s.Command = commandAt(now, given, record).String()
	s.Counters.add(pending)
	if lasted, part, stalled := a.stalled(now); stalled {
		s.Stalled = fmt.Sprintf("%s has not returned for %s", part, names.Duration(lasted))
	}
	return s
}
