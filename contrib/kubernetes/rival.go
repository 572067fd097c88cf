package kubernetes

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/outbound"
)

const (
	// hpaAge is after how long the HorizontalPodAutoscalers are listed again: with ticks
	// every 30 seconds each time, whatever their jitter.
	hpaAge = 25 * time.Second

	// hpaTrust is for how long a HorizontalPodAutoscaler counts since it was last seen.
	hpaTrust = 10 * time.Minute

	// hpaPatience bounds a look: what else a tick has to do is more urgent.
	hpaPatience = 5 * time.Second

	// hpaPage and hpaPages bound the list. A namespace with more is not known in full.
	hpaPage, hpaPages = 500, 10
)

const knativeLabel = "serving.knative.dev/service"

// The names that KEDA has for what is its own.
const (
	kedaLabel        = "scaledobject.keda.sh/name"
	kedaPaused       = "autoscaling.keda.sh/paused"
	kedaPausedAt     = "autoscaling.keda.sh/paused-replicas"
	kedaPausedDown   = "autoscaling.keda.sh/paused-scale-in"
	kedaGroupVersion = "keda.sh/v1alpha1"
)

// An hpa is a HorizontalPodAutoscaler.
type hpa struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		ScaleTargetRef struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Name       string `json:"name"`
		} `json:"scaleTargetRef"`
	} `json:"spec"`
}

// rules reports whether the autoscaler's target is that object. The version does not
// matter.
func (h *hpa) rules(group, kind, name string) bool {
	ref := &h.Spec.ScaleTargetRef
	refGroup, _, ok := strings.Cut(ref.APIVersion, "/")
	if !ok {
		refGroup = "" // "v1" is of the core group
	}
	return ref.Kind == kind && ref.Name == name && refGroup == group
}

// An hpaList is what one namespace has.
type hpaList struct {
	mu    sync.Mutex // held during a request: others wait for its answer
	items []hpa
	read  time.Time // when items were read. Zero: never
	tried time.Time
}

// hpas returns the autoscalers of a namespace, and false if they are not known. All
// Scalers of the Client share one list.
func (c *Client) hpas(ctx context.Context, namespace string) ([]hpa, bool) {
	c.mu.Lock()
	list := c.lists[namespace]
	if list == nil {
		list = new(hpaList)
		if c.lists == nil {
			c.lists = map[string]*hpaList{}
		}
		c.lists[namespace] = list
	}
	c.mu.Unlock()
	list.mu.Lock()
	defer list.mu.Unlock()
	now := time.Now()
	if list.tried.IsZero() || now.Sub(list.tried) >= hpaAge {
		list.tried = now
		if items, err := c.listHPAs(ctx, namespace); err == nil {
			list.items, list.read = items, now
		} else if ctx.Err() != nil {
			list.tried = time.Time{} // the next one has more time
		}
	}
	return list.items, !list.read.IsZero() && now.Sub(list.read) < hpaTrust
}

func (c *Client) listHPAs(ctx context.Context, namespace string) (items []hpa, err error) {
	ctx, cancel := context.WithTimeout(ctx, min(patience(ctx)/4, hpaPatience))
	defer cancel()
	next := ""
	for range hpaPages {
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []hpa `json:"items"`
		}
		query := url.Values{"limit": {fmt.Sprint(hpaPage)}}
		if next != "" {
			query.Set("continue", next)
		}
		err := c.do(ctx, call{
			op: "list the autoscalers", subject: "namespace " + namespace, once: true,
			api: "autoscaling/v2", resource: "horizontalpodautoscalers", namespace: namespace, query: query,
		}, nil, &page)
		if err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if next = page.Metadata.Continue; next == "" {
			break
		}
	}
	return items, nil
}

// A rival is what is known about KEDA's ScaledObject of the target.
type rival struct {
	scaledObject string
	pause        string // in words. Empty: it is not paused, or not known
	asked        time.Time
}

// externalAutoscaler names the autoscaler that rules the object.
func (s *Scaler) externalAutoscaler(ctx context.Context, k kind, w *workload) string {
	if service := w.Metadata.Labels[knativeLabel]; service != "" {
		return "Knative Service " + outbound.Line(service, 63) + ", which sets the size of its revisions itself"
	}
	hpas, ok := s.client.hpas(ctx, s.namespace())
	if !ok || w.replicas() == 0 {
		return ""
	}
	for i := range hpas {
		if h := &hpas[i]; h.rules(k.group(), k.name, s.name) {
			return h.title(func(scaledObject string) string { return s.pause(ctx, scaledObject) })
		}
	}
	return ""
}

// title names an autoscaler, and KEDA's ScaledObject if that made it.
func (h *hpa) title(pause func(scaledObject string) string) string {
	name := "HorizontalPodAutoscaler " + outbound.Line(h.Metadata.Name, 253)
	scaledObject := outbound.Line(h.Metadata.Labels[kedaLabel], 63)
	if scaledObject == "" {
		return name
	}
	return fmt.Sprintf("KEDA ScaledObject %s (%s%s)", scaledObject, name, pause(scaledObject))
}

// pause says how a ScaledObject is paused, as ", paused". It is looked up as often as
// the autoscalers are. The Role may not permit it.
func (s *Scaler) pause(ctx context.Context, scaledObject string) string {
	now := time.Now()
	s.mu.Lock()
	known := s.rival
	s.mu.Unlock()
	if known.scaledObject == scaledObject && now.Sub(known.asked) < hpaAge {
		return known.pause
	}
	ctx, cancel := context.WithTimeout(ctx, min(patience(ctx)/4, hpaPatience))
	defer cancel()
	var object struct {
		Metadata meta `json:"metadata"`
	}
	err := s.client.do(ctx, call{
		op: "read the ScaledObject", subject: scaledObject, once: true,
		api: kedaGroupVersion, resource: "scaledobjects", name: scaledObject, namespace: s.opts.Namespace,
	}, nil, &object)
	known = rival{scaledObject: scaledObject, asked: now}
	if err == nil {
		known.pause = paused(object.Metadata.Annotations)
	}
	s.mu.Lock()
	s.rival = known
	s.mu.Unlock()
	return known.pause
}

func paused(annotations map[string]string) string {
	size, ok := annotations[kedaPausedAt]
	switch {
	case ok:
		return ", paused at " + outbound.Line(size, 12) + " by an annotation"
	case annotations[kedaPaused] == "true":
		return ", paused by an annotation"
	case annotations[kedaPausedDown] == "true":
		return ", which does not scale in, by an annotation"
	}
	return ""
}
