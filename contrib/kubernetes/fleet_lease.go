package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

const (
	leaseGroup = "coordination.k8s.io/v1"

	// fleetTime is how Kubernetes writes a MicroTime.
	fleetTime = "2006-01-02T15:04:05.000000Z07:00"
)

// The labels of the objects of a fleet.
const (
	labelFleet  = "autoscalebot.github.io/fleet"  // its name
	labelRole   = "autoscalebot.github.io/role"   // of a Lease: worker or shard
	labelShard  = "autoscalebot.github.io/shard"  // of a Lease: the number of the shard
	labelShards = "autoscalebot.github.io/shards" // of a Lease: how many shards its worker has
	labelScope  = "autoscalebot.github.io/scope"  // of a Lease: see Fleet.scope
	labelBucket = "autoscalebot.github.io/bucket" // of a state: see buckets
)

// A fleetLease is a Lease of coordination.k8s.io/v1.
type fleetLease struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name            string            `json:"name"`
		UID             string            `json:"uid,omitempty"`
		ResourceVersion string            `json:"resourceVersion,omitempty"`
		Labels          map[string]string `json:"labels,omitempty"`
	} `json:"metadata"`
	Spec struct {
		Holder      string `json:"holderIdentity"`
		Seconds     int    `json:"leaseDurationSeconds,omitempty"`
		Acquired    string `json:"acquireTime,omitempty"`
		Renewed     string `json:"renewTime,omitempty"`
		Transitions int64  `json:"leaseTransitions"`
	} `json:"spec"`
}

// A seen is a Lease as it was last read, and since when it has not changed, by our clock. The
// clocks of the workers are not compared.
type seen struct {
	lease fleetLease
	since time.Time
}

// free reports whether nobody holds the lease any more.
func (s *seen) free(now time.Time) bool {
	return s.lease.Spec.Holder == "" || now.Sub(s.since) > time.Duration(s.lease.Spec.Seconds)*time.Second
}

// A term is the time for which this worker holds a shard.
type term struct {
	shard  int
	number int64
	holder string

	writing chan struct{} // holds a token while the lease is written

	mu    sync.Mutex
	lease fleetLease
	until time.Time // by our clock
	over  bool

	// Fleet.mu guards these.
	states  map[string]*targetState // by target, of those that were read or are new
	ready   bool                    // states has what was saved, and members may start
	leaving bool                    // members stop, and then the lease is released
}

// current returns the term as an Elector does. It returns false once the term can no longer
// be trusted.
func (t *term) current() (autoscale.Term, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over || !time.Now().Before(t.until) {
		return autoscale.Term{}, false
	}
	return autoscale.Term{Holder: t.holder, Number: t.number, Until: t.until}, true
}

// write waits until nobody else writes the lease, and returns it. The caller calls done after it
// has written it.
func (t *term) write(ctx context.Context) (lease fleetLease, done func(), err error) {
	select {
	case t.writing <- struct{}{}:
	case <-ctx.Done():
		return lease, nil, ended(ctx, nil)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lease, func() { <-t.writing }, nil
}

// ends returns when the term ends, unless it is renewed.
func (t *term) ends() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until
}

// end ends the term for good.
func (t *term) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
}

// leases are the leases of a fleet. One goroutine at a time uses it, but renew, which
// several may call for different terms.
type leases struct {
	client *Client
	name   string // of the fleet
	worker string // who we are
	shards int
	scope  string
	ttl    time.Duration
	seen   map[string]*seen // by the name of the Lease
	heard  time.Time        // when seen was last read. Zero: never
}

// trusted is for how long a lease is trusted after the request that renewed it began. The
// rest is for what the clocks of two machines may drift apart.
func (l *leases) trusted() time.Duration { return l.ttl - l.ttl/5 }

func (l *leases) workerName(worker string) string { return fleetObject(l.name, "worker", worker) }
func (l *leases) shardName(shard int) string {
	return fleetObject(l.name, "shard", fmt.Sprintf("%03d", shard))
}

