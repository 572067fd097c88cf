package kubecluster

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// pod is what the kubelet reads of one.
type pod struct {
	Metadata struct {
		Name, Namespace   string
		DeletionTimestamp string
		Annotations       map[string]string
	}
	Status struct{ Phase string }
}

// PendingAnnotation on a pod keeps it from being scheduled, as if there were no room.
const PendingAnnotation = "kubecluster/pending"

// kubelet runs all pods, until ctx ends: each is ready at once, and gone at once if it is
// deleted.
func (c *Cluster) kubelet(ctx context.Context) {
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		var list struct{ Items []pod }
		if c.Do(ctx, http.MethodGet, "/api/v1/pods", "", nil, &list) != nil {
			continue // the API server is stopped
		}
		for _, p := range list.Items {
			path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s", p.Metadata.Namespace, p.Metadata.Name)
			now := time.Now().UTC().Format(time.RFC3339)
			switch {
			case p.Metadata.DeletionTimestamp != "":
				_ = c.Do(ctx, http.MethodDelete, path, "", map[string]any{"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}, nil)
			case p.Metadata.Annotations[PendingAnnotation] != "":
				_ = c.Do(ctx, http.MethodPatch, path+"/status", "application/merge-patch+json", map[string]any{"status": map[string]any{
					"phase":      "Pending",
					"conditions": []map[string]any{{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient cpu.", "lastTransitionTime": now}},
				}}, nil)
			case p.Status.Phase == "Pending":
				_ = c.Do(ctx, http.MethodPatch, path+"/status", "application/merge-patch+json", map[string]any{"status": map[string]any{
					"phase":      "Running",
					"conditions": []map[string]any{{"type": "PodScheduled", "status": "True", "lastTransitionTime": now}, {"type": "Ready", "status": "True", "lastTransitionTime": now}},
				}}, nil)
			}
		}
	}
}
