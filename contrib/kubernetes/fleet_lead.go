package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// lead renews the leases of this worker until work ends, and acquires and leaves shards until
// ctx ends.
func (f *Fleet) lead(ctx, work context.Context) {
	every := f.opts.TTL / 3
	f.meet(ctx)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		round, cancel := context.WithTimeout(work, every)
		err := f.round(ctx, round)
		cancel()
		f.mu.Lock()
		failed := err != nil && f.last == nil
		f.last = err
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
				round, cancel := context.WithTimeout(work, every)
				f.releaseVacant(round)
				cancel()
			case <-ticker.C:
				break wait
			}
		}
	}
}

// meet tells the other workers that this one comes, and waits a moment. Workers that start
// together then know of each other before one of them acquires all shards.
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
		guard.Together(min(16, len(terms)), func(i int) {
			for ; i < len(terms); i += 16 {
				errs[i] = l.renew(round, terms[i])
			}
		})
	})
	var err error
	if ctx.Err() == nil { // otherwise nothing is acquired any more
		err = f.divide(round)
	}
	renewing.Wait()
	f.dropLost(round, terms)
	return firstOf(append(errs, err))
}

// divide finds out which shards this worker is to hold, leaves others, and acquires those
// that nobody holds.
//
// A worker says that it lives before it looks who else does. So of two with different
// numbers of shards that come at the same moment, at least one sees the other.
func (f *Fleet) divide(round context.Context) error {
	l := f.leases
	absent := l.present(round)
	if err := l.read(round); err != nil {
		return firstOf([]error{absent, err})
	}
	now := time.Now()
	old := l.bury(round, now)
	live, others := l.workers(now)
	owners := assign(live, f.opts.Shards)
	var take []int
	f.mu.Lock()
	f.workers = live
	for shard, owner := range owners {
		t := f.held[shard]
		switch s := l.seen[l.shardName(shard)]; {
		case others != "": // nobody would acquire what is left
		case t != nil && owner != f.opts.Worker:
			t.leaving = true
		case t == nil && owner == f.opts.Worker && absent == nil && (s == nil || s.free(now)):
			take = append(take, shard)
		}
	}
	f.mu.Unlock()
	poke(f.dirty)
	if others != "" {
		return fmt.Errorf("kubernetes: this worker has %d shards, and the worker %s: no shard is acquired until all workers have the same number", f.opts.Shards, others)
	}
	return firstOf([]error{absent, f.take(round, take), old})
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

// terms returns the terms of the shards that are held, by shard.
func (f *Fleet) terms() []*term {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.held), func(a, b *term) int { return a.shard - b.shard })
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

// take acquires shards, and reads what was saved of their targets.
func (f *Fleet) take(ctx context.Context, shards []int) error {
	errs := make([]error, len(shards))
	guard.Together(min(8, len(shards)), func(i int) {
		for ; i < len(shards); i += 8 {
			errs[i] = f.takeOne(ctx, shards[i])
		}
	})
	poke(f.dirty)
	return firstOf(errs)
}

func (f *Fleet) takeOne(ctx context.Context, shard int) error {
	t, err := f.leases.acquire(ctx, shard)
	if answered(err) == http.StatusConflict {
		return nil // another worker was quicker
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.held[shard] = t
	f.mu.Unlock()
	states, last, err := f.readStates(ctx, shard)
	if err == nil {
		err = f.leases.lift(ctx, t, last)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		t.leaving = true // another try, perhaps of another worker
		return err
	}
	t.states, t.ready = states, true
	return nil
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
	guard.Together(min(16, len(terms)), func(i int) {
		for ; i < len(terms); i += 16 {
			if err := f.leases.release(ctx, terms[i]); err != nil {
				f.opts.Logger.WarnContext(ctx, fmt.Sprintf("kubernetes: shard %d of the fleet could not be released, and others wait until it expires", terms[i].shard), slog.Any("error", err))
			}
		}
	})
}

// leaveAll releases all shards after the last member has ended, and leaves the fleet.
func (f *Fleet) leaveAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	terms := f.terms()
	f.mu.Lock()
	clear(f.held)
	clear(f.members)
	f.mu.Unlock()
	f.release(ctx, terms)
	if err := f.leases.leave(ctx); err != nil {
		f.opts.Logger.WarnContext(ctx, "kubernetes: the lease of this worker could not be deleted, and others wait until it expires", slog.Any("error", err))
	}
}
