package kubernetes

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/guard"
)

// The defaults of [FleetOptions].
const (
	DefaultFleetName  = "autoscale-fleet"
	DefaultShards     = 64
	DefaultFleetTTL   = 30 * time.Second
	DefaultSaveEvery  = 10 * time.Minute
	DefaultStaleAfter = 3 * time.Minute
)

// FleetOptions are the settings of a [Fleet]. The zero value is ready to use.
type FleetOptions struct {
	// Name is the name of the fleet. Its leases and states are called after it. Workers of
	// the same Name share the targets, and must have the same Resource, Selector, Namespace
	// and Shards: while they differ, no shard is acquired, and [Fleet.Status] says so. So a
	// fleet of Deployments and one of StatefulSets need two names. Defaults to
	// DefaultFleetName.
	Name string

	// Resource is what is scaled: "deployments" or "statefulsets". Defaults to
	// "deployments".
	Resource string

	// Selector is the label selector of the targets, as kubectl takes it:
	// "autoscale=true,tier!=test". Empty: all of them.
	Selector string

	// Targets are the targets by namespace and name, such as "shop/web". Nil: all that the
	// Selector selects. Empty but not nil: none. The Selector must select them too. All
	// workers must have the same list. [Fleet.SetTargets] replaces it while the fleet runs.
	Targets []string

	// Namespace is where the targets are. Empty: in the namespace of the Client. The leases
	// are in the namespace of the Client.
	Namespace string

	// AllNamespaces has the targets of all namespaces. Namespace must be empty then.
	AllNamespaces bool

	// Worker is the name of this worker. It must be unique among those that run. Defaults
	// to the name of the pod, which is the host's name.
	Worker string

	// Shards is how many leases the targets are spread over. It should be some times the
	// number of workers, and must be the same in all of them. At most 1024. Defaults to
	// DefaultShards.
	Shards int

	// TTL is after how long the targets of a worker that died are taken over. Each lease
	// is renewed three times in it. At least 5 s. Defaults to DefaultFleetTTL.
	TTL time.Duration

	// SaveEvery is how often the state of a target is written, at least. It is also
	// written at once when an order, a condition or a command changes. Defaults to
	// DefaultSaveEvery.
	SaveEvery time.Duration

	// StaleAfter is how old what the watches have seen may be. A size that is older is an
	// error and no truth. The API server says something each minute. At least 2 minutes. Defaults
	// to DefaultStaleAfter.
	StaleAfter time.Duration

	// Spread is the time over which the first ticks of the targets are spread, and so all
	// ticks. It should be the Interval of the Configs. Defaults to
	// autoscale.DefaultInterval.
	Spread time.Duration

	// Logger gets what happens to the fleet as a whole, and targets that are left out. Nil:
	// slog.Default().
	Logger *slog.Logger
}

