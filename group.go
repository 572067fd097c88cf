package autoscale

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"

	"github.com/autoscalebot/autoscale/internal/guard"
)

// ErrNoMember is wrapped by the error of [Group.Remove] if no member has the name.
var ErrNoMember = errors.New("autoscale: the Group does not have this member")

// A Group runs the Autoscalers of several process types, such as web and worker, side
// by side. They share only what their Scalers share, such as a heroku.Client. If one
// fails for good, the others continue.
//
// Members can be added and removed at any time, also while the Group runs. The zero
// Group is empty and ready to use. Its methods are safe for concurrent use.
type Group struct {
	busy    sync.Mutex // held while a Run is under way
	running sync.WaitGroup

	mu       sync.Mutex // It is never held during a call to the host's code
	members  []*member  // in the order in which they were added
	names    map[string]*member
	electors map[Elector]*member
	start    func(*member) // nil: no Run is under way
	fault    error
}

// A member is one Autoscaler of a Group. Its name and its Elector are reserved from
// before it is added until it has ended.
type member struct {
	name    string
	elector Elector // nil: none, or one that cannot be compared
	a       *Autoscaler

	running bool               // its Run has not ended
	stop    context.CancelFunc // asks its Run to end
	ended   chan struct{}      // is closed when its Run has ended
	err     error              // the error of its last Run
	removed bool
}

// NewGroup returns a Group with one Autoscaler for each Config, or an empty Group. Like
// [New], it does no I/O and never fails: Run and Validate report what is wrong. The
// Names must differ. Each Config needs its own Elector, because an Elector serves one
// Autoscaler.
func NewGroup(cfgs ...Config) *Group {
	g := &Group{}
	var errs []error
	for i, cfg := range cfgs {
		m := newMember(cfg)
		if err := g.reserve(m); err != nil {
			errs = append(errs, fmt.Errorf("Config %d: %w", i+1, err))
		}
		m.a = New(cfg)
		g.members = append(g.members, m)
	}
	if errs != nil {
		g.fault = fmt.Errorf("%w: %w", ErrConfig, errors.Join(errs...))
	}
	return g
}

func newMember(cfg Config) *member {
	m := &member{name: cmp.Or(cfg.Name, DefaultName)}
	// Only equal pointers are certainly the same Elector.
	if v := reflect.ValueOf(cfg.Elector); v.Kind() == reflect.Pointer && !v.IsNil() {
		m.elector = cfg.Elector
	}
	return m
}

// reserve reserves the name and the Elector of m. The lock is held, or no other
// goroutine has g.
func (g *Group) reserve(m *member) error {
	if _, taken := g.names[m.name]; taken {
		return fmt.Errorf("its Name is %.80q, which another member has: give each process type its own", m.name)
	}
	if m.elector != nil {
		if other, taken := g.electors[m.elector]; taken {
			return fmt.Errorf("%.80s and %.80s have the same Elector: make one for each", other.name, m.name)
		}
	}
	if g.names == nil {
		g.names, g.electors = make(map[string]*member), make(map[Elector]*member)
	}
	g.names[m.name] = m
	if m.elector != nil {
		g.electors[m.elector] = m
	}
	return nil
}

// release undoes reserve. The lock is held.
func (g *Group) release(m *member) {
	if g.names[m.name] == m {
		delete(g.names, m.name)
	}
	if m.elector != nil && g.electors[m.elector] == m {
		delete(g.electors, m.elector)
	}
}

// Add adds a member, and starts it if the Group runs. Otherwise Run starts it. If cfg is
// invalid, or if another member has its Name or its Elector, the error wraps [ErrConfig],
// and nothing is added. A member that was removed counts until it has ended.
func (g *Group) Add(cfg Config) (*Autoscaler, error) {
	m := newMember(cfg)
	g.mu.Lock()
	err := g.reserve(m)
	g.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("%w: add %.80s to the Group: %w", ErrConfig, m.name, err)
	}
	a := New(cfg)
	err = a.Validate()
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.release(m)
		return nil, fmt.Errorf("autoscale: add %.80s to the Group: %w", m.name, err)
	}
	m.a = a
	g.members = append(g.members, m)
	if g.start != nil {
		g.start(m)
	}
	return a, nil
}

