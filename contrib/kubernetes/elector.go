package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/leader"
)

var (
	_ autoscale.Elector      = (*Elector)(nil)
	_ autoscale.HistoryStore = (*Elector)(nil)
	_ autoscale.Store        = (*Elector)(nil)
	_ autoscale.Resigner     = (*Elector)(nil)
	_ autoscale.DefaultNamer = (*Elector)(nil)
)

// An Elector lets one of the processes that run the same autoscaler act, for as long as it
// can renew a Lease of coordination.k8s.io/v1. It is the [leader.Elector] that SQL and Redis
// have too, with another store, and so is an [autoscale.Elector], [autoscale.Store],
// [autoscale.HistoryStore], [autoscale.Resigner] and [autoscale.DefaultNamer]. Make one with
// [Client.Elector], for one Autoscaler. Its methods are safe for concurrent use.
//
// # Objects
//
// Each lease has three objects of one namespace. For the application "quiet-river" and the
// Autoscaler "web" they are:
//
//	Lease      autoscale-quiet-river.web             the leader, its term, and the last command
//	ConfigMap  autoscale-quiet-river.web             the state, up to 64 KiB
//	ConfigMap  autoscale-quiet-river.web--1fhistory  the history of the page, up to 48 KiB
//
// spec.leaseTransitions is the number of the term, spec.holderIdentity the process. In a
// name, characters that Kubernetes does not allow become "--" and two hexadecimal digits, so
// that no two leases share an object. Nothing is ever deleted.
//
// # Rights
//
// The least Role, with the names of the objects as resourceNames of the second rule of each:
//
//   - apiGroups: [coordination.k8s.io]
//     resources: [leases]
//     verbs: [create]
//   - apiGroups: [coordination.k8s.io]
//     resources: [leases]
//     resourceNames: [autoscale-quiet-river.web]
//     verbs: [get, patch, watch]
//   - apiGroups: [""]
//     resources: [configmaps]
//     verbs: [create]
//   - apiGroups: [""]
//     resources: [configmaps]
//     resourceNames: [autoscale-quiet-river.web, autoscale-quiet-river.web--1fhistory]
//     verbs: [get, patch]
//
// Without the verb watch, followers ask for the Lease instead. Without create, make the three
// objects, empty, beforehand.
//
// # Clocks
//
// Kubernetes has no clock that a condition of a write could use. No clock of a machine is
// compared with that of another, then. A process takes a lease from its holder only after it
// saw no renewal for the whole TTL, by its own monotonic clock. The holder trusts a renewal
// from before it asked for it, for the TTL less Margin. It is enough that no clock runs
// faster than another by more than Margin in TTL, one sixth by default. Skewed and stepped
// clocks do no harm. The times in the Lease are for people.
//
// Therefore processes that start when the old ones are all dead wait for one TTL first. A
// leader that ends in good order releases its lease, and the next one need not wait.
//
// TTL is rounded up to whole seconds for the others, because a Lease has no others.
// The age of a state is that of the header Date of the API server's answers, to about a
// second. With several API servers it is off by as much as their clocks.
//
// # Two objects, one fence
//
// Each write is a compare-and-swap on the resourceVersion of its object. A new leader first
// takes the Lease, then writes its term into the ConfigMap, and leads only after both. After
// that, a save of an earlier term is refused. The new leader's state includes every save
// before that.
//
// # Cost
//
// A leader patches the Lease once in Renew, ten seconds by default. That writes 600 bytes in
// etcd, and is an event of 1 KB of JSON for each process, which watches the Lease. A follower
// asks for nothing while the watch shows renewals, except for the state: one GET after each Save,
// when the next renewal has shown that there was one. Without the watch it makes one GET in
// Renew. A Save is one PATCH of four thirds of the state's size, and writes the state and 750
// bytes in etcd. It never writes the Lease, and a renewal never writes the state. All this
// was measured with kube-apiserver v1.35.
type Elector struct {
	*leader.Elector
	lease  *lease
	client *Client

	mu      sync.Mutex
	running bool
}

// errUnnamed is the error of an Elector whose lease others could share.
var errUnnamed = errors.New("kubernetes: the Elector has neither Options.App nor Options.Name: give App the name of the application, as that of its Deployment, because another application of the namespace may have an Autoscaler of the same name")

// Elector returns an Elector that keeps its lease in the Client's namespace. opts must have App
// or Name, unless the environment has the name of the application; see [leader.Options].
// Options.Dialect has no effect. Holder defaults to the name of the pod.
//
// Elector does no I/O. [Elector.Validate] and every call report what is wrong. Later changes of
// *opts have no effect.
func (c *Client) Elector(opts *leader.Options) *Elector {
	var o leader.Options
	if opts != nil {
		o = *opts
	}
	l := &lease{client: c, watched: make(chan string, 1), fault: c.electorFault(o)}
	e := &Elector{Elector: leader.New(l, &o), lease: l, client: c}
	ttl := cmp.Or(max(o.TTL, 0), leader.DefaultTTL)
	l.fresh = max(cmp.Or(o.Renew, ttl/3), time.Millisecond) * 3 / 2
	return e
}

func (c *Client) electorFault(o leader.Options) error {
	switch {
	case c == nil || c.source == nil:
		return errors.New("kubernetes: the Client was not made: use kubernetes.InCluster, FromKubeconfig or FromConfig")
	case o.Name == "" && o.App == "" && names.App(os.Getenv) == "":
		return errors.Join(errUnnamed, c.fault)
	}
	return c.fault
}

// Validate reports everything that is wrong with how e was made, and with the configuration of
// its Client, whose files it reads. It sends no request.
func (e *Elector) Validate() error {
	if e == nil || e.Elector == nil {
		return errors.New("kubernetes: the Elector was not made: use Client.Elector")
	}
	if err := e.Elector.Validate(); err != nil {
		return err
	}
	return e.client.Validate()
}

// Run campaigns, and renews what it won, until ctx ends; see [leader.Elector.Run]. Meanwhile it
// watches the Lease. A right that is missing, a namespace that does not exist and a
// configuration that cannot be read end Run if the API server never answered before.
// Other faults are tried again.
func (e *Elector) Run(ctx context.Context) error {
	if err := e.Validate(); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer stop()
	e.mu.Lock()
	if !e.running {
		e.running = true
		watch.Go(func() {
			defer func() {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.running = false
			}()
			e.lease.follow(watching)
		})
	}
	e.mu.Unlock()
	return e.Elector.Run(ctx)
}
