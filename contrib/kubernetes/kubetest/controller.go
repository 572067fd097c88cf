package kubetest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reconcile does what the controllers and nodes would have done by now. It runs again
// when something is due. The caller holds the lock.
func (s *Server) reconcile() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if s.stopped || s.closed {
		return
	}
	now := time.Now()
	if !s.due.IsZero() && !s.due.After(now) {
		s.catchUp(now)
	}
	for len(s.dirty) > 0 {
		dirty := s.dirty
		s.dirty = make(map[key]bool)
		for k := range dirty {
			if s.objects[k] != nil {
				s.work(k, now)
			}
		}
	}
	if !s.due.IsZero() {
		s.timer = time.AfterFunc(time.Until(s.due), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.reconcile()
		})
	}
}

// expect notes that something is due at a time.
func (s *Server) expect(at time.Time) {
	if s.due.IsZero() || at.Before(s.due) {
		s.due = at
	}
}

// catchUp does what is due for all workloads.
func (s *Server) catchUp(now time.Time) {
	s.due = time.Time{}
	for k, h := range s.hpas {
		s.rule(k, h, now)
		s.expect(h.next)
	}
	for k, p := range s.pods {
		if s.objects[p.owner] == nil && p.gone.IsZero() {
			s.terminate(k, p, now)
		}
		if !p.gone.IsZero() && !p.gone.After(now) {
			s.remove(k)
			s.forget(k)
			continue
		}
		for _, at := range []time.Time{p.ready, p.gone} {
			if at.After(now) {
				s.expect(at)
			}
		}
		s.dirty[p.owner] = true
	}
}

// forget drops what the controllers know about an object.
func (s *Server) forget(k key) {
	if p := s.pods[k]; p != nil {
		if w := s.workloads[p.owner]; w != nil {
			delete(w.pods, k)
		}
		delete(s.pods, k)
		s.dirty[p.owner] = true
	}
	if s.workloads[k] != nil {
		s.expect(time.Now()) // its pods go
	}
	delete(s.workloads, k)
}

// podsOf returns the pods of a workload, oldest first.
func (s *Server) podsOf(owner key) (keys []key) {
	if w := s.workloads[owner]; w != nil {
		keys = slices.Collect(maps.Keys(w.pods))
	}
	slices.SortFunc(keys, func(a, b key) int { return s.pods[a].number - s.pods[b].number })
	return keys
}

// work brings the pods and the status of a workload up to date.
func (s *Server) work(k key, now time.Time) {
	w := s.workloads[k]
	if w == nil { // a client created it
		w = &Workload{config: WorkloadConfig{Kind: k.res.kind, Namespace: k.ns, Name: k.name}, server: s, key: k}
		s.workloads[k] = w
	}
	o := s.objects[k]
	want := 1
	if at(o, "spec", "replicas") != nil {
		want = number(o, "spec", "replicas")
	}
	var old, live []key
	placed := 0
	for _, p := range s.podsOf(k) {
		if !s.pods[p].gone.IsZero() {
			continue
		}
		if !s.pods[p].placed.IsZero() {
			placed++
		}
		if s.pods[p].revision == w.revision {
			live = append(live, p)
		} else {
			old = append(old, p)
		}
	}
	refused := 0
	for len(live) < want {
		if w.config.Quota > 0 && len(live)+len(old) >= w.config.Quota {
			refused = want - len(live)
			break
		}
		live = append(live, s.makePod(w, o, now))
	}
	for _, p := range s.order(live)[:max(0, len(live)-want)] {
		if !s.pods[p].placed.IsZero() {
			placed--
		}
		s.terminate(p, s.pods[p], now)
		live = slices.DeleteFunc(live, func(k key) bool { return k == p })
	}
	ready := 0
	for _, p := range live {
		if s.pods[p].placed.IsZero() && (w.config.Nodes == 0 || placed < w.config.Nodes) {
			s.place(w, s.pods[p], now)
			placed++
		}
		if s.tell(p, now) {
			ready++
		}
	}
	w.begun = true
	oldReady := 0
	for _, p := range old {
		if s.tell(p, now) {
			oldReady++
		}
	}
	if len(old) > 0 && ready >= want {
		for _, p := range old {
			s.terminate(p, s.pods[p], now)
		}
		old, oldReady = nil, 0
	}
	s.tellWorkload(w, o, counts{want: want, live: len(live), old: len(old), ready: ready + oldReady, updated: len(live), refused: refused}, now)
	s.tellService(w, append(live, old...), now)
}

