package fly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/names"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// drain is how long Fly Proxy gets to notice that machines were cordoned.
	drain = 2 * time.Second

	// refusing is for how long a machine must have refused to start before another one is
	// created in its place.
	refusing = 2 * time.Minute

	// refusalMemory is for how long such a machine is not asked again.
	refusalMemory = 10 * time.Minute

	// mostRefusals is how many times it must have refused.
	mostRefusals = 3
)

// Scale starts or stops machines until size of them are started. It lists them first.
//
// To add machines, stopped and suspended ones are started first. Machines are created only
// if all machines of the group together are fewer than size. A machine does not count if it
// cannot be reached and does not run, or if it has refused to start for two minutes. Each
// new machine is a clone of one of the newest release, in the region of the group that has
// the fewest. The first refusal to create a machine ends the order.
//
// The error is an [autoscale.LimitError] if the machine to clone has volumes, if the
// organization has reached its limit of machines, or if no region has room. The lack of
// room is believed for five minutes.
//
// To remove machines, Scale cordons them, and stops them two seconds later. It does not
// destroy them. The machine in which this process runs is stopped last.
//
// If an order was carried out only in part, the error is an [autoscale.PartialError]. If
// the API answers that another operation is under way, it is an [autoscale.BusyError].
func (s *Scaler) Scale(ctx context.Context, size int) error {
	call := calls.Call{Op: fmt.Sprintf("scale to %d", size), Subject: s.subject()}
	if err := s.client.calls.CheckOrder(call, s.fault, size); err != nil {
		return err
	}
	f, err := s.read(ctx, calls.Urgent)
	if err != nil {
		return s.client.calls.Held(err)
	}
	s.uncordonLeft(ctx, f)
	from := len(f.on)
	change := s.shrink
	if size > from {
		change = s.grow
	}
	reached, failed := change(ctx, f, size)
	err = s.held(failed)
	if err == nil || reached == from {
		return err
	}
	return &autoscale.PartialError{Size: size, Reached: reached, Err: err}
}

// held joins errors. The result is a BusyError if the reason for each of them ends by
// itself.
func (s *Scaler) held(list []error) error {
	if len(list) == 0 {
		return nil
	}
	var err error = faults(list)
	if len(list) == 1 {
		err = list[0]
	}
	var wait time.Duration
	for _, one := range list {
		var busy *autoscale.BusyError
		if errors.As(one, new(*autoscale.LimitError)) || !errors.As(s.client.calls.Held(one), &busy) {
			return err
		}
		wait = max(wait, busy.RetryAfter)
	}
	return &autoscale.BusyError{RetryAfter: wait, Err: err, Unsure: calls.Unsure(err)}
}

// faults are the errors of several machines.
type faults []error

// mostFaults is how many of them Error shows.
const mostFaults = 3

