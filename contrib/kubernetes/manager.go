package kubernetes

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale/internal/outbound"
)

// FieldManager is the name under which a [Scaler] writes, as managedFields of an object
// have it.
const FieldManager = "autoscale"

// A Manager is who last set spec.replicas of an object, as its managedFields say.
type Manager struct {
	// Name is the program's own, such as "kubectl-client-side-apply", "argocd-controller",
	// "kustomize-controller", "helm" or [FieldManager]. Empty: not known.
	Name string

	// Operation is "Apply" for server-side apply, and else "Update".
	Operation string

	// Subresource is "scale" if the order came that way, as it does from kubectl scale,
	// from an HPA and from a [Scaler].
	Subresource string

	// Time is when the manager last set a field. Zero: not known, as of all that came by
	// the subresource scale.
	Time time.Time
}

// String returns the name of the manager and how it wrote.
func (m Manager) String() string {
	switch {
	case m.Name == "":
		return "not known"
	case m.Subresource != "":
		return m.Name + " (" + m.Operation + " of " + m.Subresource + ")"
	}
	return m.Name + " (" + m.Operation + ")"
}

type managedFields struct {
	Manager     string          `json:"manager"`
	Operation   string          `json:"operation"`
	Subresource string          `json:"subresource"`
	Time        *time.Time      `json:"time"`
	FieldsV1    json.RawMessage `json:"fieldsV1"`
}

// sets reports whether the fields have spec.replicas.
func (m *managedFields) sets() bool {
	var fields struct {
		Spec struct {
			Replicas json.RawMessage `json:"f:replicas"`
		} `json:"f:spec"`
	}
	return json.Unmarshal(m.FieldsV1, &fields) == nil && fields.Spec.Replicas != nil
}

// manager returns who set spec.replicas. Several appliers may own the field, if they
// agree on its value: then it is the last one of the list.
func (w *workload) manager() (last Manager) {
	for i := range w.Metadata.ManagedFields {
		m := &w.Metadata.ManagedFields[i]
		if !m.sets() {
			continue
		}
		last = Manager{Name: outbound.Line(m.Manager, 128), Operation: outbound.Line(m.Operation, 20), Subresource: outbound.Line(m.Subresource, 20)}
		if m.Time != nil && !strings.EqualFold(m.Subresource, "scale") {
			last.Time = *m.Time
		}
	}
	return last
}

// LastManager returns who had set spec.replicas when [Scaler.Capacity] or [Scaler.Scale]
// last read the object. It says which program changes the size behind the autoscaler's
// back: see the section on manifests in the documentation of the package. LastManager does
// no I/O. It returns the zero Manager if nothing was read yet, and for kinds other than
// Deployment, StatefulSet, ReplicaSet and Rollout.
func (s *Scaler) LastManager() Manager {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manager
}
