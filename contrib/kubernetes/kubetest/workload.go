package kubetest

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// A WorkloadConfig describes a [Workload] at the start. A workload that a client creates
// has the zero values.
type WorkloadConfig struct {
	// Kind is Deployment, StatefulSet, ReplicaSet or Rollout. Empty: Deployment.
	Kind string

	// Namespace defaults to [DefaultNamespace]. Name is required.
	Namespace, Name string

	// Replicas is how many pods are ordered at the start.
	Replicas int

	// Boot is the time from when a pod is created until it is ready. The pods of the first
	// Replicas are ready at once.
	Boot time.Duration

	// Grace is the time from when a pod is deleted until it is gone.
	Grace time.Duration

	// Nodes is how many pods there is room for. Any more are Unschedulable. 0: no limit.
	Nodes int

	// Quota is how many pods may be created. Any more are refused, and the condition
	// ReplicaFailure reports that. 0: no limit.
	Quota int

	// Service is the name of a Service with an EndpointSlice of the pods. Empty: none.
	Service string
}

// A Workload is a Deployment, StatefulSet, ReplicaSet or Rollout. The Server creates its
// pods. Make one with [Server.AddWorkload].
type Workload struct {
	config   WorkloadConfig
	server   *Server
	key      key
	revision int  // counts Deploy
	begun    bool // its first pods, which are ready at once, were created
	pods     map[key]bool
}

// A pod is a pod that runs or will run.
type pod struct {
	owner     key
	revision  int
	number    int
	made      time.Time
	placed    time.Time // when it was scheduled; zero: it was not scheduled
	ready     time.Time // when it will be ready, or became ready
	gone      time.Time // when it will be gone; zero: it stays
	phase     string
	condition string // the condition that its status had last
}

// AddWorkload adds an object of the kind in c, and creates its pods. The selector of its
// pods is app=name. It panics if there is such an object already.
func (s *Server) AddWorkload(c WorkloadConfig) *Workload {
	w := &Workload{config: c}
	if w.config.Kind == "" {
		w.config.Kind = "Deployment"
	}
	w.config.Namespace = orDefault(w.config.Namespace)
	s.mu.Lock()
	defer s.mu.Unlock()
	w.server, w.key = s, key{ofKind(w.config.Kind), w.config.Namespace, w.config.Name}
	if s.objects[w.key] != nil {
		panic(fmt.Sprintf("kubetest: AddWorkload: there is a %s %q already", w.config.Kind, w.config.Name))
	}
	labels := object{"app": w.config.Name}
	s.workloads[w.key] = w
	s.put(w.key, nil, normal(object{
		"metadata": object{"labels": labels},
		"spec": object{
			"replicas": c.Replicas, "selector": object{"matchLabels": labels},
			"template": object{"metadata": object{"labels": labels}, "spec": object{"containers": []any{object{"name": "main", "image": "example.org/" + w.config.Name + ":1"}}}},
		},
	}), "kubetest", "")
	s.reconcile()
	return w
}

// edit changes the object of the workload.
func (w *Workload) edit(change func(o object)) {
	w.server.Edit(w.config.Kind, w.config.Namespace, w.config.Name, change)
}

// Replicas returns how many pods are ordered.
func (w *Workload) Replicas() int {
	return number(w.server.Object(w.config.Kind, w.config.Namespace, w.config.Name), "spec", "replicas")
}

// SetReplicas orders a number of pods, as somebody else would, for example with kubectl
// scale.
func (w *Workload) SetReplicas(n int) {
	w.edit(func(o object) { child(o, "spec")["replicas"] = n })
}

// Ready returns how many pods are ready.
func (w *Workload) Ready() int {
	return number(w.server.Object(w.config.Kind, w.config.Namespace, w.config.Name), "status", "readyReplicas")
}

