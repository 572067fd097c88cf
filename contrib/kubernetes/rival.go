package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/outbound"
)

const (
	// rivalAge is after how long autoscalers are listed again: with ticks every 30
	// seconds each time, whatever their jitter.
	rivalAge = 25 * time.Second

	// rivalRest is the same after an answer that they cannot be listed: the right lacks, or
	// the cluster has none of that kind.
	rivalRest = 5 * time.Minute

	// rivalTrust is for how long what was listed counts.
	rivalTrust = 10 * time.Minute

	// rivalPatience bounds a look: what else a tick has to do is more urgent.
	rivalPatience = 5 * time.Second

	// rivalPage and rivalPages bound a list. A namespace with more is not known in full.
	rivalPage, rivalPages = 500, 10
)

const knativeLabel = "serving.knative.dev/service"

// A targetRef names the object that an autoscaler scales.
type targetRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
}

// is reports whether the reference is to that object. The version does not matter.
func (r targetRef) is(group, kind, name string) bool {
	refGroup, _, ok := strings.Cut(r.APIVersion, "/")
	if !ok {
		refGroup = "" // "v1" is of the core group
	}
	return r.Kind == kind && r.Name == name && refGroup == group
}

// An hpa is a HorizontalPodAutoscaler.
type hpa struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		ScaleTargetRef targetRef `json:"scaleTargetRef"`
	} `json:"spec"`
}

// autoscalers are those of one namespace. All Scalers of the Client share them.
type autoscalers struct {
	hpas listing[hpa]
	keda listing[scaledObject]
}

// autoscalers returns those of a namespace.
func (c *Client) autoscalers(namespace string) *autoscalers {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.others == nil {
		c.others = map[string]*autoscalers{}
	}
	if c.others[namespace] == nil {
		a := new(autoscalers)
		a.hpas.busy, a.keda.busy = make(chan struct{}, 1), make(chan struct{}, 1)
		c.others[namespace] = a
	}
	return c.others[namespace]
}

// A listing is a list that is read again when it is old.
type listing[T any] struct {
	busy chan struct{} // has a token during a request: others wait for its answer

	mu    sync.Mutex // guards the fields below
	items []T
	read  time.Time // when items were read. Zero: never
	next  time.Time // before that, the list is not read again
}

// get returns the list, and nothing if it is not known. It takes no longer than a look may,
// also if another caller's request is under way.
func (l *listing[T]) get(ctx context.Context, c *Client, k call) []T {
	look, cancel := context.WithTimeout(ctx, min(patience(ctx)/4, rivalPatience))
	defer cancel()
	if l.due() {
		select {
		case l.busy <- struct{}{}:
			if l.due() { // nobody was quicker
				items, err := list[T](look, c, k)
				l.take(items, err, ctx.Err() != nil)
			}
			<-l.busy
		case <-look.Done():
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.read.IsZero() || now.Sub(l.read) >= rivalTrust {
		l.items = nil
	}
	return l.items
}

func (l *listing[T]) due() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !time.Now().Before(l.next)
}

// take takes what a request came to. short: the caller had less time than a look may take.
func (l *listing[T]) take(items []T, err error, short bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	var e *Error
	switch {
	case err == nil:
		l.items, l.read, l.next = items, now, now.Add(rivalAge)
	case short: // the next caller has more time
	case errors.As(err, &e) && (e.Status == http.StatusForbidden || e.Status == http.StatusNotFound):
		l.next = now.Add(rivalRest)
	default:
		l.next = now.Add(rivalAge)
	}
}

// list reads a list, page by page.
func list[T any](ctx context.Context, c *Client, k call) (items []T, err error) {
	k.once = true
	k.query = url.Values{"limit": {fmt.Sprint(rivalPage)}}
	for range rivalPages {
		var page struct {
			Metadata struct {
				Continue string `json:"continue"`
			} `json:"metadata"`
			Items []T `json:"items"`
		}
		if err := c.do(ctx, k, nil, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Metadata.Continue == "" {
			break
		}
		k.query.Set("continue", page.Metadata.Continue)
	}
	return items, nil
}

// externalAutoscaler names the autoscaler that rules the object.
func (s *Scaler) externalAutoscaler(ctx context.Context, k kind, w *workload) string {
	if service := w.Metadata.Labels[knativeLabel]; service != "" {
		return "Knative Service " + outbound.Line(service, 63) + ", which sets the size of its revisions itself"
	}
	namespace := s.namespace()
	others := s.client.autoscalers(namespace)
	hpas := others.hpas.get(ctx, s.client, call{
		op: "list the HorizontalPodAutoscalers", subject: "namespace " + namespace,
		api: "autoscaling/v2", resource: "horizontalpodautoscalers", namespace: namespace,
	})
	scaledObjects := others.keda.get(ctx, s.client, call{
		op: "list the ScaledObjects", subject: "namespace " + namespace,
		api: "keda.sh/v1alpha1", resource: "scaledobjects", namespace: namespace,
	})
	for i := range hpas {
		h := &hpas[i]
		if !h.Spec.ScaleTargetRef.is(k.group(), k.name, s.name) {
			continue
		}
		name := "HorizontalPodAutoscaler " + outbound.Line(h.Metadata.Name, 253)
		if keda := h.Metadata.Labels[kedaLabel]; keda != "" {
			return fmt.Sprintf("KEDA ScaledObject %s (%s)%s", outbound.Line(keda, 63), name, pauseOf(scaledObjects, keda))
		}
		if w.replicas() > 0 { // 0 switches it off
			return name
		}
	}
	for i := range scaledObjects {
		if o := &scaledObjects[i]; o.target().is(k.group(), k.name, s.name) && o.rules() {
			return "KEDA ScaledObject " + outbound.Line(o.Metadata.Name, 253) + o.pause()
		}
	}
	return ""
}
