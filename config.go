package autoscale

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale/internal/ledger"
	"github.com/autoscalebot/autoscale/limit"
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

// leastTimeout is the shortest default of Config.Timeout: calls to a platform sometimes
// take seconds.
const leastTimeout = 10 * time.Second

// A Config is what an [Autoscaler] consists of. Prober and Scaler are required. Every
// other field has a default. A part may be a [Validator], which is called before the
// first tick.
type Config struct {
	// Name is the process type that is scaled, for events, logs and the lease.
	// Defaults to DefaultName.
	Name string

	// Prober measures the service, once a tick. Required.
	Prober Prober

	// Decider says how many processes are needed. Nil: the rule that the Prober names, if
	// the Prober is a RuleChooser. The probers of packages probe and traffic name target
	// tracking for requests, rule.Backlog for jobs and rule.MOfN for a heartbeat. If the
	// Prober names no rule, it is Consecutive{}, autoscalebot's rule. The log and Status
	// say which rule is used.
	Decider Decider

	// Scaler reads and sets the size. Required.
	Scaler Scaler

	// Min and Max are the bounds of the size, both included. They default to
	// Fixed(DefaultMin) and Fixed(DefaultMax). Min may be Fixed(0). Min must never
	// be above Max.
	Min, Max Schedule

	// Interval is the time from the start of one tick to the start of the
	// next. A slow tick shortens the wait. Defaults to DefaultInterval.
	Interval time.Duration

	// Timeout bounds the calls of a tick. Probing and reading the size share one
	// timeout, and setting the size has its own. It should be longer than the timeout
	// of the Prober. Defaults to Interval, but at least ten seconds.
	Timeout time.Duration

	// Limits say how much of a recommendation is carried out. Zero: all of it, within the
	// bounds. If the Scaler says that each order is a deployment, a zero Cooldown becomes
	// ten minutes. See [Redeployer].
	Limits limit.Limits

	// BootTime is how long a process takes from being ordered to serving. It counts until
	// the real time is learned from a platform that reports how many processes are
	// pending. Set it if your platform does not report that and the Prober measures
	// requests. Without it a boot is taken to last a minute, and each process's share of
	// the load is misjudged if it lasts longer or shorter. Zero: not known.
	BootTime time.Duration

	// Notifiers get the kinds of event in NotifyOn. A Subscriber names its own kinds.
	Notifiers []Notifier

	// NotifyOn is the kinds of event that notifiers get. Zero: DefaultKinds.
	// NoKinds: none.
	NotifyOn EventKind

	// RepeatAfter is how often notifiers are reminded of a condition that lasts. Zero:
	// DefaultRepeatAfter. Negative: never.
	RepeatAfter time.Duration

	// NotifyDiff is how far a size must move to be reported as DiffExceeded. Zero: it
	// is not reported.
	NotifyDiff Diff

	// Observe, if set, gets every event. It runs on the loop, so it must return soon. It
	// may call Status.
	Observe func(Event)

	// Elector says whether this process acts. Nil: it always does, which is right only
	// if a single copy runs.
	Elector Elector

	// Store keeps the state that a new leader needs. Nil: the Elector, if that is a
	// Store, or none. Set it if the Elector is wrapped in a type of your own that hides
	// its Store.
	Store Store

	// DryRun decides and reports, and never scales. An event of kind Scaled then says
	// what would have been ordered.
	DryRun bool

	// RecommendOnly publishes the size for another autoscaler that orders it, such as
	// KEDA or a HorizontalPodAutoscaler, and never calls Scale. [Explanation.Decision]
	// has that size. Package status serves it as size.json, and contrib/keda by KEDA's
	// own protocol. The orders of the other autoscaler are expected: the Autoscaler does
	// not yield to it, and a size of 0 is not a pause. If the size does not follow the
	// published one for ten minutes, [NotFollowed] is reported.
	//
	// It cannot be set together with DryRun.
	RecommendOnly bool

	// Logger gets every event. It is called on the loop. Nil: slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy with the zeros filled in.
func (c Config) withDefaults() Config {
	c.Name = cmp.Or(c.Name, DefaultName)
	if c.Decider == nil {
		c.Decider = ruleFor(c.Prober)
	}
	if !c.Min.set {
		c.Min = Fixed(DefaultMin)
	}
	if !c.Max.set {
		c.Max = Fixed(DefaultMax)
	}
	if redeploys(c.Scaler) {
		c.Limits.Up.Cooldown = cmp.Or(c.Limits.Up.Cooldown, redeployCooldown)
		c.Limits.Down.Cooldown = cmp.Or(c.Limits.Down.Cooldown, redeployCooldown)
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

// Validate reports everything that is wrong with c, in one error that wraps [ErrConfig].
// Each fault names its field and says what to do. Validate calls the Validate methods of
// the parts, and does no I/O of its own.
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
	add(validatePart("Store", c.Store, false))
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
	least := 0
	if c.Min.err == nil {
		least = c.Min.least()
	}
	add(c.Limits.Validate(c.Interval, least))
	if c.BootTime < 0 || c.BootTime > ledger.LongestBoot {
		bad("BootTime is %v: it must be from 0, for not known, to %v", c.BootTime, ledger.LongestBoot)
	}
	if unknown := c.NotifyOn &^ (AllKinds | NoKinds); unknown != 0 {
		bad("NotifyOn has the unknown bits %#x: it is a set of the kinds of event", uint32(unknown))
	}
	if c.NotifyOn.Has(NoKinds) && c.NotifyOn != NoKinds {
		bad("NotifyOn is NoKinds together with %v: it must be one or the other", c.NotifyOn&^NoKinds)
	}
	if d := c.NotifyDiff; d.Threshold < 0 || d.Period < 0 || (d.Threshold > 0) != (d.Period > 0) {
		bad("NotifyDiff is %s in %v: give both above 0, or neither", processes(d.Threshold), d.Period)
	}
	if c.DryRun && c.RecommendOnly {
		bad("DryRun and RecommendOnly are both set: neither orders anything; set RecommendOnly to publish the size for another autoscaler, or DryRun to only see what would be done")
	}
	if errs == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrConfig, errors.Join(errs...))
}

// Diff is how far a size must move to be reported as [DiffExceeded]: by more than
// Threshold processes within Period. A Threshold of 0 reports nothing.
type Diff struct {
	Threshold int
	Period    time.Duration
}

// DefaultRepeatAfter is how often a condition that lasts is notified again by default.
const DefaultRepeatAfter = time.Hour
