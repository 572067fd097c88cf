package kubernetes

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// lead renews the leases of this worker until work ends, and acquires and leaves shards until
// ctx ends.
func (f *Fleet) lead(ctx, work context.Context) {
	every := f.opts.TTL / 3
	defer f.preparing.Wait()
	f.meet(ctx)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		round, cancel := context.WithTimeout(work, every)
		err := f.round(ctx, round)
		cancel()
		f.mu.Lock()
		if err == nil {
			err = f.unread
		}
		failed := err != nil && f.last == nil
		f.last, f.unread = err, nil
		f.mu.Unlock()
		if failed && work.Err() == nil {
			f.opts.Logger.WarnContext(work, "kubernetes: the fleet cannot renew or acquire leases, and tries again", slog.Any("error", err))
		}
	wait:
		for {
			select {
			case <-work.Done():
				return
			case <-f.vacant:
				f.preparing.Go(func() { // a release that hangs delays no renewal
					limited, cancel := context.WithTimeout(work, every)
					defer cancel()
					f.releaseVacant(limited)
				})
			case <-ticker.C:
				break wait
			}
		}
	}
}

// meet announces this worker to the others, and waits a moment. Workers that start together
// then know of each other before one of them acquires all shards.
func (f *Fleet) meet(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, f.opts.TTL/3)
	defer cancel()
	err := f.leases.read(limited)
	if err == nil {
		err = f.leases.present(limited)
	}
	if err == nil { // otherwise the first round says so
		_ = pause(ctx, f.opts.TTL/10)
	}
}

// round renews, and then compares the shards that this worker holds with those that it is to
// hold.
func (f *Fleet) round(ctx, round context.Context) error {
	l := f.leases
	terms := f.terms()
	errs := make([]error, len(terms), len(terms)+1)
	var renewing sync.WaitGroup
	renewing.Go(func() { // a renewal that hangs keeps no shard from being acquired
		inLanes(32, len(terms), func(i int) { errs[i] = l.renew(round, terms[i]) })
	})
	var err error
	if ctx.Err() == nil { // otherwise nothing is acquired any more
		err = f.divide(ctx, round)
	}
	renewing.Wait()
	f.dropLost(round, terms)
	return firstOf(append(errs, err))
}

// divide finds out which shards this worker is to hold, leaves others, and acquires those
// that nobody holds.
//
// A worker that does not know the targets yet takes no share: it could scale none. A worker says
// that it lives before it looks who else does. So of two with different
// numbers of shards that come at the same moment, at least one sees the other.
func (f *Fleet) divide(ctx, round context.Context) error {
	l := f.leases
	absent := f.targets.listed()
	if absent == nil {
		absent = l.present(round)
	}
	if err := l.read(round); err != nil {
		return firstOf([]error{absent, err})
	}
	now := time.Now()
	live, differs := l.workers(now)
	owners := assign(live, f.opts.Shards)
	var take []int
	f.mu.Lock()
	f.workers = live
	for shard, owner := range owners {
		t := f.held[shard]
		switch s := l.seen[l.shardName(shard)]; {
		case differs != nil: // nobody would acquire what is left
		case t != nil && owner != f.opts.Worker:
			t.leaving = true
		case t == nil && owner == f.opts.Worker && absent == nil && (s == nil || s.free(now)):
			take = append(take, shard)
		}
	}
	f.mu.Unlock()
	poke(f.dirty)
	if differs != nil {
		return differs
	}
	return firstOf([]error{absent, f.take(ctx, round, take), l.bury(round, now)})
}

// inLanes calls f with each number below n, in their order, up to lanes at a time. One that hangs
// holds up no other.
func inLanes(lanes, n int, f func(i int)) {
	var next atomic.Int64
	guard.Together(min(lanes, n), func(int) {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
		}
	})
}

