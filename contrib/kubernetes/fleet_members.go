package kubernetes

import (
	"cmp"
	"context"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
)

// A fleetMember is one target of a shard that this worker holds.
type fleetMember struct {
	target   Target
	term     *term
	at       time.Time    // when it starts
	state    *targetState // nil: not known yet
	reading  bool         // the state is being read
	started  bool
	stopping bool
	err      error // why it could not start
}

const (
	// leastPass is the time between two looks at all targets.
	leastPass = 200 * time.Millisecond

	// stateRest is the pause after a state could not be read.
	stateRest = 5 * time.Second
)

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// changed is called when a target appeared, changed or vanished.
func (f *Fleet) changed(key string) {
	f.mu.Lock()
	m := f.members[key]
	t := f.held[shardOf(key, f.opts.Shards)]
	f.mu.Unlock()
	if m == nil && (t == nil || !f.listed(key)) {
		return // another worker's, or nobody's
	}
	if m != nil {
		// Most changes are of the status.
		if w, found, err := f.targets.get(key, time.Now()); err == nil && found {
			if now := w.target(); m.target.same(&now) {
				return
			}
		}
	}
	poke(f.dirty)
}

// follow starts and stops members until ctx ends.
func (f *Fleet) follow(ctx context.Context) {
	var tasks sync.WaitGroup
	defer tasks.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.dirty:
		case <-timer.C:
		}
		next := f.look(ctx, &tasks, time.Now())
		timer.Reset(next)
		if pause(ctx, leastPass) != nil {
			return
		}
	}
}

// look compares the members with the targets and the shards. It starts those that are due,
// and stops those that are not wanted any more. What takes time is a task of its own. It
// returns when to look again.
func (f *Fleet) look(ctx context.Context, tasks *sync.WaitGroup, now time.Time) time.Duration {
	targets, known := f.selected()
	if !known {
		return time.Second
	}
	next := now.Add(time.Minute)
	var start []*fleetMember
	f.mu.Lock()
	for key, m := range f.members {
		w := targets[key]
		wanted := w != nil && f.held[m.term.shard] == m.term && !m.term.leaving
		if wanted {
			t := w.target()
			wanted = m.target.same(&t)
		}
		switch {
		case m.stopping:
		case !wanted && m.started && m.err == nil:
			m.stopping = true
			tasks.Go(func() { f.stop(context.WithoutCancel(ctx), key) })
		case !wanted:
			delete(f.members, key)
		}
	}
	for key, w := range targets {
		t := f.held[shardOf(key, f.opts.Shards)]
		if t == nil || !t.ready || t.leaving {
			continue
		}
		m := f.members[key]
		if m == nil {
			// The phase of a target stays the same in each term, so that the ticks stay spread.
			m = &fleetMember{target: w.target(), term: t, at: now.Add(time.Duration(hash(key+"\x00phase") % uint64(f.opts.Spread)))}
			f.members[key] = m
		}
		switch {
		case m.started || m.stopping || m.reading:
		case m.at.After(now):
			if m.at.Before(next) {
				next = m.at
			}
		case t.states[key] == nil:
			m.reading = true
			tasks.Go(func() { f.remember(ctx, m) })
		default:
			m.state = t.states[key].of(m.target.UID)
			t.states[key] = m.state
			m.started = true
			start = append(start, m)
		}
	}
	for _, t := range f.held {
		if !t.ready {
			continue
		}
		for key := range t.states { // a target that comes back is looked up
			if targets[key] == nil && f.members[key] == nil {
				delete(t.states, key)
			}
		}
	}
	f.mu.Unlock()
	for _, m := range start {
		f.start(ctx, m)
	}
	poke(f.vacant)
	return time.Until(next)
}

// start makes the Autoscaler of a target a member of the group.
func (f *Fleet) start(ctx context.Context, m *fleetMember) {
	key := m.target.String()
	cfg, err := f.configure(m.target, &fleetScaler{fleet: f, term: m.term, key: key, uid: m.target.UID}, &seat{f, m.term, m.target, m.state})
	if err == nil {
		_, err = f.group.Add(cfg)
	}
	if err == nil {
		return
	}
	f.opts.Logger.WarnContext(ctx, "kubernetes: "+key+" is not scaled until its labels or annotations change", slog.Any("error", err))
	f.mu.Lock()
	defer f.mu.Unlock()
	m.err = err
}

// remember reads the state of a target that came after those of its shard were read.
func (f *Fleet) remember(ctx context.Context, m *fleetMember) {
	state, err := f.readState(ctx, m.target)
	f.mu.Lock()
	m.reading = false
	switch {
	case err == nil && state.term > m.term.number:
		m.term.leaving = true // the next worker that acquires the shard raises its term above that
	case err == nil:
		m.term.states[m.target.String()] = state
	default:
		m.at = time.Now().Add(stateRest)
	}
	f.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		f.opts.Logger.WarnContext(ctx, "kubernetes: "+m.target.String()+" is not scaled until its state can be read", slog.Any("error", err))
	}
	poke(f.dirty)
}

// leaveShard gives a shard up. Any worker, this one included, may acquire it again.
func (f *Fleet) leaveShard(t *term) {
	f.mu.Lock()
	t.leaving = true
	f.mu.Unlock()
	poke(f.dirty)
}

// stop stops a member, and waits until it has ended.
func (f *Fleet) stop(ctx context.Context, key string) {
	err := f.group.Remove(ctx, key)
	if err != nil {
		f.opts.Logger.WarnContext(ctx, "kubernetes: "+key+" had failed", slog.Any("error", err))
	}
	f.mu.Lock()
	delete(f.members, key)
	f.mu.Unlock()
	poke(f.dirty)
}

func isZero(s autoscale.Schedule) bool { return reflect.ValueOf(s).IsZero() }

func (s FleetStatus) sorted() FleetStatus {
	slices.Sort(s.Shards)
	slices.SortFunc(s.Faults, func(a, b FleetFault) int { return cmp.Compare(a.Target, b.Target) })
	return s
}
