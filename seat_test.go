package autoscale_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/autoscalebot/autoscale"
)

// registry is what the seats of one process type share, as a table would.
type registry struct {
	mu      sync.Mutex
	holder  string
	term    int64
	state   []byte
	saved   time.Time
	command []byte
	saves   int
	broken  error // of each round trip
}

// seat is an Elector and Store in one process. A test says which seat leads.
type seat struct {
	*registry
	name   string
	term   int64 // in which it believes to lead; 0: none
	rested time.Duration
}

func (r *registry) seat(name string) *seat { return &seat{registry: r, name: name} }

// lead makes s the leader. Who led before does not learn of it.
func (s *seat) lead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.registry.term++
	s.registry.holder = s.name
	s.term = s.registry.term
}

func (s *seat) Run(ctx context.Context) error { <-ctx.Done(); return nil }

func (s *seat) Current() (autoscale.Term, bool) {
	return autoscale.Term{Holder: s.name, Number: s.term}, s.term > 0
}

func (s *seat) Resign(rest time.Duration) { s.term, s.rested = 0, rest }

func (s *seat) Record() (autoscale.Record, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return autoscale.Record{
		Holder: s.holder, Term: s.registry.term, State: s.state, Age: time.Since(s.saved),
		Command: s.command, Read: time.Now(),
	}, s.registry.term > 0
}

func (s *seat) Save(_ context.Context, term int64, state []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saves++
	switch {
	case s.broken != nil:
		return s.broken
	case len(state) > autoscale.MaxState:
		return fmt.Errorf("%d bytes", len(state))
	case term != s.registry.term || s.holder != s.name:
		s.term = 0
		return fmt.Errorf("term %d is over: %w", term, autoscale.ErrNotLeader)
	}
	s.state, s.saved = slices.Clone(state), time.Now()
	return nil
}

func (s *seat) Command(_ context.Context, command []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.command = slices.Clone(command)
	return nil
}

// two returns rigs of two processes beside one platform and one registry, in
// the bubble's time.
func two(t *testing.T, change func(*autoscale.Config)) (a, b *rig, sa, sb *seat, reg *registry) {
	reg = new(registry)
	sa, sb = reg.seat("web.1"), reg.seat("web.2")
	a = newRig(t, func(c *autoscale.Config) {
		c.Elector = sa
		if change != nil {
			change(c)
		}
	})
	b = newRig(t, func(c *autoscale.Config) {
		c.Elector = sb
		if change != nil {
			change(c)
		}
		c.Scaler = a.platform
	})
	b.platform = a.platform
	a.now, b.now = time.Now(), time.Now()
	return a, b, sa, sb, reg
}

// pass lets half a minute pass and ticks, at the bubble's time.
func (r *rig) pass() (autoscale.Decision, error) {
	time.Sleep(30 * time.Second)
	r.now = time.Now()
	return r.a.Tick(r.t.Context(), r.now)
}
