package autoscale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// command is what a person last told the autoscalers of a process type. It is
// kept in the [Store], if there is one, so that any process can give it and
// every leader obeys it.
type command struct {
	Kind  commandKind `json:"kind"`
	Size  int         `json:"size,omitempty"` // of an override
	Until time.Time   `json:"until,omitzero"` // of an override
	Given time.Time   `json:"given"`          // tells commands apart, and which is the later
	By    string      `json:"by,omitempty"`   // the process that it was given to
}

type commandKind string

const (
	noCommand       commandKind = ""
	pauseCommand    commandKind = "pause"
	overrideCommand commandKind = "override"
	resumeCommand   commandKind = "resume"
)

// Pause holds the size, whatever is measured, until Resume or Override is
// called. Every process with the same [Store] obeys, within the time in which
// the elector looks into it; without a Store this process alone does.
func (a *Autoscaler) Pause(ctx context.Context) error {
	return a.command(ctx, "pause", command{Kind: pauseCommand})
}

// Resume ends a Pause and an Override, and the standing down before a rival.
// For who obeys see Pause.
func (a *Autoscaler) Resume(ctx context.Context) error {
	return a.command(ctx, "resume", command{Kind: resumeCommand})
}

// Override sets the size, whatever is measured, until a time, or until Resume
// or Pause is called. Cooldown and Step do not apply, and Min and Max do: size
// is brought within them. For who obeys see Pause.
func (a *Autoscaler) Override(ctx context.Context, size int, until time.Time) error {
	var errs []error
	if size < 0 {
		errs = append(errs, fmt.Errorf("the size is %d: it must be 0 or more", size))
	}
	if !until.After(time.Now()) {
		errs = append(errs, fmt.Errorf("it would end at %s, which is past: give a time to come", until.Format(time.RFC3339)))
	}
	if errs != nil {
		return fmt.Errorf("autoscale: override %s: %w", a.cfg.Name, errors.Join(errs...))
	}
	return a.command(ctx, "override", command{Kind: overrideCommand, Size: size, Until: until})
}

// command gives c.
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
			return fmt.Errorf("autoscale: %s %s: nothing was changed: %w", op, a.cfg.Name, err)
		}
	case a.cfg.Elector != nil:
		if _, leads := a.lead(); !leads {
			return fmt.Errorf("autoscale: %s %s: nothing was changed: %w, and its Elector keeps no state through which it would learn of it: tell it there", op, a.cfg.Name, ErrNotLeader)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.given = c
	return nil
}

// commandAt returns the command that holds at a time: the latest, from here or
// from the store. The caller holds the lock.
func (a *Autoscaler) commandAt(at time.Time, record Record) command {
	c := a.given
	if record.Command != nil {
		var stored command
		if err := json.Unmarshal(record.Command, &stored); err == nil && (record.Read.After(c.Given) || stored.Given.After(c.Given)) {
			// The store's order counts, not that of the clocks of who gave them.
			c = stored
		}
	}
	if c.Kind == overrideCommand && !at.Before(c.Until) {
		c.Kind = noCommand
	}
	return c
}

// heedCommand returns the command that holds. One that was not obeyed before
// also ends a standing down, if it is to resume.
func (a *Autoscaler) heedCommand(at time.Time) command {
	record := a.record()
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.commandAt(at, record)
	if !c.Given.Equal(a.state.obeyed) {
		a.state.obeyed = c.Given
		if c.Kind == resumeCommand {
			a.state.rivalry = rivalry{}
		}
	}
	return c
}

// record is the store's; zero if there is no store, or it has seen none. The
// caller does not hold the lock: the store may be the host's own.
func (a *Autoscaler) record() (record Record) {
	if a.store == nil {
		return Record{}
	}
	defer func() {
		if recover() != nil {
			record = Record{}
		}
	}()
	record, _ = a.store.Record()
	return record
}

// String says what the command asks for.
func (c command) String() string {
	by := ""
	if c.By != "" {
		by = " (told to " + c.By + ")"
	}
	switch c.Kind {
	case pauseCommand:
		return "paused since " + c.Given.UTC().Format(time.RFC3339) + by
	case overrideCommand:
		return fmt.Sprintf("set to %d until %s%s", c.Size, c.Until.UTC().Format(time.RFC3339), by)
	}
	return ""
}
