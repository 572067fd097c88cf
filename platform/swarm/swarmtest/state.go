package swarmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// A state is the state of a service.
type state struct {
	id               string
	version          uint64
	created, updated time.Time
	spec, previous   map[string]any
	ongoing          *progress
	tasks            []*task // ordered by slot
	ending           []*task
}

type progress struct {
	state   string
	started time.Time
	lasts   time.Duration // -1: for good
}

type task struct {
	id      string
	slot    int
	created time.Time
	placed  time.Time // zero: it has no node
	runs    bool
	ends    time.Time // zero: it is meant to run
}

// decode keeps numbers as they are written.
func decode(text []byte) (fields map[string]any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&fields) != nil {
		return nil
	}
	return fields
}

// at returns the value at a path of a spec.
func at(v any, path ...string) any {
	for _, key := range path {
		fields, _ := v.(map[string]any)
		v = fields[key]
	}
	return v
}

func number(v any) int {
	text, _ := v.(json.Number)
	n, _ := strconv.Atoi(string(text))
	return n
}

func (st *state) replicas() int { return number(at(st.spec, "Mode", "Replicated", "Replicas")) }

func (s *Server) touch(st *state) {
	s.index++
	st.version, st.updated = s.index, time.Now().UTC()
}

func (s *Server) id() string {
	s.next++
	return fmt.Sprintf("swarmtest%016d", s.next)
}

func (s *Server) add(name string, spec map[string]any) *state {
	st := &state{id: s.id(), spec: spec, created: time.Now().UTC()}
	s.touch(st)
	s.services[name] = st
	s.reconcile(st)
	return st
}

// reconcile brings a service up to what the swarm has done by now.
func (s *Server) reconcile(st *state) {
	now := time.Now()
	if u := st.ongoing; u != nil && u.state == "updating" && u.lasts >= 0 && now.Sub(u.started) >= u.lasts {
		u.state = "completed"
		s.touch(st)
	}
	size := st.replicas()
	for len(st.tasks) > size {
		last := st.tasks[len(st.tasks)-1]
		last.ends = now.Add(s.stop)
		st.tasks, st.ending = st.tasks[:len(st.tasks)-1], append(st.ending, last)
	}
	st.ending = slices.DeleteFunc(st.ending, func(t *task) bool { return !now.Before(t.ends) })
	for len(st.tasks) < size {
		st.tasks = append(st.tasks, &task{id: s.id(), slot: len(st.tasks) + 1, created: now})
	}
	most := number(at(st.spec, "TaskTemplate", "Placement", "MaxReplicas"))
	placed := 0
	for _, t := range st.tasks {
		if !t.placed.IsZero() {
			placed++
		}
	}
	for _, t := range st.tasks {
		if t.placed.IsZero() && (most == 0 || placed < most) {
			t.placed = now
			placed++
		}
		t.runs = t.runs || !t.placed.IsZero() && now.Sub(t.placed) >= s.boot
	}
}
