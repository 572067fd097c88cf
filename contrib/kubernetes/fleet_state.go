package kubernetes

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

// The keys of the ConfigMap that has the state of a target.
const (
	dataTarget  = "target"
	dataState   = "state"
	dataCommand = "command"
	dataSaved   = "saved" // when the state was saved, in RFC 3339, by the clock of the worker
	dataTerm    = "term"
)

// A fleetConfigMap is a ConfigMap of v1. In a patch, what is left out stays.
type fleetConfigMap struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind,omitempty"`
	Metadata   struct {
		Name            string            `json:"name,omitempty"`
		Namespace       string            `json:"namespace,omitempty"`
		ResourceVersion string            `json:"resourceVersion,omitempty"`
		Labels          map[string]string `json:"labels,omitempty"`
		Owners          []fleetOwner      `json:"ownerReferences,omitempty"`
	} `json:"metadata"`
	Data map[string]string `json:"data"`
}

// A fleetOwner has Kubernetes delete the state with its target.
type fleetOwner struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

// A targetState is what is remembered of a target from term to term.
type targetState struct {
	mu      sync.Mutex
	version string // of its ConfigMap. Empty: there is none
	state   []byte // as last given, perhaps not written yet
	saved   time.Time
	command []byte
	due     time.Time // when it is to be written, whatever it is. Zero: not known
	known   bool      // facts is
	facts   facts     // as last written
}

// facts are what a successor must not forget. When they change, the state is written at once.
type facts struct {
	Capacity struct{ Desired int }
	Orders   struct {
		Last   int
		Unsure bool
	}
	Obeyed     int64
	Conditions []struct {
		Part  string
		Event struct{ Kind, Phase json.RawMessage }
	}
}

// read reads the facts of a state.
func (f *facts) read(state []byte) error {
	*f = facts{}
	return json.Unmarshal(state, f)
}

// readStates reads what was saved of the targets of a shard, in one list.
func (f *Fleet) readStates(ctx context.Context, shard int) (map[string]*targetState, error) {
	k := f.call("read the states of a shard", "configmaps")
	k.query = url.Values{"labelSelector": {labelFleet + "=" + f.opts.Name + "," + labelShard + "=" + strconv.Itoa(shard)}}
	states := make(map[string]*targetState)
	for next := ""; ; {
		k.query.Set("limit", strconv.Itoa(pageSize/5)) // a state has up to 64 KiB
		k.query.Set("continue", next)
		if next == "" {
			k.query.Del("continue")
		}
		var page struct {
			Metadata struct {
				ResourceVersion string `json:"resourceVersion"`
				Continue        string `json:"continue"`
			} `json:"metadata"`
			Items []fleetConfigMap `json:"items"`
		}
		if err := f.client.do(ctx, k, nil, &page); err != nil {
			return nil, err
		}
		if page.Metadata.ResourceVersion == "" {
			return nil, fmt.Errorf("kubernetes: %s: the answer is no list", k.op)
		}
		for i := range page.Items {
			o := &page.Items[i]
			s := &targetState{}
			s.take(o)
			states[o.Data[dataTarget]] = s
		}
		if next = page.Metadata.Continue; next == "" {
			return states, nil
		}
	}
}

// take takes what a ConfigMap has.
func (s *targetState) take(o *fleetConfigMap) {
	s.version = o.Metadata.ResourceVersion
	if text, ok := o.Data[dataState]; ok && text != "" {
		s.state = []byte(text)
		s.saved, _ = time.Parse(time.RFC3339Nano, o.Data[dataSaved])
		s.known = s.facts.read(s.state) == nil
	}
	if text, ok := o.Data[dataCommand]; ok && text != "" {
		s.command = []byte(text)
	}
}

// A seat is the Elector and the Store of one target: a view of the lease of its shard.
type seat struct {
	fleet  *Fleet
	term   *term
	target Target
	state  *targetState
}

// Run waits until ctx ends. The fleet renews the lease, for all targets of the shard.
func (s *seat) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Current returns the term of the shard.
func (s *seat) Current() (autoscale.Term, bool) { return s.term.current() }

// Record returns what is remembered of the target.
func (s *seat) Record() (autoscale.Record, bool) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	now := time.Now()
	return autoscale.Record{
		Holder: s.term.holder, Term: s.term.number, State: s.state.state, Command: s.state.command,
		Age: max(0, now.Sub(s.state.saved)), Read: now,
	}, true
}

