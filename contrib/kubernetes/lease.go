package kubernetes

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/leader"
)

const (
	leaseAPI = "coordination.k8s.io/v1"

	// rounds is how often a write is tried that others overtook.
	rounds = 5
)

// A lease keeps the lease of package leader in a Lease and a ConfigMap of one name. Calls
// come one at a time.
type lease struct {
	client *Client
	fresh  time.Duration // how long what the watch showed may be used
	fault  error         // what is wrong with how it was made
	clock  serverClock

	own    *leaseObject // as this process wrote it last; nil: it did not
	record *record      // as it was read or written last; nil: not known

	watched chan string // gets the name of the lease once

	mu      sync.Mutex // guards the fields below
	shown   *leaseObject
	shownAt time.Time
}

func (l *lease) Validate() error { return l.fault }

// Store identifies the client.
func (l *lease) Store() any { return l.client }

func (l *lease) Read(ctx context.Context, name string, seen int64) (leader.Row, error) {
	if isHistory(name) {
		return l.readHistory(ctx, name)
	}
	select {
	case l.watched <- name:
	default:
	}
	o := l.lookAt(name)
	if o == nil {
		var err error
		if o, err = l.get(ctx, name); err != nil || o == nil {
			return leader.Row{}, err
		}
	}
	if l.record == nil || l.record.version < o.savedVersion() {
		if err := l.readRecord(ctx, name); err != nil {
			return leader.Row{}, err
		}
	}
	return l.row(o, seen)
}

// row returns the row of a Lease with the state as it is known, unless its version is seen.
func (l *lease) row(o *leaseObject, seen int64) (leader.Row, error) {
	row, err := o.row()
	if l.record == nil || l.record.version == 0 || err != nil {
		return row, err
	}
	row.Version = l.record.version
	row.Age = max(0, l.clock.now().Sub(l.record.saved))
	if row.Version != seen {
		row.State = append([]byte{}, l.record.state...)
	}
	return row, nil
}

func (l *lease) Acquire(ctx context.Context, c leader.Claim, last leader.Row, stale bool) (leader.Row, bool, error) {
	for range rounds {
		o, err := l.get(ctx, c.Name)
		if err != nil {
			return leader.Row{}, false, err
		}
		if o == nil {
			o = &leaseObject{}
		}
		unrenewed := stale && o.holder() == last.Holder && o.term() == last.Term && o.renewal() == last.Renewal
		if h := o.holder(); h != "" && h != c.Holder && !unrenewed {
			return leader.Row{}, false, nil
		}
		// The state may be of a later term than the Lease, if that was deleted.
		if err := l.readRecord(ctx, c.Name); err != nil {
			return leader.Row{}, false, err
		}
		c.Term = max(o.term(), c.Term, l.record.term) + 1
		if c.Term > math.MaxInt32 {
			return leader.Row{}, false, leader.Permanent(fmt.Errorf("the Lease %q had %d terms, and spec.leaseTransitions holds no more: delete it and its ConfigMap", objectName(c.Name), c.Term-1))
		}
		won, err := l.take(ctx, c, o)
		if err != nil || !won {
			if err != nil {
				return leader.Row{}, false, err
			}
			continue
		}
		sealed, err := l.seal(ctx, c)
		if err != nil || !sealed {
			return leader.Row{}, false, err
		}
		row, err := l.row(l.own, last.Version)
		return row, err == nil, err
	}
	return leader.Row{}, false, nil // others are quicker
}

// take makes c.Holder the holder of a Lease that nobody has changed since.
func (l *lease) take(ctx context.Context, c leader.Claim, o *leaseObject) (bool, error) {
	term, now := int32(c.Term), l.nextRenewal(o)
	patch := leaseObject{
		Metadata: objectMeta{ResourceVersion: o.Metadata.ResourceVersion, Annotations: map[string]string{nameAnnotation: c.Name}},
		Spec:     leaseSpec{HolderIdentity: &c.Holder, LeaseDurationSeconds: seconds(c.TTL), AcquireTime: now, RenewTime: now, LeaseTransitions: &term},
	}
	l.point(&patch, o)
	if o.Metadata.ResourceVersion == "" {
		return l.createLease(ctx, c.Name, "acquire the lease", patch)
	}
	return l.patchLease(ctx, c.Name, "acquire the lease", patch)
}

func (l *lease) Renew(ctx context.Context, c leader.Claim, seen int64) (leader.Row, bool, error) {
	o := l.own // if that is old, the patch is refused, and the Lease read
	for range rounds {
		if o == nil {
			var err error
			if o, err = l.get(ctx, c.Name); err != nil {
				return leader.Row{}, false, err
			}
		}
		if o == nil || o.holder() != c.Holder || o.term() != c.Term {
			return leader.Row{}, false, nil
		}
		if l.record == nil { // the outcome of a Save is not known
			if err := l.readRecord(ctx, c.Name); err != nil {
				return leader.Row{}, false, err
			}
		}
		patch := leaseObject{
			Metadata: objectMeta{ResourceVersion: o.Metadata.ResourceVersion},
			Spec:     leaseSpec{LeaseDurationSeconds: seconds(c.TTL), RenewTime: l.nextRenewal(o)},
		}
		l.point(&patch, o)
		done, err := l.patchLease(ctx, c.Name, "renew the lease", patch)
		if err != nil {
			return leader.Row{}, false, err
		}
		if done {
			row, err := l.row(l.own, seen)
			return row, err == nil, err
		}
		o = nil // somebody gave a command, or took the lease
	}
	return leader.Row{}, false, fmt.Errorf("renew the Lease %q: others changed it %d times meanwhile", objectName(c.Name), rounds)
}

