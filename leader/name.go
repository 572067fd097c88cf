package leader

import (
	"errors"
	"fmt"
	"reflect"
	"sync"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/internal/part"
)

var _ autoscale.DefaultNamer = (*Elector)(nil)

// errNoName is the error of what needs the name of a lease that has none yet.
var errNoName = errors.New("leader: the lease has no name yet: give the Elector to autoscale.New, or give Options.Name")

// naming is the name of an Elector's lease.
type naming struct {
	lease      string // "": not known yet
	autoscaler string // the Name of the Config; "": SetDefaultName was not called
}

// name returns the name of the lease, or "" if it is not known yet.
func (e *Elector) name() string { return e.naming.Load().lease }

// SetDefaultName gives e the Name of the Config that it serves. See
// [autoscale.DefaultNamer]. Without Options.Name, the lease is then called app/name,
// or name if the application is not known. "/" and "%" within a part are written as %2F
// and %25. SetDefaultName does no I/O. It returns an error if e is not valid, if the
// resulting name is not, or if e was given another name before, because an Elector serves
// one Autoscaler.
func (e *Elector) SetDefaultName(name string) error {
	if err := e.Validate(); err != nil {
		return err
	}
	for {
		old := e.naming.Load()
		if old.autoscaler == name {
			return nil
		}
		if old.autoscaler != "" {
			return fmt.Errorf("leader: the Autoscalers %q and %q have the same Elector: make one for each", old.autoscaler, name)
		}
		next := naming{lease: old.lease, autoscaler: name}
		if next.lease == "" {
			next.lease = names.Lease(e.opts.App, name)
			if !isName(next.lease) {
				return fmt.Errorf("leader: the lease would be called %.80q, after the application and the Autoscaler: give Options.Name, at most %d bytes of printable UTF-8", next.lease, maxName)
			}
		}
		if e.naming.CompareAndSwap(old, &next) {
			return nil
		}
	}
}

// inUse has the leases for which the Autoscalers of this process campaign, and the
// names of these Autoscalers.
var inUse struct {
	sync.Mutex
	leases map[leaseKey]string
}

// leaseKey identifies a lease within this process.
type leaseKey struct {
	store any
	name  string
}

// storeOf identifies where a lease is kept: by what its method Store returns, or else by
// the Lease itself. A wrapper around a Lease does not hide that.
func storeOf(l Lease) any {
	if s, ok := part.As[interface{ Store() any }](l); ok {
		return s.Store()
	}
	for range 100 { // one may wrap itself
		inner, ok := part.Unwrap(l)
		if !ok {
			break
		}
		l = inner
	}
	return l
}

// occupy notes that the Autoscaler of e campaigns for its lease, and returns what ends
// that. It returns an error if another Autoscaler of this process does already. An Elector
// that serves no Autoscaler is not noted: a test may have many of them.
func (e *Elector) occupy() (vacate func(), err error) {
	n := e.naming.Load()
	if n.lease == "" {
		return nil, errNoName
	}
	key := leaseKey{storeOf(e.lease), n.lease}
	if n.autoscaler == "" || !reflect.ValueOf(key.store).Comparable() {
		return func() {}, nil
	}
	inUse.Lock()
	defer inUse.Unlock()
	if other, taken := inUse.leases[key]; taken {
		return nil, fmt.Errorf("leader: the Autoscalers %q and %q of this process have the same lease, %q, so that only one of them would act: give each its own Options.Name, or none", other, n.autoscaler, n.lease)
	}
	if inUse.leases == nil {
		inUse.leases = make(map[leaseKey]string)
	}
	inUse.leases[key] = n.autoscaler
	return func() {
		inUse.Lock()
		defer inUse.Unlock()
		delete(inUse.leases, key)
	}, nil
}