// Save remembers the state. It writes the state to the ConfigMap if a successor must not
// forget what changed, and otherwise from time to time: ten thousand writes a tick would be
// too many for a cluster.
func (s *seat) Save(ctx context.Context, number int64, state []byte) error {
	if now, ok := s.term.current(); !ok || now.Number != number {
		return autoscale.ErrNotLeader
	}
	var is facts
	if err := is.read(state); err != nil {
		return fmt.Errorf("kubernetes: save the state of %s: it cannot be read: %w", s.target, err)
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.state, s.state.saved = state, time.Now()
	if !s.state.known {
		s.state.known, s.state.facts = true, is // of a target that is new, nothing is to be remembered yet
	}
	if s.state.due.IsZero() { // the targets of a shard are not written all at once
		s.state.due = time.Now().Add(rand.N(s.fleet.opts.SaveEvery))
	}
	if reflect.DeepEqual(is, s.state.facts) && time.Now().Before(s.state.due) {
		return nil
	}
	if err := s.write(ctx, map[string]string{dataState: string(state), dataSaved: s.state.saved.UTC().Format(time.RFC3339Nano)}); err != nil {
		return err
	}
	s.state.due, s.state.facts = time.Now().Add(s.fleet.opts.SaveEvery), is
	return nil
}

// Command remembers a command of a person.
func (s *seat) Command(ctx context.Context, command []byte) error {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	if err := s.write(ctx, map[string]string{dataCommand: string(command)}); err != nil {
		return err
	}
	s.state.command = command
	return nil
}

// write writes data into the ConfigMap, if no later term has written there. The lock is
// held.
func (s *seat) write(ctx context.Context, data map[string]string) error {
	o := fleetConfigMap{APIVersion: "v1", Kind: "ConfigMap", Data: data}
	o.Metadata.Name, o.Metadata.Namespace = s.fleet.stateName(s.target), s.target.Namespace
	o.Metadata.Labels = map[string]string{labelFleet: s.fleet.opts.Name, labelShard: strconv.Itoa(s.term.shard)}
	o.Metadata.Owners = []fleetOwner{{"apps/v1", s.fleet.kind(), s.target.Name, s.target.UID}}
	data[dataTarget], data[dataTerm] = s.target.String(), strconv.FormatInt(s.term.number, 10)
	k := call{op: "save the state", subject: s.target.String(), api: "v1", resource: "configmaps", namespace: s.target.Namespace, once: true}
	for range 3 {
		w, name := k, o.Metadata.Name
		w.method = http.MethodPost
		if o.Metadata.ResourceVersion = s.state.version; s.state.version != "" {
			w.method, w.name, w.contentType = http.MethodPatch, name, mergePatch
		}
		var answer fleetConfigMap
		err := s.fleet.client.do(ctx, w, o, &answer)
		if err == nil {
			if s.state.version = answer.Metadata.ResourceVersion; s.state.version == "" {
				return fmt.Errorf("kubernetes: save the state of %s: the answer is no ConfigMap", s.target)
			}
			return nil
		}
		if code := answered(err); code != http.StatusConflict && (code != http.StatusNotFound || s.state.version == "") {
			return err
		}
		// Somebody wrote, deleted or made it. It is read again.
		var there fleetConfigMap
		k := k
		k.op, k.name = "read the state", name
		switch err := s.fleet.client.do(ctx, k, nil, &there); {
		case answered(err) == http.StatusNotFound:
			s.state.version = ""
			continue
		case err != nil:
			return err
		}
		if n, _ := strconv.ParseInt(there.Data[dataTerm], 10, 64); n > s.term.number {
			return fmt.Errorf("kubernetes: save the state of %s: term %d has saved, and this one is %d: %w", s.target, n, s.term.number, autoscale.ErrNotLeader)
		}
		s.state.version = there.Metadata.ResourceVersion
	}
	return fmt.Errorf("kubernetes: save the state of %s: the ConfigMap %s changed three times meanwhile", s.target, o.Metadata.Name)
}

// stateName returns the name of the ConfigMap of a target. It is at most 253 bytes.
func (f *Fleet) stateName(t Target) string {
	name := "autoscale-" + f.opts.Name + "-" + cmp.Or(t.Name, "none")
	if len(name) > 253 {
		name = fmt.Sprintf("%.230s-%016x", name, hash(name))
	}
	return name
}
