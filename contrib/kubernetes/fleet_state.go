package kubernetes

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
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
	dataHistory = "history" // in base64
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

func (o *fleetConfigMap) term() int64 {
	n, _ := strconv.ParseInt(o.Data[dataTerm], 10, 64)
	return n
}

// owner returns the UID of the target.
func (o *fleetConfigMap) owner() string {
	if len(o.Metadata.Owners) == 0 {
		return ""
	}
	return o.Metadata.Owners[0].UID
}

// A targetState is what is remembered of a target from term to term.
type targetState struct {
	uid  string // of the target
	term int64  // that had saved, when it was read

	writing chan struct{} // holds a token while the ConfigMap is written

	mu      sync.Mutex // guards the fields below; not held during a request
	version string     // of its ConfigMap. Empty: there is none
	other   bool       // that is of another target, which had the same name and is gone
	state   []byte     // as last given, perhaps not written yet
	saved   time.Time
	command []byte
	known   bool   // facts is
	facts   facts  // as last written
	history []byte // as read, until there is a newer one

	// All is written when it is due, which is when a history is given. Without one, the state
	// alone is written when it is late. Zero: not known.
	due, late time.Time
	archived  bool // a history was given in this term
}

func newTargetState(uid string) *targetState {
	return &targetState{uid: uid, writing: make(chan struct{}, 1)}
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

// readStates reads what was saved of the targets of a shard, in one list, and the last term
// that saved. Of a target that is there and has no state, the state is a new one.
func (f *Fleet) readStates(ctx context.Context, shard int) (states map[string]*targetState, last int64, err error) {
	k := f.call("read the states of a shard", "configmaps")
	selector := labelFleet + "=" + f.opts.Name
	if in := bucketsOf(shard, f.opts.Shards); in != "" {
		selector += "," + in
	}
	k.query = url.Values{"labelSelector": {selector}}
	states = make(map[string]*targetState)
	targets, _ := f.targets.all() // those that come later are looked up one by one
	for key, w := range targets {
		if shardOf(key, f.opts.Shards) == shard {
			states[key] = newTargetState(w.Metadata.UID)
		}
	}
	for next := ""; ; {
		k.query.Set("limit", strconv.Itoa(pageSize/10)) // a state has up to 64 KiB, and a history 48
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
			return nil, 0, err
		}
		if page.Metadata.ResourceVersion == "" {
			return nil, 0, fmt.Errorf("kubernetes: %s: the answer is not a list", k.op)
		}
		for i := range page.Items {
			o := &page.Items[i]
			states[o.Data[dataTarget]] = stateOf(o)
			last = max(last, o.term())
		}
		if next = page.Metadata.Continue; next == "" {
			return states, last, nil
		}
	}
}

// readState reads what was saved of one target.
func (f *Fleet) readState(ctx context.Context, t Target) (*targetState, error) {
	var o fleetConfigMap
	switch err := f.client.do(ctx, f.stateCall("read the state", t), nil, &o); {
	case answered(err) == http.StatusNotFound:
		return newTargetState(t.UID), nil
	case err != nil:
		return nil, err
	case o.Metadata.ResourceVersion == "":
		return nil, fmt.Errorf("kubernetes: read the state of %s: the answer is not a ConfigMap", t)
	}
	return stateOf(&o).of(t.UID), nil
}

// stateCall returns a call about the ConfigMap of a target.
func (f *Fleet) stateCall(op string, t Target) call {
	return call{op: op, subject: t.String(), api: "v1", resource: "configmaps", namespace: t.Namespace, name: fleetObject(f.opts.Name, t.Name)}
}

// of returns the state for a target of that UID. If s is of another one that had the same
// name, nothing of it is remembered.
func (s *targetState) of(uid string) *targetState {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.uid == uid {
		return s
	}
	other := newTargetState(uid)
	other.term, other.version, other.other = s.term, s.version, s.version != ""
	return other
}

