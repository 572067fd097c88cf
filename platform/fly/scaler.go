package fly

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/autoscalebot/autoscale"
	"github.com/autoscalebot/autoscale/internal/calls"
)

// A Scaler sets how many machines of a process group are started. It is safe for
// concurrent use.
type Scaler struct {
	client     *Client
	app, group string
	self       string // the machine in which we run, which is stopped last
	fault      error

	mu       sync.Mutex         // not held during a call
	created  []*creation        // the machines created in the last ten minutes
	careful  bool               // whether the last machines that were created were lost
	taken    map[string]bool    // names that no new machine can have
	cordoned map[string]bool    // machines that may be cordoned, and must be uncordoned once they run
	refused  map[string]refusal // refusals to start, by machine
}

var _ autoscale.Scaler = (*Scaler)(nil)

var (
	validApp   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	validGroup = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$`)
	validID    = regexp.MustCompile(`^[A-Za-z0-9]{1,40}$`)
)

// Scaler returns the Scaler of a process group of an app. An app without groups in its
// fly.toml has one called "app".
func (c *Client) Scaler(app, group string) *Scaler {
	s := &Scaler{client: c, app: c.calls.Name(app), group: c.calls.Name(group), self: c.machine}
	faults := []error{c.calls.Fault()}
	if !validApp.MatchString(s.app) {
		faults = append(faults, fmt.Errorf("the app %s is not a name of an app on Fly, which has lower-case letters, digits and dashes", calls.Quoted(s.app)))
	}
	if !validGroup.MatchString(s.group) {
		faults = append(faults, fmt.Errorf("the process group %s is not valid: give it as fly.toml has it under [processes], or as \"app\" if there is none", calls.Quoted(s.group)))
	}
	s.fault = errors.Join(faults...)
	return s
}

// Validate reports everything that is wrong with the names and with the arguments of
// [NewClient]. It does no I/O.
func (s *Scaler) Validate() error { return s.fault }

// Capacity lists the machines of the app, which is one call.
//
// Desired is how many machines of the group are started or about to be. If the host of a
// machine does not answer, its last state counts. Pending is how many of them are not
// started yet, do not pass their checks, or have a host that does not answer.
// PendingKnown is false if started machines have no checks and none is pending. Changed
// is when somebody last started, stopped or updated one of them.
//
// Deploying is true while a machine is updated or replaced. It is also true for ten
// minutes after a machine of a newer release has joined older ones.
func (s *Scaler) Capacity(ctx context.Context) (autoscale.Capacity, error) {
	f, err := s.read(ctx, calls.Ordinary)
	if err != nil {
		return autoscale.Capacity{}, s.client.calls.Held(err)
	}
	c := autoscale.Capacity{Desired: len(f.on), Deploying: f.deploying, PendingKnown: true}
	for _, m := range f.all {
		if c.ExternalAutoscaler == "" {
			c.ExternalAutoscaler = m.rival()
		}
		for _, e := range m.Events {
			if t := time.UnixMilli(e.Timestamp); e.Source == "user" && t.After(c.Changed) && !t.After(time.Now()) {
				c.Changed = t
			}
		}
	}
	for _, m := range f.on {
		if !m.serves() {
			c.Pending++
		} else if len(m.Checks) == 0 {
			c.PendingKnown = false
		}
	}
	if left := s.uncordonLeft(ctx, f); left > 0 { // they run, but get no requests
		c.Pending = min(c.Pending+left, c.Desired)
	}
	c.PendingKnown = c.PendingKnown || c.Pending > 0
	return c, nil
}

// CloseIdleConnections calls that of the [Client].
func (s *Scaler) CloseIdleConnections() { s.client.CloseIdleConnections() }

// Format writes which process group is scaled, for every verb.
func (s *Scaler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "fly.Scaler(%s)", s.subject()) }

// MarshalJSON writes the same text as Format, as a JSON string.
func (s *Scaler) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(s)) }

func (s *Scaler) subject() string { return s.app + "/" + s.group }

func (s *Scaler) path() string { return "/v1/apps/" + s.app + "/machines" }

// A fleet has the machines of a process group.
type fleet struct {
	all, on, off            []*machine
	leaving, absent, failed int             // failed counts only those that we created
	names                   map[string]bool // of all machines of the app
	deploying               bool
	lost, alive, young      int // of the machines that were created within ten minutes
}

// read lists the machines.
func (s *Scaler) read(ctx context.Context, u calls.Urgency) (*fleet, error) {
	call := calls.Call{Op: "list the machines", Subject: s.subject(), Method: http.MethodGet, Path: s.path(), Urgency: u}
	if s.fault != nil {
		return nil, s.client.calls.Invalid(call, s.fault)
	}
	var list []*machine
	if err := s.client.calls.Do(ctx, call, &list); err != nil {
		return nil, err
	}
	if list == nil {
		return nil, s.client.calls.Invalid(call, errors.New("the answer is not a list"))
	}
	for _, m := range list {
		if m == nil {
			return nil, s.client.calls.Invalid(call, errors.New("the answer has an empty machine"))
		}
		if err := m.fault(); err != nil {
			return nil, s.client.calls.Invalid(call, err)
		}
	}
	f := s.sort(s.recall(list), time.Now())
	if len(f.all) == 0 {
		return nil, s.client.calls.Invalid(call, errors.New("the app has no machine of this process group: check its name, and deploy the app with `fly deploy`"))
	}
	s.judge(f)
	return f, nil
}

// sort sorts the machines by their condition.
func (s *Scaler) sort(list []*machine, now time.Time) *fleet {
	f := &fleet{names: make(map[string]bool)}
	oldest, newest := 0, 0
	var since time.Time // when the first machine of the newest release was made or updated
	for _, m := range list {
		f.names[m.Name] = true
		if !m.ours(s.group) {
			continue
		}
		f.all = append(f.all, m)
		switch m.condition(now) {
		case on:
			f.on = append(f.on, m)
			f.deploying = f.deploying || m.State == "updating" || m.State == "replacing"
			r := m.release()
			if r == 0 {
				continue
			}
			if oldest == 0 || r < oldest {
				oldest = r
			}
			if r > newest || r == newest && m.UpdatedAt.Before(since) {
				newest, since = r, m.UpdatedAt
			}
		case off:
			f.off = append(f.off, m)
		case leaving:
			f.leaving++
		case absent:
			f.absent++
		case failed:
			if strings.HasPrefix(m.Name, s.prefix()) {
				f.failed++
			}
		}
	}
	f.deploying = f.deploying || oldest != newest && now.Sub(since) < rollout
	return f
}

// template returns the machine to clone. It is of the newest release, and without
// volumes if there is such a machine.
func (f *fleet) template() *machine {
	var best *machine
	better := func(m *machine) bool {
		if best == nil || m.release() != best.release() {
			return best == nil || m.release() > best.release()
		}
		return len(m.config().Mounts) == 0 && len(best.config().Mounts) > 0
	}
	for _, m := range f.all {
		if m.Config != nil && m.reachable() && m.condition(time.Now()) > failed && better(m) {
			best = m
		}
	}
	return best
}
