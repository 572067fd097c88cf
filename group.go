package autoscale

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// A Group runs the Autoscalers of several process types, such as web and worker, side
// by side. They share only what their Scalers share, such as a heroku.Client. If one
// fails for good, the others continue. Make one with [NewGroup]. Its methods are safe
// for concurrent use.
type Group struct {
	members []*Autoscaler
	fault   error
}

// NewGroup returns a Group with one Autoscaler for each Config. Like [New], it does no
// I/O and never fails: Run and Validate report what is wrong. The Names must differ.
// Each Config needs its own Elector, because an Elector serves one Autoscaler.
func NewGroup(cfgs ...Config) *Group {
	g := &Group{}
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(cfgs) == 0 {
		bad("a Group without a Config: give one for each process type")
	}
	names := make(map[string]int)
	electors := make(map[Elector]string)
	for i, cfg := range cfgs {
		a := New(cfg)
		g.members = append(g.members, a)
		name := a.cfg.Name
		if before, taken := names[name]; taken {
			bad("Name of Config %d is %q, which is also the Name of Config %d: give each process type its own", i+1, name, before+1)
			continue
		}
		names[name] = i
		// Only pointers that are equal are surely the same Elector.
		if v := reflect.ValueOf(cfg.Elector); v.Kind() == reflect.Pointer && !v.IsNil() {
			if before, taken := electors[cfg.Elector]; taken {
				bad("%s and %s have the same Elector: make one for each", before, name)
			}
			electors[cfg.Elector] = name
		}
	}
	if errs != nil {
		g.fault = fmt.Errorf("%w: %w", ErrConfig, errors.Join(errs...))
	}
	return g
}

// Validate reports what is wrong with the Group and with each Config, as
// [Config.Validate] does.
func (g *Group) Validate() error {
	errs := []error{g.fault}
	for _, a := range g.members {
		if err := a.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.cfg.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Run runs all Autoscalers until ctx ends, and returns when all have ended. If one fails
// for good, it logs its error, and the others continue. The error of Run joins the errors
// of those that failed, and is nil if none did. If the Group itself is bad, Run starts
// nothing, logs an error that wraps [ErrConfig], and returns it when ctx ends. See
// [Autoscaler.Run] for why it waits.
func (g *Group) Run(ctx context.Context) error {
	if g.fault != nil {
		// go g.Run(ctx) drops the error.
		logger := slog.Default()
		if len(g.members) > 0 {
			logger = g.members[0].cfg.Logger
		}
		_ = guard.Do(func() error { logger.ErrorContext(ctx, g.fault.Error()+notScaled); return nil })
		<-ctx.Done()
		return g.fault
	}
	errs := make([]error, len(g.members))
	var wg sync.WaitGroup
	for i, a := range g.members {
		wg.Go(func() { errs[i] = a.Run(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// All returns the Autoscalers, in the order of their Configs.
func (g *Group) All() []*Autoscaler { return append([]*Autoscaler(nil), g.members...) }

// Status returns a snapshot of each, in the order of their Configs.
func (g *Group) Status() []Status {
	out := make([]Status, len(g.members))
	for i, a := range g.members {
		out[i] = a.Status()
	}
	return out
}
