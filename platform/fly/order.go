package fly

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/platform"
)

const (
	// mostLost is how many machines of the last ten minutes may be gone again before no
	// more are created.
	mostLost = 3

	// memory is for how long a created machine is remembered.
	memory = 10 * time.Minute

	// roomAfter is after how long a region that has no room is asked again.
	roomAfter = 5 * time.Minute

	// mostTaken is how many taken names are remembered.
	mostTaken = 100

	// drain is how long Fly Proxy has to learn that machines were cordoned.
	drain = 2 * time.Second
)

// Scale starts or stops machines until size of them are started. It lists them first.
//
// To add machines, stopped and suspended ones are started first. Machines are created only
// if all machines of the group together are fewer than size, each as a clone of one of the
// newest release, in the region of the group that has the fewest. A machine with volumes is
// not cloned: the error is an [autoscale.LimitError] then, as it is if the organization has
// reached its limit of machines, or if no region has room, which is believed for five
// minutes. The first refusal to create a machine ends the order.
//
// To remove machines, they are cordoned, and stopped two seconds later. None is destroyed.
// The machine in which this process runs is stopped last.
//
// An order that was carried out in part is an [autoscale.PartialError]. An answer that says
// that another operation is under way is an [autoscale.BusyError].
func (s *Scaler) Scale(ctx context.Context, size int) error {
	call := calls.Call{Op: fmt.Sprintf("scale to %d", size), Subject: s.subject()}
	switch {
	case s.fault != nil:
		return s.client.calls.Invalid(call, s.fault)
	case size < 0:
		return s.client.calls.Invalid(call, errors.New("a size must not be negative"))
	}
	f, err := s.read(ctx, calls.Urgent)
	if err != nil {
		return s.client.calls.Held(err)
	}
	s.uncordonLeft(ctx, f)
	from := len(f.on)
	var reached int
	if size > from {
		reached, err = s.grow(ctx, f, size)
	} else {
		reached, err = s.shrink(ctx, f, size)
	}
	var limit *autoscale.LimitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &limit) && reached == from:
		return err
	case reached != from || calls.Unsure(err):
		return &autoscale.PartialError{Size: size, Reached: reached, Err: err}
	}
	return s.client.calls.Held(err)
}

