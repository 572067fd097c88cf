package kubernetes

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

const (
	// createPatience is for how long no pod has become ready before a controller that
	// cannot create pods counts as a limit. A quota may be full for a moment, of pods that
	// are being stopped.
	createPatience = time.Minute

	// nodePatience is the same for pods that cannot be scheduled, if one of them could not for as long. A cluster autoscaler
	// takes some minutes to add a node, and adds it only if pods are pending.
	nodePatience = 10 * time.Minute

	// podsAge is after how long the pods are listed again.
	podsAge = time.Minute

	// shortageTrust is for how long a limit counts after it was last seen.
	shortageTrust = 5 * time.Minute

	// maxPods is how many pending pods are looked at.
	maxPods = 100
)

// A shortage is what is known about pods that do not become ready.
type shortage struct {
	ready int       // at the last look
	since time.Time // since when no pod has become ready, while some were pending. Zero: none is
	asked time.Time // when the pods were last listed

	limit int
	until time.Time // until when limit counts. Zero: there is none
	why   string
}

// look sees whether pods become ready, and if not, why.
func (s *Scaler) look(ctx context.Context, w *workload, c autoscale.Capacity) {
	now := time.Now()
	s.mu.Lock()
	st := &s.shortage
	switch ready := c.Ready(); {
	case c.Pending == 0:
		*st = shortage{}
	case st.since.IsZero() || ready > st.ready:
		*st = shortage{ready: ready, since: now}
	default:
		st.ready = ready
	}
	stuck := time.Duration(0)
	if !st.since.IsZero() {
		stuck = now.Sub(st.since)
	}
	list := stuck >= nodePatience && now.Sub(st.asked) >= podsAge
	if list {
		st.asked = now
	}
	s.mu.Unlock()

	if stuck >= createPatience && w.Status.Replicas < c.Desired {
		for _, condition := range w.Status.Conditions {
			if condition.Type == "ReplicaFailure" && condition.Status == "True" && condition.lasts(now, createPatience) {
				s.learn(now, w.Status.Replicas, fmt.Sprintf("%d of %d pods cannot be created: %s", c.Desired-w.Status.Replicas, c.Desired, outbound.Text(s.client.hidden.hide(condition.Message))))
				return
			}
		}
	}
	if !list {
		return
	}
	if n, why := s.unschedulable(ctx, w); n > 0 {
		n = min(n, c.Pending)
		s.learn(now, c.Desired-n, fmt.Sprintf("%d of %d pods cannot be scheduled: %s", n, c.Desired, why))
	}
}

// learn keeps a limit.
func (s *Scaler) learn(now time.Time, limit int, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shortage.limit, s.shortage.until, s.shortage.why = max(limit, 1), now.Add(shortageTrust), why
}

// short returns the LimitError of an order for which there is no room.
func (s *Scaler) short(size int, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.shortage
	if size <= max(s.last.size, st.limit) || !now.Before(st.until) {
		return nil
	}
	return &autoscale.LimitError{Size: size, Limit: st.limit, RetryAfter: st.until.Sub(now), Err: fmt.Errorf("kubernetes: %s: %s", s.target, st.why)}
}

// unschedulable returns how many pods of the workload cannot be scheduled, and why the
// first of them cannot. 0: none, or not known.
func (s *Scaler) unschedulable(ctx context.Context, w *workload) (n int, why string) {
	labels := w.labels()
	if labels == "" {
		return 0, ""
	}
	ctx, cancel := calls.Aside(ctx)
	defer cancel()
	var pods struct {
		Items []struct {
			Status struct {
				Conditions []condition `json:"conditions"`
			} `json:"status"`
		} `json:"items"`
	}
	err := s.client.do(ctx, call{
		op: "list the pods", subject: s.subject(), api: "v1", resource: "pods", namespace: s.opts.Namespace, once: true,
		query: url.Values{"labelSelector": {labels}, "fieldSelector": {"status.phase=Pending"}, "limit": {fmt.Sprint(maxPods)}},
	}, nil, &pods)
	if err != nil {
		return 0, "" // the Role may not permit it
	}
	lasts := false
	for _, pod := range pods.Items {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == "PodScheduled" && condition.Status == "False" && condition.Reason == "Unschedulable" {
				lasts = lasts || condition.lasts(time.Now(), nodePatience)
				if n++; n == 1 {
					why = outbound.Text(s.client.hidden.hide(condition.Message))
				}
			}
		}
	}
	if !lasts {
		return 0, "" // they are all new, and other pods have kept the size from being reached
	}
	return n, why
}