// fleetObject returns the name of an object of a fleet. No two objects have the same one, nor
// has one of an [Elector]: the name of its lease is printable.
func fleetObject(fleet string, path ...string) string {
	return objectName("fleet\x1f" + fleet + "/" + strings.Join(path, "/"))
}

func (l *leases) call(op, method, name string) call {
	return call{op: op, subject: "leases/" + name, method: method, api: leaseGroup, resource: "leases", name: name, once: true}
}

// read reads all leases of the fleet.
func (l *leases) read(ctx context.Context) error {
	k := l.call("read the leases of the fleet", "", "")
	k.subject = "leases of " + l.name
	k.query = url.Values{"labelSelector": {labelFleet + "=" + l.name}}
	var list struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
		Items []fleetLease `json:"items"`
	}
	if err := l.client.do(ctx, k, nil, &list); err != nil {
		return err
	}
	if list.Metadata.ResourceVersion == "" {
		return fmt.Errorf("kubernetes: %s: the answer is not a list of leases", k.op)
	}
	now := time.Now()
	there := make(map[string]bool)
	for _, lease := range list.Items {
		there[lease.Metadata.Name] = true
		l.see(lease, now)
	}
	for name := range l.seen {
		if !there[name] {
			delete(l.seen, name)
		}
	}
	l.heard = now
	return nil
}

// see takes a Lease that was read.
func (l *leases) see(lease fleetLease, now time.Time) {
	old := l.seen[lease.Metadata.Name]
	if old == nil || old.lease.Metadata.ResourceVersion != lease.Metadata.ResourceVersion {
		l.seen[lease.Metadata.Name] = &seen{lease, now}
	}
}

// workers returns the workers that live, this one included. The error is about one that lives,
// or still holds a shard, and differs from this one.
func (l *leases) workers(now time.Time) (live []string, differs error) {
	live = []string{l.worker}
	for name, s := range l.seen {
		if s.free(now) || name == l.workerName(l.worker) {
			continue
		}
		differs = cmp.Or(l.differs(&s.lease), differs)
		if s.lease.Metadata.Labels[labelRole] == "worker" {
			live = append(live, s.lease.Spec.Holder)
		}
	}
	return sorted(live), differs
}

// differs returns an error if the worker that wrote a Lease does not divide the same targets into
// the same shards: a target may be in a shard of each, or in none.
func (l *leases) differs(lease *fleetLease) error {
	switch labels := lease.Metadata.Labels; {
	case labels[labelScope] != l.scope:
		return fmt.Errorf("kubernetes: the worker %.80s of the fleet %s selects other targets than this one: no shard is acquired until all workers have the same Resource, Selector and Namespace. Give two fleets different names", lease.Spec.Holder, l.name)
	case labels[labelShards] != strconv.Itoa(l.shards):
		return fmt.Errorf("kubernetes: this worker has %d shards, and the worker %.80s has %.20s: no shard is acquired until all workers have the same number", l.shards, lease.Spec.Holder, labels[labelShards])
	}
	return nil
}

// present renews the lease that says that this worker lives and takes its share. Others take
// that share once it fails for a TTL, and so does a worker that cannot see which shards are
// free: that one is not presented.
func (l *leases) present(ctx context.Context) error {
	if time.Since(l.heard) > l.ttl {
		return errors.New("kubernetes: renew the lease of the worker: the leases of the fleet could not be read recently, so others may take the share of this worker")
	}
	name := l.workerName(l.worker)
	lease := l.made(name, "worker")
	if old := l.seen[name]; old != nil {
		// Another fleet of this process, or this worker before it was killed.
		if err := l.differs(&old.lease); err != nil && !old.free(time.Now()) {
			return err
		}
		lease.Metadata.ResourceVersion = old.lease.Metadata.ResourceVersion
	}
	err := l.write(ctx, "renew the lease of the worker", &lease)
	if code := answered(err); code == http.StatusConflict || code == http.StatusNotFound {
		// The answer to an earlier renewal was lost, or somebody deleted the Lease.
		var there fleetLease
		if err := l.client.do(ctx, l.call("read the lease of the worker", "", name), nil, &there); err != nil && answered(err) != http.StatusNotFound {
			return err
		} else if err == nil && l.differs(&there) != nil {
			return l.differs(&there)
		}
		lease.Metadata.ResourceVersion, lease.Metadata.UID = there.Metadata.ResourceVersion, there.Metadata.UID
		err = l.write(ctx, "renew the lease of the worker", &lease)
	}
	if err == nil {
		l.see(lease, time.Now())
	}
	return err
}

