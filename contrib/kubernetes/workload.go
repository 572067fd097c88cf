package kubernetes

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
)

// meta is the metadata of an object.
type meta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace,omitempty"`
	ResourceVersion   string            `json:"resourceVersion,omitempty"`
	Generation        int64             `json:"generation,omitempty"`
	CreationTimestamp *time.Time        `json:"creationTimestamp,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	ManagedFields     []managedFields   `json:"managedFields,omitempty"`
}

// A workload is a Deployment, a StatefulSet, a ReplicaSet or a Rollout, or the Scale of
// any other object.
type workload struct {
	Kind     string `json:"kind"`
	Metadata meta   `json:"metadata"`
	Spec     *struct {
		Replicas *int     `json:"replicas"`
		Selector selector `json:"selector"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration generation  `json:"observedGeneration"`
		Replicas           int         `json:"replicas"`
		ReadyReplicas      int         `json:"readyReplicas"`
		Conditions         []condition `json:"conditions"`
		Selector           string      `json:"selector"` // of a Scale and of a Rollout
	} `json:"status"`
}

type condition struct {
	Type    string    `json:"type"`
	Status  string    `json:"status"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Since   time.Time `json:"lastTransitionTime"`
}

// lasts reports whether the condition has held for d, as far as it says since when.
func (c condition) lasts(now time.Time, d time.Duration) bool {
	return c.Since.IsZero() || now.Sub(c.Since) >= d-time.Second // it is written in whole seconds
}

// A generation is a number, which a Rollout writes as a string.
type generation int64

func (g *generation) UnmarshalJSON(text []byte) error {
	var n int64
	if err := json.Unmarshal([]byte(strings.Trim(string(text), `"`)), &n); err == nil {
		*g = generation(n)
	} else {
		*g = -1 // of an old Rollout, which has a hash: not known
	}
	return nil
}

// check reports what an answer about an object of that kind and name lacks.
func (w *workload) check(kind, name string) error {
	switch {
	case w.Kind != kind:
		return fmt.Errorf("the answer is of the kind %s and not %s: check the URL of the API server", calls.Quoted(w.Kind), kind)
	case w.Metadata.Name != name:
		return fmt.Errorf("the answer is about %s", calls.Quoted(w.Metadata.Name))
	case w.Spec == nil:
		return errors.New("the answer has no spec")
	case w.Metadata.ResourceVersion == "":
		return errors.New("the answer has no resourceVersion")
	case w.Spec.Replicas == nil && kind != "Scale" && kind != "Rollout":
		// The API server fills the default of 1 in before it stores a Deployment.
		return errors.New("the answer has no spec.replicas")
	case w.replicas() < 0:
		return fmt.Errorf("the answer has %d replicas", w.replicas())
	}
	return nil
}

// replicas returns how many are ordered. A Scale leaves 0 out, and a Rollout that says
// nothing has 1.
func (w *workload) replicas() int {
	switch {
	case w.Spec.Replicas != nil:
		return *w.Spec.Replicas
	case w.Kind == "Rollout":
		return 1
	}
	return 0
}

// capacity returns what check has let through as a Capacity, without a rival.
//
// During a rollout more pods exist than are ordered, so Pending counts what lacks in
// ready pods, and not those that start. While the controller has not yet seen the newest
// spec, its counts are of the one before, and Pending is not known.
func (w *workload) capacity() autoscale.Capacity {
	c := autoscale.Capacity{Desired: w.replicas(), Changed: w.manager().Time}
	if w.Kind == "Scale" {
		// It counts the pods that exist. An object that never counts them has 0.
		if n := w.Status.Replicas; n > 0 {
			c.Pending = max(c.Desired-n, 0)
		}
		return c
	}
	c.Pending = min(max(c.Desired-w.Status.ReadyReplicas, 0), c.Desired)
	observed := int64(w.Status.ObservedGeneration)
	c.PendingKnown = observed < 0 || observed >= w.Metadata.Generation
	return c
}

// A selector chooses pods by their labels.
type selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

// UnmarshalJSON ignores a selector of another form, which objects of other kinds may have.
func (s *selector) UnmarshalJSON(text []byte) error {
	type plain selector
	var p plain
	if json.Unmarshal(text, &p) == nil {
		*s = selector(p)
	}
	return nil
}

// labels returns which pods belong to the workload, as a labelSelector. Empty: not known.
func (w *workload) labels() string {
	if w.Kind == "Scale" {
		return w.Status.Selector
	}
	var parts []string
	for key, value := range w.Spec.Selector.MatchLabels {
		parts = append(parts, key+"="+value)
	}
	slices.Sort(parts)
	for _, e := range w.Spec.Selector.MatchExpressions {
		switch e.Operator {
		case "In":
			parts = append(parts, e.Key+" in ("+strings.Join(e.Values, ",")+")")
		case "NotIn":
			parts = append(parts, e.Key+" notin ("+strings.Join(e.Values, ",")+")")
		case "Exists":
			parts = append(parts, e.Key)
		case "DoesNotExist":
			parts = append(parts, "!"+e.Key)
		default:
			return "" // it would choose too many
		}
	}
	return strings.Join(parts, ",")
}
