package kubernetes

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/autoscalebot/autoscale"
)

// The annotations of an object that a [Fleet] reads. The function that makes the Config may read
// others.
const (
	AnnotationMin = "autoscalebot.github.io/min" // a whole number, 0 or more: the Min of the Config
	AnnotationMax = "autoscalebot.github.io/max" // sets Config.Max in the same way
)

// A Target is one object that a [Fleet] scales.
type Target struct {
	Namespace, Name string
	UID             string
	Labels          map[string]string
	Annotations     map[string]string // without those of Kubernetes and kubectl themselves
}

// String returns the name of the target in the cluster, which is also the Name of its Config:
// "shop/web".
func (t Target) String() string { return t.Namespace + "/" + t.Name }

// bounds returns what the annotations say of Min and Max. Nil: nothing.
func (t Target) bounds() (low, high *int, err error) {
	read := func(key string) (*int, error) {
		text, ok := t.Annotations[key]
		if !ok {
			return nil, nil
		}
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 0 {
			return nil, fmt.Errorf("the annotation %s is %.40q: it must be a whole number, 0 or more", key, text)
		}
		return &n, nil
	}
	if low, err = read(AnnotationMin); err != nil {
		return nil, nil, err
	}
	high, err = read(AnnotationMax)
	return low, high, err
}

// same reports whether the settings of two targets are the same.
func (t *Target) same(o *Target) bool {
	return t.UID == o.UID && maps.Equal(t.Labels, o.Labels) && maps.Equal(t.Annotations, o.Annotations)
}

// A fleetWorkload is what a fleet uses of a Deployment or a StatefulSet.
type fleetWorkload struct {
	Metadata fleetMeta `json:"metadata"`
	Spec     struct {
		Replicas *int `json:"replicas"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64 `json:"observedGeneration"`
		Replicas           int   `json:"replicas"`
		ReadyReplicas      int   `json:"readyReplicas"`
	} `json:"status"`
}

func (w *fleetWorkload) meta() *fleetMeta { return &w.Metadata }

// trim drops the annotations that Kubernetes and kubectl write for themselves: they change
// with each deployment, and one of them has the whole manifest.
func (w *fleetWorkload) trim() {
	maps.DeleteFunc(w.Metadata.Annotations, func(key, _ string) bool {
		domain, _, _ := strings.Cut(key, "/")
		return domain == "kubernetes.io" || strings.HasSuffix(domain, ".kubernetes.io") || strings.HasSuffix(domain, ".k8s.io")
	})
}

func (w *fleetWorkload) target() Target {
	m := &w.Metadata
	return Target{Namespace: m.Namespace, Name: m.Name, UID: m.UID, Labels: m.Labels, Annotations: m.Annotations}
}

// desired is the size that is ordered. Kubernetes takes one that is left out for 1.
func (w *fleetWorkload) desired() int {
	if w.Spec.Replicas == nil {
		return 1
	}
	return *w.Spec.Replicas
}

func (w *fleetWorkload) capacity() autoscale.Capacity {
	desired := w.desired()
	ready := min(w.Status.ReadyReplicas, desired)
	if w.Status.ObservedGeneration < w.Metadata.Generation {
		ready = min(ready, w.Status.Replicas) // the controller has not seen the last order
	}
	return autoscale.Capacity{Desired: desired, Pending: desired - ready, PendingKnown: w.Status.ObservedGeneration >= w.Metadata.Generation}
}

// A fleetHPA is what a fleet uses of a HorizontalPodAutoscaler.
type fleetHPA struct {
	Metadata fleetMeta `json:"metadata"`
	Spec     struct {
		ScaleTargetRef struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Name       string `json:"name"`
		} `json:"scaleTargetRef"`
	} `json:"spec"`
}

func (h *fleetHPA) meta() *fleetMeta { return &h.Metadata }
func (h *fleetHPA) trim()            { h.Metadata.Annotations, h.Metadata.Labels = nil, nil }

// target returns the object that the HorizontalPodAutoscaler scales: "Deployment shop/web".
func (h *fleetHPA) target() string {
	return h.Spec.ScaleTargetRef.Kind + " " + h.Metadata.Namespace + "/" + h.Spec.ScaleTargetRef.Name
}
