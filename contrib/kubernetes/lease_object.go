package kubernetes

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/outbound"
	"github.com/autoscalebot/autoscale/leader"
)

// The annotations of a Lease and of a ConfigMap.
const (
	annotation        = "autoscalebot.github.io/"
	nameAnnotation    = annotation + "name"    // of the lease, unescaped
	commandAnnotation = annotation + "command" // in base64, on the Lease
	versionAnnotation = annotation + "version" // of the state: on the ConfigMap, and on the Lease as it was at the last renewal
	holderAnnotation  = annotation + "holder"  // who sealed the ConfigMap
	termAnnotation    = annotation + "term"    // in which
	savedAnnotation   = annotation + "saved"   // when the state was saved: milliseconds since 1970, by the API server's clock
)

const (
	stateKey   = "state"   // in the ConfigMap of the state
	historyKey = "history" // in that of the history

	// maxHolder is the longest name of a holder of ours, in bytes.
	maxHolder = 300

	// microTime is how Kubernetes writes a MicroTime.
	microTime = "2006-01-02T15:04:05.000000Z07:00"
)

// objectMeta is what is used of an object's metadata.
type objectMeta struct {
	Name            string            `json:"name,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
}

// ours are the labels of an object that an Elector makes.
func ours() map[string]string { return map[string]string{"app.kubernetes.io/managed-by": "autoscale"} }

// complete reports an answer that is not the object of that lease.
func (m objectMeta) complete(lease string) error {
	if m.Name != objectName(lease) || m.ResourceVersion == "" {
		return fmt.Errorf("the answer is not the object %s that was asked for, with a metadata.resourceVersion", objectName(lease))
	}
	return nil
}

// a leaseObject is a Lease of coordination.k8s.io/v1. In a patch, what is left out stays.
type leaseObject struct {
	APIVersion string     `json:"apiVersion,omitempty"`
	Kind       string     `json:"kind,omitempty"`
	Metadata   objectMeta `json:"metadata"`
	Spec       leaseSpec  `json:"spec,omitzero"`
}

type leaseSpec struct {
	HolderIdentity       *string `json:"holderIdentity,omitempty"`
	LeaseDurationSeconds *int32  `json:"leaseDurationSeconds,omitempty"`
	AcquireTime          string  `json:"acquireTime,omitempty"`
	RenewTime            string  `json:"renewTime,omitempty"`
	LeaseTransitions     *int32  `json:"leaseTransitions,omitempty"`
}

func (o *leaseObject) holder() string {
	if o.Spec.HolderIdentity == nil {
		return ""
	}
	return *o.Spec.HolderIdentity
}

func (o *leaseObject) term() int64 {
	if o.Spec.LeaseTransitions == nil {
		return 0
	}
	return int64(*o.Spec.LeaseTransitions)
}

// renewal returns the time of the last renewal, in microseconds. It only tells renewals
// apart.
func (o *leaseObject) renewal() int64 {
	t, err := time.Parse(time.RFC3339Nano, o.Spec.RenewTime)
	if err != nil {
		return 0
	}
	return t.UnixMicro()
}

// ttl returns the duration of the lease. Without one, a lease of another program is
// taken for one of the default.
func (o *leaseObject) ttl() time.Duration {
	if o.Spec.LeaseDurationSeconds == nil || *o.Spec.LeaseDurationSeconds <= 0 {
		return leader.DefaultTTL
	}
	return time.Duration(*o.Spec.LeaseDurationSeconds) * time.Second
}

// check reports a Lease that is not that of name.
func (o *leaseObject) check(name string) error {
	if err := o.Metadata.complete(name); err != nil {
		return err
	}
	marked, ok := o.Metadata.Annotations[nameAnnotation]
	if len(o.holder()) <= maxHolder && ok && marked == name || !ok && o.holder() == "" {
		return nil
	}
	return leader.Permanent(fmt.Errorf("the Lease %q belongs to another program or lease, by its holder %q and its annotation %s %q: delete it, or use another Name", o.Metadata.Name, outbound.Text(o.holder()), nameAnnotation, outbound.Text(marked)))
}

// row returns what package leader knows of a lease, without the state. Whether the lease has
// expired is for the observer to judge: it is held for its whole TTL, or free.
func (o *leaseObject) row() (leader.Row, error) {
	r := leader.Row{Holder: o.holder(), Term: o.term(), Renewal: o.renewal(), TTL: o.ttl()}
	if r.Holder != "" {
		r.Left = r.TTL
	}
	if text, ok := o.Metadata.Annotations[commandAnnotation]; ok {
		command, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(command) > autoscale.MaxCommand {
			return r, leader.Permanent(fmt.Errorf("the annotation %s of the Lease %q is not base64 of at most %d bytes: remove it", commandAnnotation, o.Metadata.Name, autoscale.MaxCommand))
		}
		r.Command = append([]byte{}, command...)
	}
	return r, nil
}

// savedVersion returns the version of the state as it was at the last renewal.
func (o *leaseObject) savedVersion() int64 {
	n, _ := strconv.ParseInt(o.Metadata.Annotations[versionAnnotation], 10, 64)
	return n
}

// A configMap is a ConfigMap of v1. In a patch, what is left out stays.
type configMap struct {
	APIVersion string            `json:"apiVersion,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Metadata   objectMeta        `json:"metadata"`
	BinaryData map[string][]byte `json:"binaryData,omitempty"`
}

// A record is the state, as its ConfigMap has it.
type record struct {
	resourceVersion string // empty: there is no ConfigMap
	holder          string // who sealed it
	term            int64  // in which
	version         int64  // 0: nothing was saved
	saved           time.Time
	state           []byte
}

// record reads the ConfigMap of the state.
func (o *configMap) record(name string) (*record, error) {
	if err := o.Metadata.complete(name); err != nil {
		return nil, err
	}
	a := o.Metadata.Annotations
	r := &record{resourceVersion: o.Metadata.ResourceVersion, holder: a[holderAnnotation], state: o.BinaryData[stateKey]}
	marked, ok := a[nameAnnotation]
	if ok && marked != name || !ok && len(o.BinaryData) > 0 {
		return nil, leader.Permanent(fmt.Errorf("the ConfigMap %q holds something other than the state of the lease, by its annotation %s %q: delete it, or use another Name", o.Metadata.Name, nameAnnotation, outbound.Text(marked)))
	}
	if n, m := len(r.state), len(o.BinaryData[historyKey]); n > autoscale.MaxState || m > autoscale.MaxHistory {
		return nil, leader.Permanent(fmt.Errorf("the ConfigMap %q has a state of %d bytes and a history of %d, and at most %d and %d are allowed: delete it", o.Metadata.Name, n, m, autoscale.MaxState, autoscale.MaxHistory))
	}
	var saved int64
	for _, f := range []struct {
		to   *int64
		from string
	}{{&r.term, termAnnotation}, {&r.version, versionAnnotation}, {&saved, savedAnnotation}} {
		text := a[f.from]
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, leader.Permanent(fmt.Errorf("the annotation %s of the ConfigMap %q is %q and must be a number: delete the ConfigMap", f.from, o.Metadata.Name, outbound.Text(text)))
		}
		*f.to = n
	}
	r.saved = time.UnixMilli(saved)
	return r, nil
}

// isHistory reports whether name is the row that has the history of a lease; see
// [leader.Lease].
func isHistory(name string) bool { return strings.HasSuffix(name, "\x1fhistory") }