// order returns pods in the order in which they are deleted.
func (s *Server) order(pods []key) []key {
	cost := func(k key) int {
		n, _ := strconv.Atoi(text(s.objects[k], "metadata", "annotations", "controller.kubernetes.io/pod-deletion-cost"))
		return n
	}
	out := slices.Clone(pods)
	slices.SortStableFunc(out, func(a, b key) int {
		p, q := s.pods[a], s.pods[b]
		if p.owner.res.kind != "StatefulSet" {
			if x, y := p.placed.IsZero(), q.placed.IsZero(); x != y {
				return order(x)
			}
			now := time.Now()
			if x, y := p.ready.After(now), q.ready.After(now); x != y {
				return order(x)
			}
			if d := cost(a) - cost(b); d != 0 {
				return d
			}
		}
		return q.number - p.number
	})
	return out
}

func order(first bool) int {
	if first {
		return -1
	}
	return 1
}

func (s *Server) makePod(w *Workload, o object, now time.Time) key {
	s.lastPod++
	number := s.lastPod
	name := fmt.Sprintf("%s-%x-%05d", w.config.Name, 0xabc0+w.revision, number)
	if w.config.Kind == "StatefulSet" {
		for number = 0; ; number++ {
			name = fmt.Sprintf("%s-%d", w.config.Name, number)
			if s.objects[key{ofKind("Pod"), w.config.Namespace, name}] == nil {
				break
			}
		}
	}
	k := key{ofKind("Pod"), w.config.Namespace, name}
	if w.pods == nil {
		w.pods = make(map[key]bool)
	}
	w.pods[k] = true
	s.pods[k] = &pod{owner: w.key, revision: w.revision, number: number, made: now, phase: "Pending"}
	labels, _ := at(o, "spec", "template", "metadata", "labels").(object)
	s.put(k, nil, normal(object{
		"metadata": object{"labels": labels, "ownerReferences": []any{object{"apiVersion": w.key.res.apiVersion(), "kind": w.config.Kind, "name": w.config.Name, "uid": at(o, "metadata", "uid"), "controller": true}}},
		"spec":     at(o, "spec", "template", "spec"),
		"status":   object{"phase": "Pending"},
	}), "kube-controller-manager", "")
	return k
}

func (s *Server) place(w *Workload, p *pod, now time.Time) {
	p.placed, p.ready = now, now.Add(w.config.Boot)
	if !w.begun {
		p.ready = now
	}
	if p.ready.After(now) {
		s.expect(p.ready)
	}
}

func (s *Server) terminate(k key, p *pod, now time.Time) {
	grace := time.Duration(0)
	if w := s.workloads[p.owner]; w != nil {
		grace = w.config.Grace
	}
	if !p.gone.IsZero() {
		return
	}
	p.gone = now.Add(grace)
	s.expect(p.gone)
	s.dirty[p.owner] = true
	o := normal(s.objects[k])
	meta := child(o, "metadata")
	meta["deletionTimestamp"], meta["deletionGracePeriodSeconds"] = timestamp(p.gone), 30
	s.put(k, s.objects[k], o, "kube-controller-manager", "")
}

// tell writes the status of a pod, and reports whether the pod is ready.
func (s *Server) tell(k key, now time.Time) bool {
	p := s.pods[k]
	ready := !p.placed.IsZero() && !p.ready.After(now)
	state := fmt.Sprint(p.placed.IsZero(), ready)
	if p.condition == state {
		return ready
	}
	p.condition = state
	o := normal(s.objects[k])
	condition := func(kind string, is bool, more object) object {
		c := object{"type": kind, "status": "False", "lastTransitionTime": timestamp(now), "lastProbeTime": nil}
		if is {
			c["status"] = "True"
		}
		return mergePatch(c, more)
	}
	status := object{"phase": "Pending"}
	if p.placed.IsZero() {
		status["conditions"] = []any{condition("PodScheduled", false, object{"reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu."})}
	} else {
		status["phase"], status["podIP"] = "Running", address(p)
		status["startTime"] = timestamp(p.placed)
		status["conditions"] = []any{condition("PodScheduled", true, nil), condition("Ready", ready, nil), condition("ContainersReady", ready, nil)}
		child(o, "spec")["nodeName"] = "node-1"
	}
	o["status"] = status
	s.put(k, s.objects[k], normal(o), "kubelet", "status")
	return ready
}

func address(p *pod) string { return fmt.Sprintf("10.0.%d.%d", p.number/250%250, p.number%250+1) }

type counts struct{ want, live, old, ready, updated, refused int }

