package autoscale

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/autoscalebot/autoscale/internal/guard"
	"github.com/autoscalebot/autoscale/internal/names"
)

// Pause holds the size, whatever is measured, until Resume or Override is called. Every
// process with the same [Store] obeys it, as soon as its Elector has read the Store.
// Without a Store only this process obeys. [WithActor] says who asks for it.
//
// It returns an error, and changes nothing, if the command could not be stored.
func (a *Autoscaler) Pause(ctx context.Context) error {
	return a.command(ctx, "pause", command{Kind: pauseCommand})
}

// PauseUntil is Pause with an end, for people who forget to call Resume. It compares until
// with the real clock, and each tick compares it with its own time.
func (a *Autoscaler) PauseUntil(ctx context.Context, until time.Time) error {
	if err := checkEnd(until); err != nil {
		return fmt.Errorf("autoscale: pause %s: %w", a.cfg.Name, err)
	}
	return a.command(ctx, "pause", command{Kind: pauseCommand, Until: until})
}

// Resume ends a Pause and an Override, and stops yielding to another autoscaler. See
// Pause for which processes obey, and for errors.
func (a *Autoscaler) Resume(ctx context.Context) error {
	return a.command(ctx, "resume", command{Kind: resumeCommand})
}

// Override sets the size, whatever is measured, until a time, or until Resume or Pause is
// called. Cooldown and Step do not apply. Min and Max do: size is brought within them.
// Override compares until with the real clock, and each tick compares it with its own
// time. See Pause for which processes obey, and for errors.
func (a *Autoscaler) Override(ctx context.Context, size int, until time.Time) error {
	var errs []error
	if size < 0 {
		errs = append(errs, fmt.Errorf("the size is %d: it must be 0 or more", size))
	}
	if err := checkEnd(until); err != nil {
		errs = append(errs, err)
	}
	if errs != nil {
		return fmt.Errorf("autoscale: override %s: %w", a.cfg.Name, errors.Join(errs...))
	}
	return a.command(ctx, "override", command{Kind: overrideCommand, Size: size, Until: until})
}

func checkEnd(until time.Time) error {
	if until.After(time.Now()) {
		return nil
	}
	return fmt.Errorf("it would end at %s, which is past: give a later time", until.Format(time.RFC3339))
}

// WithActor returns a context for Pause, PauseUntil, Override and Resume that says who asks
// for it, such as the name of a person or of a program. Status, events and notices show the
// name, up to 80 bytes of it. Without it they show the value of $DYNO.
func WithActor(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, actorKey{}, name)
}

type actorKey struct{}

// maxActor bounds the name of the person or program that gave a command, in bytes. The name
// comes from outside, and must fit in MaxCommand, however JSON writes it.
const maxActor = 80

func actor(ctx context.Context) string {
	name, _ := ctx.Value(actorKey{}).(string)
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(cmp.Or(name, os.Getenv("DYNO")), ""))
	for len(name) > maxActor {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

// Name returns the name of the process type, with its default.
func (a *Autoscaler) Name() string { return a.cfg.Name }

// Members returns a slice of a alone. With [Group.Members], a page can show either.
func (a *Autoscaler) Members() []*Autoscaler { return []*Autoscaler{a} }

// command stores c, and gives it to this process.
func (a *Autoscaler) command(ctx context.Context, op string, c command) error {
	c.Given = time.Now()
	c.By = actor(ctx)
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

// showResumed is how long Status shows who gave a Resume.
const showResumed = 24 * time.Hour

// Status returns a snapshot. It is cheap enough for a page that is reloaded, does no
// I/O, and may be called from any goroutine, and from Observe.
func (a *Autoscaler) Status() Status {
	record, answered := a.record()
	now := time.Now()
	pending, given, running := a.mail.peek()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.machine.status(now, record)
	if answered && errors.Is(s.Last.Err, ErrStoreSilent) { // the Store has answered since the last tick
		s.Ticked, s.Last = time.Time{}, Explanation{}
	}
	s.Running, s.Interval, s.Slots = running, a.cfg.Interval, a.slots
	c := commandAt(now, given, record)
	s.Command = c.String()
	if now.Sub(c.Given) < showResumed {
		s.Resumed = c.resumed()
	}
	s.Counters.add(pending)
	if lasted, part, stalled := a.stalled(now); stalled {
		s.Stalled = fmt.Sprintf("%s has not returned for %s", part, names.Duration(lasted))
	}
	return s
}
