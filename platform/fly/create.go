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
	// mostLost is how many of the machines that were created within ten minutes may be lost
	// before no more are created. It is also how many failed machines may exist.
	mostLost = 3

	// memory is for how long a created machine is remembered.
	memory = 10 * time.Minute

	// settled is how long a created machine must have served so that it does not count as
	// lost.
	settled = time.Minute

	// roomAfter is the time after which a region that had no room is asked again.
	roomAfter = 5 * time.Minute

	// mostTaken is how many taken names are remembered.
	mostTaken = 100
)

// A creation is a machine that an order created.
type creation struct {
	machine *machine
	at      time.Time
	listed  bool // it has been in a list
}

// A room says how many machines an order may create.
type room struct {
	missing int // how many machines
	pool    int // how many there could be without creating any
	size    int // the size that was ordered
	regions map[string]int
}

// create makes clones, at most those that are missing, and stops at the first refusal.
func (s *Scaler) create(ctx context.Context, f *fleet, r room) (made int, err error) {
	call := calls.Call{Op: "create a machine", Subject: s.subject(), Method: http.MethodPost, Path: s.path(), Urgency: calls.Urgent, Once: true}
	switch {
	case f.lost >= mostLost:
		return 0, s.client.calls.Invalid(call, fmt.Errorf("%d machines that were created within ten minutes are gone or have failed: see `fly logs` for why, before more are created", f.lost))
	case f.failed >= mostLost:
		return 0, s.client.calls.Invalid(call, fmt.Errorf("%d machines that were created have failed, and are still there: see `fly logs` for why, and destroy them with `fly machine destroy`, before more are created", f.failed))
	}
	t := f.template()
	if t == nil {
		return 0, s.client.calls.Invalid(call, errors.New("no machine can be cloned: no host of one answers"))
	}
	config, err := t.clone()
	if err != nil {
		return 0, r.limited(0, 0, err)
	}
	for _, m := range f.all { // a region in which no machine is on counts too
		if m.reachable() {
			r.regions[m.Region] += 0
		}
	}
	most := min(r.missing, s.allowed(f, r.missing))
	for made < most {
		if err := s.turn(ctx); err != nil {
			if ctx.Err() != nil {
				return made, calls.Ended(ctx, nil)
			}
			return made, &autoscale.BusyError{RetryAfter: time.Second, Err: s.client.calls.Invalid(call, errors.New("at most one is created a second on Fly, and the time is up"))}
		}
		region := slices.MinFunc(slices.Sorted(maps.Keys(r.regions)), func(a, b string) int { return cmp.Compare(r.regions[a], r.regions[b]) })
		name := s.free(f.names)
		call.Body = map[string]any{"name": name, "region": region, "config": config}
		var m machine
		err := s.client.calls.Do(ctx, call, &m)
		var told *platform.Error
		switch refused := errors.As(err, &told); {
		case err == nil && !validID.MatchString(m.ID):
			return made, s.client.calls.Invalid(call, errors.New("the answer has no id of a machine"))
		case err == nil:
			s.remember(&machine{ID: m.ID, Name: name, State: "creating", Region: region, Config: t.Config, Image: t.Image})
			r.regions[region]++
			made++
		case refused && told.Code == noRoom && len(r.regions) > 1:
			delete(r.regions, region)
			delete(f.names, name) // the name is free
		case refused && machineLimit.MatchString(told.Message):
			return made, r.limited(made, 0, err)
		case refused && told.Code == noRoom:
			return made, r.limited(made, roomAfter, s.client.calls.Held(err))
		default:
			if refused && told.Code == taken { // the next list has the machine, or the name is skipped
				s.skip(name)
			}
			return made, err
		}
	}
	if made < r.missing {
		return made, &autoscale.BusyError{Err: s.client.calls.Invalid(call, fmt.Errorf("machines that were created were gone or failed soon after, so this order creates %d of %d missing ones, and no more are created until they have served for %v", made, r.missing, settled))}
	}
	return made, nil
}

// turn waits until Fly permits another creation. It takes at most half of the time that is
// left, because the creation needs time too.
func (s *Scaler) turn(ctx context.Context) error {
	ctx, cancel := calls.Aside(ctx)
	defer cancel()
	return s.client.creates.Wait(ctx)
}

// limited returns the error of an order for which no more machines can be created. Machines
// that are stopping, or cannot be reached now, can be started later. believed is for how
// long the limit holds. 0 means as long as other limits.
func (r *room) limited(made int, believed time.Duration, err error) error {
	most := r.pool + made
	if most >= r.size {
		return &autoscale.BusyError{Err: err}
	}
	return &autoscale.LimitError{Size: r.size, Limit: most, RetryAfter: believed, Err: err}
}

// allowed returns how many machines an order may create. After some were lost, only one
// machine may exist whose fate is not known yet. Each machine that has survived allows one
// more.
func (s *Scaler) allowed(f *fleet, missing int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.careful {
		return max(0, 1+f.alive-f.young)
	}
	return missing
}

func (s *Scaler) prefix() string { return "autoscale-" + s.group + "-" }

// free returns a name that no machine has, and takes it. The same list gives the same name,
// so an order whose answer was lost does not make a second machine.
func (s *Scaler) free(names map[string]bool) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 1; ; n++ {
		if name := fmt.Sprint(s.prefix(), n); !names[name] && !s.taken[name] {
			names[name] = true
			return name
		}
	}
}

// skip notes a name that is taken, even by a machine that is not in any list.
func (s *Scaler) skip(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil || len(s.taken) >= mostTaken {
		s.taken = make(map[string]bool)
	}
	s.taken[name] = true
}

func (s *Scaler) remember(m *machine) {
	m.CreatedAt = time.Now()
	m.UpdatedAt = m.CreatedAt
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created = append(s.created, &creation{machine: m, at: m.CreatedAt})
}

// recall adds to a list the machines that were created recently and have not been in a
// list yet. A list may be behind, and a second order must not create them again.
func (s *Scaler) recall(list []*machine) []*machine {
	now := time.Now()
	listed := make(map[string]bool)
	for _, m := range list {
		listed[m.ID] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.created = slices.DeleteFunc(s.created, func(c *creation) bool { return now.Sub(c.at) > memory })
	for _, c := range s.created {
		c.listed = c.listed || listed[c.machine.ID]
		if !c.listed && now.Sub(c.at) < fresh {
			list = append(list, c.machine)
		}
	}
	return list
}

// judge counts the created machines that were lost, those that have survived, and
// those for which neither is known yet.
func (s *Scaler) judge(f *fleet) {
	now := time.Now()
	byID := make(map[string]*machine)
	for _, m := range f.all {
		byID[m.ID] = m
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.created {
		m := byID[c.machine.ID]
		switch {
		case m == nil, m.condition(now) <= failed:
			f.lost++
		case m.condition(now) == on && m.serves() && now.Sub(c.at) >= settled:
			f.alive++
		case m.condition(now) == on:
			f.young++
		}
	}
	switch {
	case f.lost > 0:
		s.careful = true
	case f.alive > 0:
		s.careful = false
	}
}
