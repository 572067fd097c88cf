package swarm

import (
	"maps"
	"slices"
	"sync"
)

// secrets are what services give to their containers, while orders that hold it are being
// sent: a refusal may quote it.
type secrets struct {
	mu sync.Mutex
	of map[*service][]string
}

// hide keeps the secrets of a service out of every text, until show is called.
func (s *secrets) hide(v *service) (show func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[*service][]string)
	}
	s.of[v] = v.secrets()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.of, v)
	}
}

// all returns the secrets, the longest first, because one may be part of another.
func (s *secrets) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Concat(slices.Collect(maps.Values(s.of))...)
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}