func (l *lease) Release(ctx context.Context, c leader.Claim) error {
	nobody, one := "", int32(1)
	for range rounds {
		o, err := l.get(ctx, c.Name)
		if err != nil {
			return err
		}
		if o == nil || o.holder() != c.Holder || o.term() != c.Term {
			return nil
		}
		patch := leaseObject{
			Metadata: objectMeta{ResourceVersion: o.Metadata.ResourceVersion},
			Spec:     leaseSpec{HolderIdentity: &nobody, LeaseDurationSeconds: &one, RenewTime: l.nextRenewal(o)},
		}
		l.point(&patch, o)
		done, err := l.patchLease(ctx, c.Name, "release the lease", patch)
		if err != nil || done {
			return err
		}
	}
	return fmt.Errorf("release the Lease %q: others changed it %d times meanwhile", objectName(c.Name), rounds)
}

func (l *lease) Command(ctx context.Context, name string, command []byte) error {
	if isHistory(name) {
		return l.saveHistory(ctx, name, command)
	}
	// Without a resourceVersion, the API server itself merges the annotation with what
	// others write at the same time.
	patch := leaseObject{Metadata: objectMeta{Annotations: map[string]string{commandAnnotation: base64.StdEncoding.EncodeToString(command)}}}
	for range rounds {
		done, err := l.patchLease(ctx, name, "give a command", patch)
		if err != nil || done {
			return err
		}
		created := patch
		created.Metadata.Annotations = map[string]string{nameAnnotation: name, commandAnnotation: patch.Metadata.Annotations[commandAnnotation]}
		if done, err = l.createLease(ctx, name, "give a command", created); err != nil || done {
			return err
		}
	}
	return fmt.Errorf("give a command to the Lease %q: it was deleted and made again %d times meanwhile", objectName(name), rounds)
}

// point makes a patch show the followers which version the state has, if that is news.
func (l *lease) point(patch, o *leaseObject) {
	if l.record == nil || l.record.version == o.savedVersion() {
		return
	}
	if patch.Metadata.Annotations == nil {
		patch.Metadata.Annotations = map[string]string{}
	}
	patch.Metadata.Annotations[versionAnnotation] = strconv.FormatInt(l.record.version, 10)
}

// nextRenewal returns the present time, which differs from that of the last renewal.
func (l *lease) nextRenewal(o *leaseObject) string {
	now := l.clock.now()
	if now.UnixMicro() == o.renewal() {
		now = now.Add(time.Microsecond)
	}
	return now.UTC().Format(microTime)
}

// seconds returns the whole seconds of a duration, rounded up: a Lease has no others.
func seconds(d time.Duration) *int32 {
	n := int32(min((d+time.Second-1)/time.Second, math.MaxInt32))
	return &n
}

// get returns the Lease, or nil if there is none.
func (l *lease) get(ctx context.Context, name string) (*leaseObject, error) {
	var o leaseObject
	err := l.do(ctx, call{op: "read the lease", api: leaseAPI, resource: "leases", name: objectName(name), once: true}, nil, &o)
	if statusOf(err) == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &o, o.check(name)
}

// createLease creates the Lease. It returns false if there is one already.
func (l *lease) createLease(ctx context.Context, name, op string, o leaseObject) (bool, error) {
	o.APIVersion, o.Kind, o.Metadata.Name, o.Metadata.Labels = leaseAPI, "Lease", objectName(name), ours()
	return l.write(ctx, name, call{op: op, method: http.MethodPost, api: leaseAPI, resource: "leases"}, o)
}

// patchLease patches the Lease. It returns false if it is not there, or has another
// resourceVersion.
func (l *lease) patchLease(ctx context.Context, name, op string, patch leaseObject) (bool, error) {
	return l.write(ctx, name, call{op: op, method: http.MethodPatch, api: leaseAPI, resource: "leases", name: objectName(name), contentType: mergePatch, once: true}, patch)
}

func (l *lease) write(ctx context.Context, name string, k call, in leaseObject) (bool, error) {
	var o leaseObject
	switch err := l.do(ctx, k, in, &o); {
	case overtaken(k, err):
		return false, nil
	case err != nil:
		return false, err
	}
	if err := o.check(name); err != nil {
		return false, err
	}
	l.own = &o
	return true, nil
}

// overtaken reports whether a write was refused because the object is not as it was read:
// changed, deleted or created.
func overtaken(k call, err error) bool {
	s := statusOf(err)
	return s == http.StatusConflict || s == http.StatusNotFound && k.method == http.MethodPatch
}

// do sends a request, and marks the faults that do not pass by themselves.
func (l *lease) do(ctx context.Context, k call, in, out any) error {
	if _, err := l.client.connection(); err != nil {
		return leader.Permanent(err)
	}
	k.subject = k.resource + "/" + k.name
	k.head = l.clock.note
	err := l.client.do(ctx, k, in, out)
	var e *Error
	if errors.As(err, &e) && (e.denied() || e.Status == http.StatusNotFound || e.Status == http.StatusUnprocessableEntity) {
		return leader.Permanent(err)
	}
	return err
}

// statusOf returns the status of an answer that is an error, or 0.
func statusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// A serverClock keeps the time by the Date headers in the API server's answers, to a
// second.
type serverClock struct {
	mu   sync.Mutex
	date time.Time
	at   time.Time // when it came
}

func (c *serverClock) note(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.date, c.at = date, time.Now()
}

// now returns the time of the API server, or of this process if the API server says none.
func (c *serverClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() {
		return time.Now()
	}
	return c.date.Add(time.Since(c.at))
}