// stateOf returns what a ConfigMap has.
func stateOf(o *fleetConfigMap) *targetState {
	s := newTargetState(o.owner())
	s.term, s.version = o.term(), o.Metadata.ResourceVersion
	if text, ok := o.Data[dataState]; ok && text != "" {
		s.state = []byte(text)
		s.saved, _ = time.Parse(time.RFC3339Nano, o.Data[dataSaved])
		s.known = s.facts.read(s.state) == nil
	}
	if text, ok := o.Data[dataCommand]; ok && text != "" {
		s.command = []byte(text)
	}
	s.history, _ = base64.StdEncoding.DecodeString(o.Data[dataHistory])
	return s
}

// A seat is the Elector and the Store of one target: a view of the lease of its shard.
type seat struct {
	fleet  *Fleet
	term   *term
	target Target
	state  *targetState
}

var _ autoscale.HistoryStore = (*seat)(nil)

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
// forget what changed, and otherwise with the history: ten thousand writes a tick would be
// too many for a cluster.
func (s *seat) Save(ctx context.Context, number int64, state []byte) error {
	if now, ok := s.term.current(); !ok || now.Number != number {
		return autoscale.ErrNotLeader
	}
	var is facts
	if err := is.read(state); err != nil {
		return fmt.Errorf("kubernetes: save the state of %s: it cannot be read: %w", s.target, err)
	}
	if !s.state.remember(state, is, 2*s.fleet.opts.SaveEvery) {
		return nil
	}
	if err := s.write(ctx, (*targetState).data); err != nil {
		return err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.late, s.state.facts = time.Now().Add(2*s.fleet.opts.SaveEvery), is
	return nil
}

// remember keeps a state, and reports whether it must be written now.
func (s *targetState) remember(state []byte, is facts, late time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.saved = state, time.Now()
	if !s.known { // of a target that is new, nothing is to be remembered yet, but an order
		s.known, s.facts = true, is
		s.facts.Orders.Unsure = false
	}
	if s.late.IsZero() {
		s.late = time.Now().Add(late)
	}
	return !reflect.DeepEqual(is, s.facts) || !time.Now().Before(s.late)
}

// data is what a ConfigMap has of the state. The lock is held.
func (s *targetState) data() map[string]string {
	saved := ""
	if s.state != nil {
		saved = s.saved.UTC().Format(time.RFC3339Nano)
	}
	return map[string]string{dataState: string(s.state), dataSaved: saved}
}

// Command remembers a command of a person. Another worker that scales the target now would not
// heed it, but its successor would.
func (s *seat) Command(ctx context.Context, command []byte) error {
	if _, ok := s.term.current(); !ok {
		return autoscale.ErrNotLeader
	}
	err := s.write(ctx, func(*targetState) map[string]string { return map[string]string{dataCommand: string(command)} })
	if err != nil {
		return err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.command = command
	return nil
}

// History returns the history as it was last written.
func (s *seat) History(ctx context.Context) ([]byte, error) {
	s.state.mu.Lock()
	history, archived := s.state.history, s.state.archived
	s.state.mu.Unlock()
	if !archived {
		return history, nil
	}
	there, err := s.fleet.readState(ctx, s.target)
	if err != nil {
		return nil, err
	}
	return there.history, nil
}

// SaveHistory writes the history and the state from time to time: what is lost of a page
// when a worker dies is not worth a write a minute.
func (s *seat) SaveHistory(ctx context.Context, number int64, history []byte) error {
	if now, ok := s.term.current(); !ok || now.Number != number {
		return autoscale.ErrNotLeader
	}
	if !s.state.archive(s.fleet.opts.SaveEvery) {
		return nil
	}
	err := s.write(ctx, func(state *targetState) map[string]string {
		data := state.data()
		data[dataHistory] = base64.StdEncoding.EncodeToString(history)
		return data
	})
	if err != nil {
		return err
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	now, every := time.Now(), s.fleet.opts.SaveEvery
	s.state.due, s.state.late = now.Add(every), now.Add(2*every)
	return nil
}

// archive records that a history was given, and reports whether it must be written now.
func (s *targetState) archive(every time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history, s.archived = nil, true // what was there is part of the new one
	if s.due.IsZero() {               // the targets of a shard are not written all at once
		s.due = time.Now().Add(rand.N(every))
	}
	return !time.Now().Before(s.due)
}

// write writes data of the state into the ConfigMap, if no later term has written there. data
// is called when it is this write's turn, with the lock held.
func (s *seat) write(ctx context.Context, data func(*targetState) map[string]string) error {
	k := s.fleet.stateCall("save the state", s.target)
	k.once = true
	o := fleetConfigMap{APIVersion: "v1", Kind: "ConfigMap"}
	o.Metadata.Name, o.Metadata.Namespace = k.name, s.target.Namespace
	o.Metadata.Labels = map[string]string{labelFleet: s.fleet.opts.Name, labelBucket: strconv.Itoa(bucketOf(s.target.String()))}
	o.Metadata.Owners = []fleetOwner{{"apps/v1", s.fleet.kind(), s.target.Name, s.target.UID}}
	written, err := turn(ctx, s.state.writing)
	if err != nil {
		return fmt.Errorf("kubernetes: save the state of %s: an earlier write has no answer yet: %w", s.target, err)
	}
	defer written()
	done, err := turn(ctx, s.fleet.saves)
	if err != nil {
		return fmt.Errorf("kubernetes: save the state of %s: other saves of the fleet go first: %w", s.target, err)
	}
	defer done()
	for range 3 {
		w := k
		w.leaves = done // a save that hangs does not block the others
		s.state.mu.Lock()
		o.Data = s.whole(data(s.state))
		version := s.state.version
		s.state.mu.Unlock()
		if o.Metadata.ResourceVersion = version; version != "" {
			w.method, w.contentType = http.MethodPatch, mergePatch
		} else {
			w.method, w.name = http.MethodPost, ""
		}
		var answer fleetConfigMap
		err := s.fleet.client.do(ctx, w, o, &answer)
		if err == nil {
			s.state.found(answer.Metadata.ResourceVersion, false)
			if answer.Metadata.ResourceVersion == "" {
				return fmt.Errorf("kubernetes: save the state of %s: the answer is not a ConfigMap", s.target)
			}
			return nil
		}
		if code := answered(err); code != http.StatusConflict && (code != http.StatusNotFound || version == "") {
			return err
		}
		// Somebody wrote, deleted or made it. It is read again.
		var there fleetConfigMap
		k := k
		k.op = "read the state"
		switch err := s.fleet.client.do(ctx, k, nil, &there); {
		case answered(err) == http.StatusNotFound:
			s.state.found("", false)
			continue
		case err != nil:
			return err
		}
		if n := there.term(); n > s.term.number {
			// Whoever acquires the shard next lifts its term above that.
			s.fleet.leaveShard(s.term)
			return fmt.Errorf("kubernetes: save the state of %s: term %d has saved, and this one is %d: %w", s.target, n, s.term.number, autoscale.ErrNotLeader)
		}
		s.state.found(there.Metadata.ResourceVersion, there.owner() != s.state.uid)
	}
	return fmt.Errorf("kubernetes: save the state of %s: the ConfigMap %s changed three times meanwhile", s.target, o.Metadata.Name)
}

// found records the version of the ConfigMap, and whether that is of another target.
func (s *targetState) found(version string, other bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.other = version, other
}

// whole returns data with what must be written too: all that is known, if the ConfigMap is
// new, and nothing of the target that it was of, if that was another one. The lock is held.
func (s *seat) whole(data map[string]string) map[string]string {
	data[dataTarget], data[dataTerm] = s.target.String(), strconv.FormatInt(s.term.number, 10)
	if s.state.version != "" && !s.state.other {
		return data
	}
	all := s.state.data()
	all[dataCommand], all[dataHistory] = string(s.state.command), ""
	maps.Copy(all, data)
	return all
}