// Deploy begins a rollout. Pods of a new revision are created in addition to the old
// ones, which are deleted when the new ones are ready.
func (w *Workload) Deploy() {
	w.server.mu.Lock()
	w.revision++
	n := w.revision + 1
	w.server.mu.Unlock()
	w.edit(func(o object) {
		t := child(child(child(o, "spec"), "template"), "spec")
		t["containers"] = []any{object{"name": "main", "image": fmt.Sprintf("example.org/%s:%d", w.config.Name, n)}}
	})
}

// SetNodes changes how many pods there is room for; see [WorkloadConfig].
func (w *Workload) SetNodes(n int) { w.limit(&w.config.Nodes, n) }

// SetQuota changes how many pods may be created; see [WorkloadConfig].
func (w *Workload) SetQuota(n int) { w.limit(&w.config.Quota, n) }

func (w *Workload) limit(field *int, n int) {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	*field = n
	w.server.dirty[w.key] = true
	w.server.reconcile()
}

// Pods returns the names of the pods that are not being deleted, oldest first.
func (w *Workload) Pods() (names []string) {
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	w.server.reconcile()
	for _, k := range w.server.podsOf(w.key) {
		if w.server.pods[k].gone.IsZero() {
			names = append(names, k.name)
		}
	}
	return names
}

// StopControllers keeps the pods and the status of all workloads unchanged, and stops
// every HPA, as when the controller manager is down. If stop is false, StopControllers
// ends that.
func (s *Server) StopControllers(stop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = stop
	s.reconcile()
}

func joinLabels(labels object) string {
	var terms []string
	for name, v := range labels {
		terms = append(terms, fmt.Sprintf("%s=%v", name, v))
	}
	sort.Strings(terms)
	return strings.Join(terms, ",")
}

// An HPAConfig describes an [HPA] at the start.
type HPAConfig struct {
	Namespace, Name string        // Namespace defaults to DefaultNamespace
	Kind, Target    string        // the workload; Kind defaults to Deployment
	Min, Max        int           // 0: 1 and 10
	Desired         int           // 0: it only keeps the size within Min and Max
	Every           time.Duration // the time between two syncs; 0: 15 seconds
	ScaledObject    string        // the ScaledObject for which KEDA made the HPA; empty: none
}

// An HPA is a HorizontalPodAutoscaler that sets the size of a workload. As long as it
// exists and the workload does not have 0 replicas, it orders Desired, within its
// bounds. Make one with [Server.AddHPA].
type HPA struct {
	config HPAConfig
	server *Server
	next   time.Time
}

// AddHPA adds an HPA. It syncs at once and then each Every, 15 seconds by default.
func (s *Server) AddHPA(h HPAConfig) *HPA {
	if h.Kind == "" {
		h.Kind = "Deployment"
	}
	h.Namespace = orDefault(h.Namespace)
	h.Min = max(h.Min, 1)
	if h.Max == 0 {
		h.Max = 10
	}
	if h.Every == 0 {
		h.Every = 15 * time.Second
	}
	labels := object{}
	if h.ScaledObject != "" {
		labels = object{"scaledobject.keda.sh/name": h.ScaledObject, "app.kubernetes.io/managed-by": "keda-operator"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := key{ofKind("HorizontalPodAutoscaler"), h.Namespace, h.Name}
	made := &HPA{config: h, server: s}
	s.hpas[k] = made
	s.expect(time.Now())
	s.put(k, s.objects[k], normal(object{
		"metadata": object{"labels": labels},
		"spec": object{
			"scaleTargetRef": object{"apiVersion": ofKind(h.Kind).apiVersion(), "kind": h.Kind, "name": h.Target},
			"minReplicas":    h.Min, "maxReplicas": h.Max,
		},
		"status": object{"currentReplicas": 0, "desiredReplicas": 0},
	}), "kubetest", "")
	s.reconcile()
	return made
}

// SetDesired changes Desired. It takes effect at the HPA's next sync.
func (h *HPA) SetDesired(n int) {
	h.server.mu.Lock()
	defer h.server.mu.Unlock()
	h.config.Desired = n
}

// Remove deletes the HPA.
func (h *HPA) Remove() { h.server.Delete("HorizontalPodAutoscaler", h.config.Namespace, h.config.Name) }