// Remove takes the member of that name out of the Group and stops it. Remove waits until
// the member has given its term up and its Run has ended, and returns the error of that
// Run. As soon as the member is stopping, Members and Status no longer have it. Its last
// notifications get up to eight seconds.
//
// If ctx ends first, Remove returns the cause at once, and the member ends as soon as it
// can. So with a ctx that has ended already, Remove asks the member to stop and does not
// wait. A part of the member, such as its Observe, must call Remove in that way, because
// the member waits for its parts.
//
// If no member has the name, the error wraps [ErrNoMember].
func (g *Group) Remove(ctx context.Context, name string) error {
	g.mu.Lock()
	m := g.names[name]
	if m == nil || m.a == nil {
		g.mu.Unlock()
		return fmt.Errorf("%w: %.80q", ErrNoMember, name)
	}
	g.members = slices.DeleteFunc(g.members, func(each *member) bool { return each == m })
	m.removed = true
	if !m.running {
		g.release(m)
		g.mu.Unlock()
		return m.err
	}
	m.stop()
	g.mu.Unlock()
	select {
	case <-m.ended:
		return m.err
	case <-ctx.Done():
		return fmt.Errorf("autoscale: remove %.80s from the Group: it is stopping: %w", name, context.Cause(ctx))
	}
}

// Validate reports what is wrong with the Group and with each Config, as
// [Config.Validate] does.
func (g *Group) Validate() error {
	errs := []error{g.fault}
	for _, a := range g.Members() {
		if err := a.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", a.cfg.Name, err))
		}
	}
	return errors.Join(errs...)
}

// Run runs all Autoscalers until ctx ends, and returns when all have ended. If one fails
// for good, it logs its error, and the others continue. The error of Run joins the errors
// of those that failed and were not removed, and is nil if there are none. A Group that
// is empty waits for members.
//
// If the Group itself is invalid, Run starts nothing, logs an error that wraps
// [ErrConfig], and returns it when ctx ends. See [Autoscaler.Run] for why it waits. If
// another Run of the Group is under way, Run returns an error that wraps [ErrRunning] at
// once.
func (g *Group) Run(ctx context.Context) error {
	if !g.busy.TryLock() {
		err := fmt.Errorf("autoscale: run a Group twice: %w", ErrRunning)
		g.log(ctx, slog.LevelError, err.Error())
		return err
	}
	defer g.busy.Unlock()
	if g.fault != nil {
		// The error is logged because go g.Run(ctx) drops it.
		g.log(ctx, slog.LevelError, g.fault.Error()+notScaled)
		<-ctx.Done()
		return g.fault
	}
	g.mu.Lock()
	g.start = func(m *member) { g.run(ctx, m) }
	for _, m := range g.members {
		g.start(m)
	}
	empty := len(g.members) == 0
	g.mu.Unlock()
	if empty {
		g.log(ctx, slog.LevelInfo, "autoscale: the Group is empty: nothing is scaled until Group.Add is called")
	}
	<-ctx.Done()
	g.mu.Lock()
	g.start = nil
	g.mu.Unlock()
	g.running.Wait()
	var errs []error
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range g.members {
		errs = append(errs, m.err)
	}
	return errors.Join(errs...)
}

// run starts m. The lock is held.
func (g *Group) run(ctx context.Context, m *member) {
	ctx, m.stop = context.WithCancel(ctx)
	m.running, m.ended, m.err = true, make(chan struct{}), nil
	g.running.Go(func() {
		err := m.a.Run(ctx)
		g.mu.Lock()
		defer g.mu.Unlock()
		m.stop()
		m.running, m.err = false, err
		if m.removed {
			g.release(m)
		}
		close(m.ended)
	})
}

// log writes to the logger of the first member, or to the default one.
func (g *Group) log(ctx context.Context, level slog.Level, message string) {
	logger := slog.Default()
	if all := g.Members(); len(all) > 0 {
		logger = all[0].cfg.Logger
	}
	_ = guard.Do(func() error { logger.Log(ctx, level, message); return nil })
}

// Members returns the Autoscalers, in the order in which they were added.
func (g *Group) Members() []*Autoscaler {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := make([]*Autoscaler, len(g.members))
	for i, m := range g.members {
		out[i] = m.a
	}
	return out
}

// Lookup returns the member of that name. It returns false if there is none, or if the
// member is stopping.
func (g *Group) Lookup(name string) (*Autoscaler, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.names[name]
	if m == nil || m.a == nil || m.removed {
		return nil, false
	}
	return m.a, true
}

// Status returns a snapshot of each member, in the order in which they were added.
func (g *Group) Status() []Status {
	all := g.Members()
	out := make([]Status, len(all))
	for i, a := range all {
		out[i] = a.Status()
	}
	return out
}