// grow starts machines, and creates those that are missing. It returns how many are on.
func (s *Scaler) grow(ctx context.Context, f *fleet, size int) (reached int, err error) {
	regions := make(map[string]int)
	for _, m := range f.on {
		regions[m.Region]++
	}
	reached = len(f.on)
	var faults []error
	unsure := 0 // may have started although that seemed to fail: no other one is started in their place
	for len(f.off) > 0 && reached+unsure < size {
		i := fewest(f.off, regions)
		m := f.off[i]
		f.off = slices.Delete(f.off, i, i+1)
		started, err := s.start(ctx, m)
		if started {
			regions[m.Region]++
			reached++
		}
		if err != nil {
			faults = append(faults, err)
			if !started && calls.Unsure(err) {
				unsure++
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	// A machine that did not start, or that stops now, is in the pool all the same. A
	// clone in its place would make the pool grow with every failure.
	missing := size - reached - len(f.off) - f.leaving - len(faults)
	if missing <= 0 || len(faults) > 0 {
		if reached < size && len(faults) == 0 {
			faults = append(faults, &autoscale.BusyError{Err: fmt.Errorf("fly: %s: %d machines are being stopped: they are started when they have stopped", s.subject(), f.leaving)})
		}
		return reached, errors.Join(faults...)
	}
	n, err := s.create(ctx, f, regions, missing, size, reached)
	reached += n
	if err == nil && reached < size {
		err = &autoscale.BusyError{Err: fmt.Errorf("fly: %s: machines are being stopped: they are started when they have stopped", s.subject())}
	}
	return reached, err
}

// fewest returns the index of a machine in the region that has the fewest.
func fewest(list []*machine, regions map[string]int) int {
	best := 0
	for i, m := range list {
		if regions[m.Region] < regions[list[best].Region] {
			best = i
		}
	}
	return best
}

// start starts a machine, and lets requests to it again, which an order to stop it kept
// away.
func (s *Scaler) start(ctx context.Context, m *machine) (started bool, err error) {
	if err := s.act(ctx, m, "start"); err != nil {
		return false, err
	}
	return true, s.uncordon(ctx, m)
}

func (s *Scaler) act(ctx context.Context, m *machine, verb string) error {
	return s.client.calls.Do(ctx, calls.Call{
		Op: verb + " machine " + m.ID, Subject: s.subject(), Method: http.MethodPost,
		Path: s.path() + "/" + m.ID + "/" + verb, Body: struct{}{}, Urgency: calls.Urgent,
	}, nil)
}

// create makes clones, at most missing, and stops at the first refusal.
func (s *Scaler) create(ctx context.Context, f *fleet, regions map[string]int, missing, size, reached int) (made int, err error) {
	call := calls.Call{Op: "create a machine", Subject: s.subject(), Method: http.MethodPost, Path: s.path(), Urgency: calls.Urgent, Once: true}
	if lost := s.lost(f); lost >= mostLost {
		return 0, s.client.calls.Invalid(call, fmt.Errorf("%d machines that were created within ten minutes are gone: see `fly logs` for why, before more are created", lost))
	}
	t := f.template()
	if t == nil {
		return 0, s.client.calls.Invalid(call, errors.New("no machine can be cloned: no host of one answers"))
	}
	config, err := t.clone()
	if err != nil {
		return 0, &autoscale.LimitError{Size: size, Limit: reached, Err: err}
	}
	for _, m := range f.all { // a region without a machine that is on is one, too
		if m.reachable() {
			regions[m.Region] += 0
		}
	}
	for made < missing {
		if wait := s.client.creates.Wait(ctx); wait != nil {
			return made, s.client.calls.Invalid(call, fmt.Errorf("one a second is permitted by Fly, and the time is up: %w", wait))
		}
		region := slices.MinFunc(slices.Sorted(maps.Keys(regions)), func(a, b string) int { return cmp.Compare(regions[a], regions[b]) })
		name := s.free(f.names)
		call.Body = map[string]any{"name": name, "region": region, "config": config}
		var m machine
		err := s.client.calls.Do(ctx, call, &m)
		var told *platform.Error
		switch refused := errors.As(err, &told); {
		case err == nil && !validID.MatchString(m.ID):
			return made, s.client.calls.Invalid(call, errors.New("the answer has no id of a machine"))
		case err == nil:
			s.remember(m.ID)
			regions[region]++
			made++
		case refused && told.Code == noRoom && len(regions) > 1:
			delete(regions, region)
			delete(f.names, name) // which is free
		case refused && told.Code == noRoom:
			return made, &autoscale.LimitError{Size: size, Limit: reached + made, RetryAfter: roomAfter, Err: s.client.calls.Held(err)}
		case refused && machineLimit.MatchString(told.Message):
			return made, &autoscale.LimitError{Size: size, Limit: reached + made, Err: err}
		default:
			if refused && told.Code == taken { // the next list has the machine, or the name is skipped
				s.skip(name)
			}
			return made, err
		}
	}
	return made, nil
}

// free returns a name that no machine has, and takes it. The same list leads to the same
// name, so that an order whose answer was lost makes no second machine.
func (s *Scaler) free(names map[string]bool) string {
	for n := 1; ; n++ {
		if name := fmt.Sprintf("autoscale-%s-%d", s.group, n); !names[name] && !s.skips(name) {
			names[name] = true
			return name
		}
	}
}

// skip notes a name that is taken, also if it is that of a machine that no list has.
func (s *Scaler) skip(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil || len(s.taken) >= mostTaken {
		s.taken = make(map[string]bool)
	}
	s.taken[name] = true
}

func (s *Scaler) skips(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken[name]
}

func (s *Scaler) remember(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created = append(s.created, creation{id, time.Now()})
}

// lost returns how many machines that were created within ten minutes are no longer there,
// or have failed.
func (s *Scaler) lost(f *fleet) int {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created = slices.DeleteFunc(s.created, func(c creation) bool { return now.Sub(c.at) > memory })
	n := 0
	for _, c := range s.created {
		if !slices.ContainsFunc(f.all, func(m *machine) bool { return m.ID == c.id && m.condition(now) != unfit }) {
			n++
		}
	}
	return n
}

// shrink cordons and stops machines: those that do not serve first, then those of the region
// that has the most, and our own last. It returns how many are on.
func (s *Scaler) shrink(ctx context.Context, f *fleet, size int) (reached int, err error) {
	reached = len(f.on)
	if reached == size {
		return reached, nil
	}
	regions := make(map[string]int)
	for _, m := range f.on {
		regions[m.Region]++
	}
	rest := slices.Clone(f.on)
	var leave []*machine
	for range reached - size {
		m := slices.MinFunc(rest, func(a, b *machine) int {
			return cmp.Or(rank(a.ID == s.self)-rank(b.ID == s.self), rank(a.serves())-rank(b.serves()),
				regions[b.Region]-regions[a.Region], b.CreatedAt.Compare(a.CreatedAt))
		})
		rest = slices.DeleteFunc(rest, func(o *machine) bool { return o == m })
		regions[m.Region]--
		leave = append(leave, m)
	}
	var faults []error
	for _, m := range leave {
		// A machine that is still asked stops less cleanly, and stops.
		_ = s.act(ctx, m, "cordon")
	}
	ended := calls.Pause(ctx, min(drain, calls.Patience(ctx)/4))
	if ended != nil {
		faults = append(faults, ended)
	}
	for _, m := range leave {
		err := ended
		if err == nil {
			if err = s.act(ctx, m, "stop"); err == nil {
				reached--
				continue
			}
			faults = append(faults, err)
		}
		// It goes on serving.
		if err := s.uncordon(ctx, m); err != nil {
			faults = append(faults, err)
		}
	}
	return reached, errors.Join(faults...)
}

// uncordonTime bounds what is done for a machine that would otherwise run without requests,
// also if the caller has gone.
const uncordonTime = 5 * time.Second

// uncordon lets requests to a machine again. If that fails, the next order or look at the
// size tries again.
func (s *Scaler) uncordon(ctx context.Context, m *machine) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), uncordonTime)
	defer cancel()
	err := s.act(ctx, m, "uncordon")
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(s.cordoned, m.ID)
		return nil
	}
	if s.cordoned == nil {
		s.cordoned = make(map[string]bool)
	}
	s.cordoned[m.ID] = true
	return err
}

// uncordonLeft uncordons the machines that run and could not be uncordoned before. It returns how
// many still cannot.
func (s *Scaler) uncordonLeft(ctx context.Context, f *fleet) (left int) {
	s.mu.Lock()
	owed := maps.Clone(s.cordoned)
	s.mu.Unlock()
	if len(owed) == 0 {
		return 0
	}
	on := make(map[string]bool)
	for _, m := range f.on {
		on[m.ID] = true
		if owed[m.ID] && s.uncordon(ctx, m) != nil {
			left++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.cordoned, func(id string, _ bool) bool { return !on[id] })
	return left
}

func rank(last bool) int {
	if last {
		return 1
	}
	return 0
}