// forgotten is after how many TTLs without a change the lease of a worker is deleted.
const forgotten = 10

// bury deletes the leases of workers that were killed long ago.
func (l *leases) bury(ctx context.Context, now time.Time) error {
	for name, s := range l.seen {
		age := forgotten * max(l.ttl, time.Duration(s.lease.Spec.Seconds)*time.Second)
		if s.lease.Metadata.Labels[labelRole] != "worker" || name == l.workerName(l.worker) || now.Sub(s.since) < age {
			continue
		}
		// A worker of the same name may come at this moment.
		err := l.client.do(ctx, l.call("delete the lease of a worker that is gone", http.MethodDelete, name), map[string]any{
			"apiVersion": "v1", "kind": "DeleteOptions",
			"preconditions": map[string]string{"uid": s.lease.Metadata.UID, "resourceVersion": s.lease.Metadata.ResourceVersion},
		}, nil)
		if code := answered(err); err != nil && code != http.StatusConflict && code != http.StatusNotFound {
			return err
		}
	}
	return nil
}

func (l *leases) made(name, role string) fleetLease {
	lease := fleetLease{APIVersion: leaseGroup, Kind: "Lease"}
	lease.Metadata.Name = name
	lease.Metadata.Labels = map[string]string{labelFleet: l.name, labelRole: role, labelShards: strconv.Itoa(l.shards), labelScope: l.scope}
	now := time.Now().UTC().Format(fleetTime)
	lease.Spec.Holder, lease.Spec.Seconds = l.worker, int((l.ttl+time.Second-1)/time.Second)
	lease.Spec.Acquired, lease.Spec.Renewed = now, now
	return lease
}

// write creates or replaces a Lease, if it is as it was read, and takes the answer into it.
func (l *leases) write(ctx context.Context, op string, lease *fleetLease) error {
	name, method := lease.Metadata.Name, http.MethodPut
	k := l.call(op, method, name)
	if lease.Metadata.ResourceVersion == "" {
		k.method, k.name = http.MethodPost, ""
	}
	var answer fleetLease
	if err := l.client.do(ctx, k, lease, &answer); err != nil {
		return err
	}
	if answer.Metadata.ResourceVersion == "" {
		return fmt.Errorf("kubernetes: %s: %s: the answer is not a Lease", op, name)
	}
	lease.Metadata.ResourceVersion, lease.Metadata.UID = answer.Metadata.ResourceVersion, answer.Metadata.UID
	return nil
}

// acquire takes a shard that is free. The error is a conflict if another worker was quicker.
func (l *leases) acquire(ctx context.Context, shard int) (*term, error) {
	name, began := l.shardName(shard), time.Now()
	lease := l.made(name, "shard")
	lease.Metadata.Labels[labelShard] = strconv.Itoa(shard)
	lease.Spec.Transitions = 1
	if old := l.seen[name]; old != nil {
		lease.Metadata.ResourceVersion = old.lease.Metadata.ResourceVersion
		lease.Spec.Transitions = old.lease.Spec.Transitions + 1
	}
	if err := l.write(ctx, "acquire a shard", &lease); err != nil {
		return nil, err
	}
	return &term{
		shard: shard, number: lease.Spec.Transitions, holder: l.worker, lease: lease, writing: make(chan struct{}, 1),
		until: began.Add(l.trusted()),
	}, nil
}