// tellWorkload writes the status of a workload.
func (s *Server) tellWorkload(w *Workload, o object, n counts, now time.Time) {
	total := n.live + n.old
	status := object{"observedGeneration": at(o, "metadata", "generation"), "replicas": total}
	set := func(field string, v int) {
		if v != 0 || strings.HasPrefix(w.config.Kind, "Stateful") && field == "availableReplicas" {
			status[field] = v
		}
	}
	set("readyReplicas", n.ready)
	set("availableReplicas", n.ready)
	switch w.config.Kind {
	case "ReplicaSet":
		set("fullyLabeledReplicas", total)
	case "StatefulSet":
		set("updatedReplicas", n.updated)
		set("currentReplicas", n.updated)
	case "Rollout":
		set("updatedReplicas", n.updated)
		set("HPAReplicas", total)
		status["observedGeneration"] = fmt.Sprint(at(o, "metadata", "generation"))
		status["selector"] = selectorOf(o)
	default:
		set("updatedReplicas", n.updated)
		set("unavailableReplicas", max(0, max(n.want, total)-n.ready))
		status["conditions"] = s.conditions(o, n, now)
	}
	if w.config.Kind != "Deployment" && n.refused > 0 {
		if was, _ := at(o, "status", "conditions").([]any); len(was) > 0 {
			status["conditions"] = was // it keeps the time at which it began
		} else {
			status["conditions"] = []any{quotaCondition(now)}
		}
	}
	next := normal(o)
	next["status"] = normal(status)
	s.put(w.key, o, next, "kube-controller-manager", "status")
}

// conditions returns the conditions of a Deployment. A condition that did not change
// keeps its times.
func (s *Server) conditions(o object, n counts, now time.Time) []any {
	whole := n.ready >= n.want
	available := object{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "Deployment has minimum availability."}
	if !whole {
		available = object{"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable", "message": "Deployment does not have minimum availability."}
	}
	progressing := object{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "message": "ReplicaSet has successfully progressed."}
	if !whole || n.old > 0 {
		progressing["reason"], progressing["message"] = "ReplicaSetUpdated", "ReplicaSet is progressing."
	}
	list := []any{available, progressing}
	if n.refused > 0 {
		list = append(list, quotaCondition(now))
	}
	was, _ := at(o, "status", "conditions").([]any)
	for i, c := range list {
		c := c.(object)
		c["lastUpdateTime"], c["lastTransitionTime"] = timestamp(now), timestamp(now)
		for _, old := range was {
			old := old.(object)
			if old["type"] == c["type"] && old["status"] == c["status"] && old["reason"] == c["reason"] {
				list[i] = old
			}
		}
	}
	return list
}

func quotaCondition(now time.Time) object {
	return object{
		"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "lastUpdateTime": timestamp(now), "lastTransitionTime": timestamp(now),
		"message": `pods "web" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=2, limited: pods=2`,
	}
}

// tellService writes the EndpointSlice of the workload's Service.
func (s *Server) tellService(w *Workload, pods []key, now time.Time) {
	if w.config.Service == "" {
		return
	}
	endpoints := []any{}
	for _, k := range pods {
		p := s.pods[k]
		if p.placed.IsZero() || !p.gone.IsZero() {
			continue
		}
		ready := !p.ready.After(now)
		endpoints = append(endpoints, object{
			"addresses": []any{address(p)}, "conditions": object{"ready": ready, "serving": ready, "terminating": false},
			"targetRef": object{"kind": "Pod", "namespace": k.ns, "name": k.name},
		})
	}
	k := key{ofKind("EndpointSlice"), w.config.Namespace, w.config.Service + "-00001"}
	s.put(k, s.objects[k], normal(object{
		"metadata": object{"labels": object{"kubernetes.io/service-name": w.config.Service}}, "addressType": "IPv4",
		"endpoints": endpoints, "ports": []any{object{"name": "http", "port": 8080, "protocol": "TCP"}},
	}), "kube-controller-manager", "")
}

// rule makes an HPA order its size.
func (s *Server) rule(k key, h *HPA, now time.Time) {
	target := key{ofKind(h.config.Kind), h.config.Namespace, h.config.Target}
	o := s.objects[target]
	if s.objects[k] == nil {
		delete(s.hpas, k)
		return
	}
	if h.next.After(now) || o == nil {
		return
	}
	h.next = now.Add(h.config.Every)
	current := number(o, "spec", "replicas")
	if current == 0 { // switched off
		return
	}
	desired := h.config.Desired
	if desired == 0 {
		desired = current
	}
	desired = min(max(desired, h.config.Min), h.config.Max)
	self := normal(s.objects[k])
	self["status"] = object{"currentReplicas": current, "desiredReplicas": desired}
	s.put(k, s.objects[k], normal(self), "kube-controller-manager", "status")
	if desired != current {
		next := normal(o)
		child(next, "spec")["replicas"] = float64(desired)
		s.put(target, o, next, "kube-controller-manager", "scale")
	}
}