func (o FleetOptions) withDefaults() FleetOptions {
	o.Name = cmp.Or(o.Name, DefaultFleetName)
	o.Resource = cmp.Or(o.Resource, "deployments")
	if o.Worker == "" {
		o.Worker, _ = os.Hostname()
	}
	o.Shards = cmp.Or(o.Shards, DefaultShards)
	o.TTL = cmp.Or(o.TTL, DefaultFleetTTL)
	o.SaveEvery = cmp.Or(o.SaveEvery, DefaultSaveEvery)
	o.StaleAfter = cmp.Or(o.StaleAfter, DefaultStaleAfter)
	o.Spread = cmp.Or(o.Spread, autoscale.DefaultInterval)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

var validPart = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`)

func (o FleetOptions) fault() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(o.Name) > 50 || !validPart.MatchString(o.Name) {
		bad("FleetOptions.Name is %.60q: give at most 50 lower-case letters, digits and dashes", o.Name)
	}
	if len(o.Worker) > 150 || !validPart.MatchString(o.Worker) {
		bad("FleetOptions.Worker is %.160q: give at most 150 lower-case letters, digits, dots and dashes, such as the name of the pod", o.Worker)
	}
	if o.Resource != "deployments" && o.Resource != "statefulsets" {
		bad("FleetOptions.Resource is %.40q: it must be deployments or statefulsets", o.Resource)
	}
	if _, err := targetList(o.Targets); err != nil {
		bad("FleetOptions.Targets: %w", err)
	}
	if o.Namespace != "" && (o.AllNamespaces || !validNamespace.MatchString(o.Namespace)) {
		bad("FleetOptions.Namespace is %.80q: give the name of a namespace, or AllNamespaces without it", o.Namespace)
	}
	if o.Shards < 1 || o.Shards > 1024 {
		bad("FleetOptions.Shards is %d: it must be from 1 to 1024, or 0 for %d", o.Shards, DefaultShards)
	}
	if o.TTL < 5*time.Second || o.TTL > time.Hour {
		bad("FleetOptions.TTL is %v: it must be from 5s to 1h, or 0 for %v", o.TTL, DefaultFleetTTL)
	}
	if o.SaveEvery < time.Second {
		bad("FleetOptions.SaveEvery is %v: it must be 1s or more, or 0 for %v", o.SaveEvery, DefaultSaveEvery)
	}
	if o.StaleAfter < 2*time.Minute {
		bad("FleetOptions.StaleAfter is %v: it must be 2m or more, or 0 for %v", o.StaleAfter, DefaultStaleAfter)
	}
	if o.Spread < 0 {
		bad("FleetOptions.Spread is %v: it must be above 0, or 0 for %v", o.Spread, autoscale.DefaultInterval)
	}
	return errors.Join(faults...)
}

// A Fleet scales many Deployments or StatefulSets, up to some ten thousand, from a few
// worker processes. Make one with [Client.Fleet]. It is a status.Source, and what the
// collectors of Prometheus and OpenTelemetry take. It is safe for concurrent use.
//
// A target is scaled while the selector selects it. Targets that appear, change or vanish
// need no restart. The targets are divided into shards. Each shard has a Lease, and each
// worker holds its fair share of them. A worker that comes takes shards over within some
// TTLs. The shards of a worker that stops are taken over within a third of a TTL, and of
// one that dies within a TTL and a third.
//
// One watch of the targets and one of the HorizontalPodAutoscalers feed all Scalers: a tick
// of a target without an order sends no request. An order checks the Lease, and is given by
// compare-and-swap on the subresource scale.
//
// The state of a target is in a ConfigMap in its namespace, which Kubernetes deletes with
// the target. It is written when an order, a condition or a command changes, and every
// SaveEvery. So a successor knows orders, cooldowns and what was reported. It may lack what
// was measured in the last SaveEvery: a stabilization window begins again.
//
// The history of a target is written there too, every SaveEvery. A worker that dies or stops
// loses what came after that.
//
// The folders deploy/fleet/namespace and deploy/fleet/cluster have the rights that the
// workers need.
type Fleet struct {
	client *Client
	config func(Target) (autoscale.Config, error)
	opts   FleetOptions
	bad    error

	group   autoscale.Group
	targets *fleetCache[*fleetWorkload]
	rivals  *rivals
	leases  *leases

	list atomic.Pointer[map[string]bool] // see targetList. It is never a nil pointer

	running sync.Mutex
	orders  chan struct{} // holds a token for each order that is being sent
	saves   chan struct{} // holds a token for each save that is being sent
	dirty   chan struct{} // holds a token if the members must be looked at again
	vacant  chan struct{} // holds a token if a shard may have been left by its members
	reads   chan struct{} // holds a token for each shard whose states are being read

	preparing sync.WaitGroup // shards that were acquired and are not ready

	mu      sync.Mutex
	held    map[int]*term
	members map[string]*fleetMember
	workers []string
	last    error // of the leases
	unread  error // why the states of a shard could not be read, since the last round
}

// Fleet returns a fleet of the targets that opts selects. config returns the Config of one
// target: its Prober, its rule and its limits. The fleet sets Name, Scaler, Elector and
// Store, which config leaves out. Min and Max are those of the annotations [AnnotationMin]
// and [AnnotationMax] if config leaves them out. If config returns an error or a Config that
// is bad, or an annotation is bad, that target alone is left out, until its labels or
// annotations change; [Fleet.Status] and the log say why. config is called again when
// they change, and when a shard moves. It may be called by several goroutines at once. It must
// return soon, and so must not ask anybody: the worker starts and stops no other target
// meanwhile.
//
// If opts is nil, the default options are used. Fleet does no I/O and never fails: Validate
// and Run report what is wrong. A few hundred targets need no more than the default QPS of
// the Client. Ten thousand on three workers need a [Options.QPS] of 100: an order waits for
// room, and counts as put off by a busy platform if there is none. Leases are renewed outside
// that budget.
func (c *Client) Fleet(config func(Target) (autoscale.Config, error), opts *FleetOptions) *Fleet {
	var o FleetOptions
	if opts != nil {
		o = *opts
	}
	o = o.withDefaults()
	f := &Fleet{
		client: c, config: config, opts: o, bad: o.fault(),
		orders: make(chan struct{}, c.ordersAtOnce()), saves: make(chan struct{}, c.ordersAtOnce()),
		dirty: make(chan struct{}, 1), vacant: make(chan struct{}, 1), reads: make(chan struct{}, 8),
		held: make(map[int]*term), members: make(map[string]*fleetMember),
	}
	if config == nil {
		f.bad = errors.Join(f.bad, errors.New("the function that makes the Config of a target is nil: it is required"))
	}
	listed, _ := targetList(o.Targets)
	f.list.Store(&listed)
	f.leases = &leases{client: c.apart(o.leaseQPS()), name: o.Name, worker: o.Worker, shards: o.Shards, ttl: o.TTL, seen: make(map[string]*seen)}
	list := f.call("list the targets", o.Resource)
	list.api = "apps/v1"
	if o.Selector != "" {
		list.query = url.Values{"labelSelector": {o.Selector}}
	}
	f.targets = &fleetCache[*fleetWorkload]{
		client: c, call: list, log: o.Logger, stale: o.StaleAfter,
		make: func() *fleetWorkload { return new(fleetWorkload) }, change: f.changed,
	}
	list = f.call("list the autoscalers of Kubernetes", "horizontalpodautoscalers")
	list.api = "autoscaling/v2"
	f.rivals = &rivals{stale: true}
	f.rivals.cache = &fleetCache[*fleetHPA]{
		client: c, call: list, log: o.Logger, stale: o.StaleAfter,
		make: func() *fleetHPA { return new(fleetHPA) }, change: f.rivals.changed,
	}
	return f
}

// leaseQPS is twice what it takes to renew all leases three times in a TTL, and at least
// DefaultQPS.
func (o FleetOptions) leaseQPS() float64 {
	return max(DefaultQPS, 2*float64(o.Shards+3)*3/o.TTL.Seconds())
}

// ordersAtOnce is how many orders of a fleet may wait for room at once, and how many saves: the
// orders that the budget of a second has room for.
func (c *Client) ordersAtOnce() int { return max(1, int(min(c.opts.QPS, 1e6))/requestsOfOrder) }

// requestsOfOrder is how many requests an order makes, with the state that is saved after it.
const requestsOfOrder = 4

// apart returns a Client of the same cluster with connections and a budget of its own. The
// leases use one: however many orders wait for room, they are renewed in time.
func (c *Client) apart(qps float64) *Client {
	other := newClient(nil, c.source)
	other.opts, other.fault, other.hidden = c.opts, c.fault, c.hidden
	other.opts.QPS, other.opts.Burst = qps, max(DefaultBurst, int(2*qps))
	other.limiter = rate.NewLimiter(rate.Limit(other.opts.QPS), other.opts.Burst)
	return other
}

// call returns a call in the namespaces of the targets.
func (f *Fleet) call(op, resource string) call {
	return call{op: op, subject: resource, api: "v1", resource: resource, namespace: f.opts.Namespace, everywhere: f.opts.AllNamespaces}
}

// scope stands for what the fleet selects. Workers with different ones do not share targets.
func (f *Fleet) scope() string {
	namespace := cmp.Or(f.opts.Namespace, f.client.Namespace())
	if f.opts.AllNamespaces {
		namespace = ""
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{f.opts.Resource, namespace, f.opts.Selector}, "\x1f")))
	return hex.EncodeToString(sum[:8])
}

func (f *Fleet) kind() string {
	if f.opts.Resource == "statefulsets" {
		return "StatefulSet"
	}
	return "Deployment"
}

// Validate reports everything that is wrong with the options and the Client. It sends no
// request. The error wraps [autoscale.ErrConfig].
func (f *Fleet) Validate() error {
	if err := errors.Join(f.bad, f.client.Validate()); err != nil {
		return fmt.Errorf("%w: kubernetes: fleet: %w", autoscale.ErrConfig, err)
	}
	return nil
}

// Run scales the targets of the shards that this worker holds, until ctx ends. It then stops
// them, releases its leases, which may take some seconds, and returns nil. It tries again
// whatever fails. If Validate fails, Run logs the error, and returns it when ctx ends. If
// another Run is under way, Run returns an error that wraps [autoscale.ErrRunning] at once.
func (f *Fleet) Run(ctx context.Context) error {
	if err := f.Validate(); err != nil {
		f.opts.Logger.ErrorContext(ctx, err.Error()+"; nothing is scaled until it is restarted")
		<-ctx.Done()
		return err
	}
	if !f.running.TryLock() {
		return fmt.Errorf("kubernetes: run a Fleet twice: %w", autoscale.ErrRunning)
	}
	defer f.running.Unlock()
	// The leases are renewed until the last member has ended.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	f.leases.scope = f.scope()
	var background, members sync.WaitGroup
	background.Go(func() { f.targets.run(work) })
	background.Go(func() { f.rivals.cache.run(work) })
	renewing, stopRenewing := context.WithCancel(work)
	defer stopRenewing()
	var leading sync.WaitGroup
	leading.Go(func() { f.lead(ctx, renewing) })
	members.Go(func() { f.follow(ctx) })
	err := f.group.Run(ctx)
	members.Wait()
	stopRenewing()
	leading.Wait()
	f.leaveAll(work)
	stop()
	background.Wait()
	f.leases.client.CloseIdleConnections()
	return err
}

// Members returns the Autoscalers of the targets that this worker scales.
func (f *Fleet) Members() []*autoscale.Autoscaler { return f.group.Members() }

// Lookup returns the Autoscaler of a target, by its [Target.String]. It returns false if
// another worker scales it, or none.
func (f *Fleet) Lookup(name string) (*autoscale.Autoscaler, bool) { return f.group.Lookup(name) }

// A FleetStatus is what a [Fleet] knows at one moment.
type FleetStatus struct {
	Worker  string
	Workers []string // those that live, by name
	Shards  []int    // that this worker holds
	Targets int      // that the selector selects, and the list has if there is one
	Members int      // of these, those that this worker scales
	Faults  []FleetFault
	Err     error // why the leases cannot be renewed or acquired. Nil: they can
}

// A FleetFault is why a target of this worker is not scaled.
type FleetFault struct {
	Target string
	Err    error
}

// maxFleetFaults bounds the faults of a [FleetStatus].
const maxFleetFaults = 100

// Status returns a snapshot. It does no I/O. It has at most 100 faults.
func (f *Fleet) Status() FleetStatus {
	targets, _ := f.selected()
	s := FleetStatus{Worker: f.opts.Worker, Targets: len(targets), Members: len(f.group.Members())}
	f.mu.Lock()
	defer f.mu.Unlock()
	s.Workers, s.Err = f.workers, f.last
	for shard := range f.held {
		s.Shards = append(s.Shards, shard)
	}
	for key, m := range f.members {
		if m.err != nil && len(s.Faults) < maxFleetFaults {
			s.Faults = append(s.Faults, FleetFault{key, m.err})
		}
	}
	for _, key := range f.missing(targets) {
		if len(s.Faults) < maxFleetFaults {
			s.Faults = append(s.Faults, FleetFault{key, errNoTarget})
		}
	}
	return s.sorted()
}

// Format writes the name of the fleet and of the worker, for every verb.
func (f *Fleet) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "kubernetes.Fleet(%s, worker %s)", f.opts.Name, f.opts.Worker)
}

// configure returns the whole Config of a target.
func (f *Fleet) configure(t Target, s *fleetScaler, seat *seat) (cfg autoscale.Config, err error) {
	low, high, err := t.bounds()
	if err != nil {
		return cfg, err
	}
	if err := guard.Do(func() (err error) { cfg, err = f.config(t); return err }); err != nil {
		return cfg, err
	}
	if cfg.Name != "" || cfg.Scaler != nil || cfg.Elector != nil || cfg.Store != nil {
		return cfg, errors.New("its Config has a Name, a Scaler, an Elector or a Store: leave them out, because the fleet sets them")
	}
	if isZero(cfg.Min) && low != nil {
		cfg.Min = autoscale.Fixed(*low)
	}
	if isZero(cfg.Max) && high != nil {
		cfg.Max = autoscale.Fixed(*high)
	}
	cfg.Name, cfg.Scaler, cfg.Elector, cfg.Store = t.String(), s, seat, seat
	return cfg, nil
}