// firstOf returns the first error.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// terms returns the terms of the shards that are held. Those that end first come first: if the
// time of a round is too short to renew all, each has its turn in the next.
func (f *Fleet) terms() []*term {
	f.mu.Lock()
	defer f.mu.Unlock()
	ends := make(map[*term]time.Time)
	for _, t := range f.held {
		ends[t] = t.ends()
	}
	return slices.SortedFunc(maps.Keys(ends), func(a, b *term) int { return cmp.Or(ends[a].Compare(ends[b]), a.shard-b.shard) })
}

// dropLost forgets the terms that are over.
func (f *Fleet) dropLost(ctx context.Context, terms []*term) {
	for _, t := range terms {
		if _, ok := t.current(); ok {
			continue
		}
		t.end()
		f.mu.Lock()
		if f.held[t.shard] == t {
			delete(f.held, t.shard)
		}
		f.mu.Unlock()
		f.opts.Logger.WarnContext(ctx, fmt.Sprintf("kubernetes: shard %d of the fleet was lost: its lease could not be renewed in time", t.shard))
	}
}

// take acquires shards until round ends. It does not wait until what was saved of their targets
// is read, which may take longer than a term: that goes on until ctx ends.
func (f *Fleet) take(ctx, round context.Context, shards []int) error {
	errs := make([]error, len(shards))
	inLanes(8, len(shards), func(i int) { errs[i] = f.takeOne(ctx, round, shards[i]) })
	return firstOf(errs)
}

func (f *Fleet) takeOne(ctx, round context.Context, shard int) error {
	t, err := f.leases.acquire(round, shard)
	if answered(err) == http.StatusConflict {
		return nil // another worker was quicker
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.held[shard] = t
	f.mu.Unlock()
	f.preparing.Go(func() { f.prepare(ctx, t) })
	return nil
}

// prepare reads what was saved of the targets of a shard, so that its members may start.
func (f *Fleet) prepare(ctx context.Context, t *term) {
	defer poke(f.dirty)
	var states map[string]*targetState
	var last int64
	err := ended(ctx, nil)
	select {
	case f.reads <- struct{}{}:
		states, last, err = f.readStates(ctx, t.shard)
		<-f.reads
	case <-ctx.Done():
	}
	if err == nil {
		err = f.leases.lift(ctx, t, last)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		t.leaving = true // another try, perhaps of another worker
		if _, ok := t.current(); ok && ctx.Err() == nil {
			f.unread = err
		}
		return
	}
	t.states, t.ready = states, true
}

// releaseVacant releases the shards that are to be left and that no member uses any more.
func (f *Fleet) releaseVacant(ctx context.Context) {
	used := make(map[*term]bool)
	var free []*term
	f.mu.Lock()
	for _, m := range f.members {
		used[m.term] = true
	}
	for shard, t := range f.held {
		if t.leaving && !used[t] {
			free = append(free, t)
			delete(f.held, shard)
		}
	}
	f.mu.Unlock()
	f.release(ctx, free)
}

func (f *Fleet) release(ctx context.Context, terms []*term) {
	inLanes(16, len(terms), func(i int) {
		if err := f.leases.release(ctx, terms[i]); err != nil {
			f.opts.Logger.WarnContext(ctx, fmt.Sprintf("kubernetes: shard %d of the fleet could not be released, and others wait until it expires", terms[i].shard), slog.Any("error", err))
		}
	})
}

// leaveAll releases all shards after the last member has ended, and leaves the fleet.
func (f *Fleet) leaveAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	terms := f.terms()
	f.mu.Lock()
	members := slices.Collect(maps.Keys(f.members))
	clear(f.held)
	clear(f.members)
	f.mu.Unlock()
	for _, key := range members { // of the next Run others are made, in other terms
		_ = f.group.Remove(ctx, key) // they have ended, and those that failed are logged
	}
	f.release(ctx, terms)
	if err := f.leases.leave(ctx); err != nil {
		f.opts.Logger.WarnContext(ctx, "kubernetes: the lease of this worker could not be deleted, and others wait until it expires", slog.Any("error", err))
	}
}
