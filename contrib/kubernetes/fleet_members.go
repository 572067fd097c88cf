package kubernetes

import (
	"cmp"
	"context"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale"
)

// A fleetMember is one target of a shard that this worker holds.
type fleetMember struct {
	target   Target
	term     *term
	at       time.Time // when it starts
	started  bool
	stopping bool
	err      error // why it could not start
}

// leastPass is the time between two looks at all targets.
const leastPass = 200 * time.Millisecond

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
	if t == nil && m == nil {
		return // another worker's
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
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.dirty:
		case <-timer.C:
		}
		next := f.look(ctx, time.Now())
		timer.Reset(next)
		if pause(ctx, leastPass) != nil {
			return
		}
	}
}

// look compares the members with the targets and the shards. It starts those that are due,
// and stops those that are not wanted any more. It returns when to look again.
func (f *Fleet) look(ctx context.Context, now time.Time) time.Duration {
	targets, known := f.targets.all()
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
			go f.stop(context.WithoutCancel(ctx), key)
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
		case m.started || m.stopping:
		case m.at.After(now):
			if m.at.Before(next) {
				next = m.at
			}
		default:
			m.started = true
			start = append(start, m)
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
	state := m.term.states[key]
	if state == nil {
		state = new(targetState)
		m.term.states[key] = state
	}
	cfg, err := f.configure(m.target, &fleetScaler{fleet: f, term: m.term, key: key}, &seat{f, m.term, m.target, state})
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