// Error returns the first errors, on one line.
func (f faults) Error() string {
	var texts []string
	for _, err := range f[:min(len(f), mostFaults)] {
		texts = append(texts, err.Error())
	}
	if more := len(f) - mostFaults; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

func (f faults) Unwrap() []error { return f }

// grow starts machines, and creates those that are missing. It returns how many are on.
func (s *Scaler) grow(ctx context.Context, f *fleet, size int) (reached int, failures []error) {
	regions := make(map[string]int)
	for _, m := range f.on {
		regions[m.Region]++
	}
	stuck := s.setAside(f)
	var started []*machine
	refused, unsure := 0, 0
	for len(f.on)+len(started)+unsure < size && len(f.off) > 0 && ctx.Err() == nil {
		next := take(f, regions, size-len(f.on)-len(started)-unsure)
		s.owe(next)
		for i, err := range each(next, func(m *machine) error { return s.act(ctx, m, "start") }) {
			switch m := next[i]; {
			case err == nil:
				started = append(started, m)
				continue
			case vanished(err):
			case answered(err):
				s.noteRefusal(m)
				refused++
				failures = append(failures, err)
			default: // it may have started
				unsure++
				failures = append(failures, err)
				continue
			}
			regions[next[i].Region]--
		}
	}
	failures = append(failures, s.uncordonNow(ctx, started)...)
	reached = len(f.on) + len(started)
	// A machine that refused to start, or that is stopping now, still belongs to the pool.
	// If it were replaced by a clone, the pool would grow with every failure.
	pool := reached + len(f.off) + refused + f.leaving
	if missing := size - pool; missing > 0 && unsure == 0 && ctx.Err() == nil {
		if len(stuck) > size { // another one was already created in place of each
			return reached, append(failures, fmt.Errorf("fly: %s: %d machines have refused to start for %v, the last one machine %s: see `fly logs` for why, and destroy them with `fly machine destroy`", s.subject(), len(stuck), refusing, stuck[0].ID))
		}
		made, err := s.create(ctx, f, room{missing: missing, pool: pool + len(stuck) + f.absent, size: size, regions: regions})
		reached += made
		if err != nil {
			failures = append(failures, err)
		}
	}
	if reached < size && len(failures) == 0 {
		failures = append(failures, &autoscale.BusyError{Err: fmt.Errorf("fly: %s: %s being stopped: what has stopped is started again", s.subject(), names.Count(f.leaving, "machine is", "machines are"))})
	}
	return reached, failures
}

// take takes up to n machines that are off, each from the region that has the fewest.
func take(f *fleet, regions map[string]int, n int) (taken []*machine) {
	for range min(n, len(f.off)) {
		best := 0
		for i, m := range f.off {
			if regions[m.Region] < regions[f.off[best].Region] {
				best = i
			}
		}
		m := f.off[best]
		f.off = slices.Delete(f.off, best, best+1)
		regions[m.Region]++
		taken = append(taken, m)
	}
	return taken
}

// vanished reports whether an error means that a machine no longer exists.
func vanished(err error) bool {
	var e *platform.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// answered reports whether an error is an answer that shows that a call was not carried
// out.
func answered(err error) bool {
	var e *platform.Error
	return errors.As(err, &e) && e.Status/100 == 4 && e.Status != http.StatusTooManyRequests && e.Status != http.StatusRequestTimeout
}

// A refusal records that a machine has refused to start, perhaps several times.
type refusal struct {
	since, last time.Time
	times       int
}

// setAside removes, from the machines that are off, those that have refused to start for
// too long, for example because a host has no room.
func (s *Scaler) setAside(f *fleet) (stuck []*machine) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	isOff := make(map[string]bool)
	f.off = slices.DeleteFunc(f.off, func(m *machine) bool {
		isOff[m.ID] = true
		r, ok := s.refused[m.ID]
		aside := ok && r.last.Sub(r.since) >= refusing && r.times >= mostRefusals && now.Sub(r.last) < refusalMemory
		if aside {
			stuck = append(stuck, m)
		}
		return aside
	})
	maps.DeleteFunc(s.refused, func(id string, _ refusal) bool { return !isOff[id] })
	return stuck
}

func (s *Scaler) noteRefusal(m *machine) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.refused = make(map[string]refusal)
	}
	r, ok := s.refused[m.ID]
	if !ok || now.Sub(r.last) >= refusalMemory {
		r = refusal{since: now}
	}
	r.last, r.times = now, r.times+1
	s.refused[m.ID] = r
}

// shrink cordons and stops machines. It takes those that do not serve first, then those of
// the region that has the most, and our own last. It returns how many are still on.
func (s *Scaler) shrink(ctx context.Context, f *fleet, size int) (reached int, failures []error) {
	leave := s.leaving(f, len(f.on)-size)
	if len(leave) == 0 {
		return len(f.on), nil
	}
	s.owe(leave)
	// If a machine still gets requests, it stops less cleanly, but it stops.
	early, cancel := context.WithTimeout(ctx, calls.Patience(ctx)/4)
	each(leave, func(m *machine) error { return s.act(early, m, "cordon") })
	cancel()
	if ended := calls.Pause(ctx, min(drain, calls.Patience(ctx)/4)); ended != nil {
		return len(f.on), append(s.uncordonNow(ctx, leave), ended)
	}
	reached = len(f.on)
	var stay []*machine
	for i, err := range each(leave, func(m *machine) error { return s.act(ctx, m, "stop") }) {
		if err == nil || vanished(err) {
			reached--
			continue
		}
		stay, failures = append(stay, leave[i]), append(failures, err)
	}
	return reached, append(failures, s.uncordonNow(ctx, stay)...) // they go on serving
}

// leaving chooses the machines to stop.
func (s *Scaler) leaving(f *fleet, n int) (leave []*machine) {
	regions := make(map[string]int)
	for _, m := range f.on {
		regions[m.Region]++
	}
	rest := slices.Clone(f.on)
	for range n {
		m := slices.MinFunc(rest, func(a, b *machine) int {
			return cmp.Or(rank(a.ID == s.self)-rank(b.ID == s.self), rank(a.serves())-rank(b.serves()),
				regions[b.Region]-regions[a.Region], b.CreatedAt.Compare(a.CreatedAt))
		})
		rest = slices.DeleteFunc(rest, func(o *machine) bool { return o == m })
		regions[m.Region]--
		leave = append(leave, m)
	}
	return leave
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}
