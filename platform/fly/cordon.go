package fly

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale/internal/calls"
)

// atOnce is how many machines are acted on at the same time. Fly counts the calls for each
// machine separately.
const atOnce = 8

// each calls f for each machine, some at a time, and returns the errors in the order of the
// machines.
func each(list []*machine, f func(m *machine) error) []error {
	errs := make([]error, len(list))
	next := make(chan int, len(list))
	for i := range list {
		next <- i
	}
	close(next)
	var done sync.WaitGroup
	for range min(atOnce, len(list)) {
		done.Go(func() {
			for i := range next {
				errs[i] = f(list[i])
			}
		})
	}
	done.Wait()
	return errs
}

// act makes a call about one machine. It takes at most a third of the time that is left, so
// that one machine that does not answer leaves time for the others.
func (s *Scaler) act(ctx context.Context, m *machine, verb string) error {
	ctx, cancel := context.WithTimeout(ctx, calls.Patience(ctx)/3)
	defer cancel()
	return s.client.calls.Do(ctx, calls.Call{
		Op: verb + " machine " + m.ID, Subject: s.subject(), Method: http.MethodPost,
		Path: s.path() + "/" + m.ID + "/" + verb, Body: struct{}{}, Urgency: calls.Urgent,
	}, nil)
}

const (
	// uncordonTime bounds the time to uncordon machines that would otherwise run without
	// requests. They are uncordoned even if the caller has gone.
	uncordonTime = 5 * time.Second

	// leastUncordonTime is the time for that if the caller has none left.
	leastUncordonTime = time.Second
)

// uncordonNow lets machines get requests again, even if ctx has ended.
func (s *Scaler) uncordonNow(ctx context.Context, list []*machine) (failures []error) {
	if len(list) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(uncordonTime, max(calls.Patience(ctx), leastUncordonTime)))
	defer cancel()
	return s.uncordon(ctx, list)
}

// uncordon lets machines get requests again. If that fails, the next order or the next
// Capacity tries again.
func (s *Scaler) uncordon(ctx context.Context, list []*machine) (failures []error) {
	errs := each(list, func(m *machine) error { return s.act(ctx, m, "uncordon") })
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range list {
		switch {
		case errs[i] == nil:
			delete(s.cordoned, m.ID)
		case !vanished(errs[i]):
			failures = append(failures, errs[i])
		}
	}
	return failures
}

// owe notes machines that may be cordoned. Each is uncordoned once it runs, whoever
// started it, and whatever happened to an order to stop it.
func (s *Scaler) owe(list []*machine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cordoned == nil {
		s.cordoned = make(map[string]bool)
	}
	for _, m := range list {
		s.cordoned[m.ID] = true
	}
}

// uncordonLeft uncordons the machines that run and may be cordoned. It takes at most a
// quarter of the time that is left, and returns how many still may be.
func (s *Scaler) uncordonLeft(ctx context.Context, f *fleet) (left int) {
	s.mu.Lock()
	maps.DeleteFunc(s.cordoned, func(id string, _ bool) bool {
		return !slices.ContainsFunc(f.all, func(m *machine) bool { return m.ID == id })
	})
	owed := maps.Clone(s.cordoned)
	s.mu.Unlock()
	var list []*machine
	for _, m := range f.on {
		switch {
		case !owed[m.ID]:
		case m.reachable():
			list = append(list, m)
		default: // it gets no requests in any case
			left++
		}
	}
	if len(list) == 0 {
		return left
	}
	ctx, cancel := context.WithTimeout(ctx, calls.Patience(ctx)/4)
	defer cancel()
	return left + len(s.uncordon(ctx, list))
}
