package kubernetes

import (
	"cmp"
	"strconv"

	"github.com/autoscalebot/autoscale/internal/outbound"
)

// The names that KEDA has for what is its own.
const (
	kedaLabel      = "scaledobject.keda.sh/name"
	kedaPaused     = "autoscaling.keda.sh/paused"
	kedaPausedAt   = "autoscaling.keda.sh/paused-replicas"
	kedaPausedDown = "autoscaling.keda.sh/paused-scale-in"
	kedaPausedUp   = "autoscaling.keda.sh/paused-scale-out"
)

// A scaledObject is what KEDA knows of one object that it scales.
type scaledObject struct {
	Metadata struct {
		Name        string            `json:"name"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		ScaleTargetRef targetRef `json:"scaleTargetRef"`
	} `json:"spec"`
}

// target returns what KEDA scales, with its defaults.
func (o *scaledObject) target() targetRef {
	r := o.Spec.ScaleTargetRef
	r.APIVersion, r.Kind = cmp.Or(r.APIVersion, "apps/v1"), cmp.Or(r.Kind, "Deployment")
	return r
}

// rules reports whether KEDA sets the size. Paused altogether, it deletes its
// HorizontalPodAutoscaler and does nothing; paused at a size, it sets that one.
func (o *scaledObject) rules() bool {
	_, at := o.Metadata.Annotations[kedaPausedAt]
	return at || !o.annotated(kedaPaused)
}

// annotated reports whether an annotation is there and is not false, as KEDA reads it.
func (o *scaledObject) annotated(name string) bool {
	text, ok := o.Metadata.Annotations[name]
	yes, err := strconv.ParseBool(text)
	return ok && (yes || err != nil)
}

// pause says how an annotation pauses KEDA. Empty: none does.
func (o *scaledObject) pause() string {
	size, at := o.Metadata.Annotations[kedaPausedAt]
	down, up := o.annotated(kedaPausedDown), o.annotated(kedaPausedUp)
	switch {
	case at:
		return ", which an annotation pauses at " + outbound.Line(size, 12)
	case o.annotated(kedaPaused):
		return ", which an annotation pauses"
	case down && up:
		return ", which an annotation keeps from scaling in and out"
	case down:
		return ", which an annotation keeps from scaling in"
	case up:
		return ", which an annotation keeps from scaling out"
	}
	return ""
}

// pauseOf is the pause of the one with that name, as far as it is known.
func pauseOf(all []scaledObject, name string) string {
	for i := range all {
		if all[i].Metadata.Name == name {
			return all[i].pause()
		}
	}
	return ""
}
