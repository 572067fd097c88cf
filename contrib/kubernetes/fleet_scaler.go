package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

// A fleetScaler is the Scaler of one target. It reads what the watches have seen, and asks
// the API server only to order.
type fleetScaler struct {
	fleet *Fleet
	term  *term
	key   string
	uid   string

	mu      sync.Mutex
	seen    int    // the size that Capacity last returned
	ordered int    // the size that was last ordered, until the watch has seen that order
	version string // of the object after that order. Empty: the watch has seen it
}

// Capacity returns the size of the target as the watch saw it last. It returns an error if
// the watch is too old.
func (s *fleetScaler) Capacity(context.Context) (autoscale.Capacity, error) {
	now := time.Now()
	w, found, err := s.fleet.targets.get(s.key, now)
	if err != nil {
		return autoscale.Capacity{}, err
	}
	if !found || w.Metadata.UID != s.uid {
		return autoscale.Capacity{}, s.gone()
	}
	c := w.capacity()
	if c.ExternalAutoscaler, err = s.fleet.rivals.of(s.fleet.kind()+" "+s.key, now); err != nil {
		return autoscale.Capacity{}, err
	}
	if c.Desired == 0 && !strings.HasPrefix(c.ExternalAutoscaler, "HorizontalPodAutoscaler keda-hpa-") {
		c.ExternalAutoscaler = "" // a size of 0 switches it off, unless KEDA wakes the target
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != "" && before(w.Metadata.ResourceVersion, s.version) {
		c.Desired, c.Pending = s.ordered, max(0, s.ordered-w.Status.ReadyReplicas)
	} else {
		s.version = ""
	}
	s.seen = c.Desired
	return c, nil
}

// before reports whether one resourceVersion is of before another one. Kubernetes compares
// those of one resource as numbers.
func before(a, b string) bool {
	m, err := strconv.ParseUint(a, 10, 64)
	n, err2 := strconv.ParseUint(b, 10, 64)
	return err == nil && err2 == nil && m < n
}

// A fleetScale is the subresource scale, of autoscaling/v1. Its metadata goes back as it came.
type fleetScale struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   map[string]any `json:"metadata"`
	Spec       struct {
		Replicas int `json:"replicas"`
	} `json:"spec"`
	Status json.RawMessage `json:"status,omitempty"`
}

func (s *fleetScale) version() string {
	v, _ := s.Metadata["resourceVersion"].(string)
	return v
}

// Scale orders size, if this worker still holds the shard, and if the size is still the one
// that Capacity returned.
func (s *fleetScaler) Scale(ctx context.Context, size int) error {
	err := s.scale(ctx, size)
	var e *Error
	if errors.As(err, &e) && (e.Status == http.StatusConflict || e.Status == http.StatusTooManyRequests || e.Status == 0 && e.Tries == 0 && ctx.Err() == nil) {
		return &autoscale.BusyError{RetryAfter: e.RetryAfter, Err: err} // a lack of room in the budget is not a fault of the platform
	}
	return err
}

func (s *fleetScaler) gone() error {
	return fmt.Errorf("kubernetes: %s is gone or was made again, or the selector of the fleet does not select it any more", s.key)
}

func (s *fleetScaler) scale(ctx context.Context, size int) error {
	f := s.fleet
	done, err := turn(ctx, f.orders)
	if err != nil {
		return &autoscale.BusyError{Err: fmt.Errorf("kubernetes: scale %s to %d: other orders of the fleet go first: %w", s.key, size, err)}
	}
	defer done()
	if _, err := f.leases.mine(ctx, f.client, s.term); err != nil {
		return err
	}
	w, found, err := f.targets.get(s.key, time.Now())
	if err != nil {
		return err
	}
	if !found || w.Metadata.UID != s.uid {
		return s.gone()
	}
	m := w.Metadata
	k := call{
		op: fmt.Sprintf("scale to %d", size), subject: f.kind() + " " + s.key, api: "apps/v1", resource: f.opts.Resource,
		namespace: m.Namespace, name: m.Name, sub: "scale",
	}
	var scale fleetScale
	if err := f.client.do(ctx, k, nil, &scale); err != nil {
		return err
	}
	if scale.version() == "" {
		return fmt.Errorf("kubernetes: scale %s: the answer is not a Scale", s.key)
	}
	if uid, _ := scale.Metadata["uid"].(string); uid != s.uid {
		return s.gone() // what was measured is of the one before
	}
	s.mu.Lock()
	seen := s.seen
	s.mu.Unlock()
	if scale.Spec.Replicas != seen {
		return &autoscale.BusyError{Err: fmt.Errorf("kubernetes: scale %s to %d: somebody changed the size from %d to %d meanwhile", s.key, size, seen, scale.Spec.Replicas)}
	}
	scale.Spec.Replicas = size
	k.leaves = done // an order that hangs does not block the others
	k.method, k.once, k.query = http.MethodPut, true, url.Values{"fieldManager": {FieldManager}}
	var answer fleetScale
	if err := f.client.do(ctx, k, scale, &answer); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ordered, s.version = size, answer.version()
	return nil
}

// turn waits until a request may ask for room in the budget, for half the time that there is. An
// order takes some requests, and each is preceded by a save. If all those of a crowded moment asked
// for room at once, each would get it for its first request, and have no time left for the others.
// So orders have turns, and saves have turns of their own. A turn ends when done is first called.
func turn(ctx context.Context, turns chan struct{}) (done func(), err error) {
	limited, cancel := context.WithTimeout(ctx, patience(ctx)/2)
	defer cancel()
	select {
	case turns <- struct{}{}:
		return sync.OnceFunc(func() { <-turns }), nil
	case <-limited.Done():
		return nil, ended(limited, nil)
	}
}

// rivals are the HorizontalPodAutoscalers, by what they scale.
type rivals struct {
	cache *fleetCache[*fleetHPA]

	mu    sync.Mutex
	stale bool // index is not of what cache has
	index map[string]string
}

func (r *rivals) changed(string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stale = true
}

// of returns the name of the HorizontalPodAutoscaler that scales the target, or "".
func (r *rivals) of(target string, now time.Time) (string, error) {
	if err := r.cache.fresh(now); err != nil {
		return "", err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stale {
		r.index, r.stale = make(map[string]string), false
		all, _ := r.cache.all()
		for _, h := range all {
			r.index[h.target()] = "HorizontalPodAutoscaler " + h.Metadata.Name
		}
	}
	return r.index[target], nil
}
