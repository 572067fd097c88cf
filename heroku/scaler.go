package heroku

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	api "github.com/heroku/heroku-go/v5"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
	"github.com/autoscalebot/autoscale/internal/outbound"
)

const (
	// maintenanceAge is after how long the maintenance mode is read again: with
	// ticks every 30 seconds every other time, whatever their jitter.
	maintenanceAge = 55 * time.Second

	// maintenanceTrust is how long the last known maintenance mode stands in
	// for one that cannot be read.
	maintenanceTrust = 5 * time.Minute

	// bootTime is how long added dynos are looked at. Heroku gives up on a web
	// dyno that has not bound its port after a minute, three on request.
	bootTime = 5 * time.Minute
)

// A Scaler sets the size of one process type of an app. It is safe for concurrent use,
// together with the other Scalers of the same [Client].
type Scaler struct {
	client   *Client
	app, typ string // without what looks like a token
	fault    error  // what is wrong with them and with the client
	native   *calls.Lookup[bool]

	mu          sync.Mutex // not held during a call
	last        int        // the quantity that was read last; -1: none yet
	watched     time.Time  // until when dynos are looked at. Zero: all were up
	maintenance bool
	asked       time.Time // when maintenance was read; zero: never
}

var _ autoscale.Scaler = (*Scaler)(nil)

// formation is heroku-go's, except that a quantity which was not sent is no 0.
type formation struct {
	api.Formation
	Quantity *int `json:"quantity"`
}

// Validate reports everything that is wrong with the names of the app and the process
// type, and with the arguments of [NewClient]. It does no I/O.
func (s *Scaler) Validate() error {
	return s.fault
}

// Capacity reads the formation, which is one call of the API.
//
// Maintenance is read at most once a minute, which costs another call. If it cannot be
// read, its last known value counts for five minutes. After that, or if it was never
// known, Capacity returns the error. In maintenance every probe fails, and failing probes
// must not add dynos.
//
// Pending costs another call. It is read only after the first Capacity and after one that
// saw the quantity grow, until no dyno is starting, and for at most five minutes.
// Otherwise it is 0, also during a restart or a new release of the app. If it cannot be
// read, or if dynos were still starting after the five minutes, PendingKnown is false.
// Dynos that crashed or sleep are not counted, because they may stay that way.
//
// If the account's calls are used up, the error is an [autoscale.BusyError].
//
// ExternalAutoscaler is Heroku's own autoscaling if that is switched on. Capacity looks it
// up in the first call and then every ten minutes, if it can be on at all: for web on
// Performance, Private or Shield dynos. The lookup goes to [Options.MetricsURL], and is
// not a call of the API. A failed lookup is not an error: the last known state counts for
// half an hour. After that, or if none was ever known, ExternalAutoscaler is empty. A
// lookup takes at most a quarter of the time that the context leaves, and never more than
// five seconds.
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	f, err := s.read(ctx)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	c := autoscale.Capacity{Desired: *f.Quantity, Changed: f.UpdatedAt}
	watching, settled := s.saw(c.Desired, time.Now())
	if c.Maintenance, err = s.inMaintenance(ctx); err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	c.PendingKnown = settled
	if watching {
		c.Pending, c.PendingKnown = s.pending(ctx, c.Desired)
	}
	c.ExternalAutoscaler = s.rival(ctx, &f)
	return c, nil
}

// Scopes returns the scopes of the token that the last answer of the API named. global,
// write and write-protected permit an order of a size. Only an order shows whether the
// account has that right in the app. Scopes returns nil if there was no answer yet, or if
// it named none. It does no I/O.
func (s *Scaler) Scopes() []string {
	if scopes := s.client.scopes.Load(); scopes != nil {
		return slices.Clone(*scopes)
	}
	return nil
}

// Scale orders size dynos. Their kind does not change.
//
// A refusal because of a dyno limit is an [autoscale.LimitError]. A limit of Heroku is
// for a process type or for the whole app, and the refusal does not say which. If the
// limit that it names is not below size, other process types use part of it. Scale then
// reads their quantities, with another call, to learn how much they leave. If the refusal
// names no limit, LimitError.Limit is halfway between the present size and the refused
// size, so that the next order is smaller.
//
// A refusal that ends by itself is an [autoscale.BusyError]. Examples are a release, a
// deployment or another operation that is under way, and an account whose calls are used
// up.
func (s *Scaler) Scale(ctx context.Context, size int) error {
	var f formation
	call := calls.Call{
		Op: fmt.Sprintf("scale to %d", size), Subject: s.subject(), Method: http.MethodPatch, Path: formationPath(s.app, s.typ),
		Body: api.FormationUpdateOpts{Quantity: api.Int(size)}, Urgency: calls.Urgent,
		Check: func() error {
			if err := s.check(&f); err != nil {
				return err
			}
			if *f.Quantity != size {
				return fmt.Errorf("the answer says that the quantity is %d", *f.Quantity)
			}
			return nil
		},
	}
	if err := s.client.calls.CheckOrder(call, s.fault, size); err != nil {
		return err
	}
	err := s.client.do(ctx, call, &f)
	if limit := dynoLimit(0); errors.As(err, &limit) {
		refused := &autoscale.LimitError{Size: size, Err: err, Guessed: limit < 0}
		if refused.Guessed {
			refused.Limit = s.halfway(size)
		} else {
			refused.Limit = s.permitted(ctx, size, int(limit))
		}
		return refused
	}
	return s.client.calls.Held(err)
}

