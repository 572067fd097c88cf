package leader_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/autoscaletest"
	"github.com/autoscalebot/autoscale/leader"
)

// fakeStore keeps leases in memory, by a clock of its own. It is written from
// the words of leader.Lease alone, so that the SQL is held against something.
type fakeStore struct {
	mu    sync.Mutex
	ahead time.Duration // of the store's clock
	rows  map[string]*fakeRow
	calls map[string]int   // by method
	won   []autoscale.Term // each that began
}

type fakeRow struct {
	leader.Row
	expires, saved time.Time
}

func newFakeStore() *fakeStore {
	return &fakeStore{rows: map[string]*fakeRow{}, calls: map[string]int{}}
}

func (s *fakeStore) step(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

// terms returns every term that began.
func (s *fakeStore) terms() []autoscale.Term {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]autoscale.Term(nil), s.won...)
}

func (s *fakeStore) count(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// fakeLink is one process's way to a fakeStore, which may be disturbed.
type fakeLink struct {
	*fakeStore
	mu     sync.Mutex
	before func(ctx context.Context, method string) error // in the store's way; an error: nothing was done
	after  func(ctx context.Context, method string) error // in the answer's way; an error: it was done all the same
}

func (l *fakeLink) disturb(before, after func(ctx context.Context, method string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before, l.after = before, after
}

var errCut = errors.New("the network is cut")

// hang is a network that swallows everything.
func hang(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

func cut(context.Context, string) error { return errCut }

// call does f under the store's lock, as of its clock.
func (l *fakeLink) call(ctx context.Context, method string, f func(now time.Time)) error {
	l.mu.Lock()
	before, after := l.before, l.after
	l.mu.Unlock()
	if before != nil {
		if err := before(ctx, method); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	l.fakeStore.mu.Lock()
	l.calls[method]++
	f(time.Now().Add(l.ahead))
	l.fakeStore.mu.Unlock()
	if after != nil {
		return after(ctx, method)
	}
	return nil
}

func (r *fakeRow) view(now time.Time, seen int64) leader.Row {
	v := r.Row
	v.Left, v.Age = r.expires.Sub(now), 0
	if v.Version == seen {
		v.State = nil
	}
	if v.Version != 0 {
		v.Age = now.Sub(r.saved)
	}
	return v
}

func (l *fakeLink) Read(ctx context.Context, name string, seen int64) (row leader.Row, err error) {
	err = l.call(ctx, "read", func(now time.Time) {
		if r := l.rows[name]; r != nil {
			row = r.view(now, seen)
		}
	})
	return row, err
}

func (l *fakeLink) Acquire(ctx context.Context, c leader.Claim, last leader.Row, stale bool) (row leader.Row, ok bool, err error) {
	err = l.call(ctx, "acquire", func(now time.Time) {
		r := l.rows[c.Name]
		if r == nil {
			r = &fakeRow{}
			l.rows[c.Name] = r
		}
		same := r.Holder == last.Holder && r.Term == last.Term && r.Renewal == last.Renewal
		if now.Before(r.expires) && r.Holder != c.Holder && !(stale && same) {
			return
		}
		r.Holder, r.Term, r.Renewal, r.TTL = c.Holder, max(r.Term, c.Term)+1, 0, c.TTL
		r.expires = now.Add(c.TTL)
		l.won = append(l.won, autoscale.Term{Holder: c.Holder, Number: r.Term})
		row, ok = r.view(now, last.Version), true
	})
	return row, ok, err
}

// held calls f if the claim holds.
func (l *fakeLink) held(ctx context.Context, method string, c leader.Claim, expired bool, f func(r *fakeRow, now time.Time)) (ok bool, err error) {
	err = l.call(ctx, method, func(now time.Time) {
		r := l.rows[c.Name]
		if r != nil && r.Holder == c.Holder && r.Term == c.Term && (expired || now.Before(r.expires)) {
			f(r, now)
			ok = true
		}
	})
	return ok, err
}

func (l *fakeLink) Renew(ctx context.Context, c leader.Claim, seen int64) (row leader.Row, ok bool, err error) {
	ok, err = l.held(ctx, "renew", c, false, func(r *fakeRow, now time.Time) {
		r.Renewal++
		r.TTL, r.expires = c.TTL, now.Add(c.TTL)
		row = r.view(now, seen)
	})
	return row, ok, err
}

func (l *fakeLink) Release(ctx context.Context, c leader.Claim) error {
	_, err := l.held(ctx, "release", c, true, func(r *fakeRow, now time.Time) { r.expires = time.Time{} })
	return err
}

func (l *fakeLink) Save(ctx context.Context, c leader.Claim, state []byte, version int64) (bool, error) {
	late := false
	ok, err := l.held(ctx, "save", c, false, func(r *fakeRow, now time.Time) {
		if late = r.Version > version; !late {
			r.State, r.Version, r.saved = state, version, now
		}
	})
	return ok && !late, err
}

func (l *fakeLink) Command(ctx context.Context, name string, command []byte) error {
	return l.call(ctx, "command", func(time.Time) {
		r := l.rows[name]
		if r == nil {
			r = &fakeRow{}
			l.rows[name] = r
		}
		r.Command = command
	})
}

var quiet = slog.New(slog.DiscardHandler)

// TestElector runs the conformance suite.
func TestElector(t *testing.T) {
	for name, fault := range map[string]func(context.Context, string) error{"refused": cut, "swallowed": hang} {
		t.Run(name, func(t *testing.T) {
			autoscaletest.Elector(t, autoscaletest.ElectorOptions{TTL: 45 * time.Second, Bubble: true}, func(t *testing.T) autoscaletest.Contest {
				s := newFakeStore()
				links := map[string]*fakeLink{}
				return autoscaletest.Contest{
					New: func(holder string) autoscale.Elector {
						links[holder] = &fakeLink{fakeStore: s}
						return leader.New(links[holder], &leader.Options{Name: "web", Holder: holder, Logger: quiet})
					},
					Cut: func(holder string, off bool) {
						links[holder].disturb(nil, nil)
						if off {
							links[holder].disturb(fault, nil)
						}
					},
					Step: s.step,
				}
			})
		})
	}
}
