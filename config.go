package autoscale

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale/internal/part"
)

// ErrConfig is wrapped by every error that says what is wrong with a [Config].
var ErrConfig = errors.New("autoscale: bad configuration")

// The defaults of a [Config].
const (
	DefaultName     = "web"
	DefaultMin      = 1
	DefaultMax      = 3
	DefaultInterval = 30 * time.Second
)

// leastTimeout is the shortest default for Config.Timeout: calls to a platform
// take seconds at times, however often it is asked.
const leastTimeout = 10 * time.Second

// A Config is what an [Autoscaler] is made of. Prober and Scaler are required;
// every other field has a default. A part may be a [Validator], which is called before
// the first tick.
type Config struct {
	// Name is the process type that is scaled, for events, logs and the lease.
	// Defaults to DefaultName.
	Name string

	// Prober measures the service, once a tick. Required.
	Prober Prober

	// Decider says how many processes are needed. Defaults to Consecutive{},
	// autoscalebot's rule.
	Decider Decider

	// Scaler reads and sets the size. Required.
	Scaler Scaler

	// Min and Max are the bounds of the size, both included. They default to
	// Fixed(DefaultMin) and Fixed(DefaultMax). Min may be Fixed(0). Min must
	// not be above Max at any time of the week.
	Min, Max Schedule

	// Interval is the time from the start of one tick to the start of the
	// next; a slow tick shortens the wait. Defaults to DefaultInterval.
	Interval time.Duration

	// Timeout bounds the calls of a tick: probing and reading the size share
	// one, setting it has one of its own. It should be above the prober's own.
	// Defaults to Interval, or ten seconds where that is longer.
	Timeout time.Duration

	// Cooldown is how long the size rests after a change. Zero: not at all.
	Cooldown Cooldown

	// Tolerance is the share of the size by which a wish must differ from it:
	// 0.1 leaves a size of 20 alone for a wish of 18 to 22. Zero: any.
	Tolerance float64

	// Stabilization is how long a wish must last. Zero: not at all.
	Stabilization Stabilization

	// Rate is how far the size may move within a period. Zero: any distance.
	Rate Rate

	// Forecast keeps a floor made of the days before. Zero: none.
	Forecast Forecast

	// Futility stops adding what does not help. Zero: never.
	Futility Futility

	// Budget bounds the process-hours of a day or a month. Zero: no bound.
	Budget Budget

	// Boot is how long a process takes from being ordered to serving, until
	// that is learned from a platform that says how many are pending. Zero: not
	// known.
	Boot time.Duration

	// Step is the most processes added or removed at once. Zero: any number.
	Step Step

	// Notifiers are told of the kinds in NotifyOn, or of those that they name
	// themselves with a method Kinds() EventKind.
	Notifiers []Notifier

	// NotifyOn is the kinds of event that notifiers are told. Zero:
	// DefaultKinds; NoKinds: none.
	NotifyOn EventKind

	// RepeatAfter is how often a condition that lasts is told again. Zero:
	// DefaultRepeatAfter; negative: never.
	RepeatAfter time.Duration

	// NotifyDiff says when a size moves so far that it is told as
	// DiffExceeded. Zero: never.
	NotifyDiff Diff

	// Observe, if set, is told of every event, on the loop: it must return
	// soon. It may call Status.
	Observe func(Event)

	// Elector says whether this process acts. Nil: it always does, which is
	// right only where a single copy runs.
	Elector Elector

	// DryRun decides and tells, and never scales: an event of kind Scaled then
	// says what would have been ordered.
	DryRun bool

	// Logger gets every event, on the loop. Nil: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy with the zeros filled in.
func (c Config) withDefaults() Config {
	c.Name = cmp.Or(c.Name, DefaultName)
	if c.Decider == nil {
		c.Decider = Consecutive{}
	}
	if !c.Min.set {
		c.Min = Fixed(DefaultMin)
	}
	if !c.Max.set {
		c.Max = Fixed(DefaultMax)
	}
	c.Interval = cmp.Or(c.Interval, DefaultInterval)
	c.Timeout = cmp.Or(c.Timeout, max(c.Interval, leastTimeout))
	c.Notifiers = slices.Clone(c.Notifiers)
	c.NotifyOn = cmp.Or(c.NotifyOn, DefaultKinds)
	c.RepeatAfter = cmp.Or(c.RepeatAfter, DefaultRepeatAfter)
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Validate reports everything that is wrong with c: each fault names its field
// and what to do, and all are joined in one error that wraps [ErrConfig]. It
// calls the Validate methods of the parts, and does no I/O of its own.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	add := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}

	add(validatePart("Prober", c.Prober, true))
	add(validatePart("Decider", c.Decider, true))
	add(validatePart("Scaler", c.Scaler, true))
	add(validatePart("Elector", c.Elector, false))
	for i, n := range c.Notifiers {
		add(validatePart(fmt.Sprintf("Notifiers[%d]", i), n, true))
	}
	if c.Min.err != nil {
		bad("Min: %w", c.Min.err)
	}
	if c.Max.err != nil {
		bad("Max: %w", c.Max.err)
	}
	if c.Min.err == nil && c.Max.err == nil {
		add(crossing(c.Min, c.Max, time.Now()))
	}
	if c.Interval < 0 {
		bad("Interval is %v: it must be above 0, or 0 for %v", c.Interval, DefaultInterval)
	}
	if c.Interval > 0 && c.Interval < time.Millisecond {
		bad("Interval is %v: it must be 1ms or more; is its unit missing, as in 30*time.Second?", c.Interval)
	}
	if c.Timeout < 0 {
		bad("Timeout is %v: it must be above 0, or 0 for the Interval", c.Timeout)
	}
	if c.Cooldown.Up < 0 || c.Cooldown.Down < 0 {
		bad("Cooldown is %v up and %v down: neither must be negative", c.Cooldown.Up, c.Cooldown.Down)
	}
	if c.Step.Up < 0 || c.Step.Down < 0 {
		bad("Step is %d up and %d down: neither must be negative; 0 is any number", c.Step.Up, c.Step.Down)
	}
	if !(c.Tolerance >= 0 && c.Tolerance < 1) {
		bad("Tolerance is %v: it must be from 0 to below 1, a share of the size", c.Tolerance)
	}
	if c.Stabilization.Up < 0 || c.Stabilization.Down < 0 {
		bad("Stabilization is %v up and %v down: neither must be negative", c.Stabilization.Up, c.Stabilization.Down)
	}
	for _, w := range [2]time.Duration{c.Stabilization.Up, c.Stabilization.Down} {
		if w > 0 && w < c.Interval {
			bad("Stabilization has a window of %v, shorter than the Interval of %v: it would hold nothing back", w, c.Interval)
		}
	}
	add(c.Rate.Up.validate("Rate.Up"))
	add(c.Rate.Down.validate("Rate.Down"))
	add(c.Forecast.validate())
	add(c.Futility.validate())
	add(c.Budget.validate(c.Min))
	if c.Boot < 0 || c.Boot > longestBoot {
		bad("Boot is %v: it must be from 0, for not known, to %v", c.Boot, longestBoot)
	}
	if unknown := c.NotifyOn &^ (AllKinds | NoKinds); unknown != 0 {
		bad("NotifyOn has the unknown bits %#x: it is a set of the kinds of event", uint32(unknown))
	}
	if c.NotifyOn.Has(NoKinds) && c.NotifyOn != NoKinds {
		bad("NotifyOn is NoKinds together with %v: it must be one or the other", c.NotifyOn&^NoKinds)
	}
	if d := c.NotifyDiff; d.Threshold < 0 || d.Period < 0 || (d.Threshold > 0) != (d.Period > 0) {
		bad("NotifyDiff is %d processes in %v: give both above 0, or neither", d.Threshold, d.Period)
	}
	if errs == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrConfig, errors.Join(errs...))
}

// validatePart reports that a part is nil, an interface that holds a nil
// pointer or func included, and what its Validate reports, or that of the part it
// wraps.
func validatePart[I any](field string, p I, required bool) (err error) {
	if any(p) == nil {
		if required {
			return fmt.Errorf("%s is nil: it is required", field)
		}
		return nil
	}
	switch v := reflect.ValueOf(p); v.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Chan:
		if v.IsNil() {
			return fmt.Errorf("%s is a nil %T: give one that was made", field, p)
		}
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: its Validate or Unwrap panicked: %v", field, r)
		}
	}()
	v, ok := part.As[Validator](p)
	if !ok {
		return nil
	}
	if err := v.Validate(); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}