// CloseIdleConnections calls [Client.CloseIdleConnections].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes which process type of which app is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "heroku.Scaler(%s)", s.subject())
}

func (s *Scaler) subject() string {
	return outbound.Line(s.typ, 40) + " of " + s.appName()
}

func (s *Scaler) appName() string { return "app " + outbound.Line(s.app, 40) }

// read reads the formation.
func (s *Scaler) read(ctx context.Context) (f formation, err error) {
	call := calls.Call{
		Op: "read the size", Subject: s.subject(), Path: formationPath(s.app, s.typ),
		Check: func() error { return s.check(&f) },
	}
	if s.fault != nil {
		return f, s.client.calls.Invalid(call, s.fault)
	}
	err = s.client.do(ctx, call, &f)
	return f, err
}

// check returns an error that names what is missing in an answer.
func (s *Scaler) check(f *formation) error {
	switch {
	case f.Type == "":
		return errors.New("the answer has no type: it is not a formation of the Platform API")
	case f.Type != s.typ:
		return fmt.Errorf("the answer is about the process type %s", calls.Quoted(f.Type))
	case f.Quantity == nil:
		return errors.New("the answer has no quantity")
	case *f.Quantity < 0:
		return fmt.Errorf("the answer has the quantity %d", *f.Quantity)
	}
	return nil
}

// saw notes a quantity, and reports whether dynos may be on their way, or else whether it
// is known that none is.
func (s *Scaler) saw(quantity int, now time.Time) (watching, settled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if quantity > s.last {
		s.watched = now.Add(bootTime)
	}
	s.last = quantity
	return quantity > 0 && now.Before(s.watched), quantity == 0 || s.watched.IsZero()
}

func (s *Scaler) inMaintenance(ctx context.Context) (bool, error) {
	now := time.Now()
	s.mu.Lock()
	maintenance, asked := s.maintenance, s.asked
	s.mu.Unlock()
	known := !asked.IsZero() && now.Sub(asked) < maintenanceTrust
	if known && now.Sub(asked) < maintenanceAge {
		return maintenance, nil
	}

	// Whether others need the account's calls more was asked before the formation
	// was read: a look once begun is finished. Where there is an answer to fall back
	// on, no time is spent on trying again.
	var info struct {
		Maintenance *bool `json:"maintenance"`
	}
	call := calls.Call{
		Op: "read the maintenance mode", Subject: s.appName(), Path: appPath(s.app), Urgency: calls.Urgent, Once: known,
		Check: func() error {
			if info.Maintenance == nil {
				return errors.New("the answer does not say whether the app is in maintenance")
			}
			return nil
		},
	}
	limited := ctx
	if known {
		var cancel context.CancelFunc
		limited, cancel = calls.Aside(ctx)
		defer cancel()
	}
	err := s.client.do(limited, call, &info)
	switch {
	case err == nil:
		s.mu.Lock()
		s.maintenance, s.asked = *info.Maintenance, now
		s.mu.Unlock()
		return *info.Maintenance, nil
	case known && ctx.Err() == nil:
		return maintenance, nil
	}
	return false, err
}

// pending returns how many of the desired dynos do not serve yet, and whether that could
// be read.
func (s *Scaler) pending(ctx context.Context, desired int) (pending int, known bool) {
	ctx, cancel := calls.Aside(ctx)
	defer cancel()
	var dynos []api.Dyno
	call := calls.Call{Op: "list the dynos", Subject: s.appName(), Path: appPath(s.app) + "/dynos", Urgency: calls.Urgent, Once: true}
	if err := s.client.do(ctx, call, &dynos); err != nil {
		return 0, false
	}
	settled := 0
	for _, d := range dynos {
		if d.Type == s.typ && (d.State == "up" || d.State == "crashed" || d.State == "idle") {
			settled++
		}
	}
	pending = max(0, desired-settled)
	if pending == 0 {
		s.mu.Lock()
		if s.last == desired {
			s.watched = time.Time{}
		}
		s.mu.Unlock()
	}
	return pending, true
}

// permitted returns how many dynos a refusal of size with a limit leaves to
// this process type: fewer than size, and no fewer than run already.
func (s *Scaler) permitted(ctx context.Context, size, limit int) int {
	if limit >= size {
		limit = min(limit-s.others(ctx), size-1)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last < size {
		limit = max(limit, s.last)
	}
	return max(limit, 0)
}

// halfway returns a size between the one that runs and the one that was refused, or the
// one that runs if there is none between them.
func (s *Scaler) halfway(size int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from := max(s.last, 0); from < size {
		return from + (size-from)/2
	}
	return max(size-1, 0)
}

// others returns how many dynos the other process types of the app have, or 0 if
// that cannot be read.
func (s *Scaler) others(ctx context.Context) int {
	var all []formation
	call := calls.Call{Op: "read the formation", Subject: s.appName(), Path: appPath(s.app) + "/formation", Urgency: calls.Urgent, Once: true}
	if err := s.client.do(ctx, call, &all); err != nil {
		return 0
	}
	n := 0
	for _, f := range all {
		if f.Type != s.typ && f.Quantity != nil {
			n += max(0, *f.Quantity)
		}
	}
	return n
}