// lift gives a term, which no member uses yet, a number above that of an earlier one. A state that
// was saved in a shard of another number, or before somebody deleted the Lease, may be of a
// term that is later than this one by its number.
func (l *leases) lift(ctx context.Context, t *term, above int64) error {
	lease, done, err := t.write(ctx)
	if err != nil {
		return err
	}
	defer done()
	if _, ok := t.current(); !ok {
		return autoscale.ErrNotLeader // it was released or lost in the meantime
	}
	if lease.Spec.Transitions > above {
		return nil
	}
	if above >= math.MaxInt32 {
		return fmt.Errorf("kubernetes: a state of shard %d is of term %d, and spec.leaseTransitions holds no more: delete the ConfigMaps of the fleet", t.shard, above)
	}
	ctx, cancel := context.WithTimeout(ctx, l.ttl/3) // nobody renews it in the meantime
	defer cancel()
	began := time.Now()
	lease.Spec.Transitions = above + 1
	if err := l.write(ctx, "lift the term of a shard", &lease); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lease, t.number, t.until = lease, lease.Spec.Transitions, began.Add(l.trusted())
	return nil
}

// renew renews a term. It ends the term if another worker has the lease.
func (l *leases) renew(ctx context.Context, t *term) error {
	lease, done, err := t.write(ctx)
	if err != nil {
		return err
	}
	defer done()
	began := time.Now()
	lease.Spec.Renewed = began.UTC().Format(fleetTime)
	err = l.write(ctx, "renew a shard", &lease)
	if code := answered(err); code == http.StatusConflict || code == http.StatusNotFound {
		// The answer to an earlier renewal may have been lost, after it was carried out.
		if now, lost := l.mine(ctx, l.client, t); lost == nil {
			lease.Metadata.ResourceVersion = now.Metadata.ResourceVersion
			err = l.write(ctx, "renew a shard", &lease)
		} else if errors.Is(lost, autoscale.ErrNotLeader) || answered(lost) == http.StatusNotFound {
			t.end()
		}
	}
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lease, t.until = lease, began.Add(l.trusted())
	return nil
}

// mine asks the API server whether this worker still holds t. It is the fence before an
// order.
func (l *leases) mine(ctx context.Context, client *Client, t *term) (fleetLease, error) {
	name := l.shardName(t.shard)
	var lease fleetLease
	if err := client.do(ctx, l.call("check the lease of a shard", "", name), nil, &lease); err != nil {
		return lease, err
	}
	if lease.Spec.Holder != t.holder || lease.Spec.Transitions != t.number {
		return lease, autoscale.ErrNotLeader
	}
	return lease, nil
}

// release gives a term up, so that another worker need not wait until it expires.
func (l *leases) release(ctx context.Context, t *term) error {
	t.end()
	lease, done, err := t.write(ctx)
	if err != nil {
		return err
	}
	defer done()
	lease.Spec.Holder, lease.Spec.Seconds = "", 1
	for range tries {
		if err = l.write(ctx, "release a shard", &lease); err == nil || ctx.Err() != nil {
			return err
		}
		if answered(err) != http.StatusConflict {
			continue
		}
		// The answer to an earlier renewal, to a lift, or to this one, was lost.
		there, lost := l.mine(ctx, l.client, t)
		if errors.Is(lost, autoscale.ErrNotLeader) && there.Spec.Holder != t.holder {
			return nil
		}
		if lost == nil || errors.Is(lost, autoscale.ErrNotLeader) {
			lease.Metadata.ResourceVersion, lease.Spec.Transitions = there.Metadata.ResourceVersion, there.Spec.Transitions
		}
	}
	return err
}

// leave deletes the lease that says that this worker lives.
func (l *leases) leave(ctx context.Context) error {
	return l.client.do(ctx, l.call("leave the fleet", http.MethodDelete, l.workerName(l.worker)), nil, nil)
}
