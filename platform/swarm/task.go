package swarm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
)

// placing is how long a task must have been without a node for that to count as a limit. A
// task that is being stopped frees its node only when it has ended.
const placing = time.Minute

// believed is how long a lack of room is believed. Somebody may add a node.
const believed = 5 * time.Minute

// A task has the fields that are read from a task. Its environment is not read.
type task struct {
	Slot      int       `json:"Slot"`
	NodeID    string    `json:"NodeID"`
	CreatedAt time.Time `json:"CreatedAt"`
	Status    struct {
		State string `json:"State"`
		Err   string `json:"Err"`
	} `json:"Status"`
}

// tasks lists the tasks that are meant to run. It takes at most half of the time that is
// left, because its callers can do without it.
func (s *Scaler) tasks(ctx context.Context, v *service) ([]task, error) {
	ctx, cancel := calls.Aside(ctx)
	defer cancel()
	filters, err := json.Marshal(map[string]map[string]bool{"service": {v.ID: true}, "desired-state": {"running": true}})
	if err != nil {
		return nil, err
	}
	call := calls.Call{Op: "list the tasks", Subject: s.subject(), Path: "/tasks", Query: url.Values{"filters": {string(filters)}}, Urgency: calls.Urgent, Once: true}
	var list []task
	if err := s.client.calls.Do(ctx, call, &list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, s.client.calls.Invalid(call, fmt.Errorf("the answer is not a list"))
	}
	return list, nil
}

// running returns how many of the desired tasks run. During an update a slot may have two.
func running(list []task) int {
	slots := make(map[int]bool)
	for _, t := range list {
		if t.Status.State == "running" {
			slots[t.Slot] = true
		}
	}
	return len(slots)
}

// short returns the LimitError of an order for which there is no room, because tasks of
// earlier orders have no node.
func (s *Scaler) short(ctx context.Context, v *service, size int) error {
	list, err := s.tasks(ctx, v)
	if err != nil {
		return nil //nolint:nilerr // Swarm accepts the order anyway
	}
	without, why := 0, ""
	for _, t := range list {
		if t.Status.State != "pending" || t.NodeID != "" || time.Since(t.CreatedAt) < s.placing {
			continue
		}
		without++
		if strings.HasPrefix(t.Status.Err, "no suitable node") { // not every such task has this text
			why = t.Status.Err
		}
	}
	if why == "" {
		return nil
	}
	return &autoscale.LimitError{Size: size, Limit: max(v.replicas()-without, 1), RetryAfter: believed, Err: fmt.Errorf(
		"swarm: %s: %d of %d tasks have no node: %s: add a node, or lower Max or what the service reserves", s.subject(), without, v.replicas(), s.client.calls.Scrub(why))}
}
